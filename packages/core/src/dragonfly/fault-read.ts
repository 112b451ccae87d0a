/**
 * Reading a page for a fault: the scan behind a sequential reader, the pager, and what its answer means.
 *
 * A reader that said so (or, had the mark not been cleared too early, one that met a read-ahead mark) leaves its pages behind: sixteen of the top
 * object are unmapped and cached, or deactivated if dirty. The scan starts sixteen pages *before* the fault and goes down from there, and
 * never reaches page 0, as written.
 *
 * The pager is called with the page busy and the map unlocked.
 */
import { releaseThenUnlock, unlockAndDeallocate, unlockMap } from './fault-cleanup.js';
import { found } from './fault-cow.js';
import { nextObject } from './fault-object.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, runTask } from './fault-state.js';
import { KERN_FAILURE, KERN_PROTECTION_FAILURE, VM_PAGER_BAD, VM_PAGER_ERROR, VM_PAGER_OK } from './kern.js';
import { entryBehavior, MAP_ENTRY_BEHAV_RANDOM, MAP_ENTRY_BEHAV_SEQUENTIAL } from './map-entry.js';
import { OBJT_DEVICE } from './object.js';
import {
  PG_FICTITIOUS,
  PG_UNMANAGED,
  pageBusy,
  pageCache,
  pageDeactivate,
  pageFullyValid,
  pageHasFlag,
  pageIsBusy,
  pageLookup,
  pageTestDirty,
  pageWakeup,
} from './page.js';
import { pageForget } from './page-alloc.js';
import { pagerGetPage } from './pager.js';

/** Pages between the reader and the scan behind it, and pages that one scan takes. */
const SCAN_PAGES = 16;

export function askPager(f: Fault): FaultStage | null {
  const behavior = entryBehavior(f.entry);
  let seqaccess = -1;
  if (behavior === MAP_ENTRY_BEHAV_RANDOM) {
    branch(f, 'F72');
    seqaccess = 0;
  }
  const marked = behavior !== MAP_ENTRY_BEHAV_RANDOM && f.hadMark;
  if (f.firstObject.type !== OBJT_DEVICE && (behavior === MAP_ENTRY_BEHAV_SEQUENTIAL || marked)) {
    branch(f, 'F73');
    scanBehind(f);
    seqaccess = 1;
  }
  unlockMap(f);
  return runTask(f, pagerGetPage(f.vm, f.thread, f.object, f.m, seqaccess), paged);
}

function scanBehind(f: Fault): void {
  if (f.firstPindex < SCAN_PAGES) {
    branch(f, 'F74');
    return;
  }
  branch(f, 'F75');
  let pindex = f.firstPindex - SCAN_PAGES;
  for (let left = Math.min(pindex, SCAN_PAGES); left > 0; left--, pindex--) {
    const page = pageLookup(f.vm, f.firstObject, pindex);
    if (page < 0 || !pageFullyValid(f.vm, page)) {
      branch(f, 'F76');
      return;
    }
    leaveBehind(f, page);
  }
}

function leaveBehind(f: Fault, page: number): void {
  const { vm } = f;
  const engaged = vm.pages.holdCount[page] !== 0 || vm.pages.wireCount[page] !== 0 || pageIsBusy(vm, page);
  if (engaged || pageHasFlag(vm, page, PG_FICTITIOUS | PG_UNMANAGED)) {
    branch(f, 'F77');
    return;
  }
  pageBusy(vm, page);
  if (vm.pages.dirty[page] === 0) pageTestDirty(vm, page);
  if (vm.pages.dirty[page] !== 0) {
    branch(f, 'F78');
    vm.pmap.removeAll(page);
    pageDeactivate(vm, page);
    pageWakeup(vm, page);
  } else {
    branch(f, 'F79');
    pageCache(vm, page);
  }
}

/** The pager's answer. The map is not locked any more. */
function paged(f: Fault): FaultStage | null {
  const { vm, rv } = f;
  if (rv === VM_PAGER_OK) {
    f.m = pageLookup(vm, f.object, f.pindex);
    if (f.m < 0) {
      branch(f, 'F80');
      return releaseThenUnlock(f, f.retry);
    }
    branch(f, 'F81');
    f.hardfault++;
    return found(f);
  }
  if (rv === VM_PAGER_ERROR) {
    branch(f, 'F82');
    if (f.process !== null) {
      vm.printf(`vm_fault: pager read error, pid ${f.process.pid} (${f.process.name})`);
    }
  }
  const kernelFault = f.hasMap && f.map === vm.kernelMap;
  if ((rv === VM_PAGER_ERROR && !kernelFault) || rv === VM_PAGER_BAD) {
    branch(f, rv === VM_PAGER_ERROR ? 'F83' : 'F84');
    pageForget(vm, f.m);
    vm.vmToken.release(f.thread);
    f.m = -1;
    f.result = rv === VM_PAGER_ERROR ? KERN_FAILURE : KERN_PROTECTION_FAILURE;
    return unlockAndDeallocate(f, f.failed);
  }
  if (f.object !== f.firstObject) {
    branch(f, 'F85');
    pageForget(vm, f.m);
    f.m = -1;
  } else {
    branch(f, 'F86');
  }
  return nextObject(f);
}
