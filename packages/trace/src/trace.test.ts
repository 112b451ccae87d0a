/** The trace format: what is written is read again, and what is broken is refused. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TraceFormatError } from './errors.js';
import { EVENT_SHAPES, type TraceEvent } from './events.js';
import { CODECS, type Codec, type ReferenceKind, RUN_SPAN } from './format.js';
import { checkHeader } from './header.js';
import { TraceReader } from './reader.js';
import { FileSpool, MemorySpool } from './spool.js';
import { TraceWriter } from './writer.js';

/** One thing that a program does: a reference, or an event. */
type Act = { kind: ReferenceKind; page: number } | TraceEvent;

const ABOUT = { program: 'p', command: ['p', '-x'], recorder: 'test' };

function write(acts: readonly Act[], chunkRecords: number, codec: Codec = 'brotli'): Uint8Array {
  const spool = new MemorySpool();
  const writer = new TraceWriter(ABOUT, spool, { chunkRecords, codec });
  writer.process('p', 0);
  writer.file('/bin/p', 123456);
  for (const act of acts) {
    if ('type' in act) writer.event(act);
    else writer.reference(act.kind, act.page);
  }
  writer.finish();
  return spool.bytes();
}

/** Between two events: the references to each page, by kind, and the order in which each kind went through pages. */
interface Stretch {
  readonly event: TraceEvent | null;
  readonly order: [number[], number[], number[]];
  readonly counts: Record<string, number>;
}

/** What must survive merging: the events, and between them each kind's pages in order and every count. */
class Summary {
  readonly stretches: Stretch[] = [];
  private now: Stretch = { event: null, order: [[], [], []], counts: {} };

  event(event: TraceEvent): void {
    this.stretches.push(this.now);
    this.now = { event, order: [[], [], []], counts: {} };
  }

  run(kind: number, page: number, count: number): void {
    const order = this.now.order[kind];
    if (order.at(-1) !== page) order.push(page);
    const key = `${kind}/${page}`;
    this.now.counts[key] = (this.now.counts[key] ?? 0) + count;
  }

  end(): Stretch[] {
    return [...this.stretches, this.now];
  }
}

function summarize(acts: readonly Act[]): Stretch[] {
  const summary = new Summary();
  let process = 1;
  for (const act of acts) {
    if (!('type' in act)) summary.run(act.kind, act.page, 1);
    else if (act.type !== 'switch' || act.process !== process) summary.event(act);
    if ('type' in act && act.type === 'switch') process = act.process;
  }
  return summary.end();
}

function readBack(bytes: Uint8Array): Stretch[] {
  const reader = TraceReader.fromBytes(bytes);
  const summary = new Summary();
  for (let chunk = reader.next(); chunk !== null; chunk = reader.next()) {
    let event = 0;
    for (let i = 0; i <= chunk.records; i++) {
      while (event < chunk.events.length && chunk.eventAt[event] === i) summary.event(chunk.events[event++]);
      if (i < chunk.records) summary.run(chunk.kinds[chunk.ids[i]], chunk.pages[chunk.ids[i]], chunk.counts[i]);
    }
  }
  return summary.end();
}

/** Any event, from the table of shapes itself. */
const anyEvent: fc.Arbitrary<TraceEvent> = fc
  .constantFrom(...EVENT_SHAPES)
  .chain((shape) =>
    fc.record(
      Object.fromEntries([
        ['type', fc.constant(shape.type)],
        ...shape.fields.map(([name, coding]) => [
          name,
          coding === 'unsigned'
            ? fc.nat({ max: 2 ** 47 })
            : coding === 'signed'
              ? fc.integer({ min: -1, max: 1000 })
              : fc.constantFrom(...coding),
        ]),
      ]),
    ),
  ) as fc.Arbitrary<TraceEvent>;

const anyPage = fc.oneof(fc.nat(5), fc.constantFrom(0x1ffefff, 2 ** 32, 2 ** 32 + 1, 2 ** 35 - 1));
const anyReference = fc.record({ kind: fc.constantFrom<ReferenceKind>(0, 1, 2), page: anyPage });
const anyActs = fc.array(fc.oneof({ weight: 8, arbitrary: anyReference }, { weight: 1, arbitrary: anyEvent }), {
  maxLength: 300,
});

test('whatever is written is read back: events, order of pages by kind, counts', () => {
  fc.assert(
    fc.property(anyActs, fc.integer({ min: 1, max: 40 }), fc.constantFrom(...CODECS), (acts, chunkRecords, codec) => {
      expect(readBack(write(acts, chunkRecords, codec))).toEqual(summarize(acts));
    }),
    { numRuns: 300 },
  );
});

test('the same acts make the same bytes', () => {
  fc.assert(
    fc.property(anyActs, (acts) => {
      expect(write(acts, 16)).toEqual(write(acts, 16));
    }),
    { numRuns: 20 },
  );
});

/** A small trace of several chunks with everything in it. */
function sample(): Uint8Array {
  const acts: Act[] = [];
  for (let i = 0; i < 120; i++) {
    acts.push({ kind: (i % 3) as ReferenceKind, page: 100 + (i % 7) });
    if (i % 20 === 5) acts.push({ type: 'munmap', address: i * 4096, length: 4096, error: 0 });
  }
  for (let i = 0; i < 300; i++) acts.push({ kind: 0, page: 7 });
  return write(acts, 25);
}

/** Reads all there is; the damage found, or null. Any other error fails the test. */
function damageOf(bytes: Uint8Array): TraceFormatError | null {
  try {
    return TraceReader.fromBytes(bytes).verify().damage;
  } catch (error) {
    if (error instanceof TraceFormatError) return error;
    throw error;
  }
}

test('a file cut at any byte is an error that says where and what is left', () => {
  const bytes = sample();
  expect(damageOf(bytes)).toBe(null);
  const whole = TraceReader.fromBytes(bytes).verify().readable;
  let least = 0;
  for (let length = 0; length < bytes.length; length++) {
    const damage = damageOf(bytes.subarray(0, length));
    expect(damage, `cut at ${length}`).not.toBe(null);
    expect(damage?.offset).toBeLessThanOrEqual(length);
    expect(damage?.message).toContain(`at byte ${damage?.offset}`);
    const readable = damage?.readable.references ?? 0;
    expect(readable).toBeGreaterThanOrEqual(least);
    least = readable;
  }
  expect(least).toBeGreaterThan(0);
  expect(least).toBeLessThan(whole.references);
});

test('any byte changed is an error', () => {
  const bytes = sample();
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const damaged = bytes.slice();
      damaged[at] ^= flip;
      expect(damageOf(damaged), `byte ${at} ^ ${flip}`).not.toBe(null);
    }
  }
});

test('bytes behind the end are an error, and so are random bytes', () => {
  const bytes = sample();
  expect(damageOf(Uint8Array.from([...bytes, 0]))?.problem).toContain('follow the last chunk');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      expect(damageOf(noise)).not.toBe(null);
    }),
  );
});

test('the readable prefix is handed out before the damage', () => {
  const bytes = sample();
  const reader = TraceReader.fromBytes(bytes.subarray(0, bytes.length - 1), 'half.vmt');
  const chunks = reader.header.chunks;
  for (let i = 0; i < chunks - 1; i++) expect(reader.next()?.index).toBe(i);
  expect(() => reader.next()).toThrow(/^half\.vmt: the file ends inside chunk \d+ \(1 bytes missing\) at byte \d+/);
  expect(() => reader.next()).toThrow(TraceFormatError);
  expect(reader.progress.chunks).toBe(chunks - 1);
});

test('a run is closed now and then, however long the program stays', () => {
  const acts: Act[] = [];
  for (let i = 0; i < 3 * RUN_SPAN; i++) acts.push({ kind: 2, page: 1 }, { kind: 0, page: i % 2 });
  const reader = TraceReader.fromBytes(write(acts, 1 << 16));
  const chunk = reader.next();
  let fetches = 0;
  for (let i = 0; i < (chunk?.records ?? 0); i++) if (chunk?.kinds[chunk.ids[i]] === 2) fetches++;
  expect(fetches).toBe(4);
});

test('a file on disk is whole or not there', () => {
  const directory = mkdtempSync(join(tmpdir(), 'faultline-test-'));
  try {
    const path = join(directory, 't.vmt');
    const givenUp = new TraceWriter(ABOUT, new FileSpool(path), { chunkRecords: 1 });
    givenUp.reference(0, 1);
    givenUp.reference(0, 2);
    givenUp.abort();
    expect(readdirSync(directory)).toEqual([]);

    const writer = new TraceWriter(ABOUT, new FileSpool(path));
    writer.process('p', 0);
    writer.reference(0, 1);
    writer.finish();
    expect(readdirSync(directory)).toEqual(['t.vmt']);
    const reader = TraceReader.open(path);
    expect(reader.next()?.references).toBe(1);
    expect(reader.next()).toBe(null);
    reader.close();
    writeFileSync(path, 'hello');
    expect(() => TraceReader.open(path)).toThrow('t.vmt: this is not a trace: it does not begin as one at byte 0');
    expect(() => TraceReader.open(join(directory, 'none'))).toThrow(/ENOENT/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a header that is JSON but not a header names the field', () => {
  const good = TraceReader.fromBytes(sample()).header;
  expect(checkHeader(JSON.parse(JSON.stringify(good)))).toEqual(good);
  const bad =
    (change: object): (() => unknown) =>
    () =>
      checkHeader({ ...good, ...change });
  expect(bad({ chunks: -1 })).toThrow('chunks is negative');
  expect(bad({ files: [{ name: 'x' }] })).toThrow('files[0].length is not a whole number');
  expect(bad({ processes: [{ id: 2, name: 'p', parent: 0 }] })).toThrow('processes[0].id is 2');
  expect(bad({ pageSize: 8192 })).toThrow('only 4096 is known');
  expect(() => checkHeader([])).toThrow('header is not an object');
});
