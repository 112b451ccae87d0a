/**
 * The page daemon: vm_pageout.
 *
 * A scan has two halves. The *inactive* queue gives up pages: referenced ones go back to the active queue, clean ones are cached, dirty
 * ones go round the queue once and are then written out in clusters, to be cached by a later scan. The *active* queue
 * refills it: a page's activity count rises with each use seen and falls with each scan, and at zero the page is deactivated.
 *
 * It runs when somebody waits for memory or a caller asks for pages; there is no clock behind it. Passes follow each other,
 * laundering without limit from the second on, until the goal is reached or a hundred in a row have gained nothing.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { VM_PAGER_ERROR, VM_PAGER_FAIL } from './kern.js';
import type { VmObject } from './object.js';
import { OBJ_DEAD, objectOfPage, pipWakeup } from './object.js';
import {
  ACT_ADVANCE,
  ACT_MAX,
  PG_REFERENCED,
  PG_WINATCFLS,
  PG_WRITEABLE,
  PQ_ACTIVE,
  PQ_INACTIVE,
  pageActivate,
  pageClearFlag,
  pageDeactivate,
  pageDirty,
  pageHasFlag,
  pageIndex,
  pageIoFinish,
  pageIoStart,
  pageIsBusy,
  pageLookup,
  pageSetFlag,
} from './page.js';
import { availablePages, countMin, countSevere, pageCache, pageFree, pageTryToCache } from './page-alloc.js';
import { pagerPutPages } from './pager.js';
import type { Vm } from './vm.js';
import { answerWaiters } from './wait.js';

/** Passes in a row without a gain after which the daemon gives up. */
const FRUITLESS_PASSES = 100;
/** vm_max_launder: pages written in one scan of the first pass, and of later ones. */
const MAX_LAUNDER = 32;
const MAX_LAUNDER_LATER = 10_000;
const ACT_DECLINE = 1;

/** The daemon's thread: sleeps until somebody waits for pages, works until there are enough, answers. */
export function* pageDaemon(vm: Vm, thread: Thread): Task<void> {
  for (;;) {
    while (!vm.pagesNeeded) {
      vm.kernel.sleep(thread, vm.daemonChannel, 'psleep');
      yield;
    }
    yield* pageoutUntil(vm, thread, () => !countMin(vm));
    answerWaiters(vm);
  }
}

/** Runs passes until `reached` or nothing more is gained. */
export function* pageoutUntil(vm: Vm, thread: Thread, reached: () => boolean): Task<void> {
  vm.pageDaemonRuns = true;
  try {
    let fruitless = 0;
    for (let pass = 0; !reached() && fruitless < FRUITLESS_PASSES; pass++) {
      const before = availablePages(vm);
      yield* scan(vm, thread, pass);
      fruitless = availablePages(vm) > before ? 0 : fruitless + 1;
    }
  } finally {
    vm.pageDaemonRuns = false;
  }
}

/** Frees `count` more pages, or as many as can be: free_target is that goal meanwhile. */
export function* pageoutPages(vm: Vm, thread: Thread, count: number): Task<void> {
  const goal = availablePages(vm) + count;
  const { freeTarget, cacheMin } = vm.thresholds;
  vm.thresholds.freeTarget = goal;
  vm.thresholds.cacheMin = 0;
  try {
    yield* pageoutUntil(vm, thread, () => availablePages(vm) >= goal);
  } finally {
    vm.thresholds.freeTarget = freeTarget;
    vm.thresholds.cacheMin = cacheMin;
  }
}

/** vm_paging_target: pages missing to the target. */
function pagingTarget(vm: Vm): number {
  return vm.thresholds.freeTarget + vm.thresholds.cacheMin - availablePages(vm);
}

/** vm_pageout_scan. */
function* scan(vm: Vm, thread: Thread, pass: number): Task<void> {
  const deficit = vm.pageoutDeficit;
  vm.pageoutDeficit = 0;
  const skipped = yield* scanInactive(vm, thread, pagingTarget(vm) + deficit, pass);
  const inactive = vm.pages.queues.count[PQ_INACTIVE] as number;
  scanActive(vm, thread, pagingTarget(vm) + vm.thresholds.inactiveTarget - inactive + deficit + skipped);
}

/** What became of an inactive page. */
type Verdict = 'skip' | 'kept' | 'freed' | 'launder';

/** Answers how many pages had to be passed over because they were held or busy. */
function* scanInactive(vm: Vm, thread: Thread, target: number, pass: number): Task<number> {
  const queues = vm.pages.queues;
  let shortage = target;
  let launder = pass === 0 ? MAX_LAUNDER : MAX_LAUNDER_LATER;
  let skipped = 0;
  let left = queues.count[PQ_INACTIVE] as number;
  let page = queues.first(PQ_INACTIVE);
  while (page >= 0 && left-- > 0 && shortage > 0) {
    vm.counters.v_pdpages++;
    let next = queues.after(page);
    const object = objectOfPage(vm, page) as VmObject;
    const verdict = judgeInactive(vm, thread, page, object, pass, launder);
    if (verdict === 'skip') {
      skipped++;
    } else if (verdict === 'freed') {
      shortage--;
    } else if (verdict === 'launder') {
      const cleaned = yield* launderAround(vm, thread, object, page, next);
      next = cleaned.next;
      if (cleaned.written > 0) {
        shortage--;
        launder--;
      }
    }
    page = next;
  }
  return skipped;
}

function judgeInactive(vm: Vm, thread: Thread, page: number, object: VmObject, pass: number, launder: number): Verdict {
  const pages = vm.pages;
  if (pages.holdCount[page] !== 0) {
    pages.queues.requeue(page);
    return 'skip';
  }
  if (locked(object, thread) || pageIsBusy(vm, page)) return 'skip';
  if (object.refCount === 0) pageClearFlag(vm, page, PG_REFERENCED);
  else if (reactivateIfUsed(vm, page)) return 'kept';
  takeModified(vm, page);
  if (pages.valid[page] === 0) {
    pageFree(vm, page);
    vm.counters.v_dfree++;
    return 'freed';
  }
  if (pages.dirty[page] === 0) {
    pageCache(vm, page);
    return 'freed';
  }
  if (pass === 0 && !pageHasFlag(vm, page, PG_WINATCFLS)) {
    pageSetFlag(vm, page, PG_WINATCFLS);
    pages.queues.requeue(page);
    return 'kept';
  }
  if (launder <= 0) return 'kept';
  if ((object.flags & OBJ_DEAD) !== 0) {
    pages.queues.requeue(page);
    return 'kept';
  }
  return 'launder';
}

/** Whether another thread works on the object: the daemon passes its pages over. */
function locked(object: VmObject, thread: Thread): boolean {
  return object.lock.owner !== null && object.lock.owner !== thread;
}

/** A page that was used since it became inactive goes back, with a head start for each use seen. */
function reactivateIfUsed(vm: Vm, page: number): boolean {
  const known = pageHasFlag(vm, page, PG_REFERENCED);
  const uses = vm.pmap.tsReferenced(page);
  if (!known && uses === 0) return false;
  pageClearFlag(vm, page, PG_REFERENCED);
  pageActivate(vm, page);
  vm.pages.actCount[page] = (vm.pages.actCount[page] as number) + uses + ACT_ADVANCE + (known ? 1 : 0);
  return true;
}

/** Moves what the hardware knows of writes into `dirty`. A clean page loses its writeable translations, so that it stays clean. */
function takeModified(vm: Vm, page: number): void {
  if (vm.pages.dirty[page] === 0 && !vm.pmap.isModified(page)) {
    if (pageHasFlag(vm, page, PG_WRITEABLE)) vm.pmap.removeAll(page);
  } else {
    pageDirty(vm, page);
  }
}

// ---- laundering ------------------------------------------------------------------------------------------------------

/** vm_pageout_clean: writes the cluster around a page. `next` is where the scan goes on: behind the page as it stood. */
function* launderAround(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  page: number,
  next: number,
): Task<{ written: number; next: number }> {
  const cluster = collectCluster(vm, object, page);
  const followers = pagesBehind(vm, next, new Set(cluster));
  const written = yield* flush(vm, thread, object, cluster);
  if (followers.length === 0) return { written, next: -1 };
  const stayed = followers.find((p) => vm.pages.queues.queue[p] === PQ_INACTIVE);
  return { written, next: stayed ?? vm.pages.queues.first(PQ_INACTIVE) };
}

/** The pages from `from` on, up to the first that is not about to be written: the scan's marker, in effect. */
function pagesBehind(vm: Vm, from: number, cluster: ReadonlySet<number>): number[] {
  const behind: number[] = [];
  for (let page = from; page >= 0; page = vm.pages.queues.after(page)) {
    behind.push(page);
    if (!cluster.has(page)) break;
  }
  return behind;
}

/** Neighbours that may be written with a page: down to the cluster boundary first, then up, then further down. */
function collectCluster(vm: Vm, object: VmObject, page: number): number[] {
  const limit = vm.thresholds.pageoutCluster;
  const pindex = pageIndex(vm, page);
  const cluster = [page];
  let back = 1;
  let ahead = 1;
  let backOpen = true;
  do {
    while (backOpen && cluster.length < limit) {
      const neighbour = launderable(vm, object, pindex - back);
      if (neighbour < 0) {
        backOpen = false;
        break;
      }
      cluster.unshift(neighbour);
      back++;
      if ((pindex - (back - 1)) % limit === 0) break;
    }
    while (cluster.length < limit && pindex + ahead < object.size) {
      const neighbour = launderable(vm, object, pindex + ahead);
      if (neighbour < 0) break;
      cluster.push(neighbour);
      ahead++;
    }
  } while (backOpen && cluster.length < limit);
  return cluster;
}

/** The page at an index if it could be written with its neighbour, or -1. */
function launderable(vm: Vm, object: VmObject, pindex: number): number {
  if (pindex < 0) return -1;
  const page = pageLookup(vm, object, pindex);
  if (page < 0 || pageIsBusy(vm, page)) return -1;
  vm.pmap.testDirty(page);
  const pages = vm.pages;
  if (((pages.dirty[page] as number) & (pages.valid[page] as number)) === 0) return -1;
  if (pages.queues.queue[page] !== PQ_INACTIVE || pages.wireCount[page] !== 0 || pages.holdCount[page] !== 0) return -1;
  return page;
}

/** vm_pageout_flush: write-protects and writes. Answers how many pages went out; one that could not is activated. */
function* flush(vm: Vm, thread: Thread, object: VmObject, cluster: readonly number[]): Task<number> {
  for (const page of cluster) {
    pageIoStart(vm, page);
    vm.pmap.removeWrite(page);
  }
  object.pagingInProgress += cluster.length;
  const status: number[] = [];
  yield* pagerPutPages(vm, thread, object, cluster, status);
  let written = 0;
  cluster.forEach((page, i) => {
    const failed = status[i] === VM_PAGER_FAIL || status[i] === VM_PAGER_ERROR;
    if (failed) pageActivate(vm, page);
    else written++;
    pipWakeup(vm, object);
    pageIoFinish(vm, page);
    if (countSevere(vm)) pageTryToCache(vm, page);
  });
  return written;
}

// ---- the active queue ------------------------------------------------------------------------------------------------

function scanActive(vm: Vm, thread: Thread, target: number): void {
  const queues = vm.pages.queues;
  let shortage = target;
  let left = queues.count[PQ_ACTIVE] as number;
  let page = queues.first(PQ_ACTIVE);
  while (page >= 0 && left-- > 0 && shortage > 0) {
    const next = queues.after(page);
    const object = objectOfPage(vm, page) as VmObject;
    if (locked(object, thread) || pageIsBusy(vm, page) || vm.pages.holdCount[page] !== 0) queues.requeue(page);
    else if (ageActive(vm, page, object)) shortage--;
    page = next;
  }
}

/** Judges one active page by its use. Answers true when it left the queue. */
function ageActive(vm: Vm, page: number, object: VmObject): boolean {
  const pages = vm.pages;
  vm.counters.v_pdpages++;
  let uses = 0;
  if (object.refCount !== 0) {
    uses = (pageHasFlag(vm, page, PG_REFERENCED) ? 1 : 0) + vm.pmap.tsReferenced(page);
    if (uses > 0) pages.actCount[page] = Math.min((pages.actCount[page] as number) + ACT_ADVANCE + uses, ACT_MAX);
  }
  pageClearFlag(vm, page, PG_REFERENCED);
  if (uses > 0) {
    pages.queues.requeue(page);
    return false;
  }
  pages.actCount[page] = Math.max((pages.actCount[page] as number) - ACT_DECLINE, 0);
  if (object.refCount !== 0 && pages.actCount[page] !== 0) {
    pages.queues.requeue(page);
    return false;
  }
  if (object.refCount === 0) {
    vm.pmap.removeAll(page);
    if (pages.dirty[page] === 0) {
      pageCache(vm, page);
      return true;
    }
  }
  pageDeactivate(vm, page);
  return true;
}
