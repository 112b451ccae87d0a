/**
 * What differs between the four systems as far as the model must know: a row each, from the table of the memory calls in their CAVEATS.md.
 */
import type { Errno, SystemName } from '@faultline/core';
import { MCL_FUTURE, MS_ASYNC, MS_INVALIDATE, MS_SYNC_NETBSD, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@faultline/core';

/** Signal and code of an access that is refused. */
export interface Refusals {
  readonly missing: string;
  readonly protection: string;
  readonly pastEnd: string;
}

export interface Rules {
  readonly signals: Refusals;
  /** Whether a page may be accessed, or only where it has a translation: hardware tells fewer permissions apart than maps do. */
  readonly allows: (prot: number, need: number) => boolean | 'translated';
  /** What a fetch of an instruction must be allowed. */
  readonly fetchNeeds: number;
  /** In the stack region a permission that is missing is a page that is missing. */
  readonly stackHides: boolean;
  /** Frames that the kernel keeps back, beside what the others do. */
  readonly moreMemory: number;
  /** Protection of a stack. */
  readonly stackProt: number;
  /** Pages at offsets inside a page know nothing of the others: no offsets like that. */
  readonly wholeOffsets: boolean;
  /** The last page of user space cannot be mapped at a fixed place. */
  readonly lastPageRefused: boolean;
  /** Protection of the data segment. */
  readonly dataProt: number;
  /** An address inside a page: refused, or rounded down. */
  readonly unaligned: 'refused' | 'rounded';
  /** A range beyond user space: cut off, or refused. */
  readonly outside: 'clamped' | 'refused';
  /** Lowest address of what is not outside. */
  readonly lowest: number;
  readonly fixedOutside: readonly Errno[];
  readonly tooLong: readonly Errno[];
  readonly munmapHole: Errno | 0;
  /** mmap of nothing, from within a page of a file, maps that page: the length is looked at after the remainder has been added. */
  readonly mapsRemainder: boolean;
  readonly munmapNothing: Errno | 0;
  /** MAP_SHARED and MAP_PRIVATE. */
  readonly both: Errno | 0;
  readonly anonOffset: Errno | 0;
  /** MAP_STACK maps the upper end, and what is below comes up step by step. */
  readonly stacks: boolean;
  /** Protection of what has come up; 0: as that of the stack above. */
  readonly grownProt: number;
  /** MAP_WIRED. */
  readonly mapLocks: boolean;
  /** RLIMIT_AS. */
  readonly addressLimit: boolean;
  readonly madvise: boolean;
  readonly adviceFree: number;
  /** What madvise may answer of a range with holes. */
  readonly adviseMissing: readonly Errno[];
  readonly freeWired: Errno | 0;
  readonly mincore: boolean;
  readonly mincoreHole: Errno | 0;
  readonly mincoreUnaligned: boolean;
  readonly mlockNests: boolean;
  readonly lockTakesWrite: boolean;
  /** mlock copies what might ever be written, not only what may be now. */
  readonly lockCopiesByMaximum: boolean;
  /** mlock and munlock cut off what lies outside of user space. */
  readonly lockClamped: boolean;
  /** Part of memory that can be locked. */
  readonly lockable: number;
  /** mlock of more than may be locked. */
  readonly lockLimit: readonly Errno[];
  readonly mlockMissing: readonly Errno[];
  readonly munlockMissing: readonly Errno[];
  readonly munlockUnwired: Errno | 0;
  readonly mlockall: (flags: number) => Errno | 0;
  /** What mprotect may answer under mlockall(MCL_FUTURE). */
  readonly futureProtect: readonly Errno[];
  /** mlockall without MCL_FUTURE leaves it as it was. */
  readonly futureStays: boolean;
  readonly msyncFlags: (flags: number) => Errno | 0;
  readonly msyncMissing: Errno;
  /** msync cuts off what lies outside of user space. */
  readonly msyncClamped: boolean;
  readonly msyncLocked: Errno | 0;
  /** Only what shows a file can be synchronised. */
  readonly msyncFilesOnly: boolean;
  /** Fork with INHERIT_COPY of what is shared: the parent goes on with a copy too. */
  readonly copyEndsSharing: boolean;
  /** brk below the start of the data segment. */
  readonly brkBelow: Errno | 0;
}

const MAPERR = 'SIGSEGV SEGV_MAPERR';
const ADRERR = 'SIGBUS BUS_ADRERR';
/** What may be written or executed can be read too, once there is a translation. */
const readableByTranslation = (prot: number, need: number): boolean | 'translated' =>
  (prot & need) !== 0 || (need === PROT_READ && prot !== 0 && 'translated');
const refusedTogether = (flags: number, bits: number): Errno | 0 => ((flags & bits) === bits ? 'EINVAL' : 0);

const FREEBSD: Rules = {
  signals: { missing: MAPERR, protection: ADRERR, pastEnd: ADRERR },
  allows: (prot, need) => (prot & need) !== 0,
  fetchNeeds: 4,
  stackHides: false,
  moreMemory: 0,
  stackProt: 3,
  wholeOffsets: false,
  lastPageRefused: false,
  dataProt: 7,
  unaligned: 'rounded',
  outside: 'clamped',
  lowest: PAGE_SIZE,
  fixedOutside: ['EINVAL'],
  tooLong: ['ENOMEM', 'EINVAL'],
  munmapHole: 'EINVAL',
  mapsRemainder: true,
  munmapNothing: 'EINVAL',
  both: 0,
  anonOffset: 0,
  stacks: true,
  grownProt: 0,
  mapLocks: false,
  addressLimit: true,
  madvise: true,
  adviceFree: 5,
  adviseMissing: [],
  freeWired: 0,
  mincore: true,
  mincoreHole: 0,
  mincoreUnaligned: false,
  mlockNests: false,
  lockTakesWrite: true,
  lockCopiesByMaximum: false,
  lockClamped: true,
  lockable: 1 / 3,
  lockLimit: ['EAGAIN', 'ENOMEM'],
  mlockMissing: ['ENOMEM'],
  munlockMissing: ['ENOMEM'],
  munlockUnwired: 0,
  mlockall: (flags) => (flags === 0 || flags > 3 ? 'EINVAL' : 0),
  futureStays: false,
  futureProtect: [],
  msyncFlags: (flags) => refusedTogether(flags, MS_ASYNC | MS_INVALIDATE),
  msyncMissing: 'EINVAL',
  msyncClamped: false,
  msyncLocked: 'EBUSY',
  msyncFilesOnly: false,
  copyEndsSharing: true,
  brkBelow: 'EINVAL',
};

export const RULES: Readonly<Record<SystemName, Rules>> = {
  freebsd: FREEBSD,
  dragonfly: {
    ...FREEBSD,
    allows: readableByTranslation,
    fetchNeeds: 1,
    moreMemory: 128,
    grownProt: 7,
    lockClamped: false,
    anonOffset: 'EINVAL',
    mapsRemainder: false,
    munmapNothing: 0,
    munlockUnwired: 'ENOMEM',
    mlockall: (flags) => (flags === MCL_FUTURE ? 0 : flags === 0 || flags > 3 ? 'EINVAL' : 'ENOSYS'),
    msyncLocked: 0,
  },
  netbsd: {
    ...FREEBSD,
    signals: { missing: MAPERR, protection: 'SIGSEGV SEGV_ACCERR', pastEnd: MAPERR },
    allows: readableByTranslation,
    dataProt: 3,
    stacks: false,
    mapLocks: true,
    outside: 'refused',
    lowest: 0,
    fixedOutside: ['EINVAL', 'EFBIG', 'EOVERFLOW'],
    tooLong: ['ENOMEM', 'EINVAL', 'EOVERFLOW'],
    munmapHole: 0,
    mapsRemainder: false,
    munmapNothing: 0,
    both: 'EINVAL',
    adviceFree: 6,
    adviseMissing: ['EFAULT', 'ENOMEM'],
    freeWired: 'EBUSY',
    mincoreHole: 'ENOMEM',
    mincoreUnaligned: true,
    lockTakesWrite: false,
    lockCopiesByMaximum: true,
    // The first page missing, or a later one.
    mlockMissing: ['ENOMEM', 'EINVAL'],
    munlockMissing: ['ENOMEM', 'EINVAL'],
    munlockUnwired: 'EINVAL',
    futureStays: true,
    futureProtect: ['ENOMEM', 'EINVAL', 'EAGAIN'],
    msyncFlags: (flags) => (flags > 7 ? 'EINVAL' : refusedTogether(flags, MS_ASYNC | MS_SYNC_NETBSD)),
    msyncMissing: 'EFAULT',
    msyncClamped: true,
    copyEndsSharing: false,
  },
  csrg: {
    ...FREEBSD,
    // A store must be allowed to read too.
    allows: (prot, need) => (prot & need) !== 0 && (need !== PROT_WRITE || (prot & PROT_READ) !== 0 || 'translated'),
    fetchNeeds: 1,
    stackHides: true,
    lockClamped: false,
    stackProt: 7,
    wholeOffsets: true,
    lastPageRefused: true,
    unaligned: 'refused',
    lowest: 0,
    munmapHole: 0,
    mapsRemainder: false,
    munmapNothing: 0,
    stacks: false,
    addressLimit: false,
    madvise: false,
    mincore: false,
    mlockNests: true,
    lockTakesWrite: false,
    munlockUnwired: 'ENOMEM',
    mlockall: () => 'EOPNOTSUPP',
    msyncFlags: () => 0,
    msyncLocked: 0,
    msyncFilesOnly: true,
    copyEndsSharing: false,
  },
};
