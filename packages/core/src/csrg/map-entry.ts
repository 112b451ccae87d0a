/**
 * vm_map and vm_map_entry: an address space as a sorted list of ranges, and how one range becomes two.
 *
 * An entry refers to an object, or to a *sharing map*: a map without a pmap of its own that several address spaces look into, so that what
 * happens to the range (a copy, a shadow) happens to all of them at once. Sharing maps are made by fork for entries that are inherited
 * shared, and are never taken apart again. A *submap* hands a whole range to another map; the kernel uses them for itself.
 *
 * Entries are kept twice over: linked (the code walks `next` as the kernel's does) and in a sorted array for the look-up. The head of the
 * list is an entry of the map itself that belongs to no range. There is no joining of equal neighbours, ever.
 *
 * The map lock is a sleep lock, recursive for its writer. Lock order: map, then sharing map.
 */
import { RwLock } from '../kernel/locks.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL } from '../vm/prot.js';
import type { VmObject } from './object.js';
import { objectReference } from './object.js';
import type { Vm } from './vm.js';

export const VM_INHERIT_SHARE = 0;
export const VM_INHERIT_COPY = 1;
export const VM_INHERIT_NONE = 2;
export const VM_INHERIT_DEFAULT = VM_INHERIT_COPY;
export const VM_PROT_DEFAULT = PROT_ALL;

export class MapEntry {
  prev: MapEntry;
  next: MapEntry;
  /** Pages; `end` is exclusive. */
  start = 0;
  end = 0;
  object: VmObject | null = null;
  /** is_a_map: the sharing map that this range looks into, instead of an object. */
  shareMap: VmMap | null = null;
  /** is_sub_map. */
  subMap: VmMap | null = null;
  /** Pages into the object, or the page of the sharing map. */
  offset = 0;
  copyOnWrite = false;
  needsCopy = false;
  protection: Prot = VM_PROT_DEFAULT;
  maxProtection: Prot = VM_PROT_DEFAULT;
  inheritance = VM_INHERIT_DEFAULT;
  wiredCount = 0;

  constructor() {
    this.prev = this;
    this.next = this;
  }

  /** A copy that is in no list. */
  clone(): MapEntry {
    const copy = new MapEntry();
    copy.start = this.start;
    copy.end = this.end;
    copy.object = this.object;
    copy.shareMap = this.shareMap;
    copy.subMap = this.subMap;
    copy.offset = this.offset;
    copy.copyOnWrite = this.copyOnWrite;
    copy.needsCopy = this.needsCopy;
    copy.protection = this.protection;
    copy.maxProtection = this.maxProtection;
    copy.inheritance = this.inheritance;
    copy.wiredCount = this.wiredCount;
    return copy;
  }
}

export class VmMap {
  /** Head of the entry list. */
  readonly header = new MapEntry();
  /** The entries, sorted by address. */
  readonly index: MapEntry[] = [];
  /** Found by the last look-up. */
  private hint: MapEntry = this.header;
  readonly lock: RwLock;
  refCount = 1;
  /** Mended only: a fork has found no memory for what it had to copy into this map. */
  incomplete = false;

  constructor(
    vm: Vm,
    /** Null for a sharing map. */
    readonly pmap: Pmap | null,
    /** Bounds in pages; `maxPage` is exclusive. */
    readonly minPage: number,
    readonly maxPage: number,
    /** False for a sharing map. */
    readonly isMainMap: boolean,
    name: string,
  ) {
    this.lock = new RwLock(vm.kernel, name, true);
  }

  /** vm_map_lookup_entry: the entry that holds the page, or null. */
  lookup(vpn: number): MapEntry | null {
    const { hint } = this;
    if (vpn >= hint.start && vpn < hint.end) return hint;
    const entry = this.before(vpn);
    if (entry === this.header || vpn >= entry.end) return null;
    this.hint = entry;
    return entry;
  }

  /** The last entry that starts at or before the page, or the header. */
  before(vpn: number): MapEntry {
    const at = this.position(vpn);
    return at === 0 ? this.header : (this.index[at - 1] as MapEntry);
  }

  /** How many entries start at or before the page. */
  private position(vpn: number): number {
    let low = 0;
    let high = this.index.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.index[middle] as MapEntry).start <= vpn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** vm_map_entry_link: puts an entry in its place. */
  link(entry: MapEntry): void {
    const at = this.position(entry.start);
    const after = at === 0 ? this.header : (this.index[at - 1] as MapEntry);
    this.index.splice(at, 0, entry);
    entry.prev = after;
    entry.next = after.next;
    after.next.prev = entry;
    after.next = entry;
  }

  /** vm_map_entry_unlink. */
  unlink(entry: MapEntry): void {
    this.index.splice(this.position(entry.start) - 1, 1);
    entry.prev.next = entry.next;
    entry.next.prev = entry.prev;
    if (this.hint === entry) this.hint = this.header;
  }

  /** Whether a walk along the list has come round. */
  isHead(entry: MapEntry): boolean {
    return entry === this.header;
  }

  /** VM_MAP_RANGE_CHECK: a range cut to the bounds of the map. */
  clampStart(start: number): number {
    return Math.max(start, this.minPage);
  }

  clampEnd(end: number): number {
    return Math.min(end, this.maxPage);
  }
}

/** Takes the map's lock for writing. */
export function* lockMap(map: VmMap, thread: Thread): Task<void> {
  while (!map.lock.acquireWrite(thread)) yield;
}

export function unlockMap(map: VmMap, thread: Thread): void {
  map.lock.releaseWrite(thread);
}

/** One reference more on what an entry refers to. */
function referenceBacking(entry: MapEntry): void {
  const map = entry.shareMap ?? entry.subMap;
  if (map !== null) map.refCount++;
  else objectReference(entry.object);
}

/** vm_map_clip_start: makes the entry begin at `start`; what lies before becomes an entry of its own. */
export function clipStart(map: VmMap, entry: MapEntry, start: number): void {
  if (start <= entry.start) return;
  const front = entry.clone();
  front.end = start;
  map.unlink(entry);
  entry.offset += start - entry.start;
  entry.start = start;
  map.link(front);
  map.link(entry);
  referenceBacking(front);
}

/** vm_map_clip_end: makes the entry end at `end`; what lies behind becomes an entry of its own. */
export function clipEnd(map: VmMap, entry: MapEntry, end: number): void {
  if (end >= entry.end) return;
  const back = entry.clone();
  back.start = end;
  back.offset += end - entry.start;
  entry.end = end;
  map.link(back);
  referenceBacking(back);
}

/** The first entry that reaches above `start`, clipped to begin there if it begins before; the header when there is none. */
export function firstInRange(map: VmMap, start: number): MapEntry {
  const entry = map.lookup(start);
  if (entry === null) return map.before(start).next;
  clipStart(map, entry, start);
  return entry;
}

/** Whether a walk over a range goes on with this entry. */
export function within(map: VmMap, entry: MapEntry, end: number): boolean {
  return !map.isHead(entry) && entry.start < end;
}
