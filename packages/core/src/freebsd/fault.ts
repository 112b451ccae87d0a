/**
 * vm_fault: a page fault in FreeBSD 7.
 *
 * A word on page faults. A fault names an address and a permission. The map says which object the address shows, and at which
 * index. From there the handler walks *down* the shadow chain until it finds the page, and then works its way back *up*:
 *
 *      top object        first_m kept busy here, so that nobody else puts a page in this place meanwhile
 *          |
 *      backing object    page resident?  take it, busy.    pager may have it?  allocate and read it.   else on down
 *          |
 *      end of chain      nobody has it: zero the page of the top object
 *
 *      found in the top object      map it
 *      found below, for reading     map it without permission to write
 *      found below, for writing     copy it into first_m, or move it up if nobody else can ever see it there
 *
 * The stages, in order: lookup, reference, search (once an object), readRest, pagein, paged, nextObject or zeroFill, found, relookup,
 * enter, prefault, finish; and `cleanup`, through which every end and every retry goes. A *retry* begins again at the
 * look-up and assumes nothing.
 *
 * What is held: the map read-locked from the look-up until a pager is called, then again from `relookup`; the object in hand locked,
 * hand over hand down the chain; one reference on the top object; paging in progress on the object in hand and on the top
 * one; the page in hand busy. Lock order: map, vnode, objects downwards. The page queues are locked within a stage.
 */
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { FAULT_REFUSALS_MAX } from '../vm/reserve.js';
import { cleanupLocked, sleepOnPage } from './fault-cleanup.js';
import { cowFault, found } from './fault-cow.js';
import { readRest } from './fault-read.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, VM_FAULT_USER_WIRE, VM_FAULT_WIRE_MASK } from './fault-state.js';
import {
  KERN_FAILURE,
  KERN_INVALID_ADDRESS,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from './kern.js';
import { MAP_ENTRY_NOFAULT } from './map-entry.js';
import { LOOKUP_BLOCKED, LOOKUP_SHORT, mapLookup, VM_PROT_OVERRIDE_WRITE } from './map-lookup.js';
import type { VmObject } from './object.js';
import { OBJ_DEAD, OBJ_NEEDGIANT, OBJT_DEFAULT, OBJT_VNODE, objectReference, pipWakeup } from './object.js';
import { PG_ZERO, pageBusy, pageFullyValid, pageHasFlag, pageIsBusy, pageLookup, pageSetValid } from './page.js';
import { countSevere, pageAlloc, VM_ALLOC_NORMAL, VM_ALLOC_ZERO } from './page-alloc.js';
import type { VnodeHandle } from './pager-vnode.js';
import { startGrowStack } from './stack.js';
import { requestMemory } from './wait.js';

/** Where every fault begins: counts it once, however often it is retried. */
export function faultStart(f: Fault): FaultStage | null {
  f.vm.counters.v_vm_faults++;
  f.vm.machine.clock.advance(f.vm.machine.costs.trap);
  f.faultType = f.askedType;
  f.hardfault = 0;
  f.refusals = 0;
  return lookup;
}

/** RetryFault: everything from the start, but for what was read already and the wider permission of a wired entry. */
export function lookup(f: Fault): FaultStage | null {
  f.map = f.originalMap;
  // As seeded a read of a wired private page asks for writing when it is retried, and is refused (O24).
  if (f.vm.mended) f.faultType = f.askedType;
  const result = mapLookup(f, f.faultType);
  if (result === LOOKUP_BLOCKED) return lookup;
  if (result === LOOKUP_SHORT) return waitForRoom(f);
  if (result !== KERN_SUCCESS) return lookupFailed(f, result);
  branch(f, 'F4');
  return lookedUp(f);
}

/** Wiring a range that cannot be read asks the maximum protection instead; a miss may be a stack that wants to grow. */
function lookupFailed(f: Fault, result: number): FaultStage | null {
  if (result === KERN_PROTECTION_FAILURE && (f.flags & VM_FAULT_WIRE_MASK) === VM_FAULT_USER_WIRE) {
    branch(f, 'F10');
    return lookupOverride;
  }
  branch(f, 'F5');
  if (f.growstack && result === KERN_INVALID_ADDRESS && f.originalMap !== f.vm.kernelMap) {
    branch(f, 'F6');
    return startGrowStack(f, stackGrown);
  }
  f.result = result;
  branch(f, 'F9');
  return null;
}

/** vm_map_growstack has answered (in `result`): success also means that the address has nothing to do with a stack. */
function stackGrown(f: Fault): FaultStage | null {
  if (f.result === KERN_RESOURCE_SHORTAGE) return waitForRoom(f);
  if (f.result !== KERN_SUCCESS) {
    branch(f, 'F7');
    f.result = KERN_FAILURE;
    return null;
  }
  branch(f, 'F8');
  f.growstack = false;
  return lookup;
}

/**
 * The override look-up of user wiring. Where the entry may not be written now, it gives up ever being written: otherwise the copy that is
 * not made here would be missing later. As seeded the loss hits a range before its second page is wired, which then fails; mended,
 * an entry that has lost the permission is asked for reading only.
 */
function lookupOverride(f: Fault): FaultStage | null {
  let wanted = PROT_READ | PROT_WRITE | VM_PROT_OVERRIDE_WRITE;
  if (f.vm.mended && alreadyReduced(f)) wanted = PROT_READ | VM_PROT_OVERRIDE_WRITE;
  const result = mapLookup(f, wanted);
  if (result === LOOKUP_BLOCKED) return lookupOverride;
  if (result === LOOKUP_SHORT) return waitForRoom(f);
  if (result !== KERN_SUCCESS) {
    f.result = result;
    branch(f, 'F11');
    return null;
  }
  if ((f.entry.protection & PROT_WRITE) === 0) {
    branch(f, 'F12');
    f.entry.maxProtection &= ~PROT_WRITE;
  }
  return lookedUp(f);
}

/** Whether an earlier page of the same wiring took the write permission from the entry for good. */
function alreadyReduced(f: Fault): boolean {
  const entry = f.originalMap.lookup(f.vaddr);
  return entry !== null && entry.wiredCount > 0 && (entry.maxProtection & PROT_WRITE) === 0;
}

function lookedUp(f: Fault): FaultStage | null {
  f.mapGeneration = f.map.timestamp;
  f.lookupStillValid = true;
  f.firstM = -1;
  f.m = -1;
  f.vp = null;
  f.vm.machine.clock.advance(f.vm.machine.costs.mapLookupStep);
  if ((f.entry.eflags & MAP_ENTRY_NOFAULT) !== 0) {
    branch(f, 'F13');
    f.vm.panic(`vm_fault: fault on nofault entry, addr: ${(f.vaddr * 4096).toString(16)}`);
  }
  return reference(f);
}

/** A reference and one paging operation on the top object: it can neither vanish nor be collapsed while we work. */
function reference(f: Fault): FaultStage | null {
  const object = f.firstObject;
  if (!object.lock.acquire(f.thread)) return reference;
  if ((object.flags & OBJ_NEEDGIANT) !== 0) {
    if (f.map.systemMap) f.vm.panic('vm_fault: Object requiring giant mapped by system map');
    if (!f.vm.giant.acquire(f.thread)) {
      object.lock.release(f.thread);
      return reference;
    }
    branch(f, 'F14');
    f.vm.giant.release(f.thread);
  }
  objectReference(object);
  return lockVnode(f);
}

/** vnode_pager_lock: the file at the bottom of the chain stays as long as it is for the duration. May sleep with the map locked. */
function lockVnode(f: Fault): FaultStage | null {
  const vnode = vnodeBelow(f.firstObject);
  if (vnode !== null) {
    if (f.map.systemMap) f.vm.panic('vm_fault: vnode-backed object mapped by system map');
    if (!vnode.lock.tryRead(f.thread)) {
      f.firstObject.lock.release(f.thread);
      vnode.lock.acquireRead(f.thread);
      return lockVnodeSlept;
    }
    f.vp = vnode;
  }
  return beginSearch(f);
}

function lockVnodeSlept(f: Fault): FaultStage | null {
  return f.firstObject.lock.acquire(f.thread) ? lockVnode(f) : lockVnodeSlept;
}

function vnodeBelow(top: VmObject): VnodeHandle | null {
  for (let object: VmObject | null = top; object !== null; object = object.backing) {
    if (object.type === OBJT_VNODE) return object.handle as VnodeHandle;
  }
  return null;
}

function beginSearch(f: Fault): FaultStage | null {
  f.firstObject.pagingInProgress++;
  if (f.wired) {
    branch(f, 'F15');
    f.faultType = f.prot;
  }
  f.object = f.firstObject;
  f.pindex = f.firstPindex;
  return search;
}

/** TRYPAGER: whether the pager of the object in hand might have the page, and may be asked. An unwiring fault asks nobody. */
export function tryPager(f: Fault): boolean {
  return f.object.type !== OBJT_DEFAULT && ((f.flags & VM_FAULT_WIRE_MASK) === 0 || f.wired);
}

/** One object of the chain: is the page here, or might its pager have it? The object is locked. */
export function search(f: Fault): FaultStage | null {
  const { vm, object } = f;
  vm.machine.clock.advance(vm.machine.costs.objectStep);
  if ((object.flags & OBJ_DEAD) !== 0) {
    f.result = KERN_PROTECTION_FAILURE;
    branch(f, 'F16');
    return cleanupLocked(f, null);
  }
  f.m = pageLookup(vm, object, f.pindex);
  if (f.m >= 0) return resident(f);
  if (tryPager(f) || object === f.firstObject) {
    if (f.pindex >= object.size) {
      f.result = KERN_PROTECTION_FAILURE;
      branch(f, 'F23');
      return cleanupLocked(f, null);
    }
    return allocate(f);
  }
  return readRest(f);
}

/** The page is resident: ours if nobody else works on it. */
function resident(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (vm.pages.cow[m] !== 0 && (f.faultType & PROT_WRITE) !== 0 && f.object === f.firstObject) {
    branch(f, 'F17');
    return cleanupLocked(f, cowFault(vm, m) ? lookup : waitForPage);
  }
  if (pageIsBusy(vm, m)) {
    branch(f, 'F18');
    return sleepOnPage(f, lookup);
  }
  const whole = pageFullyValid(vm, m);
  if (!whole && vm.mended && f.object.type === OBJT_VNODE && f.pindex >= f.object.size) return pastEnd(f);
  branch(f, whole ? 'F22' : 'F21');
  vm.pages.queues.remove(m);
  pageBusy(vm, m);
  return whole ? found : readRest(f);
}

/** A page that was wired when the file was cut off before it. As seeded it would now be filled with zeros (O25). */
function pastEnd(f: Fault): FaultStage | null {
  f.m = -1;
  f.result = KERN_PROTECTION_FAILURE;
  return cleanupLocked(f, null);
}

/** A new page for the place, unless memory is so short that even trying is unfair to the page daemon. */
function allocate(f: Fault): FaultStage | null {
  const { vm, object } = f;
  f.m = -1;
  if (!countSevere(vm)) {
    branch(f, 'F24');
    const request = f.vp !== null || object.backing !== null ? VM_ALLOC_NORMAL : VM_ALLOC_NORMAL | VM_ALLOC_ZERO;
    f.m = pageAlloc(vm, object, f.pindex, request);
    if (f.m < 0 && !vm.mended) vm.panic('vm_fault: the valid bits of a page that could not be allocated are read');
    if (f.m >= 0 && pageFullyValid(vm, f.m)) {
      branch(f, 'F25');
      return found;
    }
  }
  if (f.m < 0) {
    branch(f, 'F26');
    return cleanupLocked(f, waitForPage);
  }
  return readRest(f);
}

/** VM_WAITPFAULT, with nothing held. */
function waitForPage(f: Fault): FaultStage | null {
  requestMemory(f.vm, f.thread, 'pfault');
  return waitedForPage;
}

/** An object, a map entry or a translation was refused: as for a page, but the page daemon cannot tell when it is hopeless. */
export function waitForRoom(f: Fault): FaultStage | null {
  if (++f.refusals <= FAULT_REFUSALS_MAX) return waitForPage(f);
  f.result = KERN_RESOURCE_SHORTAGE;
  return null;
}

function waitedForPage(f: Fault): FaultStage | null {
  if (!f.vm.memoryExhausted) return lookup;
  f.result = KERN_RESOURCE_SHORTAGE;
  return null;
}

/** The pager has nothing, or there is none: on to the next object of the chain, or to the end of it. */
export function nextObject(f: Fault): FaultStage | null {
  if (f.object === f.firstObject) {
    branch(f, 'F41');
    f.firstM = f.m;
  }
  return f.object.backing === null ? endOfChain(f) : stepDown(f);
}

/** The next object is locked before this one is let go. */
function stepDown(f: Fault): FaultStage | null {
  const { object } = f;
  const next = object.backing as VmObject;
  if (!next.lock.acquire(f.thread)) return stepDown;
  branch(f, 'F45');
  f.pindex += object.backingOffset;
  next.pagingInProgress++;
  if (object !== f.firstObject) pipWakeup(f.vm, object);
  object.lock.release(f.thread);
  f.object = next;
  return search;
}

/** Nobody has the page: back to the top object. */
function endOfChain(f: Fault): FaultStage | null {
  branch(f, 'F42');
  if (f.object === f.firstObject) return zeroFill(f);
  pipWakeup(f.vm, f.object);
  f.object.lock.release(f.thread);
  f.object = f.firstObject;
  f.pindex = f.firstPindex;
  f.m = f.firstM;
  return lockForZeroFill(f);
}

function lockForZeroFill(f: Fault): FaultStage | null {
  return f.object.lock.acquire(f.thread) ? zeroFill(f) : lockForZeroFill;
}

function zeroFill(f: Fault): FaultStage | null {
  const { vm, m } = f;
  f.firstM = -1;
  if (pageHasFlag(vm, m, PG_ZERO)) {
    branch(f, 'F44');
    vm.counters.v_ozfod++;
  } else {
    branch(f, 'F43');
    vm.zeroFrame(m);
  }
  vm.counters.v_zfod++;
  pageSetValid(vm, m);
  return found;
}
