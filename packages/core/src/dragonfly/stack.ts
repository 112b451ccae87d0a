/**
 * Stacks: vm_map_stack and vm_map_growstack.
 *
 * A stack begins with the top 128 KB of its area and remembers in `aux` how many bytes it may still grow by. A fault below it adds an
 * entry of its own, in steps of 128 KB. An address that has nothing to do with a stack is a success without change: the fault then finds
 * out by itself that nobody is there.
 *
 * As seeded, growing does not ask whether the entry above is a stack. The master entry of a virtual page table lies in the same field, so a fault
 * less than that many bytes below such a mapping grows memory there. Mended, the flag is asked.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL } from '../vm/prot.js';
import { ONE_ENTRY, reserves } from '../vm/reserve.js';
import { KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { clipEnd, MAP_ENTRY_STACK, VM_MAPTYPE_NORMAL } from './map-entry.js';
import { MAP_IS_STACK, mapInsert } from './map-insert.js';
import { lockMap, unlockMapWrite } from './map-lock.js';
import { wireUser } from './map-wire.js';
import type { DragonflyProcess } from './process.js';
import type { Vm } from './vm.js';

/** sgrowsiz, in bytes. */
const SGROW_BYTES = 128 * 1024;

/** vm_map_stack over `pages` pages from `bottom`. The map is locked exclusively. */
export function* mapStack(
  vm: Vm,
  thread: Thread,
  process: DragonflyProcess,
  bottom: number,
  pages: number,
  protection: Prot,
  eflags = 0,
  maximum: Prot = PROT_ALL,
): Task<number> {
  const { map } = process;
  const initial = Math.min(pages, SGROW_BYTES / PAGE_SIZE);
  const start = bottom + pages - initial;
  const prev = map.before(start);
  const request = {
    object: null,
    offset: 0,
    start,
    end: bottom + pages,
    maptype: VM_MAPTYPE_NORMAL,
    protection,
    maximum,
    flags: MAP_IS_STACK,
  };
  const result = yield* mapInsert(vm, thread, map, request);
  if (result !== KERN_SUCCESS) return result;
  if (!map.isHead(prev)) clipEnd(vm, map, prev, start);
  const entry = map.lookup(start) as MapEntry;
  entry.availSsize = (pages - initial) * PAGE_SIZE;
  entry.eflags |= eflags;
  return KERN_SUCCESS;
}

/**
 * vm_map_growstack: KERN_SUCCESS, KERN_NO_SPACE when a stack is meant but cannot grow so far, or KERN_RESOURCE_SHORTAGE when there is no memory
 * for the entry. `vpn` is a page.
 */
export function* growStack(vm: Vm, process: DragonflyProcess, thread: Thread, vpn: number): Task<number> {
  const { map } = process;
  while (!map.lock.acquireRead(thread)) yield;
  const wanted = stackAbove(vm, process, vpn) !== null;
  map.lock.releaseRead(thread);
  if (!wanted) return KERN_SUCCESS;
  yield* lockMap(map, thread);
  const stack = stackAbove(vm, process, vpn);
  const result = stack === null ? KERN_SUCCESS : yield* grow(vm, thread, process, stack, vpn);
  unlockMapWrite(map, thread);
  return result;
}

/** The entry above the address, if the address lies in its room to grow. */
function stackAbove(vm: Vm, process: DragonflyProcess, vpn: number): MapEntry | null {
  const { map } = process;
  if (map.lookup(vpn) !== null) return null;
  const stack = map.before(vpn).next;
  if (map.isHead(stack) || vpn >= stack.start) return null;
  if (vm.mended && (stack.eflags & MAP_ENTRY_STACK) === 0) return null;
  const room = stack.availSsize;
  return room < 1 || vpn * PAGE_SIZE < stack.start * PAGE_SIZE - room ? null : stack;
}

/** Pages that a stack has: its entries lie one on the other. */
function stackPages(map: VmMap, lowest: MapEntry): number {
  let pages = 0;
  let end = lowest.start;
  for (let entry = lowest; !map.isHead(entry) && entry.start === end; entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_STACK) === 0) break;
    pages += entry.end - entry.start;
    end = entry.end;
  }
  return pages;
}

function* grow(vm: Vm, thread: Thread, process: DragonflyProcess, stack: MapEntry, vpn: number): Task<number> {
  const { map } = process;
  const below = map.before(vpn);
  const top = stack.start * PAGE_SIZE;
  const room = Math.min(stack.availSsize, (map.stackLimit - stackPages(map, stack)) * PAGE_SIZE);
  const floor = map.isHead(below) ? top - stack.availSsize : below.end * PAGE_SIZE;
  const needed = Math.ceil((top - vpn * PAGE_SIZE) / PAGE_SIZE) * PAGE_SIZE;
  if (needed > room) return KERN_NO_SPACE;
  if (needed > top - floor) {
    stack.availSsize = top - floor;
    return KERN_NO_SPACE;
  }
  if (!reserves(vm, () => ONE_ENTRY)) return KERN_RESOURCE_SHORTAGE;
  let start = top - Math.min(Math.ceil(needed / SGROW_BYTES) * SGROW_BYTES, room);
  if (start < floor) {
    stack.availSsize = top - floor;
    start = floor;
  }
  const startPage = start / PAGE_SIZE;
  const request = {
    object: null,
    offset: 0,
    start: startPage,
    end: stack.start,
    maptype: VM_MAPTYPE_NORMAL,
    protection: PROT_ALL,
    maximum: PROT_ALL,
    flags: MAP_IS_STACK,
  };
  const result = yield* mapInsert(vm, thread, map, request);
  if (result !== KERN_SUCCESS) return result;
  if (!map.isHead(below)) clipEnd(vm, map, below, startPage);
  const grown = map.lookup(vpn) as MapEntry;
  grown.availSsize = stack.availSsize - (grown.end - grown.start) * PAGE_SIZE;
  if (map.wireFuture) {
    unlockMapWrite(map, thread);
    yield* wireUser(vm, process, grown.start, grown.end);
    yield* lockMap(map, thread);
  }
  return result;
}
