/** Threads, sleep and wakeup, time-outs, locks, tokens, deadlock and hang. */
import { describe, expect, it } from 'vitest';
import { SimClock } from '../machine/clock.js';
import { DeadlockError, KernelHang } from './errors.js';
import { Kernel, WouldBlockError } from './kernel.js';
import { Mutex, RwLock } from './locks.js';
import type { Stage, Staged } from './stages.js';
import type { Task, Thread } from './thread.js';
import { Token } from './token.js';

const make = () => new Kernel(new SimClock());

describe('sleep and wakeup', () => {
  it('runs others until the sleeper is woken', () => {
    const kernel = make();
    const channel = {};
    const log: string[] = [];
    kernel.startThread('daemon', function* (thread): Task<void> {
      kernel.sleep(thread, channel, 'idle');
      yield;
      log.push('daemon');
      kernel.wakeup(log);
    });
    kernel.runDaemons();
    const main = kernel.createThread('main');
    kernel.call(
      main,
      (function* (): Task<void> {
        kernel.wakeup(channel);
        kernel.sleep(main, log, 'wait');
        yield;
        log.push('main');
      })(),
    );
    expect(log).toEqual(['daemon', 'main']);
  });

  it('says on what a thread would sleep for ever', () => {
    const kernel = make();
    const main = kernel.createThread('main');
    const body = function* (): Task<void> {
      kernel.sleep(main, {}, 'vmpfw');
      yield;
    };
    expect(() => kernel.call(main, body())).toThrow(KernelHang);
    main.state = 'runnable';
    expect(() => kernel.call(main, body())).toThrow('main would sleep for ever on vmpfw');
  });

  it('lets the clock jump to the earliest time-out', () => {
    const kernel = make();
    const order: string[] = [];
    const sleeper = (name: string, ns: number) =>
      kernel.startThread(name, function* (thread): Task<void> {
        kernel.sleep(thread, {}, 'nap', ns);
        yield;
        order.push(`${name} ${thread.timedOut} ${kernel.clock.ns}`);
      });
    sleeper('late', 500);
    sleeper('early', 200);
    const main = kernel.createThread('main');
    kernel.call(
      main,
      (function* (): Task<void> {
        kernel.sleep(main, {}, 'nap', 900);
        yield;
      })(),
    );
    expect(order).toEqual(['early true 200', 'late true 500']);
    expect(kernel.clock.ns).toBe(900);
  });

  it('wakes one or all', () => {
    const kernel = make();
    const channel = {};
    const woken: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      kernel.startThread(name, function* (thread): Task<void> {
        kernel.sleep(thread, channel, 'q');
        yield;
        woken.push(name);
      });
    }
    kernel.runDaemons();
    kernel.wakeupOne(channel);
    kernel.runDaemons();
    expect(woken).toEqual(['a']);
    kernel.wakeup(channel);
    kernel.runDaemons();
    expect(woken).toEqual(['a', 'b', 'c']);
    expect(kernel.sleepersOn(channel)).toEqual([]);
  });

  it('refuses to wait synchronously for I/O that completes later, and awaits it when asked to', async () => {
    const kernel = make();
    const main = kernel.createThread('main');
    const body = function* (): Task<number> {
      let got = 0;
      kernel.awaitIo(main, Promise.resolve(42), 'vnread', (result) => {
        got = result;
      });
      yield;
      return got;
    };
    expect(() => kernel.call(main, body())).toThrow(WouldBlockError);
    expect(() => kernel.call(main, body())).toThrow('main waits (vnread)');
    await kernel.whenIdle();
    expect(main.running).toBe(true);
    const other = make();
    const thread = other.createThread('main');
    const task = (function* (): Task<number> {
      let got = 0;
      other.awaitIo(thread, Promise.reject(new Error('disk')), 'vnread', (result) => {
        got = result;
      });
      yield;
      return got;
    })();
    expect(await other.callAsync(thread, task)).toBe(-5);
  });
});

describe('asynchronous runs', () => {
  it('wait for each other as threads do', async () => {
    const kernel = make();
    const lock = new Mutex(kernel, 'object');
    const log: string[] = [];
    const run = (name: string) => {
      const thread = kernel.createThread(name);
      const body = function* (): Task<void> {
        while (!lock.acquire(thread)) yield;
        log.push(`${name} has it`);
        kernel.awaitIo(thread, Promise.resolve(0), 'vnread', () => {});
        yield;
        yield;
        lock.release(thread);
      };
      return kernel.callAsync(thread, body());
    };
    await Promise.all([run('a'), run('b'), run('c')]);
    expect(log).toEqual(['a has it', 'b has it', 'c has it']);
  });
});

describe('stages', () => {
  interface Count extends Staged {
    n: number;
  }
  const last: Stage<Count> = (r) => {
    r.n += 100;
    return null;
  };

  it('run to the end without a task, and go on where they slept', () => {
    const kernel = make();
    const channel = {};
    const nap: Stage<Count> = (r) => {
      kernel.sleep(r.thread, channel, 'nap', 50);
      return last;
    };
    const first: Stage<Count> = (r) => (++r.n < 5 ? first : nap);
    const record: Count = { thread: kernel.createThread('t'), n: 0 };
    kernel.runRecord(record, first);
    expect(record.n).toBe(105);
    expect(kernel.clock.ns).toBe(50);
  });
});

/** A thread that takes locks in order, letting others run between, then releases them. */
function taker(kernel: Kernel, name: string, locks: Mutex[], log: string[]): Thread {
  return kernel.startThread(name, function* (thread): Task<void> {
    for (const lock of locks) {
      while (!lock.acquire(thread)) yield;
      log.push(`${name} has ${lock.name}`);
      kernel.sleep(thread, log, 'breathe', 10);
      yield;
    }
    for (const lock of [...locks].reverse()) lock.release(thread);
  });
}

function settle(kernel: Kernel): void {
  const main = kernel.createThread('main');
  kernel.call(
    main,
    (function* (): Task<void> {
      kernel.sleep(main, {}, 'settle', 10_000);
      yield;
    })(),
  );
}

describe('locks', () => {
  it('keep others out until they are released', () => {
    const kernel = make();
    const log: string[] = [];
    const lock = new Mutex(kernel, 'object');
    taker(kernel, 'a', [lock], log);
    taker(kernel, 'b', [lock], log);
    settle(kernel);
    expect(log).toEqual(['a has object', 'b has object']);
    expect(lock.owner).toBeNull();
  });

  it('report a ring at once, with who holds and who waits', () => {
    const kernel = make();
    const log: string[] = [];
    const [one, two] = [new Mutex(kernel, 'one'), new Mutex(kernel, 'two')];
    taker(kernel, 'a', [one, two], log);
    taker(kernel, 'b', [two, one], log);
    expect(() => settle(kernel)).toThrow(DeadlockError);
    expect(log).toEqual(['a has one', 'b has two']);
  });

  it('name the ring in the message', () => {
    const kernel = make();
    const lock = new Mutex(kernel, 'map');
    const thread = kernel.createThread('p');
    lock.acquire(thread);
    expect(() => lock.acquire(thread)).toThrow('deadlock: p waits for map, held by p');
  });

  it('recurse only where they may', () => {
    const kernel = make();
    const thread = kernel.createThread('p');
    const giant = new Mutex(kernel, 'Giant', true);
    expect(giant.acquire(thread) && giant.acquire(thread)).toBe(true);
    giant.release(thread);
    expect(giant.heldBy(thread)).toBe(true);
    giant.release(thread);
    expect(giant.owner).toBeNull();
    expect(() => giant.release(thread)).toThrow('does not hold');
  });

  it('let many read or one write, and upgrade the only reader', () => {
    const kernel = make();
    const lock = new RwLock(kernel, 'map');
    const [a, b] = [kernel.createThread('a'), kernel.createThread('b')];
    expect(lock.tryRead(a) && lock.tryRead(b)).toBe(true);
    expect(lock.tryWrite(b)).toBe(false);
    expect(lock.tryUpgrade(a)).toBe(false);
    lock.releaseRead(b);
    expect(lock.tryUpgrade(a)).toBe(true);
    expect(lock.tryRead(b)).toBe(false);
    lock.downgrade(a);
    expect(lock.tryRead(b)).toBe(true);
    lock.releaseRead(a);
    lock.releaseRead(b);
    expect(lock.holders()).toEqual([]);
    expect(a.locksHeld).toBe(0);
  });
});

describe('tokens', () => {
  it('are lost while their holder sleeps and held again when it goes on', () => {
    const kernel = make();
    const token = new Token(kernel, 'vm token');
    const log: string[] = [];
    kernel.startThread('a', function* (thread): Task<void> {
      while (!token.acquire(thread)) yield;
      kernel.sleep(thread, {}, 'nap', 100);
      yield;
      log.push(`a goes on, owner ${token.owner?.name}`);
      token.release(thread);
    });
    kernel.startThread('b', function* (thread): Task<void> {
      while (!token.acquire(thread)) yield;
      log.push('b has it while a sleeps');
      token.release(thread);
    });
    settle(kernel);
    expect(log).toEqual(['b has it while a sleeps', 'a goes on, owner a']);
    expect(token.owner).toBeNull();
  });

  it('may be held several times', () => {
    const kernel = make();
    const token = new Token(kernel, 't');
    const [a, b] = [kernel.createThread('a'), kernel.createThread('b')];
    expect(token.acquire(a) && token.acquire(a)).toBe(true);
    token.release(a);
    expect(token.heldBy(a)).toBe(true);
    expect(token.acquire(b)).toBe(false);
    token.release(a);
    expect(b.running).toBe(true);
    expect(token.acquire(b)).toBe(true);
  });
});

describe('rest', () => {
  const idle = {};
  /** A daemon that counts its rounds, and in each steps aside once without sleeping. */
  function serve(kernel: Kernel): { work: number; rounds: number } {
    const state = { work: 0, rounds: 0 };
    kernel.startDaemon('server', idle, function* (thread): Task<void> {
      for (;;) {
        while (state.work === 0) {
          kernel.sleep(thread, idle, 'idle');
          yield;
        }
        state.work--;
        yield;
        state.rounds++;
      }
    });
    kernel.runDaemons();
    return state;
  }

  it('is when every daemon sleeps at home, or has been woken and has not run', () => {
    const kernel = make();
    const state = serve(kernel);
    expect(kernel.settle()).toBeNull();
    state.work = 1;
    kernel.wakeup(idle);
    expect(kernel.settle()).toBeNull();
    expect(state).toEqual({ work: 1, rounds: 0 });
  });

  it('lets a daemon finish what it is in the middle of', () => {
    const kernel = make();
    const state = serve(kernel);
    state.work = 1;
    kernel.wakeup(idle);
    kernel.step(kernel.daemonThreads[0] as Thread);
    expect(state).toEqual({ work: 0, rounds: 0 });
    expect(kernel.settle()).toBeNull();
    expect(state.rounds).toBe(1);
    expect(kernel.daemonSteps).toBe(1);
  });

  it('lets a body that is begun afresh take the place of one that sleeps', () => {
    const kernel = make();
    const state = serve(kernel);
    kernel.restartDaemons();
    state.work = 2;
    kernel.wakeup(idle);
    kernel.runDaemons();
    expect(state.rounds).toBe(2);
    expect(kernel.sleepersOn(idle)).toHaveLength(1);
  });

  it('is not while a thread sleeps, a task has work to do, or a daemon waits elsewhere', () => {
    const [a, b, c] = [make(), make(), make()];
    const body = function* (kernel: Kernel, thread: Thread, channel: object): Task<void> {
      kernel.sleep(thread, channel, 'pgwait');
      yield;
    };
    const main = a.createThread('main');
    expect(() => a.call(main, body(a, main, {}))).toThrow(KernelHang);
    expect(a.inProgress()).toBeNull();
    expect(a.settle()).toBe('main sleeps (pgwait)');
    b.startThread('task', (thread) => body(b, thread, {}));
    expect(b.settle()).toBe('task has work to do');
    c.startDaemon('server', idle, (thread) => body(c, thread, {}));
    expect(c.settle()).toBe('server is in the middle of its work');
  });

  it('is not in the middle of a call, of asynchronous work, or of I/O', async () => {
    const kernel = make();
    const main = kernel.createThread('main');
    const said: (string | null)[] = [];
    const body = function* (): Task<void> {
      said.push(kernel.inProgress());
      yield;
    };
    kernel.call(main, body());
    expect(said).toEqual(['a call is in progress']);
    expect(kernel.inProgress()).toBeNull();
    let answer: (result: number) => void = () => {};
    const io = new Promise<number>((resolve) => {
      answer = resolve;
    });
    kernel.watchIo(io, () => {});
    expect(kernel.inProgress()).toMatch(/^I\/O is in progress/);
    answer(0);
    await io;
    await Promise.resolve();
    expect(kernel.inProgress()).toBeNull();
    const call = kernel.callAsync(main, body());
    expect(said).toHaveLength(2);
    await call;
    expect(kernel.settle()).toBeNull();
  });
});

describe('work that is begun and not waited for', () => {
  it('is over at once when nothing outside has to answer, sleeps included', () => {
    const kernel = make();
    const thread = kernel.createThread('writer');
    const channel = {};
    const begun = kernel.begin(
      thread,
      (function* (): Task<string> {
        yield;
        kernel.sleep(thread, channel, 'nap', 1000);
        yield;
        return 'rested';
      })(),
    );
    expect(begun).toEqual({ result: 'rested' });
    expect([kernel.clock.ns, kernel.inProgress()]).toEqual([1000, null]);
  });

  it('goes on in the background when something has', async () => {
    const kernel = make();
    const thread = kernel.createThread('writer');
    const log: number[] = [];
    let answer: (result: number) => void = () => {};
    const io = new Promise<number>((resolve) => {
      answer = resolve;
    });
    const begun = kernel.begin(
      thread,
      (function* (): Task<void> {
        log.push(1);
        kernel.awaitIo(thread, io, 'vnwrite', (result) => log.push(result));
        yield;
        log.push(3);
      })(),
    );
    expect([begun, log]).toEqual([null, [1]]);
    expect(kernel.inProgress()).not.toBeNull();
    answer(2);
    await kernel.whenQuiet();
    expect([log, kernel.inProgress()]).toEqual([[1, 2, 3], null]);
  });

  it('goes on in the background when who has the lock waits for something outside', async () => {
    const kernel = make();
    const [first, second] = [kernel.createThread('first'), kernel.createThread('second')];
    const lock = new Mutex(kernel, 'file');
    const order: string[] = [];
    const write = function* (thread: Thread): Task<void> {
      while (!lock.acquire(thread)) yield;
      kernel.awaitIo(thread, Promise.resolve(0), 'vnwrite', () => {});
      yield;
      order.push(thread.name);
      lock.release(thread);
    };
    expect([kernel.begin(first, write(first)), kernel.begin(second, write(second))]).toEqual([null, null]);
    await kernel.whenIdle();
    expect(order).toEqual(['first', 'second']);
  });
});
