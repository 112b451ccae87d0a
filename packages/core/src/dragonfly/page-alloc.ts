/**
 * Where pages come from and where they go: vm_page_alloc, vm_page_free, and the counts that decide who may have one.
 *
 * Free pages are kept above a reserve. An ordinary request that would go below it takes a page of the cache queues instead, frees it
 * and tries again; the system's own requests may go deeper once the cache is empty, and interrupts take the last page.
 * Pages are taken by colour: the one wanted, then its neighbours further and further away.
 *
 * Waiting for memory is `wait.ts`; this file only says no.
 */
import type { VmObject } from './object.js';
import { OBJT_PHYS } from './object.js';
import {
  enqueueFree,
  PG_BUSY,
  PG_FICTITIOUS,
  PG_UNMANAGED,
  PG_ZERO,
  PQ_ACTIVE,
  PQ_CACHE,
  PQ_COLOUR_MASK,
  PQ_COLOURS,
  PQ_FREE,
  PQ_HOLD,
  PQ_INACTIVE,
  pageActivate,
  pageBusy,
  pageDeactivate,
  pageHasFlag,
  pageInsert,
  pageIsBusy,
  pageRemove,
  pageUnqueueNoWakeup,
  pageWakeup,
} from './page.js';
import type { Vm } from './vm.js';
import { freeWakeup, pagedaemonWakeup } from './wait.js';

/** Request classes; several may be given. */
export const VM_ALLOC_NORMAL = 1;
export const VM_ALLOC_SYSTEM = 2;
export const VM_ALLOC_INTERRUPT = 4;
/** A pre-zeroed page is welcome. */
export const VM_ALLOC_ZERO = 8;

/** Pages that could be handed out at once. */
export function availablePages(vm: Vm): number {
  return vm.pages.freeCount + vm.pages.cacheCount;
}

/** vm_page_count_severe. */
export function countSevere(vm: Vm): boolean {
  return vm.thresholds.freeSevere > availablePages(vm) || vm.thresholds.freeReserved > vm.pages.freeCount;
}

/** vm_page_count_min: short even if `doNotCount` of the pages were not there. */
export function countMin(vm: Vm, doNotCount = 0): boolean {
  return vm.thresholds.freeMin + doNotCount > availablePages(vm) || vm.thresholds.freeReserved > vm.pages.freeCount;
}

/** vm_page_count_target. */
export function countTarget(vm: Vm): boolean {
  return vm.thresholds.freeTarget > availablePages(vm) || vm.thresholds.freeReserved > vm.pages.freeCount;
}

/** vm_paging_target: pages missing to the target. */
export function pagingTarget(vm: Vm): number {
  return vm.thresholds.freeTarget + vm.thresholds.cacheMin - availablePages(vm);
}

function mayTakeFree(vm: Vm, request: number): boolean {
  const { freeCount, cacheCount } = vm.pages;
  if (freeCount > vm.thresholds.freeReserved) return true;
  if ((request & VM_ALLOC_INTERRUPT) !== 0 && freeCount > 0) return true;
  return (request & VM_ALLOC_SYSTEM) !== 0 && cacheCount === 0 && freeCount > vm.thresholds.interruptFreeMin;
}

/** vm_page_list_find: a page of the colour wanted, or of the nearest one that has any; -1 when all are empty. */
function findByColour(vm: Vm, base: number, colour: number): number {
  const { queues } = vm.pages;
  const page = queues.first(base + (colour & PQ_COLOUR_MASK));
  if (page >= 0) return page;
  for (let distance = PQ_COLOURS / 2; distance > 0; distance--) {
    const above = queues.first(base + ((colour + distance) & PQ_COLOUR_MASK));
    if (above >= 0) return above;
    const below = queues.first(base + ((colour - distance) & PQ_COLOUR_MASK));
    if (below >= 0) return below;
  }
  return -1;
}

/** A page of the cache that may be taken, or -1. One that is engaged has no business there and is deactivated. */
export function takeableCached(vm: Vm, colour: number): number {
  const pages = vm.pages;
  for (;;) {
    const page = pages.cacheCount > 0 ? findByColour(vm, PQ_CACHE, colour) : -1;
    if (page < 0) return -1;
    const held = pages.holdCount[page] !== 0 || pages.wireCount[page] !== 0;
    if (!held && !pageIsBusy(vm, page) && !pageHasFlag(vm, page, PG_UNMANAGED)) return page;
    pageDeactivate(vm, page);
  }
}

/** Frees one cached page of about this colour. Answers false when there is none. */
export function freeCached(vm: Vm, colour: number): boolean {
  const page = takeableCached(vm, colour);
  if (page < 0) return false;
  pageBusy(vm, page);
  vm.pmap.removeAll(page);
  pageFree(vm, page);
  return true;
}

/**
 * vm_page_alloc: a page for a place in an object, busy, resident there, nothing of it valid; -1 when none may be had. Of the old
 * flags only PG_ZERO survives.
 */
export function pageAlloc(vm: Vm, object: VmObject, pindex: number, asked: number): number {
  // An interrupt's request fails only where there is no page at all: no test may refuse it one.
  if ((asked & VM_ALLOC_INTERRUPT) === 0) {
    if (vm.allocationFails?.('frame') === true) {
      vm.refusals++;
      return refuse(vm);
    }
    vm.refusals = 0;
  }
  const request = vm.pageDaemonRuns ? asked | VM_ALLOC_SYSTEM : asked;
  const colour = (pindex + object.colour) & PQ_COLOUR_MASK;
  while (!mayTakeFree(vm, request)) {
    if ((request & VM_ALLOC_NORMAL) === 0 || !freeCached(vm, colour)) return refuse(vm);
  }
  const page = findByColour(vm, PQ_FREE, colour);
  pageUnqueueNoWakeup(vm, page);
  const pages = vm.pages;
  pages.flags[page] =
    ((pages.flags[page] as number) & PG_ZERO) | PG_BUSY | (object.type === OBJT_PHYS ? PG_UNMANAGED : 0);
  pages.actCount[page] = 0;
  pages.busy[page] = 0;
  pages.valid[page] = 0;
  pages.dirty[page] = 0;
  pageInsert(vm, page, object, pindex);
  pagedaemonWakeup(vm);
  return page;
}

/** Refusals in a row after which a test that makes allocations fail is believed. */
const REFUSALS_MAX = 10;

export function refusedForGood(vm: Vm): boolean {
  return vm.refusals > REFUSALS_MAX;
}

function refuse(vm: Vm): number {
  vm.pageoutDeficit++;
  pagedaemonWakeup(vm);
  return -1;
}

/** vm_page_free: the busy page leaves its object and queue; contents and validity are gone, whoever waits for it is woken. */
export function pageFree(vm: Vm, page: number): void {
  const pages = vm.pages;
  const fictitious = pageHasFlag(vm, page, PG_FICTITIOUS);
  if (pages.busy[page] !== 0) vm.panic(`vm_page_free: freeing busy page ${page}`);
  if (pages.wireCount[page] !== 0 && !fictitious) vm.panic(`vm_page_free: freeing wired page ${page}`);
  pageUnqueueNoWakeup(vm, page);
  pageRemove(vm, page);
  pageWakeup(vm, page);
  if (fictitious) return;
  pages.valid[page] = 0;
  pages.dirty[page] = 0;
  pages.flags[page] = 0;
  if (pages.holdCount[page] !== 0) pages.queues.insertTail(PQ_HOLD, page);
  else enqueueFree(vm, page);
  freeWakeup(vm);
}

/** vnode_pager_freepage: a page that a failed read leaves behind; one that the buffer cache still has is only let go. */
export function pageForget(vm: Vm, page: number): void {
  if (vm.pages.busy[page] !== 0 || vm.pages.wireCount[page] !== 0) {
    pageActivate(vm, page);
    pageWakeup(vm, page);
  } else {
    pageFree(vm, page);
  }
}

/** vm_page_unhold: a page that was freed meanwhile is really free when the last hold goes. */
export function pageUnhold(vm: Vm, page: number): void {
  const pages = vm.pages;
  const count = (pages.holdCount[page] as number) - 1;
  pages.holdCount[page] = count;
  if (count > 0 || pages.queues.queue[page] !== PQ_HOLD) return;
  pages.queues.remove(page);
  enqueueFree(vm, page);
  freeWakeup(vm);
}

/** Frames by state, for `queues` and the invariants. */
export function queueCounts(vm: Vm): { free: number; cache: number; inactive: number; active: number } {
  const { count } = vm.pages.queues;
  return {
    free: vm.pages.freeCount,
    cache: vm.pages.cacheCount,
    inactive: count[PQ_INACTIVE] as number,
    active: (count[PQ_ACTIVE] as number) + (count[PQ_HOLD] as number),
  };
}
