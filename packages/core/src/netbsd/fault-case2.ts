/**
 * Case 2: no anon at the faulting address.
 *
 * Without an object, a page of zeros. With one, its page is made resident, by I/O if need be, with everything unlocked meanwhile; then
 * 2A maps it as it is, or 2B copies it into a new anon. A page that is lent may be read, and a write takes it back from the borrower by
 * putting a copy in its place in the object.
 */
import { PROT_WRITE } from '../vm/prot.js';
import { amapLookup } from './amap.js';
import type { Anon } from './anon.js';
import type { AnonObject } from './aobj.js';
import { EAGAIN, ENOMEM, ERESTART, LOOP } from './codes.js';
import { lookup } from './fault.js';
import { fail, finish } from './fault-finish.js';
import { LOOKUP_BLOCKED, LOOKUP_OK, relock, sleepSecond, stepTask, unlockAll, waitForRam } from './fault-lock.js';
import { promote } from './fault-promote.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { loanBreak } from './loan-break.js';
import { entryMask, UVM_ET_COPYONWRITE } from './map.js';
import type { UvmObject } from './object.js';
import { PGO_DONTCARE } from './object.js';
import {
  PG_BUSY,
  PG_CLEAN,
  PG_FAKE,
  PG_RDONLY,
  PG_RELEASED,
  PG_WANTED,
  PQ_AOBJ,
  pageActivate,
  pageFree,
  pageHas,
  pageIndex,
  pageObject,
  pageWire,
  Q_NONE,
  wakePage,
} from './page.js';
import { reclaimable } from './pdpolicy.js';

/** No object either: zeros. */
export function zeroFill(f: Fault): FaultStage | null {
  branch(f, 'F102');
  f.uobjpage = PGO_DONTCARE;
  f.promote = true;
  return atHand(f);
}

/** The object has been asked for what it has; it is locked. */
export function lowerPage(f: Fault): FaultStage | null {
  branch(f, 'F103');
  f.promote = f.cowNow && (f.entry.etype & UVM_ET_COPYONWRITE) !== 0;
  if (f.uobjpage >= 0) return atHand(f);
  branch(f, 'F105');
  if (f.usage !== null) f.usage.major++;
  const uobj = f.uobj as UvmObject;
  const { entry } = f;
  unlockAll(f, f.amap, null);
  f.vm.counters.fltget++;
  const index = entry.offset + f.vaddr - entry.start;
  f.task = uobj.get(f.thread, index, f.accessType & entryMask(entry), entry.advice, f);
  f.afterWait = pageRead;
  return stepTask;
}

/** The page is ours without I/O. */
function atHand(f: Fault): FaultStage | null {
  branch(f, 'F104');
  if (f.usage !== null) f.usage.minor++;
  return resident(f);
}

// ---- after I/O -------------------------------------------------------------------------------------------------------

function pageRead(f: Fault): FaultStage | null {
  if (f.error < 0) return readFailed(f, -f.error);
  f.uobjpage = f.error;
  pageActivate(f.vm, f.uobjpage);
  return lockAgain(f);
}

function readFailed(f: Fault, error: number): FaultStage | null {
  if (error === EAGAIN) {
    branch(f, 'F106');
    return sleepSecond(f, 'fltagain2', lookup);
  }
  if (error !== LOOP) branch(f, 'F107');
  return fail(f, error);
}

function lockAgain(f: Fault): FaultStage | null {
  const again = relock(f);
  if (again === LOOKUP_BLOCKED) return lockAgain;
  f.locked = again === LOOKUP_OK;
  return f.locked && f.amap !== null ? lockAmapAgain(f) : lockObjectAgain(f);
}

function lockAmapAgain(f: Fault): FaultStage | null {
  if (!(f.amap as NonNullable<Fault['amap']>).lock.acquire(f.thread)) return lockAmapAgain;
  branch(f, 'F108');
  return lockObjectAgain(f);
}

/** The object is locked in any case; then it is seen whether what was asked for is still wanted. */
function lockObjectAgain(f: Fault): FaultStage | null {
  const { vm } = f;
  f.uobj = pageObject(vm, f.uobjpage) as UvmObject;
  if (!f.uobj.lock.acquire(f.thread)) return lockObjectAgain;
  const overtaken = f.locked && f.amap !== null && amapLookup(f.entry, f.vaddr) !== null;
  if (pageHas(vm, f.uobjpage, PG_RELEASED) || overtaken) {
    branch(f, 'F109');
    if (f.locked) unlockAll(f, f.amap, null);
    f.locked = false;
  }
  return f.locked ? resident(f) : giveBack(f);
}

/** Not locked: the page is given back and the fault taken again. */
function giveBack(f: Fault): FaultStage | null {
  const { vm } = f;
  branch(f, 'F110');
  wakePage(vm, f.uobjpage);
  if (pageHas(vm, f.uobjpage, PG_RELEASED)) {
    branch(f, 'F111');
    vm.counters.fltpgrele++;
    pageFree(vm, f.uobjpage);
    // As seeded the object stays locked, and its next user hangs (oddity 1).
    if (!vm.deadly) f.uobj?.lock.release(f.thread);
    return lookup;
  }
  branch(f, 'F112');
  vm.pages.flags[f.uobjpage] &= ~(PG_BUSY | PG_WANTED);
  f.uobj?.lock.release(f.thread);
  return lookup;
}

// ---- 2A and 2B -------------------------------------------------------------------------------------------------------

function resident(f: Fault): FaultStage | null {
  return f.promote ? caseB(f) : caseA(f);
}

function caseA(f: Fault): FaultStage | null {
  const { vm } = f;
  branch(f, 'F113');
  f.anon = null;
  vm.counters.flt_obj++;
  const uobj = f.uobj as UvmObject;
  if ((f.entry.etype & UVM_ET_COPYONWRITE) !== 0 || uobj.needsWriteFault) {
    branch(f, 'F114');
    f.enterProt &= ~PROT_WRITE;
  }
  f.pg = f.uobjpage;
  if (vm.pages.loanCount[f.uobjpage] === 0) return mapPage(f);
  if (!f.cowNow) {
    branch(f, 'F115');
    f.enterProt &= ~PROT_WRITE;
    return mapPage(f);
  }
  branch(f, 'F116');
  const fresh = loanBreak(vm, f.uobjpage);
  if (fresh < 0) return noPageForLoan(f);
  branch(f, 'F118');
  f.pg = fresh;
  f.uobjpage = fresh;
  return mapPage(f);
}

/** As seeded nobody asks whether memory can be had at all (oddity 2). */
function noPageForLoan(f: Fault): FaultStage | null {
  const { vm } = f;
  branch(f, 'F117');
  wakePage(vm, f.uobjpage);
  vm.pages.flags[f.uobjpage] &= ~(PG_BUSY | PG_WANTED);
  unlockAll(f, f.amap, f.uobj);
  if (vm.mended && !reclaimable(vm)) return fail(f, ENOMEM);
  vm.counters.fltnoram++;
  return waitForRam(f, 'flt_noram4', lookup);
}

function caseB(f: Fault): FaultStage | null {
  branch(f, 'F119');
  if (f.amap === null) {
    branch(f, 'F126');
    f.vm.panic('uvm_fault: want to promote data, but no anon');
  }
  f.onward = promoted;
  return promote(f, null);
}

function promoted(f: Fault): FaultStage | null {
  const { vm } = f;
  if (f.error === ERESTART) {
    branch(f, 'F121');
    return lookup;
  }
  if (f.error !== 0) {
    branch(f, 'F122');
    return fail(f, f.error);
  }
  branch(f, 'F120');
  f.pg = (f.anon as Anon).page;
  if (f.uobjpage === PGO_DONTCARE) {
    branch(f, 'F125');
    vm.counters.flt_przero++;
    return mapPage(f);
  }
  branch(f, 'F123');
  vm.counters.flt_prcopy++;
  if (f.amap?.shared === true) {
    branch(f, 'F124');
    vm.pmap.removePage(f.uobjpage);
  }
  wakePage(vm, f.uobjpage);
  vm.pages.flags[f.uobjpage] &= ~(PG_BUSY | PG_WANTED);
  // As seeded a page that its object has just made is on no queue now, and stays off (oddity 23).
  if (vm.mended && vm.pages.queues.queue[f.uobjpage] === Q_NONE) pageActivate(vm, f.uobjpage);
  f.uobj?.lock.release(f.thread);
  f.uobj = null;
  return mapPage(f);
}

// ---- mapping ---------------------------------------------------------------------------------------------------------

function mapPage(f: Fault): FaultStage | null {
  const { vm, pg } = f;
  let prot = f.enterProt;
  if (pageHas(vm, pg, PG_RDONLY)) {
    branch(f, 'F127');
    prot &= ~PROT_WRITE;
  }
  if (!vm.pmap.enter(f.originalMap.pmap, f.vaddr, pg, prot, f.accessType, f.wired)) return pmapFailed(f);
  if (f.wireFault) {
    branch(f, 'F131');
    pageWire(vm, pg);
    if ((vm.pages.pqflags[pg] & PQ_AOBJ) !== 0) {
      branch(f, 'F132');
      vm.pages.flags[pg] &= ~PG_CLEAN;
      (f.uobj as AnonObject).dropSwap(pageIndex(vm, pg));
    }
  } else {
    branch(f, 'F133');
    pageActivate(vm, pg);
  }
  branch(f, 'F134');
  wakePage(vm, pg);
  vm.pages.flags[pg] &= ~(PG_BUSY | PG_FAKE | PG_WANTED);
  unlockAll(f, f.amap, f.uobj);
  f.result = 0;
  return finish(f);
}

/** What was done stays done: a promoted anon is in the amap, and the next round is a case 1. */
function pmapFailed(f: Fault): FaultStage | null {
  const { vm, pg } = f;
  branch(f, 'F128');
  wakePage(vm, pg);
  vm.pages.flags[pg] &= ~(PG_BUSY | PG_FAKE | PG_WANTED);
  unlockAll(f, f.amap, f.uobj);
  if (!reclaimable(vm)) {
    branch(f, 'F129');
    return fail(f, ENOMEM);
  }
  branch(f, 'F130');
  return waitForRam(f, 'flt_pmfail2', lookup);
}
