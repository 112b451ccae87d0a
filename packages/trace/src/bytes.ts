/**
 * Bytes in and out: the variable-length numbers of the trace format.
 *
 * A number from 0 to 2^53 - 1 takes seven bits a byte, the lowest first; the top bit says that more follow. Signed numbers are
 * folded first (0, -1, 1, -2, ... become 0, 1, 2, 3, ...). Everything is done in doubles by division, because page numbers and
 * addresses do not fit in 32 bits; only tables and events are coded this way, so speed is no concern here.
 */

/** A growing buffer of bytes. */
export class ByteWriter {
  private bytes = new Uint8Array(256);
  private used = 0;

  /** Bytes written since the last `clear`. */
  get length(): number {
    return this.used;
  }

  clear(): void {
    this.used = 0;
  }

  byte(value: number): void {
    if (this.used === this.bytes.length) {
      const grown = new Uint8Array(this.used * 2);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    this.bytes[this.used++] = value;
  }

  /** A whole number from 0 to 2^53 - 1. */
  unsigned(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`not a whole number from 0 to 2^53-1: ${value}`);
    while (value > 127) {
      this.byte((value % 128) + 128);
      value = Math.floor(value / 128);
    }
    this.byte(value);
  }

  /** A whole number from -2^52 to 2^52 - 1. */
  signed(value: number): void {
    this.unsigned(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** What was written, valid until the next write. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }
}

/** Reads numbers from a part of a buffer; throws `RangeError` when the part ends too early or a number is too long. */
export class ByteReader {
  constructor(
    private readonly bytes: Uint8Array,
    private at = 0,
    private readonly end = bytes.length,
  ) {}

  /** Index of the next byte. */
  get position(): number {
    return this.at;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  byte(): number {
    if (this.at >= this.end) throw new RangeError('the data ends inside a number');
    return this.bytes[this.at++];
  }

  unsigned(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const b = this.byte();
      value += (b & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('a number exceeds 2^53');
      if (b < 128) return value;
      scale *= 128;
      if (scale > 2 ** 53) throw new RangeError('a number is longer than eight bytes');
    }
  }

  signed(): number {
    const folded = this.unsigned();
    return folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2;
  }

  /** Steps over `count` bytes. */
  skip(count: number): void {
    if (count > this.remaining) throw new RangeError('a section is longer than its chunk');
    this.at += count;
  }
}
