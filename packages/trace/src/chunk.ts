/**
 * One chunk of a trace, opened: columns of page runs and the events between them.
 *
 * A record is (`ids[i]`, `counts[i]`); `pages[id]` and `kinds[id]` say what it touches. The columns belong to the reader and
 * are filled anew by every chunk, so reading allocates nothing but the events. A loop over a chunk looks like this:
 *
 *     let event = 0;
 *     for (let i = 0; i <= chunk.records; i++) {
 *       while (event < chunk.events.length && chunk.eventAt[event] === i) handle(chunk.events[event++]);
 *       if (i < chunk.records) touch(chunk.pages[chunk.ids[i]], chunk.kinds[chunk.ids[i]], chunk.counts[i]);
 *     }
 *
 * Columns of (kind, page low, page high) for each record were the alternative. They cost a replay loop the computation of its
 * TLB slot and tag for each record; with a table it is done once for the few hundred pages of a chunk.
 */
import { ByteReader, type ByteWriter } from './bytes.js';
import { readEvent, type TraceEvent, writeEvent } from './events.js';
import { CHUNK_RECORDS_MAX, COUNT_ESCAPE, PAGE_LIMIT, RECORD_BYTES, TABLE_MAX } from './format.js';

export class TraceChunk {
  /** From 0. */
  index = 0;
  /** Process that runs at the chunk's start. */
  process = 0;
  /** Number of records. */
  records = 0;
  /** Memory references of all records together. */
  references = 0;
  /** Distinct (page, kind) pairs. */
  tableSize = 0;
  /** Page number of each pair. */
  readonly pages = new Float64Array(TABLE_MAX);
  /** Kind of each pair. */
  readonly kinds = new Uint8Array(TABLE_MAX);
  /** Pair of each record. */
  ids = new Uint16Array(0);
  /** References of each record, at least 1. */
  counts = new Uint32Array(0);
  /** Events in order. */
  events: TraceEvent[] = [];
  /** For each event the record that it precedes (`records`: after the last). */
  eventAt: number[] = [];

  /** Makes room for `records` records. */
  reserve(records: number): void {
    if (this.ids.length >= records) return;
    this.ids = new Uint16Array(records);
    this.counts = new Uint32Array(records);
  }

  /**
   * Fills the chunk from a payload with `records` records and `events` events.
   * Throws `RangeError` when the payload does not hold exactly these.
   */
  decode(payload: Uint8Array, records: number, events: number): void {
    if (records > CHUNK_RECORDS_MAX) throw new RangeError(`${records} records in one chunk`);
    this.reserve(records);
    const input = new ByteReader(payload);
    this.process = input.unsigned();
    this.decodeTable(input);
    this.decodeEvents(input, records, events);
    const start = input.position;
    input.skip(records * RECORD_BYTES);
    this.references = this.decodeRecords(payload, start, records, input);
    this.records = records;
    if (input.remaining > 0) throw new RangeError(`${input.remaining} bytes too many in the payload`);
  }

  private decodeTable(input: ByteReader): void {
    const size = input.unsigned();
    if (size > TABLE_MAX) throw new RangeError(`a table of ${size} pages`);
    let page = 0;
    for (let id = 0; id < size; id++) {
      const kind = input.byte();
      if (kind > 2) throw new RangeError(`unknown kind of reference ${kind}`);
      page += input.signed();
      if (page < 0 || page >= PAGE_LIMIT) throw new RangeError(`page number ${page} out of range`);
      this.pages[id] = page;
      this.kinds[id] = kind;
    }
    this.tableSize = size;
  }

  private decodeEvents(input: ByteReader, records: number, events: number): void {
    this.events = [];
    this.eventAt = [];
    let at = 0;
    for (let i = 0; i < events; i++) {
      at += input.unsigned();
      if (at > records) throw new RangeError(`an event stands at record ${at} of ${records}`);
      this.eventAt.push(at);
      this.events.push(readEvent(input));
    }
  }

  /** The hot part, all in small integers. Answers the sum of the counts. */
  private decodeRecords(payload: Uint8Array, start: number, records: number, overflow: ByteReader): number {
    const { ids, counts, tableSize } = this;
    let sum = 0;
    let escapes = 0;
    let largest = -1;
    for (let i = 0, p = start; i < records; i++, p += RECORD_BYTES) {
      const id = payload[p] | (payload[p + 1] << 8);
      const count = payload[p + 2];
      if (id > largest) largest = id;
      if (count === 0) throw new RangeError(`record ${i} has a count of 0`);
      if (count === COUNT_ESCAPE) escapes++;
      ids[i] = id;
      counts[i] = count;
      sum += count;
    }
    if (largest >= tableSize) throw new RangeError(`a record names page ${largest} of ${tableSize}`);
    return escapes === 0 ? sum : sum + this.decodeOverflow(records, overflow);
  }

  /** Puts the long counts in their places. Answers by how much they exceed what stood there. */
  private decodeOverflow(records: number, overflow: ByteReader): number {
    const counts = this.counts;
    let excess = 0;
    for (let i = 0; i < records; i++) {
      if (counts[i] !== COUNT_ESCAPE) continue;
      const count = overflow.unsigned();
      if (count < COUNT_ESCAPE || count > 0xffffffff) throw new RangeError(`record ${i} has a count of ${count}`);
      counts[i] = count;
      excess += count - COUNT_ESCAPE;
    }
    return excess;
  }
}

/** Writes a chunk's payload: the counterpart of `decode`. */
export function encodePayload(chunk: TraceChunk, out: ByteWriter): void {
  out.unsigned(chunk.process);
  out.unsigned(chunk.tableSize);
  let page = 0;
  for (let id = 0; id < chunk.tableSize; id++) {
    out.byte(chunk.kinds[id]);
    out.signed(chunk.pages[id] - page);
    page = chunk.pages[id];
  }
  let at = 0;
  for (let i = 0; i < chunk.events.length; i++) {
    out.unsigned(chunk.eventAt[i] - at);
    at = chunk.eventAt[i];
    writeEvent(out, chunk.events[i]);
  }
  const { ids, counts, records } = chunk;
  for (let i = 0; i < records; i++) {
    out.byte(ids[i] & 255);
    out.byte(ids[i] >>> 8);
    out.byte(Math.min(counts[i], COUNT_ESCAPE));
  }
  for (let i = 0; i < records; i++) if (counts[i] >= COUNT_ESCAPE) out.unsigned(counts[i]);
}
