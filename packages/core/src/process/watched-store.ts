/**
 * A store that tells when something is written to it: what the kernel is given for a file, so that a file counts as modified whoever writes it back,
 * msync, the page daemon or fsync.
 */
import type { BackingStore, IoResult } from '../machine/store.js';

export class WatchedStore implements BackingStore {
  readonly synchronous: boolean;

  constructor(
    private readonly inner: BackingStore,
    private readonly written: () => void,
  ) {
    this.synchronous = inner.synchronous;
  }

  size(): number {
    return this.inner.size();
  }

  read(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    return this.inner.read(offset, buffers);
  }

  write(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    this.written();
    return this.inner.write(offset, buffers);
  }

  truncate(bytes: number): IoResult | Promise<IoResult> {
    return this.inner.truncate(bytes);
  }

  sync(): IoResult | Promise<IoResult> {
    return this.inner.sync();
  }

  close(): void {
    this.inner.close();
  }
}
