/**
 * The page daemon: vm_pageout.
 *
 * A scan works off a *shortage* of free and cached pages. The inactive queue gives up pages from its head: used ones go back to the
 * active queue, clean ones become cached, dirty ones go round once and are then written out in clusters, to be cached by a later scan.
 * The active queue refills it; while the shortage lasts, its clean idle pages are cached directly. At the end cached pages are freed
 * until there are enough free ones, and if swap is full and nothing helped, the biggest process dies.
 *
 * Who runs it and when is told in `wait.ts`; `pageout` of a script runs it for a goal of its own.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { MapEntry } from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJ_DEAD, OBJT_VNODE, objectOfPage } from './object.js';
import {
  ACT_ADVANCE,
  ACT_MAX,
  PG_REFERENCED,
  PG_WINATCFLS,
  PQ_ACTIVE,
  PQ_INACTIVE,
  pageActivate,
  pageBusy,
  pageCache,
  pageClearFlag,
  pageDeactivate,
  pageDirty,
  pageHasFlag,
  pageIsBusy,
  pageSetFlag,
  pageTestDirty,
  pageWakeup,
} from './page.js';
import { availablePages, countMin, freeCached, pageFree, pagingTarget } from './page-alloc.js';
import { cleanAround } from './pageout-flush.js';
import type { DragonflyProcess } from './process.js';
import { exitProcess } from './process.js';
import { structuresOf } from './swap-blocks.js';
import type { Vm } from './vm.js';
import type { VnodeHandle } from './vnode.js';

/** Scans in a row without a gain after which the daemon gives up. */
const FRUITLESS_SCANS = 40;
/** vm_max_launder: pages written in one scan of the first pass, and of later ones. */
const MAX_LAUNDER = 32;
const MAX_LAUNDER_LATER = 10_000;
/** PQ_PRIME2, for 64 colours: the colours from which cached pages are freed take turns. */
const ROVER_STEP = 7;

/** The daemon's thread: sleeps until somebody sleeps for memory, works, wakes them all. */
export function* pageDaemon(vm: Vm, thread: Thread): Task<void> {
  for (;;) {
    while (vm.pagesWaiting === 0) {
      vm.kernel.sleep(thread, vm.daemonChannel, 'psleep');
      yield;
    }
    vm.counters.v_pdwakeups++;
    const ownShortage = (): number => {
      const deficit = vm.pageoutDeficit;
      vm.pageoutDeficit = 0;
      return pagingTarget(vm) + deficit;
    };
    yield* scanUntil(vm, thread, ownShortage, (left) => left <= 0);
    vm.pagesNeeded = 0;
    vm.pagesWaiting = 0;
    vm.memoryWaiters.clear();
    vm.kernel.wakeup(vm.freeCountChannel);
  }
}

/** Makes `count` more pages free or cached, or as many as can be. */
export function* pageoutPages(vm: Vm, thread: Thread, count: number): Task<void> {
  const goal = availablePages(vm) + count;
  const reached = (): boolean => availablePages(vm) >= goal;
  if (!reached()) yield* scanUntil(vm, thread, () => goal - availablePages(vm), reached);
}

/**
 * Scans with pass 0, 1, 2 ... until `done`, a kill, or too many scans without a gain. One thread at a time: the daemon, or who runs
 * `pageout` of a script; where stores answer later each can meet the other.
 */
function* scanUntil(vm: Vm, thread: Thread, shortage: () => number, done: (left: number) => boolean): Task<void> {
  while (vm.scanner !== null) {
    vm.kernel.sleep(thread, vm.scannerChannel, 'pgscan');
    yield;
  }
  vm.scanner = thread;
  vm.pageDaemonRuns = true;
  try {
    const kills = vm.kills;
    let fruitless = 0;
    // The most there ever was, not what there was before: to write a page its whole block may have to be read, and where that fails for good each scan
    // takes pages that the next gives back.
    let most = availablePages(vm);
    for (let pass = 0; fruitless < FRUITLESS_SCANS && vm.kills === kills; pass++) {
      const left = yield* scan(vm, thread, pass, shortage());
      if (done(left)) return;
      const available = availablePages(vm);
      fruitless = available > most ? 0 : fruitless + 1;
      most = Math.max(most, available);
    }
  } finally {
    vm.scanner = null;
    vm.pageDaemonRuns = false;
    vm.kernel.wakeup(vm.scannerChannel);
  }
}

/** vm_pageout_scan: answers what is left of the shortage. */
export function* scan(vm: Vm, thread: Thread, pass: number, original: number): Task<number> {
  const afterInactive = yield* scanInactive(vm, thread, pass, original);
  const { inactiveTarget } = vm.thresholds;
  let activeShortage = inactiveTarget - (vm.pages.queues.count[PQ_INACTIVE] as number);
  const most = 2 * Math.max(original, Math.trunc(inactiveTarget / 10));
  if (afterInactive <= 0) activeShortage = Math.min(activeShortage, most);
  const { left, recycled } = scanActive(vm, pass, afterInactive, activeShortage);
  freeFromCache(vm);
  const { count } = vm.pages.queues;
  const stuck = (count[PQ_INACTIVE] as number) > (count[PQ_ACTIVE] as number) * 4 && left > 0;
  if (vm.swapArea.full !== 0 && countMin(vm, recycled) && stuck) yield* killBiggest(vm, thread);
  return left;
}

function freeFromCache(vm: Vm): void {
  const { freeMin, freeTarget } = vm.thresholds;
  const wanted = Math.trunc((freeMin + freeTarget) / 2);
  while (vm.pages.freeCount < wanted && freeCached(vm, vm.cacheRover)) {
    vm.cacheRover += ROVER_STEP;
    vm.counters.v_dfree++;
  }
}

// ---- the inactive queue ----------------------------------------------------------------------------------------------

function* scanInactive(vm: Vm, thread: Thread, pass: number, original: number): Task<number> {
  const { queues } = vm.pages;
  let shortage = original;
  let launder = pass === 0 ? MAX_LAUNDER : MAX_LAUNDER_LATER;
  let left = queues.count[PQ_INACTIVE] as number;
  let page = queues.first(PQ_INACTIVE);
  while (page >= 0 && left-- > 0 && shortage > 0) {
    vm.counters.v_pdpages++;
    let next = queues.after(page);
    switch (judgeInactive(vm, page, pass)) {
      case 'freed':
        shortage--;
        break;
      case 'launder':
        if (launder > 0) {
          const outcome = yield* launderPage(vm, thread, page, next);
          next = outcome.next;
          if (outcome.written > 0) {
            shortage--;
            launder--;
          }
        }
        break;
      default:
    }
    page = next;
  }
  return shortage;
}

/** What becomes of an inactive page; anything but writing is done here. */
function judgeInactive(vm: Vm, page: number, pass: number): 'kept' | 'freed' | 'launder' {
  const pages = vm.pages;
  if (pages.holdCount[page] !== 0) {
    pages.queues.requeue(page);
    return 'kept';
  }
  if (pageIsBusy(vm, page) || reactivate(vm, page)) return 'kept';
  if (pages.dirty[page] === 0) pageTestDirty(vm, page);
  else pageDirty(vm, page);
  if (pages.valid[page] === 0) {
    pageBusy(vm, page);
    vm.pmap.removeAll(page);
    pageFree(vm, page);
    vm.counters.v_dfree++;
    return 'freed';
  }
  if (pages.dirty[page] === 0) {
    pageBusy(vm, page);
    pageCache(vm, page);
    return 'freed';
  }
  if (!pageHasFlag(vm, page, PG_WINATCFLS) && pass === 0) {
    pageSetFlag(vm, page, PG_WINATCFLS);
    pages.queues.requeue(page);
    return 'kept';
  }
  return 'launder';
}

/** A page that was used goes back to the active queue. Of an object that nobody has, use does not count. */
function reactivate(vm: Vm, page: number): boolean {
  const pages = vm.pages;
  let uses = 0;
  if ((objectOfPage(vm, page) as VmObject).refCount === 0) {
    pageClearFlag(vm, page, PG_REFERENCED);
    vm.pmap.clearReference(page);
    return false;
  }
  if (!pageHasFlag(vm, page, PG_REFERENCED)) {
    uses = vm.pmap.tsReferenced(page);
    if (uses === 0) return false;
    pageActivate(vm, page);
    pages.actCount[page] = (pages.actCount[page] as number) + uses + ACT_ADVANCE;
    return true;
  }
  pageClearFlag(vm, page, PG_REFERENCED);
  uses = vm.pmap.tsReferenced(page);
  pageActivate(vm, page);
  pages.actCount[page] = (pages.actCount[page] as number) + uses + ACT_ADVANCE + 1;
  return true;
}

/**
 * Writes the cluster around a dirty page. A file's vnode is wanted alone for it, but not waited for: the page is passed over. `next` is where
 * the scan goes on: behind a marker that holds the page's place, wherever it and its neighbours go meanwhile.
 */
function* launderPage(vm: Vm, thread: Thread, page: number, next: number): Task<{ written: number; next: number }> {
  const object = objectOfPage(vm, page) as VmObject;
  const { queues } = vm.pages;
  if ((object.flags & OBJ_DEAD) !== 0) {
    queues.requeue(page);
    return { written: 0, next };
  }
  const vnode = object.type === OBJT_VNODE ? (object.handle as VnodeHandle) : null;
  if (vnode !== null && !vnode.lock.tryWrite(thread)) return { written: 0, next };
  queues.insertBehind(page, vm.pages.marker);
  const written = yield* cleanAround(vm, thread, page);
  vnode?.lock.releaseWrite(thread);
  const behind = queues.after(vm.pages.marker);
  queues.remove(vm.pages.marker);
  return { written, next: behind };
}

// ---- the active queue ------------------------------------------------------------------------------------------------

function scanActive(
  vm: Vm,
  pass: number,
  afterInactive: number,
  activeShortage: number,
): { left: number; recycled: number } {
  const { queues } = vm.pages;
  let left = afterInactive;
  let wanted = activeShortage;
  let recycled = 0;
  let count = queues.count[PQ_ACTIVE] as number;
  let page = queues.first(PQ_ACTIVE);
  while (page >= 0 && count-- > 0 && (left > 0 || wanted > 0)) {
    const next = queues.after(page);
    if (pageIsBusy(vm, page) || vm.pages.holdCount[page] !== 0) {
      queues.requeue(page);
    } else if (isIdle(vm, page, pass)) {
      wanted--;
      if (left > 0) {
        recycled++;
        if (giveUp(vm, page)) left--;
      } else {
        pageDeactivate(vm, page);
      }
    } else {
      queues.requeue(page);
    }
    page = next;
  }
  return { left, recycled };
}

/** Ages an active page. True when it has not been used for long enough, or nobody has its object. */
function isIdle(vm: Vm, page: number, pass: number): boolean {
  const pages = vm.pages;
  const { refCount } = objectOfPage(vm, page) as VmObject;
  vm.counters.v_pdpages++;
  let uses = 0;
  if (refCount !== 0) {
    uses = (pageHasFlag(vm, page, PG_REFERENCED) ? 1 : 0) + vm.pmap.tsReferenced(page);
    if (uses > 0) pages.actCount[page] = Math.min((pages.actCount[page] as number) + ACT_ADVANCE + uses, ACT_MAX);
  }
  pageClearFlag(vm, page, PG_REFERENCED);
  if (uses > 0) return false;
  pages.actCount[page] = Math.max((pages.actCount[page] as number) - 1, 0);
  return refCount === 0 || (pages.actCount[page] as number) < pass + 1;
}

/** Unmaps an idle page; a clean one is cached (answers true), a dirty one deactivated. */
function giveUp(vm: Vm, page: number): boolean {
  pageBusy(vm, page);
  vm.pmap.removeAll(page);
  if (vm.pages.dirty[page] === 0) {
    pageCache(vm, page);
    return true;
  }
  pageDeactivate(vm, page);
  pageWakeup(vm, page);
  return false;
}

// ---- out of swap -----------------------------------------------------------------------------------------------------

/**
 * Kills the process with the most anonymous memory, resident or on swap. One that waits in the kernel would die on its way back to user
 * mode, and so does not die while it waits for this very memory.
 */
function* killBiggest(vm: Vm, thread: Thread): Task<void> {
  let biggest: DragonflyProcess | null = null;
  let most = 0;
  for (const process of [...vm.processes].reverse()) {
    const size = process.embryo ? 0 : anonymousPages(process);
    if (size > most) {
      biggest = process;
      most = size;
    }
  }
  if (biggest === null) return;
  vm.kills++;
  if (!biggest.thread.running || biggest.inKernel > 0 || vm.memoryWaiters.has(biggest.thread)) return;
  vm.deaths++;
  vm.onKill(biggest);
  yield* exitProcess(vm, biggest, thread);
}

function anonymousPages(process: DragonflyProcess): number {
  return process.map.index.reduce((sum, entry) => sum + anonymousIn(entry), 0);
}

/** vmspace_anonymous_count and vmspace_swap_count of one entry: the pages of its object, and its share of the object's meta-data. */
function anonymousIn(entry: MapEntry): number {
  const { object } = entry;
  if (object === null || !object.defaultOrSwap) return 0;
  const structures = object.swap === null ? 0 : structuresOf(object.swap);
  const share = Math.trunc((structures * 16 * (entry.end - entry.start)) / object.size);
  return object.residentCount + (structures > 0 ? share + 1 : 0);
}
