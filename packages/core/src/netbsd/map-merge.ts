/**
 * uvm_map and uvm_mapent_trymerge: new mappings, and the only two occasions on which entries are joined.
 *
 * A new mapping is joined with the entry before it, the entry behind it, or both, if they are alike in everything and what lies below
 * is contiguous; an amap must belong to the neighbour alone and is extended. And an entry that is about to get its first amap may instead
 * be joined with a neighbour that is alike except that it has its amap already.
 */
import type { Prot } from '../vm/prot.js';
import type { Amap } from './amap.js';
import { amapAlloc, amapExtend, UVM_AMAP_CHUNK } from './amap.js';
import { EACCES, ENOMEM } from './codes.js';
import type { VmMap } from './map.js';
import { MapEntry, UVM_ET_COPYONWRITE, UVM_ET_NEEDSCOPY, UVM_ET_OBJ } from './map.js';
import type { UvmObject } from './object.js';
import type { Vm } from './vm.js';

/** What uvm_map is asked for. Pages. */
export interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly object: UvmObject | null;
  readonly offset: number;
  readonly protection: Prot;
  readonly maxProtection: Prot;
  readonly inheritance: number;
  readonly advice: number;
  /** UVM_FLAG_COPYONW. */
  readonly copyOnWrite: boolean;
  /** UVM_FLAG_OVERLAY: the amap is made now; with `padded`, with room to grow (UVM_FLAG_AMAPPAD). */
  readonly overlay: boolean;
  readonly padded?: boolean;
}

/** What makes two entries alike (UVM_ET_ISCOMPATIBLE). */
interface Likeness {
  readonly etype: number;
  readonly object: UvmObject | null;
  readonly protection: Prot;
  readonly maxProtection: Prot;
  readonly inheritance: number;
  readonly advice: number;
  readonly wiredCount: number;
  readonly noMerge: boolean;
}

function compatible(entry: MapEntry, like: Likeness): boolean {
  return (
    entry.etype === like.etype &&
    entry.object === like.object &&
    entry.noMerge === like.noMerge &&
    entry.protection === like.protection &&
    entry.maxProtection === like.maxProtection &&
    entry.inheritance === like.inheritance &&
    entry.advice === like.advice &&
    entry.wiredCount === like.wiredCount
  );
}

function entryType(mapping: Mapping): number {
  let etype = mapping.object === null ? 0 : UVM_ET_OBJ;
  if (mapping.copyOnWrite) etype |= UVM_ET_COPYONWRITE;
  if (mapping.copyOnWrite && !mapping.overlay) etype |= UVM_ET_NEEDSCOPY;
  return etype;
}

/** Whether pages `start` to `end` are user addresses that nothing is mapped at. */
export function rangeIsFree(map: VmMap, start: number, end: number): boolean {
  if (start < map.minPage || end > map.maxPage) return false;
  const before = map.before(start);
  if (!map.isHead(before) && before.end > start) return false;
  return map.isHead(before.next) || before.next.start >= end;
}

/**
 * uvm_map, at a fixed place; the map is write-locked. The caller's reference on the object is the entry's from now on, or given back when the
 * mapping joins an entry. Answers 0, EACCES, or ENOMEM.
 */
export function mapEnter(vm: Vm, map: VmMap, mapping: Mapping): number {
  const { start, end, object } = mapping;
  if ((mapping.protection & mapping.maxProtection) !== mapping.protection) return EACCES;
  if (!rangeIsFree(map, start, end)) return ENOMEM;
  const like: Likeness = { ...mapping, etype: entryType(mapping), wiredCount: 0, noMerge: false };
  const before = map.before(start);
  const { next } = before;
  const back = joinBack(vm, map, before, mapping, like);
  const forward = back === 'refused' ? false : joinForward(vm, map, before, next, mapping, like, back === 'joined');
  if (back === 'joined' || forward) {
    if (object !== null) object.refs--;
    return 0;
  }
  const entry = new MapEntry();
  entry.start = start;
  entry.end = end;
  entry.object = object;
  entry.offset = object === null ? 0 : mapping.offset;
  entry.etype = like.etype;
  entry.protection = mapping.protection;
  entry.maxProtection = mapping.maxProtection;
  entry.inheritance = mapping.inheritance;
  entry.advice = mapping.advice;
  if (mapping.overlay) {
    entry.amap = amapAlloc(vm, end - start, mapping.padded === true ? UVM_AMAP_CHUNK : 0);
    if (entry.amap === null) return ENOMEM;
  }
  map.link(entry);
  return 0;
}

/** Joins the mapping to the entry that ends where it starts. `refused`: the amap cannot grow, and there shall be no other joining. */
function joinBack(
  vm: Vm,
  map: VmMap,
  before: MapEntry,
  mapping: Mapping,
  like: Likeness,
): 'joined' | 'apart' | 'refused' {
  if (map.isHead(before) || before.end !== mapping.start || !compatible(before, like)) return 'apart';
  if (mapping.object !== null && before.offset + before.end - before.start !== mapping.offset) return 'apart';
  if (before.amap !== null) {
    if (before.amap.ref !== 1) return 'apart';
    if (amapExtend(vm, before, mapping.end - mapping.start, true) !== 0) return 'refused';
  }
  before.end = mapping.end;
  return 'joined';
}

/** Joins the mapping, and the entry before it if that has just grown, to the entry that starts where it ends. */
function joinForward(
  vm: Vm,
  map: VmMap,
  before: MapEntry,
  next: MapEntry,
  mapping: Mapping,
  like: Likeness,
  grown: boolean,
): boolean {
  if (map.isHead(next) || next.start !== mapping.end || !compatible(next, like)) return false;
  if (mapping.object !== null && next.offset !== mapping.offset + mapping.end - mapping.start) return false;
  // Two amaps cannot become one.
  if (next.amap !== null && (next.amap.ref !== 1 || (grown && before.amap !== null))) return false;
  if (!grown) {
    if (next.amap !== null && amapExtend(vm, next, mapping.end - mapping.start, false) !== 0) return false;
    map.unlink(next);
    next.start = mapping.start;
    if (mapping.object !== null) next.offset = mapping.offset;
    map.link(next);
    return true;
  }
  if (!extendOver(vm, before, next)) return false;
  map.unlink(next);
  before.end = next.end;
  if (before.amap === null) {
    before.amap = next.amap;
    before.pageoff = next.pageoff;
  }
  if (next.object !== null) next.object.refs--;
  return true;
}

/** Whichever of two neighbours has an amap: it reaches over both now. */
function extendOver(vm: Vm, before: MapEntry, next: MapEntry): boolean {
  if (before.amap !== null) return amapExtend(vm, before, next.end - next.start, true) === 0;
  if (next.amap !== null) return amapExtend(vm, next, before.end - before.start, false) === 0;
  return true;
}

/**
 * uvm_mapent_trymerge while copying: the entry, which has no amap yet, takes over a neighbour that has one for itself and is alike otherwise.
 * True when it has an amap now.
 */
export function tryMerge(vm: Vm, map: VmMap, entry: MapEntry): boolean {
  if (entry.noMerge) return false;
  const like: Likeness = {
    etype: entry.etype & ~UVM_ET_NEEDSCOPY,
    object: entry.object,
    protection: entry.protection,
    maxProtection: entry.maxProtection,
    inheritance: entry.inheritance,
    advice: entry.advice,
    wiredCount: entry.wiredCount,
    noMerge: entry.noMerge,
  };
  return mergeNext(vm, map, entry, like) || mergePrevious(vm, map, entry, like);
}

/** Whether a neighbour has an amap that nobody else refers to. */
function hasOwnAmap(entry: MapEntry): boolean {
  return entry.amap !== null && entry.amap.ref === 1;
}

function mergeNext(vm: Vm, map: VmMap, entry: MapEntry, like: Likeness): boolean {
  const { next } = entry;
  const size = entry.end - entry.start;
  if (map.isHead(next) || next.start !== entry.end || !hasOwnAmap(next) || !compatible(next, like)) return false;
  if (entry.object !== null && entry.offset + size !== next.offset) return false;
  if (amapExtend(vm, next, size, false) !== 0) return false;
  map.unlink(next);
  entry.end = next.end;
  takeAmap(entry, next);
  return true;
}

function mergePrevious(vm: Vm, map: VmMap, entry: MapEntry, like: Likeness): boolean {
  const { prev } = entry;
  if (map.isHead(prev) || prev.end !== entry.start || !hasOwnAmap(prev) || !compatible(prev, like)) return false;
  if (entry.object !== null && prev.offset + prev.end - prev.start !== entry.offset) return false;
  if (amapExtend(vm, prev, entry.end - entry.start, true) !== 0) return false;
  map.unlink(prev);
  map.unlink(entry);
  entry.start = prev.start;
  if (entry.object !== null) entry.offset = prev.offset;
  map.link(entry);
  takeAmap(entry, prev);
  return true;
}

function takeAmap(entry: MapEntry, from: MapEntry): void {
  entry.amap = from.amap as Amap;
  entry.pageoff = from.pageoff;
  entry.etype &= ~UVM_ET_NEEDSCOPY;
  if (entry.object !== null) entry.object.refs--;
}
