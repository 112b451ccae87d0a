/**
 * Where pages come from and where they go: vm_page_alloc, vm_page_free, and the page cache between them.
 *
 * Frames are handed out free first, then cached, the one cached longest ago first. A cached page still knows its object: an
 * allocation for that very place gets it back with its contents (`v_reactivated`), any other takes the frame. Free and
 * cached pages together are "what could be had at once", and all thresholds speak of their sum.
 *
 * Waiting for memory is `wait.ts`; this file only says no.
 */
import type { VmObject } from './object.js';
import { OBJT_DEFAULT, OBJT_PHYS, OBJT_SWAP } from './object.js';
import type { Pages } from './page.js';
import {
  PG_CACHED,
  PG_FICTITIOUS,
  PG_UNMANAGED,
  PG_ZERO,
  PQ_ACTIVE,
  PQ_CACHE,
  PQ_FREE,
  PQ_HOLD,
  PQ_INACTIVE,
  pageHasFlag,
  pageInsert,
  pageIsBusy,
  pageRemove,
  pageUnwire,
  pageWire,
  VPO_BUSY,
} from './page.js';
import type { Vm } from './vm.js';

/** Request classes. */
export const VM_ALLOC_NORMAL = 0;
export const VM_ALLOC_INTERRUPT = 1;
export const VM_ALLOC_SYSTEM = 2;
const CLASS_MASK = 3;
/** Request flags. */
export const VM_ALLOC_WIRED = 0x0020;
/** A pre-zeroed page is welcome. */
export const VM_ALLOC_ZERO = 0x0040;
export const VM_ALLOC_NOBUSY = 0x0200;
/** Only if the place is cached; only if it is not. */
export const VM_ALLOC_IFCACHED = 0x0400;
export const VM_ALLOC_IFNOTCACHED = 0x0800;

/** Pages that could be handed out at once. */
export function availablePages(vm: Vm): number {
  const count = vm.pages.queues.count;
  return (count[PQ_FREE] as number) + (count[PQ_CACHE] as number);
}

/** vm_page_count_severe. */
export function countSevere(vm: Vm): boolean {
  return availablePages(vm) < vm.thresholds.freeSevere;
}

/** vm_page_count_min. */
export function countMin(vm: Vm): boolean {
  return availablePages(vm) < vm.thresholds.freeMin;
}

/** Whether a request of this class may take a page now. */
function allocatable(vm: Vm, request: number): boolean {
  const available = availablePages(vm);
  if (available > vm.thresholds.freeReserved) return true;
  const wanted =
    vm.pageDaemonRuns && (request & CLASS_MASK) === VM_ALLOC_NORMAL ? VM_ALLOC_SYSTEM : request & CLASS_MASK;
  if (wanted === VM_ALLOC_SYSTEM) return available > vm.thresholds.interruptFreeMin;
  return wanted === VM_ALLOC_INTERRUPT && available > 0;
}

/**
 * vm_page_alloc: a page for a place in an object, busy and resident there; -1 when none may be had.
 * Its `valid` is 0 unless the place was cached.
 */
export function pageAlloc(vm: Vm, object: VmObject, pindex: number, request: number): number {
  if (vm.allocationFails?.('frame')) {
    vm.refusals++;
    return -1;
  }
  vm.refusals = 0;
  if (!allocatable(vm, request)) {
    vm.pageoutDeficit++;
    return -1;
  }
  const cached = object.cachedCount > 0 ? cacheLookup(vm, object, pindex) : -1;
  if (cached >= 0) return (request & VM_ALLOC_IFNOTCACHED) !== 0 ? -1 : reactivate(vm, cached, object, pindex, request);
  if ((request & VM_ALLOC_IFCACHED) !== 0) return -1;
  return takeFrame(vm, object, pindex, request);
}

/** The cached page comes back to its place with contents and validity. */
function reactivate(vm: Vm, page: number, object: VmObject, pindex: number, request: number): number {
  vm.counters.v_reactivated++;
  const valid = vm.pages.valid[page] as number;
  cacheRemove(vm, page);
  enterAllocated(vm, page, object, pindex, request, 0);
  vm.pages.valid[page] = valid;
  return page;
}

function takeFrame(vm: Vm, object: VmObject, pindex: number, request: number): number {
  const queues = vm.pages.queues;
  let page = queues.first(PQ_FREE);
  if (page >= 0) {
    queues.remove(page);
  } else {
    page = queues.first(PQ_CACHE);
    cacheRemove(vm, page);
  }
  enterAllocated(vm, page, object, pindex, request, vm.pages.flags[page] as number);
  vm.pages.valid[page] = 0;
  return page;
}

/** Gives a page that is on no list its first state. Of its old flags only PG_ZERO can survive. */
function enterAllocated(vm: Vm, page: number, object: VmObject, pindex: number, request: number, old: number): void {
  const pages = vm.pages;
  let flags = 0;
  if ((old & PG_ZERO) !== 0) {
    vm.zeroedPages--;
    if ((request & VM_ALLOC_ZERO) !== 0) flags = PG_ZERO;
  }
  if (object.type === OBJT_PHYS) flags |= PG_UNMANAGED;
  pages.flags[page] = flags;
  pages.oflags[page] = (request & VM_ALLOC_NOBUSY) !== 0 ? 0 : VPO_BUSY;
  pages.actCount[page] = 0;
  pages.dirty[page] = 0;
  pages.cow[page] = 0;
  // `busy` is 0 as it is: pageFree and pageCache let go of no page with I/O.
  if ((request & VM_ALLOC_WIRED) !== 0) pageWire(vm, page);
  pageInsert(vm, page, object, pindex);
}

/** vm_page_free: the page leaves its object and queue; contents and validity are gone. */
export function pageFree(vm: Vm, page: number): void {
  const pages = vm.pages;
  if (pages.busy[page] !== 0) vm.panic(`vm_page_free: freeing busy page ${page}`);
  if (pages.wireCount[page] !== 0 && !pageHasFlag(vm, page, PG_FICTITIOUS))
    vm.panic(`vm_page_free: freeing wired page ${page}`);
  pages.queues.remove(page);
  pageRemove(vm, page);
  if (pageHasFlag(vm, page, PG_FICTITIOUS)) return;
  pages.valid[page] = 0;
  pages.dirty[page] = 0;
  pages.oflags[page] = 0;
  pages.flags[page] = 0;
  pages.queues.insertTail(pages.holdCount[page] === 0 ? PQ_FREE : PQ_HOLD, page);
  vm.noteFreePage();
}

/** vm_page_unwire of a page that may have lost its object while it was wired: with the last wiring it is free. Mended only. */
export function releaseWired(vm: Vm, page: number): void {
  pageUnwire(vm, page, true);
  const lost = vm.pages.wireCount[page] === 0 && vm.pages.hash.object[page] === 0;
  if (lost && !pageHasFlag(vm, page, PG_FICTITIOUS)) pageFree(vm, page);
}

/** vm_page_unhold: a page that was freed meanwhile is really free when the last hold goes. */
export function pageUnhold(vm: Vm, page: number): void {
  const pages = vm.pages;
  const count = (pages.holdCount[page] as number) - 1;
  pages.holdCount[page] = count;
  if (count > 0 || pages.queues.queue[page] !== PQ_HOLD) return;
  pages.queues.remove(page);
  pages.queues.insertTail(PQ_FREE, page);
  vm.noteFreePage();
}

/**
 * vm_page_zero_idle: zeroes up to `count` free pages ahead of time, as the idle loop would. They go to the front, so
 * that the next allocations get them.
 */
export function zeroIdlePages(vm: Vm, count: number): number {
  const queues = vm.pages.queues;
  let done = 0;
  let page = queues.first(PQ_FREE);
  while (page >= 0 && done < count) {
    if (!pageHasFlag(vm, page, PG_ZERO)) {
      vm.zeroFrame(page);
      vm.pages.flags[page] = PG_ZERO;
      vm.zeroedPages++;
      done++;
    }
    page = queues.after(page);
  }
  return done;
}

// ---- the page cache ------------------------------------------------------------------------------------------------

/** The cached page of an object at an index, or -1. */
export function cacheLookup(vm: Vm, object: VmObject, pindex: number): number {
  return vm.pages.hash.lookup(object.id + 1, pindex);
}

/**
 * vm_page_cache: a clean page nobody maps becomes cached. Where the object could not get it back (no pager behind it, no swap
 * block) or nothing in it is valid, it is freed.
 */
export function pageCache(vm: Vm, page: number): void {
  const pages = vm.pages;
  if (
    pageIsBusy(vm, page) ||
    pages.holdCount[page] !== 0 ||
    pages.wireCount[page] !== 0 ||
    pageHasFlag(vm, page, PG_UNMANAGED)
  ) {
    vm.panic('vm_page_cache: attempting to cache busy page');
  }
  vm.pmap.removeAll(page);
  if (pages.dirty[page] !== 0) vm.panic(`vm_page_cache: page ${page} is dirty`);
  const object = vm.objects[(pages.hash.object[page] as number) >> 1] as VmObject;
  if (pages.valid[page] === 0 || !canComeBack(object, pages.hash.pindex[page] as number)) {
    pageFree(vm, page);
    return;
  }
  pages.queues.remove(page);
  const pindex = pages.hash.pindex[page] as number;
  pageRemove(vm, page);
  pages.flags[page] = PG_CACHED;
  cacheInsert(pages, page, object, pindex);
  pages.queues.insertTail(PQ_CACHE, page);
  vm.noteFreePage();
}

/** Whether the object's pager has a copy of the page. */
function canComeBack(object: VmObject, pindex: number): boolean {
  if (object.type === OBJT_DEFAULT) return false;
  return object.type !== OBJT_SWAP || object.swap?.has(pindex) === true;
}

function cacheInsert(pages: Pages, page: number, object: VmObject, pindex: number): void {
  pages.hash.insert(page, object.id + 1, pindex);
  pages.links.set(page, -1, object.firstCached);
  if (object.firstCached >= 0) pages.links.setPrevious(object.firstCached, page);
  object.firstCached = page;
  object.cachedCount++;
}

/** vm_page_cache_remove: the page leaves the cache and its object; it is then on no list. */
function cacheRemove(vm: Vm, page: number): void {
  cacheUnlink(vm, page);
  vm.pages.queues.remove(page);
  vm.pages.flags[page] = 0;
}

/** The page leaves its object's collection but keeps its place among those that will be reused. */
function cacheUnlink(vm: Vm, page: number): void {
  const pages = vm.pages;
  const object = vm.objects[(pages.hash.object[page] as number) >> 1] as VmObject;
  pages.hash.remove(page);
  const next = pages.links.next(page);
  const prev = pages.links.previous(page);
  if (prev >= 0) pages.links.setNext(prev, next);
  else object.firstCached = next;
  if (next >= 0) pages.links.setPrevious(next, prev);
  object.cachedCount--;
}

/** vm_page_cache_free: frees the cached pages of an object from `start` to `end` (exclusive; 0, 0 for all). */
export function cacheFree(vm: Vm, object: VmObject, start: number, end: number): void {
  for (const page of cachedPages(vm, object, start, end)) {
    cacheRemove(vm, page);
    vm.pages.valid[page] = 0;
    vm.pages.queues.insertTail(PQ_FREE, page);
  }
}

/** vm_page_cache_transfer: the cached pages of `from` that lie in the part that `to` takes over go there. */
export function cacheTransfer(vm: Vm, from: VmObject, offset: number, to: VmObject): void {
  for (const page of cachedPages(vm, from, offset, offset + to.size)) {
    const pindex = (vm.pages.hash.pindex[page] as number) - offset;
    cacheUnlink(vm, page);
    cacheInsert(vm.pages, page, to, pindex);
  }
}

function cachedPages(vm: Vm, object: VmObject, start: number, end: number): number[] {
  const found: number[] = [];
  const all = start === 0 && end === 0;
  for (let page = object.firstCached; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = vm.pages.hash.pindex[page] as number;
    if (all || (pindex >= start && pindex < end)) found.push(page);
  }
  return found;
}

/** vm_page_try_to_cache: caches a page if nothing speaks against it. */
export function pageTryToCache(vm: Vm, page: number): boolean {
  const pages = vm.pages;
  if (pages.dirty[page] !== 0 || pages.holdCount[page] !== 0 || pages.wireCount[page] !== 0) return false;
  if (pageIsBusy(vm, page) || pageHasFlag(vm, page, PG_UNMANAGED)) return false;
  vm.pmap.testDirty(page);
  if (pages.dirty[page] !== 0) return false;
  pageCache(vm, page);
  return true;
}

/** Frames by state, for `queues` and the invariants. */
export function queueCounts(vm: Vm): { free: number; cache: number; inactive: number; active: number } {
  const count = vm.pages.queues.count;
  return {
    free: count[PQ_FREE] as number,
    cache: count[PQ_CACHE] as number,
    inactive: count[PQ_INACTIVE] as number,
    active: count[PQ_ACTIVE] as number,
  };
}
