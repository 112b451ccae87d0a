/**
 * The kernel under the kernels: who runs, who sleeps, who wakes.
 *
 * The default scheduler runs a thread until it blocks, then the next in the order in which they became runnable. Another
 * (an explorer's) may be plugged in; it is asked at every point where the CPU could change hands.
 *
 * Callers from outside are synchronous: `call` runs a task on a thread and comes back with its result, letting other threads run
 * meanwhile as far as the task waits for them. When nobody can run, the clock jumps to the next time-out; when there is none
 * either, the wait is for ever and a KernelHang says on what. I/O of an asynchronous store completes outside: a synchronous call
 * that would have to wait for it fails with a WouldBlockError, and what it began is finished in the background; `callAsync` awaits it.
 */
import type { SimClock } from '../machine/clock.js';
import type { IoResult } from '../machine/store.js';
import { KernelHang } from './errors.js';
import type { Stage, Staged, StageListener } from './stages.js';
import { advance, advanceHeard } from './stages.js';
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

/** A thread that serves the kernel for ever, and what it sleeps on between one piece of work and the next. */
interface Daemon {
  readonly thread: Thread;
  readonly home: Channel;
  readonly body: (thread: Thread) => Task<unknown>;
}

export class Kernel {
  scheduler: Scheduler = runUntilBlocked;
  /** Hears the stages of every record that is run directly, or null. */
  stageListener: StageListener | null = null;
  private nextThreadId = 1;
  /** Threads with a task of their own, in the order in which they became runnable. */
  private readonly runQueue: Thread[] = [];
  private readonly sleepers = new Map<Channel, Thread[]>();
  private timedSleepers = 0;
  private pendingIo = 0;
  /** Who awaits the next completion of I/O. */
  private ioWaiters: (() => void)[] = [];
  private readonly background = new Set<Promise<unknown>>();
  /** Threads that are run asynchronously just now: one that is runnable goes on when its promise does. */
  private readonly asyncThreads = new Set<Thread>();
  private readonly daemons: Daemon[] = [];
  /** Synchronous calls and faults in progress: more than one when one is made from within another. */
  private callsInProgress = 0;
  /** Steps that daemons have been made to take by `settle`. */
  daemonSteps = 0;

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

  /**
   * A thread that sleeps on `home` whenever it has nothing to do. Between pieces of work its body keeps nothing in local variables, and
   * when it begins it first looks whether there is work: so a body begun afresh can take the place of one that sleeps at home.
   */
  startDaemon(name: string, home: Channel, body: (thread: Thread) => Task<unknown>): Thread {
    const thread = this.startThread(name, body);
    this.daemons.push({ thread, home, body });
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
    else if (this.asyncThreads.size > 0) this.resumeWaiters();
  }

  /** Lets everybody who awaits a completion look again. */
  private resumeWaiters(): void {
    const waiters = this.ioWaiters;
    this.ioWaiters = [];
    for (const resolve of waiters) resolve();
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
      this.resumeWaiters();
    };
    io.then(settle, () => settle(-5));
  }

  // ---- running ----------------------------------------------------------------------------------------------------

  /**
   * Runs a record's stages to the end; the fast way, without a task.
   * @throws WouldBlockError when it met I/O that completes later; the record is then finished in the background
   */
  runRecord<R extends Staged>(record: R, first: Stage<R>): void {
    this.refuseBusy(record.thread);
    this.callsInProgress++;
    try {
      let stage = this.advance(record, first);
      while (stage !== null) {
        if (!this.tryUntilRunnable(record.thread)) {
          this.inBackground(this.runRecordAsync(record, stage));
          throw this.wouldBlock(record.thread);
        }
        stage = this.advance(record, stage);
      }
    } finally {
      this.callsInProgress--;
    }
  }

  /** The same, waiting also for I/O that completes outside. */
  async runRecordAsync<R extends Staged>(record: R, first: Stage<R>): Promise<void> {
    const { thread } = record;
    let stage: Stage<R> | null = first;
    this.asyncThreads.add(thread);
    try {
      while (stage !== null) {
        while (!this.tryUntilRunnable(thread)) await this.nextCompletion();
        stage = this.advance(record, stage);
      }
    } finally {
      this.asyncThreads.delete(thread);
    }
  }

  /** Whether somebody listens is asked once here, not at each stage. */
  private advance<R extends Staged>(record: R, from: Stage<R>): Stage<R> | null {
    return this.stageListener === null ? advance(record, from) : advanceHeard(record, from, this.stageListener);
  }

  /**
   * Runs a task on a thread to its end and answers its result.
   * @throws WouldBlockError when it met I/O that completes later; the task is then finished in the background
   */
  call<T>(thread: Thread, task: Task<T>): T {
    this.refuseBusy(thread);
    this.callsInProgress++;
    try {
      for (;;) {
        const step = task.next();
        if (step.done === true) return step.value;
        if (thread.running || this.tryUntilRunnable(thread)) continue;
        this.inBackground(this.callAsync(thread, task));
        throw this.wouldBlock(thread);
      }
    } finally {
      this.callsInProgress--;
    }
  }

  /** The same, waiting also for I/O that completes outside. */
  async callAsync<T>(thread: Thread, task: Task<T>): Promise<T> {
    this.asyncThreads.add(thread);
    try {
      for (;;) {
        while (!this.tryUntilRunnable(thread)) await this.nextCompletion();
        const step = task.next();
        if (step.done === true) return step.value;
      }
    } finally {
      this.asyncThreads.delete(thread);
    }
  }

  /**
   * Begins a task on a thread of its own. Answers its result if it is over without I/O that completes outside; otherwise null, and it is finished in the
   * background.
   */
  begin<T>(thread: Thread, task: Task<T>): { readonly result: T } | null {
    for (;;) {
      const step = task.next();
      if (step.done === true) return { result: step.value };
      if (this.tryUntilRunnable(thread)) continue;
      this.inBackground(this.callAsync(thread, task));
      return null;
    }
  }

  /** Settles when nothing that a WouldBlockError or `begin` left behind is in progress. */
  async whenIdle(): Promise<void> {
    while (this.background.size > 0) await Promise.allSettled(this.background);
  }

  /** Settles when no I/O is in progress either, and the daemons that it has woken are asleep again. Calls of others in progress prolong it. */
  async whenQuiet(): Promise<void> {
    for (;;) {
      if (this.background.size > 0) await Promise.allSettled(this.background);
      else if (this.runnableTasks().length > 0) this.runDaemons();
      else if (this.pendingIo > 0) await this.nextCompletion();
      else return;
    }
  }

  private inBackground(work: Promise<unknown>): void {
    const tracked: Promise<unknown> = work.finally(() => this.background.delete(tracked));
    this.background.add(tracked);
    // What fails there (a panic) shows in the machine; nobody is left to be told.
    tracked.catch(() => {});
  }

  private wouldBlock(thread: Thread): WouldBlockError {
    return new WouldBlockError(
      `${thread.name} waits (${thread.wmesg}) for a store that answers later: ` +
        'use the asynchronous call, or try again once whenIdle() has settled',
    );
  }

  /** A thread whose last call is still in progress cannot take another. */
  private refuseBusy(thread: Thread): void {
    if (!thread.running && thread.task === null) throw this.wouldBlock(thread);
  }

  private nextCompletion(): Promise<void> {
    return new Promise((resolve) => this.ioWaiters.push(resolve));
  }

  /** As far as threads and time-outs can help: false when only I/O from outside can. */
  private tryUntilRunnable(thread: Thread): boolean {
    let last: Thread | null = null;
    while (!this.resume(thread)) {
      last = this.scheduler.next(this.runnableTasks(), last);
      if (last !== null) this.step(last);
      else if (this.timedSleepers > 0) this.fireNextTimeout();
      else if (this.pendingIo > 0 || this.someAsyncThreadRuns()) return false;
      else throw new KernelHang(thread.wmesg, `${thread.name} would sleep for ever on ${thread.wmesg}`);
    }
    return true;
  }

  private someAsyncThreadRuns(): boolean {
    for (const thread of this.asyncThreads) if (thread.running) return true;
    return false;
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
    thread.atHome = thread.channel !== null && this.homeOf(thread) === thread.channel;
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

  // ---- rest -------------------------------------------------------------------------------------------------------

  /** The threads of `startDaemon`, in the order in which they were started. */
  get daemonThreads(): readonly Thread[] {
    return this.daemons.map((daemon) => daemon.thread);
  }

  private homeOf(thread: Thread): Channel | undefined {
    return this.daemons.find((daemon) => daemon.thread === thread)?.home;
  }

  /** What is in progress that only its own end can undo: the reason why nothing may be put back just now, or null. */
  inProgress(): string | null {
    if (this.callsInProgress > 0) return 'a call is in progress';
    if (this.asyncThreads.size > 0 || this.background.size > 0) {
      return 'a call waits for a store that answers later: try again once whenIdle() has settled';
    }
    return this.pendingIo > 0 ? 'I/O is in progress: try again when it is done' : null;
  }

  /**
   * Brings the kernel to where it is nothing but data: nothing in progress, and each daemon at home. A daemon that has been left in the middle of
   * its work, because who waited for it could go on, does the rest of it now.
   * @returns why that cannot be, or null
   */
  settle(): string | null {
    if (this.inProgress() === null) this.finishDaemons();
    return this.inProgress() ?? this.unfinished();
  }

  private finishDaemons(): void {
    for (const { thread } of this.daemons) {
      while (!thread.atHome && thread.running) {
        this.step(thread);
        this.daemonSteps++;
      }
    }
  }

  /** The first thread that is neither at rest nor a daemon at home. */
  private unfinished(): string | null {
    for (const { thread } of this.daemons) if (!thread.atHome) return `${thread.name} is in the middle of its work`;
    for (const queue of this.sleepers.values()) {
      const thread = queue.find((sleeper) => !sleeper.atHome);
      if (thread !== undefined) return `${thread.name} sleeps (${thread.wmesg})`;
    }
    const task = this.runQueue.find((thread) => !thread.atHome);
    return task === undefined ? null : `${task.name} has work to do`;
  }

  /** Begins the body of each daemon afresh, where it stands as if it slept at the top of its loop: what it sleeps on is data, and stays. */
  restartDaemons(): void {
    for (const { thread, body } of this.daemons) thread.task = body(thread);
  }
}
