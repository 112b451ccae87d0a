import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PatternStore, patternPage } from './pattern.js';

const byteAt = (k: number): number => (7 * k + 13 * Math.floor(k / 4096) + 1) % 251;
const bytes = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => byteAt(first + i));

describe('the pattern', () => {
  test('every page follows the formula, far pages too', () => {
    for (const page of [0, 1, 2, 250, 251, 252, 5000, 1_000_003]) {
      expect([...patternPage(page)]).toEqual(bytes(page * 4096, 4096));
    }
  });

  test('a read stops at the end of the file and leaves the rest of the buffer alone', () => {
    const buffer = new Uint8Array(8).fill(0xee);
    expect(new PatternStore(10).read(6, [buffer])).toBe(4);
    expect([...buffer]).toEqual([...bytes(6, 4), 0xee, 0xee, 0xee, 0xee]);
  });

  test('a read at or behind the end answers 0', () => {
    const buffer = new Uint8Array(4);
    expect(new PatternStore(10).read(10, [buffer])).toBe(0);
    expect(new PatternStore(10).read(4096, [buffer])).toBe(0);
  });

  test('a read fills buffer after buffer, across pages', () => {
    const [a, b] = [new Uint8Array(3), new Uint8Array(5000)];
    expect(new PatternStore(20000).read(4094, [a, b])).toBe(5003);
    expect([...a, ...b]).toEqual(bytes(4094, 5003));
  });

  test('what is written is read back, and its neighbours keep the pattern', () => {
    const store = new PatternStore(10000);
    expect(store.write(4095, [Uint8Array.of(1, 2)])).toBe(2);
    const buffer = new Uint8Array(4);
    store.read(4094, [buffer]);
    expect([...buffer]).toEqual([byteAt(4094), 1, 2, byteAt(4097)]);
  });

  test('a longer file is zero in its new part, and so is one that was cut and grew again', () => {
    const store = new PatternStore(6);
    store.truncate(4);
    store.truncate(8);
    const buffer = new Uint8Array(8).fill(0xee);
    expect(store.read(0, [buffer])).toBe(8);
    expect([...buffer]).toEqual([...bytes(0, 4), 0, 0, 0, 0]);
  });

  test('any writes, cuts and reads equal those of a plain array', () => {
    const operation = fc.oneof(
      fc.record({ op: fc.constant('write'), at: fc.nat(12000), count: fc.integer({ min: 1, max: 6000 }) }),
      fc.record({ op: fc.constant('truncate'), at: fc.nat(12000), count: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.nat(12000), fc.array(operation, { maxLength: 8 }), (size, operations) => {
        const store = new PatternStore(size);
        let plain = bytes(0, size);
        operations.forEach(({ op, at, count }, i) => {
          const data = new Uint8Array(count).fill(i + 1);
          if (op === 'write') {
            store.write(at, [data]);
            while (plain.length < at) plain.push(0);
            plain.splice(at, count, ...data);
          } else {
            store.truncate(at);
            plain = plain.slice(0, at);
            while (plain.length < at) plain.push(0);
          }
        });
        const whole = new Uint8Array(plain.length);
        expect(store.size()).toBe(plain.length);
        expect(store.read(0, [whole])).toBe(plain.length);
        expect([...whole]).toEqual(plain);
      }),
      { numRuns: 50 },
    );
  });
});
