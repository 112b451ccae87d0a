/**
 * Operations on a range of a map: unmapping, protection, inheritance, advice, and cleaning (msync and the advice that gives pages up).
 *
 * All hold the map lock throughout; those that may wait for I/O are tasks. Holes are no error, except for cleaning.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_EXECUTE, PROT_NONE } from '../vm/prot.js';
import { amapLookup, amapUnadd, amapUnref } from './amap.js';
import { anonUnref } from './anon.js';
import { EACCES, EBUSY, EFAULT, EINVAL, ENOMEM } from './codes.js';
import { unwirePages } from './fault-wire.js';
import type { MapEntry, VmMap } from './map.js';
import { clampRange, clipEnd, entryMask, firstInRange, lockMapRead, UVM_ET_OBJ, UVM_ET_SUBMAP } from './map.js';
import { PGO_CLEANIT, PGO_DEACTIVATE, PGO_FREE } from './object.js';
import { pageDeactivate } from './page.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';

/** uvm_map_entry_unwire: the entry is wired no more; its pages and translations are told. */
export function unwireEntry(vm: Vm, map: VmMap, entry: MapEntry): void {
  entry.wiredCount = 0;
  unwirePages(vm, map, entry.start, entry.end);
}

/** uvm_unmap_remove and uvm_unmap_detach, with the map write-locked. */
export function* removeRange(vm: Vm, thread: Thread, map: VmMap, from: number, to: number): Task<void> {
  const { start, end } = clampRange(map, from, to);
  const removed: MapEntry[] = [];
  let entry = firstInRange(map, start);
  while (!map.isHead(entry) && entry.start < end) {
    clipEnd(map, entry, end);
    const { next } = entry;
    if (entry.wiredCount > 0) unwireEntry(vm, map, entry);
    if ((entry.etype & UVM_ET_OBJ) !== 0 || entry.amap !== null) vm.pmap.remove(map.pmap, entry.start, entry.end);
    // As seeded what a submap showed stays translated here.
    if (entry.submap !== null && vm.mended) vm.pmap.remove(map.pmap, entry.start, entry.end);
    map.unlink(entry);
    removed.push(entry);
    entry = next;
  }
  // The kernel chains what it removes, and so meets it again from the end.
  for (const gone of removed.reverse()) yield* detachEntry(vm, thread, gone);
}

/** Gives back what an entry referred to. */
export function* detachEntry(vm: Vm, thread: Thread, entry: MapEntry): Task<void> {
  const { amap } = entry;
  if (amap !== null) {
    while (!amap.lock.acquire(thread)) yield;
    amapUnref(vm, amap, entry.pageoff, entry.end - entry.start);
    amap.lock.release(thread);
  }
  if (entry.object !== null) yield* entry.object.detach(thread);
}

/** How mprotect wires what becomes accessible under mlockall: given by map-wire.ts, which needs this file. */
export type WireEntry = (entry: MapEntry) => Task<number>;

/** uvm_map_protect, with the map write-locked. */
export function* protectRange(
  vm: Vm,
  map: VmMap,
  from: number,
  to: number,
  prot: Prot,
  wireEntry: WireEntry,
): Task<number> {
  const { start, end } = clampRange(map, from, to);
  if (start >= end) return 0;
  const first = firstInRange(map, start);
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.etype & UVM_ET_SUBMAP) !== 0) return EINVAL;
    if ((prot & entry.maxProtection) !== prot) return EACCES;
  }
  let error = 0;
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    clipEnd(map, entry, end);
    const old = entry.protection;
    entry.protection = prot;
    if (prot !== old) {
      // The first entry's state stands for all of them (oddity 19).
      vm.pmap.protect(map.pmap, entry.start, entry.end, prot & entryMask(first));
      if (entry.object?.kind === 'vnode' && (prot & PROT_EXECUTE) !== 0) (entry.object as VnodeObject).markText();
    }
    if (map.wireFuture && entry.wiredCount === 0 && old === PROT_NONE && prot !== PROT_NONE) {
      if ((yield* wireEntry(entry)) !== 0) error = ENOMEM;
    }
  }
  return error;
}

/** uvm_map_inherit, with the map write-locked. */
export function inheritRange(map: VmMap, from: number, to: number, how: number): void {
  const { start, end } = clampRange(map, from, to);
  if (start >= end) return;
  for (let entry = firstInRange(map, start); !map.isHead(entry) && entry.start < end; entry = entry.next) {
    clipEnd(map, entry, end);
    entry.inheritance = how;
  }
}

/** uvm_map_advice, with the map write-locked. */
export function adviseRange(map: VmMap, from: number, to: number, advice: number): void {
  const { start, end } = clampRange(map, from, to);
  if (start >= end) return;
  for (let entry = firstInRange(map, start); !map.isHead(entry) && entry.start < end; entry = entry.next) {
    clipEnd(map, entry, end);
    entry.advice = advice;
  }
}

/** uvm_map_clean: cleans, deactivates or frees what a range shows. Takes the read lock itself. */
export function* cleanRange(vm: Vm, thread: Thread, map: VmMap, from: number, to: number, flags: number): Task<number> {
  yield* lockMapRead(map, thread);
  const { start, end } = clampRange(map, from, to);
  const first = map.lookup(start);
  let error = first === null ? EFAULT : checkClean(vm, map, first, end, flags);
  if (error === 0) error = yield* cleanEntries(vm, thread, map, first as MapEntry, start, end, flags);
  map.lock.releaseRead(thread);
  return error;
}

/** The first pass: holes, submaps, wiring. */
function checkClean(vm: Vm, map: VmMap, first: MapEntry, end: number, flags: number): number {
  for (let entry = first; !map.isHead(entry) && entry.start < end; entry = entry.next) {
    if ((entry.etype & UVM_ET_SUBMAP) !== 0) return EINVAL;
    // As seeded it is the first entry that is asked, every time (oddity 18).
    const asked = vm.mended ? entry : first;
    if ((flags & PGO_FREE) !== 0 && asked.wiredCount > 0) return EBUSY;
    if (end <= entry.end) break;
    if (map.isHead(entry.next) || entry.end !== entry.next.start) return EFAULT;
  }
  return 0;
}

function* cleanEntries(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  first: MapEntry,
  start: number,
  end: number,
  flags: number,
): Task<number> {
  let error = 0;
  let at = start;
  for (let entry = first; at < end; entry = entry.next) {
    const stop = Math.min(end, entry.end);
    if (entry.amap !== null && (flags & (PGO_DEACTIVATE | PGO_FREE)) !== 0) {
      while (!entry.amap.lock.acquire(thread)) yield;
      for (let vpn = at; vpn < stop; vpn++) cleanAnon(vm, map, entry, vpn, flags);
      entry.amap.lock.release(thread);
    }
    const { object } = entry;
    if (object !== null) {
      const from = entry.offset + at - entry.start;
      while (!object.lock.acquire(thread)) yield;
      if (object.hasPut) {
        const failed = yield* object.put(thread, from, from + stop - at, flags | PGO_CLEANIT, false);
        // As seeded the last object's answer is that of all of them (oddity 24).
        if (!vm.mended || error === 0) error = failed;
      } else {
        if (!vm.mended) error = 0;
        // As seeded the lock is never given back, and the next use of the device hangs (oddity 21).
        if (!vm.deadly) object.lock.release(thread);
      }
    }
    at = stop;
  }
  return error;
}

/**
 * One place of the amap: deactivated, or for PGO_FREE taken out when nobody else has the amap. As seeded its translation stays while other
 * amaps hold the anon, and shows what they write to it (oddity 26).
 */
function cleanAnon(vm: Vm, map: VmMap, entry: MapEntry, vpn: number, flags: number): void {
  const anon = amapLookup(entry, vpn);
  if (anon === null || anon.page < 0) return;
  const { page } = anon;
  const { loanCount, wireCount } = vm.pages;
  const free = (flags & (PGO_FREE | PGO_CLEANIT)) === PGO_FREE;
  if (!free || (entry.amap?.ref ?? 0) > 1) {
    if (loanCount[page] === 0 && wireCount[page] === 0) pageDeactivate(vm, page);
    return;
  }
  if (wireCount[page] !== 0) return;
  amapUnadd(entry, vpn);
  if (vm.mended) vm.pmap.remove(map.pmap, vpn, vpn + 1);
  anonUnref(vm, anon);
}
