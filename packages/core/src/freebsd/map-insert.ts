/**
 * New ranges: vm_map_insert, vm_map_find, vm_map_stack, vm_map_submap, and the translations that a new mapping gets at once.
 *
 * All are entered and left with the map write-locked.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_EXECUTE, PROT_READ } from '../vm/prot.js';
import { collapse } from './collapse.js';
import { KERN_INVALID_ADDRESS, KERN_INVALID_ARGUMENT, KERN_NO_SPACE, KERN_SUCCESS } from './kern.js';
import type { VmMap } from './map-entry.js';
import {
  clipEnd,
  clipStart,
  MAP_ENTRY_COW,
  MAP_ENTRY_GROWS_DOWN,
  MAP_ENTRY_GROWS_UP,
  MAP_ENTRY_IS_SUB_MAP,
  MAP_ENTRY_NEEDS_COPY,
  MAP_ENTRY_NOFAULT,
  MAP_ENTRY_NOSYNC,
  MapEntry,
  simplifyEntry,
  VM_INHERIT_DEFAULT,
} from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJ_ONEMAPPING, OBJT_DEFAULT, OBJT_SWAP, OBJT_VNODE, objectReference } from './object.js';
import { objectPageRemove } from './object-pages.js';
import { pageFullyValid, pageIndex, pageLookup } from './page.js';
import { queueCounts } from './page-alloc.js';
import { swapFreespace } from './pager-swap.js';
import type { Vm } from './vm.js';

/** How a range is entered. */
export const MAP_COPY_ON_WRITE = 0x0002;
export const MAP_NOFAULT = 0x0004;
export const MAP_PREFAULT_PARTIAL = 0x0010;
export const MAP_DISABLE_SYNCER = 0x0020;
export const MAP_STACK_GROWS_DOWN = 0x1000;
export const MAP_STACK_GROWS_UP = 0x2000;

export interface Insertion {
  readonly object: VmObject | null;
  /** Pages. */
  readonly offset: number;
  readonly start: number;
  readonly end: number;
  readonly protection: Prot;
  readonly maximum: Prot;
  readonly flags: number;
}

function entryFlags(flags: number): number {
  let eflags = 0;
  if ((flags & MAP_COPY_ON_WRITE) !== 0) eflags |= MAP_ENTRY_COW | MAP_ENTRY_NEEDS_COPY;
  if ((flags & MAP_NOFAULT) !== 0) eflags |= MAP_ENTRY_NOFAULT;
  if ((flags & MAP_DISABLE_SYNCER) !== 0) eflags |= MAP_ENTRY_NOSYNC;
  return eflags;
}

/** vm_map_insert: enters a range where there is none. The caller's reference on the object goes to the entry. */
export function* mapInsert(vm: Vm, thread: Thread, map: VmMap, request: Insertion): Task<number> {
  const { start, end } = request;
  if (start < map.minPage || end > map.maxPage || start >= end) return KERN_INVALID_ADDRESS;
  const prev = map.before(start);
  if (!map.isHead(prev) && prev.end > start) return KERN_NO_SPACE;
  if (!map.isHead(prev.next) && prev.next.start < end) return KERN_NO_SPACE;
  const eflags = entryFlags(request.flags);
  let { object, offset } = request;
  if (object !== null) {
    if (object.refCount > 1 || object.shadowCount !== 0) object.flags &= ~OBJ_ONEMAPPING;
  } else if (yield* extendsObject(vm, thread, map, prev, request, eflags)) {
    if (sameAsNew(prev, request)) {
      map.size += end - prev.end;
      prev.end = end;
      yield* simplifyEntry(vm, thread, map, prev);
      return KERN_SUCCESS;
    }
    object = prev.object;
    offset = prev.offset + (prev.end - prev.start);
    if (object !== null) objectReference(object);
  }
  const entry = new MapEntry();
  entry.start = start;
  entry.end = end;
  entry.eflags = eflags;
  entry.object = object;
  entry.offset = offset;
  entry.protection = request.protection;
  entry.maxProtection = request.maximum;
  map.link(entry);
  map.size += end - start;
  if ((request.flags & MAP_PREFAULT_PARTIAL) !== 0 && object !== null) {
    prefaultRange(vm, map, start, request.protection, object, offset, end - start, false);
  }
  return KERN_SUCCESS;
}

/** Whether the entry before touches an anonymous range with these flags, and its object can be made long enough for both. */
function* extendsObject(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  prev: MapEntry,
  request: Insertion,
  eflags: number,
): Task<boolean> {
  if (map.isHead(prev) || prev.eflags !== eflags || prev.end !== request.start || prev.wiredCount !== 0) return false;
  if (prev.object === null) return true;
  return yield* coalesce(vm, thread, prev.object, prev.offset, prev.end - prev.start, request.end - prev.end);
}

function sameAsNew(prev: MapEntry, request: Insertion): boolean {
  return (
    prev.inheritance === VM_INHERIT_DEFAULT &&
    prev.protection === request.protection &&
    prev.maxProtection === request.maximum
  );
}

/** vm_object_coalesce: makes an anonymous object longer for the range behind one that it already serves. */
function* coalesce(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  offset: number,
  size: number,
  more: number,
): Task<boolean> {
  while (!object.lock.acquire(thread)) yield;
  const extended = yield* coalesceLocked(vm, thread, object, offset + size, more);
  object.lock.release(thread);
  return extended;
}

function* coalesceLocked(vm: Vm, thread: Thread, object: VmObject, next: number, more: number): Task<boolean> {
  if (object.type !== OBJT_DEFAULT && object.type !== OBJT_SWAP) return false;
  yield* collapse(vm, thread, object);
  if (object.backing !== null) return false;
  if (object.refCount > 1 && object.size !== next) return false;
  if (next < object.size) {
    yield* objectPageRemove(vm, thread, object, next, next + more, false);
    swapFreespace(object, next, more);
  }
  if (next + more > object.size) object.size = next + more;
  return true;
}

/** vm_map_findspace: the first gap of `length` pages at or above `hint`, or -1. */
export function findSpace(map: VmMap, hint: number, length: number): number {
  let start = Math.max(hint, map.minPage);
  let entry = map.lookup(start) ?? map.before(start);
  if (!map.isHead(entry) && entry.end > start) start = entry.end;
  for (entry = entry.next; !map.isHead(entry) && entry.start - start < length; entry = entry.next) start = entry.end;
  return start + length > map.maxPage ? -1 : start;
}

/** vm_map_stack: a range that grows by itself. `length` pages are there at first, `maximum` at most. */
export function* mapStack(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  place: { readonly bottom: number; readonly maximum: number; readonly initial: number },
  protection: Prot,
  growsDown: boolean,
  maxProtection = protection,
): Task<number> {
  const { bottom, maximum, initial } = place;
  const below = map.before(bottom);
  // All that it may ever grow to must be free now; later mappings may still take some of it.
  if (!map.isHead(below) && below.end > bottom) return KERN_NO_SPACE;
  if (!map.isHead(below.next) && below.next.start < bottom + maximum) return KERN_NO_SPACE;
  const start = growsDown ? bottom + maximum - initial : bottom;
  const result = yield* mapInsert(vm, thread, map, {
    object: null,
    offset: 0,
    start,
    end: start + initial,
    protection,
    maximum: maxProtection,
    flags: 0,
  });
  if (result !== KERN_SUCCESS) return result;
  const entry = map.lookup(start) as MapEntry;
  yield* clipStart(vm, thread, map, entry, start);
  entry.availSsize = maximum - initial;
  entry.stackSize = initial;
  entry.eflags |= growsDown ? MAP_ENTRY_GROWS_DOWN : MAP_ENTRY_GROWS_UP;
  return KERN_SUCCESS;
}

/** vm_map_submap: lets a range that has nothing of its own look into another map. */
export function* mapSubmap(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  submap: VmMap,
): Task<number> {
  const entry = map.lookup(start);
  if (entry === null) return KERN_INVALID_ARGUMENT;
  yield* clipStart(vm, thread, map, entry, start);
  clipEnd(vm, map, entry, end);
  const plain = entry.start === start && entry.end === end && (entry.eflags & MAP_ENTRY_COW) === 0;
  if (!plain || entry.object !== null) return KERN_INVALID_ARGUMENT;
  entry.submap = submap;
  entry.eflags |= MAP_ENTRY_IS_SUB_MAP;
  return KERN_SUCCESS;
}

/** MAX_INIT_PT: a mapping larger than this, of an object with more resident pages than this, is not prefaulted. */
const MAX_INIT_PAGES = 96;

/**
 * vm_map_pmap_enter: gives a new mapping of a file translations to what is in memory of it, for reading. With advice (`willneed`) there is
 * no size limit, but it stops when memory gets short.
 */
export function prefaultRange(
  vm: Vm,
  map: VmMap,
  start: number,
  prot: Prot,
  object: VmObject,
  pindex: number,
  size: number,
  advised: boolean,
): void {
  if ((prot & (PROT_READ | PROT_EXECUTE)) === 0 || object.type !== OBJT_VNODE) return;
  let length = size;
  if (!advised && length > MAX_INIT_PAGES && object.residentCount > MAX_INIT_PAGES) return;
  length = Math.min(length, object.size - pindex);
  for (const page of residentBetween(vm, object, pindex, pindex + length)) {
    // Free frames alone, without the cached ones: the kernel wants to keep what its pv entries could come from.
    if (advised && queueCounts(vm).free < vm.thresholds.freeReserved) return;
    if (!pageFullyValid(vm, page)) continue;
    vm.pmap.enterQuick(map.pmap, start + pageIndex(vm, page) - pindex, page, prot);
  }
}

function* residentBetween(vm: Vm, object: VmObject, from: number, to: number): Generator<number> {
  if (object.residentCount === 0) return;
  for (let pindex = from; pindex < to; pindex++) {
    const page = pageLookup(vm, object, pindex);
    if (page >= 0) yield page;
  }
}
