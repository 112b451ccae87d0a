/**
 * The model of processes: pages by number, each with a protection and a cell that says what it may contain. It knows nothing of objects, chains,
 * amaps, frames, queues or swap. Memory calls move cells about, accesses see and store bytes.
 *
 * Every method is told what the system answered and throws a `Mismatch` when that cannot be; where the systems leave something open it goes
 * on with what was answered. `scarce`: memory or swap may run out, so calls may be refused with ENOMEM or EAGAIN.
 */
import * as F from '@faultline/core';
import { must, tooOpen } from '../mismatch.js';
import type { Rules } from '../rules.js';
import { Cell, type ModelFile, type Open, ZEROS } from './cell.js';

/** Pages that stacks begin with, and by which they grow. */
export const STACK_STEP = 32;
const { PAGE_SIZE, USER_MAX_ADDRESS, USER_MAX_PAGE, USER_MIN_PAGE } = F;

/**
 * A page that is mapped. `lost`: permissions of `max` that it may have lost; `wired`: how often it is locked, NaN: perhaps. Below the lowest page
 * of a stack, more comes up when it is accessed: `room` pages at most, for sure only `sure`; -1: it is no stack.
 */
export interface Place extends Record<'vpn' | 'prot' | 'max' | 'lost' | 'inherit' | 'wired' | 'room' | 'sure', number> {
  cell: Cell;
  /** MAP_SHARED, or inherited by INHERIT_SHARE. */
  readonly shared: boolean;
}

export class ModelProcess {
  places = new Map<number, Place>();
  fds: (Open | null)[] = [];
  /** Where mmap has put what had no fixed place. */
  placed: readonly number[] = [];
  limits = { data: 32 * 2 ** 30, addressSpace: Number.POSITIVE_INFINITY, lockedMemory: Number.POSITIVE_INFINITY };
  dataStart = 0;
  dataEnd = 0;
  /** The protection of a page in the system, for what is left open. */
  shows: (vpn: number) => number | undefined = () => undefined;
  /** mlockall(MCL_FUTURE). */
  future = false;
  /** First page of the stack region. */
  stackStart = USER_MAX_PAGE;
}

export type Numbers<N extends string> = Readonly<Record<N, number>>;
export type MapCall = Numbers<'address' | 'length' | 'prot' | 'flags' | 'fd' | 'offset'>;
/** Pages that are mapped at once, from page `first` of the file on, or full of zeros. */
export type Mapping = Numbers<'start' | 'count' | 'prot'> &
  Partial<Numbers<'max' | 'first' | 'room' | 'sure'> & { shared: boolean; file: ModelFile | undefined }>;
type Refusal = F.Errno | 0 | false | undefined | readonly (F.Errno | 0)[];

export class Model {
  processes: ModelProcess[] = [];

  constructor(
    readonly rules: Rules,
    public scarce: boolean,
    readonly memoryPages: number,
  ) {}

  /** Whether the call was done. Refusals that apply must be answered, any of them. */
  judge(actual: F.CallResult, refusals: readonly Refusal[], maybe: readonly Refusal[] = []): boolean {
    const expected = refusals.flat().filter((refusal) => typeof refusal === 'string');
    if (expected.length === 0 && typeof actual === 'number') return true;
    const spared = this.scarce && expected.length === 0 ? ['ENOMEM', 'EAGAIN'] : [];
    const right = typeof actual === 'string' && [...expected, ...maybe.flat(), ...spared].includes(actual);
    must(right, `answered ${actual}, not ${expected.join(' or ') || 'success'}`);
    return false;
  }

  /** The pages of a range, and what calls refuse of one. `clamped`: what is not of user space is cut off, though it was `asked` for. */
  range(p: ModelProcess, address: number, length: number, clamped = false) {
    const { unaligned, outside, lowest } = this.rules;
    const cut = (vpn: number): number => (clamped ? Math.min(Math.max(vpn, USER_MIN_PAGE), USER_MAX_PAGE) : vpn);
    const [first, behind] = [Math.floor(address / PAGE_SIZE), Math.ceil((address + length) / PAGE_SIZE)];
    const [start, end] = [cut(first), cut(behind)];
    const places = [...p.places.values()].filter(({ vpn }) => vpn >= start && vpn < end);
    const hole = length > 0 && places.length < end - start;
    const crooked: Refusal = unaligned === 'refused' && address % PAGE_SIZE !== 0 && 'EINVAL';
    const beyond: Refusal = crooked || ((address < lowest || address + length > USER_MAX_ADDRESS) && 'EINVAL');
    const bad = outside === 'refused' ? beyond : crooked;
    return { start, places, hole, asked: behind - first, empty: length === 0 || start === end, bad, beyond };
  }

  mmap(p: ModelProcess, call: MapCall, actual: F.CallResult): void {
    const { rules } = this;
    const { address, length, prot, flags, fd, offset } = call;
    const has = (flag: number): boolean => (flags & flag) !== 0;
    const [anon, fixed, shared] = [has(F.MAP_ANON), has(F.MAP_FIXED), has(F.MAP_SHARED)];
    const [stack, locked] = [has(F.MAP_STACK) && rules.stacks, has(F.MAP_WIRED) && rules.mapLocks && prot !== 0];
    const open = anon ? undefined : p.fds[fd];
    // By the mode of the descriptor: nothing is stored through what can only be read, nothing read through what can only be written.
    const max = open ? ([shared ? 5 : 7, 6, 7][open.flags & 3] as number) : 7;
    const remainder = remainderOf(call);
    const count = Math.ceil((length + remainder) / PAGE_SIZE);
    const highest = fixed && rules.lastPageRefused ? USER_MAX_ADDRESS - 1 : USER_MAX_ADDRESS;
    const isUser = (base: number) => base >= USER_MIN_PAGE * PAGE_SIZE && base + count * PAGE_SIZE <= highest;
    const refusals: Refusal[] = [
      fixed && (address - remainder) % PAGE_SIZE !== 0 && 'EINVAL',
      fixed && !isUser(address - remainder) && rules.fixedOutside,
      !fixed && count >= USER_MAX_PAGE && rules.tooLong,
      anon && fd !== -1 && 'EINVAL',
      anon && offset !== 0 && rules.anonOffset,
      (flags & 3) === 3 && rules.both,
      !anon && !open && 'EBADF',
      (prot & ~max) !== 0 && 'EACCES',
      stack && (prot & 3) !== 3 && 'EINVAL',
    ];
    if (length === 0 && typeof actual === 'number' && (remainder === 0 || !rules.mapsRemainder)) return;
    const space = p.places.size * PAGE_SIZE + length > p.limits.addressSpace;
    // Without a fixed place the search goes upwards from the wish.
    const high = !fixed && address > USER_MAX_ADDRESS / 2;
    const base = (fixed || typeof actual === 'string' ? address : actual) - remainder;
    const { start, places } = this.range(p, base, count * PAGE_SIZE);
    if (!this.judge(actual, refusals, [(space || high) && 'ENOMEM', (locked || p.future) && ['EAGAIN', 'ENOMEM']])) {
      // It may have failed half way: what was in a fixed range is gone.
      const halfway = fixed && (actual === 'ENOMEM' || actual === 'EAGAIN');
      for (const place of halfway ? places : []) if (p.shows(place.vpn) === undefined) p.places.delete(place.vpn);
      return;
    }
    must(!space || !rules.addressLimit, 'more was mapped than RLIMIT_AS allows');
    must(fixed ? actual === address : base % PAGE_SIZE === 0 && isUser(base) && places.length === 0, `at ${actual}`);
    for (const { vpn } of places) p.places.delete(vpn);
    const below = stack ? Math.max(count - STACK_STEP, 0) : 0;
    const what = { shared, file: open?.file, first: Math.floor(offset / PAGE_SIZE), room: stack ? below : -1 };
    this.map(p, { start: start + below, count: count - below, prot, max, ...what });
    if (stack) this.join(p, start + below, count - below);
    if (locked && !p.future) this.lock(this.range(p, base, count * PAGE_SIZE).places, 'any', () => 1);
  }

  protected map(p: ModelProcess, mapping: Mapping): void {
    const { start, count, prot, max = 7, shared = false, file, first = 0, room = -1, sure = room } = mapping;
    const inherit = shared ? F.INHERIT_SHARE : F.INHERIT_COPY;
    for (let i = 0; i < count; i++) {
      const shown = file?.page(first + i);
      const cell = shared && shown ? shown : new Cell(shown && [shown]);
      p.places.set(start + i, { vpn: start + i, cell, prot, max, inherit, lost: 0, wired: 0, shared, room, sure });
    }
    if (p.future) this.lock(this.range(p, start * PAGE_SIZE, count * PAGE_SIZE).places);
  }

  /** Stacks that touch may become one, which grows by the room of either. */
  protected join(p: ModelProcess, start: number, count: number): void {
    const near = [start - 1, start, start + count].map((vpn) => p.places.get(vpn)?.room ?? -1);
    const rooms = near.filter((room) => room >= 0);
    for (const place of rooms.length > 1 ? p.places.values() : [])
      if (rooms.includes(place.room)) Object.assign(place, { room: Math.max(...rooms), sure: 0 });
  }

  munmap(p: ModelProcess, address: number, length: number, actual: F.CallResult): void {
    const { munmapNothing, munmapHole } = this.rules;
    const { places, hole, beyond } = this.range(p, address, length);
    // Nothing is nothing before it is looked where; wherever that is a success, it may be one outside of user space too.
    if (length === 0 && actual === 0 && munmapNothing === 0) return;
    if (!this.judge(actual, [beyond, length === 0 && munmapNothing, hole && munmapHole])) return;
    for (const { vpn } of places) p.places.delete(vpn);
  }

  mprotect(p: ModelProcess, address: number, length: number, prot: number, actual: F.CallResult): void {
    const { places, bad } = this.range(p, address, length);
    const beyond = places.some(({ max }) => (prot & ~max) !== 0) && 'EACCES';
    const unsure = places.some(({ lost }) => (prot & lost) !== 0) && 'EACCES';
    // What is to be locked as soon as it may be accessed, and cannot be, may be an error; the rest is done all the same.
    const rest = p.future && !bad && !beyond ? this.rules.futureProtect : [];
    if (!this.judge(actual, [bad, beyond], [unsure, rest]) && !rest.includes(actual as F.Errno)) return;
    for (const place of places) {
      Object.assign(place, { prot, lost: place.lost & ~prot });
      // A locked page that may be written from now on can be copied at once.
      if ((prot & F.PROT_WRITE) !== 0 && place.wired !== 0) place.cell.maybeCopied();
    }
    if (p.future) this.lock(places, 'prot');
  }

  minherit(p: ModelProcess, address: number, length: number, how: number, actual: F.CallResult): void {
    const { places, bad } = this.range(p, address, length);
    if (!this.judge(actual, [how > F.INHERIT_NONE && 'EINVAL', bad])) return;
    for (const place of places) place.inherit = how;
  }

  madvise(p: ModelProcess, address: number, length: number, advice: number, actual: F.CallResult): void {
    const { madvise, adviceFree, adviseMissing, freeWired } = this.rules;
    const { places, hole, empty, beyond } = this.range(p, address, length);
    const unknown = advice > 4 && advice !== adviceFree && 'EINVAL';
    const refusals: Refusal[] = madvise ? [unknown, beyond] : ['EOPNOTSUPP'];
    this.judge(actual, refusals, [(hole || empty) && adviseMissing, (empty || places.some(isLocked)) && freeWired]);
    if (advice !== adviceFree || refusals.includes(actual as F.Errno)) return;
    for (const { cell } of places) cell.volatile ||= cell.within === null;
  }

  /** What may be written may be copied at once; what can be neither read nor written may lose being written for good. */
  protected lock(places: readonly Place[], written: 'prot' | 'max' | 'any' = 'any', times = perhaps): void {
    for (const place of places) {
      place.wired = times(place);
      if (written === 'any' || (place[written] & F.PROT_WRITE) !== 0) place.cell.maybeCopied();
      if (this.rules.lockTakesWrite && (place.prot & 3) === 0) place.lost |= F.PROT_WRITE;
    }
    // Where most of memory is locked, swap does not help.
    if (this.lockedMost() > this.memoryPages * 0.36) this.scarce = true;
  }

  /** Locks of all processes, at most: pages that are locked twice count twice. */
  private lockedMost(): number {
    return this.processes.flatMap(({ places }) => [...places.values()].filter(isLocked)).length;
  }

  mlock(p: ModelProcess, address: number, length: number, actual: F.CallResult): void {
    const { rules } = this;
    const { places, hole, asked, empty, bad } = this.range(p, address, length, rules.lockClamped);
    const gone = places.some(({ cell, wired }) => cell.present() === false && wired === 0);
    const most = p.limits.lockedMemory / PAGE_SIZE - asked;
    const locked = [...p.places.values()].filter(isLocked);
    const over = length > 0 && locked.filter(({ wired }) => wired >= 1).length > most;
    const perhaps = locked.length > most || this.lockedMost() + asked > this.memoryPages * rules.lockable;
    const missing = (hole || (gone && length > 0)) && rules.mlockMissing;
    const maybe = [perhaps && rules.lockLimit, (empty || places.some(mayNotLock)) && rules.mlockMissing];
    const done = this.judge(actual, [missing, bad, over && rules.lockLimit], maybe);
    const times = ({ wired }: Place): number => (done ? (rules.mlockNests ? wired + 1 : 1) : wired);
    this.lock(places, rules.lockCopiesByMaximum ? 'max' : 'prot', times);
  }

  munlock(p: ModelProcess, address: number, length: number, actual: F.CallResult): void {
    const { mlockNests, lockClamped, munlockMissing, munlockUnwired } = this.rules;
    const { places, hole, empty, bad } = this.range(p, address, length, lockClamped);
    const unwired = length > 0 && places.some(({ wired }) => wired === 0) && munlockUnwired;
    const maybe = empty || places.some(({ wired }) => Number.isNaN(wired)) ? [munlockMissing, munlockUnwired] : [];
    if (!this.judge(actual, [hole && munlockMissing, unwired, bad], maybe)) return;
    for (const place of places) place.wired = mlockNests && place.wired > 0 ? place.wired - 1 : 0;
  }

  mlockall(p: ModelProcess, flags: number, actual: F.CallResult): void {
    const { rules } = this;
    const [current, future] = [(flags & F.MCL_CURRENT) !== 0, (flags & F.MCL_FUTURE) !== 0];
    const places = [...p.places.values()];
    const many = places.length + this.lockedMost() > this.memoryPages * rules.lockable;
    const unsure = current && (many || p.limits.lockedMemory < Number.POSITIVE_INFINITY || places.some(mayNotLock));
    const refused = rules.mlockall(flags);
    const done = this.judge(actual, [refused], unsure ? [rules.lockLimit, rules.mlockMissing] : []);
    if (refused !== 0) return;
    if (current) this.lock(places);
    // What was to come is locked also where what is there could not be.
    if (done || future) p.future = future || (rules.futureStays && p.future);
  }

  munlockall(p: ModelProcess, actual: F.CallResult): void {
    if (!this.judge(actual, [this.rules.mlockall(F.MCL_FUTURE)])) return;
    p.future = false;
    for (const place of p.places.values()) place.wired = 0;
  }

  msync(p: ModelProcess, address: number, length: number, flags: number, actual: F.CallResult): void {
    const { rules } = this;
    // Length 0 means the entry that holds the address, whose ends the model does not know.
    const entry = length === 0;
    const { places, hole, empty, bad } = this.range(p, address, entry ? 1 : length, !entry && rules.msyncClamped);
    const locked = (flags & F.MS_INVALIDATE) !== 0 && (entry ? [...p.places.values()] : places).some(isLocked);
    const onlyFile = !entry && places.length <= 1 && places[0]?.cell.within !== null;
    const missing = hole && (entry ? 'EINVAL' : rules.msyncMissing);
    const unsuited = (rules.msyncFilesOnly && !onlyFile && 'EINVAL') || (empty && rules.msyncMissing);
    this.judge(actual, [rules.msyncFlags(flags), bad, missing], [locked && rules.msyncLocked, unsuited]);
  }

  mincore(p: ModelProcess, address: number, length: number, vector: Uint8Array, actual: F.CallResult): void {
    const { mincore, mincoreHole, mincoreUnaligned } = this.rules;
    const { start, hole, asked } = this.range(p, address, length);
    const uneven = mincoreUnaligned && (address % PAGE_SIZE !== 0 || length === 0);
    const bad = (uneven || address + length > USER_MAX_ADDRESS) && 'EINVAL';
    const refusals = mincore ? [hole && mincoreHole, vector.length < asked && 'EFAULT', bad] : ['EOPNOTSUPP'];
    if (!this.judge(actual, refusals as Refusal[], [address < PAGE_SIZE && 'EINVAL'])) return;
    for (const [i, answer] of vector.entries()) {
      const place = p.places.get(start + i);
      const right = place === undefined ? answer === 0 : !staysIn(place) || (answer & F.MINCORE_INCORE) !== 0;
      must(right, `mincore of page ${start + i} says ${answer}`);
    }
  }

  /** `sbrk`: the answer is the old end. */
  brk(p: ModelProcess, address: number, actual: F.CallResult, success = 0): void {
    const [from, to] = [p.dataEnd, address].map((end) => Math.ceil(end / PAGE_SIZE) * PAGE_SIZE) as [number, number];
    const { start, places, asked: count } = this.range(p, from, to - from);
    const beyond = (address - p.dataStart > p.limits.data || places.length > 0) && 'ENOMEM';
    const space = (p.places.size + count) * PAGE_SIZE > p.limits.addressSpace && 'ENOMEM';
    if (!this.judge(actual, [address < p.dataStart && this.rules.brkBelow, beyond], [space])) return;
    must(actual === success, `answered ${actual}, not ${success}`);
    this.map(p, { start, count, prot: this.rules.dataProt });
    for (const { vpn } of this.range(p, to, from - to).places) p.places.delete(vpn);
    p.dataEnd = address;
  }

  spawn(dataEnd: number): ModelProcess {
    const p = Object.assign(new ModelProcess(), { dataStart: dataEnd, dataEnd });
    this.processes.push(p);
    return p;
  }

  /** `whole`: what is not to be inherited comes along too (clone). */
  fork(parent: ModelProcess, whole: boolean): ModelProcess {
    const cells = this.processes.flatMap(({ places }) => [...places.values()].map(({ cell }) => cell));
    const child = Object.assign(this.spawn(0), parent, { places: new Map(), fds: [...parent.fds], future: false });
    for (const place of parent.places.values()) {
      if (place.inherit === F.INHERIT_NONE && !whole) continue;
      const shared = place.inherit === F.INHERIT_SHARE;
      const alone = place.cell.within === null && cells.indexOf(place.cell) === cells.lastIndexOf(place.cell);
      const cell = shared ? place.cell : this.copy(place, alone);
      child.places.set(place.vpn, { ...place, wired: 0, shared, cell });
    }
    return child;
  }

  /** What the child of a fork gets of a page that it does not share. */
  private copy(place: Place, alone: boolean): Cell {
    const { cell, wired } = place;
    const child = alone ? cell.twin() : cell.derive();
    // A locked page is copied at once; what a truncation has taken from under the lock is zeros for the child, which has no file there any more.
    if (wired !== 0) for (const one of alone ? [cell, child] : [child]) one.maybeCopied();
    if (wired !== 0 && cell.present() !== true) child.options = [...child.options, ZEROS];
    const parts = !alone && this.rules.copyEndsSharing && !(wired > 0);
    if (parts) place.cell = wired === 0 ? cell.derive() : tooOpen('perhaps locked');
    return child;
  }

  exec(p: ModelProcess, dataStart: number, stackStart: number, image: readonly Mapping[]): void {
    Object.assign(p, { places: new Map(), dataStart, dataEnd: dataStart, stackStart, future: false });
    for (const mapping of image) this.map(p, mapping);
  }
}

/** A file is mapped from the start of a page on; the answer of mmap lies as far behind the start as the offset does. */
const remainderOf = ({ flags, offset }: MapCall): number => ((flags & F.MAP_ANON) !== 0 ? 0 : offset % PAGE_SIZE);
const isLocked = ({ wired }: Place): boolean => wired !== 0;
const mayNotLock = ({ cell, prot }: Place): boolean => (prot & F.PROT_READ) === 0 || cell.present() !== true;
const perhaps = (_: Place): number => Number.NaN;
/** Locked, and mincore has to know: the page is there, is its own, and has never been behind the end of its file. */
const staysIn = ({ wired, cell }: Place): boolean =>
  wired >= 1 && cell.present() === true && !cell.cutOff && !cell.options.some((one) => one instanceof Cell);
