/**
 * What NetBSD alone can be told to do, beyond the memory calls: lend pages and take them back, share segments, look into another map, count
 * a map as the kernel's, and fail on order.
 */

import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE, pageOf } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import { failed } from '../vm/errno.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { Sharing, VmFile } from '../vm/system.js';
import { amapAdd } from './amap.js';
import { amapCopy } from './amap-copy.js';
import type { Anon } from './anon.js';
import type { AnonObject } from './aobj.js';
import { callResult, EAGAIN, EINVAL, EIO } from './codes.js';
import { loan, unloanAnons, unloanPages } from './loan.js';
import type { MapEntry } from './map.js';
import {
  ADVICE_NORMAL,
  clipEnd,
  clipStart,
  INHERIT_NONE,
  lockMap,
  UVM_ET_COPYONWRITE,
  UVM_ET_NEEDSCOPY,
  UVM_ET_SUBMAP,
  unlockMap,
} from './map.js';
import { mapEnter } from './map-merge.js';
import { removeRange } from './map-range.js';
import { mapSegment, sysMmap } from './mmap.js';
import type { NetbsdProcess } from './process.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';

/** `loan P ADDR NPAGES kernel`: the lent frames, to be given back with `unloanKernel`. */
export function* loanToKernel(vm: Vm, p: NetbsdProcess, address: number, npages: number): Task<number[] | Errno> {
  const start = pageOf(address);
  const lent = yield* loan(vm, p.thread, p.map, start, start + npages, false, p.usage);
  return typeof lent === 'number' ? (callResult(lent) as Errno) : lent.pages;
}

/** `unloan`. */
export function unloanKernel(vm: Vm, pages: readonly number[]): void {
  unloanPages(vm, pages);
}

/** `loan P ADDR NPAGES anon Q ADDR2`: lends to anons and shows them to Q in a private mapping of its own. */
export function* loanToProcess(
  vm: Vm,
  p: NetbsdProcess,
  address: number,
  npages: number,
  q: NetbsdProcess,
  place: number,
): Task<CallResult> {
  const start = pageOf(address);
  const lent = yield* loan(vm, p.thread, p.map, start, start + npages, true, p.usage);
  if (typeof lent === 'number') return callResult(lent);
  const mapped = yield* sysMmap(vm, q, {
    address: place,
    length: npages * PAGE_SIZE,
    protection: PROT_READ | PROT_WRITE,
    sharing: 'private',
    backing: { kind: 'anon' },
    fixed: true,
  });
  if (failed(mapped)) {
    unloanAnons(vm, lent.anons);
    return mapped;
  }
  yield* lockMap(vm, q.map, q.thread);
  const first = pageOf(place);
  const shown = showAnons(vm, q, first, lent.anons);
  // Without memory for the amap there is nothing to show them in: the mapping goes, and they go back.
  if (!shown) yield* removeRange(vm, q.thread, q.map, first, first + npages);
  unlockMap(q.map, q.thread);
  if (shown) return 0;
  unloanAnons(vm, lent.anons);
  return 'ENOMEM';
}

/** Puts the anons into the amap of the range, which has just been mapped; false when it cannot be made. */
function showAnons(vm: Vm, q: NetbsdProcess, start: number, anons: readonly Anon[]): boolean {
  for (const [i, anon] of anons.entries()) {
    const entry = q.map.lookup(start + i) as MapEntry;
    if ((entry.etype & UVM_ET_NEEDSCOPY) !== 0) amapCopy(vm, q.map, entry, false, 0, 0);
    if (entry.amap === null || (entry.etype & UVM_ET_NEEDSCOPY) !== 0) return false;
    amapAdd(vm, entry, start + i, anon, false);
  }
  return true;
}

/** `swaperror N [EAGAIN]`. */
export function orderSwapErrors(vm: Vm, count: number, again: boolean): void {
  vm.swapErrors.count = count;
  vm.swapErrors.error = again ? EAGAIN : EIO;
}

/** `ioerror FILE PAGE COUNT [EAGAIN]`: in place of what was ordered for the file before. */
export function orderFileErrors(file: VmFile, page: number, count: number, again: boolean): void {
  (file as VnodeObject).orderedError = { page, count, error: again ? EAGAIN : EIO };
}

/** `P map ADDR NPAGES shm NAME PAGEOFF SHARING PROT`. */
export function* mapShared(
  vm: Vm,
  p: NetbsdProcess,
  address: number,
  npages: number,
  segment: AnonObject,
  offset: number,
  sharing: Sharing,
  protection: Prot,
): Task<CallResult> {
  if (address % PAGE_SIZE !== 0) return 'EINVAL';
  const start = pageOf(address);
  if (npages === 0) return 0;
  if (start + npages > p.map.maxPage) return 'EFBIG';
  const copyOnWrite = sharing === 'private';
  return yield* mapSegment(vm, p, { start, end: start + npages, object: segment, offset, protection, copyOnWrite });
}

/** `P reserve ADDR NPAGES`: an entry with nothing behind it. */
export function* reserve(vm: Vm, p: NetbsdProcess, address: number, npages: number): Task<CallResult> {
  yield* lockMap(vm, p.map, p.thread);
  const start = pageOf(address);
  const error = mapEnter(vm, p.map, {
    start,
    end: start + npages,
    object: null,
    offset: 0,
    protection: PROT_READ | PROT_WRITE,
    maxProtection: PROT_ALL,
    inheritance: INHERIT_NONE,
    advice: ADVICE_NORMAL,
    copyOnWrite: false,
    overlay: false,
  });
  unlockMap(p.map, p.thread);
  return callResult(error);
}

/** `submap P ADDR NPAGES S` (uvm_map_submap). */
export function* makeSubmap(
  vm: Vm,
  p: NetbsdProcess,
  address: number,
  npages: number,
  inner: NetbsdProcess,
): Task<CallResult> {
  const { map, thread } = p;
  const start = pageOf(address);
  const end = start + npages;
  yield* lockMap(vm, map, thread);
  const entry = map.lookup(start);
  let error = EINVAL;
  if (entry !== null) {
    clipStart(map, entry, start);
    clipEnd(map, entry, end);
    const plain = (entry.etype & (UVM_ET_COPYONWRITE | UVM_ET_NEEDSCOPY | UVM_ET_SUBMAP)) === 0;
    if (entry.start === start && entry.end === end && entry.object === null && entry.amap === null && plain) {
      entry.etype |= UVM_ET_SUBMAP;
      entry.submap = inner.map;
      entry.offset = 0;
      vm.everSubmap = true;
      error = 0;
    }
  }
  unlockMap(map, thread);
  return callResult(error);
}
