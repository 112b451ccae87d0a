/**
 * What the memory calls do to a range of a map: insert, find room, delete, protect, inherit; and questions about a range.
 *
 * All take page numbers, and all but the questions take the map's write lock themselves unless their name ends in `Locked`. Holes in a range
 * are passed over silently everywhere.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_WRITE } from '../vm/prot.js';
import { coalesce } from './collapse.js';
import { faultUnwire } from './fault-wire.js';
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_NO_SPACE,
  KERN_PROTECTION_FAILURE,
  KERN_SUCCESS,
} from './kern.js';
import type { VmMap } from './map-entry.js';
import {
  clipEnd,
  firstInRange,
  lockMap,
  MapEntry,
  unlockMap,
  VM_INHERIT_COPY,
  VM_INHERIT_DEFAULT,
  VM_INHERIT_NONE,
  VM_INHERIT_SHARE,
  VM_PROT_DEFAULT,
  within,
} from './map-entry.js';
import type { VmObject } from './object.js';
import { objectPmapRemove } from './object-copy.js';
import { deallocate } from './object-end.js';
import type { Vm } from './vm.js';

/** vm_map_insert: a range for an object, whose reference moves to the map on success. Without an object a neighbour may grow instead. */
export function insertLocked(
  vm: Vm,
  map: VmMap,
  object: VmObject | null,
  offset: number,
  start: number,
  end: number,
): number {
  if (start < map.minPage || end > map.maxPage || start >= end) return KERN_INVALID_ADDRESS;
  if (map.lookup(start) !== null) return KERN_NO_SPACE;
  const prev = map.before(start);
  if (!map.isHead(prev.next) && prev.next.start < end) return KERN_NO_SPACE;
  if (object === null && growPrevious(vm, map, prev, start, end)) return KERN_SUCCESS;
  const entry = new MapEntry();
  entry.start = start;
  entry.end = end;
  entry.object = object;
  entry.offset = offset;
  map.link(entry);
  return KERN_SUCCESS;
}

/** Memory of no object yet behind plain memory: the entry before it grows, if its object can. */
function growPrevious(vm: Vm, map: VmMap, prev: MapEntry, start: number, end: number): boolean {
  if (map.isHead(prev) || prev.end !== start || !map.isMainMap) return false;
  if (prev.shareMap !== null || prev.subMap !== null || prev.inheritance !== VM_INHERIT_DEFAULT) return false;
  if (prev.protection !== VM_PROT_DEFAULT || prev.maxProtection !== VM_PROT_DEFAULT || prev.wiredCount !== 0)
    return false;
  if (!coalesce(vm, prev.object, prev.offset, prev.end - prev.start, end - start)) return false;
  prev.end = end;
  return true;
}

/** vm_map_findspace: the first hole of that size at or above `start`, or -1. */
export function findSpace(map: VmMap, start: number, pages: number): number {
  let at = Math.max(start, map.minPage);
  let entry = map.lookup(at) ?? map.before(at).next;
  while (!map.isHead(entry) && entry.start < at + pages) {
    at = Math.max(at, entry.end);
    entry = entry.next;
  }
  return at + pages <= map.maxPage ? at : -1;
}

/** vm_map_delete: unwires and takes away everything in the range, translations first. */
export function* deleteLocked(vm: Vm, thread: Thread, map: VmMap, start: number, end: number): Task<void> {
  let entry = firstInRange(map, start);
  while (within(map, entry, end)) {
    clipEnd(map, entry, end);
    const { next } = entry;
    if (entry.wiredCount !== 0) entryUnwire(vm, map, entry);
    if (map.pmap !== null) vm.pmap.remove(map.pmap, entry.start, entry.end);
    else objectPmapRemove(vm, entry.object, entry.offset, entry.offset + (entry.end - entry.start));
    map.unlink(entry);
    yield* dropBacking(vm, thread, entry);
    entry = next;
  }
}

/** The end of an entry's reference, on an object or on a map. */
function* dropBacking(vm: Vm, thread: Thread, entry: MapEntry): Task<void> {
  const inner = entry.shareMap ?? entry.subMap;
  if (inner !== null) yield* deallocateMap(vm, thread, inner);
  else yield* deallocate(vm, thread, entry.object);
}

/** vm_map_deallocate: the last reference takes everything in the map with it. */
export function* deallocateMap(vm: Vm, thread: Thread, map: VmMap): Task<void> {
  if (--map.refCount > 0) return;
  yield* lockMap(map, thread);
  yield* deleteLocked(vm, thread, map, map.minPage, map.maxPage);
  unlockMap(map, thread);
  if (map.pmap !== null) vm.machine.tables.destroyPmap(map.pmap);
}

/** vm_map_entry_unwire. */
export function entryUnwire(vm: Vm, map: VmMap, entry: MapEntry): void {
  faultUnwire(vm, map, entry.start, entry.end);
  entry.wiredCount = 0;
}

/** vm_map_remove: the range is cut to the bounds of the map. */
export function* removeRange(vm: Vm, thread: Thread, map: VmMap, start: number, end: number): Task<void> {
  yield* lockMap(map, thread);
  yield* deleteLocked(vm, thread, map, map.clampStart(start), map.clampEnd(end));
  unlockMap(map, thread);
}

/**
 * vm_map_protect. With `setMax` the maximum is set as well. Refused as a whole when one entry may not have it.
 * As seeded the lock is not given back when a submap is met, and whether writing may be granted is asked of the first entry only.
 */
export function* protectRange(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  from: number,
  to: number,
  protection: Prot,
  setMax = false,
): Task<number> {
  const start = map.clampStart(from);
  const end = map.clampEnd(to);
  yield* lockMap(map, thread);
  const first = firstInRange(map, start);
  for (let entry = first; within(map, entry, end); entry = entry.next) {
    if (entry.subMap !== null) {
      if (vm.mended) unlockMap(map, thread);
      return KERN_INVALID_ARGUMENT;
    }
    if ((protection & ~entry.maxProtection) !== 0) {
      unlockMap(map, thread);
      return KERN_PROTECTION_FAILURE;
    }
  }
  for (let entry = first; within(map, entry, end); entry = entry.next) {
    clipEnd(map, entry, end);
    const old = entry.protection;
    if (setMax) entry.maxProtection = protection;
    entry.protection = setMax ? protection & old : protection;
    if (entry.protection !== old) yield* tellPmap(vm, thread, map, entry, vm.mended ? entry : first);
  }
  unlockMap(map, thread);
  return KERN_SUCCESS;
}

/** What the pmap may be told of an entry: a copy-on-write one never grants writing by itself. */
function mask(entry: MapEntry): Prot {
  return entry.copyOnWrite ? PROT_ALL & ~PROT_WRITE : PROT_ALL;
}

/** The new protection reaches the translations; behind a sharing map each of its entries has a say. */
function* tellPmap(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry, judge: MapEntry): Task<void> {
  const share = entry.shareMap;
  if (share === null) {
    vm.pmap.protect(map.pmap, entry.start, entry.end, entry.protection & mask(judge));
    return;
  }
  yield* lockMap(share, thread);
  const shareEnd = entry.offset + (entry.end - entry.start);
  const shift = entry.start - entry.offset;
  let inner = share.lookup(entry.offset) ?? share.before(entry.offset);
  for (; within(share, inner, shareEnd); inner = inner.next) {
    const start = Math.max(inner.start, entry.offset) + shift;
    const end = Math.min(inner.end, shareEnd) + shift;
    if (start < end) vm.pmap.protect(map.pmap, start, end, entry.protection & mask(inner));
  }
  unlockMap(share, thread);
}

/** vm_map_inherit. */
export function* inheritRange(
  _vm: Vm,
  thread: Thread,
  map: VmMap,
  from: number,
  to: number,
  inheritance: number,
): Task<number> {
  if (inheritance !== VM_INHERIT_SHARE && inheritance !== VM_INHERIT_COPY && inheritance !== VM_INHERIT_NONE) {
    return KERN_INVALID_ARGUMENT;
  }
  const end = map.clampEnd(to);
  yield* lockMap(map, thread);
  for (let entry = firstInRange(map, map.clampStart(from)); within(map, entry, end); entry = entry.next) {
    clipEnd(map, entry, end);
    entry.inheritance = inheritance;
  }
  unlockMap(map, thread);
  return KERN_SUCCESS;
}

/** vm_map_is_allocated: whether the range lies in one entry (`single`), or in entries that touch. */
export function isAllocated(map: VmMap, start: number, end: number, single: boolean): boolean {
  let entry = map.lookup(start);
  if (entry === null) return false;
  if (single) return end <= entry.end;
  while (entry.end < end) {
    const next: MapEntry = entry.next;
    if (map.isHead(next) || next.start !== entry.end) return false;
    entry = next;
  }
  return true;
}

/** vm_map_check_protection: whether the whole range allows it, without holes. */
export function checkProtection(map: VmMap, start: number, end: number, protection: Prot): boolean {
  let at = start;
  let entry = map.lookup(start);
  if (entry === null) return false;
  while (at < end) {
    if (map.isHead(entry) || entry.start > at || (protection & ~entry.protection) !== 0) return false;
    at = entry.end;
    entry = entry.next;
  }
  return true;
}

/** vm_map_submap: a range that must be empty memory of its own is handed to another map. */
export function submapLocked(map: VmMap, start: number, end: number, inner: VmMap): number {
  const entry = map.lookup(start);
  if (entry === null) return KERN_INVALID_ARGUMENT;
  if (entry.start !== start || entry.end !== end || entry.shareMap !== null || entry.subMap !== null)
    return KERN_INVALID_ARGUMENT;
  if (entry.object !== null || entry.copyOnWrite) return KERN_INVALID_ARGUMENT;
  entry.subMap = inner;
  inner.refCount++;
  return KERN_SUCCESS;
}
