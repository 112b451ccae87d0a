/**
 * Physical memory: frames by number, and their bytes if the machine has contents.
 *
 * Frames 0 to `poolFrames - 1` are the page pool that a kernel manages; the device frames follow. All contents are in one
 * buffer, frame n at byte n * 4096, so that a guest (WebAssembly included) can address them directly. A machine without
 * contents keeps nothing here: 16 GiB of frames then cost only the kernel's bookkeeping.
 *
 * Frames are zeroed ahead. A page of zeros costs half as much when its neighbours are zeroed with it: the host's processor then fetches the next
 * lines by itself. So whoever asks for one frame of zeros gets the free frames behind it zeroed too, as far as that has proved useful (`zeroAhead`); those are
 * known to be zero until somebody writes them, and cost nothing when they are asked for. Only the host's time is saved: a kernel sees, and pays
 * in simulated time, one zeroing a page. (FreeBSD's own pre-zeroed pages are another thing, and the kernel's: PG_ZERO.)
 *
 * Zeroing goes through a Float64Array: `Uint8Array.fill` is 27 times slower on shared memory (measured: 1154 ns against 42),
 * and the two are equal on ordinary memory.
 */
import { CopyRow } from './copy-row.js';
import { PAGE_SIZE } from './units.js';

/** Bytes that one typed array can address in Node 20, and so the largest machine with contents. */
const MAX_CONTENT_BYTES = 2 ** 32;
/** Frame numbers take 24 bits of a translation. */
export const MAX_FRAMES = 2 ** 24;
const DOUBLES_PER_PAGE = PAGE_SIZE / 8;

/** Where contents live: `true` a fresh ArrayBuffer, `false` nowhere, or a buffer to use from its first byte. */
export type Contents = boolean | ArrayBuffer | SharedArrayBuffer;

function isFree({ queue, first, end }: FreeFrames, frame: number): boolean {
  const number = queue[frame] as number;
  return number >= first && number < end;
}

function contentBuffer(contents: Contents, frames: number): ArrayBuffer | SharedArrayBuffer | null {
  if (contents === false) return null;
  const bytes = frames * PAGE_SIZE;
  if (bytes > MAX_CONTENT_BYTES) {
    throw new RangeError(
      `a machine with contents holds at most ${MAX_CONTENT_BYTES / PAGE_SIZE} frames (4 GiB), not ${frames}; ` +
        'start it with contents: false to simulate more',
    );
  }
  if (contents === true) return new ArrayBuffer(bytes);
  if (contents.byteLength < bytes) {
    throw new RangeError(`the given buffer holds ${contents.byteLength} bytes; ${frames} frames need ${bytes}`);
  }
  return contents;
}

/** Frames zeroed at a time, at most: 64 KiB. */
const MOST_AHEAD = 16;

/** How to tell the frames that nobody uses: their numbers in a column of the kernel's. */
export interface FreeFrames {
  /** By frame, the number of the queue that it is on. */
  readonly queue: Uint8Array;
  /** Free is who is on a queue from `first` to before `end`. */
  readonly first: number;
  readonly end: number;
}

export class PhysicalMemory {
  /** Frames of the pool. */
  readonly poolFrames: number;
  /** All frames, devices included. */
  readonly frames: number;
  /** The bytes of all frames, or null without contents. */
  readonly bytes: Uint8Array | null;
  private readonly doubles: Float64Array | null;
  private nextDeviceFrame: number;
  /** Whose frames are zeroed ahead; nobody's until a kernel says which are free. */
  private free: FreeFrames | null = null;
  /** 1 for a free frame that is known to be zero. */
  private readonly zeroed: Uint8Array;
  /** How many frames to zero at a time just now. */
  private ahead = 1;
  /** Frames zeroed ahead in vain since the last time: somebody wrote something else to them. */
  private wasted = 0;
  /** Fetches the frames of copies in a row ahead. */
  private readonly row = new CopyRow();

  /**
   * @param poolFrames frames of the page pool, at least 1
   * @param deviceFrames frames outside the pool
   * @throws RangeError when the numbers are impossible or the buffer is too small
   */
  constructor(poolFrames: number, deviceFrames: number, contents: Contents) {
    const frames = poolFrames + deviceFrames;
    if (!Number.isInteger(poolFrames) || poolFrames < 1) {
      throw new RangeError(`a machine needs a whole number of page frames, at least 1, not ${poolFrames}`);
    }
    if (!Number.isInteger(deviceFrames) || deviceFrames < 0 || frames > MAX_FRAMES) {
      throw new RangeError(`a machine has at most ${MAX_FRAMES} frames (64 GiB), devices included, not ${frames}`);
    }
    this.poolFrames = poolFrames;
    this.frames = frames;
    this.nextDeviceFrame = poolFrames;
    const buffer = contentBuffer(contents, frames);
    this.zeroed = new Uint8Array(buffer === null ? 0 : frames);
    this.bytes = buffer === null ? null : new Uint8Array(buffer, 0, frames * PAGE_SIZE);
    this.doubles = buffer === null ? null : new Float64Array(buffer, 0, frames * DOUBLES_PER_PAGE);
  }

  /** From now on free frames may be zeroed ahead. */
  zeroAheadOf(free: FreeFrames): void {
    this.free = free;
  }

  /** Fills a frame with zeros. */
  zeroFrame(frame: number): void {
    if (this.doubles === null) return;
    if (this.zeroed[frame] !== 0) this.zeroed[frame] = 0;
    else this.fillFrom(this.doubles, frame);
  }

  /** The frame, and the free ones next to it: behind it, or before it where a kernel gives frames out in that order. */
  private fillFrom(doubles: Float64Array, frame: number): void {
    // Twice as many as the last time if all of those were wanted, half as many if not.
    this.ahead = this.wasted === 0 ? Math.min(this.ahead * 2, MOST_AHEAD) : Math.max(this.ahead >> 1, 1);
    this.wasted = 0;
    const end = this.freeBehind(frame);
    const start = end === frame + 1 ? this.freeBefore(frame) : frame;
    if (end - start > 1) {
      this.zeroed.fill(1, start, end);
      this.zeroed[frame] = 0;
    }
    doubles.fill(0, start * DOUBLES_PER_PAGE, end * DOUBLES_PER_PAGE);
  }

  /** End of the run of free frames behind `frame` that may be zeroed with it. */
  private freeBehind(frame: number): number {
    const { free, zeroed } = this;
    if (free === null || frame >= this.poolFrames) return frame + 1;
    const end = Math.min(frame + this.ahead, this.poolFrames);
    let at = frame + 1;
    while (at < end && zeroed[at] === 0 && isFree(free, at)) at++;
    return at;
  }

  /** Start of the run before it. */
  private freeBefore(frame: number): number {
    const { free, zeroed } = this;
    if (free === null || frame >= this.poolFrames) return frame;
    const start = Math.max(frame - this.ahead + 1, 0);
    let at = frame;
    while (at > start && zeroed[at - 1] === 0 && isFree(free, at - 1)) at--;
    return at;
  }

  /** Somebody is about to write to the frame, or may be. */
  private touched(frame: number): void {
    if (this.zeroed[frame] === 0) return;
    this.zeroed[frame] = 0;
    this.wasted++;
  }

  /** Zeros bytes `from` to `to` (exclusive) of a frame. */
  zeroPart(frame: number, from: number, to: number): void {
    if (this.bytes === null) return;
    this.touched(frame);
    this.bytes.fill(0, frame * PAGE_SIZE + from, frame * PAGE_SIZE + to);
  }

  /** Copies the contents of one frame over another. */
  copyFrame(from: number, to: number): void {
    if (this.bytes === null) return;
    this.touched(to);
    this.row.prepare(this.bytes, from, to);
    this.bytes.copyWithin(to * PAGE_SIZE, from * PAGE_SIZE, (from + 1) * PAGE_SIZE);
  }

  /** A view of a frame's bytes, or null without contents. */
  frameBytes(frame: number): Uint8Array | null {
    if (this.bytes === null) return null;
    this.touched(frame);
    return this.bytes.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
  }

  /**
   * Takes `count` neighbouring frames outside the pool for a device.
   * @throws RangeError when the machine was started with fewer device frames
   */
  takeDeviceFrames(count: number): number {
    const first = this.nextDeviceFrame;
    if (first + count > this.frames) {
      throw new RangeError(
        `no room for a device of ${count} pages: the machine was started with ${this.frames - this.poolFrames} device frames`,
      );
    }
    this.nextDeviceFrame += count;
    return first;
  }
}
