/**
 * Columns: typed arrays that hold one field of every frame, or of every translation.
 *
 * A page fault touches some thirty columns at one index. Large arrays begin at page boundaries, and a cache finds a line by the low
 * bits of its address; so elements of equal index would all want the same few lines of the cache and throw each other out. Each
 * column therefore begins five cache lines further into its first page than the one before it: over sixty-four columns, no
 * two begin in the same place. Measured: twenty columns written beside the zeroing of a page cost 220 ns when all begin alike, 20 ns so.
 *
 * Where a column lies changes nothing but speed.
 */
import { PAGE_SIZE } from './units.js';

/** Five lines of 64 bytes: no common divisor with the 64 lines of a page, so that all of them are used in turn. */
const STEP = 5 * 64;

let nextStart = 0;

/** A buffer with room for `bytes` bytes from `start` on. */
function place(bytes: number): { buffer: ArrayBuffer; start: number } {
  const start = nextStart;
  nextStart = (nextStart + STEP) % PAGE_SIZE;
  return { buffer: new ArrayBuffer(start + bytes), start };
}

/** A column of `length` elements, all 0. */
export function int32Column(length: number): Int32Array<ArrayBuffer> {
  const { buffer, start } = place(length * 4);
  return new Int32Array(buffer, start, length);
}

export function float64Column(length: number): Float64Array<ArrayBuffer> {
  const { buffer, start } = place(length * 8);
  return new Float64Array(buffer, start, length);
}

export function uint16Column(length: number): Uint16Array<ArrayBuffer> {
  const { buffer, start } = place(length * 2);
  return new Uint16Array(buffer, start, length);
}

export function uint8Column(length: number): Uint8Array<ArrayBuffer> {
  const { buffer, start } = place(length);
  return new Uint8Array(buffer, start, length);
}
