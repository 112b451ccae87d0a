/**
 * One page of memory as processes show it: the contents that it may have.
 *
 * Nearly always that is one. More are possible where the systems leave something open:
 *
 *     a copy may or may not have been made (mlock of a private page, an access that failed half way): both
 *     MADV_FREE was given: what was there, what was there before, or zeros, and that may still change (`volatile`)
 *     behind the end of a file, in its last page: as it was stored, or zeros again (`FilePage`)
 *
 * A private page of a file, not yet stored to, shows the page of the file: its option is that other cell. Whoever sees bytes tells the
 * cell; they must be possible, and what they rule out is forgotten. A store makes each possibility one of the cell's own.
 *
 * Files, at the end, are such pages in a row: mappings show them as they are.
 */
import { PAGE_SIZE } from '@faultline/core';

/** The model and a system differ. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

/** What must be so, or else the message of a Mismatch. */
export function must(so: boolean, message: string): void {
  if (!so) throw new Mismatch(message);
}

/** Bytes, which nobody changes any more, or whatever another cell shows. */
type Option = Uint8Array | Cell;

export const ZEROS = new Uint8Array(PAGE_SIZE);
/** With more possibilities than this too much is open to go on (`TooOpen`): no mistake of anybody. */
const OPTIONS_MAX = 64;

export class Cell {
  /** How often somebody has looked where more than one thing could be seen. */
  static openlySeen = 0;
  /** Places that show it. */
  holders = 0;
  /** Cells that show this one until a copy is made, nobody knows when. */
  private followers: Cell[] = [];

  constructor(
    public options: readonly Option[] = [ZEROS],
    /** What it showed at earlier forks, from the mapping on: MADV_FREE may bring that back. */
    private older = options,
    /** MADV_FREE. */
    public volatile = false,
  ) {}

  protected candidates(): readonly Option[] {
    return this.volatile ? [...this.options, ...this.older] : this.options;
  }

  /** Whether there is a page: false behind the end of a file, null where that depends on what the kernel has copied. */
  present(): boolean | null {
    const [first = true, ...others] = this.candidates().map((option) => !(option instanceof Cell) || option.present());
    return others.every((other) => other === first) ? first : null;
  }

  /** Every content that it may have now. */
  values(): readonly Uint8Array[] {
    return distinct([...this.candidates(), ...(this.volatile ? [ZEROS] : [])].flatMap(valuesOf));
  }

  /** Bytes were seen. Throws a Mismatch that names the page when they cannot be. */
  see(page: string, offset: number, seen: Uint8Array): void {
    const shows = (value: Uint8Array) => Buffer.compare(value.subarray(offset, offset + seen.length), seen) === 0;
    const possible = this.values();
    if (possible.length > 1) Cell.openlySeen++;
    if (!possible.some(shows)) throw new Mismatch(`${page}: ${difference(possible, offset, seen)}`);
    if (this.volatile) return;
    this.options = this.candidates().filter((option) => valuesOf(option).some(shows));
    const [only, ...others] = this.options;
    if (only instanceof Cell && others.length === 0) only.see(page, offset, seen);
  }

  /** One of these is stored at the offset; or, where that was not `done`, perhaps nothing. */
  store(offset: number, bytes: readonly Uint8Array[], done = true): void {
    // Who shows this page may have made its copy just before.
    this.followers = this.followers.filter(({ options, older }) => [...options, ...older].includes(this));
    for (const follower of this.followers) follower.maybeCopied();
    const made = this.values().flatMap((value) => bytes.map((one) => withBytes(value, offset, one)));
    this.options = distinct(done ? made : [...made, ...this.options]);
    if (this.options.length > OPTIONS_MAX) throw Object.assign(new Error('too many contents'), { name: 'TooOpen' });
    if (done) this.volatile = false;
  }

  /** A copy of what it shows may have been made just now, unseen. */
  maybeCopied(): void {
    const shows = this.candidates().some((option) => option instanceof Cell);
    if (shows) this.options = distinct([...this.options, ...this.values()]);
  }

  /** A page of its own with the same contents, as fork makes one of a page that nobody else shows. */
  twin(): Cell {
    if (!this.volatile) this.older = distinct([...this.older, ...this.options]);
    const twin = new Cell(this.options, this.older, this.volatile);
    for (const option of this.options) {
      if (option instanceof Cell && option.followers.includes(this)) option.followers.push(twin);
    }
    return twin;
  }

  /** A page that shows this one until it is stored to, or a copy made at any moment from now on. */
  derive(): Cell {
    // What this one has not copied itself may be shown by the other without it.
    const derived = new Cell([this, ...this.options.filter((option) => option instanceof Cell)], [this]);
    this.followers.push(derived);
    return derived;
  }
}

/** A page of a file. Behind the end of the file, in its last page, there is what was stored or zeros: the kernel decides when. */
export class FilePage extends Cell {
  /** Bytes of it that are within the file. */
  within = 0;

  override present(): boolean {
    return this.within > 0;
  }

  protected override candidates(): readonly Option[] {
    const { within, options } = this;
    if (within === PAGE_SIZE) return options;
    const cut = options.map((stored) => withBytes(stored as Uint8Array, within, ZEROS.subarray(within)));
    return distinct([...options, ...cut]);
  }
}

export class ModelFile {
  private readonly pages = new Map<number, FilePage>();
  size = 0;

  constructor(contents: Uint8Array) {
    this.resize(contents.length);
    for (let at = 0; at < contents.length; at += PAGE_SIZE) {
      this.page(at / PAGE_SIZE).store(0, [contents.subarray(at, at + PAGE_SIZE)]);
    }
  }

  page(index: number): FilePage {
    const page = this.pages.get(index) ?? new FilePage();
    this.pages.set(index, page);
    page.within = Math.min(Math.max(this.size - index * PAGE_SIZE, 0), PAGE_SIZE);
    return page;
  }

  /** ftruncate, and what write does to the length: nothing from beyond either end comes back. */
  resize(bytes: number): void {
    const end = Math.min(bytes, this.size);
    for (const [index, page] of this.pages) {
      const from = Math.max(end - index * PAGE_SIZE, 0);
      if (from < PAGE_SIZE) page.store(from, [ZEROS.subarray(from)]);
    }
    this.size = bytes;
    for (const index of this.pages.keys()) this.page(index);
  }
}

/** An open file, which descriptors of several processes may refer to. */
export type Open = { readonly file: ModelFile; readonly flags: number; position: number };

function valuesOf(option: Option): readonly Uint8Array[] {
  if (option instanceof Uint8Array) return [option];
  return option.present() === false ? [] : option.values();
}

/** Without repetition; cells are themselves, bytes are what they contain. */
function distinct<T extends Option>(options: readonly T[]): T[] {
  const same = (a: Option, b: Option): boolean =>
    a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0);
  return options.filter((one, i) => options.findIndex((other) => same(one, other)) === i);
}

function withBytes(value: Uint8Array, offset: number, bytes: Uint8Array): Uint8Array {
  const copy = value.slice();
  copy.set(bytes, offset);
  return copy;
}

function difference([expected, ...others]: readonly Uint8Array[], offset: number, seen: Uint8Array): string {
  if (expected === undefined) return 'the page shows something where there is nothing';
  const at = seen.findIndex((byte, i) => byte !== expected[offset + i]);
  const rest = others.length > 0 ? `, nor any of ${others.length} other contents` : '';
  return `byte ${offset + at} of the page is ${seen[at]}, not ${expected[offset + at]}${rest}`;
}
