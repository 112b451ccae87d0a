/** msync: what is on disk when it returns, what is not, and what happens when the disk will not. */
import assert from 'node:assert/strict';
import { ENOSPC, FaultInjectingStore, MemoryStore, MS_ASYNC, MS_INVALIDATE } from '@faultline/core';
import { GatedStore, settled, untilHeld } from './late.js';
import { check } from './registry.js';
import { tableCheck } from './table.js';
import { answers, born, contentsOf, mapLate, O_RDWR, ok, PAGE, pattern, peek, same, store } from './world.js';

check('S1', 'when a synchronous msync returns, the file has the bytes', {}, (w) => {
  const bytes = pattern(20 * PAGE);
  w.file('f', bytes);
  const at = w.map(w.p, 'f', 20 * PAGE);
  for (const page of [0, 3, 4, 5, 19]) {
    w.p.store8(at + page * PAGE + 77, 200 + page);
    bytes[page * PAGE + 77] = 200 + page;
  }
  ok(w.p.msync(at, 20 * PAGE, w.MS_SYNC));
  same(w.stored('f'), bytes, 'the store');
});

check(
  'S2',
  'an asynchronous msync returns without waiting where the kernel does; the bytes reach the file later',
  {},
  async (w) => {
    w.file('f', pattern(4 * PAGE));
    const at = w.map(w.p, 'f', 4 * PAGE);
    w.p.store8(at + PAGE, 201);
    assert.equal(w.p.msync(at, 4 * PAGE, MS_ASYNC), 0);
    assert.equal(w.stored('f')[PAGE], 201, 'a disk that answers at once has it when the call returns');

    const m = w.bootLate();
    const gated = new GatedStore(new MemoryStore(pattern(40 * PAGE)));
    m.createFile('g', gated);
    const p = m.spawn('program');
    const there = await mapLate(p, 'g', 40 * PAGE);
    const dirty = [0, 3, 4, 39];
    for (const page of dirty) await p.store8(there + page * PAGE, 202);
    gated.hold('write');
    const call = p.msync(there, 40 * PAGE, MS_ASYNC);
    await untilHeld(gated);
    // csrg's call has no flags; netbsd's makes every call synchronous "for now".
    const waits = w.is('csrg', 'netbsd');
    assert.equal(await settled(call), !waits);
    for (const page of dirty) assert.notEqual(contentsOf(gated.inner)[page * PAGE], 202);
    gated.release();
    assert.equal(await call, 0);
    await m.whenIdle();
    for (const page of dirty) assert.equal(contentsOf(gated.inner)[page * PAGE], 202);
    // Nothing is dirty any more.
    const { write } = gated.counts;
    ok(await p.msync(there, 40 * PAGE, w.MS_SYNC));
    assert.equal(gated.counts.write, write);
  },
);

check('S3', 'after an invalidating msync reads come from the file', {}, (w) => {
  const inner = w.file('f', pattern(4 * PAGE));
  const at = w.map(w.p, 'f', 4 * PAGE);
  same(peek(w.p, at, 4 * PAGE), pattern(4 * PAGE), 'before');
  // Somebody else writes the disk.
  inner.write(2 * PAGE + 9, [Uint8Array.of(222)]);
  assert.equal(w.p.load8(at + 2 * PAGE + 9), pattern(3 * PAGE)[2 * PAGE + 9]);
  ok(w.p.msync(at, 4 * PAGE, MS_INVALIDATE | w.MS_SYNC));
  assert.equal(w.p.load8(at + 2 * PAGE + 9), 222);
  // Dirty pages are written first, not dropped.
  w.p.store8(at, 99);
  ok(w.p.msync(at, 4 * PAGE, MS_INVALIDATE | w.MS_SYNC));
  assert.equal(w.p.load8(at), 99);
  assert.equal(w.stored('f')[0], 99);
});

check('S4', 'a part of a mapping is written; the rest is still dirty, and is written later', {}, (w) => {
  w.file('f', pattern(40 * PAGE));
  const at = w.map(w.p, 'f', 40 * PAGE);
  for (const page of [1, 38]) w.p.store8(at + page * PAGE, 250);
  ok(w.p.msync(at, 4 * PAGE, w.MS_SYNC));
  assert.equal(w.stored('f')[PAGE], 250);
  ok(w.p.msync(at + 36 * PAGE, 4 * PAGE, w.MS_SYNC));
  assert.equal(w.stored('f')[38 * PAGE], 250);
});

tableCheck('S5', 'private memory: the file does not change', {}, 'msync of private memory');

check(
  'S6',
  'a page is clean afterwards and dirty again with the next store, also one made while it was written',
  {},
  async (w) => {
    const counted = new FaultInjectingStore(new MemoryStore(pattern(PAGE)));
    w.fileOn('f', counted);
    const at = w.map(w.p, 'f', PAGE);
    w.p.store8(at, 50);
    ok(w.p.msync(at, PAGE, w.MS_SYNC));
    const written = counted.counts.bytesWritten;
    ok(w.p.msync(at, PAGE, w.MS_SYNC));
    assert.equal(counted.counts.bytesWritten, written, 'a clean page was written');
    w.p.store8(at, 51);
    ok(w.p.msync(at, PAGE, w.MS_SYNC));
    assert.ok(counted.counts.bytesWritten > written);

    const m = w.bootLate();
    const gated = new GatedStore(new MemoryStore(pattern(PAGE)));
    m.createFile('g', gated);
    const p = m.spawn('threads');
    const there = await mapLate(p, 'g', PAGE);
    await p.store8(there, 60);
    gated.hold('write');
    const first = p.msync(there, PAGE, w.MS_SYNC);
    await untilHeld(gated);
    const second = p.store8(there + 1, 61);
    gated.release();
    assert.equal(await first, 0);
    await second;
    assert.equal(await p.load8(there + 1), 61);
    ok(await p.msync(there, PAGE, w.MS_SYNC));
    assert.deepEqual([...contentsOf(gated.inner).subarray(0, 2)], [60, 61]);
  },
);

tableCheck(
  'S7',
  'a range of several mappings, and one with a hole',
  {},
  'msync over two mappings',
  'msync over a hole',
);
tableCheck('S8', 'a range with nothing in it', {}, 'msync of nothing');
tableCheck(
  'S9',
  'flags that do not go together',
  {},
  'msync of no flag',
  'msync async and sync',
  'msync async and invalidate',
  'msync of an unknown flag',
);
tableCheck('S10', 'no length: the whole entry', {}, 'msync of length 0', 'msync of length 0 where nothing is');
tableCheck('S11', 'invalidating locked memory', {}, 'msync invalidate of locked memory');
tableCheck('S12', 'a disk that refuses: an error, and the page stays dirty', {}, 'msync that the disk refuses');

check('S13', 'a disk without space: an error, and the data stays in memory until there is some', {}, async (w) => {
  const inner = new MemoryStore(pattern(8 * PAGE));
  const full = new FaultInjectingStore(inner, [{ on: 'write', error: ENOSPC, times: Number.POSITIVE_INFINITY }]);
  w.fileOn('f', full);
  const at = w.map(w.p, 'f', 8 * PAGE);
  store(w.p, at, 8, 9);
  w.expects('msync that finds no space', answers(w.p.msync(at, 8 * PAGE, w.MS_SYNC)));
  w.squeeze();
  for (let page = 0; page < 8; page++) assert.equal(w.p.load8(at + page * PAGE + 8), 9 + page * 3);
  full.heal();
  ok(w.p.msync(at, 8 * PAGE, w.MS_SYNC));
  for (let page = 0; page < 8; page++) assert.equal(contentsOf(inner)[page * PAGE + 8], 9 + page * 3);
});

check('S14', 'a file cut while it is written does not grow again', {}, async (w) => {
  const m = w.bootLate();
  const inner = new MemoryStore(pattern(8 * PAGE));
  const gated = new GatedStore(inner);
  m.createFile('f', gated);
  const p = m.spawn('threads');
  const at = await mapLate(p, 'f', 8 * PAGE);
  for (const page of [1, 3, 5, 7]) await p.store8(at + page * PAGE, 211);
  gated.hold('write');
  const sync = p.msync(at, 8 * PAGE, w.MS_SYNC);
  await untilHeld(gated);
  const fd = ok(await p.open('f', O_RDWR));
  const cut = p.ftruncate(fd, 2 * PAGE + 100);
  gated.release();
  await sync;
  assert.equal(await cut, 0);
  await m.whenIdle();
  assert.equal(inner.size(), 2 * PAGE + 100);
  assert.equal(m.status('f').size, 2 * PAGE + 100);
  assert.equal(contentsOf(inner)[PAGE], 211);
  ok(await p.msync(at, 2 * PAGE, w.MS_SYNC));
  assert.equal(inner.size(), 2 * PAGE + 100);
});

check('S15', 'a file stored to through a mapping counts as modified, at msync at the latest', {}, (w) => {
  w.file('f', pattern(2 * PAGE));
  const at = w.map(w.p, 'f', 2 * PAGE);
  w.p.load8(at);
  const { modified } = w.m.status('f');
  ok(w.p.msync(at, 2 * PAGE, w.MS_SYNC));
  assert.equal(w.m.status('f').modified, modified, 'reading is no modification');
  w.p.store8(at, 3);
  ok(w.p.msync(at, 2 * PAGE, w.MS_SYNC));
  assert.notEqual(w.m.status('f').modified, modified);
});

check('S16', 'what was stored behind the end of the file in its last page is not written', {}, (w) => {
  const bytes = pattern(PAGE + 10);
  w.file('f', bytes);
  const at = w.map(w.p, 'f', 2 * PAGE);
  w.p.store8(at + PAGE + 9, 55);
  for (let byte = 10; byte < PAGE; byte += 400) w.p.store8(at + PAGE + byte, 66);
  ok(w.p.msync(at, 2 * PAGE, w.MS_SYNC));
  bytes[PAGE + 9] = 55;
  same(w.stored('f'), bytes, 'the file');
  const other = born(w.p.fork());
  other.store8(at + PAGE + 20, 67);
  other.exit();
  w.squeeze();
  same(w.stored('f'), bytes, 'the file, paged out');
});
