/**
 * Locks: the mutex and the read/write lock that the four kernels build on.
 *
 * `acquire` answers true when the lock is held, or puts the thread to sleep on the lock and answers false; the caller then
 * leaves the CPU and tries again. A release wakes every waiter, and they race: which one wins is the scheduler's choice, as it is
 * the kernel's. A thread about to wait in a ring of locks gets a DeadlockError at once that says who holds and who waits.
 */
import { DeadlockError } from './errors.js';
import type { Kernel } from './kernel.js';
import type { Thread } from './thread.js';

export interface Lock {
  readonly name: string;
  /** Threads that keep others out just now. */
  holders(): readonly Thread[];
}

/** Throws when `thread` waiting for `lock` would close a ring. */
function refuseDeadlock(thread: Thread, lock: Lock): void {
  const path: string[] = [];
  if (!reaches(lock, thread, path, new Set())) return;
  const text = [`${thread.name} waits for ${lock.name}`, ...path].join(', ');
  throw new DeadlockError(`deadlock: ${text}`);
}

/** Whether some holder of `lock` waits, over any number of locks, for `target`. */
function reaches(lock: Lock, target: Thread, path: string[], seen: Set<Lock>): boolean {
  if (seen.has(lock)) return false;
  seen.add(lock);
  for (const holder of lock.holders()) {
    path.push(`held by ${holder.name}`);
    if (holder === target) return true;
    if (holder.waitsFor !== null) {
      path.push(`who waits for ${holder.waitsFor.name}`);
      if (reaches(holder.waitsFor, target, path, seen)) return true;
      path.pop();
    }
    path.pop();
  }
  return false;
}

/** Puts a thread to sleep until the lock is released. */
function waitFor(kernel: Kernel, thread: Thread, lock: Lock): false {
  thread.waitsFor = lock;
  refuseDeadlock(thread, lock);
  kernel.sleep(thread, lock, lock.name);
  return false;
}

function noteReleased(thread: Thread, lock: Lock): void {
  const at = thread.holds.lastIndexOf(lock);
  if (at === thread.holds.length - 1) thread.holds.pop();
  else thread.holds.splice(at, 1);
}

const NOBODY: readonly Thread[] = [];

/** One holder; recursion only where the kernel's lock allows it. */
export class Mutex implements Lock {
  owner: Thread | null = null;
  private depth = 0;
  private waiters = false;

  constructor(
    private readonly kernel: Kernel,
    readonly name: string,
    private readonly recursive = false,
  ) {}

  holders(): readonly Thread[] {
    return this.owner === null ? NOBODY : [this.owner];
  }

  /** Takes the lock, or sleeps for it and answers false. */
  acquire(thread: Thread): boolean {
    if (this.tryAcquire(thread)) return true;
    this.waiters = true;
    return waitFor(this.kernel, thread, this);
  }

  /** Takes the lock if nobody has it. */
  tryAcquire(thread: Thread): boolean {
    if (this.owner === null) {
      this.owner = thread;
      this.depth = 1;
      thread.waitsFor = null;
      thread.holds.push(this);
      return true;
    }
    if (this.owner !== thread || !this.recursive) return false;
    this.depth++;
    return true;
  }

  release(thread: Thread): void {
    if (this.owner !== thread) throw new Error(`${thread.name} releases ${this.name}, which it does not hold`);
    if (--this.depth > 0) return;
    this.owner = null;
    noteReleased(thread, this);
    if (!this.waiters) return;
    this.waiters = false;
    this.kernel.wakeup(this);
  }

  heldBy(thread: Thread): boolean {
    return this.owner === thread;
  }
}

/** Many readers or one writer; recursion for readers (they cannot be kept out by themselves), upgrade by try. */
export class RwLock implements Lock {
  writer: Thread | null = null;
  private depth = 0;
  private readonly readers: Thread[] = [];
  private waiters = false;

  constructor(
    private readonly kernel: Kernel,
    readonly name: string,
    private readonly recursive = false,
  ) {}

  holders(): readonly Thread[] {
    return this.writer === null ? this.readers : [this.writer];
  }

  acquireRead(thread: Thread): boolean {
    if (this.tryRead(thread)) return true;
    this.waiters = true;
    return waitFor(this.kernel, thread, this);
  }

  tryRead(thread: Thread): boolean {
    if (this.writer !== null) return false;
    this.readers.push(thread);
    thread.waitsFor = null;
    thread.holds.push(this);
    return true;
  }

  acquireWrite(thread: Thread): boolean {
    if (this.tryWrite(thread)) return true;
    this.waiters = true;
    return waitFor(this.kernel, thread, this);
  }

  tryWrite(thread: Thread): boolean {
    if (this.writer === thread && this.recursive) {
      this.depth++;
      return true;
    }
    if (this.writer !== null || this.readers.length > 0) return false;
    this.writer = thread;
    this.depth = 1;
    thread.waitsFor = null;
    thread.holds.push(this);
    return true;
  }

  /** Turns a reader's hold into the writer's if it is the only reader; otherwise nothing changes. */
  tryUpgrade(thread: Thread): boolean {
    if (this.readers.length !== 1 || this.readers[0] !== thread) return false;
    this.readers.length = 0;
    this.writer = thread;
    this.depth = 1;
    return true;
  }

  /** Turns the writer's hold into a reader's. */
  downgrade(thread: Thread): void {
    if (this.writer !== thread || this.depth !== 1)
      throw new Error(`${thread.name} downgrades ${this.name} without it`);
    this.writer = null;
    this.readers.push(thread);
    this.wakeWaiters();
  }

  releaseRead(thread: Thread): void {
    const at = this.readers.lastIndexOf(thread);
    if (at < 0) throw new Error(`${thread.name} releases ${this.name}, which it does not read`);
    this.readers.splice(at, 1);
    noteReleased(thread, this);
    if (this.readers.length === 0) this.wakeWaiters();
  }

  releaseWrite(thread: Thread): void {
    if (this.writer !== thread) throw new Error(`${thread.name} releases ${this.name}, which it does not write`);
    if (--this.depth > 0) return;
    this.writer = null;
    noteReleased(thread, this);
    this.wakeWaiters();
  }

  heldForWriteBy(thread: Thread): boolean {
    return this.writer === thread;
  }

  private wakeWaiters(): void {
    if (!this.waiters) return;
    this.waiters = false;
    this.kernel.wakeup(this);
  }
}
