/** Stores without a disk: sparse bytes, and a length alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore, SizeStore } from './memory-store.js';
import { EIO } from './store.js';

const TERABYTE = 2 ** 40;

/** `length` bytes from `offset`, on a ground of 0xee so that bytes left alone show. */
function read(store: MemoryStore | SizeStore, offset: number, length: number): { count: number; bytes: number[] } {
  const buffer = new Uint8Array(length).fill(0xee);
  const count = store.read(offset, [buffer]);
  return { count: count as number, bytes: [...buffer] };
}

describe('MemoryStore', () => {
  it('begins empty, or with a copy of what it is given', () => {
    expect(new MemoryStore().size()).toBe(0);
    const original = Uint8Array.of(1, 2, 3);
    const store = new MemoryStore(original);
    original[0] = 9;
    expect(read(store, 0, 3)).toEqual({ count: 3, bytes: [1, 2, 3] });
  });

  it('gives a short count at its end and leaves the rest of the buffer alone', () => {
    const store = new MemoryStore(Uint8Array.of(1, 2, 3));
    expect(read(store, 1, 4)).toEqual({ count: 2, bytes: [2, 3, 0xee, 0xee] });
    expect(read(store, 3, 1)).toEqual({ count: 0, bytes: [0xee] });
    expect(read(store, 1000, 1)).toEqual({ count: 0, bytes: [0xee] });
  });

  it('costs nothing for a terabyte of which one page is used', () => {
    const store = new MemoryStore(TERABYTE);
    store.write(TERABYTE - 4096, [Uint8Array.of(7)]);
    expect(store.size()).toBe(TERABYTE);
    expect(store.pagesHeld).toBe(1);
    expect(read(store, TERABYTE - 4097, 3)).toEqual({ count: 3, bytes: [0, 7, 0] });
  });

  it('grows by writing past its end, and reads as zeros in between', () => {
    const store = new MemoryStore(Uint8Array.of(1));
    expect(store.write(4, [Uint8Array.of(5), Uint8Array.of(6)])).toBe(2);
    expect(read(store, 0, 6).bytes).toEqual([1, 0, 0, 0, 5, 6]);
  });

  it('does not grow by a write of nothing', () => {
    const store = new MemoryStore();
    expect(store.write(100, [])).toBe(0);
    expect(store.size()).toBe(0);
  });

  it('forgets what truncate cuts off, within a page and beyond it', () => {
    const store = new MemoryStore(new Uint8Array(3 * 4096).fill(1));
    expect(store.truncate(2)).toBe(0);
    expect(store.pagesHeld).toBe(1);
    store.truncate(3 * 4096);
    expect(read(store, 0, 4).bytes).toEqual([1, 1, 0, 0]);
    expect(read(store, 4095, 2).bytes).toEqual([0, 0]);
    store.truncate(0);
    expect(store.pagesHeld).toBe(0);
  });

  it('answers every call with EIO once it is closed', () => {
    const store = new MemoryStore(4096);
    store.close();
    expect([store.read(0, []), store.write(0, []), store.truncate(0), store.sync()]).toEqual([-EIO, -EIO, -EIO, -EIO]);
    expect(store.size()).toBe(0);
  });

  it.each([-1, 1.5, Number.NaN])('throws for offset %s', (offset) => {
    const store = new MemoryStore();
    expect(() => store.read(offset, [])).toThrow(RangeError);
    expect(() => store.write(offset, [])).toThrow(RangeError);
    expect(() => store.truncate(offset)).toThrow(RangeError);
    expect(() => new MemoryStore(offset)).toThrow('length of the store');
  });

  it('holds what a flat array would, whatever is done to it', () => {
    const span = 5 * 4096;
    const write = fc.record({ at: fc.nat(span), length: fc.nat(9000), value: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof(write, fc.record({ cut: fc.nat(span) })), { maxLength: 12 }), (steps) => {
        const store = new MemoryStore();
        let flat = new Uint8Array(0);
        for (const step of steps) {
          if ('cut' in step) {
            store.truncate(step.cut);
            const cut = new Uint8Array(step.cut);
            cut.set(flat.subarray(0, step.cut));
            flat = cut;
          } else if (step.length > 0) {
            const piece = new Uint8Array(step.length).fill(step.value);
            store.write(step.at, [piece.subarray(0, 100), piece.subarray(100)]);
            const longer = new Uint8Array(Math.max(flat.length, step.at + step.length));
            longer.set(flat);
            longer.set(piece, step.at);
            flat = longer;
          }
        }
        const back = new Uint8Array(flat.length);
        expect(store.size()).toBe(flat.length);
        expect(store.read(0, [back])).toBe(flat.length);
        // Equal as bytes: toEqual goes through them one by one and takes seconds.
        expect(Buffer.compare(back, flat)).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});

describe('SizeStore', () => {
  it('has a length and reads as zeros up to it', () => {
    const store = new SizeStore(5000);
    expect(read(store, 4998, 4)).toEqual({ count: 2, bytes: [0, 0, 0xee, 0xee] });
    const large = new Uint8Array(5000).fill(1);
    expect(store.read(0, [large])).toBe(5000);
    expect(large.every((byte) => byte === 0)).toBe(true);
  });

  it('grows like a file but keeps no bytes', () => {
    const store = new SizeStore();
    expect(store.write(10, [Uint8Array.of(1, 2)])).toBe(2);
    expect(store.size()).toBe(12);
    expect(read(store, 10, 2).bytes).toEqual([0, 0]);
    expect(store.truncate(3)).toBe(0);
    expect(store.size()).toBe(3);
    expect(store.sync()).toBe(0);
  });

  it('answers with EIO once closed, and throws for a length that is none', () => {
    const store = new SizeStore(1);
    store.close();
    expect([store.read(0, []), store.write(0, []), store.truncate(0), store.sync()]).toEqual([-EIO, -EIO, -EIO, -EIO]);
    expect(() => new SizeStore(-1)).toThrow(RangeError);
  });
});
