/**
 * Backing stores: where file and swap pages live when they are not in memory.
 *
 * One small interface serves real files (Node), memory (browser and tests) and a wrapper that injects faults. A store may
 * be asynchronous: it then answers with a promise, and the kernel thread that asked sleeps until it settles. A store
 * never throws for an I/O error; it answers with a negative errno, as a driver would.
 */

/** Bytes transferred (0 at end of file), or a negative errno such as `-EIO`. */
export type IoResult = number;

export const EIO = 5;
export const ENOSPC = 28;

export interface BackingStore {
  /** True when every call answers with a plain number; false when it may answer with a promise. */
  readonly synchronous: boolean;
  /**
   * True when everything that the store holds lies in its own properties (none of them `#private`), and nowhere in the outer world: a
   * snapshot of a machine then takes it along, and puts it back. Left out by files and whatever else outlives the machine.
   */
  readonly selfContained?: boolean;
  /** Length in bytes. */
  size(): number;
  /**
   * Reads from byte `offset` into `buffers`, one after the other.
   * A short count means end of file: the rest of the buffers is left alone.
   */
  read(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult>;
  /** Writes `buffers`, one after the other, at byte `offset`, extending the store if needed. */
  write(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult>;
  /** Sets the length in bytes; a longer store reads as zeros in the new part. */
  truncate(bytes: number): IoResult | Promise<IoResult>;
  /** Returns when everything written is on stable storage. */
  sync(): IoResult | Promise<IoResult>;
  /** Gives up what the store holds (a file descriptor). Calls after it fail with EIO. */
  close(): void;
}
