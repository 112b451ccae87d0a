/**
 * Physical memory: frames by number, and their bytes if the machine has contents.
 *
 * Frames 0 to `poolFrames - 1` are the page pool that a kernel manages; the device frames follow. All contents are in one
 * buffer, frame n at byte n * 4096, so that a guest (WebAssembly included) can address them directly. A machine without
 * contents keeps nothing here: 16 GiB of frames then cost only the kernel's bookkeeping.
 *
 * Zeroing goes through a Float64Array: `Uint8Array.fill` is 27 times slower on shared memory (measured: 1154 ns against 42),
 * and the two are equal on ordinary memory.
 */
import { PAGE_SIZE } from './units.js';

/** Bytes that one typed array can address in Node 20, and so the largest machine with contents. */
const MAX_CONTENT_BYTES = 2 ** 32;
/** Frame numbers take 24 bits of a translation. */
export const MAX_FRAMES = 2 ** 24;
const DOUBLES_PER_PAGE = PAGE_SIZE / 8;

/** Where contents live: `true` a fresh ArrayBuffer, `false` nowhere, or a buffer to use from its first byte. */
export type Contents = boolean | ArrayBuffer | SharedArrayBuffer;

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

export class PhysicalMemory {
  /** Frames of the pool. */
  readonly poolFrames: number;
  /** All frames, devices included. */
  readonly frames: number;
  /** The bytes of all frames, or null without contents. */
  readonly bytes: Uint8Array | null;
  private readonly doubles: Float64Array | null;
  private nextDeviceFrame: number;

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
    this.bytes = buffer === null ? null : new Uint8Array(buffer, 0, frames * PAGE_SIZE);
    this.doubles = buffer === null ? null : new Float64Array(buffer, 0, frames * DOUBLES_PER_PAGE);
  }

  /** Fills a frame with zeros. */
  zeroFrame(frame: number): void {
    if (this.doubles !== null) this.doubles.fill(0, frame * DOUBLES_PER_PAGE, (frame + 1) * DOUBLES_PER_PAGE);
  }

  /** Zeros bytes `from` to `to` (exclusive) of a frame. */
  zeroPart(frame: number, from: number, to: number): void {
    if (this.bytes !== null) this.bytes.fill(0, frame * PAGE_SIZE + from, frame * PAGE_SIZE + to);
  }

  /** Copies the contents of one frame over another. */
  copyFrame(from: number, to: number): void {
    if (this.bytes !== null) this.bytes.copyWithin(to * PAGE_SIZE, from * PAGE_SIZE, (from + 1) * PAGE_SIZE);
  }

  /** A view of a frame's bytes, or null without contents. */
  frameBytes(frame: number): Uint8Array | null {
    return this.bytes === null ? null : this.bytes.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
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
