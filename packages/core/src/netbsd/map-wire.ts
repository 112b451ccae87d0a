/**
 * uvm_map_pageable: mlock and munlock of a range.
 *
 * Wiring is done in two passes. With the map write-locked, whatever would need that lock later is done at once: amaps are made, entries clipped,
 * counts raised. Then, with the map only busy, the pages of the entries whose count has become one are faulted in. A failure lowers the
 * counts again and unwires what was done. Unwiring drops every count to zero, however often the range was wired.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_NONE, PROT_WRITE } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import { amapCopy } from './amap-copy.js';
import { EFAULT, EINVAL, ENOMEM } from './codes.js';
import type { FaultUsage } from './fault-state.js';
import { wirePages } from './fault-wire.js';
import type { MapEntry, VmMap } from './map.js';
import {
  clampRange,
  clipEnd,
  clipStart,
  lockMap,
  UVM_ET_NEEDSCOPY,
  UVM_ET_SUBMAP,
  unbusyMap,
  unlockMap,
} from './map.js';
import { unwireEntry } from './map-range.js';
import { clipNeeds } from './reserve.js';
import type { Vm } from './vm.js';
import { callAccount, waitForMemory } from './wait.js';

/** Whether the entry ends before `end` and the next one does not begin there. */
function holeBehind(map: VmMap, entry: MapEntry, end: number): boolean {
  return entry.end < end && (map.isHead(entry.next) || entry.next.start > entry.end);
}

/** Wires a range. Takes and gives back the map's lock. Answers 0 or an errno. */
export function* wireRange(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  from: number,
  to: number,
  usage: FaultUsage | null,
): Task<number> {
  const { start, end } = clampRange(map, from, to);
  if (start >= end) return 0;
  yield* lockMap(vm, map, thread);
  const first = map.lookup(start);
  if (first === null) {
    unlockMap(map, thread);
    return EFAULT;
  }
  if (!reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMap(map, thread);
    return ENOMEM;
  }
  const error = yield* prepareEntries(vm, thread, map, first, start, end);
  if (error !== 0) {
    unlockMap(map, thread);
    return error;
  }
  map.busy = thread;
  unlockMap(map, thread);
  return yield* wireEntries(vm, thread, map, first, end, usage);
}

/** The first pass. */
function* prepareEntries(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  first: MapEntry,
  start: number,
  end: number,
): Task<number> {
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.wiredCount === 0 && (entry.etype & UVM_ET_SUBMAP) === 0) {
      if (!(yield* makeAmap(vm, thread, map, entry, start, end))) {
        dropCounts(map, entry.prev, start);
        return ENOMEM;
      }
    }
    clipStart(map, entry, start);
    clipEnd(map, entry, end);
    entry.wiredCount++;
    if (entry.protection !== PROT_NONE && !holeBehind(map, entry, end)) continue;
    dropCounts(map, entry, start);
    return EINVAL;
  }
  return 0;
}

/** The entries from the one at `start` up to this one count as wired once less. */
function dropCounts(map: VmMap, last: MapEntry, start: number): void {
  for (let entry = last; !map.isHead(entry) && entry.end > start; entry = entry.prev) entry.wiredCount--;
}

/** What a fault would do under the write lock, it could not do later. False without memory. */
function* makeAmap(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry, start: number, end: number): Task<boolean> {
  const account = callAccount(vm);
  while (
    (entry.etype & UVM_ET_NEEDSCOPY) !== 0 &&
    ((entry.maxProtection & PROT_WRITE) !== 0 || entry.object === null)
  ) {
    amapCopy(vm, map, entry, true, start, end);
    if ((entry.etype & UVM_ET_NEEDSCOPY) === 0) return true;
    if (!(yield* waitForMemory(vm, thread, account, 'amapcopy'))) return false;
  }
  return true;
}

/** The second pass: the map is busy for us, and not locked. */
function* wireEntries(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  first: MapEntry,
  end: number,
  usage: FaultUsage | null,
): Task<number> {
  let error = 0;
  let entry = first;
  for (; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.wiredCount !== 1) continue;
    error = yield* wirePages(vm, thread, map, entry.start, entry.end, entry.maxProtection, true, usage);
    if (error !== 0) break;
  }
  if (error === 0) {
    unbusyMap(vm, map);
    return 0;
  }
  yield* lockMap(vm, map, thread);
  unbusyMap(vm, map);
  const failed = entry;
  for (; !map.isHead(entry) && entry.start < end; entry = entry.next) entry.wiredCount--;
  for (entry = first; entry !== failed; entry = entry.next) {
    entry.wiredCount--;
    if (entry.wiredCount === 0) unwireEntry(vm, map, entry);
  }
  unlockMap(map, thread);
  return error;
}

/** Unwires a range. Takes and gives back the map's lock. Answers 0 or an errno. */
export function* unwireRange(vm: Vm, thread: Thread, map: VmMap, from: number, to: number): Task<number> {
  const { start, end } = clampRange(map, from, to);
  if (start >= end) return 0;
  yield* lockMap(vm, map, thread);
  const error = unwireLocked(vm, map, start, end);
  unlockMap(map, thread);
  return error;
}

function unwireLocked(vm: Vm, map: VmMap, start: number, end: number): number {
  const first = map.lookup(start);
  if (first === null) return EFAULT;
  if (!reserves(vm, () => clipNeeds(map, start, end))) return ENOMEM;
  clipStart(map, first, start);
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.wiredCount === 0 || holeBehind(map, entry, end)) return EINVAL;
  }
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    clipEnd(map, entry, end);
    if (entry.wiredCount > 0) unwireEntry(vm, map, entry);
  }
  return 0;
}

/** uvm_map_pageable_all, wiring: entries with no protection are left for later, wired ones alone. */
export function* wireAll(vm: Vm, thread: Thread, map: VmMap, usage: FaultUsage | null): Task<number> {
  yield* lockMap(vm, map, thread);
  const wanted: MapEntry[] = [];
  for (let entry = map.header.next; !map.isHead(entry); entry = entry.next) {
    if (entry.protection === PROT_NONE) continue;
    if (entry.wiredCount === 0 && (entry.etype & UVM_ET_SUBMAP) === 0) {
      if (!(yield* makeAmap(vm, thread, map, entry, entry.start, entry.end))) {
        for (const counted of wanted) counted.wiredCount--;
        unlockMap(map, thread);
        return ENOMEM;
      }
    }
    entry.wiredCount++;
    wanted.push(entry);
  }
  map.busy = thread;
  unlockMap(map, thread);
  let error = 0;
  let at = 0;
  for (; at < wanted.length && error === 0; at++) {
    const entry = wanted[at];
    if (entry.wiredCount !== 1) continue;
    error = yield* wirePages(vm, thread, map, entry.start, entry.end, entry.maxProtection, true, usage);
  }
  yield* lockMap(vm, map, thread);
  unbusyMap(vm, map);
  if (error !== 0) {
    const failed = at - 1;
    for (const [i, entry] of wanted.entries()) {
      entry.wiredCount--;
      if (i < failed && entry.wiredCount === 0) unwireEntry(vm, map, entry);
    }
  }
  unlockMap(map, thread);
  return error;
}

/** uvm_map_pageable_all, unwiring. */
export function* unwireAll(vm: Vm, thread: Thread, map: VmMap): Task<void> {
  yield* lockMap(vm, map, thread);
  map.wireFuture = false;
  for (let entry = map.header.next; !map.isHead(entry); entry = entry.next) {
    if (entry.wiredCount > 0) unwireEntry(vm, map, entry);
  }
  unlockMap(map, thread);
}
