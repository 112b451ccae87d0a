/**
 * vm_map_wire and vm_map_unwire.
 *
 * Wiring an entry faults its pages in with the map unlocked. The entry is marked *in transition* meanwhile: it may be clipped, but nobody
 * merges or deletes it, and whoever wants to waits. A second pass then settles what the first began: on success
 * every entry met is user-wired, on failure each gets back the count that it had.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { reserves } from '../vm/reserve.js';
import type { FaultAccount } from './fault-wire.js';
import { faultUnwire, faultWire } from './fault-wire.js';
import { KERN_INVALID_ADDRESS, KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from './kern.js';
import type { VmMap } from './map-entry.js';
import {
  clipEnd,
  clipStart,
  MAP_ENTRY_IN_TRANSITION,
  MAP_ENTRY_NEEDS_WAKEUP,
  MAP_ENTRY_USER_WIRED,
  type MapEntry,
  simplifyEntry,
} from './map-entry.js';
import { isFictitious, lockMap, unlockMapWrite, waitForTransition } from './map-range.js';
import { clipNeeds } from './reserve.js';
import type { Vm } from './vm.js';

/** Count of an entry whose own wiring failed, until the second pass has seen it. */
const WIRING_FAILED = -1;

export interface WireOptions {
  /** For a user (mlock), not for the kernel itself. */
  readonly user: boolean;
  /** Holes in the range are passed over instead of ending the call. */
  readonly holesOk: boolean;
  /** Whom the faults are charged to. */
  readonly account: FaultAccount | null;
}

/** What the first pass leaves for the second. */
interface Progress {
  result: number;
  /** End of what was worked on. */
  end: number;
}

/** vm_map_wire. Nothing to wire is a success: the kernel of the time left the entry in transition for ever. */
export function* wireRange(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  options: WireOptions,
): Task<number> {
  yield* lockMap(map, thread);
  const missing = map.lookup(start) === null && !options.holesOk;
  if (missing || start >= end) {
    unlockMapWrite(map, thread);
    return missing ? KERN_INVALID_ADDRESS : KERN_SUCCESS;
  }
  if (!reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  const progress: Progress = { result: KERN_SUCCESS, end };
  yield* wireEntries(vm, thread, map, start, progress, options);
  const wake = yield* settle(vm, thread, map, start, progress.end, (entry) =>
    settleWired(vm, map, entry, progress.result, options.user),
  );
  unlockMapWrite(map, thread);
  if (wake) vm.kernel.wakeup(map);
  return progress.result;
}

function hasHoleBehind(map: VmMap, entry: MapEntry, end: number): boolean {
  return entry.end < end && (map.isHead(entry.next) || entry.next.start > entry.end);
}

/** First pass: counts and faults in, entry by entry. */
function* wireEntries(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  progress: Progress,
  options: WireOptions,
): Task<void> {
  const { end } = progress;
  let entry = map.lookup(start) ?? map.before(start).next;
  while (!map.isHead(entry) && entry.start < end) {
    if ((entry.eflags & MAP_ENTRY_IN_TRANSITION) !== 0) {
      const again = yield* waitAndFind(vm, thread, map, entry, start, progress, options.holesOk);
      if (again === null) return;
      entry = again;
      continue;
    }
    yield* clipStart(vm, thread, map, entry, start);
    clipEnd(vm, map, entry, end);
    entry.eflags |= MAP_ENTRY_IN_TRANSITION;
    if (entry.wiredCount === 0) {
      entry = yield* wireEntry(vm, thread, map, entry, progress, options);
      if (progress.result !== KERN_SUCCESS) return;
    } else if (!options.user || (entry.eflags & MAP_ENTRY_USER_WIRED) === 0) {
      entry.wiredCount++;
    }
    if (!options.holesOk && hasHoleBehind(map, entry, end)) {
      progress.end = entry.end;
      progress.result = KERN_INVALID_ADDRESS;
      return;
    }
    entry = entry.next;
  }
}

/** Faults one entry in, with the map unlocked. Answers the entry that then ends where this one did. */
function* wireEntry(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  entry: MapEntry,
  progress: Progress,
  options: WireOptions,
): Task<MapEntry> {
  entry.wiredCount++;
  const { start, end } = entry;
  const fictitious = isFictitious(entry);
  unlockMapWrite(map, thread);
  const stamp = map.timestamp;
  const result = yield* faultWire(vm, thread, map, start, end, options.user, fictitious, options.account);
  yield* lockMap(map, thread);
  let last = entry;
  if (stamp + 1 !== map.timestamp) {
    // The entry may have been clipped meanwhile: all its parts share the outcome.
    last = map.lookup(start) as MapEntry;
    for (; last.end < end; last = last.next) if (result !== KERN_SUCCESS) last.wiredCount = WIRING_FAILED;
  }
  if (result !== KERN_SUCCESS) {
    last.wiredCount = WIRING_FAILED;
    progress.end = last.end;
    progress.result = result;
  }
  return last;
}

/** Waits for an entry that somebody else has in transition, and finds the place again. Null ends the first pass. */
function* waitAndFind(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  entry: MapEntry,
  start: number,
  progress: Progress,
  holesOk: boolean,
): Task<MapEntry | null> {
  const from = Math.max(start, entry.start);
  yield* waitForTransition(vm, map, thread, entry);
  const found = map.lookup(from);
  if (found !== null) return found;
  if (holesOk) return map.before(from).next;
  progress.end = from;
  progress.result = KERN_INVALID_ADDRESS;
  return null;
}

/** Second pass over all entries in transition. Answers whether somebody waits for one of them. */
function* settle(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  one: (entry: MapEntry) => void,
): Task<boolean> {
  let wake = false;
  let entry = map.lookup(start) ?? map.before(start).next;
  for (; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_IN_TRANSITION) === 0) continue;
    one(entry);
    if ((entry.eflags & MAP_ENTRY_NEEDS_WAKEUP) !== 0) wake = true;
    entry.eflags &= ~(MAP_ENTRY_IN_TRANSITION | MAP_ENTRY_NEEDS_WAKEUP);
    yield* simplifyEntry(vm, thread, map, entry);
  }
  return wake;
}

function settleWired(vm: Vm, map: VmMap, entry: MapEntry, result: number, user: boolean): void {
  if (result === KERN_SUCCESS) {
    if (user) entry.eflags |= MAP_ENTRY_USER_WIRED;
    return;
  }
  if (entry.wiredCount === WIRING_FAILED) {
    entry.wiredCount = 0;
    return;
  }
  if (user && (entry.eflags & MAP_ENTRY_USER_WIRED) !== 0) return;
  dropWiring(vm, map, entry);
}

function dropWiring(vm: Vm, map: VmMap, entry: MapEntry): void {
  entry.wiredCount--;
  if (entry.wiredCount === 0) faultUnwire(vm, map, entry.start, entry.end, isFictitious(entry));
}

/** vm_map_unwire. A hole means that nothing is unwired. Entries that no user has wired are passed over. */
export function* unwireRange(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  options: WireOptions,
): Task<number> {
  yield* lockMap(map, thread);
  const missing = map.lookup(start) === null && !options.holesOk;
  if (missing || start >= end) {
    unlockMapWrite(map, thread);
    return missing ? KERN_INVALID_ADDRESS : KERN_SUCCESS;
  }
  if (!reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  const progress: Progress = { result: KERN_SUCCESS, end };
  yield* markForUnwiring(vm, thread, map, start, progress, options);
  const wake = yield* settle(vm, thread, map, start, progress.end, (entry) => {
    if (progress.result !== KERN_SUCCESS) return;
    if (options.user && (entry.eflags & MAP_ENTRY_USER_WIRED) === 0) return;
    if (options.user) entry.eflags &= ~MAP_ENTRY_USER_WIRED;
    dropWiring(vm, map, entry);
  });
  unlockMapWrite(map, thread);
  if (wake) vm.kernel.wakeup(map);
  return progress.result;
}

function systemWirings(entry: MapEntry): number {
  return entry.wiredCount - ((entry.eflags & MAP_ENTRY_USER_WIRED) !== 0 ? 1 : 0);
}

/** First pass: clips, marks, and looks for reasons to refuse. */
function* markForUnwiring(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  progress: Progress,
  options: WireOptions,
): Task<void> {
  const { end } = progress;
  let entry = map.lookup(start) ?? map.before(start).next;
  while (!map.isHead(entry) && entry.start < end) {
    if ((entry.eflags & MAP_ENTRY_IN_TRANSITION) !== 0) {
      const again = yield* waitAndFind(vm, thread, map, entry, start, progress, options.holesOk);
      if (again === null) return;
      entry = again;
      continue;
    }
    yield* clipStart(vm, thread, map, entry, start);
    clipEnd(vm, map, entry, end);
    entry.eflags |= MAP_ENTRY_IN_TRANSITION;
    const hole = !options.holesOk && hasHoleBehind(map, entry, end);
    if (hole || (!options.user && systemWirings(entry) === 0)) {
      progress.end = entry.end;
      progress.result = hole ? KERN_INVALID_ADDRESS : KERN_INVALID_ARGUMENT;
      return;
    }
    entry = entry.next;
  }
}
