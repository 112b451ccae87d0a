/**
 * Where the four systems answer the same program differently: the rows of the table of the memory calls, exact.
 *
 * Each row says when it holds, by the arguments and by what was so before, and what each system then answers; `differences/row.ts` says how answers are
 * held against them. What no row foresees is a bug, and so is what a row foresees and does not come. That each answer is right for its own
 * system the model says as well, with another table (`rules.ts`) that leaves the order of refusals open; here it is not open.
 *
 *     differences/mapping.ts    mmap
 *     differences/ranges.ts     munmap, mprotect, minherit, brk
 *     differences/locking.ts    mlock, munlock, mlockall, munlockall
 *     differences/paging.ts     madvise, msync, mincore
 *     differences/accesses.ts   loads, stores, fetches, and the calls that move bytes
 *     differences/contents.ts   bytes that are left open
 *
 * No other operation may differ at all.
 */
import { ACCESS } from './differences/accesses.js';
import { CONTENTS } from './differences/contents.js';
import { LOCKING } from './differences/locking.js';
import { MMAP } from './differences/mapping.js';
import { PAGING } from './differences/paging.js';
import { RANGES } from './differences/ranges.js';
import type { Row } from './differences/row.js';

export const ROWS: readonly Row[] = [...MMAP, ...RANGES, ...LOCKING, ...PAGING, ...ACCESS];

/** Every row by what it is counted as: the calls that it is about, and its cell. */
export function nameOf({ calls, cell }: Row): string {
  return `${calls.length > 2 ? 'access' : calls.join('/')}: ${cell}`;
}

export const ROW_NAMES: readonly string[] = [...ROWS.map(nameOf), ...CONTENTS.map(({ cell }) => `bytes: ${cell}`)];
