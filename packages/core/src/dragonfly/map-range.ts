/**
 * What the calls do to ranges that are mapped: vm_map_delete, vm_map_protect, vm_map_inherit, vm_map_clean.
 *
 * Each takes the map lock itself, except `deleteRange`, whose callers hold it exclusively. Holes are passed over; who minds them checks
 * first.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { FileRange } from '../vm/port.js';
import type { Prot } from '../vm/prot.js';
import { PROT_WRITE } from '../vm/prot.js';
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
  MAP_ENTRY_IN_TRANSITION,
  type MapEntry,
  pmapMask,
  simplifyEntry,
  VM_MAPTYPE_SUBMAP,
} from './map-entry.js';
import { lockMap, unlockMapWrite, waitForTransition } from './map-lock.js';
import type { VmObject } from './object.js';
import { OBJ_NOMSYNC, OBJ_NOSPLIT, OBJ_ONEMAPPING, OBJT_DEVICE, OBJT_VNODE, objectReference } from './object.js';
import { deallocate } from './object-end.js';
import { objectPageClean, objectPageRemove } from './object-pages.js';
import { clipNeeds } from './reserve.js';
import { withToken } from './tokens.js';
import type { Vm } from './vm.js';
import type { VnodeHandle } from './vnode.js';

/** vm_map_delete: takes pages `start` to `end` out of the map. The map is locked exclusively. */
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
      yield* faultUnwire(vm, thread, map, entry);
      entry.wiredCount = 0;
    }
    // Translations first: a frame that is reused while one is left would get its modified bit.
    vm.pmap.remove(map.pmap, Math.floor(entry.start), entry.end);
    yield* deleteEntry(vm, thread, map, entry);
    entry = next;
  }
}

/** vm_map_entry_delete: the entry goes, and with it what only it could see of its object. */
function* deleteEntry(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry): Task<void> {
  map.unlink(entry);
  map.size -= entry.end - entry.start;
  const { object } = entry;
  if (object === null) return;
  const alone = (object.flags & (OBJ_ONEMAPPING | OBJ_NOSPLIT)) === OBJ_ONEMAPPING && object.defaultOrSwap;
  if (object.refCount !== 1 && alone) {
    const from = Math.floor(entry.offset);
    yield* withToken(
      vm.vmToken,
      thread,
      dropPart(vm, thread, object, from, Math.floor(from + entry.end - entry.start)),
    );
  }
  yield* deallocate(vm, thread, object);
}

/** The only mapping of this part of an object goes: so do its pages and swap, and the object's end if it was there. */
function* dropPart(vm: Vm, thread: Thread, object: VmObject, start: number, end: number): Task<void> {
  yield* collapse(vm, thread, object);
  yield* objectPageRemove(vm, thread, object, start, end, false);
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

/**
 * vm_map_protect: all of the range, or nothing where one entry may never have the permission (the start is clipped by then) or where
 * there is no memory to cut entries.
 */
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
    if (entry.maptype === VM_MAPTYPE_SUBMAP) return KERN_INVALID_ARGUMENT;
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
    if (changed) vm.pmap.protect(map.pmap, Math.floor(entry.start), entry.end, prot & pmapMask(entry));
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

/** How msync is to be done. */
export interface SyncHow {
  /** MS_INVALIDATE. */
  readonly invalidate: boolean;
  /** With MS_ASYNC: takes note of what is to be written, in place of writing it. */
  readonly later: FileRange[] | null;
}

/**
 * vm_map_clean: flushes what the range shows of files. A private range's own pages are not concerned: the walk goes to the bottom of the
 * chain. With `invalidate` the translations go first and clean pages afterwards. (The kernel's loops do not stop at the last entry; these do.)
 */
export function* syncRange(vm: Vm, thread: Thread, map: VmMap, start: number, end: number, how: SyncHow): Task<number> {
  while (!map.lock.acquireRead(thread)) yield;
  const first = map.lookup(start);
  let result = KERN_SUCCESS;
  if (first === null || !isFullyMapped(map, start, end)) {
    result = KERN_INVALID_ADDRESS;
  } else {
    if (how.invalidate) vm.pmap.remove(map.pmap, start, end);
    result = yield* syncEntries(vm, thread, map, first, start, end, how);
  }
  map.lock.releaseRead(thread);
  return result;
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
    const offset = Math.floor(entry.offset + from - entry.start);
    const writable = (entry.protection & PROT_WRITE) !== 0;
    if (!(yield* syncObject(vm, thread, entry.object, offset, size, writable, how))) result = KERN_FAILURE;
  }
  return result;
}

/** The part of a chain's bottom object that an entry shows. Answers false when something could not be written. */
function* syncObject(
  vm: Vm,
  thread: Thread,
  top: VmObject,
  offset: number,
  size: number,
  writable: boolean,
  how: SyncHow,
): Task<boolean> {
  let object = top;
  let start = offset;
  while (object.backing !== null) {
    start += object.backingOffset;
    object = object.backing;
  }
  const end = Math.min(start + size, object.size);
  if (start >= end) return true;
  let ok = true;
  const file = object.type === OBJT_VNODE;
  objectReference(object);
  if (file && writable && (object.flags & OBJ_NOMSYNC) === 0) {
    const vnode = object.handle as VnodeHandle;
    if (how.later === null) ok = yield* cleanFile(vm, thread, vnode, object, start, end);
    else how.later.push({ file: vnode, start, end });
  }
  if (how.invalidate && (file || object.type === OBJT_DEVICE)) {
    yield* withToken(vm.vmToken, thread, objectPageRemove(vm, thread, object, start, end, true));
  }
  yield* deallocate(vm, thread, object);
  return ok;
}

/** Writes the dirty pages of a file under its vnode lock. */
function* cleanFile(
  vm: Vm,
  thread: Thread,
  vnode: VnodeHandle,
  object: VmObject,
  start: number,
  end: number,
): Task<boolean> {
  while (!vnode.lock.acquireWrite(thread)) yield;
  const ok = yield* withToken(vm.vmToken, thread, objectPageClean(vm, thread, object, start, end));
  vnode.lock.releaseWrite(thread);
  return ok;
}
