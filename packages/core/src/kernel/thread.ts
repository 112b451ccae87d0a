/**
 * Threads: what runs, what it waits for, what it holds.
 *
 * A thread's work is a *task*, a generator that yields wherever the kernel could lose the CPU. What is hot, the page fault, is
 * not a generator but a record of *stages* (`stages.ts`); a task runs one with `yield* runStages(record)`.
 *
 * Blocking is one convention for both. A call that may block (`lock.acquire(thread)`, `kernel.sleep(...)`) marks the thread as
 * sleeping and comes back at once; the code then leaves the CPU: a stage returns the stage to go on with, a task yields. So
 *
 *     task:   while (!lock.acquire(thread)) yield;
 *     stage:  if (!lock.acquire(f.thread)) return thisStage;
 *
 * and whoever made the thread runnable again sees it try anew.
 */
import type { Lock } from './locks.js';
import type { Token } from './token.js';

/** Work that may block. It yields where another thread may run. */
export type Task<T> = Generator<void, T, void>;

export type ThreadState = 'runnable' | 'sleeping' | 'done';

/** What threads sleep on: any object, or a page by its frame number. */
export type Channel = object | number;

export class Thread {
  state: ThreadState = 'runnable';
  /** What it sleeps on, and the short text that ps(1) would show for it. */
  channel: Channel | null = null;
  wmesg = '';
  /** Clock time in ns at which a sleep with time-out ends; Infinity without. */
  wakeTime = Number.POSITIVE_INFINITY;
  /** Whether the last sleep ended by its time-out. */
  timedOut = false;
  /** The lock that it waits for, for the deadlock report. */
  waitsFor: Lock | null = null;
  /** How many locks it holds, each hold of a shared one counted; 0 when it is at rest. */
  locksHeld = 0;
  /** DragonFly's tokens: held while it runs, lost while it sleeps. */
  readonly tokens: Token[] = [];
  /** What is left to do, or null while it only lends its name to a call. */
  task: Task<unknown> | null = null;
  /**
   * Of a daemon: its last step ended in the sleep at the top of its loop. It may have been woken since; then it has not run yet.
   */
  atHome = false;

  constructor(
    readonly id: number,
    readonly name: string,
  ) {}

  get running(): boolean {
    return this.state === 'runnable';
  }
}
