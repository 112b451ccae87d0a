/*
 * What a frame costs in bookkeeping: the bytes that a machine of 16 GiB without contents takes, by its number of frames.
 *
 * Counted are the typed arrays (`arrayBuffers`) and what the JavaScript heap has grown by, after a collection before and after. The
 * page tables are not in it: they grow with what is mapped, not with the frames.
 */
import { bootSystem } from '@faultline/core';

const FRAMES = 4194304;

function bytesInUse() {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
  // The buffers of what the first has found dead are given back by the second.
  globalThis.gc();
  globalThis.gc();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

export function sides(_line, system) {
  // What the first machine of a process adds for good (compiled code, tables of names) is not a frame's.
  bootSystem(system, { memoryPages: 4096, contents: false });
  return {
    ours: () => {
      const before = bytesInUse();
      const machine = bootSystem(system, { memoryPages: FRAMES, contents: false });
      const after = bytesInUse();
      if (machine.name !== system) throw new Error('the machine is gone');
      return (after - before) / FRAMES;
    },
  };
}
