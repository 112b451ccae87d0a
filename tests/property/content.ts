/**
 * One page of the reference model: what it shows, and what else it may show.
 *
 * Almost always a page shows exactly one thing: bytes of its own, or (not written since a fork, or since a private file mapping was
 * made) those of the page that it was derived from, or zeros. Three things are left open by the kernels, and are sets here:
 *
 *     loose    MADV_FREE was given, or a copy may or may not have been made: its own bytes, or anything beneath them
 *     end      bytes behind the end of a file, in its last page: as they were written, or zero again after a page-out
 *     a file   a private page not yet written shows what is written to the file later, as all four kernels do
 *
 * Whoever reads a page tells the model what was seen; that must be one of the possible contents, and what is impossible from
 * then on is forgotten.
 */
import { PAGE_SIZE } from '@faultline/core';

const ZEROS = Buffer.alloc(PAGE_SIZE);

/** The model and the kernel differ. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

export type ContentKind = 'anon' | 'file' | 'device';

export class Content {
  /** Null: shows what is beneath. */
  own: Buffer | null;
  /** Beneath: what this page was derived from; null for zeros. */
  base: Content | null;
  /** Whether its own bytes may have given way to what is beneath. */
  loose = false;
  /** Whether bytes that have given way may still come back for somebody else who shows this page. */
  returns = false;
  /** Bytes from here on may have become zero again. */
  end = PAGE_SIZE;
  /** A copy of what may have shown at some moment, that nobody shows itself. */
  private frozen = false;
  /** Places in address spaces that show this very page. */
  holders = 0;

  constructor(
    base: Content | null = null,
    readonly kind: ContentKind = 'anon',
    own: Buffer | null = null,
  ) {
    this.base = base;
    this.own = own;
  }

  /** A page that shows this one until it is written. */
  derive(): Content {
    // A page of which only the deriving place itself could ever make something need not stay in between.
    const needless = this.own === null && !this.loose && this.kind === 'anon' && this.holders <= 1;
    const derived = new Content(needless ? this.base : this);
    const shown = this.shown();
    // What is open settles for each that derives from it on its own. And zeros that others may still write to need not show
    // what they write: a kernel may have found nothing there to hang on to.
    if (shown === null ? this.holders > 1 : shown.loose) derived.materialise();
    return derived;
  }

  /** A copy made now, unseen: nothing that is written beneath later can show through. */
  copyNow(): Content {
    const copy = new Content();
    copy.take(this.shown(), null);
    return copy;
  }

  /** Gets bytes of its own: those that show now. Nobody has looked, so what is uncertain of them stays so. */
  materialise(): void {
    if (this.own === null) this.take(this.shown(), this.base);
    else if (this.loose) this.freeze(this.base);
  }

  /** Copies what `from` shows; where that is open, what else it may show lies beneath, and beneath that `base`. */
  private take(from: Content | null, base: Content | null): void {
    // Zeros above nothing: whether there is a page of them or none is the kernel's business.
    if (from === null && base === null) return;
    this.own = Buffer.from(from?.own ?? ZEROS);
    this.end = from?.end ?? PAGE_SIZE;
    // Zeros that were made here, and never written, can be made again, or give way to what others have written beneath meanwhile.
    this.loose = from?.loose ?? base !== null;
    this.base = base;
    if (from?.loose) this.freeze(from.base);
  }

  /** Puts copies of what may show from `from` down, as it is at this moment, beneath this page. */
  private freeze(from: Content | null): void {
    for (let at = from; at !== null; at = at.base) {
      if (at.own === null || this.hasBeneath(at.own)) continue;
      const copy = new Content(this.base, 'anon', Buffer.from(at.own));
      copy.end = at.end;
      copy.frozen = true;
      this.base = copy;
    }
  }

  /** Whether a copy of these bytes lies beneath already. */
  private hasBeneath(bytes: Buffer): boolean {
    for (let at = this.base; at !== null; at = at.base) if (at.frozen && at.own?.equals(bytes)) return true;
    return false;
  }

  /** A copy may have been made just now, or not. */
  maybeMaterialise(): void {
    if (this.own !== null && !this.loose) return;
    this.materialise();
    this.loose = this.own !== null;
  }

  /** MADV_FREE: from now on these bytes, or whatever is beneath. */
  mayVanish(returns: boolean): void {
    const shown = this.shown();
    // A private page of a file that was never copied is the file's.
    if (shown !== null && shown.kind !== 'anon') return;
    this.materialise();
    this.loose = this.own !== null;
    this.returns = returns;
  }

  /** The page whose bytes show, or null for zeros. */
  private shown(): Content | null {
    for (let at: Content | null = this; at !== null; at = at.base) if (at.own !== null) return at;
    return null;
  }

  /** Somebody sees these bytes here. Throws a Mismatch when they cannot be. */
  see(seen: Buffer): void {
    const shown = this.shown();
    if (shown === null) {
      if (!seen.equals(ZEROS)) throw new Mismatch(describe(seen, ZEROS));
      if (this.base !== null) this.materialise();
    } else if (!shown.fits(seen)) {
      if (!shown.loose) throw new Mismatch(describe(seen, shown.own as Buffer));
      shown.seeBeneath(seen);
    }
  }

  /** Whether the page's own bytes can be what is seen; settles what was open. */
  private fits(seen: Buffer): boolean {
    const own = this.own as Buffer;
    if (seen.equals(own)) return true;
    const { end } = this;
    if (end === PAGE_SIZE || seen.compare(own, 0, end, 0, end) !== 0) return false;
    if (seen.compare(ZEROS, end, PAGE_SIZE, end, PAGE_SIZE) !== 0) return false;
    own.fill(0, end);
    return true;
  }

  /** The own bytes of a loose page are gone, so what is seen must be somewhere beneath, at any depth. */
  private seeBeneath(seen: Buffer): void {
    let root: Content = this;
    const before = this.own as Buffer;
    for (let at = this.base; at !== null; at = at.base) {
      root = at;
      if (at.own === null || !at.fits(seen)) continue;
      this.settle(seen, at, before);
      return;
    }
    if (root.kind !== 'anon' || !seen.equals(ZEROS)) {
      throw new Mismatch(`${describe(seen, this.own as Buffer)}, nor anything beneath it`);
    }
    this.settle(ZEROS, null, before);
  }

  private settle(seen: Buffer, base: Content | null, before: Buffer): void {
    this.own = Buffer.from(seen);
    this.base = this.returns ? new Content(base, 'anon', before) : base;
  }

  /** A byte is stored; what was seen just before is what was there. */
  store(seen: Buffer, offset: number, value: number): void {
    this.own = Buffer.from(seen);
    this.own[offset] = value;
    this.loose = false;
    if (this.kind === 'anon') this.end = PAGE_SIZE;
  }
}

/** Where two pages differ first. */
function describe(seen: Buffer, expected: Buffer): string {
  let at = 0;
  while (seen[at] === expected[at]) at++;
  let differing = 0;
  for (let i = 0; i < PAGE_SIZE; i++) if (seen[i] !== expected[i]) differing++;
  return `byte ${at} of the page is ${seen[at]}, not ${expected[at]} (${differing} bytes differ)`;
}
