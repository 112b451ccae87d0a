/** Programs of processes that random runs have found, made small: each once showed a wrong byte, a leak, a broken invariant or a panic. */
import type { SystemName } from '@faultline/core';
import { describe, it } from 'vitest';
import { type Operation, PLACE_BYTES, PLACED } from './program.js';
import { runProgram } from './run.js';

interface Found {
  readonly name: string;
  readonly systems: readonly SystemName[];
  readonly operations: readonly Operation[];
  readonly memoryPages?: number;
  /** Operations between two comparisons of everything; 1 unless told otherwise. */
  readonly compareEvery?: number;
}

const ALL: readonly SystemName[] = ['csrg', 'freebsd', 'dragonfly', 'netbsd'];
const ANON_SHARED = 0x1011;
const ANON_PRIVATE = 0x1012;
const FILE_SHARED = 0x11;
const STACK = 0x1412;
const open = (path: string): Operation => ({ op: 'open', who: 0, path, flags: 2 });
const map = (at: number, length: number, prot: number, flags: number, fd = -1, offset = 0): Operation => ({
  op: 'mmap',
  who: 0,
  at,
  length,
  prot,
  flags,
  fd,
  offset,
});

const as = (who: number, operation: Operation): Operation => ({ ...operation, who }) as Operation;

const FOUND: readonly Found[] = [
  {
    name: 'munmap of nothing outside of user space: the model had refused it',
    systems: ALL,
    operations: [{ op: 'munmap', who: 0, at: 0, length: 0 }],
  },
  {
    name: 'mmap of nothing from within a page of a file maps that page on freebsd',
    systems: ALL,
    operations: [
      open('a'),
      open('b'),
      map(0x1f1000, 0x2f000, 7, 0x1002),
      { op: 'munmap', who: 0, at: 0x211000, length: 0x1000 },
      map(0x205000, 0, 1, 2, 1, 0x800),
      { op: 'load', who: 0, at: 0x211000, width: 4 },
    ],
  },
  {
    name: 'the child of a locked range that nobody may access could read it',
    systems: ALL,
    memoryPages: 256,
    operations: [
      open('a'),
      open('b'),
      open('c'),
      map(0x1f4000, 0x2c000, 7, ANON_PRIVATE),
      { op: 'mlock', who: 0, at: 0x203000, length: 0x15000 },
      { op: 'mprotect', who: 0, at: 0x205000, length: 0x10000, prot: 0 },
      { op: 'fork', who: 0 },
      { op: 'write', who: 1, fd: 2, at: 0x211000, length: 0x4000 },
    ],
  },
  {
    name: 'the child of a locked private range whose file was cut has zeros there: the model had not known',
    systems: ALL,
    operations: [
      open('a'),
      open('b'),
      open('c'),
      map(0x20c000, 0x1c000, 3, ANON_PRIVATE),
      open('a'),
      map(0x21e000, 0x6000, 3, 0x12, 3, 0x3000),
      { op: 'mprotect', who: 0, at: 0x21e000, length: 0x8000, prot: 1 },
      { op: 'mlock', who: 0, at: 0x219000, length: 0xc000 },
      { op: 'ftruncate', who: 0, fd: 0, offset: 0x5a35 },
      { op: 'fork', who: 0 },
    ],
  },
  {
    name: 'an address with nothing mapped was a bus error where a stack lies above it and may not grow so far',
    systems: ['freebsd', 'dragonfly'],
    operations: [{ op: 'load', who: 0, at: 0x20b004, width: 4 }],
  },
  {
    name: 'the end of a file under a lock was an I/O error',
    systems: ['dragonfly'],
    operations: [
      open('a'),
      map(0x1e8000, 0xc000, 3, 1, 0, 0x2000),
      { op: 'mlock', who: 0, at: 0x1eb000, length: 0x8000 },
      { op: 'ftruncate', who: 0, fd: 0, offset: 0x2000 },
      { op: 'store', who: 0, at: 0x1ee963, width: 8, value: 219 },
    ],
  },
  {
    name: 'the child of a locked range was shown what a truncation had taken away, or there was a panic',
    systems: ALL,
    operations: [
      open('a'),
      map(0x21f000, 0x5000, 7, 1, 0, 0x6000),
      { op: 'mlock', who: 0, at: 0x1ec000, length: 0x5000 },
      { op: 'ftruncate', who: 0, fd: 0, offset: 0x3000 },
      { op: 'minherit', who: 0, at: 0x1ec000, length: 0x6000, how: 1 },
      { op: 'fork', who: 0 },
    ],
  },
  {
    name: 'a page that was cut off under a lock stayed behind the end of its file',
    systems: ALL,
    operations: [
      open('a'),
      map(0x203000, 0x1d000, 7, FILE_SHARED, 0, 0x1000),
      { op: 'mlock', who: 0, at: 0x212000, length: 0x2000 },
      { op: 'ftruncate', who: 0, fd: 0, offset: 0x7000 },
      { op: 'munlock', who: 0, at: 0x212000, length: 0x2000 },
    ],
  },
  {
    name: 'a lock that had lost its translation when the file grew was never undone, and the file could not go',
    systems: ALL,
    operations: [
      open('a'),
      open('b'),
      map(0x213000, 0xf000, 3, FILE_SHARED, 1, 0x1000),
      { op: 'mlock', who: 0, at: 0x217000, length: 0x1000 },
      { op: 'pwrite', who: 0, fd: 1, at: 0x1e80b5, length: 0xd, offset: 0x158ac },
      { op: 'munlock', who: 0, at: 0x217000, length: 0x1000 },
      { op: 'munmap', who: 0, at: 0x213000, length: 0xf000 },
      { op: 'unlink', who: 0, path: 'b' },
      { op: 'close', who: 0, fd: 1 },
    ],
  },
  {
    name: 'memory that one process had locked and others share stayed locked after its exit',
    systems: ['netbsd'],
    memoryPages: 96,
    operations: [
      map(0x1f0000, 0x30000, 7, ANON_SHARED),
      { op: 'fork', who: 0 },
      { op: 'mlock', who: 1, at: 0x206000, length: 0xf000 },
      { op: 'exit', who: 1 },
      { op: 'mlock', who: 0, at: 0x20e000, length: 0x11000 },
    ],
  },
  {
    name: 'what could be executed still could after mprotect to read and write',
    systems: ['netbsd'],
    operations: [
      map(0x20c000, 0x5000, 7, ANON_PRIVATE),
      { op: 'store', who: 0, at: 0x20efff, width: 2, value: 154 },
      { op: 'mprotect', who: 0, at: 0x20c000, length: 0x5000, prot: 3 },
      { op: 'fetch', who: 0, at: 0x20ef16 },
    ],
  },
  {
    name: 'msync with MS_INVALIDATE took a page out of memory that another process had locked',
    systems: ['netbsd'],
    operations: [
      open('a'),
      map(0x1f8000, 0x28000, 7, FILE_SHARED, 0, 0x2000),
      { op: 'fork', who: 0 },
      { op: 'mlock', who: 0, at: 0x1f8000, length: 0xf000 },
      { op: 'msync', who: 1, at: 0x1f8000, length: 0xf000, flags: 6 },
      { op: 'mincore', who: 0, at: 0x200000, length: 0x1000, short: false },
    ],
  },
  {
    name: 'mlock that failed took back what another process had locked',
    systems: ['csrg'],
    operations: [
      open('a'),
      open('b'),
      map(0x1e8000, 0x1b000, 3, 1, 1, 0x6000),
      map(0x203000, 0x1d000, 7, FILE_SHARED, 0, 0x1000),
      { op: 'fork', who: 0 },
      { op: 'fork', who: 0 },
      { op: 'mlock', who: 1, at: 0x212000, length: 0x2000 },
      { op: 'mlock', who: 2, at: 0x202000, length: 0x15000 },
    ],
  },
  {
    name: 'the child of a locked range that had not been copied yet was to copy its own pages again',
    systems: ['csrg'],
    operations: [
      map(0x203000, 0x1d000, 7, ANON_PRIVATE),
      { op: 'fork', who: 0 },
      map(0x1ec000, 0x1c000, 4, ANON_PRIVATE),
      { op: 'fork', who: 0 },
      { op: 'mlock', who: 0, at: 0x1ee000, length: 0x1d000 },
      { op: 'mprotect', who: 0, at: 0x205000, length: 0x7000, prot: 7 },
      { op: 'fork', who: 0 },
    ],
  },
  {
    name: 'a page that some had locked and others copied behind the same sharing map stayed locked for nobody',
    systems: ['csrg'],
    operations: [
      map(0x1e8000, 0x1b000, 3, ANON_SHARED),
      { op: 'fork', who: 0 },
      { op: 'vfork', who: 0, at: 0x207000, value: 102, exec: true },
      { op: 'fork', who: 0 },
      { op: 'fork', who: 0 },
      { op: 'mlock', who: 0, at: 0x1e9000, length: 0x5000 },
      { op: 'fork', who: 0 },
      { op: 'exit', who: 2 },
      { op: 'fork', who: 0 },
      { op: 'exit', who: 1 },
      { op: 'exit', who: 3 },
      { op: 'minherit', who: 5, at: 0x1ea000, length: 0x1000, how: 1 },
      { op: 'fork', who: 1 },
      { op: 'store', who: 1, at: 0x1ea000, width: 1, value: 209 },
    ],
  },
  {
    name: 'a copy of a file that has grown since was shorter than what was pushed into it',
    systems: ['csrg'],
    operations: [
      open('c'),
      map(0, 0x3000, 3, 1, 0, 0x2000),
      { op: 'minherit', who: 0, at: 0x1e9000, length: 0x6000, how: 1 },
      { op: 'clone', who: 0 },
      { op: 'pwrite', who: 0, fd: 0, at: 0x1e8000, length: 0x1e0b, offset: 0x8000 },
    ],
  },
  {
    name: 'msync cuts off what lies below user space (netbsd): the model had wanted EFAULT',
    systems: ALL,
    operations: [map(0x1000, 0xf000, 3, ANON_PRIVATE), { op: 'msync', who: 0, at: 1, length: 0x1000, flags: 4 }],
  },
  {
    name: 'a lock after MADV_FREE copies what was below the page, and keeps it when the file is cut: the model had not known',
    systems: ALL,
    memoryPages: 98,
    operations: [
      open('a'),
      open('b'),
      map(0x204000, 0x1c000, 7, ANON_PRIVATE),
      { op: 'fork', who: 0 },
      { op: 'fork', who: 0 },
      { op: 'mmap', who: 2, at: 0x218000, length: 0x13000, prot: 3, flags: 0x12, fd: 1, offset: 0 },
      { op: 'exit', who: 0 },
      { op: 'fork', who: 3 },
      { op: 'store', who: 5, at: 0x21b000, width: 1, value: 238 },
      { op: 'pageout', pages: 22 },
      { op: 'madvise', who: 5, at: 0x1ff000, length: 0x1e000, advice: 5 },
      { op: 'mlock', who: 2, at: 0x217000, length: 0x6000 },
      { op: 'ftruncate', who: 0, fd: 1, offset: 0x2000 },
    ],
  },
  {
    name: 'a lock does not keep what was behind the end of a file once, though the file grows again: the model had not known',
    systems: ALL,
    memoryPages: 102,
    operations: [
      open('a'),
      map(0x1e9000, 0x5000, 7, FILE_SHARED, 0),
      { op: 'mlock', who: 0, at: 0x1ec000, length: 0x1000 },
      { op: 'ftruncate', who: 0, fd: 0, offset: 0 },
      { op: 'ftruncate', who: 0, fd: 0, offset: 0x8000 },
      { op: 'mincore', who: 0, at: 0x1eb000, length: 0xe000, short: false },
    ],
  },
  {
    name: 'mincore does not know of a locked page below the top object whose translation has gone: the model had wanted it',
    systems: ALL,
    memoryPages: 253,
    operations: [
      open('a'),
      map(0x1f4000, 0x2c000, 7, 1, 0, 0x6000),
      { op: 'minherit', who: 0, at: 0x1f0000, length: 0x18000, how: 1 },
      { op: 'fork', who: 0 },
      { op: 'copyout', who: 0, at: 0x1fc000, length: 0x19, value: 124 },
      { op: 'fork', who: 0 },
      { op: 'exit', who: 2 },
      { op: 'clone', who: 0 },
      { op: 'exit', who: 0 },
      { op: 'mprotect', who: 3, at: 0x1f4000, length: 0x7000, prot: 1 },
      { op: 'mlock', who: 5, at: 0x1f8000, length: 0x1000 },
      { op: 'store', who: 0, at: 0x1f8000, width: 8, value: 229 },
      { op: 'mincore', who: 3, at: 0x1f7000, length: 0x3000, short: false },
    ],
  },
  {
    name: 'what lay below a stack became part of it when the stack grew down to it, and grew further',
    systems: ALL,
    memoryPages: 250,
    operations: [
      map(0x1f5000, 0x51000, 7, STACK),
      { op: 'sbrk', who: 0, increment: 0x4000 },
      { op: 'copyout', who: 0, at: 0x218000, length: 0x2ee, value: 122 },
      { op: 'touch', who: 0, at: 0x204ac0, length: 0x1000, access: 1 },
    ],
  },
  {
    name: 'a stack that has grown, lost some of that and grown again (dragonfly) goes by the least room that it ever had',
    systems: ALL,
    memoryPages: 167,
    operations: [
      map(0x1dc000, 0x63000, 3, STACK),
      { op: 'fetch', who: 0, at: 0x21b000 },
      { op: 'munmap', who: 0, at: 0x20f000, length: 0x4000 },
      { op: 'store', who: 0, at: 0x210000, width: 1, value: 25 },
      open('b'),
      { op: 'munmap', who: 0, at: 0x212000, length: 0x6000 },
      { op: 'read', who: 0, fd: 0, at: 0x216000, length: 0x1000 },
      { op: 'store', who: 0, at: 0x213000, width: 1, value: 138 },
    ],
  },
  {
    name: 'the child of a fork has of a page that its file did not have yet what that began with: the model had forgotten it',
    systems: ALL,
    memoryPages: 98,
    operations: [
      open('a'),
      open('b'),
      map(0x1f0000, 0x14000, 3, FILE_SHARED, 1, 0x4000),
      { op: 'minherit', who: 0, at: 0x1f1000, length: 0x4000, how: 1 },
      { op: 'fork', who: 0 },
      { op: 'pwrite', who: 0, fd: 1, at: 0x1e8000, length: 0xe, offset: 0x8000 },
      { op: 'store', who: 0, at: 0x1f2000, width: 1, value: 130 },
    ],
  },
  {
    name: 'a process that locks all that it maps may find no place for the buffer of a comparison',
    systems: ALL,
    memoryPages: 101,
    operations: [
      open('b'),
      map(0x1f4000, 0x1000, 7, ANON_SHARED),
      map(PLACED + 0x3000, 0x37000, 3, 0x1402),
      { op: 'fork', who: 0 },
      { op: 'fork', who: 0 },
      { op: 'mlock', who: 0, at: 0x21e000, length: 0x7000 },
      { op: 'mlock', who: 2, at: PLACED + 0x4000, length: 0x15000 },
      map(0x1e4000, 0x3c000, 3, STACK),
      { op: 'unlink', who: 0, path: 'b' },
      { op: 'exit', who: 1 },
      { op: 'mlockall', who: 0, flags: 2 },
      {
        op: 'mmap',
        who: 1,
        at: PLACED + 4 * PLACE_BYTES + 0x3000,
        length: 0x2000,
        prot: 3,
        fd: -1,
        offset: 0,
        flags: 0x1012,
      },
      map(0x203000, 0x8000, 3, 0x1002),
    ],
  },
  {
    name: 'a store across two pages, the second of which is a private copy of the first: the copy is made before anything is stored',
    systems: ALL,
    operations: [
      open('b'),
      map(0x1ee000, 0x2000, 3, 0x12, 0, 0x2000),
      map(0x1ee000, 0x1000, 7, FILE_SHARED, 0, 0x3000),
      { op: 'store', who: 0, at: 0x1eeffe, width: 4, value: 63 },
    ],
  },
  {
    name: 'advice to free nothing is refused within a locked range (netbsd)',
    systems: ALL,
    operations: [
      { op: 'mlockall', who: 0, flags: 3 },
      map(0x201000, 0xc000, 7, ANON_PRIVATE),
      { op: 'madvise', who: 0, at: 0x209000, length: 0, advice: 6 },
    ],
  },
  {
    name: 'a stack that has grown down to what was left of it before becomes one with that (dragonfly), and grows no further',
    systems: ALL,
    operations: [
      map(0x1f8000, 0x42000, 7, STACK),
      { op: 'load', who: 0, at: 0x214000, width: 2 },
      { op: 'munmap', who: 0, at: 0x1fe000, length: 0x1d000 },
      { op: 'touch', who: 0, at: 0x207c09, length: 0x1000, access: 1 },
      { op: 'munlock', who: 0, at: 0x209000, length: 0x1000 },
      { op: 'load', who: 0, at: 0x1f9000, width: 8 },
    ],
  },
  {
    name: 'two stacks that touch become one (dragonfly), which grows by the room of the upper one',
    systems: ALL,
    memoryPages: 102,
    operations: [
      map(0x1c2000, 0x5f000, 7, STACK),
      map(0x208000, 0x3a000, 7, STACK),
      { op: 'load', who: 0, at: 0x21e000, width: 2 },
      { op: 'minherit', who: 0, at: 0x211000, length: 0x1000, how: 2 },
      { op: 'store', who: 0, at: 0x1e9000, width: 4, value: 171 },
    ],
  },
  {
    name: 'two stacks that touch become one (dragonfly), which grows by the room of the lower one',
    systems: ALL,
    memoryPages: 181,
    operations: [
      map(0x1d2000, 0x2f000, 3, STACK),
      map(PLACED + 0x4000, 0x1d000, 3, STACK),
      { op: 'munlock', who: 0, at: PLACED + PLACE_BYTES + 0x1000, length: 0x1000 },
      { op: 'munmap', who: 0, at: 0x1fa000, length: 0x3000 },
      { op: 'touch', who: 0, at: 0x1fb000, length: 0x37, access: 0 },
    ],
  },
  {
    name: 'a stack that grows under MCL_FUTURE is locked as a whole (dragonfly): no more can be locked then',
    systems: ALL,
    memoryPages: 101,
    // A comparison would lock its own buffer.
    compareEvery: 100,
    operations: [
      { op: 'fork', who: 0 },
      as(5, map(0x207000, 0x1000, 7, STACK)),
      { op: 'mlockall', who: 0, flags: 2 },
      as(3, map(0x1ef000, 0x44000, 7, 0x1402)),
      map(0x1ee000, 0x6000, 3, 0x1001),
      { op: 'fork', who: 1 },
      { op: 'mlockall', who: 2, flags: 2 },
      { op: 'load', who: 2, at: PLACED + 3 * PLACE_BYTES, width: 1 },
      { op: 'mlock', who: 0, at: PLACED + 2 * PLACE_BYTES + 0x1000, length: 0x4000 },
    ],
  },
  {
    name: 'what was given up before a fork lies below what is given up after it (freebsd), and may come back',
    systems: ALL,
    memoryPages: 163,
    compareEvery: 100,
    operations: [
      map(0x1e8000, 0x2b000, 7, STACK),
      { op: 'store', who: 0, at: 0x1f4000, width: 1, value: 197 },
      { op: 'pageout', pages: 60 },
      { op: 'fork', who: 0 },
      { op: 'clone', who: 0 },
      { op: 'store', who: 4, at: 0x1f9000, width: 1, value: 108 },
      { op: 'madvise', who: 1, at: 0x1f3000, length: 0x13000, advice: 5 },
      { op: 'exit', who: 5 },
      { op: 'exit', who: 0 },
      { op: 'fork', who: 0 },
      { op: 'store', who: 0, at: 0x1f9000, width: 1, value: 165 },
      { op: 'mlock', who: 1, at: 0x1f8000, length: 0xb000 },
      { op: 'madvise', who: 0, at: 0x1f6000, length: 0x5000, advice: 5 },
      { op: 'fork', who: 0 },
    ],
  },
  {
    name: 'what is shared and locked stays shared for the parent of a fork that copies it (freebsd, dragonfly)',
    systems: ALL,
    operations: [
      map(0x21f000, 0x1000, 3, ANON_SHARED),
      { op: 'fork', who: 0 },
      { op: 'mlock', who: 0, at: 0x21f000, length: 0x1000 },
      { op: 'minherit', who: 0, at: 0x21f000, length: 0x1000, how: 1 },
      { op: 'fork', who: 0 },
      { op: 'store', who: 0, at: 0x21f000, width: 1, value: 212 },
    ],
  },
  {
    name: 'mprotect under MCL_FUTURE locks and opens what it can (netbsd), and answers what it could not',
    systems: ALL,
    memoryPages: 103,
    compareEvery: 100,
    operations: [
      open('a'),
      map(0x1e8000, 0x19000, 3, ANON_SHARED),
      { op: 'munmap', who: 0, at: 0x1f7000, length: 0x13000 },
      map(0x1e9000, 0x1e000, 0, 2, 0, 0x7000),
      { op: 'mlockall', who: 0, flags: 2 },
      { op: 'mlock', who: 0, at: 0x1fb000, length: 0x6000 },
      { op: 'mprotect', who: 0, at: 0x1fd000, length: 0x8000, prot: 3 },
      { op: 'msync', who: 0, at: 0x200000, length: 0x1000, flags: 2 },
      { op: 'store', who: 0, at: 0x202000, width: 1, value: 7 },
    ],
  },
  {
    name: 'a lock of a page of a file makes the copy for a child of a fork (csrg), with what lay behind the end of the file',
    systems: ALL,
    memoryPages: 96,
    operations: [
      open('a'),
      open('b'),
      open('c'),
      map(0x1e8000, 0x19000, 3, FILE_SHARED, 2, 0x2000),
      { op: 'close', who: 0, fd: 0 },
      { op: 'pwrite', who: 0, fd: 2, at: 0x1ea000, length: 0x259, offset: 0x8000 },
      open('c'),
      { op: 'fork', who: 0 },
      map(0x211000, 0x8000, 7, FILE_SHARED, 0, 0x6000),
      { op: 'minherit', who: 0, at: 0x213000, length: 0x1000, how: 1 },
      { op: 'store', who: 0, at: 0x213466, width: 1, value: 113 },
      { op: 'exec', who: 1, path: 'b', pages: 3, stack: 100 },
      { op: 'fork', who: 0 },
      { op: 'mlock', who: 0, at: PLACED + 3 * PLACE_BYTES + 0x4000, length: 0x4000 },
    ],
  },
];

describe.each(FOUND)('$name', ({ systems, operations, memoryPages = 200, compareEvery = 1 }) => {
  it.each(systems)('%s', (system) => {
    runProgram({ system, checkEvery: 1, compareEvery }, { memoryPages, swapPages: 4096, operations });
  });
});
