/**
 * vm_pageout: the page daemon, as it was before the rewrite of November 1992.
 *
 * One scan: the inactive queue is walked from its head until enough frames are free. A clean page that was used since it came here is active
 * again; one that was not is freed. A dirty one is written, whether it was used or not (the second chance is for clean pages only), and
 * freed by a later scan if it is still there. Then as many active pages as the inactive queue is short of become inactive. After each scan
 * the swap pager cleans up the writes that are done.
 *
 * The daemon holds no map lock and no page but the one that it writes, which is busy for the time.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_NONE } from '../vm/prot.js';
import { collapse } from './collapse.js';
import { fruitlessLimit } from './fault-release.js';
import { VM_PAGER_BAD, VM_PAGER_FAIL, VM_PAGER_PEND } from './kern.js';
import type { VmObject } from './object.js';
import { objectSetPager, pagingDone } from './object.js';
import {
  objectOfPage,
  PG_BUSY,
  PG_CLEAN,
  PG_LAUNDRY,
  PQ_ACTIVE,
  PQ_INACTIVE,
  pageActivate,
  pageClear,
  pageDeactivate,
  pageFree,
  pageHas,
  pageSet,
  pageWakeup,
} from './page.js';
import { pagerPut } from './pager.js';
import { swapAllocate, swapClean } from './pager-swap.js';
import type { Vm } from './vm.js';

/** The daemon's own thread: a scan whenever somebody wants memory. */
export function* pageDaemon(vm: Vm, thread: Thread): Task<void> {
  for (;;) {
    // The sleep is noted outside of this body: a body that a snapshot has begun afresh takes it over.
    if (!vm.daemonSlept) {
      vm.daemonSlept = true;
      vm.kernel.sleep(thread, vm.daemonChannel, 'pagedaemon');
      yield;
    }
    vm.daemonSlept = false;
    yield* scanAndSync(vm, thread);
    vm.kernel.wakeup(vm.freeCountChannel);
  }
}

/** One at a time: the kernel has one daemon, and a page that one scan is writing is still on the queue where another would find it. */
function* scanAndSync(vm: Vm, thread: Thread): Task<void> {
  while (vm.scanner !== null) {
    vm.kernel.sleep(thread, vm.scannerChannel, 'pgscan');
    yield;
  }
  vm.scanner = thread;
  try {
    yield* scan(vm, thread);
  } finally {
    vm.scanner = null;
    vm.kernel.wakeup(vm.scannerChannel);
  }
  swapClean(vm);
}

/** Runs scans until `pages` more frames are free, or as many in a row have freed nothing as could have looked at every page twice. */
export function* pageoutPages(vm: Vm, thread: Thread, pages: number): Task<void> {
  const want = vm.pages.freeCount + pages;
  const target = vm.thresholds.freeTarget;
  vm.thresholds.freeTarget = want;
  let idle = 0;
  while (vm.pages.freeCount < want) {
    const before = vm.pages.freeCount;
    yield* scanAndSync(vm, thread);
    if (vm.pages.freeCount > before) {
      idle = 0;
      continue;
    }
    idle++;
    if (idle >= fruitlessLimit(vm)) break;
    // Nothing was free, but something is on its way to a store that answers later: a page that has been written can be freed by the next scan.
    const [write] = vm.swapWrites;
    if (write === undefined) continue;
    vm.kernel.sleep(thread, write.pager, 'swpgd');
    yield;
    swapClean(vm);
  }
  vm.thresholds.freeTarget = target;
}

/** vm_pageout_scan. */
function* scan(vm: Vm, thread: Thread): Task<void> {
  vm.counters.v_scan++;
  const freed = yield* scanInactive(vm, thread);
  const { pages, thresholds } = vm;
  let shortage = thresholds.inactiveTarget - pages.inactiveCount - pages.freeCount;
  if (shortage <= 0 && freed === 0) shortage = 1;
  for (; shortage > 0; shortage--) {
    const page = pages.queues.first(PQ_ACTIVE);
    if (page < 0) return;
    pageDeactivate(vm, page);
  }
}

/** The inactive queue from its head. Answers how many pages were freed. */
function* scanInactive(vm: Vm, thread: Thread): Task<number> {
  const { queues } = vm.pages;
  let freed = 0;
  let page = queues.first(PQ_INACTIVE);
  while (page >= 0 && vm.pages.freeCount < vm.thresholds.freeTarget) {
    if (pageHas(vm, page, PG_CLEAN)) {
      const next = queues.after(page);
      if (reclaim(vm, page)) freed++;
      page = next;
    } else if (pageHas(vm, page, PG_LAUNDRY)) {
      page = yield* launder(vm, thread, page);
    } else {
      page = queues.after(page);
    }
  }
  return freed;
}

/** A clean page: back into use if it was used, else freed. Answers whether it was freed. */
function reclaim(vm: Vm, page: number): boolean {
  if (vm.pmap.isReferenced(page)) {
    pageActivate(vm, page);
    vm.counters.v_reactivated++;
    return false;
  }
  vm.pmap.pageProtect(page, PROT_NONE);
  pageFree(vm, page);
  vm.counters.v_dfree++;
  return true;
}

/** Begins to write a dirty page, giving its object a pager if it has none. Answers the page that follows on the queue. */
function* launder(vm: Vm, thread: Thread, page: number): Task<number> {
  const object = objectOfPage(vm, page) as VmObject;
  vm.pmap.pageProtect(page, PROT_NONE);
  pageSet(vm, page, PG_BUSY);
  vm.counters.v_pageouts++;
  collapse(vm, object);
  object.pagingInProgress++;
  vm.kernel.wakeup(vm.freeCountChannel);
  if (object.pager === null) {
    const pager = swapAllocate(vm, object.size);
    if (pager !== null) objectSetPager(object, pager, 0);
  }
  const status = object.pager === null ? VM_PAGER_FAIL : yield* pagerPut(vm, thread, object, page, false);
  const next = vm.pages.queues.after(page);
  if (status === VM_PAGER_FAIL) {
    pageActivate(vm, page);
  } else {
    pageClear(vm, page, PG_LAUNDRY);
  }
  if (status === VM_PAGER_BAD) {
    pageSet(vm, page, PG_CLEAN);
    vm.pmap.clearModify(page);
  }
  vm.pmap.clearReference(page);
  if (status !== VM_PAGER_PEND) {
    pageWakeup(vm, page);
    pagingDone(vm, object);
  }
  return next;
}
