/**
 * The memory calls as this kernel has them: arguments in bytes, checked and rounded as it does, and its errors.
 *
 * madvise and mincore are stubs that refuse. mlock, munlock and minherit had no system call yet: `sysMlock`, `sysMunlock` and `sysMinherit` are
 * vm_map_pageable and vm_map_inherit with the checks of the calls that came in June 1993. There are no limits and no privilege. mmap is in
 * `syscalls-mmap.ts`.
 *
 * Departs from the kernel: an entry is never cut inside a page; lengths that are not whole pages are rounded up in every call.
 */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE, pagesFor } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { Prot } from '../vm/prot.js';
import { PROT_WRITE } from '../vm/prot.js';
import { ONE_ENTRY, reserves } from '../vm/reserve.js';
import type { Inheritance } from '../vm/system.js';
import { KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { lockMap, unlockMap, VM_INHERIT_COPY, VM_INHERIT_NONE, VM_INHERIT_SHARE } from './map-entry.js';
import { inheritRange, insertLocked, isAllocated, protectRange, removeRange } from './map-range.js';
import { unwireRange, wireRange } from './map-wire.js';
import type { VmObject } from './object.js';
import { objectReference } from './object.js';
import { deallocate, pageClean, pageRemoveRange } from './object-end.js';
import { PG_VNODE } from './pager.js';
import type { CsrgProcess } from './process.js';
import { clipNeeds, wireNeeds } from './reserve.js';
import type { Vm } from './vm.js';

/** Most bytes of the data segment. No limit of the time: it is what keeps the heap below where mmap begins to look. */
export const DATA_LIMIT_BYTES = 32 * 2 ** 30;

const INHERITANCE: Record<Inheritance, number> = {
  share: VM_INHERIT_SHARE,
  copy: VM_INHERIT_COPY,
  none: VM_INHERIT_NONE,
};

/** Page number of an aligned byte address. */
const pageAt = (address: number): number => address / PAGE_SIZE;
/** First page behind a range of bytes. */
const pageBehind = (address: number, length: number): number => pagesFor(address + length);

/** What every call refuses: an address inside a page, a length that is negative or leaves the numbers of the machine, as it would a register. */
export function badRange(address: number, length: number): boolean {
  return address % PAGE_SIZE !== 0 || address < 0 || length < 0 || !Number.isSafeInteger(address + length);
}

/** munmap: a hole in the range refuses all of it. */
export function* sysMunmap(vm: Vm, p: CsrgProcess, address: number, length: number): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  if (length === 0) return 0;
  const start = pageAt(address);
  const end = pageBehind(address, length);
  if (!isAllocated(p.map, start, end, false)) return 'EINVAL';
  if (!reserves(vm, () => clipNeeds(p.map, start, end))) return 'ENOMEM';
  yield* removeRange(vm, p.thread, p.map, start, end);
  return 0;
}

/** mprotect. Holes are passed over; one entry that may not have it refuses all. */
export function* sysMprotect(
  vm: Vm,
  p: CsrgProcess,
  address: number,
  length: number,
  protection: Prot,
): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  const end = pageBehind(address, length);
  if (!reserves(vm, () => clipNeeds(p.map, pageAt(address), end))) return 'ENOMEM';
  const result = yield* protectRange(vm, p.thread, p.map, pageAt(address), end, protection);
  if (result === KERN_SUCCESS) return 0;
  return result === KERN_PROTECTION_FAILURE ? 'EACCES' : 'EINVAL';
}

/** madvise: not yet. */
export function sysMadvise(): Errno {
  return 'EOPNOTSUPP';
}

/** mincore: not yet either. */
export function sysMincore(): Errno {
  return 'EOPNOTSUPP';
}

/** minherit, had there been one: vm_map_inherit. */
export function* sysMinherit(
  vm: Vm,
  p: CsrgProcess,
  address: number,
  length: number,
  how: Inheritance,
): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  const end = pageBehind(address, length);
  if (!reserves(vm, () => clipNeeds(p.map, pageAt(address), end))) return 'ENOMEM';
  const result = yield* inheritRange(vm, p.thread, p.map, pageAt(address), end, INHERITANCE[how]);
  return result === KERN_SUCCESS ? 0 : 'EINVAL';
}

/** mlock as of 1993. */
export function* sysMlock(vm: Vm, p: CsrgProcess, address: number, length: number): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  const start = pageAt(address);
  const end = pageBehind(address, length);
  if (!reserves(vm, () => wireNeeds(p.map, start, end))) return 'ENOMEM';
  const result = yield* wireRange(vm, p.thread, p.map, start, end);
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

/** munlock as of 1993: refused where part of the range is not wired. */
export function* sysMunlock(vm: Vm, p: CsrgProcess, address: number, length: number): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  const start = pageAt(address);
  const end = pageBehind(address, length);
  if (!reserves(vm, () => clipNeeds(p.map, start, end))) return 'ENOMEM';
  const result = yield* unwireRange(vm, p.thread, p.map, start, end);
  return result === KERN_SUCCESS ? 0 : 'ENOMEM';
}

/** Where a range of one entry lies in its object, followed through a sharing map (vm_region). */
interface Region {
  readonly entry: MapEntry;
  readonly object: VmObject | null;
  readonly offset: number;
}

/** The object behind the page, and the page's index in it; null when nothing is mapped there. */
export function regionAt(map: VmMap, vpn: number): Region | null {
  const entry = map.lookup(vpn);
  if (entry === null) return null;
  const address = vpn - entry.start + entry.offset;
  if (entry.shareMap === null) return { entry, object: entry.object, offset: address };
  const inner = entry.shareMap.lookup(address);
  if (inner === null) return { entry, object: null, offset: 0 };
  return { entry, object: inner.object, offset: address - inner.start + inner.offset };
}

/**
 * msync: writes what is dirty and takes the pages out of memory. Length 0 is the whole entry. As seeded an entry that may not be written only
 * loses its pages, dirty or not; mended, they are written first.
 */
export function* sysMsync(vm: Vm, p: CsrgProcess, address: number, length: number): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  let start = pageAt(address);
  let end = pageBehind(address, length);
  if (!isAllocated(p.map, start, end, true)) return 'EINVAL';
  if (length === 0) {
    const entry = p.map.lookup(start) as MapEntry;
    start = entry.start;
    end = entry.end;
  }
  const region = regionAt(p.map, start);
  if (region === null || region.object === null || region.object.pager?.type !== PG_VNODE) return 'EINVAL';
  const { object, offset, entry } = region;
  const last = offset + (end - start);
  objectReference(object);
  const write = vm.mended || (entry.protection & PROT_WRITE) !== 0;
  const whole = !write || (yield* pageClean(vm, p.thread, object, offset, last, false));
  // What could not be written stays; as seeded it is lost with the others (S16).
  if (whole || !vm.mended) pageRemoveRange(vm, object, offset, last);
  yield* deallocate(vm, p.thread, object);
  return whole ? 0 : 'EIO';
}

/** obreak: the end of the data segment, rounded up to pages. Growth is memory of no object yet, which may join the entry before it. */
export function* sysBrk(vm: Vm, p: CsrgProcess, address: number): Task<CallResult> {
  if (p.dataStart < 0) {
    p.dataStart = address;
    p.dataEnd = address;
    return 0;
  }
  if (address - p.dataStart > DATA_LIMIT_BYTES || address < 0) return 'ENOMEM';
  const end = pagesFor(address);
  const old = pagesFor(p.dataEnd);
  if (!reserves(vm, () => (end > old ? ONE_ENTRY : clipNeeds(p.map, end, old)))) return 'ENOMEM';
  if (end > old) {
    yield* lockMap(p.map, p.thread);
    const result = insertLocked(vm, p.map, null, 0, old, end);
    unlockMap(p.map, p.thread);
    if (result !== KERN_SUCCESS) return 'ENOMEM';
  } else if (end < old) {
    yield* removeRange(vm, p.thread, p.map, end, old);
  }
  p.dataEnd = address;
  return 0;
}
