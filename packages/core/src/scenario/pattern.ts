/**
 * The contents of a script's files and devices: byte k holds (7*k + 13*floor(k/4096) + 1) mod 251.
 *
 * 251 is prime and below 256, so neighbouring pages differ everywhere and a page read from the wrong place shows at
 * once. Within a page the bytes go up by 7 mod 251, which makes every page a window into one table of 251 + 4096
 * bytes: reading is a copy, and a file of a gigabyte costs nothing until a page of it is written.
 */

import type { BackingStore, IoResult } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';

const MODULUS = 251;
const STEP = 7;
/** 7 * 36 = 252, which is 1 mod 251: the table index at which a page's first byte stands. */
const STEP_INVERSE = 36;
/** From the first byte of one page to the first of the next. */
const PAGE_STEP = STEP * PAGE_SIZE + 13;

const TABLE = Uint8Array.from({ length: MODULUS + PAGE_SIZE }, (_, i) => (i * STEP) % MODULUS);

/** The pattern's page `page` (from 0), read-only. */
export function patternPage(page: number): Uint8Array {
  const first = ((page % MODULUS) * PAGE_STEP + 1) % MODULUS;
  const start = (first * STEP_INVERSE) % MODULUS;
  return TABLE.subarray(start, start + PAGE_SIZE);
}

/** A file that holds the pattern until something else is written; only written pages take memory. */
export class PatternStore implements BackingStore {
  readonly synchronous = true;
  readonly selfContained = true;
  private readonly written = new Map<number, Uint8Array>();
  private length: number;
  /** The pattern ends where the file has ever ended; what comes after is zero. */
  private patternEnd: number;

  /** `bytes`: the file's length. */
  constructor(bytes: number) {
    this.length = bytes;
    this.patternEnd = bytes;
  }

  size(): number {
    return this.length;
  }

  read(offset: number, buffers: readonly Uint8Array[]): IoResult {
    let at = offset;
    for (const buffer of buffers) {
      let done = 0;
      while (done < buffer.length && at < this.length) {
        const within = at % PAGE_SIZE;
        const count = Math.min(PAGE_SIZE - within, buffer.length - done, this.length - at);
        this.copyOut(Math.floor(at / PAGE_SIZE), within, buffer.subarray(done, done + count));
        done += count;
        at += count;
      }
      if (done < buffer.length) break;
    }
    return Math.max(0, at - offset);
  }

  write(offset: number, buffers: readonly Uint8Array[]): IoResult {
    let at = offset;
    for (const buffer of buffers) {
      let done = 0;
      while (done < buffer.length) {
        const within = at % PAGE_SIZE;
        const count = Math.min(PAGE_SIZE - within, buffer.length - done);
        this.pageToWrite(Math.floor(at / PAGE_SIZE)).set(buffer.subarray(done, done + count), within);
        done += count;
        at += count;
      }
    }
    this.length = Math.max(this.length, at);
    return at - offset;
  }

  truncate(bytes: number): IoResult {
    this.length = bytes;
    this.patternEnd = Math.min(this.patternEnd, bytes);
    for (const [page, contents] of this.written) {
      const start = page * PAGE_SIZE;
      if (start >= bytes) this.written.delete(page);
      else if (start + PAGE_SIZE > bytes) contents.fill(0, bytes - start);
    }
    return 0;
  }

  sync(): IoResult {
    return 0;
  }

  close(): void {}

  private copyOut(page: number, within: number, target: Uint8Array): void {
    const written = this.written.get(page);
    if (written !== undefined) {
      target.set(written.subarray(within, within + target.length));
      return;
    }
    const patterned = Math.max(0, Math.min(target.length, this.patternEnd - page * PAGE_SIZE - within));
    if (patterned > 0) target.set(patternPage(page).subarray(within, within + patterned));
    target.fill(0, patterned);
  }

  private pageToWrite(page: number): Uint8Array {
    let contents = this.written.get(page);
    if (contents === undefined) {
      contents = new Uint8Array(PAGE_SIZE);
      this.copyOut(page, 0, contents);
      this.written.set(page, contents);
    }
    return contents;
  }
}
