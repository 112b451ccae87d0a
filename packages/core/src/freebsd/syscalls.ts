/**
 * The memory calls of FreeBSD 7: arguments in bytes, checked and rounded as the kernel does, and its errors.
 *
 * All are tasks of the calling process's thread. The caller is root and has no limits but the machine's: a third of all frames
 * may be wired.
 */
import type { Task } from '../kernel/thread.js';
import { PTE_MODIFIED, PTE_REFERENCED } from '../machine/pagetable.js';
import { PAGE_SIZE, USER_MAX_ADDRESS, USER_MIN_ADDRESS } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { FileRange } from '../vm/port.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_NONE } from '../vm/prot.js';
import type { Needs } from '../vm/reserve.js';
import { ONE_ENTRY, reserves } from '../vm/reserve.js';
import type { Inheritance, MapRequest } from '../vm/system.js';
import {
  KERN_INVALID_ADDRESS,
  KERN_INVALID_ARGUMENT,
  KERN_NO_SPACE,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from './kern.js';
import type { VmMap } from './map-entry.js';
import { VM_INHERIT_COPY, VM_INHERIT_NONE, VM_INHERIT_SHARE } from './map-entry.js';
import {
  findSpace,
  type Insertion,
  MAP_COPY_ON_WRITE,
  MAP_DISABLE_SYNCER,
  MAP_PREFAULT_PARTIAL,
  mapInsert,
  mapStack,
} from './map-insert.js';
import type { MapAdvice } from './map-range.js';
import {
  deleteRange,
  inheritRange,
  isFullyMapped,
  lockMap,
  madviseRange,
  protectRange,
  syncRange,
  unlockMapWrite,
} from './map-range.js';
import type { WireOptions } from './map-wire.js';
import { unwireRange, wireRange } from './map-wire.js';
import type { VmObject } from './object.js';
import { deallocate } from './object-end.js';
import { PG_REFERENCED, pageHasFlag, pageLookup } from './page.js';
import type { DeviceHandle } from './pager-device.js';
import { deviceObject } from './pager-device.js';
import type { VnodeHandle } from './pager-vnode.js';
import { vnodeObject } from './pager-vnode.js';
import type { FreebsdProcess } from './process.js';
import { clipNeeds } from './reserve.js';
import type { Vm } from './vm.js';

/** Where mmap without a wish begins to look: above the largest data segment of amd64. */
const MMAP_BASE = 0x800000000 / PAGE_SIZE;

const truncPage = (bytes: number): number => Math.floor(bytes / PAGE_SIZE);
const roundPage = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);

/** More that mmap can be told on FreeBSD. */
export interface MapExtras {
  /** MAP_NOSYNC. */
  readonly nosync?: boolean;
  /** MAP_STACK: grows down from the end of the range. */
  readonly stack?: boolean;
  /** The maximum protection. Default: all. */
  readonly maximum?: Prot;
}

/** mmap. Answers the address. The old contents of a fixed range go first, and stay away when a later step fails. */
export function* sysMmap(vm: Vm, p: FreebsdProcess, request: MapRequest, extras: MapExtras = {}): Task<CallResult> {
  const { address, length, fixed } = request;
  if (length < 0) return 'EINVAL';
  if (fixed) {
    if (address % PAGE_SIZE !== 0 || address < USER_MIN_ADDRESS) return 'EINVAL';
    if (address + roundPage(length) * PAGE_SIZE > USER_MAX_ADDRESS) return 'EINVAL';
  }
  if (length === 0) return address;
  if (request.backing.kind !== 'anon' && request.backing.offset % PAGE_SIZE !== 0) return 'EINVAL';
  yield* lockMap(p.map, p.thread);
  const result = yield* mmapLocked(vm, p, request, extras);
  unlockMapWrite(p.map, p.thread);
  if (typeof result === 'string') return result;
  if (request.sharing === 'shared') {
    yield* inheritRange(vm, p.thread, p.map, result, result + roundPage(length), VM_INHERIT_SHARE, true);
  }
  const wired = yield* wireFuture(vm, p, result, result + roundPage(length), extras.stack === true);
  return wired ?? result * PAGE_SIZE;
}

/**
 * Under mlockall(MCL_FUTURE) a new range is wired; of a stack, what is there of it. As seeded nobody looks whether that worked. Mended, a range
 * that cannot be wired goes again, with EAGAIN; one that may not be accessed is left for later.
 */
function* wireFuture(vm: Vm, p: FreebsdProcess, start: number, end: number, holesOk: boolean): Task<Errno | null> {
  const { map, thread } = p;
  if (!map.wireFuture || (vm.mended && map.lookup(start)?.protection === PROT_NONE)) return null;
  const result = yield* wireRange(vm, thread, map, start, end, userWiring(p, holesOk));
  if (result === KERN_SUCCESS || !vm.mended) return null;
  yield* lockMap(map, thread);
  yield* deleteRange(vm, thread, map, start, end);
  unlockMapWrite(map, thread);
  return 'EAGAIN';
}

/** With the map write-locked. Answers the first page. */
function* mmapLocked(vm: Vm, p: FreebsdProcess, request: MapRequest, extras: MapExtras): Task<number | Errno> {
  const { map, thread } = p;
  const pages = roundPage(request.length);
  let start = truncPage(request.address);
  if (!reserves(vm, () => mapNeeds(map, request, start, start + pages, extras))) return 'ENOMEM';
  if (request.fixed) {
    yield* deleteRange(vm, thread, map, start, start + pages);
  } else {
    start = findSpace(map, roundPage(request.address) || MMAP_BASE, pages);
    if (start < 0) return 'ENOMEM';
  }
  if (extras.stack === true) {
    const place = { bottom: start, maximum: pages, initial: Math.min(pages, 32) };
    const result = yield* mapStack(vm, thread, map, place, request.protection & PROT_ALL, true, extras.maximum);
    return errnoOr(result, start);
  }
  const what = mappedObject(vm, request, pages);
  if (typeof what === 'string') return what;
  const insertion: Insertion = {
    object: what.object,
    offset: what.offset,
    start,
    end: start + pages,
    protection: request.protection & PROT_ALL,
    maximum: extras.maximum ?? PROT_ALL,
    flags: insertFlags(request, extras),
  };
  const result = yield* mapInsert(vm, thread, map, insertion);
  if (result !== KERN_SUCCESS && what.object !== null) yield* deallocate(vm, thread, what.object);
  return errnoOr(result, start);
}

/** What a new mapping can need; one that replaces others also cuts them. A range that joins its neighbour and is then shared alone is cut again. */
function mapNeeds(map: VmMap, request: MapRequest, start: number, end: number, extras: MapExtras): Needs {
  const { backing, sharing } = request;
  const cuts = request.fixed ? clipNeeds(map, start, end) : { entries: 0, objects: 0 };
  let fresh = sharing === 'shared' || extras.stack === true;
  if (backing.kind === 'file') fresh = (backing.file as VnodeHandle).object === null;
  else if (backing.kind === 'device') fresh = (backing.device as DeviceHandle).object === null;
  return { entries: cuts.entries + 1, objects: cuts.objects + (fresh ? 1 : 0) };
}

function insertFlags(request: MapRequest, extras: MapExtras): number {
  let flags = extras.nosync === true ? MAP_DISABLE_SYNCER : 0;
  if (request.backing.kind === 'anon') return flags;
  flags |= MAP_PREFAULT_PARTIAL;
  return request.sharing === 'private' ? flags | MAP_COPY_ON_WRITE : flags;
}

/** The object behind a mapping, with a reference for it, and the offset in pages. */
function mappedObject(vm: Vm, request: MapRequest, pages: number): { object: VmObject | null; offset: number } | Errno {
  const { backing } = request;
  if (backing.kind === 'anon') return { object: null, offset: 0 };
  const offset = backing.offset / PAGE_SIZE;
  if (backing.kind === 'file') {
    const object = vnodeObject(vm, backing.file as VnodeHandle);
    object.refCount++;
    return { object, offset };
  }
  const device = backing.device as DeviceHandle;
  if (request.sharing === 'private' || offset + pages > device.pages) return 'EINVAL';
  return { object: deviceObject(vm, device, offset + pages), offset };
}

function errnoOr(result: number, value: number): number | Errno {
  if (result === KERN_SUCCESS) return value;
  if (result === KERN_INVALID_ADDRESS || result === KERN_NO_SPACE) return 'ENOMEM';
  return result === KERN_PROTECTION_FAILURE ? 'EACCES' : 'EINVAL';
}

/** Pages `start` to `end` of a byte range, or null when it wraps. */
function pageRange(address: number, length: number): { start: number; end: number } | null {
  if (address < 0 || length < 0 || address + length > Number.MAX_SAFE_INTEGER) return null;
  return { start: truncPage(address), end: roundPage(address + length) };
}

/** munmap: refuses a range with any hole in it. */
export function* sysMunmap(vm: Vm, p: FreebsdProcess, address: number, length: number): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null || length === 0) return 'EINVAL';
  const { start, end } = range;
  if (start < p.map.minPage || end > p.map.maxPage) return 'EINVAL';
  yield* lockMap(p.map, p.thread);
  const whole = isFullyMapped(p.map, start, end);
  const enough = whole && reserves(vm, () => clipNeeds(p.map, start, end));
  if (enough) yield* deleteRange(vm, p.thread, p.map, start, end);
  unlockMapWrite(p.map, p.thread);
  if (!whole) return 'EINVAL';
  return enough ? 0 : 'ENOMEM';
}

/** mprotect. */
export function* sysMprotect(vm: Vm, p: FreebsdProcess, address: number, length: number, prot: Prot): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  const { start, end } = clamp(p, range);
  const result = yield* protectRange(vm, p.thread, p.map, start, end, prot & PROT_ALL);
  if (result === KERN_SUCCESS) return 0;
  if (result === KERN_RESOURCE_SHORTAGE) return 'ENOMEM';
  return result === KERN_PROTECTION_FAILURE ? 'EACCES' : 'EINVAL';
}

/** VM_MAP_RANGE_CHECK. */
function clamp(p: FreebsdProcess, range: { start: number; end: number }): { start: number; end: number } {
  const end = Math.min(range.end, p.map.maxPage);
  return { start: Math.min(Math.max(range.start, p.map.minPage), end), end };
}

/** madvise. */
export function* sysMadvise(
  vm: Vm,
  p: FreebsdProcess,
  address: number,
  length: number,
  advice: MapAdvice,
): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null || address < USER_MIN_ADDRESS || address + length > USER_MAX_ADDRESS) return 'EINVAL';
  const result = yield* madviseRange(vm, p.thread, p.map, range.start, range.end, advice);
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

const INHERITANCE: Readonly<Record<Inheritance, number>> = {
  share: VM_INHERIT_SHARE,
  copy: VM_INHERIT_COPY,
  none: VM_INHERIT_NONE,
};

/** minherit. */
export function* sysMinherit(
  vm: Vm,
  p: FreebsdProcess,
  address: number,
  length: number,
  how: Inheritance,
): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  const { start, end } = clamp(p, range);
  const result = yield* inheritRange(vm, p.thread, p.map, start, end, INHERITANCE[how]);
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

export function userWiring(p: FreebsdProcess, holesOk = false): WireOptions {
  return { user: true, holesOk, account: p.usage };
}

/** vm_page_max_wired. */
function maxWired(vm: Vm): number {
  return Math.trunc(vm.machine.memory.poolFrames / 3);
}

/** mlock. */
export function* sysMlock(vm: Vm, p: FreebsdProcess, address: number, length: number): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  const pages = range.end - range.start;
  if (pages > maxWired(vm)) return 'ENOMEM';
  if (pages + vm.wiredPages > maxWired(vm)) return 'EAGAIN';
  const { start, end } = clamp(p, range);
  const result = yield* wireRange(vm, p.thread, p.map, start, end, userWiring(p));
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

/** munlock. */
export function* sysMunlock(vm: Vm, p: FreebsdProcess, address: number, length: number): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  const { start, end } = clamp(p, range);
  const result = yield* unwireRange(vm, p.thread, p.map, start, end, userWiring(p));
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

/** mlockall: what is mapped now, what will be, or both. */
export function* sysMlockall(vm: Vm, p: FreebsdProcess, current: boolean, future: boolean): Task<CallResult> {
  if (!current && !future) return 'EINVAL';
  if (current && p.map.size > maxWired(vm)) return 'ENOMEM';
  p.map.wireFuture = future;
  if (!current) return 0;
  const result = yield* wireRange(vm, p.thread, p.map, p.map.minPage, p.map.maxPage, userWiring(p, true));
  return result === KERN_SUCCESS ? 0 : 'EAGAIN';
}

/** munlockall. */
export function* sysMunlockall(vm: Vm, p: FreebsdProcess): Task<CallResult> {
  p.map.wireFuture = false;
  const result = yield* unwireRange(vm, p.thread, p.map, p.map.minPage, p.map.maxPage, userWiring(p, true));
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

/** msync; a length of 0 means the whole entry that holds the address. */
export function* sysMsync(
  vm: Vm,
  p: FreebsdProcess,
  address: number,
  length: number,
  invalidate = false,
  later: FileRange[] | null = null,
): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  let { start, end } = range;
  if (length === 0) {
    const entry = p.map.lookup(start);
    if (entry === null) return 'EINVAL';
    start = entry.start;
    end = entry.end;
  }
  const result = yield* syncRange(vm, p.thread, p.map, start, end, { invalidate, later });
  if (result === KERN_SUCCESS) return 0;
  if (result === KERN_INVALID_ADDRESS) return 'EINVAL';
  return result === KERN_INVALID_ARGUMENT ? 'EBUSY' : 'EIO';
}

/** Bits of a mincore answer. */
export const MINCORE_INCORE = 0x1;
export const MINCORE_REFERENCED = 0x2;
export const MINCORE_MODIFIED = 0x4;
export const MINCORE_REFERENCED_OTHER = 0x8;
export const MINCORE_MODIFIED_OTHER = 0x10;

/** mincore: a byte a page, into `vector`. Holes answer 0. */
export function* sysMincore(
  vm: Vm,
  p: FreebsdProcess,
  address: number,
  length: number,
  vector: Uint8Array,
): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null || range.end > p.map.maxPage) return 'EINVAL';
  if (vector.length < range.end - range.start) return 'EFAULT';
  while (!p.map.lock.acquireRead(p.thread)) yield;
  for (let vpn = range.start; vpn < range.end; vpn++) vector[vpn - range.start] = mincorePage(vm, p, vpn);
  p.map.lock.releaseRead(p.thread);
  return 0;
}

function mincorePage(vm: Vm, p: FreebsdProcess, vpn: number): number {
  const entry = p.map.lookup(vpn);
  if (entry === null || entry.submap !== null) return 0;
  const word = vm.pmap.word(p.map.pmap, vpn);
  let answer = 0;
  let page = -1;
  if (word !== 0) {
    page = vm.machine.tables.frameOf(word);
    answer = MINCORE_INCORE;
    if ((word & PTE_MODIFIED) !== 0) answer |= MINCORE_MODIFIED | MINCORE_MODIFIED_OTHER;
    if ((word & PTE_REFERENCED) !== 0) answer |= MINCORE_REFERENCED | MINCORE_REFERENCED_OTHER;
  } else if (entry.object !== null) {
    page = pageLookup(vm, entry.object, vpn - entry.start + entry.offset);
    if (page < 0 || vm.pages.valid[page] === 0) return 0;
    answer = MINCORE_INCORE;
  }
  if (page < 0) return 0;
  if (vm.pages.dirty[page] !== 0 || vm.pmap.isModified(page)) answer |= MINCORE_MODIFIED_OTHER;
  if (pageHasFlag(vm, page, PG_REFERENCED)) answer |= MINCORE_REFERENCED_OTHER;
  return answer;
}

/** obreak: moves the end of the data segment. The first call says where the segment starts. */
export function* sysBrk(vm: Vm, p: FreebsdProcess, address: number): Task<CallResult> {
  if (p.dataStart < 0) {
    p.dataStart = address;
    p.dataEnd = address;
    return 0;
  }
  if (address < p.dataStart) return 'EINVAL';
  const oldEnd = roundPage(p.dataEnd);
  const newEnd = roundPage(address);
  if (newEnd > p.map.maxPage) return 'ENOMEM';
  yield* lockMap(p.map, p.thread);
  let result = KERN_SUCCESS;
  if (newEnd > oldEnd) result = yield* growData(vm, p, oldEnd, newEnd);
  else if (newEnd < oldEnd) result = yield* shrinkData(vm, p, newEnd, oldEnd);
  unlockMapWrite(p.map, p.thread);
  if (result !== KERN_SUCCESS) return 'ENOMEM';
  p.dataEnd = address;
  if (p.map.wireFuture && newEnd > oldEnd) yield* wireRange(vm, p.thread, p.map, oldEnd, newEnd, userWiring(p));
  return 0;
}

function* shrinkData(vm: Vm, p: FreebsdProcess, start: number, end: number): Task<number> {
  if (!reserves(vm, () => clipNeeds(p.map, start, end))) return KERN_RESOURCE_SHORTAGE;
  yield* deleteRange(vm, p.thread, p.map, start, end);
  return KERN_SUCCESS;
}

function* growData(vm: Vm, p: FreebsdProcess, start: number, end: number): Task<number> {
  if (!reserves(vm, () => ONE_ENTRY)) return KERN_RESOURCE_SHORTAGE;
  const request = { object: null, offset: 0, start, end, protection: PROT_ALL, maximum: PROT_ALL, flags: 0 };
  return yield* mapInsert(vm, p.thread, p.map, request);
}
