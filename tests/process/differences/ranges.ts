/** Where munmap, mprotect, minherit and brk differ. */
import * as F from '@faultline/core';
import type { Before } from './before.js';
import { type Row, rowsOf, THROUGH } from './row.js';

const { PAGE_SIZE, USER_MAX_ADDRESS } = F;

/** csrg wants the address of a page from every call that takes a range. */
export const UNALIGNED: Omit<Row, 'calls'> = {
  cell: 'munmap unaligned; mprotect unaligned',
  why: 'csrg refuses an address inside a page, the others round it down',
  when: (b) => b.unaligned,
  answers: { csrg: 'EINVAL' },
};

const MUNMAP_ROWS: readonly Omit<Row, 'calls'>[] = [
  UNALIGNED,
  {
    cell: 'munmap len 0',
    why: 'EINVAL on freebsd; dragonfly has nothing to do and does not look where, the others do',
    when: (b) => b.length === 0,
    answers: {
      csrg: (b) => (b.beyond ? 'EINVAL' : '0'),
      freebsd: 'EINVAL',
      dragonfly: '0',
      netbsd: (b) => (b.beyond ? 'EINVAL' : '0'),
    },
  },
  {
    cell: 'MAP_FIXED outside user range: munmap below',
    why: 'csrg and netbsd cut the range off at the first page',
    when: (b) => b.below && !b.beyond,
    answers: { csrg: '0', freebsd: 'EINVAL', dragonfly: 'EINVAL', netbsd: '0' },
  },
  {
    cell: 'munmap over a hole',
    why: 'EINVAL on freebsd and dragonfly, passed over by the others',
    when: (b) => b.hole && !b.beyond,
    answers: { csrg: '0', freebsd: 'EINVAL', dragonfly: 'EINVAL', netbsd: '0' },
  },
];

const netbsdBeyond = (what: string): Omit<Row, 'calls'> => ({
  cell: `MAP_FIXED outside user range: ${what} above`,
  why: 'netbsd refuses what the others cut off',
  when: (b) => b.beyond,
  answers: { netbsd: 'EINVAL' },
});

const MPROTECT_ROWS: readonly Omit<Row, 'calls'>[] = [UNALIGNED, netbsdBeyond('mprotect')];

const MINHERIT_ROWS: readonly Omit<Row, 'calls'>[] = [UNALIGNED, netbsdBeyond('minherit')];

// ---- the data segment

/** Where the break is to be. */
function wanted(b: Before): number {
  return b.operation.op === 'sbrk' ? b.model.dataEnd + b.operation.increment : b.address;
}

const growth = (b: Before): number => Math.ceil(wanted(b) / PAGE_SIZE) - Math.ceil(b.model.dataEnd / PAGE_SIZE);
const idle = (b: Before): boolean => b.operation.op === 'sbrk' && b.operation.increment === 0;

function overAddressSpace(b: Before): boolean {
  return growth(b) > 0 && (b.sizes.mapped + growth(b)) * PAGE_SIZE > b.model.limits.addressSpace;
}

/** What no system can give: more than RLIMIT_DATA, or what is mapped already. */
function impossible(b: Before): boolean {
  const { dataStart, dataEnd, limits, places } = b.model;
  if (wanted(b) - dataStart > limits.data || wanted(b) > USER_MAX_ADDRESS) return true;
  const first = Math.ceil(dataEnd / PAGE_SIZE);
  return [...places.keys()].some((vpn) => vpn >= first && vpn < first + growth(b));
}

const BRK_ROWS: readonly Omit<Row, 'calls'>[] = [
  {
    cell: 'too many entries / RLIMIT_AS / no space: RLIMIT_AS for brk',
    why: 'csrg has no such limit',
    when: (b) => !idle(b) && overAddressSpace(b),
    answers: {
      csrg: (b) => (impossible(b) ? 'ENOMEM' : THROUGH),
      freebsd: 'ENOMEM',
      dragonfly: 'ENOMEM',
      netbsd: 'ENOMEM',
    },
  },
];

export const RANGES: readonly Row[] = [
  ...rowsOf(MUNMAP_ROWS, 'munmap'),
  ...rowsOf(MPROTECT_ROWS, 'mprotect'),
  ...rowsOf(MINHERIT_ROWS, 'minherit'),
  ...rowsOf(BRK_ROWS, 'brk', 'sbrk'),
];
