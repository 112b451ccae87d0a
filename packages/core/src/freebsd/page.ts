/**
 * vm_page: the columns that describe every frame, and what is done to one page.
 *
 * A page is a frame number. It is free; or cached (clean and valid, remembered by its object but allocatable at once); or
 * resident, and then on the inactive or active queue, or on none while it is wired, busy in a fault, or fictitious.
 * Validity and dirt are kept in eight bits, one for each 512 bytes. Cached pages are in the same hash as resident ones, under
 * their object's number plus one, so that a look-up of either kind never meets the other.
 *
 * 58 bytes a frame, with the hash and the reverse maps.
 */
import { uint8Column, uint16Column } from '../machine/columns.js';
import { PageHash } from '../vm/page-hash.js';
import { PageLinks } from '../vm/page-links.js';
import { PageQueues } from '../vm/page-queues.js';
import type { VmObject } from './object.js';
import { OBJ_MIGHTBEDIRTY, OBJT_VNODE } from './object.js';
import type { Vm } from './vm.js';

export const PQ_NONE = 0;
export const PQ_FREE = 1;
export const PQ_CACHE = 2;
export const PQ_INACTIVE = 3;
export const PQ_ACTIVE = 4;
/** Freed while held: off every list until the last hold goes. */
export const PQ_HOLD = 5;
const QUEUES = 6;

/** Page flags. */
export const PG_CACHED = 0x0001;
export const PG_WINATCFLS = 0x0004;
export const PG_FICTITIOUS = 0x0008;
export const PG_WRITEABLE = 0x0010;
export const PG_ZERO = 0x0040;
export const PG_REFERENCED = 0x0080;
export const PG_UNMANAGED = 0x0800;

/** Flags that belong to the object's lock. */
export const VPO_BUSY = 0x01;
export const VPO_WANTED = 0x02;
export const VPO_SWAPINPROG = 0x04;
export const VPO_NOSYNC = 0x08;

/** All eight 512-byte pieces. */
export const VM_PAGE_BITS_ALL = 0xff;
/** Bytes that one bit of `valid` and `dirty` stands for. */
export const PIECE_BYTES = 512;

/** act_count of a page that just became active, its step, and its ceiling. */
export const ACT_INIT = 5;
export const ACT_ADVANCE = 3;
export const ACT_MAX = 64;

export class Pages {
  readonly hash: PageHash;
  readonly queues: PageQueues;
  /** The object's list of its resident (or cached) pages. */
  readonly links: PageLinks;
  readonly wireCount: Uint16Array;
  readonly holdCount: Uint16Array;
  /** I/O operations on the page. */
  readonly busy: Uint8Array;
  readonly oflags: Uint8Array;
  readonly flags: Uint16Array;
  readonly valid: Uint8Array;
  readonly dirty: Uint8Array;
  readonly actCount: Uint8Array;
  /** Page-based copy-on-write references (zero-copy sockets). */
  readonly cow: Uint16Array;

  constructor(poolFrames: number, frames: number) {
    this.hash = new PageHash(frames);
    this.queues = new PageQueues(frames, QUEUES);
    this.links = new PageLinks(frames);
    this.wireCount = uint16Column(frames);
    this.holdCount = uint16Column(frames);
    this.busy = uint8Column(frames);
    this.oflags = uint8Column(frames);
    this.flags = uint16Column(frames);
    this.valid = uint8Column(frames);
    this.dirty = uint8Column(frames);
    this.actCount = uint8Column(frames);
    this.cow = uint16Column(frames);
    for (let frame = 0; frame < poolFrames; frame++) this.queues.insertTail(PQ_FREE, frame);
  }
}

/** vm_page_lookup: the resident page of an object at an index, or -1. */
export function pageLookup(vm: Vm, object: VmObject, pindex: number): number {
  return vm.pages.hash.lookup(object.id, pindex);
}

/** Index of a page in its object. */
export function pageIndex(vm: Vm, page: number): number {
  return vm.pages.hash.pindex[page] as number;
}

/** vm_page_insert: makes the page resident in an object. */
export function pageInsert(vm: Vm, page: number, object: VmObject, pindex: number): void {
  const pages = vm.pages;
  pages.hash.insert(page, object.id, pindex);
  // At the end: memory that is touched from start to end is then also freed, and handed out again, in that order.
  const last = object.lastPage;
  pages.links.set(page, last, -1);
  if (last >= 0) pages.links.setNext(last, page);
  else object.firstPage = page;
  object.lastPage = page;
  object.residentCount++;
  object.generation++;
  if (((pages.flags[page] as number) & PG_WRITEABLE) !== 0 && object.type === OBJT_VNODE)
    object.flags |= OBJ_MIGHTBEDIRTY;
}

/** vm_page_remove: takes a resident page out of its object; a busy mark goes with it. */
export function pageRemove(vm: Vm, page: number): void {
  const pages = vm.pages;
  const id = pages.hash.object[page] as number;
  if (id === 0) return;
  const object = vm.objects[id >> 1] as VmObject;
  if (((pages.oflags[page] as number) & VPO_BUSY) !== 0) pageWakeup(vm, page);
  pages.hash.remove(page);
  unlistPage(pages, page, object);
  object.residentCount--;
  object.generation++;
}

function unlistPage(pages: Pages, page: number, object: VmObject): void {
  const next = pages.links.next(page);
  const prev = pages.links.previous(page);
  if (prev >= 0) pages.links.setNext(prev, next);
  else object.firstPage = next;
  if (next >= 0) pages.links.setPrevious(next, prev);
  else object.lastPage = prev;
}

/** vm_page_rename: moves a page to another object and index. It becomes dirty: no pager of the new object knows it. */
export function pageRename(vm: Vm, page: number, object: VmObject, pindex: number): void {
  pageRemove(vm, page);
  pageInsert(vm, page, object, pindex);
  pageDirty(vm, page);
}

// ---- busy --------------------------------------------------------------------------------------------------------

/** True when the page is busy either way: under somebody's exclusive hand, or under I/O. */
export function pageIsBusy(vm: Vm, page: number): boolean {
  return ((vm.pages.oflags[page] as number) & VPO_BUSY) !== 0 || vm.pages.busy[page] !== 0;
}

/** vm_page_busy. */
export function pageBusy(vm: Vm, page: number): void {
  vm.pages.oflags[page] = (vm.pages.oflags[page] as number) | VPO_BUSY;
}

/** vm_page_wakeup: no longer busy; wakes who waits. */
export function pageWakeup(vm: Vm, page: number): void {
  vm.pages.oflags[page] = (vm.pages.oflags[page] as number) & ~VPO_BUSY;
  pageFlash(vm, page);
}

/** vm_page_flash: wakes who waits for the page. */
export function pageFlash(vm: Vm, page: number): void {
  const oflags = vm.pages.oflags[page] as number;
  if ((oflags & VPO_WANTED) === 0) return;
  vm.pages.oflags[page] = oflags & ~VPO_WANTED;
  vm.kernel.wakeup(page);
}

/** vm_page_io_start: one I/O more. */
export function pageIoStart(vm: Vm, page: number): void {
  vm.pages.busy[page] = (vm.pages.busy[page] as number) + 1;
}

/** vm_page_io_finish: one I/O less. */
export function pageIoFinish(vm: Vm, page: number): void {
  const busy = (vm.pages.busy[page] as number) - 1;
  vm.pages.busy[page] = busy;
  if (busy === 0) pageFlash(vm, page);
}

/** Notes that somebody is about to sleep on a busy page. */
export function pageWanted(vm: Vm, page: number): void {
  vm.pages.oflags[page] = (vm.pages.oflags[page] as number) | VPO_WANTED;
}

/** vm_page_hold: keeps the frame from being reused. */
export function pageHold(vm: Vm, page: number): void {
  vm.pages.holdCount[page] = (vm.pages.holdCount[page] as number) + 1;
}

// ---- flags, validity and dirt --------------------------------------------------------------------------------------

export function pageHasFlag(vm: Vm, page: number, flag: number): boolean {
  return ((vm.pages.flags[page] as number) & flag) !== 0;
}

export function pageSetFlag(vm: Vm, page: number, flag: number): void {
  vm.pages.flags[page] = (vm.pages.flags[page] as number) | flag;
}

export function pageClearFlag(vm: Vm, page: number, flag: number): void {
  vm.pages.flags[page] = (vm.pages.flags[page] as number) & ~flag;
}

export function pageFullyValid(vm: Vm, page: number): boolean {
  return vm.pages.valid[page] === VM_PAGE_BITS_ALL;
}

/** vm_page_dirty. */
export function pageDirty(vm: Vm, page: number): void {
  vm.pages.dirty[page] = VM_PAGE_BITS_ALL;
}

/** Marks a page whole. */
export function pageSetValid(vm: Vm, page: number): void {
  vm.pages.valid[page] = VM_PAGE_BITS_ALL;
}

/** vm_page_bits: the bits of the pieces that bytes `base` to `base + size` touch. */
export function pageBits(base: number, size: number): number {
  if (size === 0) return 0;
  const first = base >> 9;
  const last = (base + size - 1) >> 9;
  return (2 << last) - (1 << first);
}

/** vm_page_zero_invalid: zeros what is not valid; with `setValid` the page is whole afterwards. */
export function pageZeroInvalid(vm: Vm, page: number, setValid: boolean): void {
  const valid = vm.pages.valid[page] as number;
  for (let piece = 0; piece < 8; piece++) {
    if ((valid & (1 << piece)) === 0) vm.machine.memory.zeroPart(page, piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
  }
  if (setValid) pageSetValid(vm, page);
}

// ---- queues --------------------------------------------------------------------------------------------------------

/** vm_page_activate: to the tail of the active queue, unless wired or unmanaged. */
export function pageActivate(vm: Vm, page: number): void {
  const pages = vm.pages;
  const queues = pages.queues;
  if (queues.queue[page] !== PQ_ACTIVE) {
    queues.remove(page);
    if (pages.wireCount[page] !== 0 || pageHasFlag(vm, page, PG_UNMANAGED)) return;
    queues.insertTail(PQ_ACTIVE, page);
  }
  if ((pages.actCount[page] as number) < ACT_INIT) pages.actCount[page] = ACT_INIT;
}

/** vm_page_deactivate: to the inactive queue, unless it is there, wired or unmanaged. */
export function pageDeactivate(vm: Vm, page: number, atHead = false): void {
  const pages = vm.pages;
  const queues = pages.queues;
  if (queues.queue[page] === PQ_INACTIVE) return;
  if (pages.wireCount[page] !== 0 || pageHasFlag(vm, page, PG_UNMANAGED)) return;
  pageClearFlag(vm, page, PG_WINATCFLS);
  queues.remove(page);
  if (atHead) queues.insertHead(PQ_INACTIVE, page);
  else queues.insertTail(PQ_INACTIVE, page);
}

/** vm_page_wire: off all queues; a fictitious page is wired from birth and never counted. */
export function pageWire(vm: Vm, page: number): void {
  const pages = vm.pages;
  if (pageHasFlag(vm, page, PG_FICTITIOUS)) return;
  const count = pages.wireCount[page] as number;
  if (count === 0) {
    if (!pageHasFlag(vm, page, PG_UNMANAGED)) pages.queues.remove(page);
    vm.wiredPages++;
  }
  pages.wireCount[page] = count + 1;
}

/** vm_page_unwire: at zero back to the active or inactive queue. */
export function pageUnwire(vm: Vm, page: number, activate: boolean): void {
  const pages = vm.pages;
  if (pageHasFlag(vm, page, PG_FICTITIOUS)) return;
  const count = pages.wireCount[page] as number;
  if (count === 0) vm.panic('vm_page_unwire: invalid wire count: 0');
  pages.wireCount[page] = count - 1;
  if (count > 1) return;
  vm.wiredPages--;
  if (pageHasFlag(vm, page, PG_UNMANAGED)) return;
  if (!activate) pageClearFlag(vm, page, PG_WINATCFLS);
  // A page that lost its object while it was wired has nowhere to go back to.
  if (pages.hash.object[page] === 0) return;
  pages.queues.insertTail(activate ? PQ_ACTIVE : PQ_INACTIVE, page);
}

/** Requests between two looks at a page's own history, and the bits that vary the place in the queue. */
const DONTNEED_SKIP = 0x1f0;
const DONTNEED_HEAD = 0x70;

/**
 * vm_page_dontneed: the owner expects not to use the page for a while. Most requests deactivate it; dirty pages and one in eight go to
 * the tail of the inactive queue, the rest to its head; now and then only its activity count falls.
 */
export function pageDontneed(vm: Vm, page: number): void {
  const pages = vm.pages;
  const dnw = ++vm.dontneedCount;
  if ((dnw & DONTNEED_SKIP) === 0 || pages.queues.queue[page] === PQ_INACTIVE) {
    const act = pages.actCount[page] as number;
    if (act >= ACT_INIT) pages.actCount[page] = act - 1;
    return;
  }
  vm.pmap.testDirty(page);
  const atHead = pages.dirty[page] === 0 && (dnw & DONTNEED_HEAD) !== 0;
  pageDeactivate(vm, page, atHead);
}
