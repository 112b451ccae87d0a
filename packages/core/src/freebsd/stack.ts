/**
 * vm_map_growstack: a fault just below (or above) a stack makes the stack larger.
 *
 * Growth is by 128 KiB at least, within what the entry may still grow by, the gap to its neighbour, and the limits of the process. An address
 * that has nothing to do with a stack is a success without change: the fault then finds out by itself that nobody is there.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { ONE_ENTRY, reserves } from '../vm/reserve.js';
import type { Fault, FaultStage } from './fault-state.js';
import { KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { clipEnd, MAP_ENTRY_GROWS_DOWN, MAP_ENTRY_GROWS_UP } from './map-entry.js';
import { mapInsert } from './map-insert.js';
import type { Vm } from './vm.js';

/** sgrowsiz, in pages. */
const SGROW_PAGES = 32;

/** Tries to grow a stack to hold the fault's address; the answer is in `result`, and `then` follows. */
export function startGrowStack(f: Fault, then: FaultStage): FaultStage | null {
  f.following = then;
  f.task = growInTask(f);
  return growing;
}

function growing(f: Fault): FaultStage | null {
  const step = (f.task as Task<void>).next();
  if (step.done !== true) return growing;
  f.task = null;
  return f.following;
}

function* growInTask(f: Fault): Task<void> {
  f.result = yield* growStack(f.vm, f.thread, f.originalMap, f.vaddr);
}

/**
 * vm_map_growstack: KERN_SUCCESS, KERN_NO_SPACE when a stack is meant but cannot grow so far, or KERN_RESOURCE_SHORTAGE when there is no memory
 * for the entry. `vpn` is a page.
 */
export function* growStack(vm: Vm, thread: Thread, map: VmMap, vpn: number): Task<number> {
  while (!map.lock.acquireRead(thread)) yield;
  const inside = map.lookup(vpn) !== null;
  const below = map.before(vpn);
  const above = below.next;
  const stack = inside ? null : growingEntry(map, below, above);
  map.lock.releaseRead(thread);
  if (stack === null) return KERN_SUCCESS;
  while (!map.lock.acquireWrite(thread)) yield;
  map.timestamp++;
  const down = stack === above;
  const result = down
    ? yield* growDown(vm, thread, map, stack, below, vpn)
    : yield* growUp(vm, thread, map, stack, above, vpn);
  map.lock.releaseWrite(thread);
  return result;
}

/** The neighbour that grows towards the gap, if one does. */
function growingEntry(map: VmMap, below: MapEntry, above: MapEntry): MapEntry | null {
  if (!map.isHead(above) && (above.eflags & MAP_ENTRY_GROWS_DOWN) !== 0) return above;
  if (!map.isHead(below) && (below.eflags & MAP_ENTRY_GROWS_UP) !== 0) return below;
  return null;
}

/** How many pages to grow by so that `needed` fit: a multiple of the step, but not beyond what is left. -1: not possible. */
function growth(needed: number, available: number, gap: number): number {
  if (needed > available || needed > gap) return -1;
  return Math.min(Math.ceil(needed / SGROW_PAGES) * SGROW_PAGES, available, gap);
}

function* growDown(vm: Vm, thread: Thread, map: VmMap, stack: MapEntry, below: MapEntry, vpn: number): Task<number> {
  const gap = stack.start - (map.isHead(below) ? map.minPage : below.end);
  const available = Math.min(stack.availSsize, map.stackLimit - stack.stackSize);
  const needed = stack.start - vpn;
  const pages = growth(needed, available, gap);
  if (pages < 0) return KERN_NO_SPACE;
  if (!reserves(vm, () => ONE_ENTRY)) return KERN_RESOURCE_SHORTAGE;
  // Whoever has filled the gap remembers no more room than that.
  if (pages === gap && growth(needed, available, available) > gap) stack.availSsize = gap;
  const start = stack.start - pages;
  const result = yield* mapInsert(vm, thread, map, {
    object: null,
    offset: 0,
    start,
    end: stack.start,
    protection: stack.protection,
    maximum: stack.maxProtection,
    flags: 0,
  });
  if (result !== KERN_SUCCESS) return result;
  // What lies below may have been made longer instead: the stack has an entry of its own.
  if (!map.isHead(below)) clipEnd(vm, map, below, start);
  const grown = map.lookup(start) as MapEntry;
  const left = stack.availSsize - pages;
  const size = stack.stackSize + pages;
  grown.eflags = (grown.eflags & ~MAP_ENTRY_GROWS_UP) | MAP_ENTRY_GROWS_DOWN;
  stack.eflags &= ~MAP_ENTRY_GROWS_DOWN;
  stack.availSsize = 0;
  stack.stackSize = 0;
  grown.availSsize = left;
  grown.stackSize = size;
  return KERN_SUCCESS;
}

function* growUp(vm: Vm, thread: Thread, map: VmMap, stack: MapEntry, above: MapEntry, vpn: number): Task<number> {
  const ceiling = map.isHead(above) ? map.maxPage : above.start;
  const pages = growth(vpn - stack.end + 1, stack.availSsize, ceiling - stack.end);
  if (pages < 0) return KERN_NO_SPACE;
  if (!reserves(vm, () => ONE_ENTRY)) return KERN_RESOURCE_SHORTAGE;
  const oldEnd = stack.end;
  const flags = stack.eflags;
  const left = stack.availSsize - pages;
  stack.eflags &= ~MAP_ENTRY_GROWS_UP;
  const result = yield* mapInsert(vm, thread, map, {
    object: null,
    offset: 0,
    start: oldEnd,
    end: oldEnd + pages,
    protection: stack.protection,
    maximum: stack.maxProtection,
    flags: 0,
  });
  const grown = (map.lookup(oldEnd) as MapEntry | null) ?? stack;
  grown.eflags |= flags & MAP_ENTRY_GROWS_UP;
  if (result === KERN_SUCCESS) grown.availSsize = left;
  return result;
}
