/**
 * Stores whose calls wait at gates that a check opens when it likes, and the turns of the event loop in between: what checks with several
 * threads are made of.
 */
import assert from 'node:assert/strict';
import type { BackingStore, IoResult } from '@faultline/core';
import { Gate } from '@faultline/core';

export type Held = 'read' | 'write' | 'truncate' | 'sync';

/** Answers later. While `hold` says so, calls of a kind wait until `release`. */
export class GatedStore implements BackingStore {
  readonly synchronous = false;
  readonly counts = { read: 0, write: 0, truncate: 0, sync: 0 };
  waiting = 0;
  private gates: Partial<Record<Held, Gate>> = {};

  constructor(readonly inner: BackingStore) {}

  /** Calls of this kind wait from now on. */
  hold(kind: Held): void {
    this.gates[kind] = new Gate();
  }

  /** Lets those go on that wait, and those that come. */
  release(): void {
    for (const gate of Object.values(this.gates)) gate.open();
    this.gates = {};
  }

  size(): number {
    return this.inner.size();
  }
  read(offset: number, buffers: readonly Uint8Array[]): Promise<IoResult> {
    return this.later('read', () => this.inner.read(offset, buffers));
  }
  write(offset: number, buffers: readonly Uint8Array[]): Promise<IoResult> {
    return this.later('write', () => this.inner.write(offset, buffers));
  }
  truncate(bytes: number): Promise<IoResult> {
    return this.later('truncate', () => this.inner.truncate(bytes));
  }
  sync(): Promise<IoResult> {
    return this.later('sync', () => this.inner.sync());
  }
  close(): void {
    this.inner.close();
  }

  private async later(kind: Held, call: () => IoResult | Promise<IoResult>): Promise<IoResult> {
    this.counts[kind]++;
    const gate = this.gates[kind];
    await turn();
    if (gate !== undefined) {
      this.waiting++;
      await gate.opened;
      this.waiting--;
    }
    return call();
  }
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Waits until somebody waits at a gate of the store; a check that is about that has failed if nobody comes. */
export async function untilHeld(store: GatedStore): Promise<void> {
  for (let i = 0; i < 200 && store.waiting === 0; i++) await turn();
  assert.ok(store.waiting > 0, 'nobody waits for the store');
}

/** Whether a promise has settled after some turns. */
export async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const mark = (): void => {
    done = true;
  };
  promise.then(mark, mark);
  await turns();
  return done;
}
