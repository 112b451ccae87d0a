/**
 * Faults that nobody took: wiring, unwiring, the copy of a wired range at fork, and vm_fault_quick.
 */
import { runStages } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { BranchId } from './branches.js';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import type { Fault } from './fault-state.js';
import { VM_FAULT_CHANGE_WIRING, VM_FAULT_USER_WIRE } from './fault-state.js';
import { KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJT_DEFAULT, objectAllocate } from './object.js';
import { pageActivate, pageDirty, pageLookup, pageSetValid, pageUnwire, pageWakeup } from './page.js';
import { pageAlloc, releaseWired, VM_ALLOC_NORMAL } from './page-alloc.js';
import type { Vm } from './vm.js';
import { waitForMemory } from './wait.js';

/** Whom a wiring fault is charged to. */
export interface FaultAccount {
  minor: number;
  major: number;
}

/** Marks a branch outside a fault record. */
function mark(vm: Vm, id: BranchId): void {
  if (vm.listener !== null) vm.listener.branch(id, idle(vm));
}

/** A record that describes no fault, for branches of the routines around it. */
function idle(vm: Vm): Fault {
  const f = beginFault(vm);
  endFault(f);
  return f;
}

/** vm_fault inside a task. Answers the handler's code. */
export function* faultTask(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  vpn: number,
  type: Prot,
  flags: number,
  account: FaultAccount | null,
): Task<number> {
  const f = beginFault(vm);
  f.thread = thread;
  f.originalMap = map;
  f.vaddr = vpn;
  f.askedType = type;
  f.flags = flags;
  f.currentPmap = true;
  f.growstack = account !== null;
  yield* runStages(f, faultStart);
  const { result } = f;
  if (result === KERN_SUCCESS && account !== null) {
    if (f.major) account.major++;
    else account.minor++;
  }
  endFault(f);
  return result;
}

/**
 * vm_fault_wire: faults every page of a range in. A user's wiring asks only for reading, so that program text stays shared; the kernel's own
 * asks for writing too.
 */
export function* faultWire(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  user: boolean,
  fictitious: boolean,
  account: FaultAccount | null,
): Task<number> {
  const type = user ? PROT_READ : PROT_READ | PROT_WRITE;
  const flags = user ? VM_FAULT_USER_WIRE : VM_FAULT_CHANGE_WIRING;
  for (let vpn = start; vpn < end; vpn++) {
    const result = yield* faultTask(vm, thread, map, vpn, type, flags, account);
    if (result === KERN_SUCCESS) continue;
    mark(vm, 'F80');
    if (vpn !== start) {
      mark(vm, 'F81');
      faultUnwire(vm, map, start, vpn, fictitious);
    }
    return result;
  }
  return KERN_SUCCESS;
}

/**
 * vm_fault_unwire: unwires what the translations of a range show. A page whose translation is gone (mprotect to nothing) stays wired for
 * ever, and one that a copy has taken the place of is unwired without being wired: as seeded. Mended, the map knows which it was.
 */
export function faultUnwire(vm: Vm, map: VmMap, start: number, end: number, fictitious: boolean): void {
  for (let vpn = start; vpn < end; vpn++) {
    const page = vm.pmap.extract(map.pmap, vpn);
    if (page >= 0) {
      mark(vm, 'F82');
      vm.pmap.changeWiring(map.pmap, vpn, false);
      if (!fictitious) {
        mark(vm, 'F83');
        if (!vm.mended) pageUnwire(vm, page, true);
      }
    } else {
      mark(vm, 'F84');
    }
    if (vm.mended) unwireKnown(vm, map, vpn);
  }
}

/** The mending of O7 and O13: unwires the page that was wired here, whatever the translation shows. */
function unwireKnown(vm: Vm, map: VmMap, vpn: number): void {
  const page = map.wiredFrames.get(vpn);
  if (page === undefined) return;
  map.wiredFrames.delete(vpn);
  releaseWired(vm, page);
}

/**
 * vm_fault_copy_entry: the child of a fork gets its own copy of every page of a wired range, at once, since the parent's pages must not
 * become copy-on-write. Answers false, mended only, where memory has run out.
 */
export function* faultCopyEntry(
  vm: Vm,
  thread: Thread,
  target: VmMap,
  targetEntry: MapEntry,
  sourceEntry: MapEntry,
): Task<boolean> {
  const size = targetEntry.end - targetEntry.start;
  const object = objectAllocate(vm, OBJT_DEFAULT, size);
  targetEntry.object = object;
  targetEntry.offset = 0;
  // As seeded the child may do what the entry might ever be allowed, not what it is allowed now.
  const prot = vm.mended ? targetEntry.protection : targetEntry.maxProtection;
  for (let index = 0; index < size; index++) {
    const page = yield* allocateWaiting(vm, thread, object, index);
    if (page < 0) return false;
    copyWired(vm, wiredSource(vm, sourceEntry, index), page);
    pageSetValid(vm, page);
    // As seeded the copy passes for clean, though no pager has it: the page daemon would drop it, and the child read zeros (O23).
    if (vm.mended) pageDirty(vm, page);
    // What cannot have a translation now gets it by a fault of the child's.
    const at = targetEntry.start + index;
    if (!vm.pmap.refuses(target.pmap, at)) vm.pmap.enter(target.pmap, at, page, prot, false);
    pageActivate(vm, page);
    pageWakeup(vm, page);
    yield;
  }
  return true;
}

/**
 * As seeded a wired page that a truncation has taken back is copied with what it held, and one that is gone is a panic. Mended the child
 * has zeros there (O29).
 */
function copyWired(vm: Vm, source: number, page: number): void {
  if (vm.mended && (source < 0 || vm.pages.valid[source] === 0)) {
    vm.zeroFrame(page);
    return;
  }
  if (source < 0) {
    mark(vm, 'F87');
    vm.panic('vm_fault_copy_wired: page missing');
  }
  vm.copyFrame(source, page);
}

/** A page for the copy; -1, mended only, when there is no memory for it and never will be. */
function* allocateWaiting(vm: Vm, thread: Thread, object: VmObject, index: number): Task<number> {
  for (;;) {
    const page = pageAlloc(vm, object, index, VM_ALLOC_NORMAL);
    if (page >= 0) return page;
    mark(vm, 'F85');
    if (!(yield* waitForMemory(vm, thread))) return -1;
  }
}

/**
 * The wired page to copy, or -1. As seeded only a range that may not be written is looked for below the top object; a writable one
 * whose page lies deeper (wired read-only, then made writable) is "missing". Mended always looks down.
 */
function wiredSource(vm: Vm, entry: MapEntry, index: number): number {
  let object = entry.object as VmObject;
  let pindex = entry.offset + index;
  let page = pageLookup(vm, object, pindex);
  while (page < 0 && ((entry.protection & PROT_WRITE) === 0 || vm.mended) && object.backing !== null) {
    mark(vm, 'F86');
    pindex += object.backingOffset;
    object = object.backing;
    page = pageLookup(vm, object, pindex);
  }
  return page;
}

/** What vm_fault_quick needs of the process: its bytes, faulting as any access does; -1 when that fails. */
export interface UserBytes {
  fubyte(address: number): number;
  subyte(address: number, value: number): number;
}

/** vm_fault_quick: makes sure that a user byte is there (and writable) by touching it. Answers it, or -1. */
export function faultQuick(vm: Vm, user: UserBytes, address: number, prot: Prot): number {
  mark(vm, 'F79');
  if ((prot & PROT_WRITE) === 0) return user.fubyte(address);
  const byte = user.fubyte(address);
  return byte < 0 ? -1 : user.subyte(address, byte);
}
