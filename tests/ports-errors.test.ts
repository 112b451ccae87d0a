/** What the memory calls of the four systems refuse, and how: a row a call, a column a system. */
import type { CallResult, SystemName } from '@faultline/core';
import { PAGE_SIZE, PROT_EXECUTE, PROT_NONE, PROT_READ, USER_MAX_ADDRESS } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { AT, numbered, PortBench, RW } from './port-bench.js';

const NAMES: readonly SystemName[] = ['csrg', 'freebsd', 'dragonfly', 'netbsd'];
type Row<T> = Readonly<Record<SystemName, T>>;

/** Four columns, in the order of NAMES. */
function row<T>(csrg: T, freebsd: T, dragonfly: T, netbsd: T): Row<T> {
  return { csrg, freebsd, dragonfly, netbsd };
}

const same = <T>(value: T): Row<T> => row(value, value, value, value);

// ---- errors ----------------------------------------------------------------------------------------------------------

/** BASE is two pages of memory, then a hole, then one page of a file mapped shared that may only be read. */
function scene(name: SystemName): PortBench {
  const bench = new PortBench(name);
  bench.mmap({ length: 2 * PAGE_SIZE });
  const file = bench.system.createFile('F', numbered(1));
  const backing = { kind: 'file', file, offset: 0 } as const;
  bench.mmap({
    address: AT + 3 * PAGE_SIZE,
    protection: PROT_READ,
    maximum: PROT_READ | PROT_EXECUTE,
    sharing: 'shared',
    backing,
  });
  return bench;
}

const HUGE = 2 ** 52;
const P = PAGE_SIZE;

const ERRORS: readonly [string, Row<CallResult>, (bench: PortBench) => CallResult][] = [
  ['mmap of no bytes', same(AT), (b) => b.mmap({ length: 0 })],
  ['mmap of more than there is', same('ENOMEM'), (b) => b.mmap({ address: 0, fixed: false, length: HUGE })],
  ['mmap fixed, unaligned', same('EINVAL'), (b) => b.mmap({ address: AT + 8 })],
  [
    'mmap fixed, beyond user space',
    row<CallResult>('EINVAL', 'EINVAL', 'EINVAL', 'EFBIG'),
    (b) => b.mmap({ address: USER_MAX_ADDRESS }),
  ],
  ['mmap fixed, on page 0', same('EINVAL'), (b) => b.mmap({ address: 0 })],
  ['mmap beyond the descriptor', same('EACCES'), (b) => b.mmap({ maximum: PROT_READ })],
  ['munmap, unaligned', row<CallResult>('EINVAL', 0, 0, 0), (b) => b.run(b.port.munmap(b.a, AT + 8, 8))],
  ['munmap of no bytes', row<CallResult>(0, 'EINVAL', 0, 0), (b) => b.run(b.port.munmap(b.a, AT, 0))],
  ['munmap over a hole', row<CallResult>(0, 'EINVAL', 'EINVAL', 0), (b) => b.run(b.port.munmap(b.a, AT, 4 * P))],
  ['munmap beyond user space', same('EINVAL'), (b) => b.run(b.port.munmap(b.a, USER_MAX_ADDRESS, P))],
  ['munmap that wraps', same('EINVAL'), (b) => b.run(b.port.munmap(b.a, AT, 2 ** 53))],
  ['mprotect, unaligned', row<CallResult>('EINVAL', 0, 0, 0), (b) => b.run(b.port.mprotect(b.a, AT + 8, 8, PROT_READ))],
  ['mprotect over a hole', same(0), (b) => b.run(b.port.mprotect(b.a, AT, 4 * P, PROT_READ))],
  ['mprotect beyond the descriptor', same('EACCES'), (b) => b.run(b.port.mprotect(b.a, AT, 4 * P, RW))],
  [
    'madvise that wraps',
    row<CallResult>('EOPNOTSUPP', 'EINVAL', 'EINVAL', 'EINVAL'),
    (b) => b.run(b.port.madvise(b.a, AT, 2 ** 53, 'willneed')),
  ],
  [
    'madvise of a hole',
    row<CallResult>('EOPNOTSUPP', 0, 0, 'EFAULT'),
    (b) => b.run(b.port.madvise(b.a, AT + 2 * P, P, 'dontneed')),
  ],
  ['mincore', row<CallResult>('EOPNOTSUPP', 0, 0, 0), (b) => b.run(b.port.mincore(b.a, AT, P, new Uint8Array(1)))],
  [
    'mincore, unaligned',
    row<CallResult>('EOPNOTSUPP', 0, 0, 'EINVAL'),
    (b) => b.run(b.port.mincore(b.a, AT + 8, 8, new Uint8Array(1))),
  ],
  [
    'mincore of no bytes',
    row<CallResult>('EOPNOTSUPP', 0, 0, 'EINVAL'),
    (b) => b.run(b.port.mincore(b.a, AT, 0, new Uint8Array(0))),
  ],
  [
    'mincore of a hole',
    row<CallResult>('EOPNOTSUPP', 0, 0, 'ENOMEM'),
    (b) => b.run(b.port.mincore(b.a, AT, 4 * P, new Uint8Array(4))),
  ],
  [
    'mincore, short vector',
    row<CallResult>('EOPNOTSUPP', 'EFAULT', 'EFAULT', 'EFAULT'),
    (b) => b.run(b.port.mincore(b.a, AT, 2 * P, new Uint8Array(1))),
  ],
  ['msync', same(0), (b) => b.run(b.port.msync(b.a, AT + 3 * P, P, { invalidate: false }))],
  ['msync of no bytes', same(0), (b) => b.run(b.port.msync(b.a, AT + 3 * P, 0, { invalidate: false }))],
  [
    'msync of no bytes of nothing',
    same('EINVAL'),
    (b) => b.run(b.port.msync(b.a, AT + 2 * P, 0, { invalidate: false })),
  ],
  [
    'msync of a hole',
    row<CallResult>('EINVAL', 'EINVAL', 'EINVAL', 'EFAULT'),
    (b) => b.run(b.port.msync(b.a, AT + 2 * P, P, { invalidate: false })),
  ],
  [
    'msync, later, of nothing',
    row<CallResult>(-1, 'EINVAL', 'EINVAL', -1),
    (b) => {
      // Where the kernel waits all the same there is no such call.
      const task = b.port.msyncLater?.(b.a, AT + 2 * P, P);
      if (task === undefined) return -1;
      const answer = b.run(task);
      return typeof answer === 'string' ? answer : answer.length;
    },
  ],
  [
    'msync, invalidating what is wired',
    row<CallResult>(0, 'EBUSY', 0, 'EBUSY'),
    (b) => {
      b.run(b.port.mlock(b.a, AT + 3 * P, P));
      return b.run(b.port.msync(b.a, AT + 3 * P, P, { invalidate: true }));
    },
  ],
  [
    'mlock over the limit',
    same('EAGAIN'),
    (b) => {
      b.mmap({ address: AT + 16 * P, length: 120 * P });
      b.run(b.port.mlock(b.a, AT + 16 * P, 60 * P));
      return b.run(b.port.mlock(b.a, AT + 80 * P, 50 * P));
    },
  ],
  ['mlock of a hole', same('ENOMEM'), (b) => b.run(b.port.mlock(b.a, AT + 2 * P, P))],
  [
    'mlock with a hole in it',
    row<CallResult>('ENOMEM', 'ENOMEM', 'ENOMEM', 'EINVAL'),
    (b) => b.run(b.port.mlock(b.a, AT, 4 * P)),
  ],
  [
    'mlock of what nobody may access',
    row<CallResult>('ENOMEM', 'ENOMEM', 'ENOMEM', 'EINVAL'),
    (b) => {
      b.run(b.port.mprotect(b.a, AT + P, P, PROT_NONE));
      return b.run(b.port.mlock(b.a, AT, 2 * P));
    },
  ],
  ['munlock of a hole', same('ENOMEM'), (b) => b.run(b.port.munlock(b.a, AT + 2 * P, P))],
  ['mlockall', row<CallResult>('EOPNOTSUPP', 0, 'ENOSYS', 0), (b) => b.run(b.port.mlockall(b.a, true, true))],
  [
    'mlockall of nothing',
    row<CallResult>('EOPNOTSUPP', 'EINVAL', 'EINVAL', 'EINVAL'),
    (b) => b.run(b.port.mlockall(b.a, false, false)),
  ],
  ['munlockall', row<CallResult>('EOPNOTSUPP', 0, 0, 0), (b) => b.run(b.port.munlockall(b.a))],
  [
    'brk below the start',
    row<CallResult>('EINVAL', 'EINVAL', 'EINVAL', 'EINVAL'),
    (b) => {
      b.port.setDataStart(b.a, AT + 64 * P);
      return b.run(b.port.brk(b.a, AT));
    },
  ],
  [
    'brk into a mapping',
    same('ENOMEM'),
    (b) => {
      b.port.setDataStart(b.a, AT - 4 * P);
      return b.run(b.port.brk(b.a, AT + P));
    },
  ],
];

describe.each(ERRORS)('%s', (_call, answers, call) => {
  it.each(NAMES)('%s', (name) => {
    const bench = scene(name);
    expect(call(bench)).toBe(answers[name]);
    bench.system.check();
  });
});

describe.each(NAMES)('%s', (name) => {
  describe('calls that are refused', () => {
    it('change nothing', () => {
      const bench = scene(name);
      const before = bench.system.entries(bench.a);
      bench.run(bench.port.mprotect(bench.a, AT, 4 * P, RW));
      bench.mmap({ length: 2 * P, maximum: PROT_READ });
      bench.run(bench.port.mlock(bench.a, AT, 4 * P));
      expect(bench.wired()).toBe(0);
      const rights = ({ start, protection, wired }: (typeof before)[number]) => [start, protection, wired];
      expect(bench.system.entries(bench.a).map(rights)).toEqual(before.map(rights));
      bench.system.check();
    });
  });
});
