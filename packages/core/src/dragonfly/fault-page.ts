/**
 * Faults that are not taken but asked for: vm_fault_page, which answers a held page of a map (for a debugger, or for I/O straight into user
 * memory), and vm_fault_object_page, the same for an object alone (how swapoff brings everything in).
 *
 * They differ from a trap: no stack grows, no guard page is known, wiring is forbidden, and a store that the map does not allow is refused at
 * the very end; as seeded the page then stays busy for ever.
 */
import { runStages } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_WRITE } from '../vm/prot.js';
import { account, referenceTop } from './fault.js';
import { dropTop, releasePage, unlockAndDeallocate, unlockThings, waitForRoom } from './fault-cleanup.js';
import { faultObject } from './fault-object.js';
import { beginFault, endFault } from './fault-pool.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, VM_FAULT_DIRTY, VM_FAULT_NORMAL, VM_FAULT_UNSWAP } from './fault-state.js';
import { beginWalk } from './fault-vpagetable.js';
import { KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import type { VmMap } from './map-entry.js';
import { MAP_ENTRY_NOFAULT, MapEntry, VM_MAPTYPE_VPAGETABLE } from './map-entry.js';
import { LOOKUP_BLOCKED, LOOKUP_SHORT, mapLookup } from './map-lookup.js';
import type { VmObject } from './object.js';
import { objectOfPage } from './object.js';
import { PG_REFERENCED, pageActivate, pageDirty, pageHold, pageSetFlag, pageWakeup } from './page.js';
import { pageUnswapped } from './pager-swap.js';
import type { DragonflyProcess } from './process.js';
import type { Vm } from './vm.js';

/** What these faults answer: a held page, or -1 and the code. */
export interface PageAnswer {
  readonly page: number;
  readonly code: number;
  readonly major: boolean;
}

function answer(f: Fault): PageAnswer {
  const result = { page: f.result === KERN_SUCCESS ? f.m : -1, code: f.result, major: f.major };
  endFault(f);
  return result;
}

function done(): FaultStage | null {
  return null;
}

// ---- vm_fault_page ---------------------------------------------------------------------------------------------------

/** vm_fault_page_quick: the process's own map. */
export function* faultPageQuick(vm: Vm, process: DragonflyProcess, vpn: number, type: Prot): Task<PageAnswer> {
  if (vm.listener !== null) {
    const f = beginFault(vm);
    branch(f, 'F30');
    endFault(f);
  }
  return yield* faultPage(vm, process.thread, process, process.map, vpn, type, VM_FAULT_NORMAL);
}

/** vm_fault_page. `type` may carry VM_PROT_OVERRIDE_WRITE. */
export function* faultPage(
  vm: Vm,
  thread: Thread,
  process: DragonflyProcess | null,
  map: VmMap,
  vpn: number,
  type: number,
  flags: number,
): Task<PageAnswer> {
  const f = beginFault(vm);
  f.thread = thread;
  f.process = process;
  f.originalMap = map;
  f.vaddr = vpn;
  f.faultType = type;
  f.askedType = type;
  f.flags = flags;
  f.retry = tryPageAgain;
  f.failed = pageFailed;
  yield* runStages(f, pageStart);
  return answer(f);
}

function pageStart(f: Fault): FaultStage | null {
  branch(f, 'F31');
  f.vm.counters.v_vm_faults++;
  return pageLookupStage;
}

function tryPageAgain(f: Fault): FaultStage | null {
  branch(f, f.vshift >= 0 ? 'F36' : 'F37');
  f.failed = pageFailed;
  return pageLookupStage;
}

function pageFailed(f: Fault): FaultStage | null {
  branch(f, f.vshift >= 0 ? 'F36' : 'F37');
  return null;
}

function pageLookupStage(f: Fault): FaultStage | null {
  const result = mapLookup(f, f.faultType);
  if (result === LOOKUP_BLOCKED) return pageLookupStage;
  if (result === LOOKUP_SHORT) return waitForRoom(f);
  if (result !== KERN_SUCCESS) {
    branch(f, 'F32');
    f.result = result;
    return null;
  }
  f.mapGeneration = f.map.timestamp;
  f.vshift = -1;
  const address = (f.vaddr * 4096).toString(16);
  if ((f.entry.eflags & MAP_ENTRY_NOFAULT) !== 0) {
    branch(f, 'F33');
    f.vm.panic(`vm_fault: fault on nofault entry, addr: ${address}`);
  }
  if (!f.hasObject) {
    branch(f, 'F34');
    f.vm.panic(`vm_fault: unrecoverable fault at 0x${address} in entry`);
  }
  return pageReference;
}

function pageReference(f: Fault): FaultStage | null {
  if (!referenceTop(f)) return pageReference;
  if (f.wired) {
    branch(f, 'F35');
    f.faultType = f.firstProt;
  }
  f.resolved = pageResolved;
  if (f.entry.maptype === VM_MAPTYPE_VPAGETABLE) return beginWalk(f, wantPage);
  return wantPage(f);
}

function wantPage(f: Fault): FaultStage | null {
  return faultObject(f, f.mapPindex, f.faultType);
}

/** The page is there, busy; may it be written? */
function pageResolved(f: Fault): FaultStage | null {
  if ((f.askedType & PROT_WRITE) !== 0 && (f.prot & PROT_WRITE) === 0) {
    branch(f, 'F38');
    return refuseWrite(f);
  }
  return unlockThings(f, holdPage);
}

/** As seeded the page is left busy. Mended it is let go first. */
function refuseWrite(f: Fault): FaultStage | null {
  f.result = KERN_PROTECTION_FAILURE;
  if (f.vm.mended) releasePage(f);
  return unlockAndDeallocate(f, done);
}

/** The translation is made after the map was unlocked: an munmap in between leaves it without an entry. Mended, a changed map means again. */
function holdPage(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (!vm.vmToken.acquire(f.thread)) return holdPage;
  pageHold(vm, m);
  if ((f.faultType & PROT_WRITE) !== 0) {
    branch(f, 'F39');
    pageDirty(vm, m);
  }
  // The page is held all the same where no translation is to be had.
  const enters = !vm.mended || f.map.timestamp === f.mapGeneration;
  if (enters && !vm.pmap.refuses(f.map.pmap, f.vaddr)) vm.pmap.enter(f.map.pmap, f.vaddr, m, f.prot, f.wired);
  pageSetFlag(vm, m, PG_REFERENCED);
  pageActivate(vm, m);
  account(f, 'F40');
  return letGo(f);
}

function letGo(f: Fault): FaultStage | null {
  pageWakeup(f.vm, f.m);
  f.result = KERN_SUCCESS;
  return dropTop(f, tokenThenDone);
}

function tokenThenDone(f: Fault): FaultStage | null {
  f.vm.vmToken.release(f.thread);
  return null;
}

// ---- vm_fault_object_page --------------------------------------------------------------------------------------------

/** vm_fault_object_page: page `pindex` of an object, through no map. */
export function* faultObjectPage(
  vm: Vm,
  thread: Thread,
  process: DragonflyProcess | null,
  object: VmObject,
  pindex: number,
  type: Prot,
  flags: number,
): Task<PageAnswer> {
  const f = beginFault(vm);
  const entry = new MapEntry();
  entry.object = object;
  entry.protection = type;
  entry.maxProtection = type;
  f.thread = thread;
  f.process = process;
  f.hasMap = false;
  f.entry = entry;
  f.firstObject = object;
  f.mapPindex = pindex;
  f.vshift = -1;
  f.faultType = type;
  f.askedType = type;
  f.firstProt = type;
  f.wired = false;
  f.flags = flags;
  f.retry = tryObjectAgain;
  f.failed = objectFailed;
  f.resolved = objectResolved;
  yield* runStages(f, objectReferenceStage);
  return answer(f);
}

function tryObjectAgain(f: Fault): FaultStage | null {
  branch(f, 'F42');
  f.firstObject = f.entry.object as VmObject;
  return objectReferenceStage;
}

function objectFailed(f: Fault): FaultStage | null {
  branch(f, 'F43');
  return null;
}

function objectReferenceStage(f: Fault): FaultStage | null {
  return referenceTop(f) ? wantPage(f) : objectReferenceStage;
}

function objectResolved(f: Fault): FaultStage | null {
  if ((f.faultType & PROT_WRITE) !== 0 && (f.prot & PROT_WRITE) === 0) {
    branch(f, 'F44');
    return refuseWrite(f);
  }
  return unlockThings(f, holdObjectPage);
}

function holdObjectPage(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (!vm.vmToken.acquire(f.thread)) return holdObjectPage;
  pageHold(vm, m);
  if ((f.faultType & PROT_WRITE) !== 0) {
    branch(f, 'F45');
    vm.objectPageWrites++;
    pageDirty(vm, m);
  }
  if ((f.flags & VM_FAULT_DIRTY) !== 0) {
    branch(f, 'F46');
    pageDirty(vm, m);
  }
  if ((f.flags & VM_FAULT_UNSWAP) !== 0) {
    branch(f, 'F47');
    pageUnswapped(vm, objectOfPage(vm, m) as VmObject, m);
  }
  pageSetFlag(vm, m, PG_REFERENCED);
  pageActivate(vm, m);
  if (f.hardfault > 0 && f.process !== null) vm.counters.v_vm_faults++;
  account(f, 'F48');
  return letGo(f);
}
