/** minherit: what a child gets of a range. */
import assert from 'node:assert/strict';
import { INHERIT_COPY, INHERIT_NONE, INHERIT_SHARE } from '@faultline/core';
import { check, nowhere } from './registry.js';
import { tableCheck } from './table.js';
import { born, ends, entries, holds, MAP_PRIVATE, MAP_SHARED, ok, PAGE, pattern, RW, same, store } from './world.js';

check('H1', 'copy: neither sees what the other stores', {}, (w) => {
  const at = w.anon(w.p, 4, RW, MAP_SHARED);
  ok(w.p.minherit(at, 4 * PAGE, INHERIT_COPY));
  store(w.p, at, 4, 1);
  const child = born(w.p.fork());
  store(child, at, 2, 2);
  store(w.p, at + 2 * PAGE, 2, 3);
  holds(w.p, at, 2, 1, 'the parent');
  holds(child, at, 2, 2, 'the child');
  assert.equal(child.load8(at + 2 * PAGE + 8), 1 + 6);
});

check('H2', 'share: both see everything', {}, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 1, 1);
  ok(w.p.minherit(at, 4 * PAGE, INHERIT_SHARE));
  const child = born(w.p.fork());
  store(child, at, 2, 2);
  w.p.store8(at + 3 * PAGE, 44);
  holds(w.p, at, 2, 2);
  assert.equal(child.load8(at + 3 * PAGE), 44);
  w.squeeze();
  child.store8(at + 3 * PAGE, 45);
  assert.equal(w.p.load8(at + 3 * PAGE), 45);
});

check('H3', 'none: the child has nothing there', {}, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 1);
  ok(w.p.minherit(at, 4 * PAGE, INHERIT_NONE));
  const child = born(w.p.fork());
  w.expects(
    'access of nothing',
    ends(() => child.load8(at)),
  );
  assert.equal(entries(child, at, 4 * PAGE).length, 0);
  holds(w.p, at, 4, 1);
});

nowhere('H4', 'zero: the child has zeros', 'INHERIT_ZERO is younger than all four systems');
tableCheck('H5', 'a value that is none is refused', {}, 'minherit of a bad value');

check('H6', 'a part of a mapping: the rest is inherited as before', {}, (w) => {
  const at = w.anon(w.p, 6);
  store(w.p, at, 6, 1);
  ok(w.p.minherit(at + 2 * PAGE, 2 * PAGE, INHERIT_SHARE));
  ok(w.p.minherit(at + 4 * PAGE, PAGE, INHERIT_NONE));
  const child = born(w.p.fork());
  for (const page of [0, 2, 3, 5]) child.store8(at + page * PAGE + 8, 200 + page);
  assert.deepEqual(
    [0, 2, 3, 5].map((page) => w.p.load8(at + page * PAGE + 8)),
    [1, 202, 203, 16],
  );
  w.expects(
    'access of nothing',
    ends(() => child.load8(at + 4 * PAGE)),
  );
});

check('H7', 'sharing a private file mapping: its copied pages are shared, and the file does not change', {}, (w) => {
  w.file('f', pattern(4 * PAGE));
  const at = w.map(w.p, 'f', 4 * PAGE, { flags: MAP_PRIVATE });
  w.p.store8(at, 201);
  ok(w.p.minherit(at, 4 * PAGE, INHERIT_SHARE));
  const child = born(w.p.fork());
  assert.equal(child.load8(at), 201);
  child.store8(at + PAGE, 202);
  w.p.store8(at + 2 * PAGE, 203);
  assert.equal(w.p.load8(at + PAGE), 202);
  assert.equal(child.load8(at + 2 * PAGE), 203);
  ok(w.m.sync());
  same(w.stored('f'), pattern(4 * PAGE), 'the file');
});

check('H8', 'copy, then share, over three generations', {}, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 1);
  const child = born(w.p.fork());
  ok(child.minherit(at, 4 * PAGE, INHERIT_SHARE));
  child.store8(at + 8, 71);
  const grandchild = born(child.fork());
  grandchild.store8(at + PAGE + 8, 72);
  w.p.store8(at + 2 * PAGE + 8, 73);
  assert.deepEqual(
    [0, 1, 2].map((page) => w.p.load8(at + page * PAGE + 8)),
    [1, 4, 73],
  );
  for (const p of [child, grandchild]) {
    assert.deepEqual(
      [0, 1, 2, 3].map((page) => p.load8(at + page * PAGE + 8)),
      [71, 72, 7, 10],
    );
  }
  child.exit();
  assert.equal(grandchild.load8(at + 8), 71);
});

check('H9', 'sharing what still waits to be copied: the copy is made first', {}, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 1);
  const first = born(w.p.fork());
  // Both have it copy-on-write now, and nobody has written.
  ok(w.p.minherit(at, 4 * PAGE, INHERIT_SHARE));
  const second = born(w.p.fork());
  second.store8(at + 8, 90);
  assert.equal(w.p.load8(at + 8), 90);
  holds(first, at, 4, 1, 'the first child');
  first.store8(at + PAGE + 8, 91);
  assert.equal(w.p.load8(at + PAGE + 8), 4);
  assert.equal(second.load8(at + PAGE + 8), 4);
});

check('H10', 'the inheritance is itself inherited', {}, (w) => {
  const shared = w.anon(w.p, 2);
  const copied = w.anon(w.p, 2, RW, MAP_SHARED);
  store(w.p, shared, 2, 1);
  ok(w.p.minherit(shared, 2 * PAGE, INHERIT_SHARE));
  ok(w.p.minherit(copied, 2 * PAGE, INHERIT_COPY));
  const child = born(w.p.fork());
  const grandchild = born(child.fork());
  grandchild.store8(shared, 61);
  grandchild.store8(copied, 62);
  assert.deepEqual(
    [w.p, child].map((p) => p.load8(shared)),
    [61, 61],
  );
  assert.deepEqual(
    [w.p, child].map((p) => p.load8(copied)),
    [0, 0],
  );
  assert.equal(entries(grandchild, shared, PAGE)[0]?.inheritance, 'share');
  assert.equal(entries(grandchild, copied, PAGE)[0]?.inheritance, 'copy');
});
