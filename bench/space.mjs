/*
 * A system under measurement: a machine whose memory we hold, and the accesses of a process as an embedder makes them.
 */
import { ACCESS_READ, ACCESS_WRITE, bootSystem, PROT_READ, PROT_WRITE } from '@faultline/core';

export const PAGE = 4096;
const DOUBLES = PAGE / 8;
/** Where memory is mapped, as a page number: inside the reach of 32 bits, where a guest of 32 bits would be. */
export const FIRST_PAGE = 0x10000;

/** What a fault visits besides the page that it fills, roughly: so many lines of the cache, in so many pages. */
const OTHER_LINES = 256;
const OTHER_PAGES = 64;
const LINE_WORDS = 16;
const PAGE_WORDS = PAGE / 4;
/** Words to visit, one a line, spread over the lines of their pages. */
const OTHER_PLACES = Int32Array.from({ length: OTHER_LINES }, (_, i) => {
  const page = Math.floor((i * OTHER_PAGES) / OTHER_LINES);
  return page * PAGE_WORDS + ((i * 37 * LINE_WORDS) % PAGE_WORDS);
});

export class Space {
  #taken = 0;
  #others = new Int32Array(OTHER_PAGES * PAGE_WORDS);

  constructor(name, memoryPages) {
    const buffer = new ArrayBuffer(memoryPages * PAGE);
    this.bytes = new Uint8Array(buffer);
    /** Faults a page of the last `store` or `load`. */
    this.faults = 0;
    this.doubles = new Float64Array(buffer);
    /** What the last visit to other lines has read: kept so that V8 does not leave the reading out. */
    this.seen = 0;
    // Otherwise the host's own first faults on the buffer would be counted as ours.
    this.bytes.fill(1);
    this.system = bootSystem(name, { memoryPages, contents: buffer });
  }

  /** A process with `pages` pages of anonymous memory at FIRST_PAGE that nobody has touched. */
  process(pages) {
    const process = this.system.spawn('bench');
    this.map(process, { kind: 'anon' }, pages);
    return process;
  }

  map(process, backing, pages) {
    const protection = backing.kind === 'anon' ? PROT_READ | PROT_WRITE : PROT_READ;
    const at = { address: FIRST_PAGE * PAGE, length: pages * PAGE, fixed: true };
    const result = this.system.map(process, { ...at, protection, sharing: 'private', backing });
    if (typeof result === 'string') throw new Error(`map: ${result}`);
  }

  /**
   * A store to every page: translate, fault where that fails, translate again, write a byte. `faults` then tells how many faults a
   * page that took: most kernels take one, but one may settle neighbours with it.
   */
  store(process, pages) {
    this.#taken = 0;
    for (let i = 0; i < pages; i++) this.#storeOne(process, FIRST_PAGE + i);
    this.faults = this.#taken / pages;
  }

  /** A load from `count` pages `step` pages apart, likewise. */
  load(process, count, step) {
    this.#taken = 0;
    let sum = 0;
    for (let i = 0; i < count; i++) sum += this.#loadOne(process, FIRST_PAGE + i * step);
    this.faults = this.#taken / count;
    return sum;
  }

  // A function each, not the body of a loop: V8 compiles better what it has seen called than what it finds running.

  #storeOne(process, vpn) {
    const { system, bytes } = this;
    let frame = system.translate(process, vpn, ACCESS_WRITE);
    if (frame < 0) {
      this.#taken++;
      system.fault(process, vpn, ACCESS_WRITE);
      frame = system.translate(process, vpn, ACCESS_WRITE);
    }
    bytes[frame * PAGE] = 1;
  }

  #loadOne(process, vpn) {
    const { system, bytes } = this;
    let frame = system.translate(process, vpn, ACCESS_READ);
    if (frame < 0) {
      this.#taken++;
      system.fault(process, vpn, ACCESS_READ);
      frame = system.translate(process, vpn, ACCESS_READ);
    }
    return bytes[frame * PAGE];
  }

  /** Zeros `pages` pages of the buffer, a page at a time, in their order. */
  fill(pages) {
    const { doubles } = this;
    for (let page = 0; page < pages; page++) doubles.fill(0, page * DOUBLES, (page + 1) * DOUBLES);
  }

  /** Copies `pages` pages of the buffer to the pages behind them, a page at a time, in their order. */
  copy(pages) {
    const { bytes } = this;
    for (let page = 0; page < pages; page++) bytes.copyWithin((pages + page) * PAGE, page * PAGE, (page + 1) * PAGE);
  }

  // The same apart from each other, as faults do them: between two pages the program visits other lines, and the host's processor, which had
  // begun to fetch the next page, forgets it.

  fillApart(pages) {
    const { doubles } = this;
    for (let page = 0; page < pages; page++) {
      this.#visitOthers();
      doubles.fill(0, page * DOUBLES, (page + 1) * DOUBLES);
    }
  }

  copyApart(pages) {
    const { bytes } = this;
    for (let page = 0; page < pages; page++) {
      this.#visitOthers();
      bytes.copyWithin((pages + page) * PAGE, page * PAGE, (page + 1) * PAGE);
    }
  }

  /** What `fillApart` and `copyApart` do besides. */
  visit(pages) {
    for (let page = 0; page < pages; page++) this.#visitOthers();
  }

  #visitOthers() {
    const others = this.#others;
    let seen = 0;
    for (let i = 0; i < OTHER_LINES; i++) seen = (seen + others[OTHER_PLACES[i]]) | 0;
    this.seen = seen;
  }
}
