/**
 * vm_page: the columns that describe every frame, and what is done to one page.
 *
 * A page is a frame number. It is free; or it belongs to an object, and is then on the active or the inactive queue, or on none while it is
 * wired, busy in somebody's hands, or fictitious (a device's). `fake` says that nobody has put contents into it yet: the placeholder that
 * a fault keeps at the top of a shadow chain is fake until it is filled. `clean` is the kernel's own note; the pmap's modify bit is only
 * consulted when a page is deactivated or cleaned. `laundry` marks a page that was dirty when it was deactivated: it must be written.
 *
 * There is no reserve: the last free page is anybody's. 51 bytes a frame, with the hash, the saved bits and the heads of the reverse maps.
 */
import { uint8Column, uint16Column } from '../machine/columns.js';
import { PageHash } from '../vm/page-hash.js';
import { PageLinks } from '../vm/page-links.js';
import { PageQueues } from '../vm/page-queues.js';
import type { VmObject } from './object.js';
import type { Vm } from './vm.js';

export const PQ_NONE = 0;
export const PQ_FREE = 1;
export const PQ_INACTIVE = 2;
export const PQ_ACTIVE = 3;
const QUEUES = 4;

/** Page flags. */
export const PG_CLEAN = 0x01;
export const PG_BUSY = 0x02;
export const PG_WANTED = 0x04;
export const PG_COPY_ON_WRITE = 0x08;
export const PG_FICTITIOUS = 0x10;
export const PG_ABSENT = 0x20;
export const PG_FAKE = 0x40;
export const PG_LAUNDRY = 0x80;

export class Pages {
  readonly hash: PageHash;
  readonly queues: PageQueues;
  /** The object's list of its resident pages, in the order in which they came. */
  readonly links: PageLinks;
  readonly wireCount: Uint16Array;
  readonly flags: Uint8Array;
  /** Accesses that an external data manager has locked out, and those that it has been asked to give back. */
  readonly pageLock: Uint8Array;
  readonly unlockRequest: Uint8Array;

  constructor(
    readonly poolFrames: number,
    frames: number,
  ) {
    this.hash = new PageHash(frames);
    this.queues = new PageQueues(frames, QUEUES);
    this.links = new PageLinks(frames);
    this.wireCount = uint16Column(frames);
    this.flags = uint8Column(frames);
    this.pageLock = uint8Column(frames);
    this.unlockRequest = uint8Column(frames);
    for (let frame = 0; frame < poolFrames; frame++) this.queues.insertTail(PQ_FREE, frame);
  }

  get freeCount(): number {
    return this.queues.count[PQ_FREE] as number;
  }

  get activeCount(): number {
    return this.queues.count[PQ_ACTIVE] as number;
  }

  get inactiveCount(): number {
    return this.queues.count[PQ_INACTIVE] as number;
  }
}

export function pageHas(vm: Vm, page: number, flag: number): boolean {
  return ((vm.pages.flags[page] as number) & flag) !== 0;
}

export function pageSet(vm: Vm, page: number, flag: number): void {
  vm.pages.flags[page] = (vm.pages.flags[page] as number) | flag;
}

export function pageClear(vm: Vm, page: number, flag: number): void {
  vm.pages.flags[page] = (vm.pages.flags[page] as number) & ~flag;
}

/** vm_page_lookup: the resident page of an object at an index, or -1. */
export function pageLookup(vm: Vm, object: VmObject, pindex: number): number {
  return vm.pages.hash.lookup(object.id, pindex);
}

/** Index of a page in its object. */
export function pageIndex(vm: Vm, page: number): number {
  return vm.pages.hash.pindex[page] as number;
}

/** The object that a page belongs to, or null. */
export function objectOfPage(vm: Vm, page: number): VmObject | null {
  const id = vm.pages.hash.object[page] as number;
  return id === 0 ? null : (vm.objects[id] as VmObject);
}

/** vm_page_insert: makes the page resident, at the end of the object's list. */
export function pageInsert(vm: Vm, page: number, object: VmObject, pindex: number): void {
  const { pages } = vm;
  pages.hash.insert(page, object.id, pindex);
  pages.links.set(page, object.lastPage, -1);
  if (object.lastPage < 0) object.firstPage = page;
  else pages.links.setNext(object.lastPage, page);
  object.lastPage = page;
  object.residentCount++;
}

/** vm_page_remove: takes the page out of its object; one that is in none stays as it is. */
export function pageRemove(vm: Vm, page: number): void {
  const object = objectOfPage(vm, page);
  if (object === null) return;
  const { pages } = vm;
  pages.hash.remove(page);
  const next = pages.links.next(page);
  const prev = pages.links.previous(page);
  if (prev < 0) object.firstPage = next;
  else pages.links.setNext(prev, next);
  if (next < 0) object.lastPage = prev;
  else pages.links.setPrevious(next, prev);
  object.residentCount--;
}

/** vm_page_rename: moves the page to another place; it stays on its queue. */
export function pageRename(vm: Vm, page: number, object: VmObject, pindex: number): void {
  pageRemove(vm, page);
  pageInsert(vm, page, object, pindex);
}

/** vm_page_alloc: a page for a place, busy, clean and fake; or -1 when no frame is free. */
export function pageAlloc(vm: Vm, object: VmObject, pindex: number): number {
  const { pages } = vm;
  const page = pages.queues.first(PQ_FREE);
  if (page < 0 || vm.allocationFails?.('frame') === true) return -1;
  pages.queues.remove(page);
  pageInit(vm, page);
  pageInsert(vm, page, object, pindex);
  pokeDaemon(vm);
  return page;
}

/** VM_PAGE_INIT. */
export function pageInit(vm: Vm, page: number): void {
  const { pages } = vm;
  pages.flags[page] = PG_BUSY | PG_CLEAN | PG_FAKE;
  pages.wireCount[page] = 0;
  pages.pageLock[page] = 0;
  pages.unlockRequest[page] = 0;
}

/** Memory runs short: the daemon should look, once somebody gives it the CPU. */
function pokeDaemon(vm: Vm): void {
  const { freeMin, freeTarget, inactiveTarget } = vm.thresholds;
  const free = vm.pages.freeCount;
  if (free < freeMin || (free < freeTarget && vm.pages.inactiveCount < inactiveTarget))
    vm.kernel.wakeup(vm.daemonChannel);
}

/** vm_page_free: looks neither at the wire count nor at translations. A device's page only leaves its object. */
export function pageFree(vm: Vm, page: number): void {
  pageRemove(vm, page);
  vm.pages.queues.remove(page);
  if (pageHas(vm, page, PG_FICTITIOUS)) return;
  if (vm.pages.wireCount[page] !== 0) vm.wiringAstray = 'a wired page was freed';
  vm.pages.queues.insertTail(PQ_FREE, page);
}

/** PAGE_WAKEUP: the page is nobody's any more; who waits for it looks again. */
export function pageWakeup(vm: Vm, page: number): void {
  const flags = vm.pages.flags[page] as number;
  vm.pages.flags[page] = flags & ~(PG_BUSY | PG_WANTED);
  if ((flags & PG_WANTED) !== 0) vm.kernel.wakeup(page);
}

/** Takes the page off the active or inactive queue, if it is on one. */
export function pageUnqueue(vm: Vm, page: number): void {
  vm.pages.queues.remove(page);
}

/** vm_page_wire. */
export function pageWire(vm: Vm, page: number): void {
  const { wireCount } = vm.pages;
  if (wireCount[page] === 0) {
    pageUnqueue(vm, page);
    vm.wiredPages++;
  }
  wireCount[page] = (wireCount[page] as number) + 1;
}

/** vm_page_unwire. A page that nobody had wired wraps round to 65535, as the kernel's unsigned short does. */
export function pageUnwire(vm: Vm, page: number): void {
  const { wireCount, queues } = vm.pages;
  wireCount[page] = (wireCount[page] as number) - 1;
  if (wireCount[page] !== 0) return;
  queues.insertTail(PQ_ACTIVE, page);
  vm.wiredPages--;
}

/** vm_page_activate: to the tail of the active queue; a wired page only leaves the inactive one. */
export function pageActivate(vm: Vm, page: number): void {
  const { queues, wireCount } = vm.pages;
  if (queues.queue[page] === PQ_INACTIVE) queues.remove(page);
  if (wireCount[page] !== 0) return;
  if (queues.queue[page] === PQ_ACTIVE) vm.panic('vm_page_activate: already active');
  queues.insertTail(PQ_ACTIVE, page);
}

/** vm_page_deactivate: an active page goes to the tail of the inactive queue, and here it is settled whether it must be written. */
export function pageDeactivate(vm: Vm, page: number): void {
  const { queues } = vm.pages;
  if (queues.queue[page] !== PQ_ACTIVE) return;
  vm.pmap.clearReference(page);
  queues.remove(page);
  queues.insertTail(PQ_INACTIVE, page);
  if (vm.pmap.isModified(page)) pageClear(vm, page, PG_CLEAN);
  if (pageHas(vm, page, PG_CLEAN)) pageClear(vm, page, PG_LAUNDRY);
  else pageSet(vm, page, PG_LAUNDRY);
}

/** vm_page_zero_fill. */
export function pageZeroFill(vm: Vm, page: number): void {
  pageClear(vm, page, PG_CLEAN);
  vm.zeroFrame(page);
}

/** vm_page_copy. */
export function pageCopy(vm: Vm, from: number, to: number): void {
  pageClear(vm, to, PG_CLEAN);
  vm.copyFrame(from, to);
}
