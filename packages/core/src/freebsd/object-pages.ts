/**
 * What the system calls do to ranges of an object's pages: removal (munmap, truncate), advice (madvise), cleaning (msync).
 */
import type { Task, Thread } from '../kernel/thread.js';
import { VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJ_MIGHTBEDIRTY, OBJ_ONEMAPPING, OBJT_DEFAULT, OBJT_SWAP, pipWakeup } from './object.js';
import {
  PG_FICTITIOUS,
  PG_REFERENCED,
  PG_UNMANAGED,
  pageActivate,
  pageDeactivate,
  pageDontneed,
  pageFullyValid,
  pageHasFlag,
  pageIndex,
  pageIoFinish,
  pageIoStart,
  pageIsBusy,
  pageLookup,
  pageSetFlag,
  pageWanted,
} from './page.js';
import { cacheFree, pageAlloc, pageFree, VM_ALLOC_IFCACHED, VM_ALLOC_NOBUSY } from './page-alloc.js';
import { pagerPutPages } from './pager.js';
import { swapFreespace } from './pager-swap.js';
import type { Vm } from './vm.js';

/** Sleeps until a busy page may have changed. */
export function* waitForPage(vm: Vm, thread: Thread, page: number, wmesg: string): Task<void> {
  pageWanted(vm, page);
  vm.kernel.sleep(thread, page, wmesg);
  yield;
}

/** Resident pages of an object with an index from `start` to `end` (exclusive), in index order. */
export function pagesInRange(vm: Vm, object: VmObject, start: number, end: number): number[] {
  const found: number[] = [];
  if (end - start < object.residentCount) {
    for (let pindex = start; pindex < end; pindex++) {
      const page = pageLookup(vm, object, pindex);
      if (page >= 0) found.push(page);
    }
    return found;
  }
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = pageIndex(vm, page);
    if (pindex >= start && pindex < end) found.push(page);
  }
  return found.sort((a, b) => pageIndex(vm, a) - pageIndex(vm, b));
}

/** vm_object_page_remove: frees pages `start` to `end` (exclusive), or only the clean ones. Wired pages stay, unmapped and, unless only clean ones go, invalid. */
export function* objectPageRemove(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  start: number,
  end: number,
  cleanOnly: boolean,
): Task<void> {
  object.pagingInProgress++;
  for (const page of pagesInRange(vm, object, start, end)) {
    while (pageIsBusy(vm, page) && vm.pages.wireCount[page] === 0) yield* waitForPage(vm, thread, page, 'vmopar');
    if (pageLookup(vm, object, pageIndex(vm, page)) === page) removeOne(vm, page, cleanOnly);
  }
  pipWakeup(vm, object);
  cacheFree(vm, object, start, end);
}

function removeOne(vm: Vm, page: number, cleanOnly: boolean): void {
  if (vm.pages.wireCount[page] !== 0) {
    if (!pageHasFlag(vm, page, PG_FICTITIOUS)) vm.pmap.removeAll(page);
    if (!cleanOnly) vm.pages.valid[page] = 0;
    return;
  }
  if (cleanOnly && vm.pages.valid[page] !== 0) {
    vm.pmap.removeWrite(page);
    if (vm.pages.dirty[page] !== 0) return;
  }
  vm.pmap.removeAll(page);
  pageFree(vm, page);
}

export type ObjectAdvice = 'willneed' | 'dontneed' | 'free';

/** vm_object_madvise: applies advice to pages `start` to `end` (exclusive) of an object and what it shadows. */
export function* objectMadvise(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  start: number,
  end: number,
  advice: ObjectAdvice,
): Task<void> {
  for (const pindex of advisable(vm, object, start, end)) {
    while (!adviseOne(vm, object, pindex, advice)) {
      const page = busyPageBelow(vm, object, pindex);
      if (page >= 0) yield* waitForPage(vm, thread, page, 'madvpo');
    }
  }
}

/** Ranges up to this length are simply gone through. */
const SHORT_RANGE = 512;

/**
 * The indexes of a range for which there is anything in the chain to advise on. The kernel tries every one; a range of terabytes with nothing
 * in it would keep it, and us, for an hour.
 */
function* advisable(vm: Vm, top: VmObject, start: number, end: number): Generator<number> {
  if (end - start <= SHORT_RANGE) {
    for (let pindex = start; pindex < end; pindex++) yield pindex;
    return;
  }
  const found = new Set<number>();
  let offset = 0;
  for (let object: VmObject | null = top; object !== null; object = object.backing) {
    for (const pindex of indexesOf(vm, object)) {
      if (pindex - offset >= start && pindex - offset < end) found.add(pindex - offset);
    }
    offset += object.backingOffset;
  }
  yield* [...found].sort((a, b) => a - b);
}

/** Indexes of an object's pages, resident, cached or on swap. */
function* indexesOf(vm: Vm, object: VmObject): Generator<number> {
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) yield pageIndex(vm, page);
  for (let page = object.firstCached; page >= 0; page = vm.pages.links.next(page)) yield pageIndex(vm, page);
  for (const [pindex] of object.swap?.entries() ?? []) yield pindex;
}

/** Only anonymous memory that one entry maps may be given up. */
function mayFree(object: VmObject): boolean {
  return (object.type === OBJT_DEFAULT || object.type === OBJT_SWAP) && (object.flags & OBJ_ONEMAPPING) !== 0;
}

/** One page, wherever in the chain it is. Answers false when it is busy and the caller has to wait. */
function adviseOne(vm: Vm, top: VmObject, index: number, advice: ObjectAdvice): boolean {
  let object: VmObject | null = top;
  let pindex = index;
  while (object !== null) {
    if (advice === 'free' && !mayFree(object)) return true;
    let page = pageLookup(vm, object, pindex);
    if (page < 0 && advice === 'willneed') {
      page = pageAlloc(vm, object, pindex, VM_ALLOC_IFCACHED | VM_ALLOC_NOBUSY);
      // As seeded one that is not whole is left on no queue, and lost to the page daemon until it is used again (O20).
      if (page >= 0 && vm.mended) pageDeactivate(vm, page);
    }
    if (page >= 0) return advisePage(vm, object, page, pindex, advice);
    if (advice === 'free' && object.type === OBJT_SWAP) {
      swapFreespace(object, pindex, 1);
      // As seeded the cached page stays, without the swap block that a cached page of such an object must have (O21).
      if (vm.mended) cacheFree(vm, object, pindex, pindex + 1);
    }
    pindex += object.backingOffset;
    object = object.backing;
  }
  return true;
}

function advisePage(vm: Vm, object: VmObject, page: number, pindex: number, advice: ObjectAdvice): boolean {
  const pages = vm.pages;
  const abnormal = pages.holdCount[page] !== 0 || pages.wireCount[page] !== 0;
  if (abnormal || pageHasFlag(vm, page, PG_UNMANAGED | PG_FICTITIOUS) || !pageFullyValid(vm, page)) return true;
  if (pageIsBusy(vm, page)) {
    pageSetFlag(vm, page, PG_REFERENCED);
    return false;
  }
  if (advice === 'willneed') {
    pageActivate(vm, page);
  } else if (advice === 'dontneed') {
    pageDontneed(vm, page);
  } else {
    vm.pmap.clearModify(page);
    pages.dirty[page] = 0;
    pages.actCount[page] = 0;
    pageDontneed(vm, page);
    if (object.type === OBJT_SWAP) swapFreespace(object, pindex, 1);
  }
  return true;
}

/** The busy page that made `adviseOne` give up, or -1 when it has become free meanwhile. */
function busyPageBelow(vm: Vm, top: VmObject, index: number): number {
  let object: VmObject | null = top;
  let pindex = index;
  while (object !== null) {
    const page = pageLookup(vm, object, pindex);
    if (page >= 0) return pageIsBusy(vm, page) ? page : -1;
    pindex += object.backingOffset;
    object = object.backing;
  }
  return -1;
}

/** At least so many absent or clean pages in a row end the first walk of a cleaning. */
const CLEAN_RUN_MIN = 16;

/**
 * vm_object_page_clean: writes the dirty pages `start` to `end` (exclusive; 0, 0 for all) of a file's object.
 *
 * First it walks the indexes and writes what it meets. Only where that walk gave up early, or was asked for the whole object, are all
 * resident pages write-protected and the dirty ones of the range written. Answers false when some write failed.
 */
export function* objectPageClean(vm: Vm, thread: Thread, object: VmObject, start: number, end: number): Task<boolean> {
  const last = end === 0 ? object.size : end;
  const whole = start === 0 && last === object.size;
  const walk = yield* cleanByWalk(vm, thread, object, start, last);
  if (walk.reached >= last && !whole) return walk.ok;
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) vm.pmap.removeWrite(page);
  if (whole) object.flags &= ~OBJ_MIGHTBEDIRTY;
  const rest = yield* cleanDirty(vm, thread, object, start, last);
  const ok = walk.ok && rest;
  // As seeded the next msync takes the object for clean and writes nothing (O26).
  if (whole && !ok && vm.mended) object.flags |= OBJ_MIGHTBEDIRTY;
  return ok;
}

function* cleanByWalk(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  start: number,
  end: number,
): Task<{ reached: number; ok: boolean }> {
  const limit = Math.max(CLEAN_RUN_MIN, Math.trunc(object.residentCount / 8));
  let run = 0;
  let pindex = start;
  let ok = true;
  while (pindex < end) {
    const page = pageLookup(vm, object, pindex);
    if (page < 0 || !needsCleaning(vm, page)) {
      if (++run >= limit) break;
      pindex++;
      continue;
    }
    run = 0;
    const flushed = yield* flushAround(vm, thread, object, page, pindex);
    ok = ok && flushed.ok;
    pindex += flushed.ahead;
  }
  return { reached: pindex, ok };
}

function needsCleaning(vm: Vm, page: number): boolean {
  if (vm.pages.valid[page] === 0) return false;
  vm.pmap.testDirty(page);
  return vm.pages.dirty[page] !== 0;
}

function* cleanDirty(vm: Vm, thread: Thread, object: VmObject, start: number, end: number): Task<boolean> {
  let ok = true;
  for (const page of pagesInRange(vm, object, start, end)) {
    const pindex = pageIndex(vm, page);
    if (pageLookup(vm, object, pindex) !== page || !needsCleaning(vm, page)) continue;
    const flushed = yield* flushAround(vm, thread, object, page, pindex);
    ok = ok && flushed.ok;
  }
  return ok;
}

/** vm_object_page_collect_flush: writes a page with its dirty neighbours. `ahead` pages from the asked one on are then clean. */
function* flushAround(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  page: number,
  pindex: number,
): Task<{ ahead: number; ok: boolean }> {
  while (pageIsBusy(vm, page)) {
    yield* waitForPage(vm, thread, page, 'vpcwai');
    if (pageLookup(vm, object, pindex) !== page) return { ahead: 1, ok: true };
  }
  const limit = vm.thresholds.pageoutCluster;
  const run = [page];
  while (run.length < limit && joinsFlush(vm, object, pindex + run.length)) {
    run.push(pageLookup(vm, object, pindex + run.length));
  }
  const ahead = run.length;
  let before = pindex - 1;
  while (run.length < limit && before >= 0 && joinsFlush(vm, object, before)) {
    run.unshift(pageLookup(vm, object, before));
    before--;
  }
  const ok = yield* writePages(vm, thread, object, run);
  return { ahead, ok };
}

function joinsFlush(vm: Vm, object: VmObject, pindex: number): boolean {
  const page = pageLookup(vm, object, pindex);
  return page >= 0 && !pageIsBusy(vm, page) && needsCleaning(vm, page);
}

/**
 * vm_pageout_flush as msync uses it: write-protects the pages and writes them. While the file system has them the object is not locked, as in
 * vnode_pager_putpages: the pages are busy, and who wants another page, or a mapping less, need not wait for the disk.
 */
function* writePages(vm: Vm, thread: Thread, object: VmObject, run: readonly number[]): Task<boolean> {
  for (const page of run) {
    pageIoStart(vm, page);
    vm.pmap.removeWrite(page);
  }
  object.pagingInProgress += run.length;
  const status: number[] = [];
  object.lock.release(thread);
  yield* pagerPutPages(vm, thread, object, run, status);
  while (!object.lock.acquire(thread)) yield;
  run.forEach((page, i) => {
    pipWakeup(vm, object);
    pageIoFinish(vm, page);
    if (status[i] !== VM_PAGER_OK) pageActivate(vm, page);
  });
  return status.every((s) => s === VM_PAGER_OK);
}
