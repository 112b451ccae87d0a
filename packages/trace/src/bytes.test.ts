import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, ByteWriter } from './bytes.js';

test('numbers come back as they went in', () => {
  const number = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 127, 128, 2 ** 32, 2 ** 47, Number.MAX_SAFE_INTEGER));
  const signed = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
  fc.assert(
    fc.property(fc.array(fc.tuple(number, signed)), (pairs) => {
      const out = new ByteWriter();
      for (const [a, b] of pairs) {
        out.unsigned(a);
        out.signed(b);
      }
      const input = new ByteReader(out.view());
      for (const [a, b] of pairs) expect([input.unsigned(), input.signed()]).toEqual([a, b]);
      expect(input.remaining).toBe(0);
    }),
  );
});

test('what is no whole number is refused', () => {
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => new ByteWriter().unsigned(bad)).toThrow(RangeError);
});

test('data that ends too early and numbers that never end are errors', () => {
  expect(() => new ByteReader(Uint8Array.of(0x80)).unsigned()).toThrow(RangeError);
  expect(() => new ByteReader(new Uint8Array(20).fill(0xff)).unsigned()).toThrow(RangeError);
  expect(() => new ByteReader(Uint8Array.of(1)).skip(2)).toThrow(RangeError);
});
