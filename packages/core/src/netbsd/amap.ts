/**
 * uvm_amap: the upper layer of a map entry, an array of anons.
 *
 * An entry sees a piece of an amap: `pageoff` slots into it, as many as the entry has pages. Several entries may refer to one amap: after a split,
 * after a fork (copy-on-write until one of them writes), or because they share memory (SHARED). As long as every entry sees all of it, the
 * reference count says all. Once an entry that sees only a part comes or goes, the amap also counts references slot by slot
 * (`ppref`), and anons in slots that nobody sees any more are dropped at once.
 *
 * `slots` lists the used slots in the order in which they were filled, except that the last fills the place of one that is emptied.
 */
import { Mutex } from '../kernel/locks.js';
import type { Anon } from './anon.js';
import { anonUnref } from './anon.js';
import { E2BIG } from './codes.js';
import type { MapEntry } from './map.js';
import type { Vm } from './vm.js';

/** An amap of so many slots is not extended any more, and so many pages are not given an amap in one piece. */
export const UVM_AMAP_LARGE = 256;
/** Pages that get their amap together when the entry is that large. */
export const UVM_AMAP_CHUNK = 16;

export class Amap {
  ref = 1;
  shared = false;
  /** Slots, and slots that there is room for. */
  nslot: number;
  maxslot: number;
  anons: (Anon | null)[];
  /** Used slots, and the place of each slot among them. */
  slots: number[] = [];
  bckptr: Int32Array;
  /** References slot by slot, or null while `ref` says it all. */
  ppref: Int32Array | null = null;
  readonly lock: Mutex;

  constructor(vm: Vm, nslot: number, maxslot: number) {
    this.nslot = nslot;
    this.maxslot = maxslot;
    this.anons = new Array<Anon | null>(maxslot).fill(null);
    this.bckptr = new Int32Array(maxslot);
    this.lock = new Mutex(vm.kernel, 'amap');
  }

  get used(): number {
    return this.slots.length;
  }
}

/** Slots rounded up to what the allocator gives anyway. */
function roundSlots(slots: number): number {
  return slots + (slots & 1);
}

/** Slots whose tables (two numbers and a pointer each, in the kernel) fill a page. */
const SLOTS_PER_PAGE = 256;
/** The largest amap here: its tables are 200 MB of the host. */
const SLOTS_MOST = 2 ** 24;

/** amap_alloc: an amap of `slots` slots and room for `padding` more, or null. Its tables must fit into the machine. */
export function amapAlloc(vm: Vm, slots: number, padding = 0): Amap | null {
  const most = Math.min(vm.pages.poolFrames * SLOTS_PER_PAGE, SLOTS_MOST);
  if (vm.refuses('amap', slots + padding > most)) return null;
  return new Amap(vm, slots, roundSlots(slots + padding));
}

/** amap_lookup: the anon of an entry at a page, or null. */
export function amapLookup(entry: MapEntry, vpn: number): Anon | null {
  return (entry.amap as Amap).anons[entry.pageoff + vpn - entry.start];
}

/** Puts an anon into an empty slot. */
export function fillSlot(amap: Amap, slot: number, anon: Anon): void {
  amap.bckptr[slot] = amap.slots.length;
  amap.slots.push(slot);
  amap.anons[slot] = anon;
}

/** Empties a slot; the anon keeps its reference. */
function emptySlot(amap: Amap, slot: number): void {
  amap.anons[slot] = null;
  const at = amap.bckptr[slot];
  const last = amap.slots.pop() as number;
  if (last === slot) return;
  amap.slots[at] = last;
  amap.bckptr[last] = at;
}

/**
 * amap_add: puts an anon in the slot of a page. With `replace` it takes another's place, and if the amap is shared, whoever has the old page
 * mapped loses it, to see the new one at the next fault.
 */
export function amapAdd(vm: Vm, entry: MapEntry, vpn: number, anon: Anon, replace: boolean): void {
  const amap = entry.amap as Amap;
  const slot = entry.pageoff + vpn - entry.start;
  if (!replace) {
    fillSlot(amap, slot, anon);
    return;
  }
  const old = amap.anons[slot] as Anon;
  if (old.page >= 0 && amap.shared) vm.pmap.removePage(old.page);
  amap.anons[slot] = anon;
}

/** amap_unadd: takes the anon out of the slot of a page. */
export function amapUnadd(entry: MapEntry, vpn: number): void {
  emptySlot(entry.amap as Amap, entry.pageoff + vpn - entry.start);
}

// ---- references ----------------------------------------------------------------------------------------------------

/** amap_pp_establish: from now on references are counted slot by slot; slots before `offset` have none. */
function establishPpref(amap: Amap, offset: number): void {
  amap.ppref = new Int32Array(amap.maxslot);
  amap.ppref.fill(amap.ref, offset, amap.nslot);
}

/** amap_pp_adjref: one reference more or less on some slots; what nobody refers to is wiped. */
export function adjustPpref(vm: Vm, amap: Amap, offset: number, slots: number, by: number): void {
  const ppref = amap.ppref as Int32Array;
  for (let slot = offset; slot < offset + slots; slot++) {
    ppref[slot] += by;
    if (ppref[slot] === 0 && by < 0) wipeSlot(vm, amap, slot);
  }
}

function wipeSlot(vm: Vm, amap: Amap, slot: number): void {
  const anon = amap.anons[slot];
  if (anon === null) return;
  emptySlot(amap, slot);
  anonUnref(vm, anon);
}

/** amap_ref: one entry more sees `slots` slots from `offset` on. */
export function amapRef(vm: Vm, amap: Amap, offset: number, slots: number, shared: boolean): void {
  if (shared) amap.shared = true;
  if (amap.ppref === null && slots !== amap.nslot) establishPpref(amap, offset);
  amap.ref++;
  if (amap.ppref !== null) adjustPpref(vm, amap, offset, slots, 1);
}

/** amap_unref: one entry less. The last one takes all anons with it. */
export function amapUnref(vm: Vm, amap: Amap, offset: number, slots: number): void {
  if (amap.ref === 1) {
    wipeout(vm, amap);
    return;
  }
  if (amap.ppref === null && slots !== amap.nslot) establishPpref(amap, offset);
  amap.ref--;
  if (amap.ref === 1) amap.shared = false;
  if (amap.ppref !== null) adjustPpref(vm, amap, offset, slots, -1);
}

/** amap_wipeout: the end of an amap. */
function wipeout(vm: Vm, amap: Amap): void {
  amap.ref = 0;
  for (const slot of amap.slots) anonUnref(vm, amap.anons[slot] as Anon);
  amap.slots.length = 0;
  amap.anons.length = 0;
}

/** amap_splitref: `back` takes over the part of `entry` that begins `leftSlots` slots in. */
export function amapSplitRef(entry: MapEntry, back: MapEntry, leftSlots: number): void {
  const amap = entry.amap as Amap;
  if (amap.ppref === null) establishPpref(amap, entry.pageoff);
  amap.ref++;
  back.amap = amap;
  back.pageoff = entry.pageoff + leftSlots;
}

// ---- growing -------------------------------------------------------------------------------------------------------

/**
 * amap_extend: makes the amap of an entry (its only user) reach `add` slots further, forward or backward. Answers 0, or E2BIG when it would
 * have to be made anew and is too large for that.
 */
export function amapExtend(vm: Vm, entry: MapEntry, add: number, forward: boolean): number {
  if (vm.refuses('amap')) return E2BIG;
  return forward ? extendForward(vm, entry, add) : extendBackward(vm, entry, add);
}

function extendForward(vm: Vm, entry: MapEntry, add: number): number {
  const amap = entry.amap as Amap;
  const mapped = entry.pageoff + (entry.end - entry.start);
  const needed = mapped + add;
  if (amap.nslot >= needed) {
    if (amap.ppref !== null) adjustPpref(vm, amap, mapped, add, 1);
    return 0;
  }
  if (amap.maxslot < needed) {
    if (needed >= UVM_AMAP_LARGE) return E2BIG;
    grow(amap, roundSlots(needed));
  }
  if (amap.ppref !== null) {
    if (mapped < amap.nslot) adjustPpref(vm, amap, mapped, amap.nslot - mapped, 1);
    amap.ppref.fill(1, amap.nslot, needed);
  }
  amap.nslot = needed;
  return 0;
}

function extendBackward(vm: Vm, entry: MapEntry, add: number): number {
  const amap = entry.amap as Amap;
  const mapped = entry.end - entry.start;
  if (add <= entry.pageoff) {
    entry.pageoff -= add;
    if (amap.ppref !== null) adjustPpref(vm, amap, entry.pageoff, add, 1);
    return 0;
  }
  const needed = add + mapped;
  if (amap.maxslot < needed && needed >= UVM_AMAP_LARGE) return E2BIG;
  const room = amap.maxslot < needed ? roundSlots(needed) : amap.maxslot;
  const front = room - mapped;
  moveSlots(amap, room, entry.pageoff, front, mapped);
  if (amap.ppref !== null) {
    amap.ppref.fill(0, 0, front - add);
    amap.ppref.fill(1, front - add, front);
  }
  amap.nslot = room;
  entry.pageoff = front - add;
  return 0;
}

/**
 * Room for slots up to `room`, behind those that there are. A large mapping gets its amap in pieces of 16 pages, each joined to those before: so the
 * tables grow where they are, and the typed one, which cannot, at once has room for the largest amap that is still extended.
 */
function grow(amap: Amap, room: number): void {
  for (let slot = amap.maxslot; slot < room; slot++) amap.anons.push(null);
  amap.maxslot = room;
  amap.bckptr = roomier(amap.bckptr, room);
  if (amap.ppref !== null) amap.ppref = roomier(amap.ppref, room);
}

/** The same array, or a copy with zeros behind if it is shorter than `length`. */
function roomier(array: Int32Array, length: number): Int32Array {
  if (array.length >= length) return array;
  const longer = new Int32Array(Math.max(length, UVM_AMAP_LARGE));
  longer.set(array);
  return longer;
}

/** Gives the amap room for `room` slots; `count` slots from `from` on move to `to`. */
function moveSlots(amap: Amap, room: number, from: number, to: number, count: number): void {
  const anons = new Array<Anon | null>(room).fill(null);
  const bckptr = new Int32Array(room);
  const ppref = amap.ppref === null ? null : new Int32Array(room);
  for (let i = 0; i < count; i++) {
    anons[to + i] = amap.anons[from + i];
    bckptr[to + i] = amap.bckptr[from + i];
    if (ppref !== null) ppref[to + i] = (amap.ppref as Int32Array)[from + i];
  }
  amap.anons = anons;
  amap.bckptr = bckptr;
  amap.ppref = ppref;
  amap.maxslot = room;
  amap.slots = amap.slots.map((slot) => slot - from + to);
}
