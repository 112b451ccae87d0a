/**
 * A pool of records that are used again and again: fault records.
 *
 * The records that nobody uses are linked through themselves. An array would give its memory back when its last element leaves, and ask for
 * more when one comes back: with one thread at work that is at each fault.
 */
export interface Pooled<R> {
  /** The next one in the pool, while this one is in it. */
  nextFree: R | null;
}

export class RecordPool<R extends Pooled<R>> {
  private first: R | null = null;

  /** A record that nobody uses, as its last user left it, or null. */
  take(): R | null {
    const record = this.first;
    if (record !== null) this.first = record.nextFree;
    return record;
  }

  /** Nobody uses the record any more. */
  give(record: R): void {
    record.nextFree = this.first;
    this.first = record;
  }
}
