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
      thread.locksHeld++;
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
    thread.locksHeld--;
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
  /** One hold of a reader, and the others if there are more: nearly always there is just one, and a field is quicker than an array. */
  private reader: Thread | null = null;
  private readonly otherReaders: Thread[] = [];
  private waiters = false;

  constructor(
    private readonly kernel: Kernel,
    readonly name: string,
    private readonly recursive = false,
  ) {}

  holders(): readonly Thread[] {
    if (this.writer !== null) return [this.writer];
    return this.reader === null ? NOBODY : [this.reader, ...this.otherReaders];
  }

  acquireRead(thread: Thread): boolean {
    if (this.tryRead(thread)) return true;
    this.waiters = true;
    return waitFor(this.kernel, thread, this);
  }

  tryRead(thread: Thread): boolean {
    if (this.writer !== null) return false;
    if (this.reader === null) this.reader = thread;
    else this.otherReaders.push(thread);
    thread.waitsFor = null;
    thread.locksHeld++;
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
    if (this.writer !== null || this.reader !== null) return false;
    this.writer = thread;
    this.depth = 1;
    thread.waitsFor = null;
    thread.locksHeld++;
    return true;
  }

  /** Turns a reader's hold into the writer's if it is the only reader; otherwise nothing changes. */
  tryUpgrade(thread: Thread): boolean {
    if (this.reader !== thread || this.otherReaders.length > 0) return false;
    this.reader = null;
    this.writer = thread;
    this.depth = 1;
    return true;
  }

  /** Turns the writer's hold into a reader's. */
  downgrade(thread: Thread): void {
    if (this.writer !== thread || this.depth !== 1)
      throw new Error(`${thread.name} downgrades ${this.name} without it`);
    this.writer = null;
    this.reader = thread;
    this.wakeWaiters();
  }

  releaseRead(thread: Thread): void {
    if (!this.dropReader(thread)) throw new Error(`${thread.name} releases ${this.name}, which it does not read`);
    thread.locksHeld--;
    if (this.reader === null) this.wakeWaiters();
  }

  /** Takes one hold of a thread away, the newest first; answers whether there was one. */
  private dropReader(thread: Thread): boolean {
    const others = this.otherReaders;
    if (others.length > 0) return this.dropOneOfMany(thread);
    if (this.reader !== thread) return false;
    this.reader = null;
    return true;
  }

  /** The same where there are several: the newest hold of all takes the place of the one that goes. */
  private dropOneOfMany(thread: Thread): boolean {
    const others = this.otherReaders;
    const at = others.lastIndexOf(thread);
    if (at < 0 && this.reader !== thread) return false;
    const newest = others.pop() as Thread;
    if (at < 0) this.reader = newest;
    else if (at < others.length) others[at] = newest;
    return true;
  }

  releaseWrite(thread: Thread): void {
    if (this.writer !== thread) throw new Error(`${thread.name} releases ${this.name}, which it does not write`);
    if (--this.depth > 0) return;
    this.writer = null;
    thread.locksHeld--;
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
