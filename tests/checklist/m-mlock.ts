/** mlock, munlock, mlockall: what is locked stays, and what is undone is undone whole. */
import assert from 'node:assert/strict';
import { EIO, FaultInjectingStore, MAP_WIRED, MCL_CURRENT, MCL_FUTURE, MemoryStore } from '@faultline/core';
import { Refusals } from '../exhaustion/troubles.js';
import { check, nowhere, only } from './registry.js';
import { tableCheck } from './table.js';
import {
  born,
  ends,
  holds,
  KIB,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  O_RDWR,
  ok,
  PAGE,
  PROT_READ,
  PROT_WRITE,
  pattern,
  peek,
  RW,
  resident,
  SOMEWHERE,
  same,
  store,
  type World,
  zeros,
} from './world.js';

const ANON = MAP_PRIVATE | MAP_ANON;
const NO_MLOCKALL = { csrg: 'the system has no mlockall' };

/** mlocks of a range, undone as often as the system wants. */
function unlock(w: World, at: number, pages: number, times = 1): void {
  const needed = w.is('csrg') ? times : 1;
  for (let time = 0; time < needed; time++) ok(w.p.munlock(at, pages * PAGE));
}

check('M50', 'locked pages are there, and never fault again, whatever the pressure', {}, (w) => {
  w.file('f', pattern(20 * PAGE));
  const anon = w.anon(w.p, 40);
  const file = w.map(w.p, 'f', 20 * PAGE);
  ok(w.p.mlock(anon, 40 * PAGE));
  ok(w.p.mlock(file, 20 * PAGE));
  assert.equal(resident(w.p, anon, 40 * PAGE), 40);
  store(w.p, anon, 40, 6);
  const eater = w.m.spawn('eater');
  store(eater, w.anon(eater, 600), 600, 1);
  w.squeeze();
  const { faults } = w;
  holds(w.p, anon, 40, 6);
  store(w.p, anon, 40, 7);
  same(peek(w.p, file, 20 * PAGE), pattern(20 * PAGE), 'the file');
  assert.equal(w.faults, faults, 'faults on locked pages');
});

tableCheck('M51', 'how many munlocks undo several mlocks', {}, 'munlocks for three mlocks');

check('M52', 'a lock does not fall when another lock of the same page does', {}, (w) => {
  w.file('f', pattern(4 * PAGE));
  const one = w.map(w.p, 'f', 4 * PAGE);
  const two = w.map(w.p, 'f', 4 * PAGE);
  const other = w.m.spawn('other');
  const three = w.map(other, 'f', 4 * PAGE);
  for (const at of [one, two]) ok(w.p.mlock(at, 4 * PAGE));
  ok(other.mlock(three, 4 * PAGE));
  ok(w.p.munlock(one, 4 * PAGE));
  assert.equal(w.wired, 4);
  ok(other.munlock(three, 4 * PAGE));
  assert.equal(w.wired, 4);
  const { faults } = w;
  w.squeeze();
  for (let page = 0; page < 4; page++) w.p.load8(two + page * PAGE);
  assert.equal(w.faults, faults);
  ok(w.p.munlock(two, 4 * PAGE));
  assert.equal(w.wired, 0);
});

check('M53', 'munmap and exit drop locks: the counts are again what they were', {}, (w) => {
  w.file('f', pattern(4 * PAGE));
  const before = w.wired;
  const child = born(w.p.fork());
  const anon = w.anon(child, 10);
  const file = w.map(child, 'f', 4 * PAGE, { flags: MAP_PRIVATE });
  ok(child.mlock(anon, 10 * PAGE));
  ok(child.mlock(file, 4 * PAGE));
  assert.equal(w.wired, before + 14);
  ok(child.munmap(anon, 10 * PAGE));
  assert.equal(w.wired, before + 4);
  child.exit();
  assert.equal(w.wired, before);
});

check('M54', 'a child has no locks; the parent keeps its own, and does not fault on its stores', {}, (w) => {
  const at = w.anon(w.p, 8);
  store(w.p, at, 8, 1);
  ok(w.p.mlock(at, 8 * PAGE));
  const wired = w.wired;
  const child = born(w.p.fork());
  assert.equal(w.wired, wired);
  const { faults } = w;
  store(w.p, at, 8, 2);
  assert.equal(w.faults, faults, 'the parent was write-protected');
  holds(child, at, 8, 1, 'the child');
  w.squeeze();
  holds(child, at, 8, 1, 'the child, paged out');
  assert.ok(child.maps().every(({ wiredCount }) => wiredCount === 0));
});

check('M55', 'whole pages are locked', { csrg: 'an address inside a page is refused' }, (w) => {
  const at = w.anon(w.p, 4);
  ok(w.p.mlock(at + PAGE + 100, PAGE));
  assert.equal(w.wired, 2);
  ok(w.p.munlock(at + PAGE + 1, 2 * PAGE - 1));
  assert.equal(w.wired, 0);
});

tableCheck(
  'M56',
  'a range with a hole is refused, and nothing of it is locked',
  {},
  'mlock over a hole',
  'mlock of nothing',
);
tableCheck('M57', 'memory without access cannot be locked', {}, 'mlock of no access');
tableCheck(
  'M58',
  'more than the limits of the system and of the process',
  {},
  'mlock over the limit of the system',
  'mlock of more than the system locks at all',
  'mlock over the limit of the process',
);

check('M59', 'lengths that are no whole pages lock whole pages, and cut entries at page boundaries only', {}, (w) => {
  for (const [i, length] of [1, PAGE - KIB, PAGE + 1, 2 * PAGE - KIB, 3 * KIB].entries()) {
    const at = w.anonAt(w.p, SOMEWHERE + i * 64 * PAGE, 4);
    ok(w.p.mlock(at, length));
    for (const { start, end } of w.p.maps()) assert.equal((start % PAGE) + (end % PAGE), 0);
    assert.equal(w.wired, Math.ceil(length / PAGE));
    store(w.p, at, 4, i);
    ok(w.p.munlock(at, length));
    assert.equal(w.wired, 0);
    holds(w.p, at, 4, i);
  }
});

check('M60', 'a read that fails during mlock: an error, and everything is undone', {}, (w) => {
  const broken = new FaultInjectingStore(new MemoryStore(pattern(64 * PAGE)), [
    { on: 'read', range: { start: 40 * PAGE, end: 41 * PAGE }, error: EIO, times: Number.POSITIVE_INFINITY },
  ]);
  w.fileOn('f', broken);
  const at = w.map(w.p, 'f', 64 * PAGE);
  const answer = w.p.mlock(at, 64 * PAGE);
  assert.equal(typeof answer, 'string', 'the lock was given');
  assert.equal(w.wired, 0);
  assert.ok(w.p.maps().every(({ wiredCount }) => wiredCount === 0));
  broken.heal();
  ok(w.p.mlock(at, 64 * PAGE));
  assert.equal(w.wired, 64);
  same(peek(w.p, at, 64 * PAGE), pattern(64 * PAGE), 'after the disk is well');
});

check(
  'M61',
  'mlockall(MCL_CURRENT) locks what is mapped',
  { ...NO_MLOCKALL, dragonfly: 'MCL_CURRENT is not implemented in the kernel (ENOSYS)' },
  (w) => {
    w.file('f', pattern(4 * PAGE));
    const anon = w.anon(w.p, 6);
    const file = w.map(w.p, 'f', 4 * PAGE);
    ok(w.p.mlockall(MCL_CURRENT));
    assert.equal(w.wired, 10);
    const { faults } = w;
    w.squeeze();
    store(w.p, anon, 6, 1);
    w.p.store8(file, 1);
    assert.equal(w.faults, faults);
    const later = w.anon(w.p, 2);
    assert.equal(resident(w.p, later, 2 * PAGE), 0, 'what comes later is not meant');
    ok(w.p.munlockall());
    assert.equal(w.wired, 0);
  },
);

check('M62', 'mlockall(MCL_FUTURE) locks what comes: mappings and heap', NO_MLOCKALL, (w) => {
  ok(w.p.mlockall(MCL_FUTURE));
  w.anonAt(w.p, SOMEWHERE, 5);
  assert.equal(w.wired, 5);
  ok(w.p.sbrk(3 * PAGE));
  assert.equal(w.wired, 8);
});

tableCheck(
  'M63',
  'mlockall of no flag, and of one that is none',
  {},
  'mlockall of no flag',
  'mlockall of an unknown flag',
);

check('M64', 'munlockall ends MCL_FUTURE', NO_MLOCKALL, (w) => {
  ok(w.p.mlockall(MCL_FUTURE));
  w.anonAt(w.p, SOMEWHERE, 5);
  ok(w.p.munlockall());
  assert.equal(w.wired, 0);
  const at = w.anonAt(w.p, SOMEWHERE + 64 * PAGE, 5);
  assert.equal(w.wired, 0);
  assert.equal(resident(w.p, at, 5 * PAGE), 0);
});

check('M65', 'a private read-only file mapping that is locked and then written keeps its lock', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const at = w.map(w.p, 'f', 3 * PAGE, { protection: PROT_READ, flags: MAP_PRIVATE });
  ok(w.p.mlock(at, 3 * PAGE));
  ok(w.p.mprotect(at, 3 * PAGE, RW));
  w.p.store8(at + PAGE, 9);
  assert.equal(w.wired, 3);
  ok(w.p.munlock(at, 3 * PAGE));
  assert.equal(w.wired, 0);
  assert.equal(w.p.load8(at + PAGE), 9);
  same(w.stored('f'), pattern(3 * PAGE), 'the file');
});

check('M66', 'mlock, truncate to nothing, munlock', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const fd = ok(w.p.open('f', O_RDWR));
  const at = ok(w.p.mmap(0, 3 * PAGE, RW, MAP_SHARED, fd, 0));
  ok(w.p.mlock(at, 3 * PAGE));
  ok(w.p.ftruncate(fd, 0));
  w.expects(
    'access past the end of a file',
    ends(() => w.p.load8(at)),
  );
  ok(w.p.munlock(at, 3 * PAGE));
  assert.equal(w.wired, 0);
  assert.equal(w.stored('f').length, 0);
});

check('M67', 'mlock, store, truncate to nothing, extend: zeros', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const fd = ok(w.p.open('f', O_RDWR));
  const at = ok(w.p.mmap(0, 3 * PAGE, RW, MAP_SHARED, fd, 0));
  ok(w.p.mlock(at, 3 * PAGE));
  store(w.p, at, 3, 9);
  ok(w.p.ftruncate(fd, 0));
  ok(w.p.ftruncate(fd, 3 * PAGE));
  zeros(w.p, at, 3 * PAGE);
});

nowhere(
  'M68',
  'writing to locked read-only memory from outside, as ptrace does',
  'a machine has no ptrace: nobody writes past the protection of an entry',
);

check(
  'M69',
  'MAP_WIRED: locked when mmap returns; mlock and munlock work on it, and not on what is gone',
  only(['netbsd'], 'the system has no MAP_WIRED'),
  (w) => {
    const at = ok(w.p.mmap(SOMEWHERE, 4 * PAGE, RW, ANON | MAP_FIXED | MAP_WIRED));
    assert.equal(w.wired, 4);
    ok(w.p.mlock(at, 4 * PAGE));
    ok(w.p.munlock(at, 4 * PAGE));
    assert.equal(w.wired, 0);
    ok(w.p.munmap(at, 4 * PAGE));
    assert.equal(typeof w.p.munlock(at, 4 * PAGE), 'string');
  },
);

check('M70', 'a hundred mlocks', {}, (w) => {
  const at = w.anon(w.p, 4);
  for (let time = 0; time < 100; time++) ok(w.p.mlock(at, 4 * PAGE));
  assert.equal(w.wired, 4);
  unlock(w, at, 4, 100);
  assert.equal(w.wired, 0);
});

check('M71', 'memory that may only be written can be locked', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const at = w.map(w.p, 'f', 3 * PAGE, { protection: PROT_WRITE });
  ok(w.p.mlock(at, 3 * PAGE));
  assert.equal(w.wired, 3);
  ok(w.p.munlock(at, 3 * PAGE));
  assert.equal(w.wired, 0);
});

check('M72', 'no memory during mlock: an error, and everything is undone', {}, (w) => {
  const at = w.anon(w.p, 40);
  const shortage = new Refusals('frame', 20, Number.POSITIVE_INFINITY);
  shortage.begin(w.m.kernel);
  const answer = w.p.mlock(at, 40 * PAGE);
  shortage.end(w.m.kernel);
  assert.ok(shortage.struck, 'there was memory');
  assert.ok(answer === 'ENOMEM' || answer === 'EAGAIN', `answered ${answer}`);
  assert.equal(w.wired, 0);
  assert.ok(w.p.maps().every(({ wiredCount }) => wiredCount === 0));
  ok(w.p.mlock(at, 40 * PAGE));
  assert.equal(w.wired, 40);
});

check('M73', 'mlock of a private read-only file mapping, then fork', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const at = w.map(w.p, 'f', 3 * PAGE, { protection: PROT_READ, flags: MAP_PRIVATE });
  ok(w.p.mlock(at, 3 * PAGE));
  const child = born(w.p.fork());
  same(peek(child, at, 3 * PAGE), pattern(3 * PAGE), 'the child');
  w.expects(
    'write to read-only memory',
    ends(() => child.store8(at, 1)),
  );
  ok(w.p.mprotect(at, 3 * PAGE, RW));
  w.p.store8(at, 1);
  const second = born(w.p.fork());
  assert.equal(second.load8(at), 1);
});
