/**
 * Programs that go where random ones seldom come: each reaches a row of the table of differences.
 *
 * The first operation of each process makes an image of four pages at the start of the window and four of stack. Descriptors 0 to 2 are the files
 * `a` (20 pages), `b` and `c` (a byte).
 */
import * as F from '@faultline/core';
import { FROM_TOP, type Operation, WINDOW_START } from '../program.js';

const { MAP_ANON, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, USER_MAX_ADDRESS } = F;

const who = 0;
/** A place of the window where nothing is mapped at first. */
const FREE = (WINDOW_START + 20) * PAGE_SIZE;
const ANON = MAP_ANON | MAP_PRIVATE | MAP_FIXED;
const FILE = MAP_SHARED | MAP_FIXED;

const opens: readonly Operation[] = ['a', 'b', 'c'].map((path) => ({ op: 'open', who, path, flags: F.O_RDWR }));

function mmap(at: number, length: number, flags: number, more: { fd?: number; offset?: number; prot?: number } = {}) {
  return { op: 'mmap', who, at, length, prot: 3, flags, fd: -1, offset: 0, ...more } as const;
}

function over(op: 'munmap' | 'mlock' | 'munlock' | 'copyin', at: number, length: number): Operation {
  return { op, who, at, length };
}

const load = (at: number): Operation => ({ op: 'load', who, at, width: 1 });
const store = (at: number, value: number): Operation => ({ op: 'store', who, at, width: 1, value });
const msync = (at: number, length: number, flags: number): Operation => ({ op: 'msync', who, at, length, flags });
const limit = (which: 'addressSpace' | 'lockedMemory', pages: number): Operation => ({
  op: 'limit',
  who,
  which,
  pages,
});
const madvise = (at: number, length: number, advice: number): Operation => ({ op: 'madvise', who, at, length, advice });
const OUT: readonly Operation[] = [
  { op: 'pageout', pages: 120 },
  { op: 'pageout', pages: 120 },
];
/** More than there is memory for: what was there has to go. */
const PRESSURE: readonly Operation[] = [
  mmap(0, 90 * PAGE_SIZE, MAP_ANON | MAP_PRIVATE),
  { op: 'touch', who, at: 2 ** 50, length: 90 * PAGE_SIZE, access: F.ACCESS_WRITE },
];

/** More than there is of user space above the window. */
const HUGE = 2 ** 47;
const X_ONLY = mmap(FREE, 2 * PAGE_SIZE, ANON, { prot: 4 });

/** By the name of the row that the program is to reach. */
export const DIRECTED: Readonly<Record<string, readonly Operation[]>> = {
  'mmap: MAP_ANON with fd != -1; also offset != 0 EINVAL': [mmap(FREE, PAGE_SIZE, ANON, { offset: PAGE_SIZE })],
  'mmap: MAP_FIXED outside user range: above': [mmap(FREE, HUGE, ANON)],
  'mmap: MAP_FIXED address unaligned (after subtracting off mod page)': [
    mmap(FREE, PAGE_SIZE, FILE, { fd: 0, offset: 100 }),
  ],
  'mmap: mmap len 0: at a fixed address that is none': [mmap(FREE + 1, 0, ANON)],
  'mmap: unaligned file offset': [mmap(FREE, PAGE_SIZE, MAP_SHARED, { fd: 0, offset: 100 })],
  'mmap: too many entries / RLIMIT_AS / no space: RLIMIT_AS': [
    limit('addressSpace', 10),
    mmap(FREE, 20 * PAGE_SIZE, ANON),
  ],
  'mprotect: MAP_FIXED outside user range: mprotect above': [{ op: 'mprotect', who, at: FREE, length: HUGE, prot: 1 }],
  'minherit: MAP_FIXED outside user range: minherit above': [
    { op: 'minherit', who, at: FREE, length: HUGE, how: F.INHERIT_NONE },
  ],
  'mlock: mlock on hole / PROT_NONE: PROT_NONE': [
    mmap(FREE, PAGE_SIZE, ANON, { prot: 0 }),
    over('mlock', FREE, PAGE_SIZE),
  ],
  'mlock: mlock over the system limit: by itself': [over('mlock', FREE, 60 * PAGE_SIZE)],
  'mlock: mlock over the system limit': [mmap(FREE, 34 * PAGE_SIZE, ANON), over('mlock', FREE, 34 * PAGE_SIZE)],
  'mlock: MAP_FIXED outside user range: mlock above': [over('mlock', FREE, HUGE)],
  'mlock: mlock on hole / PROT_NONE: execute only': [X_ONLY, over('mlock', FREE, 2 * PAGE_SIZE)],
  'munlock: MAP_FIXED outside user range: munlock above': [over('munlock', FREE, HUGE)],
  'madvise: MAP_FIXED outside user range: madvise above': [madvise(FREE, HUGE, F.MADV_NORMAL)],
  'mincore: mincore: EINVAL out of range': [{ op: 'mincore', who, at: FREE, length: HUGE, short: false }],
  'mincore: mincore: bad vec EFAULT': [{ op: 'mincore', who, at: FREE, length: PAGE_SIZE, short: true }],
  'mmap: MAP_FIXED outside user range: below': [limit('addressSpace', 20), mmap(0, 30 * PAGE_SIZE, ANON)],
  'mmap: MAP_FIXED outside user range: end test is >=': [mmap(USER_MAX_ADDRESS - PAGE_SIZE, PAGE_SIZE, ANON)],
  'mmap: mmap len 0: from within a page of a file': [mmap(FREE + 1, 0, FILE, { fd: 0, offset: 1 })],
  'mmap: too many entries / RLIMIT_AS / no space: no space above the wish': [
    mmap(USER_MAX_ADDRESS - PAGE_SIZE, 2 * PAGE_SIZE, MAP_ANON | MAP_PRIVATE),
  ],
  'brk/sbrk: too many entries / RLIMIT_AS / no space: RLIMIT_AS for brk': [
    limit('addressSpace', 10),
    { op: 'sbrk', who, increment: 4 * PAGE_SIZE },
  ],
  'munmap: MAP_FIXED outside user range: munmap below': [over('munmap', 0, PAGE_SIZE)],
  'munmap: munmap len 0': [over('munmap', FREE, 0)],
  'mlock: mlock over RLIMIT_MEMLOCK': [
    limit('lockedMemory', 2),
    over('mlock', WINDOW_START * PAGE_SIZE, 3 * PAGE_SIZE),
  ],
  'mlock: mlock of no bytes': [over('mlock', FREE, 0)],
  'munlock: munlock of no bytes': [over('munlock', FREE, 0)],
  'mlock: kT11 private copied page survives truncation: under mlock': [
    mmap(FREE, 2 * PAGE_SIZE, MAP_PRIVATE | MAP_FIXED, { fd: 0, prot: 1 }),
    over('mlock', FREE, 2 * PAGE_SIZE),
    over('munlock', FREE, 2 * PAGE_SIZE),
    { op: 'ftruncate', who, fd: 0, offset: 0 },
    over('mlock', FREE, 2 * PAGE_SIZE),
  ],
  'access: kT11 private copied page survives truncation': [
    mmap(FREE, 2 * PAGE_SIZE, MAP_PRIVATE | MAP_FIXED, { fd: 0, prot: 1 }),
    over('mlock', FREE, 2 * PAGE_SIZE),
    over('munlock', FREE, 2 * PAGE_SIZE),
    { op: 'ftruncate', who, fd: 0, offset: 0 },
    ...OUT,
    load(FREE),
  ],
  'access: kT11 private copied page survives truncation: with its translation': [
    mmap(FREE, 2 * PAGE_SIZE, MAP_PRIVATE | MAP_FIXED, { fd: 0, prot: 1 }),
    over('mlock', FREE, 2 * PAGE_SIZE),
    over('munlock', FREE, 2 * PAGE_SIZE),
    { op: 'ftruncate', who, fd: 0, offset: 0 },
    load(FREE),
  ],
  'mlockall: mlockall: over limit ENOMEM': [limit('lockedMemory', 2), { op: 'mlockall', who, flags: F.MCL_CURRENT }],
  'madvise: MAP_FIXED outside user range: madvise below': [madvise(0, PAGE_SIZE, F.MADV_NORMAL)],
  'msync: msync INVALIDATE on wired': [
    mmap(FREE, 2 * PAGE_SIZE, FILE, { fd: 0 }),
    over('mlock', FREE, PAGE_SIZE),
    msync(FREE, PAGE_SIZE, F.MS_INVALIDATE),
  ],
  'mincore: mincore: EINVAL out of range: below': [{ op: 'mincore', who, at: 0, length: PAGE_SIZE, short: false }],
  'access: access: no mapping': [
    mmap(FREE, PAGE_SIZE, ANON, { prot: 1 }),
    { op: 'fetch', who, at: FREE + PAGE_SIZE - 2 },
  ],
  'access: access: protection violation: in the stack region': [
    { op: 'mprotect', who, at: FROM_TOP + 2 * PAGE_SIZE, length: PAGE_SIZE, prot: 1 },
    store(FROM_TOP + 2 * PAGE_SIZE, 7),
  ],
  'bytes: madvise MADV_FREE': [
    mmap(FREE, 4 * PAGE_SIZE, ANON),
    store(FREE, 11),
    store(FREE + PAGE_SIZE, 12),
    madvise(FREE, 4 * PAGE_SIZE, F.MADV_FREE),
    ...OUT,
    ...PRESSURE,
    over('copyin', FREE, 2 * PAGE_SIZE),
  ],
  'bytes: kT9 writes to the part past EOF in the last page': [
    mmap(FREE, PAGE_SIZE, FILE, { fd: 2 }),
    store(FREE + 100, 13),
    msync(FREE, PAGE_SIZE, F.MS_SYNC),
    load(FREE + 100),
  ],
  'bytes: kA22 MAP_PRIVATE page not yet written: sees file writes or not': [
    mmap(FREE, PAGE_SIZE, MAP_PRIVATE | MAP_FIXED, { fd: 0, prot: 1 }),
    over('mlock', FREE, PAGE_SIZE),
    store(WINDOW_START * PAGE_SIZE, 14),
    { op: 'pwrite', who, fd: 0, at: WINDOW_START * PAGE_SIZE, length: 1, offset: 0 },
    load(FREE),
  ],
};

export const directedProgram = (operations: readonly Operation[]) => ({
  memoryPages: 96,
  swapPages: 4096,
  operations: [...opens, ...operations],
});
