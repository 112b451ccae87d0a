/**
 * Programs that random runs have found, shrunk: each once showed a wrong byte, a broken invariant or a panic. Mended, every one must equal
 * the model; what it shows as seeded is said beside it and in CAVEATS.md.
 */
import { describe, it } from 'vitest';
import { runProgram } from './differential.js';
import type { Operation } from './program.js';
import { advise, anon, exit, file, fork, inherit, map, pageout, protect, range, read, write } from './steps.js';

const NONE = 0;
const R = 1;
const RW = 3;
const X = 4;
const RWX = 7;

interface Found {
  /** What went wrong. */
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly memoryPages?: number;
  readonly swapPages?: number;
}

const FREEBSD: readonly Found[] = [
  {
    name: 'O23: the copy of a wired range at fork passed for clean, was dropped, and the child read zeros',
    operations: [anon(0, 0, 4), range('wire', 0, 0, 4), write(0, 0, 4, 3), fork(0), pageout(60)],
  },
  {
    name: 'O18: a copy made by wiring passed for clean; with its backing object bypassed, its bytes were gone',
    operations: [
      anon(0, 0, 7),
      write(0, 6, 1, 112),
      fork(0),
      range('wire', 1, 0, 7),
      range('unwire', 1, 0, 7),
      fork(1),
      pageout(60),
    ],
  },
  {
    name: 'O19: who shares a private range and has read a page went on seeing it after another had written it',
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
    name: 'O20: MADV_WILLNEED took a partly valid page out of the cache and left it on no queue',
    operations: [
      map(0, 0, 18, 'private', RW, 2),
      write(0, 2, 1, 1),
      read(0, 10, 8),
      pageout(90),
      advise(0, 0, 18, 'willneed'),
    ],
  },
  {
    name: 'O21: MADV_FREE left a cached page without its swap block, which then had two homes',
    operations: [
      anon(0, 0, 19),
      fork(0),
      fork(0),
      write(1, 5, 9, 151),
      exit(0),
      fork(0),
      pageout(90),
      advise(1, 1, 11, 'free'),
      read(1, 4, 8),
      write(0, 4, 8, 2),
      exit(0),
      exit(1),
    ],
  },
  {
    name: 'O22: the child of a wired range kept NEEDS_COPY, so that its own fork left its pages writable in both',
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
    name: 'O13: wired read-only, made writable and then copied: munlock unwired a page that was not wired, and panicked',
    operations: [
      map(0, 0, 3, 'private', R, 2),
      range('wire', 0, 0, 3),
      protect(0, 2, 1, NONE),
      protect(0, 2, 1, RWX),
      read(0, 0, 3),
      range('unwire', 0, 0, 3),
    ],
  },
  {
    name: 'O13: the wired page is beneath a range that others share, and one of them writes',
    operations: [
      file(0, 0, 6, 'private'),
      inherit(0, 0, 6, 'share'),
      fork(0),
      protect(0, 0, 6, R),
      range('wire', 0, 0, 6),
      write(1, 1, 3, 5),
      read(0, 0, 6),
      range('unwire', 0, 0, 6),
    ],
  },
  {
    name: 'O24: a read of a wired private page, retried for want of memory, asked for writing and was refused',
    memoryPages: 97,
    swapPages: 20,
    operations: [
      anon(0, 0, 2),
      map(0, 9, 46, 'private', RWX, 0),
      read(0, 36, 1),
      map(0, 50, 1, 'private', R, 0),
      anon(0, 55, 2),
      range('wire', 0, 49, 3),
      write(0, 50, 7, 118),
      fork(0),
      protect(0, 48, 3, X),
      anon(0, 30, 16),
      pageout(9),
      protect(0, 47, 4, RWX),
    ],
  },
  {
    name: 'mlock and munlock of nothing in the middle of a range left it in transition for ever',
    operations: [anon(0, 0, 7), range('unwire', 0, 3, 0), range('wire', 0, 3, 0), write(0, 0, 7, 1), exit(0)],
  },
  {
    name: 'swap block 0 was taken for the neighbour of a page that has no block',
    operations: [
      anon(0, 0, 40),
      write(0, 39, 1, 6),
      pageout(90),
      fork(0),
      exit(0),
      inherit(0, 38, 2, 'share'),
      fork(0),
      write(0, 39, 1, 255),
    ],
  },
  {
    name: 'a fork refused for want of memory had already made the parent copy-on-write',
    memoryPages: 96,
    swapPages: 0,
    operations: [
      map(0, 0, 8, 'shared', RW),
      fork(0),
      inherit(0, 0, 8, 'copy'),
      anon(0, 10, 16),
      write(0, 10, 16, 4),
      range('wire', 0, 10, 16),
      anon(0, 30, 20),
      write(0, 30, 20, 2),
      fork(0),
      write(0, 0, 8, 3),
      read(1, 0, 8),
    ],
  },
  {
    name: 'an access beyond the page numbers hit the translation buffer entry of another page',
    operations: [
      anon(0, 9, 6),
      write(0, 9, 6, 1),
      { op: 'access', who: 0, address: 2 ** 52 + 14 * 4096, pages: 16, access: 'read', value: 0 },
    ],
  },
];

/** What the kernels leave open, and the model once did not: both answers are right, and the one that is given must be accepted. */
const LEFT_OPEN: readonly Found[] = [
  {
    name: 'zeros that wiring made for one sharer give way, once dropped, to what another writes',
    memoryPages: 246,
    operations: [
      map(0, 0, 8, 'shared', RW),
      range('wire', 0, 7, 2),
      fork(0),
      fork(0),
      fork(0),
      inherit(3, 2, 6, 'copy'),
      fork(3),
      pageout(1),
      range('wire', 3, 4, 5),
      pageout(4),
      write(0, 2, 6, 209),
    ],
  },
  {
    name: 'zeros stay zeros for who was hung past the shared memory before another wrote there',
    memoryPages: 259,
    operations: [
      fork(0),
      fork(0),
      map(2, 35, 3, 'shared', RWX),
      fork(0),
      fork(0),
      fork(2),
      exit(0),
      fork(0),
      exit(0),
      exit(0),
      exit(0),
      fork(4),
      inherit(3, 34, 4, 'copy'),
      fork(3),
      write(3, 37, 1, 6),
      fork(3),
      write(1, 30, 6, 188),
    ],
  },
  {
    name: 'private file pages given up and wired keep what the file held at that moment, or show what it holds now',
    operations: [
      map(0, 29, 4, 'private', RWX, 0, 3),
      map(0, 10, 6, 'shared', RWX, 0, 1),
      advise(0, 25, 8, 'free'),
      write(0, 14, 2, 163),
      range('wire', 0, 32, 1),
      write(0, 13, 3, 178),
    ],
  },
];

const NETBSD: readonly Found[] = [
  {
    name: '26: who had given up a page saw what the other side of a fork wrote to it later',
    operations: [
      map(0, 14, 16, 'private', RWX),
      read(0, 24, 6),
      fork(0),
      write(0, 22, 1, 47),
      advise(0, 29, 1, 'free'),
      write(1, 27, 3, 86),
    ],
  },
  {
    name: '14: a child that is to have its own copy saw what third parties wrote, and they lost the parent',
    operations: [
      map(0, 0, 8, 'shared', RW),
      write(0, 0, 8, 1),
      fork(0),
      inherit(0, 0, 8, 'copy'),
      fork(0),
      write(1, 0, 4, 2),
      write(0, 4, 4, 3),
      read(1, 0, 8),
      read(2, 0, 8),
    ],
  },
  {
    name: '14: a wired page is not replaced when the range is shared by one and copied by another',
    operations: [
      map(0, 0, 4, 'shared', RW),
      write(0, 0, 4, 1),
      range('wire', 0, 0, 4),
      fork(0),
      inherit(1, 0, 4, 'copy'),
      fork(1),
      write(1, 0, 4, 2),
      write(2, 0, 2, 3),
      read(0, 0, 4),
      range('unwire', 0, 0, 4),
    ],
  },
  {
    name: '17: pages of a file that had lost their translations stayed wired after exit',
    operations: [
      file(0, 0, 8, 'shared'),
      range('wire', 0, 0, 8),
      protect(0, 0, 8, NONE),
      range('unwire', 0, 0, 4),
      exit(0),
    ],
  },
];

describe('freebsd', () => {
  it.each([...FREEBSD, ...LEFT_OPEN])('$name', ({ operations, memoryPages = 96, swapPages = 512 }) => {
    runProgram({ system: 'freebsd', defects: 'mended', checkEvery: 1 }, { memoryPages, swapPages, operations });
  });
});

describe('netbsd', () => {
  it.each([...NETBSD, ...FREEBSD, ...LEFT_OPEN])('$name', ({ operations, memoryPages = 96, swapPages = 512 }) => {
    runProgram({ system: 'netbsd', defects: 'mended', checkEvery: 1 }, { memoryPages, swapPages, operations });
  });
});
