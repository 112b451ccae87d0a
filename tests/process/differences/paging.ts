/** Where madvise, msync and mincore differ. */
import * as F from '@faultline/core';
import type { Operation } from '../program.js';
import type { Before } from './before.js';
import { UNALIGNED } from './ranges.js';
import { type Row, rowsOf } from './row.js';

const { MADV_DONTNEED, MADV_FREE_NETBSD, MS_ASYNC, MS_INVALIDATE, MS_SYNC_NETBSD, PAGE_SIZE } = F;

const hasNo = (call: string): Omit<Row, 'calls'> => ({
  cell: `${call}: EOPNOTSUPP`,
  why: 'csrg has no such call',
  when: () => true,
  answers: { csrg: 'EOPNOTSUPP' },
});

/** uvm_map_clean looks at the entries of a range in turn: the first locked one or the first hole decides. Null: neither. */
function netbsdWalk(b: Before, frees: boolean): 'EBUSY' | 'EFAULT' | null {
  const start = Math.max(b.start, F.USER_MIN_PAGE);
  let at = start * PAGE_SIZE;
  const entries = b.entries;
  let entry = entries.find((one) => at >= one.start && at < one.end);
  if (entry === undefined) return 'EFAULT';
  const end = Math.max(b.end, start) * PAGE_SIZE;
  while (entry !== undefined && entry.start < end) {
    if (frees && entry.wired > 0) return 'EBUSY';
    at = entry.end;
    if (end <= at) return null;
    entry = entries.find((one) => one.start === at);
    if (entry === undefined) return 'EFAULT';
  }
  return null;
}

// ---- madvise

const advice = (b: Before): number => (b.operation as Operation & { readonly op: 'madvise' }).advice;

const MADVISE_ROWS: readonly Omit<Row, 'calls'>[] = [
  hasNo('madvise bad advice'),
  {
    cell: 'madvise bad advice: the number of MADV_FREE',
    why: '5 on freebsd and dragonfly, 6 on netbsd: to the others no advice at all',
    when: (b) => advice(b) > MADV_DONTNEED && advice(b) !== b.rules.adviceFree,
    answers: { freebsd: 'EINVAL', dragonfly: 'EINVAL', netbsd: 'EINVAL' },
  },
  {
    cell: 'MAP_FIXED outside user range: madvise above',
    why: 'refused by all that have the call',
    when: (b) => b.beyond,
    answers: { freebsd: 'EINVAL', dragonfly: 'EINVAL', netbsd: 'EINVAL' },
  },
  {
    cell: 'MAP_FIXED outside user range: madvise below',
    why: 'netbsd cuts the range off at the first page',
    when: (b) => b.below,
    answers: { freebsd: 'EINVAL', dragonfly: 'EINVAL' },
  },
  {
    cell: 'kD16 unmapped; kD10 FREE on a wired range',
    why: 'netbsd looks at what it deactivates or frees: a hole is EFAULT, a locked page that is to be freed EBUSY, whichever comes first',
    when: (b) => advice(b) >= MADV_DONTNEED && netbsdWalk(b, advice(b) === MADV_FREE_NETBSD) !== null,
    answers: { netbsd: (b) => String(netbsdWalk(b, advice(b) === MADV_FREE_NETBSD)) },
  },
  {
    cell: 'madvise MADV_NORMAL ... MADV_FREE',
    why: 'taken for holes and locked pages as for anything else; of bytes only MADV_FREE leaves any open, MADV_DONTNEED keeps them everywhere',
    when: () => true,
    answers: { freebsd: '0', dragonfly: '0', netbsd: '0' },
  },
];

// ---- msync

const flags = (b: Before): number => (b.operation as Operation & { readonly op: 'msync' }).flags;
const has = (b: Before, bits: number): boolean => (flags(b) & bits) === bits;
const badFlags = (b: Before): boolean =>
  b.system === 'netbsd' ? flags(b) > 7 || has(b, MS_ASYNC | MS_SYNC_NETBSD) : has(b, MS_ASYNC | MS_INVALIDATE);

/** What lies in one entry, and shows a file through nothing that is the process's own. */
function oneFile(b: Before): boolean {
  const entry = b.entryAt(b.start);
  return entry !== null && b.end * PAGE_SIZE <= entry.end && b.topLayer(b.start).startsWith('vnode:');
}

/** Entries that msync takes: those of the range, or for length 0 the one that holds the address. */
const locked = (b: Before): boolean => {
  const entry = b.entryAt(b.start);
  return (b.length === 0 ? (entry === null ? [] : [entry]) : b.touched).some(({ wired }) => wired > 0);
};

const MSYNC_ROWS: readonly Omit<Row, 'calls'>[] = [
  UNALIGNED,
  {
    cell: 'msync flags: no flags',
    why: 'csrg looks at none; it takes what lies in one entry and shows a file',
    when: () => true,
    answers: { csrg: (b) => (oneFile(b) ? '0' : 'EINVAL') },
  },
  {
    cell: 'msync flags: which are refused together',
    why: 'ASYNC with INVALIDATE on freebsd and dragonfly; ASYNC with SYNC, and what it does not know, on netbsd',
    when: badFlags,
    answers: { freebsd: 'EINVAL', dragonfly: 'EINVAL', netbsd: 'EINVAL' },
  },
  {
    cell: 'msync unmapped; msync len 0: EINVAL if none',
    why: 'EINVAL, and on netbsd EFAULT, but EBUSY where a locked entry comes first, and EINVAL where the range leaves user space or is none',
    when: (b) => (b.length === 0 ? b.entryAt(b.start) === null : b.hole),
    answers: {
      freebsd: 'EINVAL',
      dragonfly: 'EINVAL',
      netbsd: (b) => (b.beyond || b.length === 0 ? 'EINVAL' : (netbsdWalk(b, has(b, MS_INVALIDATE)) ?? '0')),
    },
  },
  {
    cell: 'msync INVALIDATE on wired',
    why: 'EBUSY on freebsd and netbsd; dragonfly does not mind',
    when: (b) => has(b, MS_INVALIDATE) && locked(b),
    answers: { freebsd: 'EBUSY', dragonfly: '0', netbsd: 'EBUSY' },
  },
  {
    cell: 'msync len 0: whole entry; kS5 private mapping: success',
    why: 'anything that is mapped can be synchronised',
    when: () => true,
    answers: { freebsd: '0', dragonfly: '0', netbsd: '0' },
  },
];

// ---- mincore

const short = (b: Before): boolean => b.operation.op === 'mincore' && vectorBytes(b) < b.end - b.start;

/** Bytes that the program gives for the answer. */
function vectorBytes(b: Before): number {
  const pages = Math.min(b.end - b.start, 1000);
  return b.operation.op === 'mincore' && b.operation.short ? Math.max(pages - 1, 0) : pages;
}

const MINCORE_ROWS: readonly Omit<Row, 'calls'>[] = [
  hasNo('mincore'),
  {
    cell: 'mincore: addr unaligned EINVAL; len 0 EINVAL',
    why: 'the others truncate the address, and answer nothing for nothing',
    when: (b) => b.unaligned || b.length === 0,
    answers: { netbsd: 'EINVAL' },
  },
  {
    cell: 'mincore: EINVAL out of range',
    why: 'above',
    when: (b) => b.beyond,
    answers: { freebsd: 'EINVAL', dragonfly: 'EINVAL', netbsd: 'EINVAL' },
  },
  {
    cell: 'mincore: EINVAL out of range: below',
    why: 'only dragonfly looks whether a range begins too low',
    when: (b) => b.below,
    answers: { dragonfly: 'EINVAL' },
  },
  {
    cell: 'mincore: bad vec EFAULT',
    why: 'the answer must fit',
    when: short,
    answers: { freebsd: 'EFAULT', dragonfly: 'EFAULT', netbsd: 'EFAULT' },
  },
  {
    cell: 'mincore: hole ENOMEM',
    why: 'the others answer zero bytes',
    when: (b) => b.hole,
    answers: { freebsd: '0', dragonfly: '0', netbsd: 'ENOMEM' },
  },
  {
    cell: 'mincore: what is mapped',
    why: 'answered',
    when: () => true,
    answers: { freebsd: '0', dragonfly: '0', netbsd: '0' },
  },
];

export const PAGING: readonly Row[] = [
  ...rowsOf(MADVISE_ROWS, 'madvise'),
  ...rowsOf(MSYNC_ROWS, 'msync'),
  ...rowsOf(MINCORE_ROWS, 'mincore'),
];
