/**
 * The memory calls below mmap, from the system call down: rounding, range checks, limits, and which errno is answered.
 *
 * An end beyond user space or a range that wraps is EINVAL for all of them; addresses are rounded down and lengths up to whole pages, except
 * for mincore, which wants an aligned address.
 */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE, pageOf, pagesFor, USER_MAX_ADDRESS } from '../machine/units.js';
import type { CallResult } from '../vm/errno.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { ONE_ENTRY, reserves } from '../vm/reserve.js';
import type { Advice, Inheritance } from '../vm/system.js';
import { callResult, EFAULT, ENOMEM } from './codes.js';
import type { MapEntry } from './map.js';
import {
  ADVICE_NORMAL,
  ADVICE_RANDOM,
  ADVICE_SEQUENTIAL,
  INHERIT_COPY,
  INHERIT_NONE,
  INHERIT_SHARE,
  lockMap,
  lockMapRead,
  unlockMap,
} from './map.js';
import { mapEnter } from './map-merge.js';
import { adviseRange, cleanRange, inheritRange, protectRange, removeRange } from './map-range.js';
import { unwireAll, unwireRange, wireAll, wireRange } from './map-wire.js';
import { PGO_CLEANIT, PGO_DEACTIVATE, PGO_FREE } from './object.js';
import { pageLookup } from './page.js';
import type { NetbsdProcess } from './process.js';
import { clipNeeds } from './reserve.js';
import type { Vm } from './vm.js';

interface PageRange {
  readonly start: number;
  readonly end: number;
}

/** range_test: pages of a byte range, or null when it leaves user space or wraps. */
function rangeTest(address: number, length: number): PageRange | null {
  if (address < 0 || length < 0 || !Number.isSafeInteger(address + length)) return null;
  const start = pageOf(address);
  const end = pagesFor(address + length);
  return end * PAGE_SIZE > USER_MAX_ADDRESS ? null : { start, end };
}

/** munmap: holes are no error. */
export function* sysMunmap(vm: Vm, p: NetbsdProcess, address: number, length: number): Task<CallResult> {
  const range = rangeTest(address, length);
  if (range === null) return 'EINVAL';
  if (length === 0) return 0;
  yield* lockMap(vm, p.map, p.thread);
  const enough = reserves(vm, () => clipNeeds(p.map, range.start, range.end));
  if (enough) yield* removeRange(vm, p.thread, p.map, range.start, range.end);
  unlockMap(p.map, p.thread);
  return enough ? 0 : 'ENOMEM';
}

/** mprotect. */
export function* sysMprotect(vm: Vm, p: NetbsdProcess, address: number, length: number, prot: Prot): Task<CallResult> {
  const range = rangeTest(address, length);
  if (range === null) return 'EINVAL';
  const { map, thread } = p;
  yield* lockMap(vm, map, thread);
  const error = reserves(vm, () => clipNeeds(map, range.start, range.end))
    ? yield* protectRange(vm, map, range.start, range.end, prot & PROT_ALL, (entry) => wireLocked(vm, p, entry))
    : ENOMEM;
  unlockMap(map, thread);
  return callResult(error);
}

/** Wires an entry of a map that is write-locked: the lock is given up for the faults. */
function* wireLocked(vm: Vm, p: NetbsdProcess, entry: MapEntry): Task<number> {
  const { map, thread } = p;
  unlockMap(map, thread);
  const error = yield* wireRange(vm, thread, map, entry.start, entry.end, p.usage);
  yield* lockMap(vm, map, thread);
  return error;
}

const INHERITANCE: Readonly<Record<Inheritance, number>> = {
  share: INHERIT_SHARE,
  copy: INHERIT_COPY,
  none: INHERIT_NONE,
};

/** minherit. */
export function* sysMinherit(
  vm: Vm,
  p: NetbsdProcess,
  address: number,
  length: number,
  how: Inheritance,
): Task<CallResult> {
  const range = rangeTest(address, length);
  if (range === null) return 'EINVAL';
  yield* lockMap(vm, p.map, p.thread);
  const enough = reserves(vm, () => clipNeeds(p.map, range.start, range.end));
  if (enough) inheritRange(p.map, range.start, range.end, INHERITANCE[how]);
  unlockMap(p.map, p.thread);
  return enough ? 0 : 'ENOMEM';
}

const PLAIN_ADVICE: Partial<Readonly<Record<Advice, number>>> = {
  normal: ADVICE_NORMAL,
  random: ADVICE_RANDOM,
  sequential: ADVICE_SEQUENTIAL,
};

/** madvise. */
export function* sysMadvise(
  vm: Vm,
  p: NetbsdProcess,
  address: number,
  length: number,
  advice: Advice,
): Task<CallResult> {
  const range = rangeTest(address, length);
  if (range === null) return 'EINVAL';
  const plain = PLAIN_ADVICE[advice];
  if (plain !== undefined) {
    yield* lockMap(vm, p.map, p.thread);
    const enough = reserves(vm, () => clipNeeds(p.map, range.start, range.end));
    if (enough) adviseRange(p.map, range.start, range.end, plain);
    unlockMap(p.map, p.thread);
    return enough ? 0 : 'ENOMEM';
  }
  if (advice === 'willneed') return 0;
  const flags = advice === 'free' ? PGO_FREE : PGO_DEACTIVATE;
  return callResult(yield* cleanRange(vm, p.thread, p.map, range.start, range.end, flags));
}

/** msync(MS_SYNC), with `invalidate` MS_INVALIDATE too; a length of 0 means the whole entry that holds the address. */
export function* sysMsync(
  vm: Vm,
  p: NetbsdProcess,
  address: number,
  length: number,
  invalidate = false,
): Task<CallResult> {
  let range = rangeTest(address, length);
  if (range === null) return 'EINVAL';
  if (length === 0) {
    const entry = p.map.lookup(range.start);
    if (entry === null) return 'EINVAL';
    range = { start: entry.start, end: entry.end };
  }
  const flags = invalidate ? PGO_CLEANIT | PGO_FREE : PGO_CLEANIT;
  return callResult(yield* cleanRange(vm, p.thread, p.map, range.start, range.end, flags));
}

/** mlock. */
export function* sysMlock(vm: Vm, p: NetbsdProcess, address: number, length: number): Task<CallResult> {
  const range = rangeTest(address, length);
  if (range === null) return 'EINVAL';
  if (range.end - range.start + vm.wiredPages > vm.wiredmax) return 'EAGAIN';
  const error = yield* wireRange(vm, p.thread, p.map, range.start, range.end, p.usage);
  return callResult(error === EFAULT ? ENOMEM : error);
}

/** munlock. */
export function* sysMunlock(vm: Vm, p: NetbsdProcess, address: number, length: number): Task<CallResult> {
  const range = rangeTest(address, length);
  if (range === null) return 'EINVAL';
  const error = yield* unwireRange(vm, p.thread, p.map, range.start, range.end);
  return callResult(error === EFAULT ? ENOMEM : error);
}

/** mlockall: what is mapped now, what will be, or both. */
export function* sysMlockall(vm: Vm, p: NetbsdProcess, current: boolean, future: boolean): Task<CallResult> {
  if (!current && !future) return 'EINVAL';
  if (future) p.map.wireFuture = true;
  if (!current) return 0;
  let pages = 0;
  for (const entry of p.map.index) {
    if (entry.protection !== 0 && entry.wiredCount === 0) pages += entry.end - entry.start;
  }
  if (pages + vm.wiredPages > vm.wiredmax) return 'ENOMEM';
  return callResult(yield* wireAll(vm, p.thread, p.map, p.usage));
}

/** munlockall. */
export function* sysMunlockall(vm: Vm, p: NetbsdProcess): Task<CallResult> {
  yield* unwireAll(vm, p.thread, p.map);
  return 0;
}

/** mincore: a byte a page, 1 for resident, into `vector`. */
export function* sysMincore(
  vm: Vm,
  p: NetbsdProcess,
  address: number,
  length: number,
  vector: Uint8Array,
): Task<CallResult> {
  if (address % PAGE_SIZE !== 0 || length <= 0) return 'EINVAL';
  const range = rangeTest(address, length);
  if (range === null) return 'EINVAL';
  if (vector.length < range.end - range.start) return 'EFAULT';
  yield* lockMapRead(p.map, p.thread);
  let answer: CallResult = 0;
  for (let vpn = range.start; vpn < range.end; vpn++) {
    const entry = p.map.lookup(vpn);
    if (entry === null || entry.submap !== null) {
      answer = 'ENOMEM';
      break;
    }
    vector[vpn - range.start] = isResident(vm, entry, vpn) ? 1 : 0;
  }
  p.map.lock.releaseRead(p.thread);
  return answer;
}

/** The object is asked even where a paged-out anon hides it. */
function isResident(vm: Vm, entry: MapEntry, vpn: number): boolean {
  const { object, amap } = entry;
  if (object?.kind === 'device') return true;
  const at = vpn - entry.start;
  const anon = amap === null ? null : amap.anons[entry.pageoff + at];
  if (anon !== null && anon.page >= 0) return true;
  return object !== null && pageLookup(vm, object, entry.offset + at) >= 0;
}

/** obreak: moves the end of the data segment. The first call says where the segment starts. */
export function* sysBrk(vm: Vm, p: NetbsdProcess, address: number): Task<CallResult> {
  if (p.dataStart < 0) {
    p.dataStart = address;
    p.dataEnd = address;
    return 0;
  }
  const oldEnd = pagesFor(p.dataEnd);
  const newEnd = pagesFor(address);
  if (address < p.dataStart) return 'EINVAL';
  if (newEnd > p.map.maxPage) return 'ENOMEM';
  yield* lockMap(vm, p.map, p.thread);
  let error = 0;
  if (!reserves(vm, () => (newEnd > oldEnd ? ONE_ENTRY : clipNeeds(p.map, newEnd, oldEnd)))) error = ENOMEM;
  else if (newEnd > oldEnd) error = growData(vm, p, oldEnd, newEnd);
  else if (newEnd < oldEnd) yield* removeRange(vm, p.thread, p.map, newEnd, oldEnd);
  unlockMap(p.map, p.thread);
  if (error !== 0) return 'ENOMEM';
  if (newEnd > oldEnd && p.map.wireFuture) {
    const wired = yield* wireRange(vm, p.thread, p.map, oldEnd, newEnd, p.usage);
    // As seeded the range stays, and stands in the way of every later growth (oddity 31).
    if (wired !== 0 && vm.mended) yield* giveBack(vm, p, oldEnd, newEnd);
    if (wired !== 0) return callResult(wired);
  }
  p.dataEnd = address;
  return 0;
}

function* giveBack(vm: Vm, p: NetbsdProcess, start: number, end: number): Task<void> {
  yield* lockMap(vm, p.map, p.thread);
  yield* removeRange(vm, p.thread, p.map, start, end);
  unlockMap(p.map, p.thread);
}

/** The heap has its amap from the start, with room to grow: so it stays one entry. */
function growData(vm: Vm, p: NetbsdProcess, start: number, end: number): number {
  return mapEnter(vm, p.map, {
    start,
    end,
    object: null,
    offset: 0,
    protection: PROT_READ | PROT_WRITE,
    maxProtection: PROT_ALL,
    inheritance: INHERIT_COPY,
    advice: ADVICE_NORMAL,
    copyOnWrite: true,
    overlay: true,
    padded: true,
  });
}
