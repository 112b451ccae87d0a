/**
 * The memory calls of DragonFly: arguments in bytes, checked and rounded as the kernel does, and its errors.
 *
 * All are tasks of the calling process's thread. The caller is root and has no limits but the machine's: a third of all frames
 * may be wired.
 */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE, USER_MAX_ADDRESS, USER_MIN_ADDRESS } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { FileRange } from '../vm/port.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_NONE, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { Needs } from '../vm/reserve.js';
import { ONE_ENTRY, reserves } from '../vm/reserve.js';
import type { Inheritance, MapRequest } from '../vm/system.js';
import {
  KERN_FAILURE,
  KERN_INVALID_ADDRESS,
  KERN_NO_SPACE,
  KERN_PROTECTION_FAILURE,
  KERN_RESOURCE_SHORTAGE,
  KERN_SUCCESS,
} from './kern.js';
import type { MapAdvice, MasterEntry } from './map-advice.js';
import { madviseRange, setMasterEntry } from './map-advice.js';
import type { VmMap } from './map-entry.js';
import {
  MAP_ENTRY_KSTACK,
  MAP_ENTRY_USER_WIRED,
  VM_INHERIT_COPY,
  VM_INHERIT_NONE,
  VM_INHERIT_SHARE,
  VM_MAPTYPE_NORMAL,
  VM_MAPTYPE_VPAGETABLE,
} from './map-entry.js';
import {
  findSpace,
  type Insertion,
  MAP_COPY_ON_WRITE,
  MAP_DISABLE_SYNCER,
  MAP_PREFAULT_PARTIAL,
  mapInsert,
} from './map-insert.js';
import { lockMap, unlockMapWrite } from './map-lock.js';
import { deleteRange, inheritRange, isFullyMapped, protectRange, syncRange } from './map-range.js';
import { unwireUser, wireKernel, wireUser } from './map-wire.js';
import type { VmObject } from './object.js';
import { deallocate } from './object-end.js';
import type { DeviceHandle } from './pager-device.js';
import { deviceObject } from './pager-device.js';
import type { DragonflyProcess } from './process.js';
import { clipNeeds } from './reserve.js';
import { mapStack } from './stack.js';
import type { Vm } from './vm.js';
import type { VnodeHandle } from './vnode.js';
import { vnodeObject } from './vnode.js';

/** Where mmap without a wish begins to look: above the largest data segment of amd64. */
const MMAP_BASE = 0x800000000 / PAGE_SIZE;

const truncPage = (bytes: number): number => Math.floor(bytes / PAGE_SIZE);
const roundPage = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);

/** More that mmap can be told on DragonFly. */
export interface MapExtras {
  /** MAP_NOSYNC. */
  readonly nosync?: boolean;
  /** MAP_STACK: grows down from the end of the range. A kernel's stack has a guard page besides. */
  readonly stack?: 'stack' | 'kstack';
  /** MAP_VPAGETABLE. */
  readonly vpagetable?: boolean;
  /** The maximum protection. Default: all. */
  readonly maximum?: Prot;
}

/**
 * mmap. Answers the address. Overlaps of a fixed range go once the arguments are accepted, and stay away when a later step fails: a
 * device's range is looked at that late.
 */
export function* sysMmap(vm: Vm, p: DragonflyProcess, request: MapRequest, extras: MapExtras = {}): Task<CallResult> {
  const refusal = refusesArguments(request, extras);
  if (refusal !== null) return refusal;
  const { address, length, backing } = request;
  if (length === 0) return address;
  const within = backing.kind === 'anon' ? 0 : backing.offset % PAGE_SIZE;
  const pages = roundPage(length + within);
  yield* lockMap(p.map, p.thread);
  const result = yield* mmapLocked(vm, p, request, extras, pages);
  unlockMapWrite(p.map, p.thread);
  if (typeof result === 'string') return result;
  if (request.sharing === 'shared') {
    yield* inheritRange(vm, p.thread, p.map, result, result + pages, VM_INHERIT_SHARE, true);
  }
  const wired = yield* wireFuture(vm, p, result, pages, extras.stack !== undefined);
  return wired ?? result * PAGE_SIZE + within;
}

/**
 * Under mlockall(MCL_FUTURE) a new range is wired. As seeded nobody looks whether that worked. Mended, a range that cannot be wired goes again,
 * with EAGAIN; one that may not be accessed is left alone; and of a stack what is there of it is wired.
 */
function* wireFuture(vm: Vm, p: DragonflyProcess, start: number, pages: number, stack: boolean): Task<Errno | null> {
  const { map, thread } = p;
  if (!map.wireFuture) return null;
  const first = vm.mended && stack ? map.lookup(start + pages - 1) : map.lookup(start);
  if (vm.mended && first?.protection === PROT_NONE) return null;
  const from = vm.mended && first !== null ? Math.max(first.start, start) : start;
  const result = yield* wireUser(vm, p, from, start + pages);
  if (result === KERN_SUCCESS || !vm.mended) return null;
  yield* lockMap(map, thread);
  yield* deleteRange(vm, thread, map, start, start + pages);
  unlockMapWrite(map, thread);
  return 'EAGAIN';
}

function refusesArguments(request: MapRequest, extras: MapExtras): Errno | null {
  const { address, length, fixed, backing, protection } = request;
  if (length < 0 || address + length > Number.MAX_SAFE_INTEGER) return 'EINVAL';
  const within = backing.kind === 'anon' ? 0 : backing.offset % PAGE_SIZE;
  if (fixed) {
    if ((address - within) % PAGE_SIZE !== 0) return 'EINVAL';
    if (address - within < USER_MIN_ADDRESS) return 'EINVAL';
    if (address - within + roundPage(length + within) * PAGE_SIZE > USER_MAX_ADDRESS) return 'EINVAL';
  }
  if (extras.vpagetable === true) {
    const both = PROT_READ | PROT_WRITE;
    if (extras.stack !== undefined || (protection & both) !== both) return 'EINVAL';
  }
  if (backing.kind === 'device' && request.sharing === 'private') return 'EINVAL';
  return null;
}

/** With the map locked exclusively. Answers the first page. */
function* mmapLocked(
  vm: Vm,
  p: DragonflyProcess,
  request: MapRequest,
  extras: MapExtras,
  pages: number,
): Task<number | Errno> {
  const { map, thread } = p;
  let start = truncPage(request.address);
  if (!reserves(vm, () => mapNeeds(map, request, start, start + pages, extras))) return 'ENOMEM';
  if (request.fixed) {
    yield* deleteRange(vm, thread, map, start, start + pages);
  } else {
    start = findSpace(map, roundPage(request.address) || MMAP_BASE, pages);
    if (start < 0) return 'ENOMEM';
  }
  if (extras.stack !== undefined) {
    const eflags = extras.stack === 'kstack' ? MAP_ENTRY_KSTACK : 0;
    const result = yield* mapStack(vm, thread, p, start, pages, request.protection & PROT_ALL, eflags, extras.maximum);
    return errnoOr(result, start);
  }
  const what = mappedObject(vm, request, pages);
  if (typeof what === 'string') return what;
  const insertion: Insertion = {
    object: what.object,
    offset: what.offset,
    start,
    end: start + pages,
    maptype: extras.vpagetable === true ? VM_MAPTYPE_VPAGETABLE : VM_MAPTYPE_NORMAL,
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
  let fresh = sharing === 'shared' || extras.stack !== undefined;
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
  const offset = truncPage(backing.offset);
  if (backing.kind === 'file') {
    const object = vnodeObject(vm, backing.file as VnodeHandle);
    object.refCount++;
    return { object, offset };
  }
  const device = backing.device as DeviceHandle;
  if (offset + pages > device.pages) return 'EINVAL';
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
export function* sysMunmap(vm: Vm, p: DragonflyProcess, address: number, length: number): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  if (length === 0) return 0;
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
export function* sysMprotect(
  vm: Vm,
  p: DragonflyProcess,
  address: number,
  length: number,
  prot: Prot,
): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  const { start, end } = clamp(p, range);
  const result = yield* protectRange(vm, p.thread, p.map, start, end, prot & PROT_ALL);
  if (result === KERN_SUCCESS) return 0;
  if (result === KERN_RESOURCE_SHORTAGE) return 'ENOMEM';
  return result === KERN_PROTECTION_FAILURE ? 'EACCES' : 'EINVAL';
}

/** VM_MAP_RANGE_CHECK. */
function clamp(p: DragonflyProcess, range: { start: number; end: number }): { start: number; end: number } {
  const end = Math.min(range.end, p.map.maxPage);
  return { start: Math.min(Math.max(range.start, p.map.minPage), end), end };
}

/** madvise. */
export function* sysMadvise(
  vm: Vm,
  p: DragonflyProcess,
  address: number,
  length: number,
  advice: MapAdvice,
): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null || address < USER_MIN_ADDRESS || address + length > USER_MAX_ADDRESS) return 'EINVAL';
  return adviceAnswer(yield* madviseRange(vm, p.thread, p.map, range.start, range.end, advice));
}

function adviceAnswer(result: number): CallResult {
  if (result === KERN_SUCCESS) return 0;
  return result === KERN_RESOURCE_SHORTAGE ? 'ENOMEM' : 'EINVAL';
}

/** mcontrol(MADV_SETMAP): the master entry of virtual page tables. (MADV_INVAL is an advice like the others.) */
export function* sysSetmap(
  vm: Vm,
  p: DragonflyProcess,
  address: number,
  length: number,
  master: MasterEntry,
): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null || address < USER_MIN_ADDRESS || address + length > USER_MAX_ADDRESS) return 'EINVAL';
  return adviceAnswer(yield* setMasterEntry(vm, p.thread, p.map, range.start, range.end, master));
}

const INHERITANCE: Readonly<Record<Inheritance, number>> = {
  share: VM_INHERIT_SHARE,
  copy: VM_INHERIT_COPY,
  none: VM_INHERIT_NONE,
};

/** minherit. */
export function* sysMinherit(
  vm: Vm,
  p: DragonflyProcess,
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

/** mlock. */
export function* sysMlock(vm: Vm, p: DragonflyProcess, address: number, length: number): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  if (range.end - range.start + vm.wiredPages > vm.thresholds.maxWired) return 'EAGAIN';
  if (range.end === range.start) return 0;
  const result = yield* wireUser(vm, p, range.start, range.end);
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

/** munlock. */
export function* sysMunlock(vm: Vm, p: DragonflyProcess, address: number, length: number): Task<CallResult> {
  const range = pageRange(address, length);
  if (range === null) return 'EINVAL';
  if (range.end === range.start) return 0;
  const result = yield* unwireUser(vm, p, range.start, range.end);
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

/** mlockall: what is mapped now cannot be wired (ENOSYS in the kernel), and what will be, only when asked for alone. */
export function sysMlockall(p: DragonflyProcess, current: boolean, future: boolean): CallResult {
  if (!current && !future) return 'EINVAL';
  if (current) return 'ENOSYS';
  p.map.wireFuture = true;
  return 0;
}

/** munlockall: unwires every user-wired entry. */
export function* sysMunlockall(vm: Vm, p: DragonflyProcess): Task<CallResult> {
  p.map.wireFuture = false;
  let result: CallResult = 0;
  let entry = p.map.header.next;
  while (!p.map.isHead(entry)) {
    const { start, end } = entry;
    if ((entry.eflags & MAP_ENTRY_USER_WIRED) !== 0) {
      if ((yield* unwireUser(vm, p, start, end)) !== KERN_SUCCESS) result = 'ENOMEM';
    }
    entry = p.map.before(end - 1).next;
  }
  return result;
}

/** msync; a length of 0 means the whole entry that holds the address. */
export function* sysMsync(
  vm: Vm,
  p: DragonflyProcess,
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
  return result === KERN_FAILURE ? 'EIO' : 'EINVAL';
}

/** obreak: moves the end of the data segment. The first call says where the segment starts. */
export function* sysBrk(vm: Vm, p: DragonflyProcess, address: number): Task<CallResult> {
  if (p.dataStart < 0) {
    p.dataStart = roundPage(address) * PAGE_SIZE;
    p.dataEnd = p.dataStart;
    return 0;
  }
  if (address < p.dataStart) return 'EINVAL';
  const oldEnd = roundPage(p.dataEnd);
  const newEnd = roundPage(address);
  if (newEnd >= p.map.maxPage) return 'ENOMEM';
  yield* lockMap(p.map, p.thread);
  let result = KERN_SUCCESS;
  if (newEnd > oldEnd) result = yield* growData(vm, p, oldEnd, newEnd);
  else if (newEnd < oldEnd) result = yield* shrinkData(vm, p, newEnd, oldEnd);
  unlockMapWrite(p.map, p.thread);
  if (result !== KERN_SUCCESS) return 'ENOMEM';
  p.dataEnd = address;
  if (p.map.wireFuture && newEnd > oldEnd) yield* wireKernel(vm, p, oldEnd, newEnd);
  return 0;
}

function* shrinkData(vm: Vm, p: DragonflyProcess, start: number, end: number): Task<number> {
  if (!reserves(vm, () => clipNeeds(p.map, start, end))) return KERN_RESOURCE_SHORTAGE;
  yield* deleteRange(vm, p.thread, p.map, start, end);
  return KERN_SUCCESS;
}

function* growData(vm: Vm, p: DragonflyProcess, start: number, end: number): Task<number> {
  if (!reserves(vm, () => ONE_ENTRY)) return KERN_RESOURCE_SHORTAGE;
  const place = { object: null, offset: 0, start, end, maptype: VM_MAPTYPE_NORMAL };
  const request: Insertion = { ...place, protection: PROT_ALL, maximum: PROT_ALL, flags: 0 };
  return yield* mapInsert(vm, p.thread, p.map, request);
}
