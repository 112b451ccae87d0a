/** fork, vfork, exec, exit: who has which bytes afterwards, and that nothing is left of those who are gone. */
import assert from 'node:assert/strict';
import { INHERIT_NONE, INHERIT_SHARE, MADV_RANDOM, MemoryStore } from '@faultline/core';
import { Refusals } from '../exhaustion/troubles.js';
import { GatedStore, turns, untilHeld } from './late.js';
import { check } from './registry.js';
import {
  anonLate,
  born,
  ends,
  entries,
  holds,
  MAP_PRIVATE,
  MAP_SHARED,
  MIB,
  mapLate,
  O_RDWR,
  ok,
  PAGE,
  PROT_READ,
  type Process,
  pattern,
  peek,
  RW,
  SOMEWHERE,
  same,
  signalInLate,
  store,
  zeros,
} from './world.js';

check('F1', 'private memory, anonymous and of files, is copied on write both ways, at every page', {}, (w) => {
  w.file('f', pattern(6 * PAGE));
  const anon = w.anon(w.p, 6);
  const file = w.map(w.p, 'f', 6 * PAGE, { flags: MAP_PRIVATE });
  store(w.p, anon, 6, 1);
  store(w.p, file, 3, 1);
  const child = born(w.p.fork());
  for (const page of [0, 2, 4]) for (const at of [anon, file]) child.store8(at + page * PAGE + 8, 101);
  for (const page of [1, 2, 5]) for (const at of [anon, file]) w.p.store8(at + page * PAGE + 8, 102);
  const shown = (p: Process, at: number): number[] => [0, 1, 2, 3, 4, 5].map((page) => p.load8(at + page * PAGE + 8));
  assert.deepEqual(shown(child, anon), [101, 4, 101, 10, 101, 16]);
  assert.deepEqual(shown(w.p, anon), [1, 102, 102, 10, 13, 102]);
  const f = (page: number): number => pattern(6 * PAGE)[page * PAGE + 8] as number;
  assert.deepEqual(shown(child, file), [101, 4, 101, f(3), 101, f(5)]);
  assert.deepEqual(shown(w.p, file), [1, 102, 102, f(3), f(4), 102]);
  same(w.stored('f'), pattern(6 * PAGE), 'the file');
});

check('F2', 'shared memory stays shared', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const anon = w.anon(w.p, 3, RW, MAP_SHARED);
  const file = w.map(w.p, 'f', 3 * PAGE);
  const child = born(w.p.fork());
  for (const at of [anon, file]) {
    child.store8(at, 55);
    w.p.store8(at + PAGE, 56);
    assert.equal(w.p.load8(at), 55);
    assert.equal(child.load8(at + PAGE), 56);
  }
  child.exit();
  for (const at of [anon, file]) assert.equal(w.p.load8(at), 55);
});

check('F3', 'both store to the same page first, in either order: each has its own', {}, (w) => {
  const at = w.anon(w.p, 2);
  store(w.p, at, 2, 1);
  const child = born(w.p.fork());
  w.p.store8(at + 8, 10);
  child.store8(at + 8, 20);
  child.store8(at + PAGE + 8, 21);
  w.p.store8(at + PAGE + 8, 11);
  assert.deepEqual([w.p.load8(at + 8), w.p.load8(at + PAGE + 8)], [10, 11]);
  assert.deepEqual([child.load8(at + 8), child.load8(at + PAGE + 8)], [20, 21]);
  for (const p of [w.p, child]) assert.equal(p.load8(at + PAGE - 3), 5);
});

check('F4', 'the last one left writes in place, and everything is right', {}, (w) => {
  const at = w.anon(w.p, 10);
  store(w.p, at, 10, 1);
  for (let round = 2; round < 8; round++) {
    const child = born(w.p.fork());
    store(child, at, 5, 99);
    child.exit();
    holds(w.p, at, 10, round - 1);
    store(w.p, at, 10, round);
    holds(w.p, at, 10, round);
  }
  const heir = born(w.p.fork());
  w.p.exit();
  holds(heir, at, 10, 7);
  store(heir, at, 10, 50);
  holds(heir, at, 10, 50);
});

check('F5', 'a chain of ten forks, with exits in between: everybody keeps their values', {}, (w) => {
  const at = w.anon(w.p, 12);
  const values = new Map<Process, number[]>([[w.p, new Array(12).fill(0)]]);
  let newest = w.p;
  for (let generation = 1; generation <= 10; generation++) {
    const child = born(newest.fork());
    values.set(child, [...(values.get(newest) as number[])]);
    newest = child;
    for (const [p, own] of values) {
      const page = (generation * 5 + p.id * 3) % 12;
      p.store8(at + page * PAGE, generation * 10 + p.id);
      own[page] = generation * 10 + p.id;
    }
    if (generation % 3 === 0) {
      const [gone] = [...values.keys()].filter((p) => p !== newest).slice(generation % 2);
      if (gone !== undefined) {
        gone.exit();
        values.delete(gone);
      }
    }
    if (generation % 4 === 0) w.squeeze();
    for (const [p, own] of values) {
      for (let page = 0; page < 12; page++) assert.equal(p.load8(at + page * PAGE), own[page] & 0xff);
    }
  }
});

check('F6', 'fork while another thread stores: each page of the child is as it was at one moment', {}, async (w) => {
  const m = w.bootLate();
  const gated = new GatedStore(new MemoryStore(1000 * PAGE));
  m.createFile('f', gated);
  const p = m.spawn('threads');
  const at = await mapLate(p, 'f', 1000 * PAGE, MAP_PRIVATE);
  // The writer writes the same number at both ends of each page, and waits for the disk on the way.
  const stamp = (page: number): number => 1 + (page % 200);
  const write = async (from: number, to: number): Promise<void> => {
    for (let page = from; page < to; page++) {
      await p.store8(at + page * PAGE, stamp(page));
      await p.store8(at + page * PAGE + PAGE - 1, stamp(page));
    }
  };
  // The first thread is kept waiting for another file, so that the writer runs on a second one; then the first one is free to fork.
  const busy = new GatedStore(new MemoryStore(PAGE));
  m.createFile('g', busy);
  const elsewhere = await mapLate(p, 'g', PAGE);
  await write(0, 20);
  busy.hold('read');
  const first = p.load8(elsewhere);
  await untilHeld(busy);
  gated.hold('read');
  // Far enough behind that nothing of it has been read ahead.
  const writer = write(900, 940);
  await turns();
  busy.release();
  await first;
  await untilHeld(gated);
  const forking = p.fork();
  await turns();
  gated.release();
  const child = born(await forking);
  await writer;
  let unwritten = 0;
  for (let page = 900; page < 940; page++) {
    const [start, last] = [await child.load8(at + page * PAGE), await child.load8(at + page * PAGE + PAGE - 1)];
    assert.ok(start === 0 || start === stamp(page));
    assert.ok(last === 0 || last === start, `page ${page}: ${start} ${last}`);
    if (start === 0) unwritten++;
    assert.equal(await p.load8(at + page * PAGE + PAGE - 1), stamp(page));
  }
  assert.ok(unwritten > 0, 'the fork came after the last store: it proves nothing');
});

check('F7', 'fork of pages that are in swap', {}, (w) => {
  const at = w.anon(w.p, 60);
  store(w.p, at, 60, 1);
  w.squeeze();
  const child = born(w.p.fork());
  store(child, at, 20, 2);
  store(w.p, at + 40 * PAGE, 20, 3);
  holds(w.p, at, 40, 1, 'the parent');
  holds(child, at, 20, 2, 'the child');
  for (let page = 20; page < 60; page++) assert.equal(child.load8(at + page * PAGE + 8), (1 + page * 3) & 0xff);
});

check('F8', 'fork while a page is on its way to swap', {}, async (w) => {
  const gated = new GatedStore(new MemoryStore(8 * MIB));
  const m = w.bootLate({ swapStore: gated });
  const p = m.spawn('threads');
  const at = await anonLate(p, 60);
  for (let page = 0; page < 60; page++) await p.store8(at + page * PAGE, page + 1);
  gated.hold('write');
  const pageout = m.pageout(80 * PAGE);
  await untilHeld(gated);
  const forking = p.fork();
  gated.release();
  const child = born(await forking);
  await pageout;
  for (let page = 0; page < 60; page += 2) await child.store8(at + page * PAGE, 200);
  for (let page = 0; page < 60; page++) {
    assert.equal(await p.load8(at + page * PAGE), page + 1);
    assert.equal(await child.load8(at + page * PAGE), page % 2 === 0 ? 200 : page + 1);
  }
});

check('F9', 'fork with locked pages: the child has copies, read-only where the parent is', {}, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 1);
  ok(w.p.mlock(at, 4 * PAGE));
  ok(w.p.mprotect(at, 2 * PAGE, PROT_READ));
  const child = born(w.p.fork());
  holds(child, at, 4, 1);
  w.expects(
    'write to read-only memory',
    ends(() => child.store8(at, 1)),
  );
  store(child, at + 2 * PAGE, 2, 7);
  assert.equal(w.p.load8(at + 2 * PAGE + 8), 7);
  w.squeeze();
  holds(child, at + 2 * PAGE, 2, 7);
});

check('F10', 'a fork that fails leaves the parent as it was, and nothing behind', {}, (w) => {
  const at = w.anon(w.p, 40);
  store(w.p, at, 40, 1);
  ok(w.p.mlock(at, 40 * PAGE));
  const { free, wired } = w;
  // The copies of forty locked pages are too many.
  const shortage = new Refusals('frame', 20, Number.POSITIVE_INFINITY);
  shortage.begin(w.m.kernel);
  const child = w.p.fork();
  shortage.end(w.m.kernel);
  assert.equal(child, 'ENOMEM');
  assert.equal(w.m.processes.length, 1);
  assert.equal(w.wired, wired);
  assert.equal(w.free, free);
  holds(w.p, at, 40, 1);
  store(w.p, at, 40, 2);
  holds(born(w.p.fork()), at, 40, 2);
});

check('F11', "vfork: the child runs in the parent's memory until it execs or exits", {}, (w) => {
  const at = w.anon(w.p, 2);
  store(w.p, at, 2, 1);
  const child = born(w.p.vfork());
  child.store8(at + 8, 88);
  assert.throws(() => w.p.load8(at), /vfork/);
  child.exit();
  assert.equal(w.p.load8(at + 8), 88);
  const second = born(w.p.vfork());
  second.store8(at + 8, 89);
  ok(second.exec({ segments: [{ address: SOMEWHERE, length: PAGE, protection: RW }] }));
  assert.equal(w.p.load8(at + 8), 89);
  zeros(second, SOMEWHERE, PAGE);
  w.expects(
    'access of nothing',
    ends(() => second.load8(at)),
  );
});

check('F12', 'exit and exec free everything', {}, (w) => {
  const m = w.boot({ memory: MIB, swap: 200 * PAGE });
  const p = m.spawn('first');
  const free = w.free;
  for (let round = 0; round < 8; round++) {
    const child = born(p.fork());
    const at = w.anon(child, 150);
    store(child, at, 150, round);
    ok(child.mlock(at, 10 * PAGE));
    w.squeeze();
    holds(child, at, 150, round);
    if (round % 2 === 0) {
      ok(child.exec({ segments: [] }));
      assert.deepEqual(child.maps(), []);
      assert.equal(w.free, free, `round ${round}, after exec`);
    }
    child.exit();
    assert.equal(w.free, free, `round ${round}: frames`);
    assert.equal(w.wired, 0);
  }
});

check('F13', 'a child inherits mappings of files that were removed or cut', {}, (w) => {
  w.file('f', pattern(4 * PAGE));
  w.file('g', pattern(4 * PAGE, 2));
  const f = w.map(w.p, 'f', 4 * PAGE);
  const fd = ok(w.p.open('g', O_RDWR));
  const g = ok(w.p.mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0));
  ok(w.p.unlink('f'));
  ok(w.p.ftruncate(fd, 2 * PAGE));
  const child = born(w.p.fork());
  same(peek(child, f, 4 * PAGE), pattern(4 * PAGE), 'the removed file');
  same(peek(child, g, 2 * PAGE), pattern(2 * PAGE, 2), 'the cut file');
  w.expects(
    'access past the end of a file',
    ends(() => child.load8(g + 2 * PAGE)),
  );
  child.store8(f, 9);
  assert.equal(w.p.load8(f), 9);
});

check('F14', 'a child is held to the protection of the entry, not to what it might be at most', {}, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 1);
  ok(w.p.mlock(at, 2 * PAGE));
  ok(w.p.mprotect(at, 4 * PAGE, PROT_READ));
  const child = born(w.p.fork());
  for (let page = 0; page < 4; page++) {
    w.expects(
      'write to read-only memory',
      ends(() => child.store8(at + page * PAGE, 1)),
    );
  }
  holds(child, at, 4, 1);
});

check('F15', 'protection, inheritance and advice come along', {}, (w) => {
  const at = w.anon(w.p, 6);
  store(w.p, at, 6, 1);
  ok(w.p.mprotect(at, 2 * PAGE, PROT_READ));
  ok(w.p.minherit(at + 2 * PAGE, 2 * PAGE, INHERIT_SHARE));
  if (!w.is('csrg')) ok(w.p.madvise(at + 4 * PAGE, 2 * PAGE, MADV_RANDOM));
  const gone = w.anon(w.p, 1);
  ok(w.p.minherit(gone, PAGE, INHERIT_NONE));
  const child = born(w.p.fork());
  const shape = (p: Process): unknown =>
    entries(p, at, 6 * PAGE).map(({ start, end, protection, maximum, inheritance }) => [
      start,
      end,
      protection,
      maximum,
      inheritance,
    ]);
  assert.deepEqual(shape(child), shape(w.p));
  assert.equal(entries(child, gone, PAGE).length, 0);
});

check('F16', 'fork while a file is cut', {}, async (w) => {
  const m = w.bootLate();
  const gated = new GatedStore(new MemoryStore(pattern(8 * PAGE)));
  m.createFile('f', gated);
  const p = m.spawn('threads');
  const at = await mapLate(p, 'f', 8 * PAGE);
  await p.store8(at + 6 * PAGE, 77);
  const fd = ok(await p.open('f', O_RDWR));
  const [cut, child] = await Promise.all([p.ftruncate(fd, 3 * PAGE), p.fork()]);
  assert.equal(cut, 0);
  const other = born(child);
  for (const process of [p, other]) {
    assert.equal(await process.load8(at + 2 * PAGE), pattern(3 * PAGE)[2 * PAGE]);
    const signal = await signalInLate(() => process.load8(at + 6 * PAGE));
    assert.equal(`${signal?.signal} ${signal?.code}`, w.expected('access past the end of a file'));
  }
});
