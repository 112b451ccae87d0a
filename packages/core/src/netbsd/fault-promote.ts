/**
 * promote: a new anon with a page of its own, in the amap: a copy of another anon's page, of an object's page, or zeros.
 *
 * Entered with map and amap locked, and the owner of the source. It goes on at `f.onward` with the answer in `f.error`: on 0 the new anon is
 * `f.anon` and its page busy; otherwise everything is unlocked, and the object's page no longer busy. An anon for which there was no page
 * is kept for the next try, so that waiting is not for two things at once.
 */
import { amapAdd } from './amap.js';
import type { Anon } from './anon.js';
import { anonAlloc } from './anon.js';
import { ENOMEM, ERESTART } from './codes.js';
import { unlockAll, waitForRam } from './fault-lock.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { PGO_DONTCARE } from './object.js';
import { pageAlloc, pageCopy, pageObject, pageUnbusy } from './page.js';
import { reclaimable } from './pdpolicy.js';

/** `source` is the anon to copy, or null; then `f.uobjpage` is the page to copy, or PGO_DONTCARE for zeros. */
export function promote(f: Fault, source: Anon | null): FaultStage | null {
  const { vm } = f;
  const from = sourcePage(f, source);
  let anon: Anon | null;
  if (f.spare !== null) {
    branch(f, 'F37');
    anon = f.spare;
    f.spare = null;
  } else if (f.map !== vm.kernelMap) {
    branch(f, 'F38');
    anon = anonAlloc(vm);
  } else {
    return spareForKernel(f, from);
  }
  const page = anon === null ? -1 : pageAlloc(vm, null, 0, anon, from < 0);
  if (anon === null || page < 0) {
    branch(f, 'F41');
    f.spare = anon;
    letGo(f, from);
    return noMemory(f);
  }
  branch(f, 'F44');
  if (from >= 0) pageCopy(vm, from, page);
  amapAdd(vm, f.entry, f.vaddr, anon, source !== null);
  f.anon = anon;
  f.error = 0;
  return f.onward(f);
}

function sourcePage(f: Fault, source: Anon | null): number {
  if (source !== null) {
    branch(f, 'F34');
    return source.page;
  }
  if (f.uobjpage !== PGO_DONTCARE) {
    branch(f, 'F35');
    return f.uobjpage;
  }
  branch(f, 'F36');
  return -1;
}

/** Unlocks everything; the object's page is not busy any more. */
function letGo(f: Fault, from: number): void {
  pageUnbusy(f.vm, f.uobjpage);
  unlockAll(f, f.amap, from < 0 ? null : pageObject(f.vm, from));
}

/** In the kernel's map an anon cannot be allocated while the map is locked: it is, without, and the fault taken again. */
function spareForKernel(f: Fault, from: number): FaultStage | null {
  branch(f, 'F39');
  letGo(f, from);
  f.spare = anonAlloc(f.vm);
  if (f.spare === null) {
    branch(f, 'F40');
    return noMemory(f);
  }
  f.error = ERESTART;
  return f.onward;
}

function noMemory(f: Fault): FaultStage | null {
  const { vm } = f;
  if (!reclaimable(vm)) {
    branch(f, 'F42');
    vm.counters.fltnoanon++;
    f.error = ENOMEM;
    return f.onward;
  }
  branch(f, 'F43');
  vm.counters.fltnoram++;
  f.error = ERESTART;
  return waitForRam(f, 'flt_noram5', f.onward);
}
