/** Where mlock, munlock, mlockall and munlockall differ. */
import * as F from '@faultline/core';
import type { Place } from '../model/model.js';
import type { Operation } from '../program.js';
import type { Before, Entry } from './before.js';
import { UNALIGNED } from './ranges.js';
import { EITHER, everywhere, type Row, rowsOf } from './row.js';

const { PAGE_SIZE, USER_MAX_PAGE, USER_MIN_PAGE } = F;

const empty = (b: Before): boolean => b.start === b.end;
/** The range as a system sees it that cuts off what lies outside of user space. */
const from = (b: Before): number => Math.min(Math.max(b.start, USER_MIN_PAGE), to(b));
const to = (b: Before): number => Math.min(b.end, USER_MAX_PAGE);
const nothingLeft = (b: Before): boolean => from(b) >= to(b);
const missingAt = (b: Before, vpn: number): boolean => b.place(vpn) === undefined;

const overLimit = (b: Before): boolean => (b.sizes.wired + b.end - b.start) * PAGE_SIZE > b.model.limits.lockedMemory;
const overSystem = (b: Before): boolean => b.end - b.start + b.wired.frames > b.wired.most;

/** An entry that nobody may access, of which part lies in the range. */
function forbidden(b: Before): boolean {
  const end = b.end * PAGE_SIZE;
  return b.entries.some((entry) => entry.start < end && entry.end > b.address && entry.protection === F.PROT_NONE);
}

/** Wiring faults every page in; past the end of a file there is none. */
const cannotBeHad = ({ cell, wired }: Place): boolean => wired === 0 && cell.present() === false;

const executeOnly = ({ protection, wired }: Entry): boolean => protection === F.PROT_EXEC && wired === 0;

/**
 * What may only be executed dragonfly faults in by the maximum protection, for reading and writing, and takes the writing from it for the pages that
 * follow: with a second page in the entry it fails.
 */
function dragonflyRefuses(b: Before, entry: Entry): boolean {
  const [first, last] = [Math.max(entry.start, b.start * PAGE_SIZE), Math.min(entry.end, b.end * PAGE_SIZE)];
  const both = F.PROT_READ | F.PROT_WRITE;
  return executeOnly(entry) && (last - first > PAGE_SIZE || (entry.maximum & both) !== both);
}

const lost = (b: Before): boolean => b.places.some(cannotBeHad);
const unsure = (b: Before): boolean => b.places.some(({ cell, wired }) => wired === 0 && cell.present() === null);
/** A hole behind the first page. */
const innerHole = (b: Before): boolean => b.firstHole(from(b)) < to(b);

const MLOCK_ROWS: readonly Omit<Row, 'calls'>[] = [
  {
    cell: 'mlock over RLIMIT_MEMLOCK',
    why: 'looked at first',
    when: overLimit,
    answers: { csrg: 'EAGAIN', freebsd: 'ENOMEM', dragonfly: 'ENOMEM', netbsd: 'EAGAIN' },
  },
  UNALIGNED,
  {
    cell: 'mlock on hole / PROT_NONE: PROT_NONE',
    why: 'freebsd and dragonfly look at that before they count',
    when: forbidden,
    answers: { freebsd: 'ENOMEM', dragonfly: 'ENOMEM' },
  },
  {
    cell: 'MAP_FIXED outside user range: mlock above',
    why: 'netbsd refuses the range; dragonfly and csrg find a hole there, freebsd cuts it off',
    when: (b) => b.beyond,
    answers: { netbsd: 'EINVAL' },
  },
  {
    cell: 'mlock over the system limit: by itself',
    why: 'more than may ever be wired is ENOMEM on freebsd',
    when: (b) => b.end - b.start > b.wired.most,
    answers: { freebsd: 'ENOMEM' },
  },
  {
    cell: 'mlock over the system limit',
    why: 'a third of all frames, of which dragonfly keeps more',
    when: overSystem,
    answers: everywhere('EAGAIN'),
  },
  {
    cell: 'mlock of no bytes',
    why: 'freebsd and csrg look whether there is something; netbsd and dragonfly do not',
    when: (b) => (b.system === 'netbsd' || b.system === 'freebsd' ? nothingLeft(b) : empty(b)),
    answers: {
      csrg: (b) => (missingAt(b, b.start) || forbidden(b) ? 'ENOMEM' : '0'),
      freebsd: (b) => (missingAt(b, from(b)) ? 'ENOMEM' : '0'),
      dragonfly: '0',
      netbsd: '0',
    },
  },
  {
    cell: 'mlock on hole / PROT_NONE: at the beginning',
    why: 'ENOMEM',
    when: (b) => missingAt(b, b.system === 'freebsd' || b.system === 'netbsd' ? from(b) : b.start),
    answers: everywhere('ENOMEM'),
  },
  {
    cell: 'mlock on hole / PROT_NONE: further on',
    why: 'ENOMEM, and EINVAL on netbsd',
    when: (b) => (b.system === 'freebsd' || b.system === 'netbsd' ? innerHole(b) : b.hole) || forbidden(b),
    answers: { csrg: 'ENOMEM', freebsd: 'ENOMEM', dragonfly: 'ENOMEM', netbsd: 'EINVAL' },
  },
  {
    cell: 'kM60 error during mlock: a page that cannot be had',
    why: 'past the end of its file',
    when: lost,
    answers: { csrg: 'ENOMEM', freebsd: 'ENOMEM', dragonfly: 'ENOMEM', netbsd: 'EINVAL' },
  },
  {
    cell: 'kT11 private copied page survives truncation: under mlock',
    why: 'a page past the end of the file can be locked where it has been copied',
    when: unsure,
    answers: everywhere(EITHER),
  },
  {
    cell: 'mlock on hole / PROT_NONE: execute only',
    why: 'locked; freebsd and dragonfly take the write permission from it for good, and dragonfly then fails at the second page',
    when: (b) => b.touched.some(executeOnly),
    answers: {
      freebsd: '0',
      dragonfly: (b) => (b.touched.some((entry) => dragonflyRefuses(b, entry)) ? 'ENOMEM' : '0'),
    },
    parts: true,
  },
];

const unlocked = (b: Before): boolean => b.touched.some(({ wired }) => wired === 0);

const MUNLOCK_ROWS: readonly Omit<Row, 'calls'>[] = [
  UNALIGNED,
  {
    cell: 'MAP_FIXED outside user range: munlock above',
    why: 'netbsd refuses the range; freebsd cuts it off, for the others it is a hole',
    when: (b) => b.beyond,
    answers: { netbsd: 'EINVAL' },
  },
  {
    cell: 'munlock of no bytes',
    why: 'freebsd and csrg look whether there is something; netbsd and dragonfly do not',
    when: (b) => (b.system === 'netbsd' || b.system === 'freebsd' ? nothingLeft(b) : empty(b)),
    answers: {
      csrg: (b) => (missingAt(b, b.start) ? 'ENOMEM' : '0'),
      freebsd: (b) => (missingAt(b, from(b)) ? 'ENOMEM' : '0'),
      dragonfly: '0',
      netbsd: '0',
    },
  },
  {
    cell: 'mlock on hole / PROT_NONE: munlock at the beginning',
    why: 'ENOMEM',
    when: (b) => missingAt(b, b.system === 'freebsd' || b.system === 'netbsd' ? from(b) : b.start),
    answers: everywhere('ENOMEM'),
  },
  {
    cell: 'mlock on hole / PROT_NONE: munlock further on',
    why: 'ENOMEM, and EINVAL on netbsd',
    when: (b) => (b.system === 'freebsd' || b.system === 'netbsd' ? innerHole(b) : b.hole),
    answers: { csrg: 'ENOMEM', freebsd: 'ENOMEM', dragonfly: 'ENOMEM', netbsd: 'EINVAL' },
  },
  {
    cell: 'mlock nesting: munlock of what is not locked',
    why: 'passed over by freebsd, ENOMEM on csrg and dragonfly, EINVAL on netbsd',
    when: unlocked,
    answers: { csrg: 'ENOMEM', freebsd: '0', dragonfly: 'ENOMEM', netbsd: 'EINVAL' },
  },
];

// ---- everything

const flags = (b: Before): number => (b.operation as Operation & { readonly op: 'mlockall' }).flags;
const current = (b: Before): boolean => (flags(b) & F.MCL_CURRENT) !== 0;
const everyPlace = (b: Before): readonly Place[] => [...b.model.places.values()];

/** What freebsd answers of what is mapped: places that nobody may access are passed over, and then nobody counts before. */
function freebsdCurrent(b: Before): string {
  const places = everyPlace(b).filter(({ prot }) => prot !== F.PROT_NONE);
  const passesOver = b.entries.some(({ protection }) => protection === F.PROT_NONE);
  if (!passesOver && b.sizes.mapped > b.wired.most) return 'ENOMEM';
  if (places.some(({ cell, wired }) => wired === 0 && cell.present() === null)) return EITHER;
  return places.some(cannotBeHad) ? 'EAGAIN' : '0';
}

function netbsdCurrent(b: Before): string {
  const fresh = b.entries.filter(({ protection, wired }) => protection !== F.PROT_NONE && wired === 0);
  const pages = fresh.reduce((sum, { start, end }) => sum + (end - start) / PAGE_SIZE, 0);
  if (pages + b.wired.frames > b.wired.most) return 'ENOMEM';
  const places = everyPlace(b).filter(({ prot, wired }) => prot !== F.PROT_NONE && wired === 0);
  if (places.some(({ cell }) => cell.present() === null)) return EITHER;
  return places.some(cannotBeHad) ? 'EINVAL' : '0';
}

const MLOCKALL_ROWS: readonly Omit<Row, 'calls'>[] = [
  { cell: 'mlockall: no call', why: 'not on csrg', when: () => true, answers: { csrg: 'EOPNOTSUPP' } },
  {
    cell: 'mlockall: flags 0/unknown EINVAL',
    why: 'on all that have the call',
    when: (b) => flags(b) === 0 || flags(b) > 3,
    answers: { freebsd: 'EINVAL', dragonfly: 'EINVAL', netbsd: 'EINVAL' },
  },
  {
    cell: 'mlockall: over limit ENOMEM',
    why: 'RLIMIT_MEMLOCK for all that is mapped',
    when: (b) => current(b) && b.sizes.mapped * PAGE_SIZE > b.model.limits.lockedMemory,
    answers: { freebsd: 'ENOMEM', dragonfly: 'ENOMEM', netbsd: 'ENOMEM' },
  },
  {
    cell: 'kM61 mlockall CURRENT',
    why: 'dragonfly cannot: ENOSYS, as its kernel answers; a page that cannot be had is EAGAIN on freebsd and EINVAL on netbsd',
    when: current,
    answers: { freebsd: freebsdCurrent, dragonfly: 'ENOSYS', netbsd: netbsdCurrent },
  },
  {
    cell: 'kM62 mlockall FUTURE',
    why: 'on all that have the call',
    when: () => true,
    answers: { freebsd: '0', dragonfly: '0', netbsd: '0' },
  },
];

const MUNLOCKALL_ROWS: readonly Omit<Row, 'calls'>[] = [
  {
    cell: 'mlockall: no call: munlockall',
    why: 'not on csrg',
    when: () => true,
    answers: { csrg: 'EOPNOTSUPP', freebsd: '0', dragonfly: '0', netbsd: '0' },
  },
];

export const LOCKING: readonly Row[] = [
  ...rowsOf(MLOCK_ROWS, 'mlock'),
  ...rowsOf(MUNLOCK_ROWS, 'munlock'),
  ...rowsOf(MLOCKALL_ROWS, 'mlockall'),
  ...rowsOf(MUNLOCKALL_ROWS, 'munlockall'),
];
