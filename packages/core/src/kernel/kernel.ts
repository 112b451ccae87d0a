/**
 * The kernel under the kernels: who runs, who sleeps, who wakes.
 *
 * The default scheduler runs a thread until it blocks, then the next in the order in which they became runnable. Another
 * (an explorer's) may be plugged in; it is asked at every point where the CPU could change hands.
 *
 * Callers from outside are synchronous: `call` runs a task on a thread and comes back with its result, letting other threads run
 * meanwhile as far as the task waits for them. When nobody can run, the clock jumps to the next time-out; when there is none
 * either, the wait is for ever and a KernelHang says on what. I/O of an asynchronous store completes outside: a synchronous call
 * that would have to wait for it fails with a WouldBlockError, `callAsync` awaits it.
 */
import type { SimClock } from '../machine/clock.js';
import type { IoResult } from '../machine/store.js';
import { KernelHang } from './errors.js';
import type { Stage, Staged } from './stages.js';
import { advance } from './stages.js';
import type { Channel, Task } from './thread.js';
import { Thread } from './thread.js';

/** A synchronous call met I/O that completes later: the store is asynchronous. */
export class WouldBlockError extends Error {
  override readonly name = 'WouldBlockError';
}

/** Chooses who runs next among the runnable threads; `current` just ran and may still be runnable. */
export interface Scheduler {
  next(runnable: readonly Thread[], current: Thread | null): Thread | null;
}

/** Runs a thread until it blocks, then the one that has been runnable longest. */
export const runUntilBlocked: Scheduler = {
  next: (runnable, current) => (current?.running ? current : (runnable[0] ?? null)),
};

export class Kernel {
  scheduler: Scheduler = runUntilBlocked;
  private nextThreadId = 1;
  /** Threads with a task of their own, in the order in which they became runnable. */
  private readonly runQueue: Thread[] = [];
  private readonly sleepers = new Map<Channel, Thread[]>();
  private timedSleepers = 0;
  private pendingIo = 0;
  private ioSettled: (() => void) | null = null;

  constructor(readonly clock: SimClock) {}

  createThread(name: string): Thread {
    return new Thread(this.nextThreadId++, name);
  }

  /** A thread with work of its own, such as a daemon. It runs when somebody else waits or is told to. */
  startThread(name: string, body: (thread: Thread) => Task<unknown>): Thread {
    const thread = this.createThread(name);
    thread.task = body(thread);
    this.runQueue.push(thread);
    return thread;
  }

  // ---- sleep and wakeup -------------------------------------------------------------------------------------------

  /**
   * Marks the thread as sleeping on a channel; the caller then leaves the CPU.
   * @param timeout nanoseconds of the simulated clock after which it wakes by itself
   */
  sleep(thread: Thread, channel: Channel, wmesg: string, timeout = Number.POSITIVE_INFINITY): void {
    thread.state = 'sleeping';
    thread.channel = channel;
    thread.wmesg = wmesg;
    thread.timedOut = false;
    thread.wakeTime = Number.POSITIVE_INFINITY;
    if (timeout !== Number.POSITIVE_INFINITY) {
      thread.wakeTime = this.clock.ns + timeout;
      this.timedSleepers++;
    }
    const queue = this.sleepers.get(channel);
    if (queue === undefined) this.sleepers.set(channel, [thread]);
    else queue.push(thread);
    for (const token of thread.tokens) if (token !== channel && token.owner === thread) token.yieldUp();
  }

  /** Makes every thread that sleeps on the channel runnable. */
  wakeup(channel: Channel): void {
    const queue = this.sleepers.get(channel);
    if (queue === undefined) return;
    this.sleepers.delete(channel);
    for (const thread of queue) this.makeRunnable(thread, false);
  }

  /** Makes the thread that has slept longest on the channel runnable. */
  wakeupOne(channel: Channel): void {
    const thread = this.sleepers.get(channel)?.[0];
    if (thread !== undefined) this.wakeThread(thread, false);
  }

  /** Wakes one thread wherever it sleeps. */
  wakeThread(thread: Thread, timedOut: boolean): void {
    if (thread.state !== 'sleeping') return;
    const channel = thread.channel as Channel;
    const queue = this.sleepers.get(channel) as Thread[];
    queue.splice(queue.indexOf(thread), 1);
    if (queue.length === 0) this.sleepers.delete(channel);
    this.makeRunnable(thread, timedOut);
  }

  /** Threads that sleep on a channel. */
  sleepersOn(channel: Channel): readonly Thread[] {
    return this.sleepers.get(channel) ?? [];
  }

  private makeRunnable(thread: Thread, timedOut: boolean): void {
    if (thread.wakeTime !== Number.POSITIVE_INFINITY) this.timedSleepers--;
    thread.wakeTime = Number.POSITIVE_INFINITY;
    thread.state = 'runnable';
    thread.channel = null;
    thread.timedOut = timedOut;
    if (thread.task !== null) this.runQueue.push(thread);
  }

  // ---- I/O that completes outside ---------------------------------------------------------------------------------

  /** Puts the thread to sleep until the promise settles, then hands the result to `done`. A rejection counts as EIO. */
  awaitIo(thread: Thread, io: Promise<IoResult>, wmesg: string, done: (result: IoResult) => void): void {
    this.sleep(thread, io, wmesg);
    this.watchIo(io, (result) => {
      done(result);
      this.wakeup(io);
    });
  }

  /** The same while nobody sleeps for it: read-ahead, which its owner looks at only when it is there. */
  watchIo(io: Promise<IoResult>, done: (result: IoResult) => void): void {
    this.pendingIo++;
    const settle = (result: IoResult): void => {
      this.pendingIo--;
      done(result);
      this.ioSettled?.();
    };
    io.then(settle, () => settle(-5));
  }

  // ---- running ----------------------------------------------------------------------------------------------------

  /** Runs a record's stages to the end; the fast way, without a task. */
  runRecord<R extends Staged>(record: R, first: Stage<R>): void {
    let stage = advance(record, first);
    while (stage !== null) {
      this.waitUntilRunnable(record.thread);
      stage = advance(record, stage);
    }
  }

  /** Runs a task on a thread to its end and answers its result. */
  call<T>(thread: Thread, task: Task<T>): T {
    for (;;) {
      const step = task.next();
      if (step.done === true) return step.value;
      if (!thread.running) this.waitUntilRunnable(thread);
    }
  }

  /** The same, waiting also for I/O that completes outside. */
  async callAsync<T>(thread: Thread, task: Task<T>): Promise<T> {
    for (;;) {
      const step = task.next();
      if (step.done === true) return step.value;
      while (!this.tryUntilRunnable(thread)) await this.nextCompletion();
    }
  }

  /** The same for a record. */
  async runRecordAsync<R extends Staged>(record: R, first: Stage<R>): Promise<void> {
    let stage = advance(record, first);
    while (stage !== null) {
      while (!this.tryUntilRunnable(record.thread)) await this.nextCompletion();
      stage = advance(record, stage);
    }
  }

  private nextCompletion(): Promise<void> {
    return new Promise((resolve) => {
      this.ioSettled = () => {
        this.ioSettled = null;
        resolve();
      };
    });
  }

  /** Lets other threads run until `thread` may go on. */
  private waitUntilRunnable(thread: Thread): void {
    if (this.tryUntilRunnable(thread)) return;
    throw new WouldBlockError(
      `${thread.name} waits (${thread.wmesg}) for a store that answers later; use the asynchronous call instead`,
    );
  }

  /** As far as threads and time-outs can help: false when only I/O from outside can. */
  private tryUntilRunnable(thread: Thread): boolean {
    let last: Thread | null = null;
    while (!this.resume(thread)) {
      last = this.scheduler.next(this.runnableTasks(), last);
      if (last !== null) this.step(last);
      else if (this.timedSleepers > 0) this.fireNextTimeout();
      else if (this.pendingIo > 0) return false;
      else throw new KernelHang(thread.wmesg, `${thread.name} would sleep for ever on ${thread.wmesg}`);
    }
    return true;
  }

  /** Runs every thread that has a task until all of them sleep. */
  runDaemons(): void {
    let last: Thread | null = null;
    for (;;) {
      last = this.scheduler.next(this.runnableTasks(), last);
      if (last === null) return;
      this.step(last);
    }
  }

  /** Lets one thread with a task run to its next yield. */
  step(thread: Thread): void {
    if (!this.resume(thread)) return;
    const step = (thread.task as Task<unknown>).next();
    if (step.done === true) thread.state = 'done';
    if (!thread.running) this.leaveRunQueue(thread);
  }

  /** Whether the thread may run: runnable, and with all its tokens back. */
  private resume(thread: Thread): boolean {
    if (!thread.running) return false;
    for (const token of thread.tokens) {
      if (token.owner !== thread && !token.claim(thread)) return false;
    }
    return true;
  }

  private runnableTasks(): Thread[] {
    return this.runQueue.filter((thread) => thread.running && thread.task !== null);
  }

  private leaveRunQueue(thread: Thread): void {
    const at = this.runQueue.indexOf(thread);
    if (at >= 0) this.runQueue.splice(at, 1);
  }

  /** Time passes to the earliest time-out, which wakes its thread. */
  private fireNextTimeout(): void {
    let earliest: Thread | null = null;
    for (const queue of this.sleepers.values()) {
      for (const thread of queue) if (earliest === null || thread.wakeTime < earliest.wakeTime) earliest = thread;
    }
    if (earliest === null || earliest.wakeTime === Number.POSITIVE_INFINITY)
      throw new Error('no sleeper has a time-out');
    if (earliest.wakeTime > this.clock.ns) this.clock.advance(earliest.wakeTime - this.clock.ns);
    this.wakeThread(earliest, true);
  }
}
