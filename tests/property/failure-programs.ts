/**
 * Small programs for the tests in which something fails: each is about one thing that a kernel has to let go of when it cannot go on.
 *
 * Pages are counted from the window's first. The machine is the smallest that works, so that a dozen pages more are already too many.
 */
import type { Advice, Inheritance, Prot, Sharing } from '@faultline/core';
import { PAGE_SIZE } from '@faultline/core';
import type { Operation, Program } from './program.js';
import { WINDOW_START } from './program.js';

const at = (page: number, pages: number) => ({
  address: (WINDOW_START + page) * PAGE_SIZE,
  length: pages * PAGE_SIZE,
});

function map(who: number, page: number, pages: number, sharing: Sharing, prot: Prot, file = -1, offset = 0): Operation {
  const backing = file < 0 ? 'anon' : 'file';
  const place = { ...at(page, pages), which: Math.max(0, file), offset: offset * PAGE_SIZE, fixed: true };
  return { op: 'map', who, ...place, backing, sharing, prot };
}
const anon = (who: number, page: number, pages: number): Operation => map(who, page, pages, 'private', 3);
const file = (who: number, page: number, pages: number, sharing: Sharing, offset = 0): Operation =>
  map(who, page, pages, sharing, 3, 0, offset);
const device = (who: number, page: number): Operation => ({
  ...(map(who, page, 4, 'shared', 3) as Extract<Operation, { op: 'map' }>),
  backing: 'device',
});
const touch = (who: number, access: 'read' | 'write', page: number, pages: number, value = 1): Operation => {
  return { op: 'access', who, address: (WINDOW_START + page) * PAGE_SIZE + 100, pages, access, value };
};
const write = (who: number, page: number, pages: number, value: number): Operation =>
  touch(who, 'write', page, pages, value);
const read = (who: number, page: number, pages: number): Operation => touch(who, 'read', page, pages);
const fork = (who: number): Operation => ({ op: 'fork', who });
const exit = (who: number): Operation => ({ op: 'exit', who });
const pageout = (pages: number): Operation => ({ op: 'pageout', pages });
const range = (op: 'unmap' | 'wire' | 'unwire' | 'sync', who: number, page: number, pages: number): Operation => {
  return { op, who, ...at(page, pages) };
};
const protect = (who: number, page: number, pages: number, prot: Prot): Operation => {
  return { op: 'protect', who, ...at(page, pages), prot };
};
const advise = (who: number, page: number, pages: number, advice: Advice): Operation => {
  return { op: 'advise', who, ...at(page, pages), advice };
};
const inherit = (who: number, page: number, pages: number, how: Inheritance): Operation => {
  return { op: 'inherit', who, ...at(page, pages), how };
};

const OPERATIONS: Readonly<Record<string, readonly Operation[]>> = {
  'zero fill': [anon(0, 0, 12), write(0, 0, 12, 1), read(0, 0, 12)],
  'private file, read': [file(0, 0, 20, 'private'), read(0, 3, 12)],
  'private file, written': [file(0, 0, 20, 'private'), read(0, 0, 6), write(0, 2, 8, 9), read(0, 0, 20)],
  'shared file, written and synced': [
    file(0, 0, 20, 'shared'),
    write(0, 1, 10, 7),
    range('sync', 0, 0, 20),
    read(0, 0, 20),
  ],
  'shared file, paged out': [file(0, 0, 20, 'shared'), write(0, 0, 20, 3), pageout(40), pageout(40), read(0, 0, 20)],
  'shared file, synced in parts': [
    file(0, 0, 30, 'shared'),
    write(0, 2, 3, 5),
    write(0, 20, 4, 6),
    range('sync', 0, 0, 4),
    range('sync', 0, 18, 8),
    write(0, 2, 3, 8),
    range('sync', 0, 0, 30),
  ],
  'last page of a file': [
    map(0, 0, 18, 'shared', 3, 2),
    write(0, 14, 4, 11),
    range('sync', 0, 0, 18),
    pageout(60),
    read(0, 12, 6),
  ],
  'swapped out and in': [
    anon(0, 0, 40),
    write(0, 0, 40, 17),
    pageout(50),
    pageout(50),
    read(0, 0, 40),
    write(0, 5, 10, 99),
  ],
  'more than memory': [
    anon(0, 0, 40),
    write(0, 0, 40, 21),
    fork(0),
    write(1, 0, 40, 22),
    read(0, 0, 40),
    write(0, 0, 20, 23),
    read(1, 0, 40),
  ],
  'fork, both write': [
    anon(0, 0, 8),
    write(0, 0, 8, 1),
    fork(0),
    write(0, 0, 6, 2),
    write(1, 2, 6, 3),
    read(0, 0, 8),
    read(1, 0, 8),
  ],
  'fork, then the parent goes': [
    anon(0, 0, 8),
    write(0, 0, 8, 1),
    fork(0),
    write(1, 0, 4, 2),
    exit(0),
    write(0, 3, 5, 4),
  ],
  'three generations': [
    anon(0, 0, 6),
    write(0, 0, 6, 1),
    fork(0),
    write(1, 1, 3, 2),
    fork(1),
    write(2, 2, 3, 3),
    exit(1),
    write(1, 0, 6, 4),
    read(0, 0, 6),
  ],
  'fork of swapped pages': [
    anon(0, 0, 30),
    write(0, 0, 30, 8),
    pageout(60),
    fork(0),
    write(1, 0, 20, 9),
    read(0, 0, 30),
    exit(1),
  ],
  'shared over fork': [
    map(0, 0, 10, 'shared', 3),
    write(0, 0, 10, 1),
    fork(0),
    write(1, 3, 4, 2),
    pageout(40),
    read(0, 0, 10),
    write(0, 0, 10, 3),
    read(1, 0, 10),
  ],
  'wired, anonymous': [
    anon(0, 0, 10),
    write(0, 0, 4, 5),
    range('wire', 0, 0, 10),
    pageout(50),
    range('unwire', 0, 0, 10),
    read(0, 0, 10),
  ],
  'wired, of a file': [
    file(0, 0, 12, 'private'),
    range('wire', 0, 2, 8),
    write(0, 2, 8, 1),
    range('unwire', 0, 0, 12),
    read(0, 0, 12),
  ],
  'wired, then forked': [
    anon(0, 0, 8),
    write(0, 0, 8, 6),
    range('wire', 0, 0, 8),
    fork(0),
    write(1, 0, 8, 7),
    read(0, 0, 8),
    exit(0),
  ],
  'unmapped in the middle': [
    anon(0, 0, 20),
    write(0, 0, 20, 13),
    pageout(30),
    range('unmap', 0, 5, 8),
    fork(0),
    read(0, 0, 5),
    write(1, 13, 7, 2),
    anon(0, 5, 8),
    read(0, 5, 8),
  ],
  'protection and advice': [
    anon(0, 0, 16),
    write(0, 0, 16, 1),
    protect(0, 4, 4, 1),
    advise(0, 8, 8, 'dontneed'),
    pageout(40),
    advise(0, 0, 16, 'willneed'),
    read(0, 0, 16),
    protect(0, 4, 4, 3),
    write(0, 0, 16, 2),
  ],
  'sequential reading': [
    file(0, 0, 48, 'private'),
    advise(0, 0, 48, 'sequential'),
    read(0, 0, 48),
    advise(0, 0, 48, 'random'),
    read(0, 0, 48),
  ],
  'given up, then written': [
    anon(0, 0, 16),
    write(0, 0, 16, 4),
    advise(0, 0, 16, 'free'),
    pageout(40),
    write(0, 4, 8, 5),
    read(0, 0, 16),
  ],
  'one file, three views': [
    file(0, 0, 8, 'shared'),
    file(0, 10, 8, 'private', 2),
    fork(0),
    write(0, 0, 8, 1),
    write(1, 10, 4, 2),
    range('sync', 1, 0, 8),
    pageout(60),
    read(0, 10, 8),
    read(1, 10, 8),
  ],
  'private memory made shared': [
    anon(0, 0, 10),
    write(0, 0, 10, 1),
    fork(0),
    inherit(0, 0, 10, 'share'),
    fork(0),
    write(2, 0, 5, 2),
    read(0, 0, 10),
    read(1, 0, 10),
  ],
  'a device': [device(0, 0), write(0, 0, 4, 9), fork(0), read(1, 0, 4), range('wire', 1, 0, 4), exit(1), read(0, 0, 4)],
};

/** By name. */
export const FAILURE_PROGRAMS: readonly { readonly name: string; readonly program: Program }[] = Object.entries(
  OPERATIONS,
).map(([name, operations]) => ({ name, program: { memoryPages: 96, swapPages: 512, operations } }));
