/** mmap: what is refused, and that nothing has happened then. */
import assert from 'node:assert/strict';
import { check, nowhere } from './registry.js';
import { tableCheck } from './table.js';
import {
  answers,
  holds,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  O_RDONLY,
  ok,
  PAGE,
  PROT_READ,
  pattern,
  RW,
  refused,
  SOMEWHERE,
  signalIn,
  store,
} from './world.js';

tableCheck('B1', 'a descriptor that is not open is refused', {}, 'mmap of a bad descriptor');

check('B2', 'descriptor -1 without MAP_ANON is refused', {}, (w) => {
  refused(w.p.mmap(0, PAGE, RW, MAP_PRIVATE, -1, 0), 'EBADF');
  refused(w.p.mmap(0, PAGE, RW, MAP_SHARED), 'EBADF');
  assert.deepEqual(w.p.maps(), []);
});

tableCheck(
  'B3',
  'anonymous memory with a descriptor is refused',
  {},
  'mmap anonymous with a descriptor',
  'mmap anonymous with an offset',
);
tableCheck('B4', 'reading what was opened for writing only is refused', {}, 'mmap for reading, opened for writing');
tableCheck(
  'B5',
  'writing to a shared file opened for reading only is refused',
  {},
  'mmap shared for writing, opened for reading',
);

check('B6', 'a private writable mapping of a file opened for reading is allowed', {}, (w) => {
  w.file('f', pattern(PAGE));
  const at = w.map(w.p, 'f', PAGE, { flags: MAP_PRIVATE, open: O_RDONLY });
  w.p.store8(at, 99);
  assert.equal(w.p.load8(at), 99);
  assert.deepEqual(w.stored('f'), pattern(PAGE));
});

tableCheck(
  'B7',
  'a mapping without access of a file opened for writing',
  {},
  'mmap of no access, opened for writing',
  'mmap private for writing, opened for writing',
);
tableCheck('B8', 'a fixed place inside a page is refused', {}, 'mmap fixed, unaligned');
tableCheck(
  'B9',
  'a fixed place beyond user space is refused',
  {},
  'mmap fixed beyond user space',
  'mmap of the last page of user space',
);

check('B10', 'page 0 cannot be mapped; page 1 can', {}, (w) => {
  const fixed = MAP_PRIVATE | MAP_ANON | MAP_FIXED;
  assert.equal(answers(w.p.mmap(0, PAGE, RW, fixed)), 'EINVAL');
  assert.equal(answers(w.p.mmap(0, 4 * PAGE, RW, fixed)), 'EINVAL');
  assert.equal(signalIn(() => w.p.load8(0))?.signal, 'SIGSEGV');
  assert.equal(signalIn(() => w.p.load8(PAGE))?.signal, 'SIGSEGV');
  assert.equal(ok(w.p.mmap(PAGE, PAGE, RW, fixed)), PAGE);
  w.p.store8(PAGE, 1);
  assert.equal(signalIn(() => w.p.load8(PAGE - 1))?.signal, 'SIGSEGV');
});

tableCheck('B11', 'a fixed range that wraps is refused', {}, 'mmap fixed that wraps', 'mmap whose length wraps');
nowhere('B12', 'mapping a directory', 'a machine has no directories');
nowhere('B13', 'mapping a pipe or a socket', 'a machine has no pipes and sockets');
tableCheck('B14', 'flags that nobody knows are ignored', {}, 'mmap of unknown flags');
tableCheck(
  'B15',
  'both kinds of sharing, or neither',
  {},
  'mmap shared and private both',
  'mmap neither shared nor private',
);
tableCheck('B16', 'no length', {}, 'mmap of length 0');
tableCheck(
  'B17',
  'more than the limit of the address space is refused',
  { csrg: 'the system has no limit of the address space' },
  'mmap over the limit of the address space',
);
check(
  'B18',
  'more entries than a map may have',
  { csrg: 'the system has no limit of entries', netbsd: 'the system has no limit of entries' },
  (w) => {
    const at = w.anon(w.p, 3);
    store(w.p, at, 3, 7);
    const entries = w.p.maps().length;
    w.p.setLimits({ mapEntries: entries + 1 });
    ok(w.p.mmap(SOMEWHERE, PAGE, RW, MAP_PRIVATE | MAP_ANON | MAP_FIXED));
    refused(w.p.mmap(SOMEWHERE + 2 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANON | MAP_FIXED), 'ENOMEM');
    assert.equal(signalIn(() => w.p.load8(SOMEWHERE + 2 * PAGE))?.signal, 'SIGSEGV');
    // What is refused is mmap alone, also where it would add no entry; a cut may go over the limit, and an end makes room.
    refused(w.p.mmap(at, PAGE, RW, MAP_PRIVATE | MAP_ANON | MAP_FIXED), 'ENOMEM');
    holds(w.p, at, 3, 7);
    ok(w.p.mprotect(at + PAGE, PAGE, PROT_READ));
    assert.equal(w.p.maps().length, entries + 3);
    ok(w.p.munmap(at, 3 * PAGE));
    ok(w.p.mmap(SOMEWHERE + 2 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANON | MAP_FIXED));
  },
);
nowhere('B19', 'writing to a file that is immutable', 'files of a machine have no immutable or append-only flag');
