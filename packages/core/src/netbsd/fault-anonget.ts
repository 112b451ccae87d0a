/**
 * anonget: the data of an anon, in a page that nobody has busy.
 *
 * Entered with map and amap locked, and the anon in `f.anon`. It goes on at `f.onward` with the answer in `f.error`: on 0 everything is still
 * locked, and so is the object that lends the page, if one does; on anything else nothing is. A page that must be read from swap is read with
 * everything unlocked; then the map's version says whether the look-up holds, and a last look into the amap whether the anon is still the one.
 *
 * Used by case 1, by loans, and (without a map) by whoever wants an anon back from swap.
 */
import { amapLookup } from './amap.js';
import type { Anon } from './anon.js';
import { anonDropSwap, anonLockLoanPage, anonRelease } from './anon.js';
import { EAGAIN, ENOMEM, ERESTART } from './codes.js';
import { LOOKUP_BLOCKED, LOOKUP_OK, relock, stepTask, unlockAll, waitForRam } from './fault-lock.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import {
  PG_BUSY,
  PG_FAKE,
  PG_RELEASED,
  PG_WANTED,
  pageActivate,
  pageAlloc,
  pageFree,
  pageHas,
  pageObject,
  wakePage,
} from './page.js';
import { reclaimable } from './pdpolicy.js';
import { SWSLOT_BAD, swapGet } from './swap.js';

/** Where it begins: counts, once a call. */
export function anonget(f: Fault): FaultStage | null {
  f.vm.counters.fltanget++;
  if (f.usage !== null) {
    if ((f.anon as Anon).page >= 0) f.usage.minor++;
    else f.usage.major++;
  }
  return tryAnon(f);
}

/** One round. */
function tryAnon(f: Fault): FaultStage | null {
  const { vm } = f;
  const anon = f.anon as Anon;
  f.weOwn = false;
  f.error = 0;
  let { page } = anon;
  if (page >= 0 && vm.pages.loanCount[page] !== 0) {
    branch(f, 'F10');
    page = anonLockLoanPage(vm, anon);
    const lender = pageObject(vm, page);
    if (lender !== null && !lender.lock.acquire(f.thread)) return tryAnon;
  }
  if (page < 0) return readIn(f, anon);
  if (!pageHas(vm, page, PG_BUSY)) {
    branch(f, 'F11');
    return f.onward;
  }
  return waitForBusy(f, page);
}

function waitForBusy(f: Fault, page: number): FaultStage {
  const { vm } = f;
  branch(f, 'F12');
  vm.pages.flags[page] |= PG_WANTED;
  vm.counters.fltpgwait++;
  const lender = vm.pages.loanCount[page] === 0 ? null : pageObject(vm, page);
  const owner = pageObject(vm, page);
  branch(f, owner === null ? 'F14' : 'F13');
  unlockAll(f, f.amap, lender);
  vm.kernel.sleep(f.thread, page, owner === null ? 'anonget2' : 'anonget1');
  return lockAgain;
}

/** No page: a new one, filled from swap. */
function readIn(f: Fault, anon: Anon): FaultStage | null {
  const { vm } = f;
  const page = pageAlloc(vm, null, 0, anon, false);
  unlockAll(f, f.amap, null);
  if (page < 0) {
    branch(f, 'F16');
    vm.counters.fltnoram++;
    if (!reclaimable(vm)) {
      branch(f, 'F17');
      f.error = ENOMEM;
      return f.onward;
    }
    branch(f, 'F18');
    return waitForRam(f, 'flt_noram1', lockAgain);
  }
  branch(f, 'F19');
  f.weOwn = true;
  f.pg = page;
  vm.counters.pageins++;
  f.task = swapGet(vm, f.thread, page, anon.swslot);
  f.afterWait = lockAgain;
  return stepTask;
}

/** The map again, if it is as it was; then the amap. */
function lockAgain(f: Fault): FaultStage | null {
  const again = relock(f);
  if (again === LOOKUP_BLOCKED) return lockAgain;
  f.locked = again === LOOKUP_OK;
  return f.locked && f.amap !== null ? lockAmapAgain(f) : lockedAgain(f);
}

function lockAmapAgain(f: Fault): FaultStage | null {
  return (f.amap as NonNullable<Fault['amap']>).lock.acquire(f.thread) ? lockedAgain(f) : lockAmapAgain;
}

function lockedAgain(f: Fault): FaultStage | null {
  const anon = f.anon as Anon;
  if (f.weOwn) {
    const ended = pageArrived(f, anon);
    if (ended !== null) return ended;
  }
  if (!f.locked) {
    branch(f, 'F31');
    f.error = ERESTART;
    return f.onward;
  }
  if (f.originalMap !== null && amapLookup(f.entry, f.vaddr) !== anon) {
    branch(f, 'F32');
    unlockAll(f, f.amap, null);
    f.error = ERESTART;
    return f.onward;
  }
  branch(f, 'F33');
  f.vm.counters.fltanretry++;
  return tryAnon(f);
}

/** The page that we read is there, or not. Answers where to go on, or null for the next round. */
function pageArrived(f: Fault, anon: Anon): FaultStage | null {
  const { vm } = f;
  if (pageHas(vm, f.pg, PG_WANTED)) {
    branch(f, 'F20');
    wakePage(vm, f.pg);
  }
  if (f.error !== 0) return readFailed(f, anon);
  if (pageHas(vm, f.pg, PG_RELEASED)) {
    branch(f, 'F25');
    return released(f, anon);
  }
  branch(f, 'F29');
  pageActivate(vm, f.pg);
  vm.pages.flags[f.pg] &= ~(PG_WANTED | PG_BUSY | PG_FAKE);
  if (!f.locked) branch(f, 'F30');
  return null;
}

/** The slot is lost: nobody gets it again, and the anon remembers. */
function readFailed(f: Fault, anon: Anon): FaultStage | null {
  const { vm } = f;
  branch(f, 'F21');
  // As seeded even "try again" costs the data (oddity 7).
  if (!vm.mended || f.error !== EAGAIN) {
    if (anon.swslot > 0) vm.swap.markBad(1, true);
    anon.swslot = SWSLOT_BAD;
  }
  if (pageHas(vm, f.pg, PG_RELEASED)) {
    branch(f, 'F22');
    return released(f, anon);
  }
  pageFree(vm, f.pg);
  if (f.locked) {
    branch(f, 'F23');
    unlockAll(f, f.amap, null);
  } else {
    branch(f, 'F24');
  }
  return f.onward;
}

/** Nobody holds the anon any more: it goes, with its page. */
function released(f: Fault, anon: Anon): FaultStage | null {
  if (f.locked) {
    branch(f, 'F26');
    unlockAll(f, f.amap, null);
  }
  // What was read has been taken off the count of pages that are only on swap: without this it would be once more.
  if (f.error === 0) anonDropSwap(f.vm, anon);
  anonRelease(f.vm, anon);
  if (f.error !== 0) {
    branch(f, 'F27');
  } else {
    branch(f, 'F28');
    f.error = ERESTART;
  }
  return f.onward;
}
