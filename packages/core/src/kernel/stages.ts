/**
 * Stages: how a page fault runs.
 *
 * A fault is a record and a chain of plain functions. Each does one named part of the work (`lookup`, `search`, `pagein`, ...) and
 * returns the next one, itself (to try a lock again), or null at the end. A stage ends wherever the kernel could lose the
 * CPU: where it takes a lock that may be held, or waits for a page or for I/O. So a fault that never blocks costs no generator
 * and no promise; one that does is a record put aside; a scheduler may switch threads between stages; and the
 * explanation of a fault is the list of its stages.
 */
import type { Task, Thread } from './thread.js';

/** One named part of the work on a record. */
export type Stage<R> = (record: R) => Stage<R> | null;

/** What runs in stages: the record knows its thread. */
export interface Staged {
  readonly thread: Thread;
}

/** Hears of each stage before it runs. */
export interface StageListener {
  stage(name: string, record: Staged): void;
}

/**
 * Runs stages until the record is done (null) or its thread must wait; answers the stage to go on with.
 * This loop is every fault's: it does nothing else.
 */
export function advance<R extends Staged>(record: R, from: Stage<R>): Stage<R> | null {
  const thread = record.thread;
  let stage: Stage<R> | null = from;
  do {
    stage = stage(record);
  } while (stage !== null && thread.state === 'runnable');
  return stage;
}

/** The same, telling somebody of each stage: a loop of its own, so that the other need not ask whether anybody listens. */
export function advanceHeard<R extends Staged>(record: R, from: Stage<R>, listener: StageListener): Stage<R> | null {
  const thread = record.thread;
  let stage: Stage<R> | null = from;
  do {
    listener.stage(stage.name, record);
    stage = stage(record);
  } while (stage !== null && thread.state === 'runnable');
  return stage;
}

/** Runs a record to its end inside a task, yielding after each stage. */
export function* runStages<R extends Staged>(record: R, first: Stage<R>): Task<void> {
  let stage: Stage<R> | null = first;
  while (stage !== null) {
    stage = stage(record);
    yield;
  }
}
