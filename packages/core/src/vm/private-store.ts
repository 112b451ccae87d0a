/**
 * Swap on a store of the outer world: a real file, or whatever its user has made.
 *
 * What lies there is nobody's but the machine's, so a snapshot of the machine must be able to take it along and put it back, which
 * the store itself cannot do. This wrapper remembers which pages have been written since the machine was started; the others have never
 * been read, and need not be kept.
 */
import { growUint8 } from '../machine/grow.js';
import { MemoryStore } from '../machine/memory-store.js';
import type { BackingStore, IoResult } from '../machine/store.js';
import { PAGE_SIZE, pageOf, pagesFor } from '../machine/units.js';
import type { SystemOptions } from './system.js';

/** Pages in one transfer when contents are read out. */
const PAGES_AT_ONCE = 256;

/** Neighbouring pages, and what lies on them. */
export interface PageRun {
  readonly page: number;
  readonly bytes: Uint8Array;
}

export class PrivateStore implements BackingStore {
  readonly synchronous: boolean;
  readonly selfContained = true;
  /** 1 by page that has been written. */
  private written: Uint8Array = new Uint8Array(0);

  constructor(readonly inner: BackingStore) {
    this.synchronous = inner.synchronous;
  }

  size(): number {
    return this.inner.size();
  }

  read(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    return this.inner.read(offset, buffers);
  }

  write(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    const end = pagesFor(buffers.reduce((at, buffer) => at + buffer.byteLength, offset));
    if (end > this.written.length) this.written = growUint8(this.written, end);
    this.written.fill(1, pageOf(offset), end);
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

  /**
   * Everything that was written, by its place.
   * @throws Error when the store cannot be read, or answers later
   */
  contents(): PageRun[] {
    const runs: PageRun[] = [];
    const { written } = this;
    for (let page = written.indexOf(1); page >= 0; ) {
      let end = page + 1;
      while (end < page + PAGES_AT_ONCE && written[end] === 1) end++;
      const bytes = new Uint8Array((end - page) * PAGE_SIZE);
      complete('read', bytes.byteLength, this.inner.read(page * PAGE_SIZE, [bytes]));
      runs.push({ page, bytes });
      page = written.indexOf(1, end);
    }
    return runs;
  }

  /**
   * Writes back what `contents` once answered.
   * @throws Error when the store cannot be written, or answers later
   */
  putBack(runs: readonly PageRun[]): void {
    for (const { page, bytes } of runs) {
      complete('written', bytes.byteLength, this.inner.write(page * PAGE_SIZE, [bytes]));
    }
  }
}

/** A transfer for a snapshot is done at once and wholly, or the snapshot fails. */
function complete(done: string, bytes: number, result: IoResult | Promise<IoResult>): void {
  if (typeof result !== 'number') throw new Error('swap lies on a store that answers later: it has no snapshots');
  if (result !== bytes) throw new Error(`swap cannot be ${done}: the store answers ${result} for ${bytes} bytes`);
}

/** Where a machine with these options swaps to, or null when there are no bytes to keep. */
export function swapStoreOf(options: SystemOptions, pages: number): BackingStore | null {
  if (pages === 0 || options.contents === false) return null;
  const store = options.swapStore ?? new MemoryStore();
  return store.selfContained === true ? store : new PrivateStore(store);
}
