/**
 * What the system calls do to ranges of an object's pages: removal (munmap, truncate), advice (madvise), cleaning (msync).
 *
 * All under the vm_token; each waits for busy pages and looks again afterwards.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { VmObject } from './object.js';
import { OBJ_MIGHTBEDIRTY, OBJ_ONEMAPPING, OBJ_WRITEABLE, OBJT_VNODE, pipWakeup } from './object.js';
import {
  PG_CLEANCHK,
  PG_FICTITIOUS,
  PG_REFERENCED,
  PG_UNMANAGED,
  PG_WANTED,
  pageActivate,
  pageBusy,
  pageClearFlag,
  pageDontneed,
  pageFullyValid,
  pageHasFlag,
  pageIndex,
  pageIsBusy,
  pageLookup,
  pageSetFlag,
  pageTestDirty,
} from './page.js';
import { pageFree } from './page-alloc.js';
import { flushPages } from './pageout-flush.js';
import { swapFreespace } from './pager-swap.js';
import type { Vm } from './vm.js';

/** vm_page_sleep_busy: sleeps until a busy page may have changed. */
export function* waitForPage(vm: Vm, thread: Thread, page: number, wmesg: string): Task<void> {
  pageSetFlag(vm, page, PG_WANTED | PG_REFERENCED);
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

/**
 * vm_object_page_remove: frees pages `start` to `end` (exclusive), or only the clean ones, and the swap of the range. Wired pages stay,
 * unmapped and, unless only clean ones go, invalid.
 */
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
    const pindex = pageIndex(vm, page);
    while (pageLookup(vm, object, pindex) === page && pageIsBusy(vm, page) && vm.pages.wireCount[page] === 0) {
      yield* waitForPage(vm, thread, page, 'vmopar');
    }
    if (pageLookup(vm, object, pindex) === page) removeOne(vm, page, cleanOnly);
  }
  if (!cleanOnly) swapFreespace(vm, object, start, end - start);
  pipWakeup(vm, object);
}

function removeOne(vm: Vm, page: number, cleanOnly: boolean): void {
  if (vm.pages.wireCount[page] !== 0) {
    vm.pmap.removeAll(page);
    if (!cleanOnly) vm.pages.valid[page] = 0;
    return;
  }
  if (cleanOnly) {
    pageTestDirty(vm, page);
    const used = ((vm.pages.valid[page] as number) & (vm.pages.dirty[page] as number)) !== 0;
    if (used || vm.pages.holdCount[page] !== 0) return;
  }
  pageBusy(vm, page);
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
  for (let pindex = start; pindex < end; pindex++) {
    for (let busy = adviseOne(vm, object, pindex, advice); busy >= 0; busy = adviseOne(vm, object, pindex, advice)) {
      yield* waitForPage(vm, thread, busy, 'madvpo');
    }
  }
}

/** One page, wherever in the chain it is. Answers a busy page to wait for, or -1. */
function adviseOne(vm: Vm, top: VmObject, index: number, advice: ObjectAdvice): number {
  let object: VmObject | null = top;
  let pindex = index;
  while (object !== null) {
    // Only anonymous memory that one entry maps may be given up.
    if (advice === 'free' && (!object.defaultOrSwap || (object.flags & OBJ_ONEMAPPING) === 0)) return -1;
    const page = pageLookup(vm, object, pindex);
    if (page >= 0) return advisePage(vm, object, page, pindex, advice);
    if (advice === 'free') swapFreespace(vm, object, pindex, 1);
    pindex += object.backingOffset;
    object = object.backing;
  }
  return -1;
}

function advisePage(vm: Vm, object: VmObject, page: number, pindex: number, advice: ObjectAdvice): number {
  const pages = vm.pages;
  const abnormal = pages.holdCount[page] !== 0 || pages.wireCount[page] !== 0;
  if (abnormal || pageHasFlag(vm, page, PG_UNMANAGED | PG_FICTITIOUS) || !pageFullyValid(vm, page)) return -1;
  if (pageIsBusy(vm, page)) return page;
  if (advice === 'willneed') {
    pageActivate(vm, page);
  } else if (advice === 'dontneed') {
    pageDontneed(vm, page);
  } else {
    vm.pmap.clearModify(page);
    pages.dirty[page] = 0;
    pages.actCount[page] = 0;
    pageDontneed(vm, page);
    swapFreespace(vm, object, pindex, 1);
  }
  return -1;
}

/**
 * vm_object_page_clean: writes the dirty pages `start` to `end` (exclusive) of a file's object.
 *
 * A first pass over the whole object write-protects every page and marks it; the second writes marked pages with their marked dirty
 * neighbours. The first pass runs only when the range is the whole object, so a smaller range finds no mark and writes
 * nothing: as seeded. Mended, the marks are made for any range.
 */
export function* objectPageClean(vm: Vm, thread: Thread, object: VmObject, start: number, end: number): Task<boolean> {
  if (object.type !== OBJT_VNODE || (object.flags & OBJ_MIGHTBEDIRTY) === 0) return true;
  object.pagingInProgress++;
  const whole = start === 0 && end >= object.size;
  const scope = pagesInRange(vm, object, start, Math.min(end, object.size));
  if (whole || vm.mended) {
    for (const page of scope) markForCleaning(vm, page);
    if (whole) object.flags &= ~(OBJ_WRITEABLE | OBJ_MIGHTBEDIRTY);
  }
  let ok = true;
  for (const page of scope) {
    const pindex = pageIndex(vm, page);
    while (pageLookup(vm, object, pindex) === page && pageIsBusy(vm, page)) {
      yield* waitForPage(vm, thread, page, 'vpcwai');
    }
    if (pageLookup(vm, object, pindex) !== page || !pageHasFlag(vm, page, PG_CLEANCHK)) continue;
    pageTestDirty(vm, page);
    if (((vm.pages.dirty[page] as number) & (vm.pages.valid[page] as number)) === 0) {
      pageClearFlag(vm, page, PG_CLEANCHK);
      continue;
    }
    const run = collectRun(vm, object, page, pindex);
    for (const member of run) pageClearFlag(vm, member, PG_CLEANCHK);
    const { failed } = yield* flushPages(vm, thread, object, run);
    ok = ok && failed === 0;
  }
  // As seeded the next msync takes the object for clean and writes nothing (O35).
  if (!ok && vm.mended) object.flags |= OBJ_WRITEABLE | OBJ_MIGHTBEDIRTY;
  pipWakeup(vm, object);
  return ok;
}

function markForCleaning(vm: Vm, page: number): void {
  pageSetFlag(vm, page, PG_CLEANCHK);
  vm.pmap.removeWrite(page);
}

/** A page with the marked dirty neighbours ahead of it, then behind it, up to one write's worth. */
function collectRun(vm: Vm, object: VmObject, page: number, pindex: number): number[] {
  const limit = vm.thresholds.pageoutCluster;
  const run = [page];
  for (let ahead = pindex + 1; run.length < limit; ahead++) {
    const neighbour = joinsRun(vm, object, ahead);
    if (neighbour < 0) break;
    run.push(neighbour);
  }
  for (let behind = pindex - 1; run.length < limit && behind >= 0; behind--) {
    const neighbour = joinsRun(vm, object, behind);
    if (neighbour < 0) break;
    run.unshift(neighbour);
  }
  return run;
}

function joinsRun(vm: Vm, object: VmObject, pindex: number): number {
  const page = pageLookup(vm, object, pindex);
  if (page < 0 || pageIsBusy(vm, page) || !pageHasFlag(vm, page, PG_CLEANCHK)) return -1;
  pageTestDirty(vm, page);
  if (((vm.pages.dirty[page] as number) & (vm.pages.valid[page] as number)) !== 0) return page;
  pageClearFlag(vm, page, PG_CLEANCHK);
  return -1;
}
