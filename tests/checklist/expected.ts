/**
 * How errors and edge cases differ between the four systems: one row a point, one cell a system.
 *
 * `table.ts` has for each row the script that finds out; the tests hold the two against each other. A cell is `ok`, an errno, a signal with
 * its code, or a word that the script explains. Where a cell was not to be had from a source that was read, the system's
 * CAVEATS.md says under "Memory calls" what was decided and why.
 */
import type { SystemName } from '@faultline/core';

type Cells = Readonly<Record<SystemName, string>>;

function row(csrg: string, freebsd: string, dragonfly: string, netbsd: string): Cells {
  return { csrg, freebsd, dragonfly, netbsd };
}

const same = (cell: string): Cells => row(cell, cell, cell, cell);

const ACCERR = 'SIGSEGV SEGV_ACCERR';
const MAPERR = 'SIGSEGV SEGV_MAPERR';
const ADRERR = 'SIGBUS BUS_ADRERR';
const OBJERR = 'SIGBUS BUS_OBJERR';

export const EXPECTED = {
  // ---- mmap ----
  /** Success, and nothing is mapped. */
  'mmap of length 0': same('ok'),
  'mmap whose length wraps': row('EINVAL', 'EINVAL', 'EINVAL', 'ENOMEM'),
  /** `adjusted`: the answer is the page's address and the offset's remainder; `plain`: the page's address shows the byte at the offset. */
  'mmap of an unaligned offset': row('plain', 'adjusted', 'adjusted', 'adjusted'),
  'mmap fixed, unaligned': same('EINVAL'),
  'mmap fixed beyond user space': row('EINVAL', 'EINVAL', 'EINVAL', 'EFBIG'),
  'mmap fixed that wraps': row('EINVAL', 'EINVAL', 'EINVAL', 'EOVERFLOW'),
  'mmap of the last page of user space': row('EINVAL', 'ok', 'ok', 'ok'),
  'mmap anonymous with a descriptor': same('EINVAL'),
  'mmap anonymous with an offset': row('ok', 'ok', 'EINVAL', 'ok'),
  'mmap shared and private both': row('shared', 'shared', 'shared', 'EINVAL'),
  'mmap neither shared nor private': same('private'),
  'mmap of a bad descriptor': same('EBADF'),
  'mmap for reading, opened for writing': same('EACCES'),
  'mmap shared for writing, opened for reading': same('EACCES'),
  'mmap private for writing, opened for writing': same('ok'),
  'mmap of no access, opened for writing': same('ok'),
  'mmap over the limit of the address space': row('ok', 'ENOMEM', 'ENOMEM', 'ENOMEM'),
  'mmap with no room': same('ENOMEM'),
  'mmap past the largest offset': row('EINVAL', 'EINVAL', 'EINVAL', 'EOVERFLOW'),
  'mmap of unknown flags': same('ok'),
  /** What shows in a page that was read, not written, after write(2) to the file. */
  'private page after a write to the file': same('new'),
  'read of a write-only mapping': row(ADRERR, ADRERR, ADRERR, ACCERR),

  // ---- munmap ----
  'munmap unaligned': row('EINVAL', 'ok', 'ok', 'ok'),
  'munmap of length 0': row('ok', 'EINVAL', 'ok', 'ok'),
  'munmap over a hole': row('ok', 'EINVAL', 'EINVAL', 'ok'),
  'munmap beyond user space': same('EINVAL'),

  // ---- mprotect ----
  'mprotect unaligned': row('EINVAL', 'ok', 'ok', 'ok'),
  /** Success: the mapped parts change. */
  'mprotect over a hole': same('ok'),
  /** Refused, and nothing has changed, not even what comes before the entry that refuses. */
  'mprotect beyond the maximum': same('EACCES'),
  'mprotect that wraps': same('EINVAL'),
  /** Entries that an mprotect has cut and another made equal again. */
  'mprotect there and back joins entries': row('no', 'yes', 'yes', 'no'),

  // ---- madvise ----
  'madvise of bad advice': row('EOPNOTSUPP', 'EINVAL', 'EINVAL', 'EINVAL'),
  /** `lazy`: the page stays until it is reclaimed; `at once`: it is gone, and the next read is zero. */
  'madvise free': row('EOPNOTSUPP', 'lazy', 'lazy', 'at once'),
  'madvise dontneed keeps data': row('EOPNOTSUPP', 'kept', 'kept', 'kept'),
  /** Pages read from the file for one page. */
  'madvise random: pages read': row('EOPNOTSUPP', '1', '4', '4'),
  'madvise that wraps': row('EOPNOTSUPP', 'EINVAL', 'EINVAL', 'EINVAL'),
  'madvise dontneed of nothing': row('EOPNOTSUPP', 'ok', 'ok', 'EFAULT'),
  'madvise free of locked memory': row('EOPNOTSUPP', 'ok', 'ok', 'EBUSY'),

  // ---- mincore ----
  'mincore unaligned': row('EOPNOTSUPP', 'ok', 'ok', 'EINVAL'),
  'mincore of length 0': row('EOPNOTSUPP', 'ok', 'ok', 'EINVAL'),
  /** `zeros`: success, and a zero for each page that is not mapped. */
  'mincore over a hole': row('EOPNOTSUPP', 'zeros', 'zeros', 'ENOMEM'),
  'mincore into too short a vector': row('EOPNOTSUPP', 'EFAULT', 'EFAULT', 'EFAULT'),
  'mincore beyond user space': row('EOPNOTSUPP', 'EINVAL', 'EINVAL', 'EINVAL'),

  // ---- msync ----
  'msync of no flag': same('ok'),
  'msync async and sync': row('ok', 'ok', 'ok', 'EINVAL'),
  'msync async and invalidate': row('ok', 'EINVAL', 'EINVAL', 'ok'),
  'msync of an unknown flag': row('ok', 'ok', 'ok', 'EINVAL'),
  'msync of nothing': row('EINVAL', 'EINVAL', 'EINVAL', 'EFAULT'),
  'msync of length 0': same('whole entry'),
  'msync of length 0 where nothing is': same('EINVAL'),
  'msync of private memory': row('EINVAL', 'ok', 'ok', 'ok'),
  /** One call over two mappings that touch. */
  'msync over two mappings': row('EINVAL', 'ok', 'ok', 'ok'),
  /** Answer and whether what lies before the hole has been written. */
  'msync over a hole': row('EINVAL, not written', 'EINVAL, not written', 'EINVAL, not written', 'EFAULT, not written'),
  'msync that the disk refuses': same('EIO'),
  'msync that finds no space': row('EIO', 'EIO', 'EIO', 'ENOSPC'),
  'msync invalidate of locked memory': row('ok', 'EBUSY', 'ok', 'EBUSY'),

  // ---- mlock and mlockall ----
  'mlock over the limit of the system': same('EAGAIN'),
  'mlock of more than the system locks at all': row('EAGAIN', 'ENOMEM', 'EAGAIN', 'EAGAIN'),
  'mlock over the limit of the process': row('EAGAIN', 'ENOMEM', 'ENOMEM', 'EAGAIN'),
  'mlock of nothing': same('ENOMEM'),
  'mlock over a hole': row('ENOMEM', 'ENOMEM', 'ENOMEM', 'EINVAL'),
  'mlock of no access': row('ENOMEM', 'ENOMEM', 'ENOMEM', 'EINVAL'),
  /** How many munlocks undo three mlocks. */
  'munlocks for three mlocks': row('3', '1', '1', '1'),
  'munlock of nothing': same('ENOMEM'),
  'mlockall of no flag': row('EOPNOTSUPP', 'EINVAL', 'EINVAL', 'EINVAL'),
  'mlockall of an unknown flag': row('EOPNOTSUPP', 'EINVAL', 'EINVAL', 'EINVAL'),
  'mlockall over the limit': row('EOPNOTSUPP', 'ENOMEM', 'ENOMEM', 'ENOMEM'),

  // ---- minherit ----
  'minherit of a bad value': same('EINVAL'),

  // ---- brk ----
  'brk below the base': row('EINVAL', 'EINVAL', 'EINVAL', 'EINVAL'),
  'brk over the limit': same('ENOMEM'),
  'brk into a mapping': same('ENOMEM'),
  'brk that wraps': row('ENOMEM', 'ENOMEM', 'ENOMEM', 'ENOMEM'),

  // ---- accesses ----
  'write to read-only memory': row(ADRERR, ADRERR, ADRERR, ACCERR),
  'read of no access': row(ADRERR, ADRERR, ADRERR, ACCERR),
  'access of nothing': same(MAPERR),
  'access past the end of a file': row(ADRERR, ADRERR, ADRERR, MAPERR),
  'access that the disk refuses': same(OBJERR),
  /** With a program that uses more than memory and swap together. */
  'access when swap is full': same('SIGKILL NOMEM'),
} as const satisfies Record<string, Cells>;

export type Row = keyof typeof EXPECTED;
