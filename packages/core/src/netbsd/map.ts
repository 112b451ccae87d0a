/**
 * uvm_map: an address space as a sorted list of entries, and how one entry becomes two.
 *
 * Entries are kept twice over: linked (the code walks `next` as the kernel's does) and in a sorted array for the look-up. The head of the list
 * is an entry of the map itself that belongs to no range.
 *
 * The map lock is held for writing by whoever changes entries; each write lock raises the timestamp, which is how a fault that let go of the
 * lock knows whether anything happened meanwhile. A map can also be *busy*: its holder has the read lock on and off, and everybody else
 * who wants to write waits until it is done. Entries once split are joined again only in map-merge.ts.
 */
import { RwLock } from '../kernel/locks.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_WRITE } from '../vm/prot.js';
import type { Amap } from './amap.js';
import { amapSplitRef } from './amap.js';
import type { UvmObject } from './object.js';
import type { Vm } from './vm.js';

export const UVM_ET_OBJ = 1;
export const UVM_ET_SUBMAP = 2;
export const UVM_ET_COPYONWRITE = 4;
export const UVM_ET_NEEDSCOPY = 8;

export const ADVICE_NORMAL = 0;
export const ADVICE_RANDOM = 1;
export const ADVICE_SEQUENTIAL = 2;

export const INHERIT_SHARE = 0;
export const INHERIT_COPY = 1;
export const INHERIT_NONE = 2;

export class MapEntry {
  prev: MapEntry;
  next: MapEntry;
  /** Pages; `end` is exclusive. */
  start = 0;
  end = 0;
  /** The lower layer, and pages into it. */
  object: UvmObject | null = null;
  offset = 0;
  /** Instead of an object: the map that this range looks into. */
  submap: VmMap | null = null;
  /** The upper layer, and slots into it. */
  amap: Amap | null = null;
  pageoff = 0;
  etype = 0;
  protection: Prot = 0;
  maxProtection: Prot = 0;
  inheritance = INHERIT_COPY;
  wiredCount = 0;
  advice = ADVICE_NORMAL;
  noMerge = false;

  constructor() {
    this.prev = this;
    this.next = this;
  }

  /** uvm_mapent_copy: a copy that is in no list. */
  clone(): MapEntry {
    const copy = new MapEntry();
    copy.start = this.start;
    copy.end = this.end;
    copy.object = this.object;
    copy.offset = this.offset;
    copy.submap = this.submap;
    copy.amap = this.amap;
    copy.pageoff = this.pageoff;
    copy.etype = this.etype;
    copy.protection = this.protection;
    copy.maxProtection = this.maxProtection;
    copy.inheritance = this.inheritance;
    copy.wiredCount = this.wiredCount;
    copy.advice = this.advice;
    copy.noMerge = this.noMerge;
    return copy;
  }
}

export class VmMap {
  /** Head of the entry list. */
  readonly header = new MapEntry();
  /** The entries, sorted by address. */
  readonly index: MapEntry[] = [];
  private hint: MapEntry = this.header;
  /** Its version: raised by every write lock. */
  timestamp = 0;
  readonly lock: RwLock;
  /** Who has made the map busy. */
  busy: Thread | null = null;
  readonly busyChannel = { channel: 'vmmapbsy' };
  /** Faults may page here; the kernel's wired maps are not pageable. */
  pageable = true;
  /** Used from interrupts: never faulted. */
  intrsafe = false;
  /** Wire what is mapped from now on (mlockall). */
  wireFuture = false;

  constructor(
    vm: Vm,
    readonly pmap: Pmap,
    /** User range in pages; `maxPage` is exclusive. */
    readonly minPage: number,
    readonly maxPage: number,
    readonly name: string,
  ) {
    this.lock = new RwLock(vm.kernel, name);
  }

  /** uvm_map_lookup_entry: the entry that holds the page, or null. */
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
    return at === 0 ? this.header : this.index[at - 1];
  }

  /** How many entries start at or before the page. */
  private position(vpn: number): number {
    let low = 0;
    let high = this.index.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.index[middle].start <= vpn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the entry is in the index; who has changed its start before it was taken out must be looked for. */
  private placeOf(entry: MapEntry): number {
    const at = this.position(entry.start) - 1;
    return at >= 0 && this.index[at] === entry ? at : this.index.indexOf(entry);
  }

  /** uvm_map_entry_link: puts an entry in its place. */
  link(entry: MapEntry): void {
    const at = this.position(entry.start);
    const after = at === 0 ? this.header : this.index[at - 1];
    this.index.splice(at, 0, entry);
    entry.prev = after;
    entry.next = after.next;
    after.next.prev = entry;
    after.next = entry;
  }

  /** uvm_map_entry_unlink. The entry keeps its own links, for who walks over it. */
  unlink(entry: MapEntry): void {
    this.index.splice(this.placeOf(entry), 1);
    entry.prev.next = entry.next;
    entry.next.prev = entry.prev;
    if (this.hint === entry) this.hint = this.header;
  }

  /** Whether a walk along the list has come round. */
  isHead(entry: MapEntry): boolean {
    return entry === this.header;
  }
}

/** What the pmap and the object may be told of an entry: a copy-on-write one never grants writing by itself. */
export function entryMask(entry: MapEntry): Prot {
  return (entry.etype & UVM_ET_COPYONWRITE) !== 0 ? PROT_ALL & ~PROT_WRITE : PROT_ALL;
}

// ---- locks ---------------------------------------------------------------------------------------------------------

/** vm_map_lock: for writing; waits for who has the map busy. */
export function* lockMap(vm: Vm, map: VmMap, thread: Thread): Task<void> {
  for (;;) {
    while (!map.lock.acquireWrite(thread)) yield;
    if (map.busy === null || map.busy === thread) break;
    map.lock.releaseWrite(thread);
    vm.kernel.sleep(thread, map.busyChannel, 'vmmapbsy');
    while (!thread.running) yield;
  }
  map.timestamp++;
}

export function unlockMap(map: VmMap, thread: Thread): void {
  map.lock.releaseWrite(thread);
}

export function* lockMapRead(map: VmMap, thread: Thread): Task<void> {
  while (!map.lock.acquireRead(thread)) yield;
}

/** vm_map_unbusy. */
export function unbusyMap(vm: Vm, map: VmMap): void {
  map.busy = null;
  vm.kernel.wakeup(map.busyChannel);
}

// ---- clipping ------------------------------------------------------------------------------------------------------

/** uvm_map_clip_start: makes the entry begin at `start`; what lies before becomes an entry of its own. */
export function clipStart(map: VmMap, entry: MapEntry, start: number): void {
  if (start <= entry.start || start >= entry.end) return;
  const front = entry.clone();
  const pages = start - entry.start;
  front.end = start;
  if (entry.amap !== null) amapSplitRef(front, entry, pages);
  map.unlink(entry);
  entry.offset += entry.object === null ? 0 : pages;
  entry.start = start;
  map.link(front);
  map.link(entry);
  entry.object?.reference();
}

/** uvm_map_clip_end: makes the entry end at `end`; what lies behind becomes an entry of its own. */
export function clipEnd(map: VmMap, entry: MapEntry, end: number): void {
  if (end >= entry.end || end <= entry.start) return;
  const back = entry.clone();
  const pages = end - entry.start;
  back.start = end;
  if (entry.amap !== null) amapSplitRef(entry, back, pages);
  back.offset += entry.object === null ? 0 : pages;
  entry.end = end;
  map.link(back);
  back.object?.reference();
}

/** The first entry that reaches above `start`, clipped to begin there; the header when there is none. */
export function firstInRange(map: VmMap, start: number): MapEntry {
  const entry = map.lookup(start);
  if (entry === null) return map.before(start).next;
  clipStart(map, entry, start);
  return entry;
}

/** VM_MAP_RANGE_CHECK. */
export function clampRange(map: VmMap, start: number, end: number): { start: number; end: number } {
  const last = Math.min(end, map.maxPage);
  return { start: Math.min(Math.max(start, map.minPage), last), end: last };
}
