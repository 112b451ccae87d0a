/**
 * New ranges: vm_map_insert, vm_map_findspace, and the translations that a new file mapping gets at once.
 *
 * All are entered and left with the map locked exclusively. A range without an object that touches one of its kind makes that one, or
 * its object, longer; a range that brings its own object is never joined to its neighbours here.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_READ } from '../vm/prot.js';
import { collapse } from './collapse.js';
import { KERN_INVALID_ADDRESS, KERN_NO_SPACE, KERN_SUCCESS } from './kern.js';
import type { VmMap } from './map-entry.js';
import {
  MAP_ENTRY_COW,
  MAP_ENTRY_NEEDS_COPY,
  MAP_ENTRY_NOFAULT,
  MAP_ENTRY_NOSYNC,
  MAP_ENTRY_STACK,
  MapEntry,
  simplifyEntry,
  VM_INHERIT_DEFAULT,
  VM_MAPTYPE_VPAGETABLE,
} from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJ_ONEMAPPING, OBJT_VNODE, objectReference } from './object.js';
import { objectPageRemove, pagesInRange } from './object-pages.js';
import {
  isCached,
  PG_FICTITIOUS,
  pageBusy,
  pageDeactivate,
  pageFullyValid,
  pageHasFlag,
  pageIndex,
  pageIsBusy,
  pageWakeup,
} from './page.js';
import type { Vm } from './vm.js';

/** How a range is entered. */
export const MAP_COPY_ON_WRITE = 0x0002;
export const MAP_NOFAULT = 0x0004;
export const MAP_PREFAULT_PARTIAL = 0x0010;
export const MAP_DISABLE_SYNCER = 0x0020;
export const MAP_IS_STACK = 0x1000;

export interface Insertion {
  readonly object: VmObject | null;
  /** Pages. */
  readonly offset: number;
  readonly start: number;
  readonly end: number;
  readonly maptype: number;
  readonly protection: Prot;
  readonly maximum: Prot;
  readonly flags: number;
}

function entryFlags(flags: number): number {
  let eflags = 0;
  if ((flags & MAP_COPY_ON_WRITE) !== 0) eflags |= MAP_ENTRY_COW | MAP_ENTRY_NEEDS_COPY;
  if ((flags & MAP_NOFAULT) !== 0) eflags |= MAP_ENTRY_NOFAULT;
  if ((flags & MAP_DISABLE_SYNCER) !== 0) eflags |= MAP_ENTRY_NOSYNC;
  if ((flags & MAP_IS_STACK) !== 0) eflags |= MAP_ENTRY_STACK;
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
  entry.maptype = request.maptype;
  entry.object = object;
  entry.offset = offset;
  entry.protection = request.protection;
  entry.maxProtection = request.maximum;
  map.link(entry);
  map.size += end - start;
  if ((request.flags & MAP_PREFAULT_PARTIAL) !== 0 && object !== null && request.maptype !== VM_MAPTYPE_VPAGETABLE) {
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
  if (prev.maptype !== request.maptype) return false;
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
  if (!object.defaultOrSwap) return false;
  yield* collapse(vm, thread, object);
  const next = Math.floor(offset + size);
  if (object.backing !== null || (object.refCount > 1 && object.size !== next)) return false;
  if (next < object.size) yield* objectPageRemove(vm, thread, object, next, next + more, false);
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

/** MAX_INIT_PT: a mapping larger than this, of an object with more resident pages than this, is not prefaulted. */
const MAX_INIT_PAGES = 96;

/**
 * pmap_object_init_pt: gives a new mapping of a file translations to what is in memory of it, for reading. With advice (`willneed`) there is
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
  if ((prot & PROT_READ) === 0 || object.type !== OBJT_VNODE) return;
  if (!advised && size > MAX_INIT_PAGES && object.residentCount > MAX_INIT_PAGES) return;
  const end = Math.min(pindex + size, object.size);
  for (const page of pagesInRange(vm, object, pindex, end)) {
    if (advised && vm.pages.freeCount < vm.thresholds.freeReserved) return;
    if (!pageFullyValid(vm, page) || pageIsBusy(vm, page) || pageHasFlag(vm, page, PG_FICTITIOUS)) continue;
    pageBusy(vm, page);
    if (isCached(vm, page)) pageDeactivate(vm, page);
    vm.pmap.enterQuick(map.pmap, start + pageIndex(vm, page) - pindex, page);
    pageWakeup(vm, page);
  }
}
