/** mincore: what is in memory, found out without changing it. */
import assert from 'node:assert/strict';
import {
  MINCORE_INCORE,
  MINCORE_MODIFIED,
  MINCORE_MODIFIED_OTHER,
  MINCORE_REFERENCED,
  MINCORE_REFERENCED_OTHER,
} from '@faultline/core';
import { check, only } from './registry.js';
import { tableCheck } from './table.js';
import { born, holds, MAP_SHARED, ok, PAGE, type Process, pattern, RW, store } from './world.js';

const STUB = { csrg: 'mincore is a stub that refuses (EOPNOTSUPP)' };

function vectorOf(p: Process, at: number, pages: number): number[] {
  const vector = new Uint8Array(pages);
  assert.equal(p.mincore(at, pages * PAGE, vector), 0);
  return [...vector];
}

const inCore = (p: Process, at: number, pages: number): boolean[] => vectorOf(p, at, pages).map((byte) => byte !== 0);

check('R1', 'a page that was not touched is not there; one that was, is', STUB, (w) => {
  const at = w.anon(w.p, 5);
  assert.deepEqual(inCore(w.p, at, 5), [false, false, false, false, false]);
  w.p.store8(at + PAGE, 1);
  w.p.load8(at + 4 * PAGE);
  const after = inCore(w.p, at, 5);
  assert.deepEqual([after[1], after[4]], [true, true]);
});

check('R2', 'after mlock every page is there', STUB, (w) => {
  const at = w.anon(w.p, 8);
  ok(w.p.mlock(at, 8 * PAGE));
  assert.deepEqual(inCore(w.p, at, 8), new Array(8).fill(true));
});

check('R3', 'a page of a file that is in memory counts, though this process has not mapped it', STUB, (w) => {
  w.file('f', pattern(4 * PAGE));
  const other = w.m.spawn('other');
  const theirs = w.map(other, 'f', 4 * PAGE);
  for (let page = 0; page < 4; page++) other.load8(theirs + page * PAGE);
  const at = w.map(w.p, 'f', 4 * PAGE);
  assert.deepEqual(inCore(w.p, at, 4), [true, true, true, true]);
});

check('R4', 'a shared page that a child has touched is there for the parent', STUB, (w) => {
  // Neighbours of a page that is touched may be brought in with it: not those fifty pages further on.
  const at = w.anon(w.p, 60, RW, MAP_SHARED);
  w.p.store8(at, 1);
  const child = born(w.p.fork());
  child.store8(at + 50 * PAGE, 1);
  assert.equal(inCore(w.p, at, 60)[50], true);
  assert.equal(inCore(w.p, at, 60)[25], false);
});

check('R5', 'a page that was taken away is not there', STUB, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 1);
  w.squeeze();
  assert.deepEqual(inCore(w.p, at, 4), [false, false, false, false]);
  holds(w.p, at, 4, 1);
  assert.deepEqual(inCore(w.p, at, 4), [true, true, true, true]);
});

check('R6', 'a length is rounded up to whole pages', STUB, (w) => {
  const at = w.anon(w.p, 3);
  store(w.p, at, 3, 1);
  const vector = Uint8Array.of(9, 9, 9);
  assert.equal(w.p.mincore(at, PAGE + 1, vector), 0);
  assert.equal(vector[2], 9, 'more than was asked for');
  assert.ok(vector[0] !== 9 && vector[1] !== 9 && vector[0] !== 0 && vector[1] !== 0);
});

tableCheck(
  'R7',
  'what is refused',
  {},
  'mincore unaligned',
  'mincore of length 0',
  'mincore into too short a vector',
  'mincore beyond user space',
);
tableCheck('R8', 'a range with a hole', {}, 'mincore over a hole');

check(
  'R9',
  'what was done to a page, and by whom',
  only(['freebsd', 'dragonfly'], 'only freebsd and dragonfly tell more than resident or not'),
  (w) => {
    // Far enough apart that no page is brought in with another.
    const at = w.anon(w.p, 90, RW, MAP_SHARED);
    w.p.load8(at);
    w.p.store8(at + 40 * PAGE, 1);
    const [read, written] = [0, 40].map((page) => vectorOf(w.p, at, 90)[page]);
    assert.ok((read as number) & MINCORE_INCORE && (read as number) & MINCORE_REFERENCED);
    assert.equal((read as number) & MINCORE_MODIFIED, 0);
    assert.ok((written as number) & MINCORE_MODIFIED && (written as number) & MINCORE_REFERENCED);
    const other = born(w.p.fork());
    other.store8(at + 80 * PAGE, 1);
    const theirs = vectorOf(w.p, at, 90)[80] as number;
    assert.ok(theirs & MINCORE_INCORE);
    assert.equal(theirs & (MINCORE_REFERENCED | MINCORE_MODIFIED), 0, 'not by this process');
    assert.ok(theirs & MINCORE_MODIFIED_OTHER && theirs & MINCORE_REFERENCED_OTHER);
  },
);

check('R10', 'asking brings nothing in and changes nothing', STUB, (w) => {
  w.file('f', pattern(4 * PAGE));
  const file = w.map(w.p, 'f', 4 * PAGE);
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 1);
  w.squeeze();
  const { faults, free } = w;
  for (let time = 0; time < 3; time++) {
    assert.deepEqual(inCore(w.p, at, 4), [false, false, false, false]);
    vectorOf(w.p, file, 4);
  }
  assert.equal(w.faults, faults);
  assert.equal(w.free, free);
  w.p.load8(at);
  const before = vectorOf(w.p, at, 4);
  assert.deepEqual(vectorOf(w.p, at, 4), before);
});
