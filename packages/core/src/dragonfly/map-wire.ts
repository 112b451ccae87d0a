/**
 * vm_map_unwire (which is mlock and munlock) and vm_map_wire (the kernel's own).
 *
 * The range is clipped at both ends and all of it marked in transition before anything happens: it must have no hole. Entries may then be
 * worked on with the map unlocked; nobody merges or deletes them, and whoever wants to waits. The mark goes at the end, and with it equal
 * neighbours join again.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_WRITE } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import { faultUnwire, faultWire } from './fault-wire.js';
import { KERN_INVALID_ADDRESS, KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from './kern.js';
import type { VmMap } from './map-entry.js';
import {
  allocateObject,
  clipEnd,
  clipStart,
  MAP_ENTRY_IN_TRANSITION,
  MAP_ENTRY_NEEDS_COPY,
  MAP_ENTRY_NEEDS_WAKEUP,
  MAP_ENTRY_USER_WIRED,
  type MapEntry,
  shadowEntry,
  simplifyEntry,
} from './map-entry.js';
import { lockMap, unlockMapWrite, waitForTransition } from './map-lock.js';
import type { DragonflyProcess } from './process.js';
import { clipNeeds, wireNeeds } from './reserve.js';
import type { Vm } from './vm.js';

/** vm_map_clip_range with NO_HOLES: the first entry of the range, all of it in transition; null, and nothing marked, on a hole. */
function* clipRange(vm: Vm, thread: Thread, map: VmMap, start: number, end: number): Task<MapEntry | null> {
  for (;;) {
    const first = map.lookup(start);
    if (first === null) return null;
    if ((first.eflags & MAP_ENTRY_IN_TRANSITION) !== 0) {
      yield* waitForTransition(vm, map, thread, first);
      continue;
    }
    yield* clipStart(vm, thread, map, first, start);
    clipEnd(vm, map, first, end);
    first.eflags |= MAP_ENTRY_IN_TRANSITION;
    const outcome = yield* markRest(vm, thread, map, first, end);
    if (outcome === 'done') return first;
    if (outcome === 'hole') {
      yield* unclipRange(vm, thread, map, first, end);
      return null;
    }
  }
}

/** Marks what follows the first entry. After a wait everything begins again, since the lock was gone. */
function* markRest(vm: Vm, thread: Thread, map: VmMap, first: MapEntry, end: number): Task<'done' | 'hole' | 'again'> {
  let entry = first;
  while (entry.end < end) {
    const { next } = entry;
    if (map.isHead(next) || next.start > entry.end) return 'hole';
    if ((next.eflags & MAP_ENTRY_IN_TRANSITION) !== 0) {
      yield* unclipRange(vm, thread, map, first, entry.end);
      yield* waitForTransition(vm, map, thread, next);
      return 'again';
    }
    clipEnd(vm, map, next, end);
    next.eflags |= MAP_ENTRY_IN_TRANSITION;
    entry = next;
  }
  return 'done';
}

/** vm_map_unclip_range: no longer in transition; equal neighbours join, waiters are woken. */
function* unclipRange(vm: Vm, thread: Thread, map: VmMap, first: MapEntry, end: number): Task<void> {
  let wake = false;
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_NEEDS_WAKEUP) !== 0) wake = true;
    entry.eflags &= ~(MAP_ENTRY_IN_TRANSITION | MAP_ENTRY_NEEDS_WAKEUP);
  }
  if (wake) vm.kernel.wakeup(map);
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    yield* simplifyEntry(vm, thread, map, entry);
  }
}

/** What a wiring fault needs before it can begin: a writable copy-on-write range its own layer, an empty one its object. */
function makeWirable(vm: Vm, entry: MapEntry): void {
  const copies = (entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0;
  if (copies && (entry.protection & PROT_WRITE) !== 0) shadowEntry(vm, entry);
  else if (entry.object === null) allocateObject(vm, entry);
}

/** vm_map_unwire(new_pageable = FALSE): wires for a user. A second wiring of the same page by a user counts nothing. */
export function* wireUser(vm: Vm, process: DragonflyProcess, start: number, end: number): Task<number> {
  const { map, thread } = process;
  yield* lockMap(map, thread);
  if (!reserves(vm, () => wireNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  const first = yield* clipRange(vm, thread, map, start, end);
  if (first === null) {
    unlockMapWrite(map, thread);
    return KERN_INVALID_ADDRESS;
  }
  let result = KERN_SUCCESS;
  const fresh = new Set<MapEntry>();
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_USER_WIRED) !== 0) continue;
    fresh.add(entry);
    if (entry.wiredCount !== 0) {
      entry.wiredCount++;
      entry.eflags |= MAP_ENTRY_USER_WIRED;
      continue;
    }
    makeWirable(vm, entry);
    entry.wiredCount++;
    entry.eflags |= MAP_ENTRY_USER_WIRED;
    result = yield* faultWire(vm, thread, process, map, entry, true);
    if (result !== KERN_SUCCESS) {
      entry.eflags &= ~MAP_ENTRY_USER_WIRED;
      entry.wiredCount = 0;
      // As seeded what earlier calls have wired in the range is lost as well (O34).
      yield* dropUserWirings(vm, thread, map, first, entry.start, vm.mended ? fresh : null);
      break;
    }
  }
  yield* unclipRange(vm, thread, map, first, end);
  map.timestamp++;
  unlockMapWrite(map, thread);
  return result;
}

/** Takes one user wiring from every entry below `end` that has one; with `only`, from no others than these. */
function* dropUserWirings(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  first: MapEntry,
  end: number,
  only: ReadonlySet<MapEntry> | null = null,
): Task<void> {
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_USER_WIRED) === 0 || only?.has(entry) === false) continue;
    entry.eflags &= ~MAP_ENTRY_USER_WIRED;
    entry.wiredCount--;
    if (entry.wiredCount === 0) yield* faultUnwire(vm, thread, map, entry);
  }
}

/** vm_map_unwire(new_pageable = TRUE): every entry of the range must be user-wired. */
export function* unwireUser(vm: Vm, process: DragonflyProcess, start: number, end: number): Task<number> {
  const { map, thread } = process;
  yield* lockMap(map, thread);
  if (!reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  const first = yield* clipRange(vm, thread, map, start, end);
  if (first === null) {
    unlockMapWrite(map, thread);
    return KERN_INVALID_ADDRESS;
  }
  let result = KERN_SUCCESS;
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_USER_WIRED) === 0) result = KERN_INVALID_ARGUMENT;
  }
  if (result === KERN_SUCCESS) yield* dropUserWirings(vm, thread, map, first, end);
  yield* unclipRange(vm, thread, map, first, end);
  map.timestamp++;
  unlockMapWrite(map, thread);
  return result;
}

/** vm_map_wire: for the kernel. All objects are made first, then every entry that was not wired is faulted in for writing. */
export function* wireKernel(vm: Vm, process: DragonflyProcess, start: number, end: number): Task<number> {
  const { map, thread } = process;
  yield* lockMap(map, thread);
  if (!reserves(vm, () => wireNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  const first = yield* clipRange(vm, thread, map, start, end);
  if (first === null) {
    unlockMapWrite(map, thread);
    return KERN_INVALID_ADDRESS;
  }
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.wiredCount === 0) makeWirable(vm, entry);
    entry.wiredCount++;
  }
  let result = KERN_SUCCESS;
  let entry = first;
  for (; !map.isHead(entry) && entry.start < end && result === KERN_SUCCESS; entry = entry.next) {
    if (entry.wiredCount !== 1) continue;
    result = yield* faultWire(vm, thread, process, map, entry, false);
    if (result !== KERN_SUCCESS) break;
  }
  if (result !== KERN_SUCCESS) yield* undoKernelWiring(vm, thread, map, first, entry, end);
  yield* unclipRange(vm, thread, map, first, end);
  map.timestamp++;
  unlockMapWrite(map, thread);
  return result;
}

/** A failure half-way: what was not reached only counts back, what was reached is unwired. */
function* undoKernelWiring(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  first: MapEntry,
  failed: MapEntry,
  end: number,
): Task<void> {
  for (let entry = failed; !map.isHead(entry) && entry.start < end; entry = entry.next) entry.wiredCount--;
  for (let entry = first; entry !== failed; entry = entry.next) {
    entry.wiredCount--;
    if (entry.wiredCount === 0) yield* faultUnwire(vm, thread, map, entry);
  }
}

/** vm_map_wire(KM_PAGEABLE): takes one wiring of the kernel's back. */
export function* unwireKernel(vm: Vm, process: DragonflyProcess, start: number, end: number): Task<number> {
  const { map, thread } = process;
  yield* lockMap(map, thread);
  if (!reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  const first = yield* clipRange(vm, thread, map, start, end);
  if (first === null) {
    unlockMapWrite(map, thread);
    return KERN_INVALID_ADDRESS;
  }
  let result = KERN_SUCCESS;
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.wiredCount === 0) result = KERN_INVALID_ARGUMENT;
  }
  if (result === KERN_SUCCESS) {
    for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
      entry.wiredCount--;
      if (entry.wiredCount === 0) yield* faultUnwire(vm, thread, map, entry);
    }
  }
  yield* unclipRange(vm, thread, map, first, end);
  map.timestamp++;
  unlockMapWrite(map, thread);
  return result;
}
