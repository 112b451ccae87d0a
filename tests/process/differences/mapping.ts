/** Where mmap differs. */
import * as F from '@faultline/core';
import type { Operation } from '../program.js';
import type { Before } from './before.js';
import { everywhere, type Row, rowsOf, THROUGH } from './row.js';

const { PAGE_SIZE, USER_MAX_ADDRESS, USER_MAX_PAGE, USER_MIN_ADDRESS, USER_MIN_PAGE } = F;

type Mmap = Operation & { readonly op: 'mmap' };

const call = (b: Before): Mmap => b.operation as Mmap;
const has = (b: Before, flag: number): boolean => (call(b).flags & flag) !== 0;
const fixed = (b: Before): boolean => has(b, F.MAP_FIXED);
/** The part of the offset within a page, which goes to the address; csrg is given whole pages. */
const remainder = (b: Before): number => (has(b, F.MAP_ANON) || b.rules.wholeOffsets ? 0 : call(b).offset % PAGE_SIZE);
/** Where the mapping itself begins, which shows the page that the offset lies in from its start on. */
const base = (b: Before): number => b.address - remainder(b);
const pages = (b: Before): number => Math.ceil((b.length + remainder(b)) / PAGE_SIZE);
const behind = (b: Before): number => base(b) + pages(b) * PAGE_SIZE;

/** What is wrong with the flags, the descriptor or the protection. */
function backingErrno(b: Before): string | null {
  const { fd, prot } = call(b);
  if (has(b, F.MAP_ANON)) return fd === -1 ? null : 'EINVAL';
  const open = b.model.fds[fd];
  if (!open) return 'EBADF';
  const mode = open.flags & 3;
  const unreadable = (prot & F.PROT_READ) !== 0 && mode === F.O_WRONLY;
  const unwritable = (prot & F.PROT_WRITE) !== 0 && has(b, F.MAP_SHARED) && mode === F.O_RDONLY;
  return unreadable || unwritable ? 'EACCES' : null;
}

function overAddressSpace(b: Before): boolean {
  return (b.sizes.mapped + Math.ceil(b.length / PAGE_SIZE)) * PAGE_SIZE > b.model.limits.addressSpace;
}

/** The first free place for so many pages at or above a page, or -1. */
function firstFit(b: Before, from: number, count: number): number {
  let at = Math.max(from, USER_MIN_PAGE);
  for (const used of [...b.model.places.keys()].filter((vpn) => vpn >= at).sort((one, two) => one - two)) {
    if (used - at >= count) return at;
    at = used + 1;
  }
  return at + count <= USER_MAX_PAGE ? at : -1;
}

/** Where the mapping goes without a fixed place, as far as a wish says. */
function wish(b: Before): 'as asked' | 'elsewhere' {
  const page = Math.ceil(b.address / PAGE_SIZE);
  return page !== 0 && firstFit(b, page, pages(b)) === page ? 'as asked' : 'elsewhere';
}

/** Nothing free is large enough at or above the wish. Nor anywhere else, perhaps. */
const nothingAbove = (b: Before): boolean => firstFit(b, Math.ceil(b.address / PAGE_SIZE), pages(b)) < 0;
const nothingAnywhere = (b: Before): boolean => firstFit(b, 0, pages(b)) < 0;

/**
 * What mmap answered, without what is the kernel's own choice: which address, where none was fixed or granted. It is compared whether a wish was
 * granted and where within its page the answer lies.
 */
export function mmapAnswer(b: Before, answer: string): string {
  if (!/^\d+$/.test(answer)) return answer;
  const at = Number(answer);
  if (fixed(b) || b.length === 0) return at === b.address ? 'as asked' : `at ${at}`;
  const within = at % PAGE_SIZE;
  const granted = b.address !== 0 && at - within === Math.ceil(b.address / PAGE_SIZE) * PAGE_SIZE;
  return `${granted ? 'as asked' : 'elsewhere'} +${within}`;
}

const ROWS: readonly Omit<Row, 'calls'>[] = [
  {
    cell: 'SHARED and PRIVATE both',
    why: 'netbsd refuses what the others take for shared',
    when: (b) => (call(b).flags & 3) === 3,
    answers: { netbsd: 'EINVAL' },
  },
  {
    cell: 'MAP_ANON with fd != -1; bad fd; PROT_READ on write-only fd; SHARED+WRITE on read-only fd',
    why: 'all refuse it, and before they look at addresses',
    when: (b) => backingErrno(b) !== null,
    answers: everywhere((b) => String(backingErrno(b))),
  },
  {
    cell: 'MAP_ANON with fd != -1; also offset != 0 EINVAL',
    why: 'an offset with MAP_ANON is EINVAL on dragonfly',
    when: (b) => has(b, F.MAP_ANON) && call(b).offset !== 0,
    answers: { dragonfly: 'EINVAL' },
  },
  {
    cell: 'too many entries / RLIMIT_AS / no space: RLIMIT_AS',
    why: 'looked at before addresses are; csrg has no such limit',
    when: overAddressSpace,
    answers: { freebsd: 'ENOMEM', dragonfly: 'ENOMEM', netbsd: 'ENOMEM' },
  },
  {
    cell: 'MAP_FIXED outside user range: below',
    why: 'nobody maps the first page; netbsd looks at that before the length',
    when: (b) => fixed(b) && base(b) < USER_MIN_ADDRESS,
    answers: everywhere('EINVAL'),
  },
  {
    cell: 'mmap len 0: at a fixed address that is none',
    why: 'netbsd is done before it looks whether the address is aligned or too high',
    when: (b) => fixed(b) && b.length === 0,
    answers: { netbsd: 'as asked' },
  },
  {
    cell: 'MAP_FIXED outside user range: above',
    why: 'EINVAL, and EFBIG on netbsd',
    when: (b) => fixed(b) && behind(b) > USER_MAX_ADDRESS,
    answers: { csrg: 'EINVAL', freebsd: 'EINVAL', dragonfly: 'EINVAL', netbsd: 'EFBIG' },
  },
  {
    cell: 'MAP_FIXED outside user range: end test is >=',
    why: 'csrg lets nobody have the last page',
    when: (b) => fixed(b) && behind(b) === USER_MAX_ADDRESS,
    answers: { csrg: 'EINVAL' },
  },
  {
    cell: 'MAP_FIXED address unaligned (after subtracting off mod page)',
    why: 'csrg subtracts nothing, since its offsets are whole pages here',
    when: (b) => fixed(b) && base(b) % PAGE_SIZE !== 0,
    answers: everywhere('EINVAL'),
  },
  {
    cell: 'mmap len 0: from within a page of a file',
    why: 'freebsd adds the remainder first and maps that page; the others map nothing',
    when: (b) => b.length === 0 && !has(b, F.MAP_ANON) && call(b).offset % PAGE_SIZE !== 0,
    answers: { csrg: 'as asked', freebsd: THROUGH, dragonfly: 'as asked', netbsd: 'as asked' },
    parts: true,
  },
  {
    cell: 'too many entries / RLIMIT_AS / no space: no space above the wish',
    why: 'three look only upwards from the wish, netbsd once more from where it looks without one',
    when: (b) => !fixed(b) && b.length > 0 && nothingAbove(b),
    answers: {
      csrg: 'ENOMEM',
      freebsd: 'ENOMEM',
      dragonfly: 'ENOMEM',
      netbsd: (b) => (nothingAnywhere(b) ? 'ENOMEM' : `elsewhere +${remainder(b)}`),
    },
  },
  {
    cell: 'unaligned file offset',
    why: 'the answer has the remainder; csrg adjusts nothing',
    when: (b) => !fixed(b) && b.length > 0 && b.length < USER_MAX_ADDRESS && call(b).offset % PAGE_SIZE !== 0,
    answers: everywhere((b) => `${wish(b)} +${remainder(b)}`),
  },
];

export const MMAP = rowsOf(ROWS, 'mmap');
