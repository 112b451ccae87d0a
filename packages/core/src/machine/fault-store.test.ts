/** Disks that fail, tear, stall and recover, by plan. */
import { describe, expect, it } from 'vitest';
import { FaultInjectingStore, type FaultRule, Gate } from './fault-store.js';
import { MemoryStore } from './memory-store.js';
import { type BackingStore, EIO, ENOSPC } from './store.js';

const page = (value = 0): Uint8Array => new Uint8Array(4096).fill(value);
const onDisk = (plan: FaultRule[], contents: Uint8Array | number = 4 * 4096): FaultInjectingStore =>
  new FaultInjectingStore(new MemoryStore(contents), plan);

describe('a plan without gates', () => {
  it('changes nothing when it is empty', () => {
    const store = onDisk([], Uint8Array.of(1, 2, 3));
    const buffer = new Uint8Array(2);
    expect(store.synchronous).toBe(true);
    expect(store.size()).toBe(3);
    expect(store.read(1, [buffer])).toBe(2);
    expect([...buffer]).toEqual([2, 3]);
    expect(store.write(3, [Uint8Array.of(4)])).toBe(1);
    expect(store.truncate(2)).toBe(0);
    expect(store.sync()).toBe(0);
    expect(store.counts).toEqual({
      reads: 1,
      writes: 1,
      truncates: 1,
      syncs: 1,
      bytesRead: 2,
      bytesWritten: 1,
      struck: 0,
      held: 0,
    });
  });

  it('fails the n-th call once', () => {
    const store = onDisk([{ on: 'read', nth: 2, error: EIO }]);
    expect([1, 2, 3].map(() => store.read(0, [page()]))).toEqual([4096, -EIO, 4096]);
    expect(store.counts.struck).toBe(1);
  });

  it('fails from the n-th call on', () => {
    const store = onDisk([{ on: 'write', nth: 2, times: Number.POSITIVE_INFINITY, error: ENOSPC }]);
    expect([1, 2, 3].map(() => store.write(0, [page()]))).toEqual([4096, -ENOSPC, -ENOSPC]);
    store.heal();
    expect(store.write(0, [page()])).toBe(4096);
  });

  it('fails a call without touching the store beneath', () => {
    const inner = new MemoryStore();
    const store = new FaultInjectingStore(inner, [{ on: 'write', error: EIO }]);
    store.write(0, [page(1)]);
    expect(inner.size()).toBe(0);
  });

  it('fails a range, and counts only the calls that touch it', () => {
    const range = { start: 4096, end: 8192 };
    const store = onDisk([{ on: 'read', nth: 2, times: Number.POSITIVE_INFINITY, range, error: EIO }]);
    const read = (offset: number): unknown => store.read(offset, [page()]);
    expect([read(0), read(8192), read(4095), read(0), read(8191), read(4096)]).toEqual([
      4096,
      4096,
      4096,
      4096,
      -EIO,
      -EIO,
    ]);
  });

  it('moves less than it was asked to', () => {
    const store = onDisk([{ on: 'read', short: 5 }], page(7));
    const buffers = [page(1).subarray(0, 4), page(1).subarray(0, 4)];
    expect(store.read(0, buffers)).toBe(5);
    expect(buffers.flatMap((buffer) => [...buffer])).toEqual([7, 7, 7, 7, 7, 1, 1, 1]);
    expect(store.counts.bytesRead).toBe(5);
  });

  it('tears a write: part of it arrives, and then the error', () => {
    const inner = new MemoryStore();
    const store = new FaultInjectingStore(inner, [{ on: 'write', short: 100, error: EIO }]);
    expect(store.write(0, [page(1)])).toBe(-EIO);
    expect(inner.size()).toBe(100);
    expect(store.counts.bytesWritten).toBe(100);
  });

  it('lets several rules strike one call: the least part, the first error', () => {
    const store = onDisk([
      { on: 'write', short: 10, error: EIO },
      { on: 'write', short: 4, error: ENOSPC },
    ]);
    expect(store.write(0, [page()])).toBe(-EIO);
    expect(store.counts).toMatchObject({ bytesWritten: 4, struck: 1 });
  });

  it('fails truncate and sync', () => {
    const store = onDisk([
      { on: 'truncate', error: ENOSPC },
      { on: 'sync', error: EIO },
    ]);
    expect([store.truncate(0), store.sync()]).toEqual([-ENOSPC, -EIO]);
    expect(store.size()).toBe(4 * 4096);
  });

  it('hands on what the store beneath answers', () => {
    const inner = new MemoryStore(10);
    const store = new FaultInjectingStore(inner);
    store.close();
    expect(store.read(0, [page()])).toBe(-EIO);
    expect(store.counts.bytesRead).toBe(0);
  });

  it('takes further rules later, counted from then', () => {
    const store = onDisk([]);
    store.read(0, [page()]);
    store.add({ on: 'read', error: EIO });
    expect([store.read(0, [page()]), store.read(0, [page()])]).toEqual([-EIO, 4096]);
    expect(() => store.add({ on: 'read', hold: new Gate() })).toThrow('this store answers at once');
  });
});

describe('a plan with gates', () => {
  it('answers when the gate is opened, and other calls meanwhile', async () => {
    const gate = new Gate();
    const store = onDisk([{ on: 'read', hold: gate }]);
    expect(store.synchronous).toBe(false);
    const order: string[] = [];
    const first = Promise.resolve(store.read(0, [page()])).then(() => order.push('first'));
    expect(store.counts.held).toBe(1);
    await store.read(0, [page()]);
    order.push('second');
    gate.open();
    await first;
    expect(order).toEqual(['second', 'first']);
    expect(store.counts.held).toBe(0);
  });

  it('can be late and fail', async () => {
    const gate = new Gate();
    const store = onDisk([{ on: 'write', hold: gate, error: EIO }]);
    const writing = store.write(0, [page()]);
    gate.open();
    expect(await writing).toBe(-EIO);
  });

  it('waits no more at a gate that is open', async () => {
    const gate = new Gate();
    gate.open();
    const store = onDisk([{ on: 'sync', hold: gate }]);
    expect(await store.sync()).toBe(0);
  });

  it('is asynchronous over a store that is', async () => {
    const inner: BackingStore = {
      synchronous: false,
      size: () => 8,
      read: async () => 8,
      write: async () => 8,
      truncate: async () => 0,
      sync: async () => 0,
      close: () => undefined,
    };
    const store = new FaultInjectingStore(inner, [{ on: 'write', error: EIO }]);
    expect(store.synchronous).toBe(false);
    expect(await store.read(0, [new Uint8Array(8)])).toBe(8);
    expect(await store.write(0, [new Uint8Array(8)])).toBe(-EIO);
    expect(store.counts.bytesRead).toBe(8);
  });
});

describe('a plan that makes no sense', () => {
  it.each<[string, FaultRule]>([
    ['nth counts from 1', { on: 'read', nth: 0, error: EIO }],
    ['times cannot be 0', { on: 'read', times: 0, error: EIO }],
    ['error is a positive errno, not -5', { on: 'read', error: -EIO }],
    ['it says nothing of hold, short or error', { on: 'read' }],
    ['its range 9-9 is empty', { on: 'read', error: EIO, range: { start: 9, end: 9 } }],
    ['only reads and writes have a range', { on: 'sync', error: EIO, range: { start: 0, end: 9 } }],
    ['only reads and writes can be short', { on: 'sync', short: 1 }],
    ['there is no such call', { on: 'seek' as 'read', error: EIO }],
    ['short must be a whole number of bytes', { on: 'read', short: -1 }],
  ])('is refused: %s', (message, rule) => {
    expect(() => onDisk([rule])).toThrow(RangeError);
    expect(() => onDisk([rule])).toThrow(message);
  });

  it('checks offsets before the plan', () => {
    const store = onDisk([{ on: 'read', error: EIO }]);
    expect(() => store.read(-1, [])).toThrow(RangeError);
    expect(store.counts.reads).toBe(0);
  });
});
