/** Waiting for a backing store: what comes at once costs nothing, what comes later puts the thread to sleep. */
import type { Task, Thread } from '../kernel/thread.js';
import type { IoResult } from '../machine/store.js';
import type { Vm } from './vm.js';

/** Waits for an I/O result inside a task. */
export function* ioResult(vm: Vm, thread: Thread, io: IoResult | Promise<IoResult>, wmesg: string): Task<IoResult> {
  if (typeof io === 'number') return io;
  let result = 0;
  vm.kernel.awaitIo(thread, io, wmesg, (answer) => {
    result = answer;
  });
  while (!thread.running) yield;
  return result;
}

/** Hands an I/O result to `done`, now or when it comes; nobody sleeps for it. */
export function whenIoDone(vm: Vm, io: IoResult | Promise<IoResult>, done: (result: IoResult) => void): void {
  if (typeof io === 'number') done(io);
  else vm.kernel.watchIo(io, done);
}

/** A task that is done at once. */
// biome-ignore lint/correctness/useYield: it never waits
export function* immediately<T>(value: T): Task<T> {
  return value;
}
