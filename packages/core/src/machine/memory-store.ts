/**
 * Stores without a disk: bytes kept in memory, and a length without any bytes.
 *
 * `MemoryStore` is what browsers and tests map, and where swap lives unless told otherwise. It is sparse: a page that was
 * never written takes no memory and reads as zeros, so a store of a terabyte costs nothing until it is used. A
 * page keeps its own 4096 bytes, because that is the unit in which kernels ask; a write that begins and ends on page
 * boundaries is one copy a page.
 *
 * `SizeStore` is for a machine whose frames hold no bytes: replaying a trace needs to know how long each file is, for
 * faults past its end and for read-ahead to stop, and nothing else.
 *
 * Both are synchronous and never fail by themselves, except after `close` (wrap one in a `FaultInjectingStore` for that).
 */
import { type BackingStore, EIO, type IoResult } from './store.js';
import { checkBytes, checkTransfer } from './store-range.js';
import { PAGE_MASK, PAGE_SIZE, pageOf } from './units.js';

/** Copied from, never written. `set` from it is as fast as `fill` on plain memory and many times faster on shared memory. */
const ZEROS = new Uint8Array(PAGE_SIZE);

/** Makes all of `buffer` zero. */
function clear(buffer: Uint8Array): void {
  for (let at = 0; at < buffer.byteLength; at += PAGE_SIZE) {
    const left = buffer.byteLength - at;
    buffer.set(left < PAGE_SIZE ? ZEROS.subarray(0, left) : ZEROS, at);
  }
}

/** Shortens `buffers`, first to last, to `bytes` together and hands each piece to `each` with its place. */
function eachPiece(
  offset: number,
  buffers: readonly Uint8Array[],
  bytes: number,
  each: (piece: Uint8Array, offset: number) => void,
): void {
  for (const buffer of buffers) {
    if (bytes <= 0) return;
    const piece = buffer.byteLength > bytes ? buffer.subarray(0, bytes) : buffer;
    each(piece, offset);
    offset += piece.byteLength;
    bytes -= piece.byteLength;
  }
}

export class MemoryStore implements BackingStore {
  readonly synchronous = true;
  readonly selfContained = true;
  private readonly pages = new Map<number, Uint8Array>();
  private bytes: number;
  private closed = false;

  /** Begins with a copy of `contents`, or with that many bytes of zeros. */
  constructor(contents: Uint8Array | number = 0) {
    if (typeof contents === 'number') {
      checkBytes('length of the store', contents);
      this.bytes = contents;
    } else {
      this.bytes = 0;
      this.write(0, [contents]);
    }
  }

  /** Pages that take memory: those that were written and not cut off since. */
  get pagesHeld(): number {
    return this.pages.size;
  }

  size(): number {
    return this.bytes;
  }

  read(offset: number, buffers: readonly Uint8Array[]): IoResult {
    const wanted = checkTransfer(offset, buffers);
    if (this.closed) return -EIO;
    const bytes = Math.max(0, Math.min(wanted, this.bytes - offset));
    eachPiece(offset, buffers, bytes, (piece, at) => this.copyOut(piece, at));
    return bytes;
  }

  write(offset: number, buffers: readonly Uint8Array[]): IoResult {
    const bytes = checkTransfer(offset, buffers);
    if (this.closed) return -EIO;
    eachPiece(offset, buffers, bytes, (piece, at) => this.copyIn(piece, at));
    // A write of nothing does not lengthen a file, wherever it is.
    if (bytes > 0) this.bytes = Math.max(this.bytes, offset + bytes);
    return bytes;
  }

  truncate(bytes: number): IoResult {
    checkBytes('new length', bytes);
    if (this.closed) return -EIO;
    if (bytes < this.bytes) this.cut(bytes);
    this.bytes = bytes;
    return 0;
  }

  sync(): IoResult {
    return this.closed ? -EIO : 0;
  }

  close(): void {
    this.closed = true;
    this.pages.clear();
    this.bytes = 0;
  }

  private copyOut(piece: Uint8Array, offset: number): void {
    for (let done = 0; done < piece.byteLength; ) {
      const start = (offset + done) & PAGE_MASK;
      const length = Math.min(PAGE_SIZE - start, piece.byteLength - done);
      const page = this.pages.get(pageOf(offset + done));
      piece.set((page ?? ZEROS).subarray(start, start + length), done);
      done += length;
    }
  }

  private copyIn(piece: Uint8Array, offset: number): void {
    for (let done = 0; done < piece.byteLength; ) {
      const start = (offset + done) & PAGE_MASK;
      const length = Math.min(PAGE_SIZE - start, piece.byteLength - done);
      const index = pageOf(offset + done);
      let page = this.pages.get(index);
      if (page === undefined) {
        page = new Uint8Array(PAGE_SIZE);
        this.pages.set(index, page);
      }
      page.set(piece.subarray(done, done + length), start);
      done += length;
    }
  }

  /** Forgets what lies at and after `bytes`, so that it reads as zeros if the store grows again. */
  private cut(bytes: number): void {
    const last = pageOf(bytes);
    for (const index of this.pages.keys()) {
      if (index > last) this.pages.delete(index);
    }
    const start = bytes & PAGE_MASK;
    if (start === 0) this.pages.delete(last);
    else this.pages.get(last)?.set(ZEROS.subarray(start), start);
  }
}

export class SizeStore implements BackingStore {
  readonly synchronous = true;
  readonly selfContained = true;
  private bytes: number;
  private closed = false;

  /** A store that is `bytes` long. */
  constructor(bytes = 0) {
    checkBytes('length of the store', bytes);
    this.bytes = bytes;
  }

  size(): number {
    return this.bytes;
  }

  read(offset: number, buffers: readonly Uint8Array[]): IoResult {
    const wanted = checkTransfer(offset, buffers);
    if (this.closed) return -EIO;
    const bytes = Math.max(0, Math.min(wanted, this.bytes - offset));
    eachPiece(offset, buffers, bytes, clear);
    return bytes;
  }

  /** Grows as a file would; what was written is not kept. */
  write(offset: number, buffers: readonly Uint8Array[]): IoResult {
    const bytes = checkTransfer(offset, buffers);
    if (this.closed) return -EIO;
    if (bytes > 0) this.bytes = Math.max(this.bytes, offset + bytes);
    return bytes;
  }

  truncate(bytes: number): IoResult {
    checkBytes('new length', bytes);
    if (this.closed) return -EIO;
    this.bytes = bytes;
    return 0;
  }

  sync(): IoResult {
    return this.closed ? -EIO : 0;
  }

  close(): void {
    this.closed = true;
    this.bytes = 0;
  }
}
