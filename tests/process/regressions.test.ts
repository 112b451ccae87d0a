/** Programs of processes that random runs have found, made small: each once showed a wrong byte, a leak, a broken invariant or a panic. */
import { describe, it } from 'vitest';
import { IN_MEMORY } from './found/memory.js';
import { WITH_STACKS } from './found/stacks.js';
import { runProgram } from './run.js';

describe.each([...IN_MEMORY, ...WITH_STACKS])(
  '$name',
  ({ systems, operations, memoryPages = 200, compareEvery = 1 }) => {
    it.each(systems)('%s', (system) => {
      runProgram({ system, checkEvery: 1, compareEvery }, { memoryPages, swapPages: 4096, operations });
    });
  },
);
