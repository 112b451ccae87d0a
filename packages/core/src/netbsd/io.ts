/** Waiting for a backing store, where moving less than was asked for is an error. */
import type { Task, Thread } from '../kernel/thread.js';
import type { IoResult } from '../machine/store.js';
import { ioResult as awaitResult, whole } from '../vm/io.js';
import type { Vm } from './vm.js';

/** Waits inside a task for I/O that has to move `wanted` bytes. */
export function* ioResult(
  vm: Vm,
  thread: Thread,
  io: IoResult | Promise<IoResult>,
  wanted: number,
  wmesg: string,
): Task<IoResult> {
  return whole(yield* awaitResult(vm, thread, io, wmesg), wanted);
}

/** Hands an I/O result to `done`, now or when it comes; nobody sleeps for it. */
export function whenIoDone(
  vm: Vm,
  io: IoResult | Promise<IoResult>,
  wanted: number,
  done: (result: IoResult) => void,
): void {
  if (typeof io === 'number') done(whole(io, wanted));
  else vm.kernel.watchIo(io, (result) => done(whole(result, wanted)));
}

/** A task that is done at once. */
// biome-ignore lint/correctness/useYield: it never waits
export function* immediately<T>(value: T): Task<T> {
  return value;
}
