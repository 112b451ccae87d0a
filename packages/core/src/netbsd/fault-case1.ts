/**
 * Case 1: an anon is at the faulting address.
 *
 * Its page is made resident (fault-anonget.ts). A page on loan is mapped read-only; a write to one that only this amap holds ends the loan
 * first, by giving the anon a page of its own. Then 1B copies an anon that others hold too, 1A takes it as it is, and the page is mapped.
 */
import { PROT_WRITE } from '../vm/prot.js';
import type { Anon } from './anon.js';
import { anonDropSwap } from './anon.js';
import { EAGAIN, ENOMEM, ERESTART } from './codes.js';
import { lookup } from './fault.js';
import { anonget } from './fault-anonget.js';
import { fail, finish } from './fault-finish.js';
import { sleepSecond, unlockAll, waitForRam } from './fault-lock.js';
import { promote } from './fault-promote.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { PGO_DONTCARE } from './object.js';
import {
  PG_BUSY,
  PG_CLEAN,
  PG_FAKE,
  PQ_ANON,
  pageActivate,
  pageAlloc,
  pageCopy,
  pageObject,
  pageWire,
} from './page.js';
import { reclaimable } from './pdpolicy.js';

/** The anon's data first. */
export function upper(f: Fault): FaultStage | null {
  f.anon = f.anons[f.center];
  f.onward = gotAnon;
  return anonget(f);
}

function gotAnon(f: Fault): FaultStage | null {
  if (f.error !== 0) return anongetFailed(f);
  branch(f, 'F80');
  const anon = f.anon as Anon;
  // The lender, if the page is borrowed; anonget has locked it.
  f.uobj = pageObject(f.vm, anon.page);
  if (f.vm.pages.loanCount[anon.page] !== 0) {
    if (!f.cowNow) {
      branch(f, 'F84');
      f.enterProt &= ~PROT_WRITE;
    } else if (anon.ref > 1) {
      branch(f, 'F85');
    } else if (!endLoan(f, anon)) {
      return noPageForLoan(f);
    }
  }
  return chooseCase(f, anon);
}

function anongetFailed(f: Fault): FaultStage | null {
  if (f.error === ERESTART) {
    branch(f, 'F81');
    return lookup;
  }
  if (f.error === EAGAIN) {
    branch(f, 'F82');
    return sleepSecond(f, 'fltagain1', lookup);
  }
  branch(f, 'F83');
  return fail(f, f.error);
}

/** A page of its own for an anon whose page is on loan, either way. False without memory. */
function endLoan(f: Fault, anon: Anon): boolean {
  const { vm } = f;
  const { pages } = vm;
  const old = anon.page;
  const fresh = pageAlloc(vm, null, 0, null, false);
  if (fresh < 0) return false;
  branch(f, 'F86');
  pageCopy(vm, old, fresh);
  vm.pmap.removePage(old);
  pages.anon[old] = 0;
  pages.pqflags[old] &= ~PQ_ANON;
  if (f.uobj !== null) {
    branch(f, 'F88');
    pages.loanCount[old]--;
    f.uobj.lock.release(f.thread);
    f.uobj = null;
  } else {
    // The kernel keeps the old page, which is on no queue from now on (oddity 9).
    branch(f, 'F89');
    pages.queues.remove(old);
  }
  anon.page = fresh;
  pages.anon[fresh] = anon.id;
  pages.pqflags[fresh] |= PQ_ANON;
  pageActivate(vm, fresh);
  pages.flags[fresh] &= ~(PG_BUSY | PG_FAKE);
  return true;
}

/** As seeded nobody asks whether memory can be had at all, and nothing is counted (oddity 2). */
function noPageForLoan(f: Fault): FaultStage | null {
  branch(f, 'F87');
  unlockAll(f, f.amap, f.uobj);
  if (f.vm.mended) {
    if (!reclaimable(f.vm)) return fail(f, ENOMEM);
    f.vm.counters.fltnoram++;
  }
  return waitForRam(f, 'flt_noram2', lookup);
}

function chooseCase(f: Fault, anon: Anon): FaultStage | null {
  const { vm } = f;
  f.oanon = anon;
  if (f.cowNow && anon.ref > 1) {
    branch(f, 'F90');
    vm.counters.flt_acow++;
    f.uobjpage = PGO_DONTCARE;
    f.onward = promoted;
    return promote(f, anon);
  }
  branch(f, 'F94');
  vm.counters.flt_anon++;
  f.pg = anon.page;
  if (anon.ref > 1) {
    branch(f, 'F95');
    f.enterProt &= ~PROT_WRITE;
  }
  return mapAnon(f);
}

/** 1B: the new anon is in the slot; the old one has lost us. */
function promoted(f: Fault): FaultStage | null {
  if (f.error === ERESTART) {
    branch(f, 'F92');
    return lookup;
  }
  if (f.error !== 0) {
    branch(f, 'F93');
    return fail(f, f.error);
  }
  branch(f, 'F91');
  const { vm } = f;
  f.pg = (f.anon as Anon).page;
  pageActivate(vm, f.pg);
  vm.pages.flags[f.pg] &= ~(PG_BUSY | PG_FAKE);
  (f.oanon as Anon).ref--;
  return mapAnon(f);
}

function mapAnon(f: Fault): FaultStage | null {
  const { vm } = f;
  if (!vm.pmap.enter(f.originalMap.pmap, f.vaddr, f.pg, f.enterProt, f.accessType, f.wired)) {
    branch(f, 'F96');
    if (f.anon !== f.oanon) branch(f, 'F97');
    unlockAll(f, f.amap, f.uobj);
    if (!reclaimable(vm)) {
      branch(f, 'F98');
      return fail(f, ENOMEM);
    }
    branch(f, 'F99');
    return waitForRam(f, 'flt_pmfail1', lookup);
  }
  if (f.wireFault) {
    branch(f, 'F100');
    pageWire(vm, f.pg);
    // A wired page needs no place on swap; without one it is not clean.
    vm.pages.flags[f.pg] &= ~PG_CLEAN;
    anonDropSwap(vm, f.anon as Anon);
  } else {
    branch(f, 'F101');
    pageActivate(vm, f.pg);
  }
  unlockAll(f, f.amap, f.uobj);
  f.result = 0;
  return finish(f);
}
