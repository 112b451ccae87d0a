/** Waiting for a backing store: what comes at once costs nothing, what comes later puts the thread to sleep. */
import type { Task, Thread } from '../kernel/thread.js';
import type { IoResult } from '../machine/store.js';
import { EIO } from './codes.js';
import type { Vm } from './vm.js';

/** Fewer bytes than there are is an error, like any other. */
function whole(result: IoResult, wanted: number): IoResult {
  return result >= 0 && result < wanted ? -EIO : result;
}

/** Waits inside a task for I/O that has to move `wanted` bytes. */
export function* ioResult(
  vm: Vm,
  thread: Thread,
  io: IoResult | Promise<IoResult>,
  wanted: number,
  wmesg: string,
): Task<IoResult> {
  if (typeof io === 'number') return whole(io, wanted);
  let result = 0;
  vm.kernel.awaitIo(thread, io, wmesg, (answer) => {
    result = answer;
  });
  while (!thread.running) yield;
  return whole(result, wanted);
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
