/**
 * The bytes of a buffer, kept and put back.
 *
 * Most of a machine's memory may never have been used. A page that is all zeros is therefore only known to be so: it takes no room, and
 * is put back by filling. Looking costs less than the copying that it saves.
 */
import { PAGE_SIZE } from '../machine/units.js';
import type { Extent } from './reach.js';

/** Buffers below this are kept whole. */
const SMALL = 64 * 1024;
const WORDS_PER_PAGE = PAGE_SIZE / 4;

/** Bytes from `at` on, counted within the kept part. */
interface Run {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export class CapturedBytes {
  private readonly target: Uint8Array;
  /** Ascending; between them lie zeros. */
  private readonly runs: Run[];

  constructor(buffer: ArrayBufferLike, { start, end }: Extent) {
    this.target = new Uint8Array(buffer, start, end - start);
    const whole = end - start < SMALL || start % 8 !== 0;
    this.runs = whole ? [{ at: 0, bytes: this.target.slice() }] : usedRuns(this.target);
  }

  /** Bytes kept. */
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
