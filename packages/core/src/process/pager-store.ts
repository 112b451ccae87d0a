/**
 * A user's pager as a backing store: the kernels know only stores.
 *
 * Reads and writes of a store begin and end at pages but for the end of the file; a pager's length is whole pages as far as it is concerned, so buffers are
 * handed on as they come. What a pager throws or rejects with is an I/O error, as a driver would tell it.
 */
import { type BackingStore, EIO, type IoResult } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { UserPager } from './api.js';

/** errno of what a pager cannot do at all. */
const EINVAL = 22;
const EROFS = 30;

function lengthOf(buffers: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const buffer of buffers) bytes += buffer.byteLength;
  return bytes;
}

/** The answer of a transfer of so many bytes, at once or later. */
function settled(bytes: number, work: () => void | Promise<void>): IoResult | Promise<IoResult> {
  try {
    const later = work();
    if (later === undefined) return bytes;
    return later.then(
      () => bytes,
      () => -EIO,
    );
  } catch {
    return -EIO;
  }
}

export class PagerStore implements BackingStore {
  constructor(
    private readonly pager: UserPager,
    /** Whether the machine takes only stores that answer at once. A pager that answers late all the same is an error of its author. */
    readonly synchronous: boolean,
  ) {}

  size(): number {
    return this.pager.size;
  }

  read(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    let wanted: number[];
    try {
      wanted = this.present(offset, buffers);
    } catch {
      return -EIO;
    }
    const bytes = lengthOf(buffers);
    if (wanted.length === buffers.length) return this.answer(bytes, () => this.pager.getPages(offset, buffers));
    return this.answer(bytes, () => this.readRuns(offset, buffers, wanted));
  }

  /** The buffers whose pages exist; the others are zeroed at once. */
  private present(offset: number, buffers: readonly Uint8Array[]): number[] {
    const there: number[] = [];
    for (const [i, buffer] of buffers.entries()) {
      if (this.pager.hasPage?.(offset + i * PAGE_SIZE) ?? true) there.push(i);
      else buffer.fill(0);
    }
    return there;
  }

  /** Asks for each run of neighbouring pages that exist. */
  private readRuns(offset: number, buffers: readonly Uint8Array[], there: readonly number[]): void | Promise<void> {
    const later: Promise<void>[] = [];
    for (let at = 0; at < there.length; ) {
      let to = at + 1;
      while (to < there.length && there[to] === (there[to - 1] as number) + 1) to++;
      const first = there[at] as number;
      const promise = this.pager.getPages(offset + first * PAGE_SIZE, buffers.slice(first, first + to - at));
      if (promise !== undefined) later.push(promise);
      at = to;
    }
    return later.length === 0 ? undefined : Promise.all(later).then(() => undefined);
  }

  write(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    const { pager } = this;
    if (pager.putPages === undefined) return -EROFS;
    return this.answer(lengthOf(buffers), () => pager.putPages?.(offset, buffers));
  }

  private answer(bytes: number, work: () => void | Promise<void>): IoResult | Promise<IoResult> {
    const result = settled(bytes, work);
    if (!this.synchronous || typeof result === 'number') return result;
    throw new TypeError('this pager answers with a promise: it needs a machine of createAsyncMachine');
  }

  truncate(): IoResult {
    return -EINVAL;
  }

  sync(): IoResult {
    return 0;
  }

  close(): void {}
}
