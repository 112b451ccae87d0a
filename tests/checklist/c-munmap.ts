/** munmap: what goes, what stays, and what it gives back. */
import assert from 'node:assert/strict';
import { MemoryStore } from '@faultline/core';
import { GatedStore, untilHeld } from './late.js';
import { check } from './registry.js';
import { tableCheck } from './table.js';
import {
  born,
  ends,
  holds,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MIB,
  mapLate,
  O_RDWR,
  ok,
  PAGE,
  pattern,
  peek,
  RW,
  refused,
  SOMEWHERE,
  same,
  signalIn,
  signalInLate,
  store,
} from './world.js';

const NO_MINCORE = 'mincore is a stub that refuses (EOPNOTSUPP)';

check('C1', 'what was unmapped cannot be touched', {}, (w) => {
  const at = w.anon(w.p, 3);
  store(w.p, at, 3, 1);
  ok(w.p.munmap(at, 3 * PAGE));
  for (const page of [0, 1, 2]) {
    w.expects(
      'access of nothing',
      ends(() => w.p.load8(at + page * PAGE)),
    );
    w.expects(
      'access of nothing',
      ends(() => w.p.store8(at + page * PAGE, 1)),
    );
  }
  assert.deepEqual(w.p.maps(), []);
});

check('C2', 'when the middle of a mapping goes, both sides stay', {}, (w) => {
  const at = w.anonAt(w.p, SOMEWHERE, 9);
  store(w.p, at, 9, 17);
  ok(w.p.munmap(at + 3 * PAGE, 3 * PAGE));
  holds(w.p, at, 3, 17);
  for (const page of [6, 7, 8]) assert.equal(w.p.load8(at + page * PAGE + 8), 17 + page * 3);
  for (const page of [3, 4, 5]) assert.equal(signalIn(() => w.p.load8(at + page * PAGE))?.signal, 'SIGSEGV');
});

check('C3', 'a range over several mappings is unmapped in all of them', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const at = w.anonAt(w.p, SOMEWHERE, 3);
  w.map(w.p, 'f', 3 * PAGE, { address: at + 3 * PAGE, flags: MAP_SHARED | MAP_FIXED });
  w.anonAt(w.p, at + 6 * PAGE, 3, RW, MAP_SHARED);
  store(w.p, at, 9, 2);
  ok(w.p.munmap(at + 2 * PAGE, 5 * PAGE));
  holds(w.p, at, 2, 2);
  for (const page of [2, 3, 4, 5, 6]) assert.equal(signalIn(() => w.p.load8(at + page * PAGE))?.signal, 'SIGSEGV');
  for (const page of [7, 8]) assert.equal(w.p.load8(at + page * PAGE + 8), 2 + 3 * page);
});

tableCheck('C4', 'a range with a hole', {}, 'munmap over a hole');
tableCheck('C5', 'no length', {}, 'munmap of length 0');
tableCheck('C6', 'an address inside a page', {}, 'munmap unaligned');
tableCheck('C7', 'a range beyond user space is refused', {}, 'munmap beyond user space');

check('C8', 'mincore tells a hole from a mapping that is not touched', { csrg: NO_MINCORE }, (w) => {
  const at = w.anonAt(w.p, SOMEWHERE, 3);
  w.anonAt(w.p, SOMEWHERE + 3 * PAGE, 1);
  store(w.p, at, 4, 1);
  ok(w.p.munmap(at + PAGE, PAGE));
  const vector = new Uint8Array(4);
  const answer = w.p.mincore(at, 4 * PAGE, vector);
  if (w.expected('mincore over a hole') === 'zeros') {
    assert.equal(answer, 0);
    assert.deepEqual([...vector].map(Boolean), [true, false, true, true]);
  } else {
    assert.equal(answer, w.expected('mincore over a hole'));
  }
  // A page that is mapped and not touched is no hole.
  const untouched = w.anon(w.p, 1);
  assert.equal(w.p.mincore(untouched, PAGE, vector.subarray(0, 1)), 0);
});

check('C9', 'private changes are thrown away: mapped again, the file shows', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const at = w.map(w.p, 'f', 3 * PAGE, { flags: MAP_PRIVATE });
  store(w.p, at, 3, 66);
  w.squeeze();
  ok(w.p.munmap(at, 3 * PAGE));
  const again = w.map(w.p, 'f', 3 * PAGE, { flags: MAP_PRIVATE });
  same(peek(w.p, again, 3 * PAGE), pattern(3 * PAGE), 'mapped again');
});

check('C10', 'what was stored to a shared file is seen by read(2) at once and reaches the store later', {}, (w) => {
  w.file('f', pattern(4 * PAGE));
  const at = w.map(w.p, 'f', 4 * PAGE);
  w.p.store8(at + 2 * PAGE, 250);
  ok(w.p.munmap(at, 4 * PAGE));
  const fd = ok(w.p.open('f', O_RDWR));
  const buffer = w.anon(w.p, 1);
  assert.equal(ok(w.p.pread(fd, buffer, 1, 2 * PAGE)), 1);
  assert.equal(w.p.load8(buffer), 250);
  ok(w.p.fsync(fd));
  assert.equal(w.stored('f')[2 * PAGE], 250);
});

check('C11', 'locks of the range go with it', {}, (w) => {
  const at = w.anonAt(w.p, SOMEWHERE, 10);
  const before = w.wired;
  ok(w.p.mlock(at, 10 * PAGE));
  assert.equal(w.wired, before + 10);
  ok(w.p.munmap(at + 2 * PAGE, 3 * PAGE));
  assert.equal(w.wired, before + 7);
  ok(w.p.munmap(at, 2 * PAGE));
  ok(w.p.munmap(at + 5 * PAGE, 5 * PAGE));
  assert.equal(w.wired, before);
});

check('C12', 'unmapping the only mapping frees its pages and its swap', {}, (w) => {
  const m = w.boot({ memory: MIB, swap: 200 * PAGE });
  const p = m.spawn('user');
  const free = w.free;
  // Twelve times more than swap holds goes through it.
  for (let round = 0; round < 12; round++) {
    const at = w.anon(p, 150);
    store(p, at, 150, round);
    w.squeeze();
    holds(p, at, 150, round);
    w.squeeze();
    ok(p.munmap(at, 150 * PAGE));
    assert.equal(w.free, free, `round ${round}: frames`);
  }
});

check('C13', 'a child that unmaps does not touch its parent', {}, (w) => {
  const at = w.anon(w.p, 4);
  const shared = w.anon(w.p, 2, RW, MAP_SHARED);
  store(w.p, at, 4, 5);
  store(w.p, shared, 2, 6);
  const child = born(w.p.fork());
  ok(child.munmap(at, 4 * PAGE));
  ok(child.munmap(shared, PAGE));
  holds(w.p, at, 4, 5);
  holds(w.p, shared, 2, 6);
  assert.equal(signalIn(() => child.load8(at))?.signal, 'SIGSEGV');
});

check('C14', 'no new entry can be made when the middle goes: ENOMEM, and nothing has happened', {}, (w) => {
  const at = w.anon(w.p, 6);
  store(w.p, at, 6, 9);
  const before = w.p.maps();
  const { free } = w;
  refused(
    w.without('map entry', () => w.p.munmap(at + 2 * PAGE, 2 * PAGE)),
    'ENOMEM',
  );
  assert.deepEqual(w.p.maps(), before);
  assert.equal(w.free, free);
  holds(w.p, at, 6, 9);
  // What needs no entry can go even then.
  ok(w.without('map entry', () => w.p.munmap(at, 6 * PAGE)));
  assert.deepEqual(w.p.maps(), []);
});

check(
  'C15',
  "munmap during another thread's fault: the thread gets its data or a signal, and no translation stays",
  {},
  async (w) => {
    const m = w.bootLate();
    const gated = new GatedStore(new MemoryStore(pattern(8 * PAGE)));
    m.createFile('f', gated);
    const p = m.spawn('threads');
    const at = await mapLate(p, 'f', 8 * PAGE);
    gated.hold('read');
    const load = signalInLate(async () => assert.equal(await p.load8(at + 5 * PAGE), pattern(6 * PAGE)[5 * PAGE]));
    await untilHeld(gated);
    const unmap = p.munmap(at, 8 * PAGE);
    gated.release();
    assert.equal(await unmap, 0);
    const signal = await load;
    if (signal !== null) assert.equal(signal.signal, 'SIGSEGV');
    assert.equal(p.tryLoad8(at + 5 * PAGE), undefined, 'a stale translation');
    assert.equal((await signalInLate(() => p.load8(at + 5 * PAGE)))?.signal, 'SIGSEGV');
    // And with memory in its place: the new pages, not the file's.
    ok(await p.mmap(at, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANON | MAP_FIXED));
    assert.equal(await p.load8(at + 5 * PAGE), 0);
  },
);
