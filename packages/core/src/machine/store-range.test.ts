/** The checks and the arithmetic that all stores share. */
import { describe, expect, it } from 'vitest';
import { checkBytes, checkTransfer, firstBytes, skipBytes } from './store-range.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const values = (buffers: readonly Uint8Array[]): number[] => buffers.flatMap((buffer) => [...buffer]);

describe('checkBytes', () => {
  it('takes 0 and 2^53 - 1', () => {
    expect(() => checkBytes('offset', 0)).not.toThrow();
    expect(() => checkBytes('offset', Number.MAX_SAFE_INTEGER)).not.toThrow();
  });

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses %s by name', (wrong) => {
    expect(() => checkBytes('offset', wrong)).toThrow(RangeError);
    expect(() => checkBytes('offset', wrong)).toThrow(`offset must be a whole number of bytes`);
  });
});

describe('checkTransfer', () => {
  it('adds the buffers up', () => {
    expect(checkTransfer(7, [bytes(1, 2), bytes(), bytes(3)])).toBe(3);
  });

  it('refuses a transfer that leaves the range', () => {
    expect(() => checkTransfer(Number.MAX_SAFE_INTEGER, [bytes(1)])).toThrow('end of the transfer');
  });
});

describe('skipBytes and firstBytes', () => {
  const buffers = [bytes(1, 2, 3), bytes(), bytes(4), bytes(5, 6)];

  it('split a list anywhere, and lose nothing', () => {
    for (let at = 0; at <= 6; at++) {
      expect(values(firstBytes(buffers, at))).toEqual([1, 2, 3, 4, 5, 6].slice(0, at));
      expect(values(skipBytes(buffers, at))).toEqual([1, 2, 3, 4, 5, 6].slice(at));
    }
  });

  it('share memory with what they were given', () => {
    const whole = bytes(1, 2, 3);
    (skipBytes([whole], 2)[0] as Uint8Array)[0] = 9;
    (firstBytes([whole], 1)[0] as Uint8Array)[0] = 8;
    expect([...whole]).toEqual([8, 2, 9]);
  });
});
