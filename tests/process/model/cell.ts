/**
 * One page of memory as processes show it: the contents that it may have.
 *
 * Nearly always that is one. More are possible where the systems leave something open:
 *
 *     a copy may or may not have been made (mlock of a private page, an access that failed half way): both
 *     MADV_FREE was given: what was there, what was there before, or zeros, and that may still change (`volatile`)
 *     behind the end of a file, in its last page: as it was stored, or zeros again
 *
 * A private page of a file, not yet stored to, shows the page of the file: its option is that other cell. Whoever sees bytes tells the
 * cell; they must be possible, and what they rule out is forgotten. A store makes each possibility one of the cell's own.
 */
import { PAGE_SIZE } from '@faultline/core';

/** The model and a system differ. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

/** Too much is open to go on: no mistake of anybody. */
export class TooOpen extends Error {
  override readonly name = 'TooOpen';
}

/** Bytes, or whatever another cell shows. */
export type Option = Uint8Array | Cell;

export const ZEROS = new Uint8Array(PAGE_SIZE);
/** More possibilities than this are a mistake of the model. */
const OPTIONS_MAX = 64;

export class Cell {
  /** How often somebody has looked where more than one thing could be seen. */
  static openlySeen = 0;
  options: Option[];
  /** What it showed at earlier forks, from the mapping on: MADV_FREE may bring that back. */
  older: Option[];
  volatile = false;
  /** Places that show it. */
  holders = 0;
  /** Cells that show this one until a copy is made, nobody knows when. */
  private followers: Cell[] = [];
  /** Whether the bytes of its only option are nobody else's. */
  private owned = false;

  constructor(first: Option = ZEROS) {
    this.options = [first];
    this.older = [first];
  }

  /** Whether there is a page: false behind the end of a file, null where that depends on what the kernel has copied. */
  present(): boolean | null {
    const candidates = this.volatile ? [...this.options, ...this.older] : this.options;
    const answers = candidates.map((option) => (option instanceof Cell ? option.present() : true));
    const first = answers[0] ?? true;
    return answers.every((answer) => answer === first) ? first : null;
  }

  /** Every content that it may have now. */
  values(): readonly Uint8Array[] {
    const only = this.options[0];
    if (this.options.length === 1 && !this.volatile && only instanceof Uint8Array) return [only];
    return distinct((this.volatile ? [...this.options, ...this.older, ZEROS] : this.options).flatMap(valuesOf));
  }

  /** Bytes were seen. Throws a Mismatch when they cannot be. */
  see(offset: number, seen: Uint8Array): void {
    const only = this.options[0] as Option;
    if (this.options.length === 1 && !this.volatile && only instanceof Cell) {
      only.see(offset, seen);
      return;
    }
    const possible = this.values();
    if (possible.length > 1) Cell.openlySeen++;
    if (!possible.some((value) => shows(value, offset, seen))) throw new Mismatch(difference(possible, offset, seen));
    if (this.volatile) return;
    this.options = this.options.filter((option) => valuesOf(option).some((value) => shows(value, offset, seen)));
  }

  /** One of these is stored at the offset. */
  store(offset: number, candidates: readonly Uint8Array[]): void {
    this.leaveBehind();
    const only = this.options[0] as Option;
    if (this.owned && this.options.length === 1 && candidates.length === 1 && !this.volatile) {
      (only as Uint8Array).set(candidates[0] as Uint8Array, offset);
      return;
    }
    const made = this.values().flatMap((value) => candidates.map((bytes) => withBytes(value, offset, bytes)));
    this.options = distinct(made);
    if (this.options.length > OPTIONS_MAX) throw new TooOpen();
    this.volatile = false;
    this.owned = this.options.length === 1;
  }

  /** Before a store: who shows this cell may have made its copy already. */
  private leaveBehind(): void {
    if (this.followers.length === 0) return;
    this.followers = this.followers.filter((follower) => follower.options.includes(this));
    for (const follower of this.followers) follower.maybeCopied();
  }

  /** From now on it may contain these. */
  protected become(values: readonly Uint8Array[]): void {
    this.options = [...values];
    this.owned = false;
  }

  /** It has been stored, or it has not. */
  maybeStore(offset: number, candidates: readonly Uint8Array[]): void {
    const before = [...this.options];
    const { volatile } = this;
    this.owned = false;
    this.store(offset, candidates);
    this.options = [...this.options, ...before];
    this.volatile = volatile;
    this.owned = false;
  }

  /** Whether it may still show another cell. */
  get shows(): boolean {
    return this.options.some((option) => option instanceof Cell);
  }

  /** A copy of what it shows may have been made just now, unseen. */
  maybeCopied(): void {
    if (!this.shows) return;
    this.options = distinct([...this.options, ...this.values().map((value) => value.slice())]);
    this.owned = false;
  }

  /** A page of its own with the same contents, as fork makes one of a page that nobody else shows. */
  twin(): Cell {
    this.owned = false;
    if (!this.volatile) this.older = distinct([...this.older, ...this.options]);
    const twin = new Cell();
    twin.options = [...this.options];
    twin.older = [...this.older];
    twin.volatile = this.volatile;
    for (const option of this.options) {
      if (option instanceof Cell && option.followers.includes(this)) option.followers.push(twin);
    }
    return twin;
  }

  /** A page that shows this one until it is stored to, or a copy made at any moment from now on. */
  derive(): Cell {
    const derived = new Cell(this);
    // What this one has not copied itself may be shown by the other without it.
    derived.options = [this, ...this.options.filter((option) => option instanceof Cell)];
    this.followers.push(derived);
    return derived;
  }

  /** MADV_FREE. */
  free(): void {
    this.volatile = true;
  }
}

function valuesOf(option: Option): readonly Uint8Array[] {
  if (option instanceof Uint8Array) return [option];
  return option.present() === false ? [] : option.values();
}

/** Without repetition; cells are themselves, bytes are what they contain. */
export function distinct<T extends Option>(options: readonly T[]): T[] {
  const found: T[] = [];
  for (const option of options) if (!found.some((other) => same(option, other))) found.push(option);
  return found;
}

function same(a: Option, b: Option): boolean {
  if (a === b) return true;
  return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
}

function shows(value: Uint8Array, offset: number, seen: Uint8Array): boolean {
  for (let i = 0; i < seen.length; i++) if (value[offset + i] !== seen[i]) return false;
  return true;
}

export function withBytes(value: Uint8Array, offset: number, bytes: Uint8Array): Uint8Array {
  const copy = value.slice();
  copy.set(bytes, offset);
  return copy;
}

function difference(possible: readonly Uint8Array[], offset: number, seen: Uint8Array): string {
  const expected = possible[0];
  if (expected === undefined) return 'the page shows something where there is nothing';
  let at = 0;
  while (at < seen.length - 1 && seen[at] === expected[offset + at]) at++;
  const rest = possible.length > 1 ? `, nor any of ${possible.length - 1} other contents` : '';
  return `byte ${offset + at} of the page is ${seen[at]}, not ${expected[offset + at]}${rest}`;
}
