/**
 * uvm_pdpolicy_clock: which pages go, and in what balance.
 *
 * Two queues. The inactive one is asked from its head: what has been used since goes back to the active queue, and so does every page of a kind
 * that is to be spared just now. The kinds are anonymous pages, file pages and program text; each has a share of memory below which it
 * is spared and one above which the others are. The active queue then refills the inactive one up to its target, a third of both.
 *
 * A policy is this file: the page daemon knows it by `Scan` and its three functions.
 */
import { PQ_SWAPBACKED, pageActivate, pageAnon, pageDeactivate, pageObject, Q_ACTIVE, Q_INACTIVE } from './page.js';
import type { Vm } from './vm.js';

/** Shares of memory in percent: spared at or below the first, the others spared above the second. */
const ANON_MIN = 10;
const ANON_MAX = 80;
const FILE_MIN = 10;
const FILE_MAX = 50;
const EXEC_MIN = 5;
const EXEC_MAX = 30;
const INACTIVE_PCT = 33;
/** A share is kept in 256ths. */
const SCALE = 256;
/** Reclaiming file pages is worth waiting for from so many on (5 MB), or a sixteenth of what is pageable. */
const RECLAIM_PAGES = 1280;

/** UVM_PCTPARAM_APPLY. */
function share(pages: number, percent: number): number {
  return Math.floor((pages * Math.floor((percent * SCALE) / 100)) / SCALE);
}

/** One look over the inactive queue. */
export interface Scan {
  anonReact: boolean;
  fileReact: boolean;
  execReact: boolean;
  first: boolean;
  /** The page behind the last victim, -1 at the end. */
  next: number;
}

/** uvmpdpol_tune: how many inactive pages there shall be. */
export function inactiveTarget(vm: Vm): number {
  const target = share(vm.pages.active + vm.pages.inactive, INACTIVE_PCT);
  return target <= vm.freetarg ? vm.freetarg + 1 : target;
}

/** uvmpdpol_scaninit: which kinds are spared during this scan. */
export function beginScan(vm: Vm): Scan {
  const total = vm.pages.active + vm.pages.inactive + vm.pages.free;
  const anonOver = vm.anonpages > share(total, ANON_MAX);
  const fileOver = vm.filepages > share(total, FILE_MAX);
  const execOver = vm.execpages > share(total, EXEC_MAX);
  const scan: Scan = {
    anonReact: vm.anonpages <= share(total, ANON_MIN) || (!anonOver && (fileOver || execOver)),
    fileReact: vm.filepages <= share(total, FILE_MIN) || (!fileOver && (anonOver || execOver)),
    execReact: vm.execpages <= share(total, EXEC_MIN) || (!execOver && (anonOver || fileOver)),
    first: true,
    next: -1,
  };
  if (scan.fileReact && scan.execReact && (scan.anonReact || vm.swap.isFull())) {
    scan.anonReact = false;
    scan.fileReact = false;
    scan.execReact = false;
  }
  return scan;
}

/** uvmpdpol_selectvictim: the next page that may go, or -1. */
export function selectVictim(vm: Vm, scan: Scan): number {
  const { queues } = vm.pages;
  for (;;) {
    let page = scan.next;
    // The page remembered may have left meanwhile; then it is the head again.
    if (scan.first || (page >= 0 && queues.queue[page] !== Q_INACTIVE)) page = queues.first(Q_INACTIVE);
    scan.first = false;
    if (page < 0) return -1;
    scan.next = queues.after(page);
    vm.counters.pdscans++;
    if (vm.pmap.clearReference(page)) vm.counters.pdreact++;
    else if (!spared(vm, scan, page)) return page;
    pageActivate(vm, page);
  }
}

function spared(vm: Vm, scan: Scan, page: number): boolean {
  const object = pageObject(vm, page);
  if (object !== null && object.kind === 'vnode') {
    if (object.isText ? scan.execReact : scan.fileReact) {
      if (object.isText) vm.counters.pdreexec++;
      else vm.counters.pdrefile++;
      return true;
    }
  }
  if (!scan.anonReact || (pageAnon(vm, page) === null && object?.kind !== 'aobj')) return false;
  vm.counters.pdreanon++;
  return true;
}

/**
 * uvmpdpol_balancequeue: fills the inactive queue up to its target. When swap slots are short, the active pages passed over lose theirs.
 */
export function balanceQueues(vm: Vm, target: number, swapShortage: number, dropSwap: (page: number) => boolean): void {
  const { queues } = vm.pages;
  let slots = swapShortage;
  let missing = target - vm.pages.inactive;
  let page = queues.first(Q_ACTIVE);
  while (page >= 0 && (missing > 0 || slots > 0)) {
    const next = queues.after(page);
    if (slots > 0 && (vm.pages.pqflags[page] & PQ_SWAPBACKED) !== 0 && dropSwap(page)) slots--;
    if (missing > 0) {
      pageDeactivate(vm, page);
      vm.counters.pddeact++;
      missing--;
    }
    page = next;
  }
}

/** uvm_reclaimable: whether waiting for memory has any sense. */
export function reclaimable(vm: Vm): boolean {
  if (!vm.swap.isFull()) return true;
  // The worst case: everything that is wired is a file's.
  const filepages = vm.filepages + vm.execpages - vm.wiredPages;
  return filepages >= Math.min((vm.pages.active + vm.pages.inactive) >> 4, RECLAIM_PAGES);
}
