/**
 * vm_map and vm_map_entry: an address space as a sorted list of ranges, and how one range becomes two or two become one.
 *
 * Entries are kept twice over: linked (the code walks `next` as the kernel's does) and in a sorted array for the look-up. The head of
 * the list is an entry of the map itself that belongs to no range.
 *
 * The map lock is held alone by whoever changes entries; each exclusive lock, and each upgrade, raises the timestamp, which is how
 * a fault that let go of the lock knows that nothing happened meanwhile. Merging drops a reference, which is a task: an object
 * that then has one left may be joined with its shadow, and that can wait.
 *
 * Addresses are pages. One oddity can make them broken numbers: a virtual page table's master entry lies in the same field as a stack's room
 * to grow, and growing by it may end within a page. So indexes are truncated where they are computed.
 */
import { RwLock } from '../kernel/locks.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_WRITE } from '../vm/prot.js';
import type { VmObject } from './object.js';
import {
  OBJT_DEFAULT,
  OBJT_DEVICE,
  objectAllocate,
  objectReference,
  objectShadow,
  VPAGETABLE_PAGES,
} from './object.js';
import { deallocate, dropReference } from './object-end.js';
import type { Vm } from './vm.js';

export const MAP_ENTRY_NOSYNC = 0x0001;
export const MAP_ENTRY_STACK = 0x0002;
export const MAP_ENTRY_COW = 0x0004;
export const MAP_ENTRY_NEEDS_COPY = 0x0008;
export const MAP_ENTRY_NOFAULT = 0x0010;
export const MAP_ENTRY_USER_WIRED = 0x0020;
export const MAP_ENTRY_BEHAV_NORMAL = 0x0000;
export const MAP_ENTRY_BEHAV_SEQUENTIAL = 0x0040;
export const MAP_ENTRY_BEHAV_RANDOM = 0x0080;
export const MAP_ENTRY_BEHAV_MASK = 0x00c0;
export const MAP_ENTRY_IN_TRANSITION = 0x0100;
export const MAP_ENTRY_NEEDS_WAKEUP = 0x0200;
export const MAP_ENTRY_NOCOREDUMP = 0x0400;
/** The first page is a guard: a kernel's stack. */
export const MAP_ENTRY_KSTACK = 0x0800;

export const VM_MAPTYPE_NORMAL = 1;
export const VM_MAPTYPE_VPAGETABLE = 2;
export const VM_MAPTYPE_SUBMAP = 3;

export const VM_INHERIT_SHARE = 0;
export const VM_INHERIT_COPY = 1;
export const VM_INHERIT_NONE = 2;
export const VM_INHERIT_DEFAULT = VM_INHERIT_COPY;

export class MapEntry {
  prev: MapEntry;
  next: MapEntry;
  /** Pages; `end` is exclusive. */
  start = 0;
  end = 0;
  object: VmObject | null = null;
  /** Instead of an object: the map that this range looks into. */
  submap: VmMap | null = null;
  /** Pages into the object. */
  offset = 0;
  eflags = 0;
  protection: Prot = 0;
  maxProtection: Prot = 0;
  inheritance = VM_INHERIT_DEFAULT;
  wiredCount = 0;
  maptype = VM_MAPTYPE_NORMAL;
  /**
   * aux, a union of the kernel's: the master entry of a virtual page table, or the bytes that a stack may still grow by. Two 32-bit
   * halves of one 64-bit word.
   */
  auxHigh = 0;
  auxLow = 0;

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
    copy.submap = this.submap;
    copy.offset = this.offset;
    copy.eflags = this.eflags;
    copy.protection = this.protection;
    copy.maxProtection = this.maxProtection;
    copy.inheritance = this.inheritance;
    copy.wiredCount = this.wiredCount;
    copy.maptype = this.maptype;
    copy.auxHigh = this.auxHigh;
    copy.auxLow = this.auxLow;
    return copy;
  }

  /** The word as a number of bytes. */
  get availSsize(): number {
    return (this.auxHigh >>> 0) * 2 ** 32 + (this.auxLow >>> 0);
  }

  set availSsize(bytes: number) {
    this.auxHigh = Math.floor(bytes / 2 ** 32) | 0;
    this.auxLow = bytes | 0;
  }

  /** Pages of the object that the entry makes when it needs one. */
  get objectPages(): number {
    return this.maptype === VM_MAPTYPE_VPAGETABLE ? VPAGETABLE_PAGES : Math.floor(this.end - this.start);
  }
}

export class VmMap {
  /** Head of the entry list. */
  readonly header = new MapEntry();
  /** The entries, sorted by address. */
  readonly index: MapEntry[] = [];
  /** Found by the last look-up. */
  private hint: MapEntry = this.header;
  timestamp = 0;
  readonly lock: RwLock;
  /** Pages in all entries. */
  size = 0;
  /** Wire what is mapped from now on (mlockall). */
  wireFuture = false;
  /** Pages that a stack may have (RLIMIT_STACK). */
  stackLimit = Number.POSITIVE_INFINITY;

  constructor(
    vm: Vm,
    readonly pmap: Pmap,
    /** User range in pages; `maxPage` is exclusive. */
    readonly minPage: number,
    readonly maxPage: number,
    /** The kernel's maps get no default objects and never hold file mappings. */
    readonly systemMap = false,
    name = 'vm map',
  ) {
    this.lock = new RwLock(vm.kernel, name);
  }

  /** vm_map_lookup_entry: the entry that holds the page, or null. */
  lookup(vpn: number): MapEntry | null {
    const hint = this.hint;
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
}

/** Drops the reference of an entry that a neighbour with the same object has swallowed. */
function* dropSpareReference(vm: Vm, thread: Thread, object: VmObject | null): Task<void> {
  if (object !== null && !dropReference(object)) yield* deallocate(vm, thread, object);
}

function joins(left: MapEntry, right: MapEntry): boolean {
  return (
    left.end === right.start &&
    left.maptype === right.maptype &&
    left.object === right.object &&
    (left.object === null || left.offset + (left.end - left.start) === right.offset) &&
    left.eflags === right.eflags &&
    left.protection === right.protection &&
    left.maxProtection === right.maxProtection &&
    left.inheritance === right.inheritance &&
    left.wiredCount === right.wiredCount
  );
}

/**
 * vm_map_simplify_entry: swallows equal neighbours on both sides. The entry itself stays, and so does its master entry: that of the
 * neighbour is not compared, and is lost.
 */
export function* simplifyEntry(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry): Task<void> {
  if ((entry.eflags & MAP_ENTRY_IN_TRANSITION) !== 0 || entry.maptype === VM_MAPTYPE_SUBMAP) return;
  const prev = entry.prev;
  if (!map.isHead(prev) && joins(prev, entry)) {
    map.unlink(prev);
    entry.start = prev.start;
    entry.offset = prev.offset;
    yield* dropSpareReference(vm, thread, prev.object);
  }
  const next = entry.next;
  if (!map.isHead(next) && joins(entry, next)) {
    map.unlink(next);
    entry.end = next.end;
    yield* dropSpareReference(vm, thread, next.object);
  }
}

/** vm_map_entry_allocate_object. */
export function allocateObject(vm: Vm, entry: MapEntry): VmObject {
  entry.object = objectAllocate(vm, OBJT_DEFAULT, entry.objectPages);
  entry.offset = 0;
  return entry.object;
}

/** vm_map_entry_shadow: what the entry shows becomes its own copy-on-write layer, or stays where nobody else can see it. */
export function shadowEntry(vm: Vm, entry: MapEntry): void {
  const shadow = objectShadow(vm, entry.object, entry.offset, entry.objectPages);
  if (shadow !== entry.object) {
    entry.object = shadow;
    entry.offset = 0;
  }
  entry.eflags &= ~MAP_ENTRY_NEEDS_COPY;
}

/** Before an anonymous entry is split it gets its object, so that the parts share one. */
function makeSplittable(vm: Vm, map: VmMap, entry: MapEntry): void {
  if (entry.object !== null || entry.submap !== null || map.systemMap) return;
  allocateObject(vm, entry);
}

/** vm_map_clip_start: makes the entry begin at `start`; what lies before becomes an entry of its own. */
export function* clipStart(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry, start: number): Task<void> {
  if (start <= entry.start) return;
  yield* simplifyEntry(vm, thread, map, entry);
  makeSplittable(vm, map, entry);
  const front = entry.clone();
  front.end = start;
  map.unlink(entry);
  entry.offset += start - entry.start;
  entry.start = start;
  map.link(front);
  map.link(entry);
  if (front.object !== null) objectReference(front.object);
}

/** vm_map_clip_end: makes the entry end at `end`; what lies behind becomes an entry of its own. Unlike the other it merges nothing first. */
export function clipEnd(vm: Vm, map: VmMap, entry: MapEntry, end: number): void {
  if (end >= entry.end) return;
  makeSplittable(vm, map, entry);
  const back = entry.clone();
  back.start = end;
  back.offset += end - entry.start;
  entry.end = end;
  map.link(back);
  if (back.object !== null) objectReference(back.object);
}

/** The first entry that reaches above `start`, clipped to begin there if it begins before; the header when there is none. */
export function* firstInRange(vm: Vm, thread: Thread, map: VmMap, start: number): Task<MapEntry> {
  const entry = map.lookup(start);
  if (entry === null) return map.before(start).next;
  yield* clipStart(vm, thread, map, entry, start);
  return entry;
}

/** Advice that an entry carries, as its flag bits. */
export function entryBehavior(entry: MapEntry): number {
  return entry.eflags & MAP_ENTRY_BEHAV_MASK;
}

/** Whether an entry maps a device. */
export function isFictitious(entry: MapEntry): boolean {
  return entry.object !== null && entry.object.type === OBJT_DEVICE;
}

/** What the pmap may be told of an entry: a copy-on-write one never grants writing by itself. */
export function pmapMask(entry: MapEntry): Prot {
  return (entry.eflags & MAP_ENTRY_COW) !== 0 ? PROT_ALL & ~PROT_WRITE : PROT_ALL;
}
