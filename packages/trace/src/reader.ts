/**
 * Reads a trace chunk by chunk, from a file or from bytes, and says exactly where it stops being whole.
 *
 * `open` and `fromBytes` read the header at once and throw when there is none to read: without it nothing is. Damage behind it
 * is thrown by `next` when it is reached, as often as it is asked; the chunks before it have been handed out by then and are
 * good, each under its own checksum. `verify` reads the whole and tells instead of throwing.
 */

import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { crc32 } from 'node:zlib';
import { TraceChunk } from './chunk.js';
import { type Readable, TraceFormatError } from './errors.js';
import {
  CHUNK_HEAD_BYTES,
  CHUNK_HEAD_CHECKED,
  CHUNK_MAGIC,
  CHUNK_RECORDS_MAX,
  CODECS,
  decompress,
  HEADER_BYTES_MAX,
  MAGIC,
  PAYLOAD_BYTES_MAX,
  PREAMBLE_BYTES,
  VERSION,
} from './format.js';
import { checkHeader, type TraceHeader, totalReferences } from './header.js';

/** Random access to the bytes of a trace. */
interface Source {
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes at `offset`, valid until the next read; both lie within `size`. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** Bytes read at a time for the digest. */
const DIGEST_BYTES = 1 << 18;

/** What `verify` found. */
export interface Verification {
  readonly readable: Readable;
  /** Null when the trace is whole. */
  readonly damage: TraceFormatError | null;
}

export class TraceReader {
  readonly header: TraceHeader;
  private readonly chunk = new TraceChunk();
  private readonly firstChunk: number;
  /** Byte of the next chunk. */
  private at: number;
  private read = { chunks: 0, records: 0, references: 0, events: 0, payloadBytes: 0 };

  private constructor(private readonly source: Source) {
    try {
      const [header, end] = readHeader(source);
      this.header = header;
      this.firstChunk = end;
      this.at = end;
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /** Opens a file. Throws the file system's error, or `TraceFormatError` when its header cannot be read. */
  static open(path: string): TraceReader {
    return new TraceReader(new FileSource(path));
  }

  /** Reads a trace in memory. `name` stands in messages. */
  static fromBytes(bytes: Uint8Array, name = 'trace'): TraceReader {
    return new TraceReader({
      name,
      size: bytes.length,
      read: (offset, length) => bytes.subarray(offset, offset + length),
      close: () => {},
    });
  }

  /** Bytes of the whole file. */
  get size(): number {
    return this.source.size;
  }

  /** SHA-256 of the whole file, in hex: what tells one trace from another. */
  digest(): string {
    const hash = createHash('sha256');
    for (let at = 0; at < this.size; at += DIGEST_BYTES) {
      hash.update(this.source.read(at, Math.min(DIGEST_BYTES, this.size - at)));
    }
    return hash.digest('hex');
  }

  /** Bytes of the payloads handed out so far, as they were before compression. */
  get payloadBytes(): number {
    return this.read.payloadBytes;
  }

  /** What the chunks handed out so far held. */
  get progress(): Readable {
    const { chunks, records, references } = this.read;
    return { chunks, records, references };
  }

  /**
   * The next chunk, or null after the last. The same object each time, filled anew.
   * Throws `TraceFormatError` at damage, and again when asked again.
   */
  next(): TraceChunk | null {
    if (this.read.chunks === this.header.chunks) {
      this.checkEnd();
      return null;
    }
    const start = this.at;
    const head = this.bytes(start, CHUNK_HEAD_BYTES, 'the head of a chunk').slice();
    const view = new DataView(head.buffer);
    const field = (i: number): number => view.getUint32(i * 4, true);
    if (field(0) !== CHUNK_MAGIC) throw this.damage(`chunk ${this.read.chunks} does not begin with CHNK`, start);
    const [codec, stored, raw, records, events] = [1, 2, 3, 4, 5].map(field);
    if (stored > PAYLOAD_BYTES_MAX || raw > PAYLOAD_BYTES_MAX || records > CHUNK_RECORDS_MAX) {
      throw this.damage(`chunk ${this.read.chunks} claims impossible sizes`, start);
    }
    const payload = this.bytes(start + CHUNK_HEAD_BYTES, stored, `chunk ${this.read.chunks}`);
    if (crc32(payload, crc32(head.subarray(0, CHUNK_HEAD_CHECKED))) !== field(8)) {
      throw this.damage(`chunk ${this.read.chunks} of ${this.header.chunks} does not match its checksum`, start);
    }
    if (codec >= CODECS.length) throw this.damage(`chunk ${this.read.chunks} uses unknown compression ${codec}`, start);
    this.open(payload, codec, raw, records, events, start);
    if (this.chunk.references !== field(6) + field(7) * 2 ** 32) {
      throw this.damage(`chunk ${this.read.chunks} does not hold the references that it claims`, start);
    }
    this.at = start + CHUNK_HEAD_BYTES + stored;
    this.read.chunks++;
    this.read.records += records;
    this.read.events += events;
    this.read.references += this.chunk.references;
    this.read.payloadBytes += raw;
    return this.chunk;
  }

  /** Starts again with the first chunk. */
  rewind(): void {
    this.at = this.firstChunk;
    this.read = { chunks: 0, records: 0, references: 0, events: 0, payloadBytes: 0 };
  }

  /** Reads everything from the first chunk on and tells what is whole; then rewinds. */
  verify(): Verification {
    this.rewind();
    let damage: TraceFormatError | null = null;
    try {
      while (this.next() !== null);
    } catch (error) {
      if (!(error instanceof TraceFormatError)) throw error;
      damage = error;
    }
    const readable = this.progress;
    this.rewind();
    return { readable, damage };
  }

  close(): void {
    this.source.close();
  }

  private open(stored: Uint8Array, codec: number, raw: number, records: number, events: number, start: number): void {
    try {
      const payload = decompress(CODECS[codec], stored, raw);
      if (payload.length !== raw) throw new RangeError(`${payload.length} bytes where ${raw} were promised`);
      this.chunk.index = this.read.chunks;
      this.chunk.decode(payload, records, events);
    } catch (error) {
      throw this.damage(`chunk ${this.read.chunks} cannot be decoded (${(error as Error).message})`, start);
    }
  }

  private checkEnd(): void {
    const extra = this.source.size - this.at;
    if (extra > 0) throw this.damage(`${extra} bytes follow the last chunk`, this.at);
    const { header, read } = this;
    const whole =
      read.records === header.records &&
      read.events === header.events &&
      read.references === totalReferences(header.references);
    if (!whole) throw this.damage('the chunks do not add up to the counts in the header', this.at);
  }

  private bytes(offset: number, length: number, what: string): Uint8Array {
    if (offset + length > this.source.size) {
      const missing = offset + length - this.source.size;
      throw this.damage(`the file ends inside ${what} (${missing} bytes missing)`, this.source.size);
    }
    return this.source.read(offset, length);
  }

  private damage(problem: string, offset: number): TraceFormatError {
    return new TraceFormatError(problem, offset, this.progress, this.source.name);
  }
}

/** Reads preamble and header; answers the header and the byte behind it. */
function readHeader(source: Source): [TraceHeader, number] {
  const fail = (problem: string, offset: number): TraceFormatError =>
    new TraceFormatError(problem, offset, undefined, source.name);
  const start = source.read(0, Math.min(source.size, PREAMBLE_BYTES)).slice();
  for (let i = 0; i < MAGIC.length; i++) {
    if (i >= start.length) throw fail('the file ends inside its first bytes', start.length);
    if (start[i] !== MAGIC[i]) throw fail('this is not a trace: it does not begin as one', i);
  }
  if (start.length < PREAMBLE_BYTES) throw fail('the file ends inside its first bytes', start.length);
  const view = new DataView(start.buffer);
  const version = view.getUint32(8, true);
  if (version !== VERSION) throw fail(`the trace has version ${version}, this reader knows ${VERSION}`, 8);
  const length = view.getUint32(12, true);
  if (length > HEADER_BYTES_MAX) throw fail(`the header claims ${length} bytes`, 12);
  if (PREAMBLE_BYTES + length > source.size) throw fail('the file ends inside the header', source.size);
  const json = source.read(PREAMBLE_BYTES, length);
  if (crc32(json, crc32(start.subarray(0, 16))) !== view.getUint32(16, true)) {
    throw fail('the header does not match its checksum', PREAMBLE_BYTES);
  }
  try {
    return [checkHeader(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))), PREAMBLE_BYTES + length];
  } catch (error) {
    throw fail(`the header cannot be used (${(error as Error).message})`, PREAMBLE_BYTES);
  }
}

class FileSource implements Source {
  readonly name: string;
  readonly size: number;
  private fd: number;
  private buffer = new Uint8Array(1 << 18);

  constructor(path: string) {
    this.name = basename(path);
    this.fd = openSync(path, 'r');
    const state = fstatSync(this.fd);
    if (state.isDirectory()) {
      // What opening it to write would have said; to read, Linux says it only later and without the path.
      this.close();
      const message = `EISDIR: illegal operation on a directory, open '${path}'`;
      throw Object.assign(new Error(message), { code: 'EISDIR', syscall: 'open', path });
    }
    this.size = state.size;
  }

  read(offset: number, length: number): Uint8Array {
    if (length > this.buffer.length) this.buffer = new Uint8Array(length);
    for (let got = 0; got < length; ) {
      const n = readSync(this.fd, this.buffer, got, length - got, offset + got);
      if (n === 0)
        throw new TraceFormatError('the file became shorter while it was read', offset + got, undefined, this.name);
      got += n;
    }
    return this.buffer.subarray(0, length);
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }
}
