/**
 * The model of processes: pages by number, each with a protection and a cell that says what it may contain. It knows nothing of objects, chains,
 * amaps, frames, queues or swap. Memory calls move cells about, accesses see and store bytes.
 *
 * Every method is told what the system answered and throws a `Mismatch` when that cannot be; where the systems leave something open it goes
 * on with what was answered. `scarce`: memory or swap may run out, so calls may be refused with ENOMEM or EAGAIN.
 */
import type { CallResult, Errno } from '@faultline/core';
import * as F from '@faultline/core';
import type { Rules } from '../rules.js';
import { Cell, Mismatch, ZEROS } from './cell.js';
import { FilePage, type ModelFile, type Open } from './file.js';

const { PAGE_SIZE, USER_MAX_ADDRESS, USER_MAX_PAGE, USER_MIN_PAGE } = F;

export interface Place {
  cell: Cell;
  prot: number;
  max: number;
  inherit: number;
  /** Permissions of `max` that it may have lost. */
  lost: number;
  /** How often it is locked; NaN: perhaps. */
  wired: number;
  /** MAP_SHARED, or inherited by INHERIT_SHARE. */
  readonly shared: boolean;
}

export interface ModelProcess {
  readonly places: Map<number, Place>;
  readonly fds: (Open | null)[];
  dataStart: number;
  dataEnd: number;
  dataLimit: number;
  addressLimit: number;
  lockLimit: number;
  /** mlockall(MCL_FUTURE). */
  future: boolean;
  /** First page of the stack region. */
  stackStart: number;
  /** Where mmap has put what had no fixed place. */
  readonly placed: number[];
}

/** A part of a new image. */
export interface ModelSegment {
  readonly start: number;
  readonly pages: number;
  readonly prot: number;
  readonly file: ModelFile | null;
}

export interface MapCall {
  readonly address: number;
  readonly length: number;
  readonly prot: number;
  readonly flags: number;
  readonly fd: number;
  readonly offset: number;
}

interface PageRange {
  readonly start: number;
  readonly end: number;
}

type Refusal = string | 0 | false | undefined;

export class Model {
  processes: ModelProcess[] = [];

  constructor(
    readonly rules: Rules,
    /** Whether memory may run out. */
    public scarce: boolean,
    readonly memoryPages: number,
  ) {}

  /** Whether the call was done. Refusals that apply must be answered, any of them. */
  judge(actual: CallResult, refusals: readonly Refusal[], maybe: readonly Refusal[] = []): boolean {
    const expected = refusals.filter((refusal) => typeof refusal === 'string');
    if (expected.length === 0 && typeof actual === 'number') return true;
    if (expected.includes(actual as Errno) || maybe.includes(actual as Errno)) return false;
    if (this.scarce && expected.length === 0 && (actual === 'ENOMEM' || actual === 'EAGAIN')) return false;
    throw new Mismatch(`answered ${actual}, not ${expected.length > 0 ? expected.join(' or ') : 'success'}`);
  }

  // ---- mapping

  mmap(p: ModelProcess, call: MapCall, actual: CallResult): void {
    const { rules } = this;
    const { address, length, flags, offset } = call;
    const anon = (flags & F.MAP_ANON) !== 0;
    const remainder = anon || !rules.offsetRemainder ? 0 : offset % PAGE_SIZE;
    const count = Math.ceil((length + remainder) / PAGE_SIZE);
    const fixed = (flags & F.MAP_FIXED) !== 0;
    const base = address - (fixed ? remainder : 0);
    const refusals: Refusal[] = [
      fixed && base % PAGE_SIZE !== 0 && 'EINVAL',
      ...(fixed && (!isUser(base, count) || (rules.lastPageRefused && base + count * PAGE_SIZE === USER_MAX_ADDRESS))
        ? rules.fixedOutside
        : []),
      ...(!fixed && count >= USER_MAX_PAGE ? rules.tooLong : []),
      anon && call.fd !== -1 && 'EINVAL',
      anon && offset !== 0 && rules.anonOffset,
      (flags & 3) === 3 && rules.both,
      !anon && this.descriptorRefusal(p, call),
    ];
    const space = p.places.size * PAGE_SIZE + length > p.addressLimit;
    if (length === 0 && typeof actual === 'number') return;
    const future = p.future ? (['EAGAIN', 'ENOMEM'] as const) : [];
    // Without a fixed place the search goes upwards from the wish.
    const high = !fixed && address > USER_MAX_ADDRESS / 2;
    if (!this.judge(actual, refusals, [(space || high) && 'ENOMEM', ...future])) return;
    if (space && rules.addressLimit) throw new Mismatch('more was mapped than RLIMIT_AS allows');
    const start = ((actual as number) - remainder) / PAGE_SIZE;
    if (fixed && actual !== address) throw new Mismatch(`mapped at ${actual}, not at ${address}`);
    if (!Number.isInteger(start) || !isUser(start * PAGE_SIZE, count)) throw new Mismatch(`mapped at ${actual}`);
    if (!fixed && placesIn(p, { start, end: start + count }).length > 0) throw new Mismatch(`${actual} is in use`);
    if (!fixed) p.placed.push(actual as number);
    this.remove(p, { start, end: start + count });
    for (let i = 0; i < count; i++) this.put(p, start + i, this.newPlace(p, call, i));
    if (p.future) this.afterLocking();
  }

  /** Locking what can be neither read nor written may give up writing it for good. */
  private lostByLocking(prot: number): number {
    return this.rules.lockTakesWrite && (prot & 3) === 0 ? F.PROT_WRITE : 0;
  }

  private descriptorRefusal(p: ModelProcess, { fd, prot, flags }: MapCall): Refusal {
    const open = p.fds[fd];
    if (!open) return 'EBADF';
    const mode = open.flags & 3;
    const store = (prot & F.PROT_WRITE) !== 0 && (flags & F.MAP_SHARED) !== 0 && mode === F.O_RDONLY;
    return (store || ((prot & F.PROT_READ) !== 0 && mode === F.O_WRONLY)) && 'EACCES';
  }

  private newPlace(p: ModelProcess, { prot, flags, fd, offset }: MapCall, page: number): Place {
    const shared = (flags & F.MAP_SHARED) !== 0;
    const wired = p.future ? { wired: NaN, lost: this.lostByLocking(prot) } : { wired: 0, lost: 0 };
    const place = { prot: prot & 7, max: 7, inherit: shared ? F.INHERIT_SHARE : F.INHERIT_COPY, shared, ...wired };
    if ((flags & F.MAP_ANON) !== 0) return { ...place, cell: new Cell() };
    const { file, flags: opened } = p.fds[fd] as Open;
    const shown = file.page(Math.floor(offset / PAGE_SIZE) + page);
    let max = (opened & 3) === F.O_WRONLY ? 6 : 7;
    if (shared && (opened & 3) === F.O_RDONLY) max &= ~F.PROT_WRITE;
    const cell = shared ? shown : new Cell(shown);
    // What is locked at once is copied at once.
    if (p.future) cell.maybeCopied();
    return { ...place, max, cell };
  }

  /** mmap failed half way: what was in its range may be gone, as `isMapped` knows. */
  lose(p: ModelProcess, { address, length, offset, flags }: MapCall, isMapped: (address: number) => boolean): void {
    const remainder = (flags & F.MAP_ANON) !== 0 || !this.rules.offsetRemainder ? 0 : offset % PAGE_SIZE;
    for (const [vpn] of placesIn(p, pagesOf(address - remainder, length + remainder))) {
      if (!isMapped(vpn * PAGE_SIZE)) this.remove(p, { start: vpn, end: vpn + 1 });
    }
  }

  munmap(p: ModelProcess, address: number, length: number, actual: CallResult): void {
    const { rules } = this;
    const range = pagesOf(address, length);
    const hole = placesIn(p, range).length < range.end - range.start;
    const refusals = [
      this.badRange(address, length, 'refused'),
      length === 0 && rules.munmapNothing,
      length > 0 && hole && rules.munmapHole,
    ];
    if (length === 0 && actual === rules.munmapNothing) return;
    if (this.judge(actual, refusals) && length > 0) this.remove(p, range);
  }

  /** What the calls refuse of a range in any case. */
  private badRange(address: number, length: number, outside = this.rules.outside): Refusal {
    if (this.rules.unaligned === 'refused' && address % PAGE_SIZE !== 0) return 'EINVAL';
    if (address + length > Number.MAX_SAFE_INTEGER) return 'EINVAL';
    return outside === 'refused' && (address < this.rules.lowest || address + length > USER_MAX_ADDRESS) && 'EINVAL';
  }

  /** A range as the calls see it that cut off what lies outside of user space. */
  private userPages(address: number, length: number): PageRange {
    const { start, end } = pagesOf(address, length);
    if (!this.rules.lockClamped) return { start, end };
    const last = Math.min(end, USER_MAX_PAGE);
    return { start: Math.min(Math.max(start, USER_MIN_PAGE), last), end: last };
  }

  mprotect(p: ModelProcess, address: number, length: number, prot: number, actual: CallResult): void {
    const places = placesIn(p, pagesOf(address, length));
    const beyond = places.some(([, { max }]) => (prot & 7 & ~max) !== 0);
    // What is to be locked as soon as it may be accessed, and cannot be, may be an error.
    const future = p.future ? this.rules.futureProtect : [];
    const unsure = places.some(([, { lost }]) => (prot & lost) !== 0) && ('EACCES' as const);
    if (!this.judge(actual, [this.badRange(address, length), beyond && 'EACCES'], [unsure, ...future])) return;
    for (const [, place] of places) {
      place.prot = prot & 7;
      place.lost &= ~prot;
      if (p.future) place.lost |= this.lostByLocking(prot);
      // A locked page that may be written from now on can be copied at once.
      if (p.future) place.wired = NaN;
      if (place.wired !== 0 && (prot & F.PROT_WRITE) !== 0) place.cell.maybeCopied();
    }
  }

  minherit(p: ModelProcess, address: number, length: number, how: number, actual: CallResult): void {
    if (!this.judge(actual, [how > F.INHERIT_NONE && 'EINVAL', this.badRange(address, length)])) return;
    for (const [, place] of placesIn(p, pagesOf(address, length))) place.inherit = how;
  }

  madvise(p: ModelProcess, address: number, length: number, advice: number, actual: CallResult): void {
    const { rules } = this;
    const unknown = advice > 4 && advice !== rules.adviceFree && 'EINVAL';
    const places = placesIn(p, pagesOf(address, length));
    const whole = length > 0 && places.length === pagesOf(address, length).end - pagesOf(address, length).start;
    const maybe = whole ? [] : rules.adviseMissing;
    const refusals = rules.madvise ? [unknown, this.badRange(address, length, 'refused')] : ['EOPNOTSUPP' as const];
    this.judge(actual, refusals, [...maybe, places.some(([, { wired }]) => wired !== 0) && rules.freeWired]);
    if (!rules.madvise || advice !== rules.adviceFree || refusals.includes(actual as Errno)) return;
    for (const [, { cell }] of places) if (!(cell instanceof FilePage)) cell.free();
  }

  // ---- locking

  mlock(p: ModelProcess, address: number, length: number, actual: CallResult): void {
    const { rules } = this;
    const range = this.userPages(address, length);
    const places = placesIn(p, range);
    const hole = places.length < range.end - range.start;
    const empty = length === 0 || range.start === range.end;
    const gone = places.some(([, { cell, wired }]) => cell.present() === false && wired === 0);
    const unsure = places.some(
      ([, { cell, prot }]) => cell.present() !== true || prot === 0 || (prot & F.PROT_READ) === 0,
    );
    const asked = pagesOf(address, length);
    const pages = asked.end - asked.start;
    const counts = [...p.places.values()].map(({ wired }) => wired);
    const most = p.lockLimit / PAGE_SIZE - pages;
    const over = length > 0 && counts.filter((wired) => wired >= 1).length > most;
    const perhaps =
      counts.filter((wired) => wired !== 0).length > most ||
      this.lockedMost() + pages > this.memoryPages * rules.lockable;
    const done = this.judge(
      actual,
      [
        ...(length > 0 && (hole || gone) ? rules.mlockMissing : []),
        this.badRange(address, length),
        ...(over ? rules.lockLimit : []),
      ],
      [...(perhaps ? rules.lockLimit : []), ...(unsure || empty ? rules.mlockMissing : [])],
    );
    for (const [, place] of places) {
      const writable = rules.lockCopiesByMaximum ? place.max : place.prot;
      if ((writable & F.PROT_WRITE) !== 0) place.cell.maybeCopied();
      place.lost |= this.lostByLocking(place.prot);
      if (!done) continue;
      place.wired = rules.mlockNests ? place.wired + 1 : 1;
    }
    this.afterLocking();
  }

  /** Where most of memory is locked, swap does not help. */
  private afterLocking(): void {
    if (this.lockedMost() > this.memoryPages * 0.36) this.scarce = true;
  }

  /** Locks of all processes, at most: pages that are locked twice count twice. */
  private lockedMost(): number {
    let pages = 0;
    for (const { places } of this.processes) for (const { wired } of places.values()) if (wired !== 0) pages++;
    return pages;
  }

  munlock(p: ModelProcess, address: number, length: number, actual: CallResult): void {
    const { rules } = this;
    const range = this.userPages(address, length);
    const places = placesIn(p, range);
    const hole = places.length < range.end - range.start;
    const empty = length === 0 || range.start === range.end;
    const unwired = places.some(([, { wired }]) => wired === 0);
    const unsure = empty || places.some(([, { wired }]) => Number.isNaN(wired));
    const refusals = [
      ...(length > 0 && hole ? rules.munlockMissing : []),
      length > 0 && unwired && rules.munlockUnwired,
      this.badRange(address, length),
    ];
    if (!this.judge(actual, refusals, unsure ? [...rules.munlockMissing, rules.munlockUnwired] : [])) return;
    for (const [, place] of places) place.wired = rules.mlockNests && place.wired > 0 ? place.wired - 1 : 0;
  }

  mlockall(p: ModelProcess, flags: number, actual: CallResult): void {
    const { rules } = this;
    const current = (flags & F.MCL_CURRENT) !== 0;
    const bad = (flags === 0 || (flags & ~3) !== 0) && 'EINVAL';
    const refusals = rules.mlockall === true ? [bad] : [rules.mlockall(flags)];
    const unsure =
      p.places.size + this.lockedMost() > this.memoryPages * rules.lockable ||
      p.lockLimit < Number.POSITIVE_INFINITY ||
      [...p.places.values()].some(({ cell, prot }) => (prot & F.PROT_READ) === 0 || cell.present() !== true);
    const done = this.judge(actual, refusals, current && unsure ? [...rules.lockLimit, ...rules.mlockMissing] : []);
    if (current && !refusals.includes(actual as Errno)) {
      for (const place of p.places.values()) {
        place.cell.maybeCopied();
        place.wired = NaN;
        place.lost |= this.lostByLocking(place.prot);
      }
    }
    // What was to come is locked also where what is there could not be.
    const future = (flags & F.MCL_FUTURE) !== 0;
    this.afterLocking();
    if (done || (future && !refusals.includes(actual as Errno))) p.future = future || (rules.futureStays && p.future);
  }

  munlockall(p: ModelProcess, actual: CallResult): void {
    if (!this.judge(actual, [this.rules.mlockall !== true && this.rules.mlockall(F.MCL_FUTURE)])) return;
    p.future = false;
    for (const place of p.places.values()) place.wired = 0;
  }

  msync(p: ModelProcess, address: number, length: number, flags: number, actual: CallResult): void {
    const { rules } = this;
    // Length 0 means the entry that holds the address, whose ends the model does not know.
    const range = length === 0 ? pagesOf(address, 1) : pagesOf(address, length);
    const places = placesIn(p, range);
    const hole = places.length < range.end - range.start;
    const locked =
      (flags & F.MS_INVALIDATE) !== 0 && (length === 0 ? [...p.places] : places).some(([, { wired }]) => wired !== 0);
    const notFile =
      rules.msyncFilesOnly && (length === 0 || places.length > 1 || !(places[0]?.[1].cell instanceof FilePage));
    const maybe = [locked && rules.msyncLocked, notFile && ('EINVAL' as const)];
    this.judge(
      actual,
      [rules.msyncFlags(flags), this.badRange(address, length), hole && (length === 0 ? 'EINVAL' : rules.msyncMissing)],
      maybe,
    );
  }

  mincore(p: ModelProcess, address: number, length: number, vector: Uint8Array, actual: CallResult): void {
    const { rules } = this;
    const range = pagesOf(address, length);
    const hole = placesIn(p, range).length < range.end - range.start && rules.mincoreHole;
    const short = vector.length < range.end - range.start && ('EFAULT' as const);
    const outside = address + length > USER_MAX_ADDRESS && ('EINVAL' as const);
    const bad = outside || (rules.mincoreUnaligned && (address % PAGE_SIZE !== 0 || length === 0) && 'EINVAL');
    if (!this.judge(actual, rules.mincore ? [hole, short, bad] : ['EOPNOTSUPP'], address < PAGE_SIZE ? ['EINVAL'] : []))
      return;
    for (let vpn = range.start; vpn < range.end; vpn++) {
      const place = p.places.get(vpn);
      const answer = vector[vpn - range.start] as number;
      const locked = place !== undefined && place.wired >= 1 && place.cell.present() === true;
      if (locked && (answer & F.MINCORE_INCORE) === 0)
        throw new Mismatch(`page ${vpn} is locked, and mincore says ${answer}`);
      if (place === undefined && answer !== 0)
        throw new Mismatch(`nothing is mapped at page ${vpn}, and mincore says ${answer}`);
    }
  }

  /** `sbrk`: the answer is the old end. */
  brk(p: ModelProcess, address: number, actual: CallResult, success = 0): void {
    const range = { start: Math.ceil(p.dataEnd / PAGE_SIZE), end: Math.ceil(address / PAGE_SIZE) };
    const refusals: Refusal[] = [
      address < p.dataStart && this.rules.brkBelow,
      address - p.dataStart > p.dataLimit && 'ENOMEM',
      range.end > USER_MAX_PAGE && 'ENOMEM',
      placesIn(p, range).length > 0 && 'ENOMEM',
    ];
    const space = (p.places.size + range.end - range.start) * PAGE_SIZE > p.addressLimit && 'ENOMEM';
    if (!this.judge(actual, refusals, [space])) return;
    if (actual !== success) throw new Mismatch(`answered ${actual}, not ${success}`);
    const data: MapCall = { address: 0, length: 0, prot: 7, flags: F.MAP_ANON | F.MAP_PRIVATE, fd: -1, offset: 0 };
    for (let vpn = range.start; vpn < range.end; vpn++)
      this.put(p, vpn, { ...this.newPlace(p, data, 0), prot: this.rules.dataProt });
    this.remove(p, { start: range.end, end: range.start });
    p.dataEnd = address;
  }

  // ---- processes

  spawn(dataEnd: number): ModelProcess {
    const limits = {
      dataLimit: 32 * 2 ** 30,
      addressLimit: Number.POSITIVE_INFINITY,
      lockLimit: Number.POSITIVE_INFINITY,
    };
    const p = {
      places: new Map(),
      fds: [],
      dataStart: dataEnd,
      dataEnd,
      future: false,
      placed: [],
      stackStart: USER_MAX_PAGE,
      ...limits,
    };
    this.processes.push(p);
    return p;
  }

  /** `whole`: what is not to be inherited comes along too (clone). */
  fork(parent: ModelProcess, whole: boolean): ModelProcess {
    const child = {
      ...parent,
      places: new Map<number, Place>(),
      fds: [...parent.fds],
      placed: [...parent.placed],
      future: false,
    };
    this.processes.push(child);
    for (const [vpn, place] of parent.places) {
      if (place.inherit === F.INHERIT_SHARE) this.put(child, vpn, { ...place, wired: 0, shared: true });
      else if (place.inherit === F.INHERIT_COPY || whole)
        this.put(child, vpn, { ...place, wired: 0, shared: false, cell: this.copy(place) });
    }
    return child;
  }

  /** What the child of a fork gets of a page that it does not share. */
  private copy(place: Place): Cell {
    const { cell } = place;
    const { copyEndsSharing } = this.rules;
    const alone = cell.holders === 1 && !(cell instanceof FilePage);
    if (alone) {
      const twin = cell.twin();
      if (place.wired !== 0) for (const one of [cell, twin]) one.maybeCopied();
      return twin;
    }
    const child = cell.derive();
    // A locked page is copied at once, and stays as it is for the parent.
    if (place.wired !== 0) child.maybeCopied();
    // What a truncation has taken from under the lock is zeros for the child, which has no file there any more.
    if (place.wired !== 0 && cell.present() !== true) child.options.push(ZEROS);
    if (place.wired > 0 || copyEndsSharing === 'never') return child;
    if (copyEndsSharing === 'anonymous' && cell instanceof FilePage) return child;
    cell.holders--;
    place.cell = cell.derive();
    place.cell.holders++;
    return child;
  }

  exec(p: ModelProcess, segments: readonly ModelSegment[], dataStart: number, stackStart: number): void {
    this.remove(p, { start: 0, end: USER_MAX_PAGE });
    Object.assign(p, { dataStart, dataEnd: dataStart, stackStart, future: false });
    for (const { start, pages, prot, file } of segments) {
      for (let i = 0; i < pages; i++) {
        const cell = new Cell(file === null ? undefined : file.page(i));
        this.put(p, start + i, { cell, prot, max: 7, inherit: F.INHERIT_COPY, wired: 0, lost: 0, shared: false });
      }
    }
  }

  exit(p: ModelProcess): void {
    this.remove(p, { start: 0, end: USER_MAX_PAGE });
    this.processes.splice(this.processes.indexOf(p), 1);
  }

  put(p: ModelProcess, vpn: number, place: Place): void {
    place.cell.holders++;
    p.places.set(vpn, place);
  }

  remove(p: ModelProcess, range: PageRange): void {
    for (const [vpn, place] of placesIn(p, range)) {
      place.cell.holders--;
      p.places.delete(vpn);
    }
  }
}

export function pagesOf(address: number, length: number): PageRange {
  return { start: Math.floor(address / PAGE_SIZE), end: Math.ceil((address + length) / PAGE_SIZE) };
}

function isUser(base: number, pages: number): boolean {
  return base >= USER_MIN_PAGE * PAGE_SIZE && base + pages * PAGE_SIZE <= USER_MAX_ADDRESS;
}

/** What is mapped of a range, by address. */
export function placesIn(p: ModelProcess, { start, end }: PageRange): [number, Place][] {
  if (end - start > p.places.size) {
    return [...p.places].filter(([vpn]) => vpn >= start && vpn < end).sort(([a], [b]) => a - b);
  }
  const found: [number, Place][] = [];
  for (let vpn = start; vpn < end; vpn++) {
    const place = p.places.get(vpn);
    if (place !== undefined) found.push([vpn, place]);
  }
  return found;
}
