/**
 * Words of 1 to 8 bytes in the machine's memory, little-endian, at any alignment, also across two pages that lie apart.
 */
import type { Places } from './access-calls.js';

export class Words {
  private readonly view: DataView;
  private readonly ints: Int32Array;
  private readonly longs: BigInt64Array;
  /** Where a word that crosses pages is put together. */
  private readonly scratch = new DataView(new ArrayBuffer(8));

  constructor(private readonly bytes: Uint8Array) {
    const { buffer, byteOffset, length } = bytes;
    this.view = new DataView(buffer, byteOffset, length);
    this.ints = new Int32Array(buffer, byteOffset, length >>> 2);
    this.longs = new BigInt64Array(buffer, byteOffset, length >>> 3);
  }

  get16(place: number): number {
    return this.view.getUint16(place, true);
  }

  get32(place: number): number {
    return this.view.getUint32(place, true);
  }

  get64(place: number): bigint {
    return this.view.getBigUint64(place, true);
  }

  set16(place: number, value: number): void {
    this.view.setUint16(place, value, true);
  }

  set32(place: number, value: number): void {
    this.view.setUint32(place, value, true);
  }

  set64(place: number, value: bigint): void {
    this.view.setBigUint64(place, value, true);
  }

  /** A number of `bytes` bytes (4 at most). */
  load(places: Places, bytes: number): number {
    return this.gather(places, bytes).getUint32(0, true);
  }

  load64(places: Places): bigint {
    return this.gather(places, 8).getBigUint64(0, true);
  }

  store(places: Places, bytes: number, value: number): void {
    this.scratch.setUint32(0, value, true);
    this.scatter(places, bytes);
  }

  store64(places: Places, value: bigint): void {
    this.scratch.setBigUint64(0, value, true);
    this.scatter(places, 8);
  }

  private gather({ first, count, second }: Places, bytes: number): DataView {
    const { scratch } = this;
    scratch.setBigUint64(0, 0n, true);
    for (let i = 0; i < bytes; i++) {
      scratch.setUint8(i, this.bytes[i < count ? first + i : second + i - count] as number);
    }
    return scratch;
  }

  private scatter({ first, count, second }: Places, bytes: number): void {
    for (let i = 0; i < bytes; i++) {
      this.bytes[i < count ? first + i : second + i - count] = this.scratch.getUint8(i);
    }
  }

  /** At an aligned place; atomic also where the buffer is shared with other threads of the host. */
  swap32(place: number, expected: number, replacement: number): number {
    return Atomics.compareExchange(this.ints, place >>> 2, expected | 0, replacement | 0) >>> 0;
  }

  swap64(place: number, expected: bigint, replacement: bigint): bigint {
    const was = Atomics.compareExchange(
      this.longs,
      Math.floor(place / 8),
      BigInt.asIntN(64, expected),
      BigInt.asIntN(64, replacement),
    );
    return BigInt.asUintN(64, was);
  }
}
