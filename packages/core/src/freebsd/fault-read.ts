/**
 * Reading a page in: the window around it, the sequential scan behind it, and what becomes of the pager's answer.
 */

import { lookup, nextObject, tryPager } from './fault.js';
import { cleanupLocked, forgetPage, unlockMap } from './fault-cleanup.js';
import { found } from './fault-cow.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, VM_FAULT_READ, VM_FAULT_READ_AHEAD, VM_FAULT_READ_BEHIND } from './fault-state.js';
import { additionalPages } from './fault-window.js';
import {
  KERN_FAILURE,
  KERN_PROTECTION_FAILURE,
  VM_PAGER_BAD,
  VM_PAGER_ERROR,
  VM_PAGER_FAIL,
  VM_PAGER_OK,
} from './kern.js';
import { entryBehavior, MAP_ENTRY_BEHAV_RANDOM, MAP_ENTRY_BEHAV_SEQUENTIAL } from './map-entry.js';
import { OBJT_DEVICE } from './object.js';
import {
  PG_FICTITIOUS,
  PG_UNMANAGED,
  pageDeactivate,
  pageFullyValid,
  pageHasFlag,
  pageIsBusy,
  pageLookup,
} from './page.js';
import { pageCache } from './page-alloc.js';
import { pagerGetPages } from './pager.js';

/** Pages behind a sequential read that are let go. */
const SCAN_BEHIND = 2 * VM_FAULT_READ;

/** readrest: a page that is new, or resident but not whole. Asks the pager if it may have the contents. */
export function readRest(f: Fault): FaultStage | null {
  if (!tryPager(f)) return nextObject(f);
  chooseWindow(f);
  if (isSequential(f)) scanBehind(f);
  const behind = f.behind;
  f.faultcount = additionalPages(f, behind, f.ahead);
  // As wanted, not as trimmed; and also when the pager had nothing.
  f.entry.lastr = f.pindex + f.faultcount - behind;
  unlockMap(f);
  if (f.faultcount === 0) {
    f.rv = VM_PAGER_FAIL;
    return paged(f);
  }
  f.object.lock.release(f.thread);
  return pagein;
}

/** How far the read may reach: by advice, and never beyond the entry. */
function chooseWindow(f: Fault): void {
  const { entry, vaddr } = f;
  if (entryBehavior(entry) === MAP_ENTRY_BEHAV_RANDOM) {
    branch(f, 'F27');
    f.ahead = 0;
    f.behind = 0;
    return;
  }
  f.behind = Math.min(vaddr - entry.start, VM_FAULT_READ_BEHIND);
  f.ahead = Math.min(entry.end - vaddr - 1, VM_FAULT_READ_AHEAD);
  branch(f, 'F28');
}

/** Advised so, or this read begins where the last one ended. A new entry's last read ended at 0. */
function isSequential(f: Fault): boolean {
  const behavior = entryBehavior(f.entry);
  if (behavior === MAP_ENTRY_BEHAV_SEQUENTIAL) return true;
  if (behavior === MAP_ENTRY_BEHAV_RANDOM) return false;
  const { lastr } = f.entry;
  return f.pindex >= lastr && f.pindex < lastr + VM_FAULT_READ;
}

/**
 * The reader has passed these pages: they lose their translations and are cached, or deactivated if dirty. The scan works on the *top*
 * object, whichever object is read. What was to be read behind is read ahead instead, even beyond the entry.
 */
function scanBehind(f: Fault): void {
  const top = f.firstObject;
  const locked = top !== f.object && top.lock.tryAcquire(f.thread);
  if ((top === f.object || locked) && top.type !== OBJT_DEVICE) {
    branch(f, 'F29');
    const last = Math.max(0, f.firstPindex - SCAN_BEHIND);
    for (let pindex = f.firstPindex - 1; pindex >= last; pindex--) {
      const page = pageLookup(f.vm, top, pindex);
      f.scanned = pindex;
      if (page < 0 || !pageFullyValid(f.vm, page)) {
        branch(f, 'F30');
        break;
      }
      leaveBehind(f, page);
    }
    f.ahead += f.behind;
    f.behind = 0;
  }
  if (locked) top.lock.release(f.thread);
}

function leaveBehind(f: Fault, page: number): void {
  const { vm } = f;
  const pages = vm.pages;
  const engaged = pageIsBusy(vm, page) || pages.holdCount[page] !== 0 || pages.wireCount[page] !== 0;
  if (engaged || pageHasFlag(vm, page, PG_FICTITIOUS | PG_UNMANAGED)) {
    branch(f, 'F31');
    return;
  }
  branch(f, 'F32');
  vm.pmap.removeAll(page);
  if (pages.dirty[page] !== 0) {
    branch(f, 'F33');
    pageDeactivate(vm, page);
  } else {
    branch(f, 'F34');
    pageCache(vm, page);
  }
}

/** The pager is called with the page and its companions busy and no map or object locked. */
function pagein(f: Fault): FaultStage | null {
  pagerGetPages(f.vm, f.thread, f.object, f.marray, f.faultcount, f.reqpage, (status) => {
    f.rv = status;
  });
  return pageinDone;
}

function pageinDone(f: Fault): FaultStage | null {
  return f.object.lock.acquire(f.thread) ? paged(f) : pageinDone;
}

/** The pager's answer. The object is locked again; the map is not. */
function paged(f: Fault): FaultStage | null {
  const { vm, rv } = f;
  if (rv === VM_PAGER_OK) {
    branch(f, 'F35');
    f.m = pageLookup(vm, f.object, f.pindex);
    if (f.m < 0) {
      branch(f, 'F36');
      return cleanupLocked(f, lookup);
    }
    f.hardfault++;
    return found;
  }
  if (rv === VM_PAGER_ERROR) {
    branch(f, 'F37');
    vm.printf(`vm_fault: pager read error, ${f.thread.name}`);
  }
  if ((f.map !== vm.kernelMap && rv === VM_PAGER_ERROR) || rv === VM_PAGER_BAD) {
    f.result = rv === VM_PAGER_ERROR ? KERN_FAILURE : KERN_PROTECTION_FAILURE;
    branch(f, 'F38');
    forgetPage(f);
    return cleanupLocked(f, null);
  }
  if (f.object !== f.firstObject) {
    branch(f, 'F39');
    forgetPage(f);
  } else {
    branch(f, 'F40');
  }
  return nextObject(f);
}
