/**
 * The reference model: what processes, their memory and their files must look like, whatever a kernel does behind them.
 *
 * It is flat: a process is a table from page number to a place with a protection and a page of contents. There are no objects, chains,
 * queues, frames or pagers in it, and nothing of it was taken from a kernel room. Memory calls change places, accesses read and store
 * bytes, fork shares a page or derives a new one. The errors are those of the systems' own calls, with what differs between them in
 * `rules.ts`.
 *
 * Every method takes what the system answered and throws a `Mismatch` when that cannot be; where two answers are possible the model
 * goes on with the one that was given.
 */
import type { Access, Advice, CallResult, Inheritance, MapRequest, Prot } from '@faultline/core';
import { ACCESS_WRITE, PAGE_SIZE, PROT_OF_ACCESS, PROT_READ, PROT_WRITE } from '@faultline/core';
import { Content, Mismatch } from './content.js';
import type { CallRules, Rules } from './rules.js';

export { Mismatch } from './content.js';

/** One page of an address space. */
export interface Place {
  /** Null: behind the end of the file, where every access is refused. */
  content: Content | null;
  prot: Prot;
  max: Prot;
  /** Permissions of `max` that may have been lost. */
  maxUnsure: Prot;
  inherit: Inheritance;
  wired: boolean;
  /** Whether the kernel may regard it as copy-on-write. */
  cow: boolean;
}

/** A file, or a device: its pages as every shared mapping shows them. */
export interface ModelFile {
  readonly pages: readonly Content[];
}

export interface ModelProcess {
  readonly name: string;
  readonly places: Map<number, Place>;
  dataStart: number;
  dataEnd: number;
}

/** Pages `start` to `end`, exclusive. */
export interface PageRange {
  readonly start: number;
  readonly end: number;
}

/** A range as the calls take it. */
export interface Bytes {
  readonly address: number;
  readonly length: number;
}

/** What an access may come to. */
/** `beyond`: behind the end of a file, where a system tells that from a protection. */
export type Outcome = 'ok' | 'missing' | 'protection' | 'beyond' | 'failure';
/** What else it may come to where there is trouble: too little memory, a broken disk. */
export type Trouble = 'shortage';

export const MIN_PAGE = 1;
export const MAX_PAGE = 0x7ffffffff000 / PAGE_SIZE;
const MIN_ADDRESS = MIN_PAGE * PAGE_SIZE;
const MAX_ADDRESS = MAX_PAGE * PAGE_SIZE;
const PROT_ALL = 7;

/** A regular file of `bytes` bytes, the contents of each page being `fill(page)`; what can be mapped of it ends at `mapped`. */
export function modelFile(bytes: number, fill: (page: number) => Uint8Array, mapped = bytes): ModelFile {
  const pages = Array.from({ length: Math.ceil(mapped / PAGE_SIZE) }, (_, i) => {
    const page = new Content(null, 'file', Buffer.from(fill(i)));
    page.end = Math.min(PAGE_SIZE, Math.max(0, bytes - i * PAGE_SIZE));
    page.own?.fill(0, page.end);
    return page;
  });
  return { pages };
}

export function modelDevice(pages: number, fill: (page: number) => Uint8Array): ModelFile {
  return { pages: Array.from({ length: pages }, (_, i) => new Content(null, 'device', Buffer.from(fill(i)))) };
}

export function insist(actual: CallResult, expected: CallResult, why: string): void {
  if (actual !== expected) throw new Mismatch(`answered ${actual}, not ${expected}: ${why}`);
}

export class Model {
  readonly processes: ModelProcess[] = [];
  readonly files = new Map<object, ModelFile>();
  private readonly calls: CallRules;
  /** Anything may be refused: a disk is broken. */
  troubled = false;
  /** What the data segment that brk makes allows. */
  protected readonly dataProtection: Prot = PROT_ALL;

  constructor(
    readonly rules: Rules,
    protected readonly asSeeded: boolean,
  ) {
    this.calls = rules.calls ?? {};
  }

  // ---- processes

  spawn(name: string): ModelProcess {
    const process: ModelProcess = { name, places: new Map(), dataStart: -1, dataEnd: -1 };
    this.processes.push(process);
    return process;
  }

  fork(parent: ModelProcess, name: string): ModelProcess {
    const child = this.spawn(name);
    child.dataStart = parent.dataStart;
    child.dataEnd = parent.dataEnd;
    for (const [vpn, place] of parent.places) {
      if (place.inherit === 'none') continue;
      if (place.inherit === 'share') this.put(child, vpn, { ...place, wired: false });
      else this.copyPlace(child, vpn, place);
    }
    return child;
  }

  /** A wired page is copied at once and stays as it is for the parent; another is shown to both until one of them writes. */
  protected copyPlace(child: ModelProcess, vpn: number, place: Place): void {
    const { content } = place;
    if (content === null) {
      this.put(child, vpn, { ...place, wired: false, cow: true });
      place.cow = true;
    } else if (place.wired) {
      this.put(child, vpn, { ...place, wired: false, content: content.copyNow() });
    } else {
      this.put(child, vpn, { ...place, wired: false, content: content.derive(), cow: true });
      const own = content.derive();
      content.holders--;
      own.holders++;
      place.content = own;
      place.cow = true;
    }
  }

  exit(process: ModelProcess): void {
    this.remove(process, { start: 0, end: MAX_PAGE });
    this.processes.splice(this.processes.indexOf(process), 1);
  }

  protected put(process: ModelProcess, vpn: number, place: Place): void {
    if (place.content !== null) place.content.holders++;
    process.places.set(vpn, place);
  }

  protected remove(process: ModelProcess, range: PageRange): void {
    for (const [vpn, place] of placesIn(process, range)) {
      if (place.content !== null) place.content.holders--;
      process.places.delete(vpn);
    }
  }

  // ---- memory calls

  map(process: ModelProcess, request: MapRequest, actual: CallResult) {
    const refusal = this.mapRefusal(request);
    if (refusal !== null) return insist(actual, refusal, 'mmap refuses these arguments');
    if (request.length === 0) return insist(actual, request.address, 'mmap of nothing succeeds');
    const { backing, sharing } = request;
    const within = offsetOf(request) % PAGE_SIZE;
    const pages = Math.ceil((request.length + within) / PAGE_SIZE);
    const start = request.fixed
      ? (request.address - within) / PAGE_SIZE
      : gap(process, this.hint(request.address), pages);
    if (start === null) return insist(actual, 'ENOMEM', 'there is no gap of that length');
    this.remove(process, { start, end: start + pages });
    const first = Math.floor(offsetOf(request) / PAGE_SIZE);
    if (backing.kind === 'device' && (sharing === 'private' || first + pages > backing.device.pages)) {
      return insist(actual, 'EINVAL', 'a device is mapped shared and within its length');
    }
    insist(actual, start * PAGE_SIZE + within, 'the mapping can be made');
    for (let i = 0; i < pages; i++) this.put(process, start + i, this.newPlace(request, first + i));
  }

  private mapRefusal(request: MapRequest): CallResult | null {
    const { address, length, fixed, backing, sharing } = request;
    const { calls } = this;
    const within = offsetOf(request) % PAGE_SIZE;
    if (within !== 0 && length > 0 && calls.unalignedOffsets !== true) return 'EINVAL';
    const start = calls.unalignedOffsets === true ? address - within : address;
    if (calls.unalignedOffsets === true && address + length > Number.MAX_SAFE_INTEGER) return 'EINVAL';
    if (fixed && (start % PAGE_SIZE !== 0 || start < MIN_ADDRESS)) return 'EINVAL';
    if (fixed && start + Math.ceil((length + within) / PAGE_SIZE) * PAGE_SIZE > MAX_ADDRESS) return 'EINVAL';
    if (calls.refusesPrivateDeviceFirst === true && backing.kind === 'device' && sharing === 'private') return 'EINVAL';
    return null;
  }

  private hint(address: number): number {
    return Math.ceil(address / PAGE_SIZE) || this.rules.mmapBase;
  }

  protected newPlace({ protection, sharing, backing }: MapRequest, page: number): Place {
    const place: Place = {
      content: null,
      prot: protection & PROT_ALL,
      max: PROT_ALL,
      maxUnsure: 0,
      inherit: sharing === 'shared' ? 'share' : 'copy',
      wired: false,
      cow: sharing === 'private' && backing.kind === 'file',
    };
    if (backing.kind === 'anon') place.content = new Content();
    else {
      const shown = this.files.get(backing.kind === 'file' ? backing.file : backing.device)?.pages[page] ?? null;
      place.content = shown === null || sharing === 'shared' ? shown : new Content(shown);
    }
    return place;
  }

  unmap(process: ModelProcess, { address, length }: Bytes, actual: CallResult) {
    const range = pagesOf(address, length);
    if (range === null) return insist(actual, 'EINVAL', 'the range wraps');
    if (length === 0) return insist(actual, this.calls.unmapOfNothing ?? 'EINVAL', 'munmap of nothing');
    if (range.start < MIN_PAGE || range.end > MAX_PAGE) return insist(actual, 'EINVAL', 'not all of it is user space');
    if (!isWhole(process, range)) return insist(actual, 'EINVAL', 'munmap refuses a range with a hole');
    insist(actual, 0, 'all of it is mapped');
    this.remove(process, range);
  }

  protect(process: ModelProcess, { address, length }: Bytes, asked: Prot, actual: CallResult) {
    const prot = asked & PROT_ALL;
    const range = clamped(address, length);
    if (range === null) return insist(actual, 'EINVAL', 'the range wraps');
    const places = placesIn(process, range);
    if (places.some(([, { max }]) => (prot & max) !== prot)) return insist(actual, 'EACCES', 'beyond the maximum');
    const unsure = places.some(([, { maxUnsure }]) => (prot & maxUnsure) !== 0);
    if (unsure && actual === 'EACCES') return;
    insist(actual, 0, 'the maximum allows it');
    for (const [, place] of places) {
      place.maxUnsure &= ~prot;
      place.prot = prot;
    }
  }

  inherit(process: ModelProcess, { address, length }: Bytes, how: Inheritance, actual: CallResult) {
    const range = clamped(address, length);
    if (range === null) return insist(actual, 'EINVAL', 'the range wraps');
    insist(actual, 0, 'minherit passes over holes');
    for (const [, place] of placesIn(process, range)) place.inherit = how;
  }

  advise(process: ModelProcess, { address, length }: Bytes, advice: Advice, actual: CallResult) {
    const range = pagesOf(address, length);
    const outside = range === null || address < MIN_ADDRESS || address + length > MAX_ADDRESS;
    if (outside) return insist(actual, 'EINVAL', 'madvise wants user addresses');
    insist(actual, 0, 'madvise passes over holes');
    if (advice !== 'free') return;
    for (const [, { content, wired }] of placesIn(process, range)) {
      // Memory that others see too, files, devices and wired pages are never given up.
      if (content !== null && content.kind === 'anon' && content.holders === 1 && !wired)
        content.mayVanish(this.asSeeded);
    }
  }

  /** `wiredNow`: pages of memory that are wired already, by the machine's own count. */
  wire(process: ModelProcess, { address, length }: Bytes, actual: CallResult, limits: WireLimits) {
    const asked = pagesOf(address, length);
    const range = this.wireRange(address, length);
    if (asked === null || range === null) return insist(actual, 'EINVAL', 'the range wraps');
    const pages = asked.end - asked.start;
    const { calls } = this;
    if (pages > limits.most && calls.wireBeyondLimit !== 'EAGAIN') {
      return insist(actual, 'ENOMEM', 'more than may ever be wired');
    }
    if (pages + limits.wired > limits.most) return insist(actual, 'EAGAIN', 'too much is wired already');
    if (range.start === range.end) {
      const refused = calls.wiresNothing !== true && !process.places.has(range.start);
      return insist(actual, refused ? 'ENOMEM' : 0, 'nothing to wire');
    }
    const stop = firstUnwirable(process, range);
    if (stop < range.end && calls.pastEnd === 'open' && actual === 0 && isWhole(process, range)) {
      this.touchForWiring(process, range, false);
      for (const [, place] of placesIn(process, range)) place.wired = true;
      return;
    }
    if (stop === range.end && limits.scarce && actual === 'ENOMEM') this.touchForWiring(process, range, true);
    else if (stop === range.end) {
      insist(actual, 0, 'all of it is mapped and can be had');
      this.touchForWiring(process, range, false);
      for (const [, place] of placesIn(process, range)) place.wired = true;
    } else {
      insist(actual, 'ENOMEM', `page ${stop} is a hole or lies behind the end of its file`);
      if (calls.wireSeesHolesFirst === true && !isWhole(process, range)) return;
      this.touchForWiring(process, { start: range.start, end: stop }, limits.scarce);
      // The rest of the entry that failed has been looked at as well.
      for (const [, place] of placesIn(process, { start: stop, end: range.end })) loseWrite(place, true);
    }
  }

  /** Wiring faults each page in with the permissions that it has: what may be written is copied now. */
  private touchForWiring(process: ModelProcess, range: PageRange, perhaps: boolean): void {
    for (const [, place] of placesIn(process, range)) {
      if (place.wired || place.content === null) continue;
      if ((place.prot & PROT_WRITE) !== 0) {
        if (perhaps) place.content.maybeMaterialise();
        else place.content.materialise();
      }
      loseWrite(place, perhaps);
    }
  }

  /** mlock and munlock of some systems leave out what is no user space; others find nothing mapped there. */
  private wireRange(address: number, length: number): PageRange | null {
    return this.calls.wiresNothing === true ? pagesOf(address, length) : clamped(address, length);
  }

  unwire(process: ModelProcess, { address, length }: Bytes, actual: CallResult) {
    const range = this.wireRange(address, length);
    if (range === null) return insist(actual, 'EINVAL', 'the range wraps');
    const { calls } = this;
    if (range.start === range.end && calls.wiresNothing === true) return insist(actual, 0, 'nothing to unwire');
    const all = placesIn(process, range).every(([, { wired }]) => wired);
    const whole =
      process.places.has(range.start) && isWhole(process, range) && (all || calls.unwiresOnlyWired !== true);
    insist(actual, whole ? 0 : 'ENOMEM', 'munlock wants all of the range mapped, or even wired');
    if (whole) for (const [, place] of placesIn(process, range)) place.wired = false;
  }

  /** Answers the file pages that must now be in their stores. `troubled`: the disk may have failed. */
  sync(process: ModelProcess, { address, length }: Bytes, actual: CallResult, troubled: boolean): Content[] {
    const range = pagesOf(address, length);
    if (range === null) {
      insist(actual, 'EINVAL', 'the range wraps');
      return [];
    }
    // A length of 0 means the whole entry, whose ends the model does not know: at least the page itself is flushed.
    const flushed = length === 0 ? { start: range.start, end: range.start + 1 } : range;
    if (!isWhole(process, flushed)) {
      insist(actual, 'EINVAL', 'msync wants all of the range mapped');
      return [];
    }
    if (troubled && actual === 'EIO') return [];
    insist(actual, 0, 'all of the range is mapped');
    if (this.asSeeded && this.calls.partSyncWritesNothing === true) return [];
    const onlyWritable = this.calls.syncsOnlyWritable === true;
    return placesIn(process, flushed).flatMap(([, { content, prot }]) =>
      content?.kind === 'file' && (!onlyWritable || (prot & PROT_WRITE) !== 0) ? [content] : [],
    );
  }

  brk(process: ModelProcess, address: number, actual: CallResult) {
    if (process.dataStart < 0) {
      insist(actual, 0, 'the first call says where the segment begins');
      process.dataStart = this.calls.dataStartsOnPage === true ? Math.ceil(address / PAGE_SIZE) * PAGE_SIZE : address;
      process.dataEnd = process.dataStart;
      return;
    }
    if (address < process.dataStart) return insist(actual, 'EINVAL', 'below the data segment');
    const range = { start: Math.ceil(process.dataEnd / PAGE_SIZE), end: Math.ceil(address / PAGE_SIZE) };
    const refused = range.end > MAX_PAGE || (range.end > range.start && range.start < MIN_PAGE);
    if (refused || placesIn(process, range).length > 0) return insist(actual, 'ENOMEM', 'there is no room to grow');
    insist(actual, 0, 'the segment can have this end');
    const data: MapRequest = {
      address: 0,
      length: 0,
      protection: this.dataProtection,
      sharing: 'private',
      backing: { kind: 'anon' },
      fixed: true,
    };
    for (let vpn = range.start; vpn < range.end; vpn++) this.put(process, vpn, this.newPlace(data, 0));
    this.remove(process, { start: range.end, end: range.start });
    process.dataEnd = address;
  }

  // ---- accesses

  /** What an access may come to. More than one where that depends on what the kernel has in its page tables. */
  outcomes(process: ModelProcess, vpn: number, access: Access): readonly Outcome[] {
    const place = process.places.get(vpn);
    if (place === undefined) return ['missing'];
    const allowed = this.rules.allows?.(place.prot, access) ?? (place.prot & (PROT_OF_ACCESS[access] as Prot)) !== 0;
    if (allowed === false) return ['protection'];
    if (place.content === null) return this.calls.pastEnd === 'open' ? ['ok', 'protection', 'failure'] : ['protection'];
    if (allowed === 'perhaps') return ['ok', 'protection'];
    const mayRefuse = this.rules.wiredCopyOnWriteRefuses && access === ACCESS_WRITE && place.wired && place.cow;
    return mayRefuse ? ['ok', 'protection'] : ['ok'];
  }

  /** An access succeeded, and these are the bytes of its page (before the store, if it is one). */
  see(process: ModelProcess, vpn: number, seen: Buffer): void {
    const place = process.places.get(vpn) as Place;
    const { content } = place;
    // What is shown behind the end of a file is nobody's business.
    if (content === null) return;
    // A read of a wired page that may be written can copy it, if its translation has gone meanwhile.
    if (place.wired && (place.prot & PROT_WRITE) !== 0) content.maybeMaterialise();
    content.see(seen);
  }

  store(process: ModelProcess, vpn: number, seen: Buffer, offset: number, value: number): void {
    (process.places.get(vpn) as Place).content?.store(seen, offset, value);
  }
}

/** How much may be wired, and how much is. */
export interface WireLimits {
  readonly most: number;
  readonly wired: number;
  /** Whether there may be too little memory for what should succeed. */
  readonly scarce: boolean;
}

/** Wiring what can be neither read nor written gives up ever writing it. */
function loseWrite(place: Place, perhaps: boolean): void {
  if ((place.prot & (PROT_READ | PROT_WRITE)) !== 0 || place.wired) return;
  if (perhaps) place.maxUnsure |= place.max & PROT_WRITE;
  else place.max &= ~PROT_WRITE;
}

/** Where in the file or device a mapping begins, in bytes. */
function offsetOf({ backing }: MapRequest): number {
  return backing.kind === 'anon' ? 0 : backing.offset;
}

/** Pages of a byte range, or null when it wraps. */
export function pagesOf(address: number, length: number): PageRange | null {
  if (address + length > Number.MAX_SAFE_INTEGER) return null;
  return { start: Math.floor(address / PAGE_SIZE), end: Math.ceil((address + length) / PAGE_SIZE) };
}

/** The part of it in user space. */
function clamped(address: number, length: number): PageRange | null {
  const range = pagesOf(address, length);
  if (range === null) return null;
  const end = Math.min(range.end, MAX_PAGE);
  return { start: Math.min(Math.max(range.start, MIN_PAGE), end), end };
}

/** What is mapped of a range, by address. */
export function placesIn(process: ModelProcess, { start, end }: PageRange): [number, Place][] {
  const found: [number, Place][] = [];
  if (end - start <= process.places.size) {
    for (let vpn = start; vpn < end; vpn++) {
      const place = process.places.get(vpn);
      if (place !== undefined) found.push([vpn, place]);
    }
    return found;
  }
  for (const [vpn, place] of process.places) if (vpn >= start && vpn < end) found.push([vpn, place]);
  return found.sort(([a], [b]) => a - b);
}

export function isWhole(process: ModelProcess, range: PageRange): boolean {
  return placesIn(process, range).length === Math.max(0, range.end - range.start);
}

/** The first page that is not mapped or behind the end of its file, or the end of the range. */
function firstUnwirable(process: ModelProcess, range: PageRange): number {
  for (let vpn = range.start; vpn < range.end; vpn++) {
    const place = process.places.get(vpn);
    if (place === undefined || (place.content === null && !place.wired)) return vpn;
  }
  return range.end;
}

/** The first gap of so many pages at or above the hint, or null. */
export function gap(process: ModelProcess, hint: number, pages: number): number | null {
  let start = Math.max(hint, MIN_PAGE);
  for (const [vpn] of placesIn(process, { start, end: MAX_PAGE })) {
    if (vpn >= start + pages) break;
    start = vpn + 1;
  }
  return start + pages > MAX_PAGE ? null : start;
}
