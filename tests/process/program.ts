/**
 * Random programs of processes: what they consist of, how they are made, and how they print.
 *
 * An operation is plain data that refers to nothing before it: a process is a number modulo those alive, a descriptor is a small number that may be
 * bad, an address lies in a window of pages where everything meets, or counts from where mmap has placed something. So any part
 * of a program is a program, and can be left out when one that fails is made small.
 */
import * as F from '@faultline/core';
import * as fc from 'fast-check';

const { PAGE_SIZE, USER_MAX_ADDRESS } = F;

/** First page and length of the window; the boundary of two page-table pages, at page 512, lies inside. */
export const WINDOW_START = 488;
export const WINDOW_PAGES = 56;
/** Where the data segment of a new image begins: inside the window. */
export const DATA_START = (WINDOW_START + 36) * PAGE_SIZE;
/** Addresses from here on count from the places that mmap chose, `PLACE_BYTES` for each. */
export const PLACED = 2 ** 50;
export const PLACE_BYTES = 2 ** 30;
/** Addresses from here on count down from the top of user space, where an image has its stack. */
export const FROM_TOP = 2 ** 49;
/** Names, and what is in the files at first: bytes. The last two do not exist yet. */
export const FILES: Readonly<Record<string, number>> = { a: 20 * PAGE_SIZE, b: 5 * PAGE_SIZE + 100, c: 1, d: 0 };
const PATHS = ['a', 'a', 'b', 'b', 'c', 'd', 'e', 'f'];

interface Who {
  readonly who: number;
}
interface Range extends Who {
  readonly at: number;
  readonly length: number;
}
interface Descriptor extends Who {
  readonly fd: number;
}

/** What a signal handler does: lets the signal through, has the access tried again for nothing, or makes it possible. */
export type Handling = 'raise' | 'retry' | 'mend';

export type Operation =
  | (Range & {
      readonly op: 'mmap';
      readonly prot: number;
      readonly flags: number;
      readonly fd: number;
      readonly offset: number;
    })
  | (Range & { readonly op: 'munmap' | 'mlock' | 'munlock' | 'copyin' })
  | (Range & { readonly op: 'mprotect'; readonly prot: number })
  | (Range & { readonly op: 'madvise'; readonly advice: number })
  | (Range & { readonly op: 'minherit'; readonly how: number })
  | (Range & { readonly op: 'msync'; readonly flags: number })
  | (Range & { readonly op: 'mincore'; readonly short: boolean })
  | (Range & { readonly op: 'copyout'; readonly value: number })
  | (Range & { readonly op: 'touch'; readonly access: F.Access })
  | (Range & Descriptor & { readonly op: 'read' | 'write' })
  | (Range & Descriptor & { readonly op: 'pread' | 'pwrite'; readonly offset: number })
  | (Who & { readonly op: 'mlockall'; readonly flags: number })
  | (Who & { readonly op: 'munlockall' | 'fork' | 'clone' | 'exit' })
  | (Who & { readonly op: 'brk' | 'fetch'; readonly at: number })
  | (Who & { readonly op: 'sbrk'; readonly increment: number })
  | (Who & { readonly op: 'vfork'; readonly at: number; readonly value: number; readonly exec: boolean })
  | (Who & { readonly op: 'exec'; readonly path: string; readonly pages: number; readonly stack: number })
  | (Who & { readonly op: 'open'; readonly path: string; readonly flags: number })
  | (Who & { readonly op: 'unlink'; readonly path: string })
  | (Descriptor & { readonly op: 'close' | 'dup' | 'fsync' })
  | (Descriptor & { readonly op: 'ftruncate' | 'lseek'; readonly offset: number })
  | (Who & { readonly op: 'load'; readonly at: number; readonly width: number })
  | (Who & { readonly op: 'store'; readonly at: number; readonly width: number; readonly value: number })
  | (Who & {
      readonly op: 'cas';
      readonly at: number;
      readonly width: number;
      readonly value: number;
      readonly same: boolean;
    })
  | (Who & { readonly op: 'handle'; readonly how: Handling | 'none' })
  | (Who & { readonly op: 'limit'; readonly which: 'addressSpace' | 'data' | 'lockedMemory'; readonly pages: number })
  | { readonly op: 'pageout'; readonly pages: number }
  | { readonly op: 'sync' | 'snapshot' | 'restore' };

/** A machine and what is done on it. */
export interface Program {
  readonly memoryPages: number;
  readonly swapPages: number;
  readonly operations: readonly Operation[];
}

// ---- parts -----------------------------------------------------------------------------------------------------------

const weighted = <T>(...parts: readonly [number, fc.Arbitrary<T>][]): fc.Arbitrary<T> =>
  fc.oneof(...parts.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const pick = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const pagesTo = (most: number): fc.Arbitrary<number> => fc.integer({ min: 1, max: most }).map((n) => n * PAGE_SIZE);

const who = fc.nat({ max: 5 });
const byte = fc.nat({ max: WINDOW_PAGES * PAGE_SIZE - 1 }).map((n) => WINDOW_START * PAGE_SIZE + n);
const page = fc.nat({ max: WINDOW_PAGES - 1 }).map((n) => (WINDOW_START + n) * PAGE_SIZE);
const placed = fc
  .tuple(fc.nat({ max: 5 }), fc.nat({ max: 4 }))
  .map(([i, n]) => PLACED + i * PLACE_BYTES + n * PAGE_SIZE);
const stack = fc.nat({ max: 110 * PAGE_SIZE }).map((n) => FROM_TOP + n);
/** The borders of user space, and of what a number can count. */
const far = pick(0, 1, PAGE_SIZE, USER_MAX_ADDRESS - PAGE_SIZE, USER_MAX_ADDRESS - 1, USER_MAX_ADDRESS, 2 ** 47);
const at = weighted([60, page], [4, byte], [8, placed], [1, far]);
/** For accesses: any byte, and often across the end of a page. */
const place = weighted(
  [20, byte],
  [8, fc.tuple(page, fc.integer({ min: -8, max: 8 })).map(([start, n]) => Math.max(start + n, 0))],
  [6, fc.tuple(placed, fc.nat({ max: PAGE_SIZE - 1 })).map(([start, n]) => start + n)],
  [1, stack],
  [1, far],
);
const length = weighted(
  [30, pagesTo(8)],
  [20, pagesTo(30)],
  [3, fc.nat({ max: 10 * PAGE_SIZE })],
  [1, pick(0, 1, 2 ** 47, 2 ** 52)],
);
const bytes = weighted([5, fc.nat({ max: 64 })], [5, fc.nat({ max: 3 * PAGE_SIZE })], [2, pagesTo(4)]);
const offset = weighted(
  [20, fc.nat({ max: 8 }).map((n) => n * PAGE_SIZE)],
  [5, fc.nat({ max: 25 * PAGE_SIZE })],
  [2, fc.nat({ max: 6 * PAGE_SIZE })],
);
const pageOffset = weighted(
  [40, fc.nat({ max: 8 }).map((n) => n * PAGE_SIZE)],
  [4, fc.nat({ max: 25 }).map((n) => n * PAGE_SIZE)],
  [1, pick(1, 2048)],
);
const fd = weighted([20, fc.nat({ max: 3 })], [2, fc.nat({ max: 7 })], [1, pick(-1, 99)]);
const path = pick(...PATHS);
const value = fc.integer({ min: 1, max: 255 });
const width = pick(1, 1, 2, 4, 4, 8);
const prot = weighted([10, pick(3, 3, 7, 1)], [2, fc.nat({ max: 7 })]);
const kind = weighted(
  [6, pick(F.MAP_PRIVATE | F.MAP_ANON)],
  [3, pick(F.MAP_SHARED | F.MAP_ANON)],
  [4, pick(F.MAP_SHARED)],
  [5, pick(F.MAP_PRIVATE)],
  [1, pick(0, 3, F.MAP_ANON, F.MAP_ANON | 3, F.MAP_SHARED | F.MAP_NORESERVE)],
);

const STACK = F.MAP_STACK | F.MAP_PRIVATE | F.MAP_ANON;

const op = <N extends string, T extends object>(
  name: N,
  parts: { [K in keyof T]: fc.Arbitrary<T[K]> },
): fc.Arbitrary<T & { readonly op: N }> =>
  fc.record({ op: fc.constant(name), ...parts }) as unknown as fc.Arbitrary<T & { readonly op: N }>;
const ranged = { who, at, length };

const mmap = fc
  .tuple(
    fc.record({ ...ranged, prot, fd, offset: pageOffset }),
    kind,
    weighted([28, pick(F.MAP_FIXED)], [7, pick(0)], [1, pick(F.MAP_FIXED | F.MAP_WIRED)]),
  )
  .map(([request, flags, fixed]): Operation => {
    const anon = (flags & F.MAP_ANON) !== 0;
    // Now and then the mistakes stay in: a descriptor with MAP_ANON, or none without.
    const wrong = request.length % 7 === 3;
    const last = anon && !wrong ? { fd: -1, offset: 0 } : { fd: request.fd };
    return { op: 'mmap', ...request, ...last, flags: flags | fixed };
  });

/** Stacks, most of them larger than what is there at first: they grow when somebody reaches below. */
const stackMap = op('mmap', {
  who,
  at: weighted([4, fc.nat({ max: 40 }).map((n) => (WINDOW_START - n) * PAGE_SIZE)], [4, page], [1, placed]),
  length: weighted([6, fc.integer({ min: 33, max: 100 }).map((n) => n * PAGE_SIZE)], [1, pagesTo(32)]),
  prot: weighted([6, pick(3, 7)], [1, pick(1, 2)]),
  fd: pick(-1),
  offset: pick(0),
  flags: weighted([6, pick(STACK | F.MAP_FIXED)], [1, pick(STACK, STACK | F.MAP_FIXED | F.MAP_NOSYNC)]),
});

const transfer = { who, fd, at: place, length: bytes };
const openFlags = weighted(
  [8, pick(F.O_RDWR)],
  [2, pick(F.O_RDONLY, F.O_WRONLY)],
  [3, pick(F.O_RDWR | F.O_CREAT, F.O_RDWR | F.O_APPEND)],
  [1, pick(F.O_RDWR | F.O_TRUNC, F.O_RDWR | F.O_CREAT | F.O_EXCL, 3)],
);

// ---- operations ------------------------------------------------------------------------------------------------------

const operation: fc.Arbitrary<Operation> = weighted<Operation>(
  [60, op('store', { who, at: place, width, value })],
  [45, op('load', { who, at: place, width })],
  [2, op('fetch', { who, at: place })],
  [3, op('cas', { who, at: page, width: pick(4, 8), value, same: fc.boolean() })],
  [
    8,
    fc.record({ op: fc.constant('touch' as const), who, at: place, length: bytes, access: pick<F.Access>(0, 1, 1, 2) }),
  ],
  [6, op('copyin', { who, at: place, length: bytes })],
  [8, op('copyout', { who, at: place, length: bytes, value })],
  [26, mmap],
  [3, stackMap],
  [8, op('munmap', ranged)],
  [11, op('mprotect', { ...ranged, prot })],
  [9, op('madvise', { ...ranged, advice: pick(0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7) })],
  [6, op('minherit', { ...ranged, how: pick(0, 0, 1, 2, 3) })],
  [7, op('mlock', ranged)],
  [6, op('munlock', ranged)],
  [1, op('mlockall', { who, flags: pick(1, 2, 3, 0, 4) })],
  [2, op('munlockall', { who })],
  [6, op('msync', { ...ranged, flags: pick(0, 0, 4, 1, 2, 3, 5, 8) })],
  [4, op('mincore', { ...ranged, short: weighted([9, fc.constant(false)], [1, fc.constant(true)]) })],
  [5, op('brk', { who, at: weighted([6, byte], [1, far]) })],
  [3, op('sbrk', { who, increment: pick(0, 1, PAGE_SIZE, 4 * PAGE_SIZE, -PAGE_SIZE, -100) })],
  [9, op('fork', { who })],
  [1, op('clone', { who })],
  [2, op('vfork', { who, at: place, value, exec: fc.boolean() })],
  [7, op('exit', { who })],
  [1, op('exec', { who, path, pages: fc.integer({ min: 1, max: 8 }), stack: pick(0, 4, 32, 60, 100) })],
  [6, op('open', { who, path, flags: openFlags })],
  [2, op('close', { who, fd })],
  [1, op('dup', { who, fd })],
  [1, op('unlink', { who, path })],
  [4, op('ftruncate', { who, fd, offset })],
  [2, op('lseek', { who, fd, offset })],
  [3, op('fsync', { who, fd })],
  [5, op('read', transfer)],
  [5, op('write', transfer)],
  [6, op('pread', { ...transfer, offset })],
  [6, op('pwrite', { ...transfer, offset })],
  [
    1,
    op('limit', {
      who,
      which: pick<'addressSpace' | 'data' | 'lockedMemory'>('addressSpace', 'data', 'lockedMemory'),
      pages: pick(-1, -1, 10, 60),
    }),
  ],
  [2, op('handle', { who, how: pick<Handling | 'none'>('mend', 'mend', 'mend', 'retry', 'raise', 'none') })],
  [6, op('pageout', { pages: fc.nat({ max: 120 }) })],
  [1, fc.record({ op: pick('sync' as const, 'snapshot' as const, 'restore' as const) })],
);

/** What a program begins with, so that there is something to work on. */
const beginning = fc.tuple(fc.integer({ min: 8, max: 28 }), mmap, mmap).map(([pages, first, second]): Operation[] => [
  ...(['a', 'b', 'c'] as const).map((name): Operation => ({ op: 'open', who: 0, path: name, flags: F.O_RDWR })),
  {
    ...(first as Operation & { op: 'mmap' }),
    who: 0,
    at: WINDOW_START * PAGE_SIZE,
    length: pages * PAGE_SIZE,
    prot: 3,
  },
  {
    ...(second as Operation & { op: 'mmap' }),
    who: 0,
    at: (WINDOW_START + pages) * PAGE_SIZE,
    length: (WINDOW_PAGES - pages) * PAGE_SIZE,
    prot: 7,
  },
]);

/** Programs of at most so many operations on machines with little memory. */
export function programs(operationsMax: number, swapPages: number): fc.Arbitrary<Program> {
  const operations = fc
    .tuple(beginning, fc.array(operation, { minLength: 1, maxLength: operationsMax, size: 'max' }))
    .map(([first, rest]) => [...first, ...rest]);
  const memoryPages = weighted([1, fc.integer({ min: 96, max: 104 })], [2, fc.integer({ min: 96, max: 256 })]);
  return fc.record({ memoryPages, swapPages: fc.constant(swapPages), operations });
}

// ---- printing --------------------------------------------------------------------------------------------------------

const HEX = new Set(['at', 'offset', 'length', 'flags']);

/** One operation as a literal, addresses in hexadecimal. */
export function show(one: Operation): string {
  const shown = Object.entries(one).map(([name, part]) => {
    const hex = HEX.has(name) && typeof part === 'number' && part > 9;
    return `${name}: ${hex ? `0x${part.toString(16)}` : typeof part === 'string' ? `'${part}'` : String(part)}`;
  });
  return `{ ${shown.join(', ')} }`;
}

/** The whole program, as it could stand in a test. */
export function showProgram({ memoryPages, swapPages, operations }: Program): string {
  return [`memoryPages: ${memoryPages}, swapPages: ${swapPages}`, ...operations.map((one) => `  ${show(one)},`)].join(
    '\n',
  );
}
