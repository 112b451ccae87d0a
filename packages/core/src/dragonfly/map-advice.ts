/**
 * vm_map_madvise: advice on ranges. What concerns the reader's behaviour is kept in the entry; what concerns pages goes to the objects;
 * and two words concern virtual page tables: SETMAP sets the master entry, INVAL drops the translations so that the table is walked again.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { reserves } from '../vm/reserve.js';
import { KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from './kern.js';
import type { VmMap } from './map-entry.js';
import {
  clipEnd,
  firstInRange,
  MAP_ENTRY_BEHAV_MASK,
  MAP_ENTRY_BEHAV_NORMAL,
  MAP_ENTRY_BEHAV_RANDOM,
  MAP_ENTRY_BEHAV_SEQUENTIAL,
  MAP_ENTRY_NOCOREDUMP,
  MAP_ENTRY_NOSYNC,
  type MapEntry,
  simplifyEntry,
  VM_MAPTYPE_NORMAL,
  VM_MAPTYPE_SUBMAP,
  VM_MAPTYPE_VPAGETABLE,
} from './map-entry.js';
import { prefaultRange } from './map-insert.js';
import { lockMap, unlockMapWrite } from './map-lock.js';
import type { ObjectAdvice } from './object-pages.js';
import { objectMadvise } from './object-pages.js';
import { clipNeeds } from './reserve.js';
import { withToken } from './tokens.js';
import type { Vm } from './vm.js';

/** Advice that is kept in the entry, and what it does to the flags. */
const ENTRY_ADVICE: Readonly<Record<string, (eflags: number) => number>> = {
  normal: (e) => (e & ~MAP_ENTRY_BEHAV_MASK) | MAP_ENTRY_BEHAV_NORMAL,
  sequential: (e) => (e & ~MAP_ENTRY_BEHAV_MASK) | MAP_ENTRY_BEHAV_SEQUENTIAL,
  random: (e) => (e & ~MAP_ENTRY_BEHAV_MASK) | MAP_ENTRY_BEHAV_RANDOM,
  nosync: (e) => e | MAP_ENTRY_NOSYNC,
  autosync: (e) => e & ~MAP_ENTRY_NOSYNC,
  nocore: (e) => e | MAP_ENTRY_NOCOREDUMP,
  core: (e) => e & ~MAP_ENTRY_NOCOREDUMP,
};

export type MapAdvice =
  | 'normal'
  | 'sequential'
  | 'random'
  | 'nosync'
  | 'autosync'
  | 'nocore'
  | 'core'
  | 'inval'
  | ObjectAdvice;

/** Every advice, in words. */
export const MAP_ADVICE_WORDS: readonly string[] = [
  ...Object.keys(ENTRY_ADVICE),
  'inval',
  'willneed',
  'dontneed',
  'free',
];

/** A master entry in two 32-bit halves. */
export interface MasterEntry {
  readonly high: number;
  readonly low: number;
}

/** What is done to one entry, clipped; answers a code. */
type Change = (entry: MapEntry) => number;

export function* madviseRange(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  advice: MapAdvice,
): Task<number> {
  const flags = ENTRY_ADVICE[advice];
  if (flags !== undefined) {
    const change: Change = (entry) => {
      entry.eflags = flags(entry.eflags);
      return KERN_SUCCESS;
    };
    return yield* changeEntries(vm, thread, map, start, end, change);
  }
  if (advice === 'inval') {
    const change: Change = (entry) => {
      vm.pmap.remove(map.pmap, Math.floor(entry.start), entry.end);
      return KERN_SUCCESS;
    };
    return yield* changeEntries(vm, thread, map, start, end, change);
  }
  yield* adviseObjects(vm, thread, map, start, end, advice as ObjectAdvice);
  return KERN_SUCCESS;
}

/** MADV_SETMAP: the master entry of every virtual page table in the range. Other entries are an error, but stop nothing. */
export function* setMasterEntry(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  master: MasterEntry,
): Task<number> {
  return yield* changeEntries(vm, thread, map, start, end, (entry) => {
    if (entry.maptype !== VM_MAPTYPE_VPAGETABLE) return KERN_INVALID_ARGUMENT;
    entry.auxHigh = master.high;
    entry.auxLow = master.low;
    vm.pmap.remove(map.pmap, Math.floor(entry.start), entry.end);
    return KERN_SUCCESS;
  });
}

function* changeEntries(vm: Vm, thread: Thread, map: VmMap, start: number, end: number, change: Change): Task<number> {
  yield* lockMap(map, thread);
  if (!reserves(vm, () => clipNeeds(map, start, end))) {
    unlockMapWrite(map, thread);
    return KERN_RESOURCE_SHORTAGE;
  }
  let result = KERN_SUCCESS;
  let entry = yield* firstInRange(vm, thread, map, start);
  for (; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.maptype === VM_MAPTYPE_SUBMAP) continue;
    clipEnd(vm, map, entry, end);
    const code = change(entry);
    if (code !== KERN_SUCCESS) result = code;
    yield* simplifyEntry(vm, thread, map, entry);
  }
  unlockMapWrite(map, thread);
  return result;
}

/** Advice on pages goes to the objects of ordinary entries; no entry is clipped. */
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
    if (object === null || entry.maptype !== VM_MAPTYPE_NORMAL) continue;
    const from = Math.max(start, entry.start);
    const to = Math.min(end, entry.end);
    const pindex = Math.floor(entry.offset + from - entry.start);
    const task = objectMadvise(vm, thread, object, pindex, pindex + to - from, advice);
    yield* withToken(vm.vmToken, thread, task);
    if (advice === 'willneed') prefaultRange(vm, map, from, entry.protection, object, pindex, to - from, true);
  }
  map.lock.releaseRead(thread);
}
