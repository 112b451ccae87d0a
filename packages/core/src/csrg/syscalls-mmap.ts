/**
 * mmap (vm_mmap): three kinds of mapping, made in the way of the time.
 *
 * *Anonymous* memory gets a swap pager at once, so its object never grows or collapses into others. *Shared files and devices* are mapped as
 * they are; who may write a file takes its object out of the cache for good, so that the data gets back to the file. A *private file* is
 * mapped in a temporary map, whose range is then copied by name into the target; the file's object pretends to be internal for the moment, so
 * that no copy object is made and later changes of the file are seen; and a look-up for writing forces the shadow at once, so that fork
 * finds what it expects. All resident pages of the file in the range are then write-protected, for everybody.
 *
 * A file offset need not be a whole number of pages: the object then has pages at such odd places, beside and unaware of the others. Indexes are
 * doubles here, so nothing more is needed for it.
 *
 * What was mapped in a fixed range goes first, and stays away when a later step fails; but for want of memory nothing fails later: entries,
 * objects and the swap pager are had before. A range outside the map is ENOMEM.
 */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE, pagesFor } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import { PROT_ALL, PROT_WRITE } from '../vm/prot.js';
import type { Needs } from '../vm/reserve.js';
import { reserves } from '../vm/reserve.js';
import type { MapRequest } from '../vm/system.js';
import { KERN_INVALID_ADDRESS, KERN_NO_SPACE, KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import { copyRange } from './map-copy.js';
import type { MapEntry } from './map-entry.js';
import { lockMap, unlockMap, VM_INHERIT_SHARE, VmMap } from './map-entry.js';
import { giveObject, shadowEntry } from './map-lookup.js';
import { deallocateMap, findSpace, inheritRange, insertLocked, protectRange, removeRange } from './map-range.js';
import type { VmObject } from './object.js';
import { OBJ_CANPERSIST, OBJ_INTERNAL, objectAllocate, objectReference, objectSetPager } from './object.js';
import { objectPmapCopy } from './object-copy.js';
import { deallocate } from './object-end.js';
import type { DeviceHandle } from './pager-device.js';
import { deviceObject } from './pager-device.js';
import { type SwapPager, swapAllocate } from './pager-swap.js';
import type { VnodeHandle } from './pager-vnode.js';
import { vnodeObject } from './pager-vnode.js';
import type { CsrgProcess } from './process.js';
import { clipNeeds } from './reserve.js';
import { badRange, DATA_LIMIT_BYTES } from './syscalls.js';
import type { Vm } from './vm.js';

/** First page of the temporary map of a private file mapping. */
const TEMPORARY_START = 1;

/** mmap. Answers the address. */
export function* sysMmap(vm: Vm, p: CsrgProcess, request: MapRequest): Task<CallResult> {
  const { address, length, fixed } = request;
  if (length < 0 || (fixed && badRange(address, length))) return 'EINVAL';
  if (length === 0) return address;
  const pages = pagesFor(length);
  let start = pagesFor(address);
  if (!reserves(vm, () => mapNeeds(p, request, start, start + pages))) return 'ENOMEM';
  const pager = request.backing.kind === 'anon' ? swapAllocate(vm, pages) : null;
  if (request.backing.kind === 'anon' && pager === null) return 'ENOMEM';
  if (fixed) {
    yield* removeRange(vm, p.thread, p.map, start, start + pages);
  } else {
    start = findSpace(p.map, start === 0 ? firstChoice(p) : start, pages);
    if (start < 0) return 'ENOMEM';
  }
  const result = yield* mapBacking(vm, p, request, pager, start, pages);
  if (typeof result === 'string') return result;
  return errnoOr(result, (yield* adjust(vm, p, request, start, pages, result)) ?? start * PAGE_SIZE);
}

/** A private file is entered twice, and gets its shadow at once. A new mapping that replaces others also cuts them. */
function mapNeeds(p: CsrgProcess, { backing, sharing, fixed }: MapRequest, start: number, end: number): Needs {
  const cuts = fixed ? clipNeeds(p.map, start, end).entries : 0;
  if (backing.kind === 'anon') return { entries: cuts + 1, objects: 1 };
  if (backing.kind === 'device') {
    return { entries: cuts + 1, objects: (backing.device as DeviceHandle).pager === null ? 1 : 0 };
  }
  const file = (backing.file as VnodeHandle).pager === null ? 1 : 0;
  return sharing === 'private' ? { entries: cuts + 2, objects: file + 1 } : { entries: cuts + 1, objects: file };
}

/** Without a wish: above the largest data segment. */
function firstChoice(p: CsrgProcess): number {
  return pagesFor(Math.max(p.dataStart, 0) + DATA_LIMIT_BYTES);
}

/** The error of a code, or the answer. */
function errnoOr(code: number, answer: CallResult): CallResult {
  switch (code) {
    case KERN_SUCCESS:
      return answer;
    case KERN_INVALID_ADDRESS:
    case KERN_NO_SPACE:
      return 'ENOMEM';
    case KERN_PROTECTION_FAILURE:
      return 'EACCES';
    default:
      return 'EINVAL';
  }
}

/** Entries begin with every permission; what was asked for is set afterwards, and the inheritance of shared memory. */
function* adjust(
  vm: Vm,
  p: CsrgProcess,
  request: MapRequest,
  start: number,
  pages: number,
  code: number,
): Task<Errno | null> {
  if (code !== KERN_SUCCESS) return null;
  const { thread, map } = p;
  if (request.protection !== PROT_ALL) {
    const result = yield* protectRange(vm, thread, map, start, start + pages, request.protection);
    if (result !== KERN_SUCCESS) return errnoOr(result, 'EINVAL') as Errno;
  }
  if (request.sharing === 'shared') yield* inheritRange(vm, thread, map, start, start + pages, VM_INHERIT_SHARE);
  return null;
}

/** Makes the range show what it is to show; `pager` is that of anonymous memory. Answers a KERN code, or the errno of a device. */
function* mapBacking(
  vm: Vm,
  p: CsrgProcess,
  request: MapRequest,
  pager: SwapPager | null,
  start: number,
  pages: number,
): Task<number | Errno> {
  const { backing } = request;
  if (backing.kind === 'anon') {
    const object = objectAllocate(vm, pages);
    objectSetPager(object, pager as SwapPager, 0);
    return yield* insertObject(vm, p, object, 0, start, pages);
  }
  const offset = backing.offset / PAGE_SIZE;
  if (backing.kind === 'device') {
    const object = deviceObject(vm, backing.device as DeviceHandle, pages);
    if (object === null) return 'EINVAL';
    object.flags &= ~OBJ_CANPERSIST;
    return yield* insertObject(vm, p, object, offset, start, pages);
  }
  const object = vnodeObject(vm, backing.file as VnodeHandle);
  if (request.sharing === 'private') return yield* mapPrivateFile(vm, p, object, offset, start, pages);
  const result = yield* insertObject(vm, p, object, offset, start, pages);
  if (result === KERN_SUCCESS && (request.protection & PROT_WRITE) !== 0) object.flags &= ~OBJ_CANPERSIST;
  return result;
}

/** vm_map_find: enters the object, whose reference becomes the entry's or is dropped. */
function* insertObject(
  vm: Vm,
  p: CsrgProcess,
  object: VmObject,
  offset: number,
  start: number,
  pages: number,
): Task<number> {
  yield* lockMap(p.map, p.thread);
  const result = insertLocked(vm, p.map, object, offset, start, start + pages);
  unlockMap(p.map, p.thread);
  if (result !== KERN_SUCCESS) yield* deallocate(vm, p.thread, object);
  return result;
}

/** A private file, by way of a temporary map. The caller's reference on the object is used up. */
function* mapPrivateFile(
  vm: Vm,
  p: CsrgProcess,
  object: VmObject,
  offset: number,
  start: number,
  pages: number,
): Task<number> {
  const { map, thread } = p;
  yield* lockMap(map, thread);
  const found = insertLocked(vm, map, null, 0, start, start + pages);
  unlockMap(map, thread);
  if (found !== KERN_SUCCESS) {
    yield* deallocate(vm, thread, object);
    return found;
  }
  const end = TEMPORARY_START + pages;
  const temporary = new VmMap(vm, vm.machine.tables.createPmap(), TEMPORARY_START, end, true, 'temporary map');
  objectReference(object);
  insertLocked(vm, temporary, object, offset, TEMPORARY_START, end);
  object.flags |= OBJ_INTERNAL;
  const result = yield* copyRange(vm, thread, map, temporary, start, pages, TEMPORARY_START);
  object.flags &= ~OBJ_INTERNAL;
  yield* forceShadow(vm, p, start);
  objectPmapCopy(vm, object, offset, offset + pages);
  yield* deallocate(vm, thread, object);
  yield* deallocateMap(vm, thread, temporary);
  return result;
}

/** vm_map_lookup for writing: the entry at the first page gets its shadow now. */
function* forceShadow(vm: Vm, p: CsrgProcess, start: number): Task<void> {
  yield* lockMap(p.map, p.thread);
  const entry: MapEntry | null = p.map.lookup(start);
  if (entry?.needsCopy === true) shadowEntry(vm, entry);
  else if (entry !== null && entry.object === null) giveObject(vm, entry);
  unlockMap(p.map, p.thread);
}
