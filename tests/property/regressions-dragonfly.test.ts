/**
 * Programs that random runs on DragonFly have found, shrunk: each once showed a wrong byte, a broken invariant, a frame that nobody gave
 * back, or never ended. Mended, every one must equal the model; what the kernel's own defects among them show as seeded is in
 * CAVEATS.md.
 */
import { describe, it } from 'vitest';
import { runProgram } from './differential.js';
import type { Operation } from './program.js';
import { anon, file, fork, inherit, map, pageout, protect, range, read, write } from './steps.js';

const R = 1;
const RW = 3;
const RWX = 7;

interface Found {
  /** What went wrong. */
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly memoryPages?: number;
  readonly swapPages?: number;
}

const DEFECTS: readonly Found[] = [
  {
    name: 'O9: writing a file page took the translation of a wired one in its block, and munlock left it wired for ever',
    operations: [
      map(0, 10, 7, 'shared', RWX, 2),
      range('wire', 0, 16, 1),
      write(0, 14, 3, 205),
      range('sync', 0, 10, 7),
    ],
  },
  {
    name: 'O32: who shares a private range and has read a page went on seeing it after another had written it',
    operations: [
      file(0, 0, 8, 'private'),
      inherit(0, 0, 8, 'share'),
      fork(0),
      read(0, 0, 8),
      write(1, 2, 4, 120),
      read(0, 0, 8),
    ],
  },
  {
    name: 'O33: the child of a wired range kept NEEDS_COPY, so that its own fork left its pages writable in both',
    operations: [
      map(0, 0, 4, 'private', R),
      protect(0, 0, 4, RW),
      write(0, 0, 4, 1),
      fork(0),
      protect(0, 0, 4, R),
      range('wire', 0, 0, 4),
      protect(0, 0, 4, RW),
      fork(0),
      fork(2),
      write(2, 0, 4, 9),
      read(3, 0, 4),
    ],
  },
  {
    name: 'O34: an mlock that failed took back what an earlier one had wired',
    operations: [
      anon(0, 0, 8),
      range('wire', 0, 2, 3),
      map(0, 6, 2, 'private', RW, 4),
      range('wire', 0, 0, 8),
      pageout(60),
      range('unwire', 0, 2, 3),
    ],
  },
];

const OURS: readonly Found[] = [
  {
    name: 'the page daemon killed a process that waited for memory in the kernel and had just been woken',
    memoryPages: 146,
    swapPages: 0,
    operations: [
      anon(0, 0, 4),
      anon(0, 9, 47),
      write(0, 0, 1, 7),
      range('wire', 0, 27, 4),
      anon(0, 30, 5),
      write(0, 40, 16, 8),
      read(0, 0, 21),
      write(0, 9, 47, 3),
    ],
  },
  {
    name: 'a fault whose own page at the top was the last that could be had waited for ever for one more',
    memoryPages: 130,
    swapPages: 0,
    operations: [
      anon(0, 0, 40),
      write(0, 0, 40, 1),
      range('unmap', 0, 0, 1),
      file(0, 50, 4, 'private'),
      write(0, 50, 1, 2),
      read(0, 1, 8),
    ],
  },
];

describe('dragonfly', () => {
  it.each([...DEFECTS, ...OURS])('$name', ({ operations, memoryPages = 200, swapPages = 512 }) => {
    runProgram({ system: 'dragonfly', defects: 'mended', checkEvery: 1 }, { memoryPages, swapPages, operations });
  });
});
