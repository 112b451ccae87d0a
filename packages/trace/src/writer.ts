/**
 * Writes a trace in one pass and constant memory.
 *
 * References come one at a time and are merged into page runs: as long as references of one kind stay on a page they add to that
 * kind's open run, whatever the other kinds do meanwhile. So a loop that fetches from one page, loads from a second and
 * stores to a third makes three records and not three for each turn. A record stands where its run began. Every event closes
 * all runs, so what came before an event and what came after never mix, and so does every 1024th record, so that a page in constant
 * use is seen in use from time to time, which matters to a replay that runs out of memory.
 */
import { crc32 } from 'node:zlib';
import { ByteWriter } from './bytes.js';
import { encodePayload, TraceChunk } from './chunk.js';
import type { TraceEvent } from './events.js';
import {
  CHUNK_HEAD_BYTES,
  CHUNK_HEAD_CHECKED,
  CHUNK_MAGIC,
  CHUNK_RECORDS_DEFAULT,
  CHUNK_RECORDS_MAX,
  CODECS,
  type Codec,
  compress,
  MAGIC,
  PAGE_LIMIT,
  PREAMBLE_BYTES,
  type ReferenceKind,
  RUN_COUNT_MAX,
  RUN_SPAN,
  TABLE_MAX,
  VERSION,
} from './format.js';
import type { TraceFile, TraceHeader, TraceProcess } from './header.js';
import type { Spool } from './spool.js';

/** What a writer is told at the start; the rest of the header it counts itself. */
export interface TraceDescription {
  readonly program: string;
  readonly command: readonly string[];
  readonly recorder: string;
}

export interface WriterOptions {
  /** Records a chunk, 1 to 262144; default 131072. Bigger chunks compress better, smaller ones lose less to damage. */
  readonly chunkRecords?: number;
  /** Default brotli. */
  readonly codec?: Codec;
}

/** Slots of the hash from (page, kind) to its number in the chunk; twice the most numbers. */
const HASH_SLOTS = TABLE_MAX * 2;
/** No run is open: no page has this number. */
const NO_PAGE = -1;
/** Events alone do not fill a chunk, but a chunk should not grow without limit either. */
const CHUNK_EVENTS_MAX = 1 << 16;

export class TraceWriter {
  private readonly chunk = new TraceChunk();
  private readonly chunkRecords: number;
  private readonly codec: Codec;
  private readonly hash = new Int32Array(HASH_SLOTS);
  /** Of each kind, the page of its open run and the record that counts it. */
  private readonly openPage = new Float64Array(3).fill(NO_PAGE);
  private readonly openRecord = new Int32Array(3);
  private readonly raw = new ByteWriter();

  private readonly references = [0, 0, 0];
  private current = 1;
  private chunks = 0;
  private records = 0;
  private eventCount = 0;
  private readonly files: TraceFile[] = [];
  private readonly fileIds = new Map<string, number>();
  private readonly processes: TraceProcess[] = [];

  /** Second halves of straddling accesses and modifies: the caller counts them, the header tells them. */
  straddles = 0;
  modifies = 0;
  readonly notes: string[] = [];
  exitStatus = -1;

  constructor(
    private readonly description: TraceDescription,
    private readonly spool: Spool,
    options: WriterOptions = {},
  ) {
    this.chunkRecords = options.chunkRecords ?? CHUNK_RECORDS_DEFAULT;
    if (!(this.chunkRecords >= 1 && this.chunkRecords <= CHUNK_RECORDS_MAX)) {
      throw new RangeError(`chunkRecords must lie between 1 and ${CHUNK_RECORDS_MAX}, not ${this.chunkRecords}`);
    }
    this.codec = options.codec ?? 'brotli';
    this.chunk.reserve(this.chunkRecords);
    this.beginChunk();
  }

  /** Number of a file, new or known. A file that grew keeps its greatest length (bytes). */
  file(name: string, length: number): number {
    const known = this.fileIds.get(name);
    if (known === undefined) {
      this.fileIds.set(name, this.files.length);
      return this.files.push({ name, length }) - 1;
    }
    if (length > this.files[known].length) this.files[known] = { name, length };
    return known;
  }

  /** Announces a process; answers its id, from 1. `parent` is 0 for one that is there from the beginning. */
  process(name: string, parent: number): number {
    const id = this.processes.length + 1;
    this.processes.push({ id, name, parent });
    return id;
  }

  /** Names a process anew, as its exec does. */
  renameProcess(id: number, name: string): void {
    this.processes[id - 1] = { ...this.processes[id - 1], name };
  }

  /** References written so far, all kinds. */
  get referencesWritten(): number {
    return this.references[0] + this.references[1] + this.references[2];
  }

  /** One reference of the running process to page `page`. */
  reference(kind: ReferenceKind, page: number): void {
    this.references[kind]++;
    if (this.openPage[kind] === page) {
      const record = this.openRecord[kind];
      const counts = this.chunk.counts;
      if (this.chunk.records - record < RUN_SPAN && counts[record] < RUN_COUNT_MAX) {
        counts[record]++;
        return;
      }
    }
    this.beginRun(kind, page);
  }

  /** One event of the running process. Closes all runs. */
  event(event: TraceEvent): void {
    if (event.type === 'switch') {
      if (event.process === this.current) return;
      this.current = event.process;
    }
    const chunk = this.chunk;
    chunk.eventAt.push(chunk.records);
    chunk.events.push(event);
    this.eventCount++;
    this.openPage.fill(NO_PAGE);
    if (chunk.events.length === CHUNK_EVENTS_MAX) this.endChunk();
  }

  /** Writes what is left and the header. Answers the header. */
  finish(): TraceHeader {
    if (this.chunk.records > 0 || this.chunk.events.length > 0) this.endChunk();
    const header = this.header();
    const json = new TextEncoder().encode(`${JSON.stringify(header, null, 1)}\n`);
    const head = new Uint8Array(PREAMBLE_BYTES + json.length);
    const view = new DataView(head.buffer);
    head.set(MAGIC);
    view.setUint32(8, VERSION, true);
    view.setUint32(12, json.length, true);
    head.set(json, PREAMBLE_BYTES);
    view.setUint32(16, crc32(json, crc32(head.subarray(0, 16))), true);
    this.spool.finish(head);
    return header;
  }

  /** Gives up; nothing is left behind. */
  abort(): void {
    this.spool.abort();
  }

  private header(): TraceHeader {
    const [load, store, execute] = this.references;
    return {
      ...this.description,
      notes: this.notes,
      pageSize: 4096,
      references: { load, store, execute },
      straddles: this.straddles,
      modifies: this.modifies,
      records: this.records,
      events: this.eventCount,
      chunks: this.chunks,
      exitStatus: this.exitStatus,
      files: this.files,
      processes: this.processes,
    };
  }

  private beginRun(kind: ReferenceKind, page: number): void {
    const chunk = this.chunk;
    if (chunk.records === this.chunkRecords || chunk.tableSize === TABLE_MAX) this.endChunk();
    const record = chunk.records++;
    chunk.ids[record] = this.tableId(kind, page);
    chunk.counts[record] = 1;
    this.openPage[kind] = page;
    this.openRecord[kind] = record;
  }

  /** Number of (page, kind) in this chunk's table, by open addressing. */
  private tableId(kind: ReferenceKind, page: number): number {
    if (!(page >= 0 && page < PAGE_LIMIT)) throw new RangeError(`page number ${page} is not below 2^35`);
    const { hash, chunk } = this;
    let slot = (Math.imul((page | 0) * 4 + kind, 0x9e3779b1) >>> 15) % HASH_SLOTS;
    for (;;) {
      const id = hash[slot] - 1;
      if (id < 0) break;
      if (chunk.pages[id] === page && chunk.kinds[id] === kind) return id;
      slot = (slot + 1) % HASH_SLOTS;
    }
    const id = chunk.tableSize++;
    hash[slot] = id + 1;
    chunk.pages[id] = page;
    chunk.kinds[id] = kind;
    return id;
  }

  private beginChunk(): void {
    const chunk = this.chunk;
    chunk.process = this.current;
    chunk.records = 0;
    chunk.tableSize = 0;
    chunk.events = [];
    chunk.eventAt = [];
    this.hash.fill(0);
    this.openPage.fill(NO_PAGE);
  }

  private endChunk(): void {
    const chunk = this.chunk;
    let references = 0;
    for (let i = 0; i < chunk.records; i++) references += chunk.counts[i];
    this.raw.clear();
    encodePayload(chunk, this.raw);
    const payload = compress(this.codec, this.raw.view());
    const head = new Uint8Array(CHUNK_HEAD_BYTES);
    const fields = [
      CHUNK_MAGIC,
      CODECS.indexOf(this.codec),
      payload.length,
      this.raw.length,
      chunk.records,
      chunk.events.length,
      references % 2 ** 32,
      Math.floor(references / 2 ** 32),
    ];
    const view = new DataView(head.buffer);
    fields.forEach((field, i) => {
      view.setUint32(i * 4, field, true);
    });
    view.setUint32(CHUNK_HEAD_CHECKED, crc32(payload, crc32(head.subarray(0, CHUNK_HEAD_CHECKED))), true);
    this.spool.append(head);
    this.spool.append(payload);
    this.chunks++;
    this.records += chunk.records;
    this.beginChunk();
  }
}
