/**
 * What the calls do to ranges that are mapped: vm_map_delete, vm_map_protect, vm_map_inherit, vm_map_madvise, vm_map_sync.
 *
 * Each takes the map lock itself, except `deleteRange`, whose callers hold it for writing. Holes are passed over; who minds them checks
 * first.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { FileRange } from '../vm/port.js';
import type { Prot } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import { collapse } from './collapse.js';
import { faultUnwire } from './fault-wire.js';
import {
  KERN_FAILURE,
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from './kern.js';
import type { VmMap } from './map-entry.js';
import {
  clipEnd,
  firstInRange,
  MAP_ENTRY_BEHAV_MASK,
  MAP_ENTRY_BEHAV_NORMAL,
  MAP_ENTRY_BEHAV_RANDOM,
  MAP_ENTRY_BEHAV_SEQUENTIAL,
  MAP_ENTRY_IN_TRANSITION,
  MAP_ENTRY_IS_SUB_MAP,
  MAP_ENTRY_NEEDS_WAKEUP,
  MAP_ENTRY_NOSYNC,
  type MapEntry,
  pmapMask,
  simplifyEntry,
} from './map-entry.js';
import { prefaultRange } from './map-insert.js';
import type { VmObject } from './object.js';
import { OBJ_MIGHTBEDIRTY, OBJ_ONEMAPPING, OBJT_DEVICE, OBJT_VNODE, objectReference } from './object.js';
import { deallocate } from './object-end.js';
import type { ObjectAdvice } from './object-pages.js';
import { objectMadvise, objectPageClean, objectPageRemove } from './object-pages.js';
import { swapFreespace } from './pager-swap.js';
import type { VnodeHandle } from './pager-vnode.js';
import { clipNeeds } from './reserve.js';
import type { Vm } from './vm.js';

/** vm_map_lock: for writing; the timestamp moves. */
export function* lockMap(map: VmMap, thread: Thread): Task<void> {
  while (!map.lock.acquireWrite(thread)) yield;
  map.timestamp++;
}

/** vm_map_unlock. */
export function unlockMapWrite(map: VmMap, thread: Thread): void {
  map.lock.releaseWrite(thread);
}

/** vm_map_unlock_and_wait: lets the map go and sleeps until an entry is no longer in transition; comes back with the lock. */
export function* waitForTransition(vm: Vm, map: VmMap, thread: Thread, entry: MapEntry): Task<void> {
  entry.eflags |= MAP_ENTRY_NEEDS_WAKEUP;
  unlockMapWrite(map, thread);
  vm.kernel.sleep(thread, map, 'vmmaps');
  yield;
  yield* lockMap(map, thread);
}

/** vm_map_delete: takes pages `start` to `end` out of the map. The map is write-locked. */
export function* deleteRange(vm: Vm, thread: Thread, map: VmMap, start: number, end: number): Task<void> {
  let entry = yield* firstInRange(vm, thread, map, start);
  while (!map.isHead(entry) && entry.start < end) {
    if ((entry.eflags & MAP_ENTRY_IN_TRANSITION) !== 0) {
      const from = Math.max(start, entry.start);
      yield* waitForTransition(vm, map, thread, entry);
      entry = yield* firstInRange(vm, thread, map, from);
      continue;
    }
    clipEnd(vm, map, entry, end);
    const next = entry.next;
    if (entry.wiredCount !== 0) {
      faultUnwire(vm, map, entry.start, entry.end, isFictitious(entry));
      entry.wiredCount = 0;
    }
    // Translations first: a frame that is reused while one is left would get its modified bit.
    vm.pmap.remove(map.pmap, entry.start, entry.end);
    yield* deleteEntry(vm, thread, map, entry);
    entry = next;
  }
}

/** Whether an entry maps a device. */
export function isFictitious(entry: MapEntry): boolean {
  return entry.object !== null && entry.object.type === OBJT_DEVICE;
}

/** vm_map_entry_delete: the entry goes, and with it what only it could see of its object. */
function* deleteEntry(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry): Task<void> {
  map.unlink(entry);
  map.size -= entry.end - entry.start;
  const { object } = entry;
  if (object === null) return;
  if (object.refCount !== 1 && (object.flags & OBJ_ONEMAPPING) !== 0) {
    while (!object.lock.acquire(thread)) yield;
    yield* dropPart(vm, thread, object, entry.offset, entry.offset + entry.end - entry.start);
    object.lock.release(thread);
  }
  yield* deallocate(vm, thread, object);
}

/** The only mapping of this part of an object goes: so do its pages and swap, and the object's end if it was there. */
function* dropPart(vm: Vm, thread: Thread, object: VmObject, start: number, end: number): Task<void> {
  yield* collapse(vm, thread, object);
  yield* objectPageRemove(vm, thread, object, start, end, false);
  swapFreespace(object, start, end - start);
  if (end >= object.size && start < object.size) object.size = start;
}

/** vm_map_check_protection with VM_PROT_NONE: whether every page of the range is mapped. */
export function isFullyMapped(map: VmMap, start: number, end: number): boolean {
  let at = start;
  let entry = map.lookup(start);
  while (entry !== null && !map.isHead(entry) && entry.start <= at) {
    at = entry.end;
    if (at >= end) return true;
    entry = entry.next;
  }
  return false;
}

/** vm_map_protect: all of the range, or nothing where one entry may never have the permission or there is no memory to cut entries. */
export function* protectRange(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  prot: Prot,
): Task<number> {
  yield* lockMap(map, thread);
  if (!reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  const first = yield* firstInRange(vm, thread, map, start);
  const refusal = refusesProtection(map, first, end, prot);
  if (refusal === KERN_SUCCESS) yield* protectEntries(vm, thread, map, first, end, prot);
  unlockMapWrite(map, thread);
  return refusal;
}

function refusesProtection(map: VmMap, first: MapEntry, end: number, prot: Prot): number {
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_IS_SUB_MAP) !== 0) return KERN_INVALID_ARGUMENT;
    if ((prot & entry.maxProtection) !== prot) return KERN_PROTECTION_FAILURE;
  }
  return KERN_SUCCESS;
}

/** Translations only ever lose permissions here; what is gained, the next fault finds. */
function* protectEntries(vm: Vm, thread: Thread, map: VmMap, first: MapEntry, end: number, prot: Prot): Task<void> {
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    clipEnd(vm, map, entry, end);
    const changed = entry.protection !== prot;
    entry.protection = prot;
    if (changed) vm.pmap.protect(map.pmap, entry.start, entry.end, prot & pmapMask(entry));
    yield* simplifyEntry(vm, thread, map, entry);
  }
}

/** vm_map_inherit. KERN_RESOURCE_SHORTAGE, and nothing changed, where there is no memory to cut entries; `reserved`: the caller has seen to it. */
export function* inheritRange(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  inheritance: number,
  reserved = false,
): Task<number> {
  yield* lockMap(map, thread);
  if (!reserved && !reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  let entry = yield* firstInRange(vm, thread, map, start);
  for (; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    clipEnd(vm, map, entry, end);
    entry.inheritance = inheritance;
    yield* simplifyEntry(vm, thread, map, entry);
  }
  unlockMapWrite(map, thread);
  return KERN_SUCCESS;
}

/** Advice that is kept in the entry, and what it does to the flags. */
const ENTRY_ADVICE: Readonly<Record<string, (eflags: number) => number>> = {
  normal: (e) => (e & ~MAP_ENTRY_BEHAV_MASK) | MAP_ENTRY_BEHAV_NORMAL,
  sequential: (e) => (e & ~MAP_ENTRY_BEHAV_MASK) | MAP_ENTRY_BEHAV_SEQUENTIAL,
  random: (e) => (e & ~MAP_ENTRY_BEHAV_MASK) | MAP_ENTRY_BEHAV_RANDOM,
  nosync: (e) => e | MAP_ENTRY_NOSYNC,
  autosync: (e) => e & ~MAP_ENTRY_NOSYNC,
};

export type MapAdvice = 'normal' | 'sequential' | 'random' | 'nosync' | 'autosync' | ObjectAdvice;

/** vm_map_madvise. KERN_RESOURCE_SHORTAGE, and nothing changed, where there is no memory to cut entries. */
export function* madviseRange(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  advice: MapAdvice,
): Task<number> {
  const change = ENTRY_ADVICE[advice];
  if (change !== undefined) return yield* adviseEntries(vm, thread, map, start, end, change);
  yield* adviseObjects(vm, thread, map, start, end, advice as ObjectAdvice);
  return KERN_SUCCESS;
}

function* adviseEntries(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  change: (eflags: number) => number,
): Task<number> {
  yield* lockMap(map, thread);
  if (!reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  let entry = yield* firstInRange(vm, thread, map, start);
  for (; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_IS_SUB_MAP) !== 0) continue;
    clipEnd(vm, map, entry, end);
    entry.eflags = change(entry.eflags);
    yield* simplifyEntry(vm, thread, map, entry);
  }
  unlockMapWrite(map, thread);
  return KERN_SUCCESS;
}

/** Advice on pages goes to the objects; no entry is clipped. */
function* adviseObjects(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  advice: ObjectAdvice,
): Task<void> {
  while (!map.lock.acquireRead(thread)) yield;
  let entry = map.lookup(start) ?? map.before(start).next;
  for (; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    const { object } = entry;
    if (object === null) continue;
    const from = Math.max(start, entry.start);
    const to = Math.min(end, entry.end);
    const pindex = entry.offset + from - entry.start;
    while (!object.lock.acquire(thread)) yield;
    yield* objectMadvise(vm, thread, object, pindex, pindex + to - from, advice);
    object.lock.release(thread);
    if (advice === 'willneed') prefaultRange(vm, map, from, entry.protection, object, pindex, to - from, true);
  }
  map.lock.releaseRead(thread);
}

/** How msync is to be done. */
export interface SyncHow {
  /** MS_INVALIDATE. */
  readonly invalidate: boolean;
  /** With MS_ASYNC: takes note of what is to be written, in place of writing it. */
  readonly later: FileRange[] | null;
}

/**
 * vm_map_sync: flushes what the range shows of files. A private range's own pages are not concerned: the walk goes to the bottom of the
 * chain. With `invalidate` the translations go first and clean pages afterwards.
 */
export function* syncRange(vm: Vm, thread: Thread, map: VmMap, start: number, end: number, how: SyncHow): Task<number> {
  while (!map.lock.acquireRead(thread)) yield;
  const first = map.lookup(start);
  let result = KERN_SUCCESS;
  if (first === null || !isFullyMapped(map, start, end)) result = KERN_INVALID_ADDRESS;
  else if (how.invalidate && userWired(map, first, end)) result = KERN_INVALID_ARGUMENT;
  else {
    if (how.invalidate) vm.pmap.remove(map.pmap, start, end);
    result = yield* syncEntries(vm, thread, map, first, start, end, how);
  }
  map.lock.releaseRead(thread);
  return result;
}

function userWired(map: VmMap, first: MapEntry, end: number): boolean {
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.wiredCount !== 0) return true;
  }
  return false;
}

function* syncEntries(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  first: MapEntry,
  start: number,
  end: number,
  how: SyncHow,
): Task<number> {
  let result = KERN_SUCCESS;
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.object === null) continue;
    const from = Math.max(start, entry.start);
    const size = Math.min(end, entry.end) - from;
    const offset = entry.offset + from - entry.start;
    if (!(yield* syncObject(vm, thread, entry.object, offset, size, how))) result = KERN_FAILURE;
  }
  return result;
}

/** vm_object_sync. Answers false when something could not be written. */
function* syncObject(vm: Vm, thread: Thread, top: VmObject, offset: number, size: number, how: SyncHow): Task<boolean> {
  let object = top;
  let start = offset;
  while (object.backing !== null) {
    start += object.backingOffset;
    object = object.backing;
  }
  let ok = true;
  const end = Math.min(start + size, object.size);
  if (object.type === OBJT_VNODE && (object.flags & OBJ_MIGHTBEDIRTY) !== 0 && start < object.size) {
    if (how.later === null) ok = yield* cleanFile(vm, thread, object, start, end);
    else how.later.push({ file: object.handle as VnodeHandle, start, end });
  }
  if (how.invalidate && (object.type === OBJT_VNODE || object.type === OBJT_DEVICE)) {
    objectReference(object);
    while (!object.lock.acquire(thread)) yield;
    yield* objectPageRemove(vm, thread, object, start, start + size, true);
    object.lock.release(thread);
    yield* deallocate(vm, thread, object);
  }
  return ok;
}

/** Writes the dirty pages of a file under its vnode lock and flushes the store. */
function* cleanFile(vm: Vm, thread: Thread, object: VmObject, start: number, end: number): Task<boolean> {
  const vnode = object.handle as VnodeHandle;
  while (!vnode.lock.acquireWrite(thread)) yield;
  while (!object.lock.acquire(thread)) yield;
  const ok = yield* objectPageClean(vm, thread, object, start, end);
  object.lock.release(thread);
  vnode.lock.releaseWrite(thread);
  return ok;
}
