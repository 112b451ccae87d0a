/**
 * The bytes of buffers, kept and put back.
 *
 * Most of a machine's memory may never have been used. A page that is all zeros is therefore only known to be so: it takes no room, and
 * is put back by filling. Looking costs less than the copying that it saves.
 */
import { PAGE_SIZE } from '../machine/units.js';
import type { Extent } from './reach.js';

/** Buffers below this are kept whole, and packed together. */
const SMALL = 64 * 1024;
const WORDS_PER_PAGE = PAGE_SIZE / 4;

/** Bytes from `at` on, counted within the kept part. */
interface Run {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** The bytes that one buffer shows, in runs of pages that are not all zeros. */
class LargeBuffer {
  private readonly target: Uint8Array;
  /** Ascending; between them lie zeros. */
  private readonly runs: Run[];

  constructor(target: Uint8Array) {
    this.target = target;
    this.runs = target.byteOffset % 8 === 0 ? usedRuns(target) : [{ at: 0, bytes: target.slice() }];
  }

  get size(): number {
    return this.runs.reduce((sum, run) => sum + run.bytes.byteLength, 0);
  }

  putBack(): void {
    let at = 0;
    for (const run of this.runs) {
      zero(this.target, at, run.at);
      this.target.set(run.bytes, run.at);
      at = run.at + run.bytes.byteLength;
    }
    zero(this.target, at, this.target.byteLength);
  }
}

/** The bytes of many buffers. Small ones (a store in memory has one for each page) lie side by side in one piece, whole. */
export class CapturedBytes {
  private readonly large: LargeBuffer[] = [];
  private readonly small: Uint8Array[] = [];
  private readonly packed: Uint8Array;

  constructor(buffers: ReadonlyMap<ArrayBufferLike, Extent>) {
    let room = 0;
    for (const [buffer, { start, end }] of buffers) {
      const target = new Uint8Array(buffer, start, end - start);
      if (target.byteLength >= SMALL) {
        this.large.push(new LargeBuffer(target));
      } else {
        this.small.push(target);
        room += target.byteLength;
      }
    }
    this.packed = new Uint8Array(room);
    let at = 0;
    for (const target of this.small) {
      this.packed.set(target, at);
      at += target.byteLength;
    }
  }

  /** Bytes kept. */
  get size(): number {
    return this.large.reduce((sum, buffer) => sum + buffer.size, this.packed.byteLength);
  }

  putBack(): void {
    for (const buffer of this.large) buffer.putBack();
    let at = 0;
    for (const target of this.small) {
      target.set(this.packed.subarray(at, at + target.byteLength));
      at += target.byteLength;
    }
  }
}

/** The runs of pages that are not all zeros. What is left over at the end counts as one more page. */
function usedRuns(target: Uint8Array): Run[] {
  const words = new Int32Array(target.buffer, target.byteOffset, target.byteLength >>> 2);
  const pages = Math.ceil(target.byteLength / PAGE_SIZE);
  const runs: Run[] = [];
  let first = -1;
  for (let page = 0; page <= pages; page++) {
    const used = page < pages && !isZero(words, page, target);
    if (used && first < 0) first = page;
    if (used || first < 0) continue;
    runs.push({ at: first * PAGE_SIZE, bytes: target.slice(first * PAGE_SIZE, page * PAGE_SIZE) });
    first = -1;
  }
  return runs;
}

function isZero(words: Int32Array, page: number, target: Uint8Array): boolean {
  const end = (page + 1) * WORDS_PER_PAGE;
  // Bytes beyond the last whole word are not looked at: such a page counts as used.
  if (end > words.length) return target.byteLength % 4 === 0 && allZero(words, page * WORDS_PER_PAGE, words.length);
  return allZero(words, page * WORDS_PER_PAGE, end);
}

function allZero(words: Int32Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (words[i] !== 0) return false;
  return true;
}

/** Zeros a part. Whole doubles as doubles: on shared memory filling bytes is many times slower (see `machine/memory.ts`). */
function zero(target: Uint8Array, from: number, to: number): void {
  if (from === to) return;
  const start = target.byteOffset + from;
  const doubles = start % 8 === 0 ? (to - from) >>> 3 : 0;
  if (doubles > 0) new Float64Array(target.buffer, start, doubles).fill(0);
  target.fill(0, from + doubles * 8, to);
}
