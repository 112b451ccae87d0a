/**
 * Where the four systems may answer the same program differently, a row for each cell of the table of the memory calls. What no row explains is a bug.
 *
 * That each answer is right for its own system is the model's business; here is asked only whether a difference is meant to be.
 */
import type { SystemName } from '@faultline/core';
import * as F from '@faultline/core';
import type { Operation } from './program.js';

export type Answers = Readonly<Record<SystemName, string>>;

export interface Difference {
  /** The row of the table. */
  readonly cell: string;
  readonly why: string;
  explains(operation: Operation, answers: Answers): boolean;
}

const isErrno = (answer: string): boolean => /^E[A-Z]+$/.test(answer);
const isSignal = (answer: string): boolean => answer.startsWith('SIG');
const refused = (answer: string): boolean => isErrno(answer) || isSignal(answer) || answer.startsWith('EFAULT');
const all = (answers: Answers, test: (answer: string) => boolean): boolean => Object.values(answers).every(test);
/** The systems beside these agree. */
const others = (answers: Answers, ...apart: readonly SystemName[]): boolean =>
  new Set(F.SYSTEM_NAMES.filter((name) => !apart.includes(name)).map((name) => answers[name])).size <= 1;
const of = (operation: Operation, ...names: readonly Operation['op'][]): boolean => names.includes(operation.op);
const ACCESSES = [
  'load',
  'store',
  'fetch',
  'cas',
  'touch',
  'copyin',
  'copyout',
  'vfork',
  'read',
  'write',
  'pread',
  'pwrite',
] as const;
const RANGES = ['munmap', 'mprotect', 'minherit', 'mlock', 'munlock', 'msync'] as const;
const unaligned = (operation: Operation): boolean => 'at' in operation && operation.at % F.PAGE_SIZE !== 0;
/** Outside of user space, in part. */
const outside = (operation: Operation): boolean =>
  'length' in operation &&
  (operation.at < F.PAGE_SIZE || operation.at + operation.length > F.USER_MAX_ADDRESS) &&
  operation.at < 2 ** 49;

export const DIFFERENCES: readonly Difference[] = [
  {
    cell: 'access: protection violation; mapped page past EOF',
    why: 'SIGBUS on csrg, freebsd and dragonfly, SIGSEGV on netbsd: the same access is refused at the same byte',
    explains: (operation, answers) =>
      of(operation, ...ACCESSES) &&
      all(answers, isSignal) &&
      new Set(Object.values(answers).map((one) => one.split(' ')[3])).size === 1,
  },
  {
    cell: 'access: protection violation',
    why: 'what cannot be read can be, where there is a translation (dragonfly, netbsd); a fetch is a read (csrg, dragonfly); a store must be allowed to read too (csrg)',
    explains: (operation, answers) =>
      of(operation, ...ACCESSES) &&
      Object.values(answers).some((answer) => isSignal(answer) || answer.startsWith('EFAULT')),
  },
  {
    cell: 'munmap, mprotect unaligned',
    why: 'csrg refuses an address inside a page, the others round',
    explains: (operation, answers) => of(operation, ...RANGES) && unaligned(operation) && answers.csrg === 'EINVAL',
  },
  {
    cell: 'munmap over a hole',
    why: 'EINVAL on freebsd and dragonfly, passed over on csrg and netbsd',
    explains: (operation, answers) =>
      of(operation, 'munmap') &&
      answers.freebsd === 'EINVAL' &&
      answers.dragonfly === 'EINVAL' &&
      answers.csrg === '0' &&
      answers.netbsd === '0',
  },
  {
    cell: 'munmap len 0',
    why: 'EINVAL on freebsd',
    explains: (operation, answers) =>
      of(operation, 'munmap') && operation.op === 'munmap' && operation.length === 0 && answers.freebsd === 'EINVAL',
  },
  {
    cell: 'MAP_FIXED outside user range; mmap len wraps',
    why: 'each system cuts off or refuses in its own way; csrg does not map the last page',
    explains: (operation, answers) => outside(operation) && Object.values(answers).some(refused),
  },
  {
    cell: 'SHARED and PRIVATE both',
    why: 'netbsd refuses what the others take for shared',
    explains: (operation, answers) =>
      operation.op === 'mmap' && (operation.flags & 3) === 3 && answers.netbsd === 'EINVAL',
  },
  {
    cell: 'MAP_ANON with fd != -1',
    why: 'several mistakes in one call: which is answered is a matter of order',
    explains: (operation, answers) =>
      of(operation, 'mmap', 'mprotect', 'open', 'mincore', 'msync', 'madvise') && all(answers, isErrno),
  },
  {
    cell: 'MAP_ANON with fd != -1',
    why: 'an offset with MAP_ANON is EINVAL on dragonfly',
    explains: (operation, answers) =>
      operation.op === 'mmap' &&
      operation.offset !== 0 &&
      answers.dragonfly === 'EINVAL' &&
      others(answers, 'dragonfly'),
  },
  {
    cell: 'unaligned file offset',
    why: 'the result, and what a fixed address must be, has the remainder; not on csrg',
    explains: (operation) => operation.op === 'mmap' && operation.offset % F.PAGE_SIZE !== 0,
  },
  {
    cell: 'too many entries / RLIMIT_AS / no space',
    why: 'csrg has no RLIMIT_AS; under mlockall(MCL_FUTURE), which csrg has not, what cannot be locked is not mapped',
    explains: (operation, answers) =>
      of(operation, 'mmap', 'brk', 'sbrk') &&
      Object.values(answers).some((answer) => answer === 'ENOMEM' || answer === 'EAGAIN'),
  },
  {
    cell: 'mmap len 0',
    why: 'netbsd looks at the length before the rest of what a fixed mapping must be',
    explains: (operation, answers) => operation.op === 'mmap' && operation.length === 0 && others(answers, 'netbsd'),
  },
  {
    cell: 'mmap: hint',
    why: 'where a mapping without a fixed place goes is the kernel’s choice',
    explains: (operation) => operation.op === 'mmap' && (operation.flags & F.MAP_FIXED) === 0,
  },
  {
    cell: 'madvise bad advice; madvise MADV_FREE',
    why: 'no madvise on csrg; MADV_FREE is 5 on freebsd and dragonfly and 6 on netbsd; netbsd refuses holes and locked pages',
    explains: (operation) => of(operation, 'madvise'),
  },
  {
    cell: 'mincore',
    why: 'no mincore on csrg; netbsd refuses holes and unaligned addresses',
    explains: (operation) => of(operation, 'mincore'),
  },
  {
    cell: 'msync flags; msync unmapped; msync INVALIDATE on wired',
    why: 'csrg has no flags and takes one entry of a file; netbsd has flags of its own; EBUSY where pages are locked',
    explains: (operation) => of(operation, 'msync'),
  },
  {
    cell: 'mlock on hole / PROT_NONE; mlock over the limits; mlock nesting',
    why: 'the names of the errors; csrg and dragonfly do not cut a range off; csrg counts; dragonfly, csrg and netbsd refuse to unlock what is not locked',
    explains: (operation, answers) => of(operation, 'mlock', 'munlock') && Object.values(answers).some(isErrno),
  },
  {
    cell: 'mlockall',
    why: 'not on csrg; dragonfly does not lock what is there already',
    explains: (operation) => of(operation, 'mlockall', 'munlockall'),
  },
];

/** The row that explains a difference, or null. */
export function explanation(operation: Operation, answers: Answers): Difference | null {
  return DIFFERENCES.find((row) => row.explains(operation, answers)) ?? null;
}

/** Whether nothing has happened on any system. */
export function allRefused(answers: Answers): boolean {
  return all(answers, refused);
}
