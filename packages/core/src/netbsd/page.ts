/**
 * uvm_page: the columns that describe every frame, and what is done to one page.
 *
 * A page is a frame number. It is free, or belongs to an object (under an index) or to an anon, or to both at once while the object lends
 * it to the anon, or to nobody while the kernel still holds it on loan. Owned pages are on the inactive or the active queue unless they
 * are wired, in transit, or just made by an object that leaves the queueing to its caller.
 *
 * BUSY is the owner's word that nobody else may touch the page while its lock is down; WANTED, that somebody sleeps for it; RELEASED, that its
 * owner is gone and whoever has it busy must free it. CLEAN means "backed by what swap or file already hold". The queues have a lock
 * of their own in the kernel; here it is taken and given back within one step and so never seen.
 *
 * 56 bytes a frame with the hash and the reverse maps.
 */
import { int32Column, uint8Column, uint16Column } from '../machine/columns.js';
import { PageHash } from '../vm/page-hash.js';
import { PageLinks } from '../vm/page-links.js';
import { PageQueues } from '../vm/page-queues.js';
import type { Anon } from './anon.js';
import type { UvmObject } from './object.js';
import type { Vm } from './vm.js';

export const PG_BUSY = 0x01;
export const PG_WANTED = 0x02;
export const PG_TABLED = 0x04;
export const PG_CLEAN = 0x08;
/** The page daemon writes it and frees it afterwards. */
export const PG_PAGEOUT = 0x10;
export const PG_RELEASED = 0x20;
/** Allocated, not yet filled. */
export const PG_FAKE = 0x40;
export const PG_RDONLY = 0x80;

/** Owned by an anon, or by an anonymous object: its contents can only go to swap. */
export const PQ_ANON = 0x10;
export const PQ_AOBJ = 0x20;
export const PQ_SWAPBACKED = PQ_ANON | PQ_AOBJ;

/** Queue numbers. */
export const Q_NONE = 0;
export const Q_FREE = 1;
export const Q_INACTIVE = 2;
export const Q_ACTIVE = 3;
const QUEUES = 4;

/** Bits that the pmap keeps of a frame when a translation goes. */
export const PP_USED = 1;
export const PP_MODIFIED = 2;

/** Pages kept back for the kernel: everybody else's allocation fails when no more than these are free. */
export const RESERVE_KERNEL = 5;

export class Pages {
  readonly hash: PageHash;
  readonly queues: PageQueues;
  /** The object's list of its pages, in the order in which they were put in. */
  readonly links: PageLinks;
  readonly flags: Uint8Array;
  readonly pqflags: Uint8Array;
  readonly wireCount: Uint16Array;
  readonly loanCount: Uint16Array;
  /** Number of the anon that has the page, 0 for none. */
  readonly anon: Int32Array;
  readonly attrs: Uint8Array;

  constructor(
    readonly poolFrames: number,
    frames: number,
  ) {
    this.hash = new PageHash(frames);
    this.queues = new PageQueues(frames, QUEUES);
    this.links = new PageLinks(frames);
    this.flags = uint8Column(frames);
    this.pqflags = uint8Column(frames);
    this.wireCount = uint16Column(frames);
    this.loanCount = uint16Column(frames);
    this.anon = int32Column(frames);
    this.attrs = uint8Column(frames);
    for (let frame = 0; frame < poolFrames; frame++) this.queues.insertTail(Q_FREE, frame);
  }

  get free(): number {
    return this.queues.count[Q_FREE];
  }

  get active(): number {
    return this.queues.count[Q_ACTIVE];
  }

  get inactive(): number {
    return this.queues.count[Q_INACTIVE];
  }
}

/** The object that a page belongs to, or null. */
export function pageObject(vm: Vm, page: number): UvmObject | null {
  const id = vm.pages.hash.object[page];
  return id === 0 ? null : (vm.objects[id] as UvmObject);
}

/** The anon that has the page, or null. */
export function pageAnon(vm: Vm, page: number): Anon | null {
  const id = vm.pages.anon[page];
  return id === 0 ? null : (vm.anons[id] as Anon);
}

/** Index of a page in its object. */
export function pageIndex(vm: Vm, page: number): number {
  return vm.pages.hash.pindex[page];
}

/** uvm_pagelookup: the page of an object at an index, or -1. */
export function pageLookup(vm: Vm, object: UvmObject, index: number): number {
  return vm.pages.hash.lookup(object.id, index);
}

export function pageHas(vm: Vm, page: number, flag: number): boolean {
  return (vm.pages.flags[page] & flag) !== 0;
}

export function pageSet(vm: Vm, page: number, flags: number): void {
  vm.pages.flags[page] |= flags;
}

export function pageClear(vm: Vm, page: number, flags: number): void {
  vm.pages.flags[page] &= ~flags;
}

// ---- belonging to an object ----------------------------------------------------------------------------------------

/** One page more (or less) of the object's kind. */
function countKind(vm: Vm, object: UvmObject, by: number): void {
  if (object.kind === 'vnode') {
    if (object.isText) vm.execpages += by;
    else vm.filepages += by;
  } else if (object.kind === 'aobj') {
    vm.anonpages += by;
  }
}

/** uvm_pageinsert: at the end of the object's list, or behind `after`. */
export function pageInsert(vm: Vm, page: number, object: UvmObject, index: number, after = object.last): void {
  const { pages } = vm;
  pages.hash.insert(page, object.id, index);
  const next = after < 0 ? object.first : pages.links.next(after);
  pages.links.set(page, after, next);
  if (after < 0) object.first = page;
  else pages.links.setNext(after, page);
  if (next < 0) object.last = page;
  else pages.links.setPrevious(next, page);
  pages.flags[page] |= PG_TABLED;
  object.npages++;
  countKind(vm, object, 1);
}

/** uvm_pageremove. */
export function pageRemove(vm: Vm, object: UvmObject, page: number): void {
  const { pages } = vm;
  const next = pages.links.next(page);
  const prev = pages.links.previous(page);
  if (prev < 0) object.first = next;
  else pages.links.setNext(prev, next);
  if (next < 0) object.last = prev;
  else pages.links.setPrevious(next, prev);
  pages.hash.remove(page);
  pages.flags[page] &= ~PG_TABLED;
  object.npages--;
  countKind(vm, object, -1);
}

/** uvm_pagereplace: `fresh` takes the place of `old` in its object, in the list as well. The queue flags do not follow. */
export function pageReplace(vm: Vm, old: number, fresh: number): void {
  const object = pageObject(vm, old) as UvmObject;
  const index = pageIndex(vm, old);
  const before = vm.pages.links.previous(old);
  pageRemove(vm, object, old);
  pageInsert(vm, fresh, object, index, before);
}

// ---- allocation ----------------------------------------------------------------------------------------------------

/**
 * uvm_pagealloc: a page for an object, an anon or nobody yet; busy, clean and unfilled; -1 when only the kernel's reserve is left.
 * `zero` makes it zeros, and dirty.
 */
export function pageAlloc(vm: Vm, object: UvmObject | null, index: number, anon: Anon | null, zero: boolean): number {
  const { pages } = vm;
  if (pages.free <= RESERVE_KERNEL) return -1;
  if (vm.refuses('frame')) return -1;
  const page = pages.queues.first(Q_FREE);
  pages.queues.remove(page);
  pages.flags[page] = PG_BUSY | PG_CLEAN | PG_FAKE;
  pages.pqflags[page] = 0;
  pages.attrs[page] = 0;
  if (anon !== null) {
    anon.page = page;
    pages.anon[page] = anon.id;
    pages.pqflags[page] = PQ_ANON;
    vm.anonpages++;
  } else if (object !== null) {
    pageInsert(vm, page, object, index);
  }
  if (zero) {
    pages.flags[page] &= ~PG_CLEAN;
    vm.zeroFrame(page);
  }
  return page;
}

/**
 * A page on loan is not freed: it only loses its owner, and the last borrower frees it. True when that is all there is to do.
 */
function leaveToBorrower(vm: Vm, page: number): boolean {
  const { pages } = vm;
  const object = pageObject(vm, page);
  const anon = pageAnon(vm, page);
  if (object !== null) {
    pageRemove(vm, object, page);
    pages.flags[page] &= ~PG_CLEAN;
  } else if (anon !== null) {
    if ((pages.pqflags[page] & PQ_ANON) === 0) {
      pages.loanCount[page]--;
    } else {
      pages.pqflags[page] &= ~PQ_ANON;
      vm.anonpages--;
    }
    anon.page = -1;
    pages.anon[page] = 0;
  }
  wakePage(vm, page);
  pages.flags[page] &= ~(PG_WANTED | PG_BUSY | PG_RELEASED | PG_PAGEOUT);
  if (pages.loanCount[page] === 0) return false;
  if (pages.anon[page] === 0) pages.queues.remove(page);
  return true;
}

/** uvm_pagefree. Its owner forgets it. */
export function pageFree(vm: Vm, page: number): void {
  const { pages } = vm;
  if (pages.loanCount[page] !== 0 && leaveToBorrower(vm, page)) return;
  const object = pageObject(vm, page);
  const anon = pageAnon(vm, page);
  if (object !== null) {
    pageRemove(vm, object, page);
  } else if (anon !== null) {
    anon.page = -1;
    vm.anonpages--;
  }
  pages.anon[page] = 0;
  pages.queues.remove(page);
  if (pages.wireCount[page] !== 0) {
    pages.wireCount[page] = 0;
    vm.wiredPages--;
  }
  wakePage(vm, page);
  pages.flags[page] = 0;
  pages.pqflags[page] = 0;
  pages.queues.insertHead(Q_FREE, page);
}

/** uvm_pagecopy: the copy is dirty. */
export function pageCopy(vm: Vm, from: number, to: number): void {
  vm.pages.flags[to] &= ~PG_CLEAN;
  vm.copyFrame(from, to);
}

/** uvm_pagezero: zeros, and dirty. */
export function pageZero(vm: Vm, page: number): void {
  vm.pages.flags[page] &= ~PG_CLEAN;
  vm.zeroFrame(page);
}

// ---- busy ----------------------------------------------------------------------------------------------------------

/** Wakes who sleeps for the page, if anybody does. */
export function wakePage(vm: Vm, page: number): void {
  if ((vm.pages.flags[page] & PG_WANTED) !== 0) vm.kernel.wakeup(page);
}

/** uvm_page_unbusy, for one page: a released one is freed now. */
export function pageUnbusy(vm: Vm, page: number): void {
  if (page < 0) return;
  wakePage(vm, page);
  if (pageHas(vm, page, PG_RELEASED)) pageFree(vm, page);
  else vm.pages.flags[page] &= ~(PG_WANTED | PG_BUSY);
}

// ---- queues --------------------------------------------------------------------------------------------------------

/** uvm_pageactivate, and uvm_pageenqueue under this policy: to the tail of the active queue, unless wired. */
export function pageActivate(vm: Vm, page: number): void {
  const { queues, wireCount } = vm.pages;
  if (wireCount[page] !== 0) return;
  queues.remove(page);
  queues.insertTail(Q_ACTIVE, page);
}

/** uvm_pagedeactivate: to the tail of the inactive queue, and counted as unused; one that is there keeps its place. */
export function pageDeactivate(vm: Vm, page: number): void {
  const { queues } = vm.pages;
  if (queues.queue[page] === Q_INACTIVE) return;
  queues.remove(page);
  vm.pmap.clearReference(page);
  queues.insertTail(Q_INACTIVE, page);
}

/** uvm_pagewire: the first wiring takes the page off the queues. */
export function pageWire(vm: Vm, page: number): void {
  const { pages } = vm;
  if (pages.wireCount[page] === 0) {
    pages.queues.remove(page);
    vm.wiredPages++;
  }
  pages.wireCount[page]++;
}

/** uvm_pageunwire: the last one puts it on the active queue. A page that was never wired stays as it is (oddity 6). */
export function pageUnwire(vm: Vm, page: number): void {
  const { pages } = vm;
  if (pages.wireCount[page] === 0) return;
  pages.wireCount[page]--;
  if (pages.wireCount[page] !== 0) return;
  pageActivate(vm, page);
  vm.wiredPages--;
}
