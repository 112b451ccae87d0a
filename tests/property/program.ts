/**
 * Random programs: what they consist of, how they are made, and how they print.
 *
 * An operation is plain data without references to earlier ones: processes are named by a number that is taken modulo those alive,
 * and addresses are just addresses. So any part of a program is a program, and fast-check can shrink by leaving out.
 * Addresses lie mostly in one window of pages, across a boundary of page tables, so that operations meet each other.
 */
import type { Advice, Inheritance, Prot, Sharing } from '@faultline/core';
import { PAGE_SIZE, protName, USER_MAX_ADDRESS } from '@faultline/core';
import * as fc from 'fast-check';

/** First page and length of the window: the boundary of two page-table pages, at page 512, lies inside. */
export const WINDOW_START = 488;
export const WINDOW_PAGES = 56;
/** Sizes of the files, in bytes: ends in mid-page and on a boundary, one page, nothing. */
export const FILE_BYTES: readonly number[] = [48 * PAGE_SIZE, 60 * PAGE_SIZE + 100, 17 * PAGE_SIZE + 2048, 1, 0];
export const DEVICE_PAGES = 6;
export const PROCESSES_MAX = 6;

interface InProcess {
  /** Which of the living processes, modulo their number. */
  readonly who: number;
}

/** Bytes. */
interface InRange extends InProcess {
  readonly address: number;
  readonly length: number;
}

export type Operation =
  | (InRange & {
      readonly op: 'map';
      readonly backing: 'anon' | 'file' | 'device';
      readonly which: number;
      /** Bytes. */
      readonly offset: number;
      readonly sharing: Sharing;
      readonly prot: Prot;
      readonly fixed: boolean;
    })
  | (InRange & { readonly op: 'unmap' | 'wire' | 'unwire' | 'sync' })
  | (InRange & { readonly op: 'protect'; readonly prot: Prot })
  | (InRange & { readonly op: 'advise'; readonly advice: Advice })
  | (InRange & { readonly op: 'inherit'; readonly how: Inheritance })
  | (InProcess & { readonly op: 'brk'; readonly address: number })
  | (InProcess & {
      readonly op: 'access';
      readonly address: number;
      readonly pages: number;
      readonly access: 'read' | 'write' | 'execute';
      readonly value: number;
    })
  | (InProcess & { readonly op: 'fork' })
  | (InProcess & { readonly op: 'exit' })
  | { readonly op: 'pageout'; readonly pages: number };

/** A machine and what is done on it. */
export interface Program {
  readonly memoryPages: number;
  readonly swapPages: number;
  readonly operations: readonly Operation[];
}

// ---- generators ------------------------------------------------------------------------------------------------------

const who = fc.nat({ max: PROCESSES_MAX - 1 });
const windowAddress = fc.nat({ max: WINDOW_PAGES - 1 }).map((page) => (WINDOW_START + page) * PAGE_SIZE);
const windowByte = fc.nat({ max: WINDOW_PAGES * PAGE_SIZE - 1 }).map((byte) => WINDOW_START * PAGE_SIZE + byte);
/** The borders of user space and of what a number can hold. */
const farAddress = fc.constantFrom(
  0,
  1,
  PAGE_SIZE - 1,
  PAGE_SIZE,
  USER_MAX_ADDRESS - PAGE_SIZE,
  USER_MAX_ADDRESS - 1,
  USER_MAX_ADDRESS,
  2 ** 47,
  2 ** 52,
  Number.MAX_SAFE_INTEGER - PAGE_SIZE,
);
const address = fc.oneof(
  { arbitrary: windowAddress, weight: 30 },
  { arbitrary: windowByte, weight: 2 },
  { arbitrary: farAddress, weight: 1 },
);
const pages = fc.oneof(
  { arbitrary: fc.integer({ min: 1, max: 8 }), weight: 3 },
  { arbitrary: fc.integer({ min: 1, max: 32 }), weight: 2 },
);
const length = fc.oneof(
  { arbitrary: pages.map((count) => count * PAGE_SIZE), weight: 30 },
  { arbitrary: fc.nat({ max: 10 * PAGE_SIZE }), weight: 2 },
  { arbitrary: fc.constantFrom(0, 1, 2 ** 47, 2 ** 52), weight: 1 },
);
const prot = fc.oneof(
  { arbitrary: fc.constantFrom(3, 3, 7, 7, 1), weight: 8 },
  { arbitrary: fc.nat({ max: 7 }), weight: 1 },
);
const offset = fc.oneof(
  { arbitrary: fc.nat({ max: 6 }).map((page) => page * PAGE_SIZE), weight: 20 },
  { arbitrary: fc.nat({ max: 64 }).map((page) => page * PAGE_SIZE), weight: 3 },
  { arbitrary: fc.constantFrom(1, 2048, 2 ** 40), weight: 1 },
);
const range = { who, address, length };

const map = fc.record({
  op: fc.constant('map' as const),
  ...range,
  backing: fc.oneof(
    { arbitrary: fc.constantFrom('anon' as const, 'file' as const), weight: 15 },
    { arbitrary: fc.constant('device' as const), weight: 1 },
  ),
  which: fc.constantFrom(0, 0, 0, 1, 1, 1, 2, 2, 3, 4),
  offset,
  sharing: fc.constantFrom<Sharing>('private', 'private', 'shared'),
  prot,
  fixed: fc.oneof({ arbitrary: fc.constant(true), weight: 12 }, { arbitrary: fc.constant(false), weight: 1 }),
});
const access = fc.record({
  op: fc.constant('access' as const),
  who,
  address: fc.oneof({ arbitrary: windowByte, weight: 40 }, { arbitrary: farAddress, weight: 1 }),
  pages: fc.oneof(
    { arbitrary: fc.integer({ min: 1, max: 4 }), weight: 2 },
    { arbitrary: fc.integer({ min: 1, max: 24 }), weight: 1 },
  ),
  access: fc.oneof(
    { arbitrary: fc.constantFrom('read' as const, 'write' as const, 'write' as const), weight: 12 },
    { arbitrary: fc.constant('execute' as const), weight: 1 },
  ),
  value: fc.integer({ min: 1, max: 255 }),
});

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { arbitrary: access, weight: 40 },
  { arbitrary: map, weight: 14 },
  { arbitrary: fc.record({ op: fc.constant('fork' as const), who }), weight: 5 },
  { arbitrary: fc.record({ op: fc.constant('exit' as const), who }), weight: 3 },
  { arbitrary: fc.record({ op: fc.constantFrom('unmap' as const), ...range }), weight: 4 },
  { arbitrary: fc.record({ op: fc.constant('protect' as const), ...range, prot }), weight: 6 },
  { arbitrary: fc.record({ op: fc.constantFrom('wire' as const, 'unwire' as const), ...range }), weight: 6 },
  { arbitrary: fc.record({ op: fc.constant('sync' as const), ...range }), weight: 4 },
  {
    arbitrary: fc.record({
      op: fc.constant('advise' as const),
      ...range,
      advice: fc.constantFrom<Advice>('normal', 'random', 'sequential', 'willneed', 'dontneed', 'free', 'free'),
    }),
    weight: 6,
  },
  {
    arbitrary: fc.record({
      op: fc.constant('inherit' as const),
      ...range,
      how: fc.constantFrom<Inheritance>('share', 'share', 'copy', 'none'),
    }),
    weight: 4,
  },
  { arbitrary: fc.record({ op: fc.constant('brk' as const), who, address: windowByte }), weight: 2 },
  { arbitrary: fc.record({ op: fc.constant('pageout' as const), pages: fc.nat({ max: 120 }) }), weight: 3 },
);

/** What a program begins with, so that there is something to work on: two writable ranges, most often private. */
const beginning = fc.tuple(fc.integer({ min: 8, max: 30 }), map, map).map(([pages, first, second]): Operation[] => [
  { ...first, who: 0, address: WINDOW_START * PAGE_SIZE, length: pages * PAGE_SIZE, prot: 3, fixed: true },
  {
    ...second,
    who: 0,
    address: (WINDOW_START + pages) * PAGE_SIZE,
    length: (WINDOW_PAGES - pages) * PAGE_SIZE,
    prot: 7,
    fixed: true,
  },
]);

/** Programs of at most so many operations, on machines with little memory beside the `reserve` that nobody gets. */
export function programs(operationsMax: number, swapPages: number, reserve = 0): fc.Arbitrary<Program> {
  const operations = fc
    .tuple(beginning, fc.array(operation, { minLength: 1, maxLength: operationsMax - 2, size: 'max' }))
    .map(([first, rest]) => [...first, ...rest]);
  return fc.record({
    memoryPages: fc.oneof(
      fc.integer({ min: 96 + reserve, max: 104 + reserve }),
      fc.integer({ min: 96 + reserve, max: 300 + reserve }),
    ),
    swapPages: fc.constant(swapPages),
    operations,
  });
}

// ---- printing --------------------------------------------------------------------------------------------------------

const hex = (n: number): string => `0x${n.toString(16)}`;

/** One operation in words. */
export function show(operation: Operation): string {
  if (operation.op === 'pageout') return `pageout ${operation.pages}`;
  const process = `process ${operation.who}:`;
  switch (operation.op) {
    case 'fork':
    case 'exit':
      return `${process} ${operation.op}`;
    case 'brk':
      return `${process} brk ${hex(operation.address)}`;
    case 'access':
      return `${process} ${operation.access} ${hex(operation.address)} ${operation.pages} pages, value ${operation.value}`;
  }
  const range = `${process} ${operation.op} ${hex(operation.address)} ${operation.length} bytes`;
  switch (operation.op) {
    case 'map': {
      const { backing, which, offset: from } = operation;
      const what =
        backing === 'file' ? `file ${which} from ${from}` : backing === 'device' ? `device from ${from}` : 'anon';
      return `${range} ${what} ${operation.sharing} ${protName(operation.prot)}${operation.fixed ? '' : ' anywhere'}`;
    }
    case 'protect':
      return `${range} ${protName(operation.prot)}`;
    case 'advise':
      return `${range} ${operation.advice}`;
    case 'inherit':
      return `${range} ${operation.how}`;
    default:
      return range;
  }
}

/** The whole program, a line each. */
export function showProgram({ memoryPages, swapPages, operations }: Program): string {
  const lines = operations.map((one, i) => `  ${i}: ${show(one)}`);
  return [`  memory ${memoryPages} pages, swap ${swapPages} pages`, ...lines].join('\n');
}
