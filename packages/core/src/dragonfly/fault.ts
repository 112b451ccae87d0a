/**
 * vm_fault: a page fault in DragonFly, January 2011.
 *
 * A word on page faults. A fault names an address and an access. The map says which object the address shows, and at which index; a virtual
 * page table then says which index is really meant (`fault-vpagetable.ts`). From there vm_fault_object walks *down* the shadow chain
 * (`fault-object.ts`, `fault-read.ts`) and works its way back *up* (`fault-cow.ts`):
 *
 *      top object        first_m kept busy here, so that nobody else puts a page in this place meanwhile
 *          |
 *      backing object    page resident?  take it, busy.    pager may have it?  allocate and read it.   else on down
 *          |
 *      end of chain      nobody has it: zero the page of the top object
 *
 * and the page, still busy, is entered in the pmap together with a burst of neighbours (`fault-prefault.ts`). Every exit goes through
 * `fault-cleanup.ts`; a *retry* begins again at the look-up and assumes nothing, but remembers that the rate limit was paid and that a pager answered.
 *
 * What is held: the map shared, from the look-up until a pager is called; one reference and one paging operation on the top object,
 * one more on the object in hand below it; the vnode at the bottom shared; the page in hand busy. The vm_token is held for taking
 * the reference, for all of vm_fault_object, and for the end; not while the pmap is entered, which is the kernel's own way. Lock order: map, vnode.
 */
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { dropTop, releasePage, releaseThenUnlock, unlockThings, waitForRoom } from './fault-cleanup.js';
import { faultObject } from './fault-object.js';
import { prefault } from './fault-prefault.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, runTask, VM_FAULT_BURST, VM_FAULT_USER_WIRE, VM_FAULT_WIRE_MASK } from './fault-state.js';
import { beginWalk } from './fault-vpagetable.js';
import {
  KERN_FAILURE,
  KERN_INVALID_ADDRESS,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from './kern.js';
import { MAP_ENTRY_KSTACK, MAP_ENTRY_NOFAULT, VM_MAPTYPE_VPAGETABLE } from './map-entry.js';
import { LOOKUP_BLOCKED, LOOKUP_SHORT, mapLookup, VM_PROT_OVERRIDE_WRITE } from './map-lookup.js';
import { objectReference } from './object.js';
import { PG_REFERENCED, pageActivate, pageSetFlag, pageUnwire, pageWakeup, pageWire } from './page.js';
import { growStack } from './stack.js';
import { vnodeBelow } from './vnode.js';
import { wiredPage } from './wired-page.js';

/** Where every fault of a map begins: counts it once, however often it is retried. */
export function faultStart(f: Fault): FaultStage | null {
  branch(f, 'F10');
  f.vm.counters.v_vm_faults++;
  f.vm.machine.clock.advance(f.vm.machine.costs.trap);
  f.retry = tryAgain;
  f.failed = failed;
  return lookup;
}

/** KERN_TRY_AGAIN of the walk or of vm_fault_object. */
function tryAgain(f: Fault): FaultStage | null {
  branch(f, f.vshift >= 0 ? 'F20' : 'F22');
  f.failed = failed;
  return lookup;
}

/** RetryFault: everything from the start. */
function lookup(f: Fault): FaultStage | null {
  const result = mapLookup(f, f.faultType);
  if (result === LOOKUP_BLOCKED) return lookup;
  if (result === LOOKUP_SHORT) return waitForRoom(f);
  return result === KERN_SUCCESS ? lookedUp(f) : lookupFailed(f, result);
}

/** Wiring a range that cannot be read asks the maximum protection instead; a miss may be a stack that wants to grow. */
function lookupFailed(f: Fault, result: number): FaultStage | null {
  if (result === KERN_PROTECTION_FAILURE && (f.flags & VM_FAULT_WIRE_MASK) === VM_FAULT_USER_WIRE)
    return lookupOverride;
  if (result === KERN_INVALID_ADDRESS && f.growstack && f.originalMap !== f.vm.kernelMap && f.process !== null) {
    return runTask(f, growStack(f.vm, f.process, f.thread, f.vaddr), stackGrown);
  }
  branch(f, 'F13');
  f.result = result;
  return null;
}

/** vm_map_growstack has answered: success also means that the address has nothing to do with a stack. */
function stackGrown(f: Fault): FaultStage | null {
  if (f.rv === KERN_RESOURCE_SHORTAGE) return waitForRoom(f);
  if (f.rv !== KERN_SUCCESS) {
    branch(f, 'F11');
    f.result = KERN_FAILURE;
    return null;
  }
  branch(f, 'F12');
  f.growstack = false;
  return lookup;
}

/**
 * The override look-up of user wiring. Where the entry may not be written now, it gives up ever being written: otherwise the copy that is
 * not made here would be missing later. The loss hits the next page of the same range, which then fails; it is done under a shared lock.
 */
function lookupOverride(f: Fault): FaultStage | null {
  const result = mapLookup(f, PROT_READ | PROT_WRITE | VM_PROT_OVERRIDE_WRITE);
  if (result === LOOKUP_BLOCKED) return lookupOverride;
  if (result === LOOKUP_SHORT) return waitForRoom(f);
  if (result !== KERN_SUCCESS) {
    branch(f, 'F14');
    f.result = result;
    return null;
  }
  if ((f.entry.protection & PROT_WRITE) === 0) {
    branch(f, 'F15');
    f.entry.maxProtection &= ~PROT_WRITE;
  }
  return lookedUp(f);
}

function lookedUp(f: Fault): FaultStage | null {
  f.mapGeneration = f.map.timestamp;
  f.vshift = -1;
  f.vm.machine.clock.advance(f.vm.machine.costs.mapLookupStep);
  const address = `0x${(f.vaddr * 4096).toString(16)}`;
  if ((f.entry.eflags & MAP_ENTRY_NOFAULT) !== 0) {
    branch(f, 'F16');
    f.vm.panic(`vm_fault: fault on nofault entry, addr: ${address}`);
  }
  if ((f.entry.eflags & MAP_ENTRY_KSTACK) !== 0 && f.vaddr >= f.entry.start && f.vaddr < f.entry.start + 1) {
    branch(f, 'F17');
    f.vm.panic(`vm_fault: fault on stack guard, addr: ${address}`);
  }
  if (!f.hasObject) {
    branch(f, 'F18');
    f.vm.panic(`vm_fault: unrecoverable fault at ${address} in entry`);
  }
  return reference;
}

/** Under the token: one reference and one paging operation on the top object, and the vnode below it; the order is the kernel's. */
function reference(f: Fault): FaultStage | null {
  if (!referenceTop(f)) return reference;
  if (f.wired) {
    branch(f, 'F19');
    f.faultType = f.firstProt;
  }
  f.resolved = enter;
  if (f.entry.maptype === VM_MAPTYPE_VPAGETABLE) return beginWalk(f, faultPage);
  return faultPage(f);
}

/**
 * The common part of all entrances. Answers false while the token or the vnode is somebody else's: the thread then sleeps, and the caller
 * comes back. The reference is taken before the vnode is waited for.
 */
export function referenceTop(f: Fault): boolean {
  const { vm, thread } = f;
  if (!vm.vmToken.acquire(thread)) return false;
  const vnode = vnodeBelow(f.firstObject);
  if (vnode !== null) {
    if (!vnode.lock.acquireRead(thread)) {
      vm.vmToken.forget(thread);
      return false;
    }
    f.vp = vnode;
  }
  objectReference(f.firstObject);
  f.firstObject.pagingInProgress++;
  vm.vmToken.release(thread);
  f.lookupStillValid = true;
  f.firstM = -1;
  f.m = -1;
  f.object = f.firstObject;
  return true;
}

/** The index is known: vm_fault_object. */
function faultPage(f: Fault): FaultStage | null {
  return faultObject(f, f.mapPindex, f.faultType);
}

/** A refusal, everything let go. */
function failed(f: Fault): FaultStage | null {
  branch(f, f.vshift >= 0 ? 'F21' : 'F23');
  return null;
}

/** The mending of O39: where a plain fault on a wired range has made a copy of the wired page, the wiring goes over to it. */
function keepWired(f: Fault): void {
  const { vm, m } = f;
  const before = wiredPage(vm, f.entry, f.vaddr, -1);
  if (before < 0 || before === m || vm.pages.wireCount[m] !== 0) return;
  pageWire(vm, m);
  pageUnwire(vm, before, true);
}

/** The translation, and a few more. The map may no longer be locked; mended, one that has changed since begins the fault again (O5). */
function enter(f: Fault): FaultStage | null {
  const { vm } = f;
  if (vm.mended && !f.lookupStillValid && f.map.timestamp !== f.mapGeneration) return beginAgain;
  if (vm.allocationFails !== null && vm.pmap.refuses(f.map.pmap, f.vaddr)) return notEntered;
  pageSetFlag(vm, f.m, PG_REFERENCED);
  if (vm.mended && f.wired && (f.flags & VM_FAULT_WIRE_MASK) === 0) keepWired(f);
  vm.pmap.enter(f.map.pmap, f.vaddr, f.m, f.prot, f.wired);
  const burst = (f.flags & VM_FAULT_BURST) !== 0 && (f.flags & VM_FAULT_WIRE_MASK) === 0 && !f.wired;
  if (!burst || (vm.mended && !f.lookupStillValid)) return lockForEnd;
  branch(f, 'F24');
  return burstIn;
}

function beginAgain(f: Fault): FaultStage | null {
  if (!f.vm.vmToken.acquire(f.thread)) return beginAgain;
  releasePage(f);
  return releaseThenUnlock(f, f.retry);
}

/** No translation is to be had: the page stays where it is, for the fault to find when it has waited. */
function notEntered(f: Fault): FaultStage | null {
  if (!f.vm.vmToken.acquire(f.thread)) return notEntered;
  releasePage(f);
  return releaseThenUnlock(f, waitForRoom);
}

function burstIn(f: Fault): FaultStage | null {
  return prefault(f) ? lockForEnd : burstIn;
}

function lockForEnd(f: Fault): FaultStage | null {
  return f.vm.vmToken.acquire(f.thread) ? unlockThings(f, finish) : lockForEnd;
}

/** The page goes where the page daemon finds it, unless it is wired. */
function finish(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if ((f.flags & VM_FAULT_WIRE_MASK) !== 0) {
    vm.vmToken.release(f.thread);
    branch(f, f.wired ? 'F25' : 'F26');
    if (f.wired) pageWire(vm, m);
    else pageUnwire(vm, m, true);
  } else {
    branch(f, 'F27');
    pageActivate(vm, m);
    vm.vmToken.release(f.thread);
  }
  account(f, 'F28');
  pageWakeup(vm, m);
  f.result = KERN_SUCCESS;
  return dropTop(f, done);
}

function done(): FaultStage | null {
  return null;
}

/** ru_majflt or ru_minflt of the process, if there is one. A pager's answer counts, waited for or not. */
export function account(f: Fault, id: 'F28' | 'F40' | 'F48'): void {
  branch(f, id);
  f.major = f.hardfault > 0;
  if (f.process === null) return;
  if (f.major) f.process.usage.major++;
  else f.process.usage.minor++;
}
