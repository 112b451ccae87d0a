/**
 * One page of memory as processes show it: the contents that it may have. Nearly always that is one. There are more where a copy may or may not
 * have been made (mlock of a private page, an access that failed half way), after MADV_FREE (what was there, what was there before, or zeros, and
 * that may still change: `volatile`), and behind the end of a file, in its last page (what was stored, or zeros again).
 *
 * A private page of a file, not yet stored to, shows the page of the file: its option is that other cell. Whoever sees bytes tells the
 * cell; they must be possible, and what they rule out is forgotten. A store makes each possibility one of the cell's own.
 */
import { PAGE_SIZE } from '@faultline/core';
import { difference, must, tooOpen } from '../mismatch.js';

/** Bytes, which nobody changes any more, or whatever another cell shows. */
type Option = Uint8Array | Cell;

export const ZEROS = new Uint8Array(PAGE_SIZE);
/** With more possibilities than this too much is open to go on. */
const OPTIONS_MAX = 64;

export class Cell {
  /** How often somebody has looked where more than one thing could be seen. */
  static openlySeen = 0;
  /** Of a page of a file: how many of its bytes the file has. */
  within: number | null = null;
  /** The file has had none of them once: since then no lock keeps the page in memory. */
  cutOff = false;
  /** Cells that show this one until a copy is made, nobody knows when. */
  private readonly followers: Cell[] = [];

  constructor(
    public options: readonly Option[] = [ZEROS],
    /** What it showed at earlier forks, from the mapping on: MADV_FREE may bring that back. */
    private older = options,
    /** MADV_FREE. */
    public volatile = false,
  ) {}

  private candidates(): readonly Option[] {
    const { options, older, volatile, within } = this;
    if (within === null || within === PAGE_SIZE) return volatile ? [...options, ...older] : options;
    const cut = options.map((stored) => withBytes(stored as Uint8Array, within, ZEROS.subarray(within)));
    return distinct([...options, ...cut]);
  }

  /** Whether there is a page: false behind the end of a file, null where that depends on what the kernel has copied. */
  present(): boolean | null {
    if (this.within !== null) return this.within > 0;
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
    must(possible.some(shows), () => `${page}: ${difference(possible, offset, seen)}`);
    if (this.volatile) return;
    this.options = this.candidates().filter((option) => valuesOf(option).some(shows));
    const [only, ...others] = this.options;
    if (only instanceof Cell && others.length === 0) only.see(page, offset, seen);
  }

  /** One of these is stored at the offset; or, where that was not `done`, perhaps nothing. */
  store(offset: number, bytes: readonly Uint8Array[], done = true): void {
    this.maybeCopied();
    const made = this.values().flatMap((value) => bytes.map((one) => withBytes(value, offset, one)));
    this.options = distinct(done ? made : [...made, ...this.options]);
    if (this.options.length > OPTIONS_MAX) tooOpen('too many contents');
    if (done) this.volatile = false;
  }

  /** A copy of what it shows may have been made just now, unseen, by itself or by who shows this one. */
  maybeCopied(): void {
    for (const follower of this.followers) follower.maybeCopied();
    const shows = this.candidates().some((option) => option instanceof Cell);
    if (shows) this.options = distinct([...this.options, ...this.values()]);
  }

  /** A page of its own with the same contents, as fork makes one of a page that nobody else shows. */
  twin(): Cell {
    this.older = distinct([...this.older, ...this.options, ...(this.volatile ? [ZEROS] : [])]);
    const twin = new Cell(this.options, this.older, this.volatile);
    for (const option of this.options)
      if (option instanceof Cell && option.followers.includes(this)) option.followers.push(twin);
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

/** Pages in a row: mappings show them as they are. */
export class ModelFile {
  readonly pages = new Map<number, Cell>();
  size = 0;

  page(index: number): Cell {
    const page = this.pages.get(index) ?? new Cell();
    this.pages.set(index, page);
    page.within = Math.min(Math.max(this.size - index * PAGE_SIZE, 0), PAGE_SIZE);
    page.cutOff ||= page.within === 0;
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
