/**
 * vm_map_pageable: wiring a range, and undoing it.
 *
 * Wiring counts: n calls need n undone. The first pass, under the write lock, counts, and makes the shadow or the object that a fault could
 * not make under a read lock; the second, under a read lock that it keeps (the faults take it again), faults in every entry
 * that was wired just now. As seeded nothing can go wrong: pages that cannot be had are passed over, and the count stays.
 *
 * Mended, as the tree did in March 1993: a page that cannot be had undoes what the call has wired so far, and is the answer.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_WRITE } from '../vm/prot.js';
import { faultUnwire, faultWire } from './fault-wire.js';
import { KERN_INVALID_ARGUMENT, KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { clipEnd, firstInRange, lockMap, unlockMap, within } from './map-entry.js';
import { giveObject, shadowEntry } from './map-lookup.js';
import type { Vm } from './vm.js';

/** vm_map_pageable(.., FALSE). */
export function* wireRange(vm: Vm, thread: Thread, map: VmMap, from: number, to: number): Task<number> {
  const end = map.clampEnd(to);
  yield* lockMap(map, thread);
  const first = firstInRange(map, map.clampStart(from));
  for (let entry = first; within(map, entry, end); entry = entry.next) {
    clipEnd(map, entry, end);
    entry.wiredCount++;
    if (entry.wiredCount === 1) prepare(vm, entry);
  }
  map.lock.downgrade(thread);
  const { result, wired } = yield* faultIn(vm, thread, map, first, end);
  map.lock.releaseRead(thread);
  if (result !== KERN_SUCCESS) yield* undo(vm, thread, map, from, to, wired);
  return result;
}

/** What vm_map_lookup would need the write lock for. A sharing map's entries are left to the faults. */
function prepare(vm: Vm, entry: MapEntry): void {
  if (entry.shareMap !== null) return;
  if (entry.needsCopy && (entry.protection & PROT_WRITE) !== 0) shadowEntry(vm, entry);
  else if (entry.object === null) giveObject(vm, entry);
}

/** How far the second pass came: entries below page `wired` are wired. */
interface Wiring {
  readonly result: number;
  readonly wired: number;
}

function* faultIn(vm: Vm, thread: Thread, map: VmMap, first: MapEntry, end: number): Task<Wiring> {
  for (let entry = first; within(map, entry, end); entry = entry.next) {
    if (entry.wiredCount !== 1) continue;
    const result = yield* faultWire(vm, thread, map, entry.start, entry.end);
    if (result !== KERN_SUCCESS) return { result, wired: entry.start };
  }
  return { result: KERN_SUCCESS, wired: end };
}

/** Mended only: one count less for every entry of the range, as if it had never been wired. */
function* undo(vm: Vm, thread: Thread, map: VmMap, from: number, to: number, wired: number): Task<void> {
  const end = map.clampEnd(to);
  yield* lockMap(map, thread);
  for (let entry = firstInRange(map, map.clampStart(from)); within(map, entry, end); entry = entry.next) {
    if (entry.wiredCount === 0) continue;
    entry.wiredCount--;
    if (entry.wiredCount === 0 && entry.start < wired) faultUnwire(vm, map, entry.start, entry.end);
  }
  unlockMap(map, thread);
}

/** vm_map_pageable(.., TRUE): refused as a whole when part of the range is not wired. */
export function* unwireRange(vm: Vm, thread: Thread, map: VmMap, from: number, to: number): Task<number> {
  const end = map.clampEnd(to);
  yield* lockMap(map, thread);
  const first = firstInRange(map, map.clampStart(from));
  for (let entry = first; within(map, entry, end); entry = entry.next) {
    if (entry.wiredCount !== 0) continue;
    unlockMap(map, thread);
    return KERN_INVALID_ARGUMENT;
  }
  for (let entry = first; within(map, entry, end); entry = entry.next) {
    clipEnd(map, entry, end);
    entry.wiredCount--;
    if (entry.wiredCount === 0) faultUnwire(vm, map, entry.start, entry.end);
  }
  unlockMap(map, thread);
  return KERN_SUCCESS;
}
