/**
 * DragonFly's serializing tokens. A token is held only while its holder runs: a thread that blocks loses all its tokens and has
 * them all again before it goes on, so what they protect may have changed across any sleep. Holding order does not matter,
 * and tokens cannot deadlock. A thread may hold a token several times.
 */
import type { Kernel } from './kernel.js';
import type { Lock } from './locks.js';
import type { Thread } from './thread.js';

export class Token implements Lock {
  owner: Thread | null = null;
  private waiters = false;

  constructor(
    private readonly kernel: Kernel,
    readonly name: string,
  ) {}

  holders(): readonly Thread[] {
    return this.owner === null ? [] : [this.owner];
  }

  /** Takes the token, or sleeps for it and answers false. */
  acquire(thread: Thread): boolean {
    if (!this.claim(thread)) return false;
    thread.tokens.push(this);
    return true;
  }

  /** Gives back the newest hold of the token. */
  release(thread: Thread): void {
    const at = thread.tokens.lastIndexOf(this);
    if (at < 0 || this.owner !== thread)
      throw new Error(`${thread.name} releases ${this.name}, which it does not hold`);
    // Nearly always the last one taken, and `splice` would answer an array of it.
    if (at === thread.tokens.length - 1) thread.tokens.pop();
    else thread.tokens.splice(at, 1);
    if (!thread.tokens.includes(this)) this.yieldUp();
  }

  /** Takes the newest hold from a thread that has gone to sleep, and so has lost the token: it does not want it back on waking. */
  forget(thread: Thread): void {
    const at = thread.tokens.lastIndexOf(this);
    if (at < 0 || thread.running) throw new Error(`${thread.name} forgets ${this.name}, which it has not lost`);
    thread.tokens.splice(at, 1);
  }

  heldBy(thread: Thread): boolean {
    return this.owner === thread;
  }

  /** Ownership without a new hold: for the first acquire and for the return from sleep. */
  claim(thread: Thread): boolean {
    if (this.owner === null || this.owner === thread) {
      this.owner = thread;
      return true;
    }
    this.waiters = true;
    this.kernel.sleep(thread, this, this.name);
    return false;
  }

  /** Ownership ends; the thread's holds stay on its list when it merely blocks. */
  yieldUp(): void {
    this.owner = null;
    if (!this.waiters) return;
    this.waiters = false;
    this.kernel.wakeup(this);
  }
}
