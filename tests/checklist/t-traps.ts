/** Signals and truncation: which access ends how, and what a file that changes its length shows. */
import assert from 'node:assert/strict';
import { EIO, FaultInjectingStore, MemoryStore } from '@faultline/core';
import { GatedStore, untilHeld } from './late.js';
import { check } from './registry.js';
import { runRow, tableCheck } from './table.js';
import {
  ends,
  MAP_PRIVATE,
  MAP_SHARED,
  mapLate,
  O_RDWR,
  ok,
  PAGE,
  pattern,
  peek,
  poke,
  RW,
  refused,
  SOMEWHERE,
  same,
  signalIn,
  signalInLate,
  store,
  type World,
  zeros,
} from './world.js';

/** A shared mapping of a file of so many pages, with its descriptor. */
function opened(w: World, pages: number, flags = MAP_SHARED): { at: number; fd: number } {
  w.file('f', pattern(pages * PAGE));
  const fd = ok(w.p.open('f', O_RDWR));
  return { fd, at: ok(w.p.mmap(0, pages * PAGE, RW, flags, fd, 0)) };
}

tableCheck('T1', 'an access where nothing is mapped', {}, 'access of nothing');
tableCheck('T2', 'a store to read-only memory', {}, 'write to read-only memory');
tableCheck('T3', 'a load from memory without access', {}, 'read of no access');

check('T4', 'a mapping of an empty file cannot be touched', {}, (w) => {
  w.file('f', 0);
  const at = w.map(w.p, 'f', PAGE);
  w.expects(
    'access past the end of a file',
    ends(() => w.p.load8(at)),
  );
  w.expects(
    'access past the end of a file',
    ends(() => w.p.store8(at, 1)),
  );
  assert.equal(w.stored('f').length, 0);
});

check('T5', 'nor can the second page of a file of one page', {}, async (w) => {
  await w.apart((fresh) => runRow('access past the end of a file', fresh));
  w.file('f', pattern(1));
  const at = w.map(w.p, 'f', 2 * PAGE);
  assert.equal(w.p.load8(at), pattern(1)[0]);
  const signal = signalIn(() => w.p.load32(at + PAGE + 20));
  assert.equal(signal?.address, at + PAGE + 20);
  assert.equal(signal?.access, 'read');
});

check('T6', 'what was cut off a file cannot be touched, whether it was touched before or not', {}, (w) => {
  const { at, fd } = opened(w, 6);
  w.p.load8(at + 3 * PAGE);
  w.p.store8(at + 4 * PAGE, 1);
  ok(w.p.ftruncate(fd, 3 * PAGE));
  for (const page of [3, 4, 5]) {
    w.expects(
      'access past the end of a file',
      ends(() => w.p.load8(at + page * PAGE)),
    );
    w.expects(
      'access past the end of a file',
      ends(() => w.p.store8(at + page * PAGE, 1)),
    );
  }
  same(peek(w.p, at, 3 * PAGE), pattern(3 * PAGE), 'what is left');
});

check('T7', 'cut and extended again: zeros, not the old data', {}, (w) => {
  const { at, fd } = opened(w, 6);
  store(w.p, at, 6, 9);
  ok(w.p.ftruncate(fd, 2 * PAGE));
  ok(w.p.ftruncate(fd, 6 * PAGE));
  zeros(w.p, at + 2 * PAGE, 4 * PAGE);
  assert.equal(w.p.load8(at + PAGE + 8), 12);
  ok(w.p.msync(at, 6 * PAGE, w.MS_SYNC));
  assert.ok(
    w
      .stored('f')
      .subarray(2 * PAGE)
      .every((byte) => byte === 0),
  );
});

check('T8', 'cut in the middle of a page and extended again: the rest of the page is zeros', {}, (w) => {
  const { at, fd } = opened(w, 3);
  assert.equal(w.p.load8(at + PAGE + 200), pattern(2 * PAGE)[PAGE + 200]);
  ok(w.p.ftruncate(fd, PAGE + 100));
  ok(w.p.ftruncate(fd, 3 * PAGE));
  same(peek(w.p, at, PAGE + 100), pattern(PAGE + 100), 'before the cut');
  zeros(w.p, at + PAGE + 100, 2 * PAGE - 100);
  ok(w.p.msync(at, 3 * PAGE, w.MS_SYNC));
  assert.ok(
    w
      .stored('f')
      .subarray(PAGE + 100)
      .every((byte) => byte === 0),
  );
});

check('T9', 'what was stored behind the end in the last page does not appear when the file is extended', {}, (w) => {
  w.file('f', pattern(PAGE + 100));
  const fd = ok(w.p.open('f', O_RDWR));
  const at = ok(w.p.mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, 0));
  w.p.store8(at + PAGE + 200, 66);
  ok(w.p.msync(at, 2 * PAGE, w.MS_SYNC));
  w.squeeze();
  ok(w.p.ftruncate(fd, 2 * PAGE));
  zeros(w.p, at + PAGE + 100, PAGE - 100);
});

check('T10', 'when the file grows, the new pages can be reached at once', {}, (w) => {
  w.file('f', pattern(PAGE));
  const fd = ok(w.p.open('f', O_RDWR));
  const at = ok(w.p.mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0));
  w.expects(
    'access past the end of a file',
    ends(() => w.p.load8(at + 2 * PAGE)),
  );
  ok(w.p.ftruncate(fd, 4 * PAGE));
  assert.equal(w.p.load8(at + 2 * PAGE), 0);
  w.p.store8(at + 3 * PAGE, 7);
  const buffer = w.anon(w.p, 1);
  assert.equal(ok(w.p.pread(fd, buffer, 1, 3 * PAGE)), 1);
  assert.equal(w.p.load8(buffer), 7);
});

check('T11', 'a private page that was copied survives the cut of its file; one that was not does not', {}, (w) => {
  const { at, fd } = opened(w, 4, MAP_PRIVATE);
  w.p.store8(at + 2 * PAGE, 99);
  w.p.load8(at + 3 * PAGE);
  ok(w.p.ftruncate(fd, PAGE));
  assert.equal(w.p.load8(at + 2 * PAGE), 99);
  w.expects(
    'access past the end of a file',
    ends(() => w.p.load8(at + 3 * PAGE)),
  );
  assert.equal(w.p.load8(at), pattern(1)[0]);
});

check(
  'T12',
  'read and write with a buffer that cannot be touched: EFAULT and no signal, or the count so far',
  {},
  (w) => {
    w.file('g', pattern(4 * PAGE, 3));
    const fd = ok(w.p.open('g', O_RDWR));
    w.file('f', pattern(PAGE));
    const at = w.map(w.p, 'f', 3 * PAGE);
    let asked = 0;
    w.p.onSignal = () => {
      asked++;
      return 'raise';
    };
    refused(w.p.pread(fd, at + PAGE, 100, 0), 'EFAULT');
    refused(w.p.pwrite(fd, at + PAGE, 100, 0), 'EFAULT');
    refused(w.p.pread(fd, SOMEWHERE, 100, 0), 'EFAULT');
    const part = w.p.pread(fd, at + PAGE - 50, 100, 0);
    assert.ok(part === 50 || part === 'EFAULT', `answered ${part}`);
    if (part === 50) same(peek(w.p, at + PAGE - 50, 50), pattern(50, 3), 'what was read');
    assert.equal(asked, 0);
    same(w.stored('g'), pattern(4 * PAGE, 3), 'the file');
  },
);

check('T13', 'a file read into its own mapping, and written from it', {}, (w) => {
  const { at, fd } = opened(w, 4);
  assert.equal(ok(w.p.pread(fd, at + 2 * PAGE, PAGE, 0)), PAGE);
  same(peek(w.p, at + 2 * PAGE, PAGE), pattern(PAGE), 'page 2 is page 0');
  assert.equal(ok(w.p.pwrite(fd, at + PAGE, PAGE, 3 * PAGE)), PAGE);
  same(peek(w.p, at + 3 * PAGE, PAGE), pattern(4 * PAGE).subarray(PAGE, 2 * PAGE), 'page 3 is page 1');
  // A page onto itself, and onto a part of itself.
  w.squeeze();
  assert.equal(ok(w.p.pwrite(fd, at, PAGE, 0)), PAGE);
  same(peek(w.p, at, PAGE), pattern(PAGE), 'onto itself');
  poke(w.p, at, Uint8Array.of(1, 2, 3, 4));
  assert.equal(ok(w.p.pread(fd, at + 100, 4, 0)), 4);
  same(peek(w.p, at + 100, 4), Uint8Array.of(1, 2, 3, 4), 'within a page');
  ok(w.p.fsync(fd));
  same(w.stored('f').subarray(3 * PAGE), pattern(4 * PAGE).subarray(PAGE, 2 * PAGE), 'in the store');
});

check('T14', 'a file cut while another thread faults on it', {}, async (w) => {
  const m = w.bootLate();
  const gated = new GatedStore(new MemoryStore(pattern(8 * PAGE)));
  m.createFile('f', gated);
  const p = m.spawn('threads');
  const at = await mapLate(p, 'f', 8 * PAGE);
  const fd = ok(await p.open('f', O_RDWR));
  gated.hold('read');
  const load = signalInLate(async () => assert.equal(await p.load8(at + 6 * PAGE), pattern(7 * PAGE)[6 * PAGE]));
  await untilHeld(gated);
  const cut = p.ftruncate(fd, PAGE);
  gated.release();
  assert.equal(await cut, 0);
  const first = await load;
  if (first !== null) assert.equal(`${first.signal} ${first.code}`, w.expected('access past the end of a file'));
  const again = await signalInLate(() => p.load8(at + 6 * PAGE));
  assert.equal(`${again?.signal} ${again?.code}`, w.expected('access past the end of a file'));
  assert.equal(await p.load8(at), pattern(1)[0]);
});

check('T15', 'a locked page cut off: it cannot be touched, and the file is as long as it was made', {}, (w) => {
  const { at, fd } = opened(w, 4);
  ok(w.p.mlock(at, 4 * PAGE));
  store(w.p, at, 4, 5);
  ok(w.p.ftruncate(fd, PAGE));
  w.expects(
    'access past the end of a file',
    ends(() => w.p.load8(at + 2 * PAGE)),
  );
  assert.equal(w.p.load8(at + 8), 5);
  ok(w.p.munlock(at, 4 * PAGE));
  ok(w.p.fsync(fd));
  assert.equal(w.stored('f').length, PAGE);
});

check('T16', 'two threads fault on one page: it is read once, and both succeed', {}, async (w) => {
  const m = w.bootLate();
  const gated = new GatedStore(new MemoryStore(pattern(PAGE)));
  m.createFile('f', gated);
  const p = m.spawn('threads');
  const q = m.spawn('other');
  const at = await mapLate(p, 'f', PAGE);
  const there = await mapLate(q, 'f', PAGE);
  gated.hold('read');
  const loads = [p.load8(at + 1), p.load8(at + 2), q.load8(there + 3)];
  await untilHeld(gated);
  gated.release();
  assert.deepEqual(await Promise.all(loads), [...pattern(4).subarray(1)]);
  assert.equal(gated.counts.read, 1);
});

check('T17', 'a disk that refuses a page: a signal; when it is well again the page is there', {}, async (w) => {
  await w.apart((fresh) => runRow('access that the disk refuses', fresh));
  const broken = new FaultInjectingStore(new MemoryStore(pattern(4 * PAGE)), [
    { on: 'read', error: EIO, times: Number.POSITIVE_INFINITY },
  ]);
  w.fileOn('f', broken);
  const at = w.map(w.p, 'f', 4 * PAGE);
  for (let time = 0; time < 3; time++)
    assert.notEqual(
      signalIn(() => w.p.load8(at + PAGE)),
      null,
    );
  broken.heal();
  same(peek(w.p, at, 4 * PAGE), pattern(4 * PAGE), 'after the disk is well');
});
