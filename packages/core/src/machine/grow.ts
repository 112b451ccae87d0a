/** Typed arrays that grow by doubling: pools of page-table nodes start small and follow the address spaces. */
import { float64Column, int32Column } from './columns.js';

/** A copy of `array` with at least `length` elements; the new ones hold `fill`. */
export function growInt32(array: Int32Array, length: number, fill = 0): Int32Array<ArrayBuffer> {
  const larger = int32Column(Math.max(length, array.length * 2));
  larger.set(array);
  if (fill !== 0) larger.fill(fill, array.length);
  return larger;
}

export function growFloat64(array: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const larger = float64Column(Math.max(length, array.length * 2));
  larger.set(array);
  return larger;
}

export function growUint8(array: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(length, array.length * 2));
  larger.set(array);
  return larger;
}
