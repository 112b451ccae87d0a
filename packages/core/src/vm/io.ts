/** Waiting for a backing store: what comes at once costs nothing, what comes later puts the thread to sleep. */
import type { Kernel } from '../kernel/kernel.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Machine } from '../machine/machine.js';
import { EIO, type IoResult } from '../machine/store.js';

/** A transfer that moved fewer bytes than it should is a failed one: nothing is known of the rest. */
export function whole(result: IoResult, wanted: number): IoResult {
  return result >= 0 && result < wanted ? -EIO : result;
}

/** Waits for an I/O result inside a task. */
export function* ioResult(
  vm: { readonly kernel: Kernel },
  thread: Thread,
  io: IoResult | Promise<IoResult>,
  wmesg: string,
): Task<IoResult> {
  if (typeof io === 'number') return io;
  let result = 0;
  vm.kernel.awaitIo(thread, io, wmesg, (answer) => {
    result = answer;
  });
  while (!thread.running) yield;
  return result;
}

/** Hands an I/O result to `done`, now or when it comes. */
export function whenIoDone(
  vm: { readonly kernel: Kernel },
  thread: Thread,
  io: IoResult | Promise<IoResult>,
  wmesg: string,
  done: (result: IoResult) => void,
): void {
  if (typeof io === 'number') done(io);
  else vm.kernel.awaitIo(thread, io, wmesg, done);
}

/** The bytes of a run of pages, or null in a machine without contents. */
export function buffersOf(
  vm: { readonly machine: Machine },
  pages: ArrayLike<number>,
  from: number,
  to: number,
): Uint8Array[] | null {
  const { memory } = vm.machine;
  if (memory.bytes === null) return null;
  const buffers: Uint8Array[] = [];
  for (let i = from; i < to; i++) buffers.push(memory.frameBytes(pages[i] as number) as Uint8Array);
  return buffers;
}
