import { expect, test } from 'vitest';
import { SystemCallReader } from './linux.js';
import { LinuxProcess } from './syscalls.js';

/** What a process's lines mean: events, forks and the rest, as objects. */
function understand(lines: string[]): { outcomes: object[]; files: string[] } {
  const files: string[] = [];
  const process = new LinuxProcess('/start', (name) => {
    if (!files.includes(name)) files.push(name);
    return files.indexOf(name);
  });
  const reader = new SystemCallReader();
  const outcomes: object[] = [];
  for (const line of lines) {
    const call = reader.read(line);
    if (call === null) continue;
    const outcome = process.call(call);
    if (outcome.kind === 'event') outcomes.push(outcome.event);
    else if (outcome.kind !== 'none') outcomes.push(outcome);
  }
  return { outcomes, files };
}

test('a mapping knows its file through open, dup and close', () => {
  const { outcomes, files } = understand([
    'SYSCALL[11,1](257) sys_openat ( 4294967196, 0x40290b1(lib (odd), name.so), 524288 ) --> [async] ... ',
    'SYSCALL[11,1](257) ... [async] --> Success(0x4) ',
    "SYSCALL[11,1](72) sys_fcntl[ARG3=='arg'] ( 4, 0, 30 )[sync] --> Success(0x1e) ",
    'SYSCALL[11,1](3) sys_close ( 4 )[sync] --> Success(0x0) ',
    'SYSCALL[11,1](9) sys_mmap ( 0x0, 184, 5, 2050, 30, 4096 ) --> [pre-success] Success(0x4845000) ',
    'SYSCALL[11,1](9) sys_mmap ( 0x0, 8192, 3, 33, 4294967295, 0 ) --> [pre-success] Success(0x4900000) ',
    'SYSCALL[11,1](9) sys_mmap ( 0x5000, 8192, 3, 50, 4294967295, 0 ) --> [pre-fail] Failure(0xc) ',
  ]);
  expect(files).toEqual(['/start/lib (odd), name.so']);
  const anonymous = { type: 'mmap', length: 8192, protection: 3, origin: 'call', file: -1, offset: 0 };
  expect(outcomes).toEqual([
    {
      ...anonymous,
      address: 0x4845000,
      length: 184,
      protection: 5,
      sharing: 'private',
      fixed: false,
      file: 0,
      offset: 4096,
      error: 0,
    },
    { ...anonymous, address: 0x4900000, sharing: 'shared', fixed: false, error: 0 },
    { ...anonymous, address: 0x5000, sharing: 'private', fixed: true, error: 12 },
  ]);
});

test('the end of the data segment', () => {
  const { outcomes } = understand([
    'SYSCALL[11,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4035000) ',
    'SYSCALL[11,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4035000) ',
    'SYSCALL[11,1](12) sys_brk ( 0x4056000 ) --> [pre-success] Success(0x4056000) ',
    'SYSCALL[11,1](12) sys_brk ( 0xff056000 ) --> [pre-success] Success(0x4056000) ',
  ]);
  expect(outcomes).toEqual([
    { type: 'brk', address: 0x4035000, start: true, error: 0 },
    { type: 'brk', address: 0x4056000, start: false, error: 0 },
    { type: 'brk', address: 0xff056000, start: false, error: 12 },
  ]);
});

test('threads that block are kept apart', () => {
  const { outcomes } = understand([
    'SYSCALL[11,1](0) sys_read ( 0, 0x1000, 832 ) --> [async] ... ',
    'SYSCALL[11,2](0) sys_read ( 0, 0x2000, 832 ) --> [async] ... ',
    'SYSCALL[11,1](0) ... [async] --> Success(0x10) ',
    'SYSCALL[11,2](0) ... [async] --> Failure(0x4) ',
    'SYSCALL[11,2](0) ... [async] --> Success(0x4) ',
  ]);
  expect(outcomes).toEqual([{ type: 'copyout', address: 0x1000, length: 16 }]);
});

test('fork, vfork, exec and exit', () => {
  const { outcomes } = understand([
    'SYSCALL[11,1](56) sys_clone ( 1200011, 0x0, 0x0, 0x4a27a10, 0x0 )   clone(fork): process 11 created child 12',
    'SYSCALL[11,1](56) sys_clone ( 4111, 0x4844ff0, 0x0, 0x0, 0x0 )   clone(fork): process 11 created child 13',
    'SYSCALL[11,1](56) sys_clone ( 3d0f00, 0x4844ff0, 0x0, 0x0, 0x0 ) --> [pre-success] Success(0x63)',
    'SYSCALL[11,1](58) sys_fork ( )   fork: process 11 created child 14',
    'SYSCALL[11,1](59) sys_execve ( 0x4844d30(/usr/bin/none), 0x1fff000650, 0x1fff000798 ) --> [pre-fail] Failure(0x2) ',
    'SYSCALL[11,1](80) sys_chdir ( 0x10a009(/tmp) )[sync] --> Success(0x0) ',
    'SYSCALL[11,1](59) sys_execve ( 0x4844d30(./true), 0x1fff000650, 0x1fff000798 )',
    'SYSCALL[11,1](231) exit_group( 3 ) --> [pre-success] Success(0x0) ',
  ]);
  expect(outcomes).toEqual([
    { kind: 'fork', child: 12, vfork: false },
    { kind: 'fork', child: 13, vfork: true },
    { kind: 'fork', child: 14, vfork: true },
    { kind: 'exec', path: '/tmp/true' },
    { kind: 'exit', status: 3 },
  ]);
});

test('the rest of the memory calls', () => {
  const { outcomes } = understand([
    'SYSCALL[11,1](10) sys_mprotect ( 0x4a14000, 16384, 1 )[sync] --> Success(0x0) ',
    'SYSCALL[11,1](11) sys_munmap ( 0x483c000, 34547 )[sync] --> Success(0x0) ',
    'SYSCALL[11,1](25) sys_mremap ( 0x4a2a000, 1052672, 4198400, 0x1 ) --> [pre-success] Success(0x5a2a000) ',
    'SYSCALL[11,1](28) sys_madvise ( 0x4a2a000, 4096, 8 )[sync] --> Success(0x0) ',
    'SYSCALL[11,1](28) sys_madvise ( 0x4a2a000, 4096, 10 )[sync] --> Success(0x0) ',
    'SYSCALL[11,1](149) sys_mlock ( 0x4a2a010, 10 )[sync] --> Success(0x0) ',
    'SYSCALL[11,1](334) unimplemented (by the kernel) syscall: 334! (ni_syscall)',
  ]);
  expect(outcomes).toEqual([
    { type: 'mprotect', address: 0x4a14000, length: 16384, protection: 1, error: 0 },
    { type: 'munmap', address: 0x483c000, length: 34547, error: 0 },
    {
      type: 'mremap',
      address: 0x4a2a000,
      length: 1052672,
      newAddress: 0x5a2a000,
      newLength: 4198400,
      error: 0,
    },
    { type: 'madvise', address: 0x4a2a000, length: 4096, advice: 'free', error: 0 },
    { type: 'minherit', address: 0x4a2a000, length: 4096, inheritance: 'none', error: 0 },
    { type: 'mlock', address: 0x4a2a010, length: 10, error: 0 },
  ]);
});
