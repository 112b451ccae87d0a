/** The files of a replay: a length and nothing else, since a machine without contents never looks at bytes. */
import type { BackingStore } from '@faultline/core';

export class SizeStore implements BackingStore {
  readonly synchronous = true;

  /** `length` in bytes. */
  constructor(private length: number) {}

  size(): number {
    return this.length;
  }

  read(offset: number, buffers: readonly Uint8Array[]): number {
    let left = Math.max(0, this.length - offset);
    let done = 0;
    for (const buffer of buffers) {
      const n = Math.min(left, buffer.length);
      buffer.fill(0, 0, n);
      left -= n;
      done += n;
    }
    return done;
  }

  write(offset: number, buffers: readonly Uint8Array[]): number {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    this.length = Math.max(this.length, offset + bytes);
    return bytes;
  }

  truncate(bytes: number): number {
    this.length = bytes;
    return 0;
  }

  sync(): number {
    return 0;
  }

  close(): void {}
}
