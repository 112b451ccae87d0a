/**
 * uvm_pdaemon: the page daemon.
 *
 * A pass scans the inactive queue for pages to free, then balances the queues. Pages of files are handed to their object, which writes them if
 * they are dirty. Anonymous pages that are clean copies of their swap slot are freed at once; the others are collected into clusters of
 * neighbouring slots and written together, then freed. When every slot is taken though swap is not full of pages that are only there,
 * active pages give their slots up.
 *
 * It has no clock: it runs when somebody waits for memory, and when asked for pages from outside.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { UvmObject } from './object.js';
import { PGO_CLEANIT, PGO_FREE } from './object.js';
import { PG_BUSY, PG_CLEAN, PQ_ANON, PQ_SWAPBACKED, pageActivate, pageHas, pageIndex, pageObject } from './page.js';
import { dropPageSwap, Pageout, pageFreed } from './pageout.js';
import { balanceQueues, beginScan, inactiveTarget, selectVictim } from './pdpolicy.js';
import type { Vm } from './vm.js';

/** Dirty pages that could not be written, after which a scan gives up. */
const UVMPD_NUMDIRTYREACTS = 16;
/** A scan frees up to so many times the free target. */
const TARGET_FACTOR = 4;
/** Fruitless passes in a row after which a request from outside is given up. */
const FRUITLESS_PASSES = 2;

/** The daemon's thread: sleeps until it is wanted, makes a pass, wakes who waits for memory. */
export function* pageDaemon(vm: Vm, thread: Thread): Task<void> {
  for (;;) {
    while (!vm.daemonWanted) {
      vm.kernel.sleep(thread, vm.daemonChannel, 'pgdaemon');
      yield;
    }
    vm.daemonWanted = false;
    vm.counters.pdwoke++;
    yield* pass(vm, thread, vm.freetarg * TARGET_FACTOR, false);
    vm.kernel.wakeup(vm.freeChannel);
  }
}

/** Frees `count` more pages, or as many as can be. */
export function* pageoutPages(vm: Vm, thread: Thread, count: number): Task<void> {
  const target = vm.pages.free + count;
  let fruitless = 0;
  while (vm.pages.free < target && fruitless < FRUITLESS_PASSES) {
    const before = vm.pages.free;
    yield* pass(vm, thread, target, true);
    fruitless = vm.pages.free > before ? 0 : fruitless + 1;
  }
}

/** One pass: scan if there is need, or by force, and balance. */
function* pass(vm: Vm, thread: Thread, target: number, force: boolean): Task<void> {
  const inactive = inactiveTarget(vm);
  if (!force && vm.pages.free >= vm.freetarg && vm.pages.inactive >= inactive) return;
  vm.counters.pdrevs++;
  const freedBefore = vm.counters.pdfreed;
  yield* scanQueue(vm, thread, target);
  const freed = vm.counters.pdfreed - freedBefore;
  let swapShortage = 0;
  if (vm.pages.free < vm.freetarg && vm.swap.inUse >= vm.swap.slots && !vm.swap.isFull() && freed === 0) {
    swapShortage = vm.freetarg - vm.pages.free;
  }
  balanceQueues(vm, inactive, swapShortage, (page) => tryDropSwap(vm, thread, page));
}

/** uvmpd_scan_queue. */
function* scanQueue(vm: Vm, thread: Thread, target: number): Task<void> {
  const scan = beginScan(vm);
  const out = new Pageout(vm);
  let dirtyReacts = 0;
  while (vm.pages.free + out.pending < target && dirtyReacts < UVMPD_NUMDIRTYREACTS) {
    const page = selectVictim(vm, scan);
    if (page < 0) break;
    const object = pageObject(vm, page);
    if (object !== null && !object.lock.tryAcquire(thread)) continue;
    takeOver(vm, page, object);
    if (pageHas(vm, page, PG_BUSY)) {
      object?.lock.release(thread);
      vm.counters.pdbusy++;
      continue;
    }
    if (object === null) vm.counters.pdanscan++;
    else vm.counters.pdobscan++;
    if ((vm.pages.pqflags[page] & PQ_SWAPBACKED) === 0) {
      const index = pageIndex(vm, page);
      yield* (object as UvmObject).put(thread, index, index + 1, PGO_CLEANIT | PGO_FREE, true);
      continue;
    }
    const reacted = disposeAnonymous(vm, page, out, target);
    object?.lock.release(thread);
    if (reacted) dirtyReacts++;
    yield* out.flush(thread, false);
  }
  yield* out.flush(thread, true);
}

/** uvmpd_trylockowner, beyond the lock: a borrower takes over a page that its lender has dropped. */
function takeOver(vm: Vm, page: number, object: UvmObject | null): void {
  const { pages } = vm;
  if (object !== null || (pages.pqflags[page] & PQ_ANON) !== 0) return;
  pages.loanCount[page]--;
  pages.pqflags[page] |= PQ_ANON;
}

/** A page that can only go to swap. True when it had to be made active again for want of a slot. */
function disposeAnonymous(vm: Vm, page: number, out: Pageout, target: number): boolean {
  vm.pmap.removePage(page);
  if (pageHas(vm, page, PG_CLEAN) && vm.pmap.clearModify(page)) vm.pages.flags[page] &= ~PG_CLEAN;
  if (pageHas(vm, page, PG_CLEAN)) {
    pageFreed(vm, page);
    return false;
  }
  if (vm.pages.free > target) return false;
  dropPageSwap(vm, page);
  if (out.add(page)) return false;
  pageActivate(vm, page);
  return true;
}

/** uvmpd_trydropswap: the page's slot is given back, and the page dirty. False when there is none, or somebody is at it. */
function tryDropSwap(vm: Vm, thread: Thread, page: number): boolean {
  if (pageHas(vm, page, PG_BUSY)) return false;
  const object = pageObject(vm, page);
  if (object !== null && !object.lock.tryAcquire(thread)) return false;
  takeOver(vm, page, object);
  const dropped = dropPageSwap(vm, page);
  object?.lock.release(thread);
  return dropped;
}
