/**
 * The (object, index) table of pages: which frame holds page `pindex` of object `object`.
 *
 * A chained hash whose chains run through a column over frame numbers, so that it allocates nothing and a miss in a shadow chain
 * costs a few nanoseconds a level. Objects are known by number; a number above 0 means that the frame is in the table.
 */
import { float64Column, int32Column } from '../machine/columns.js';

const NONE = -1;
/** Knuth's multiplicative constant: neighbouring objects land far apart, neighbouring pages side by side. */
const SPREAD = 0x9e3779b1;

export class PageHash {
  /** Object number by frame, 0 when the frame belongs to no object. */
  readonly object: Int32Array;
  /** Index within the object by frame, in pages. */
  readonly pindex: Float64Array;
  private readonly next: Int32Array;
  private readonly heads: Int32Array;
  private readonly mask: number;

  constructor(frames: number) {
    this.object = int32Column(frames);
    this.pindex = float64Column(frames);
    this.next = int32Column(frames);
    const buckets = 1 << (31 - Math.clz32(Math.max(frames, 16)));
    this.mask = buckets - 1;
    this.heads = int32Column(buckets).fill(NONE);
  }

  /** The frame that holds the page, or -1. */
  lookup(object: number, pindex: number): number {
    let frame = this.heads[(Math.imul(object, SPREAD) + pindex) & this.mask] as number;
    while (frame !== NONE) {
      if (this.object[frame] === object && this.pindex[frame] === pindex) return frame;
      frame = this.next[frame] as number;
    }
    return NONE;
  }

  insert(frame: number, object: number, pindex: number): void {
    const bucket = (Math.imul(object, SPREAD) + pindex) & this.mask;
    this.object[frame] = object;
    this.pindex[frame] = pindex;
    this.next[frame] = this.heads[bucket] as number;
    this.heads[bucket] = frame;
  }

  remove(frame: number): void {
    const bucket = (Math.imul(this.object[frame] as number, SPREAD) + (this.pindex[frame] as number)) & this.mask;
    const after = this.next[frame] as number;
    let at = this.heads[bucket] as number;
    if (at === frame) {
      this.heads[bucket] = after;
    } else {
      while (this.next[at] !== frame) at = this.next[at] as number;
      this.next[at] = after;
    }
    this.object[frame] = 0;
  }
}
