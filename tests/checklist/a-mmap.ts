/** mmap, the basics: where mappings come to lie, what they show, and what is seen of them in files (A1 to A23). */
import assert from 'node:assert/strict';
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
  store,
  zeros,
} from './world.js';

const ANON = MAP_PRIVATE | MAP_ANON;

check('A1', 'anonymous private memory reads as zeros', {}, (w) => {
  const at = w.anon(w.p, 20);
  zeros(w.p, at, 20 * PAGE);
  // Frames that others have filled are no different.
  const dirty = w.anon(w.p, 300);
  store(w.p, dirty, 300, 5);
  ok(w.p.munmap(dirty, 300 * PAGE));
  zeros(w.p, w.anon(w.p, 300), 300 * PAGE);
});

check('A2', 'a file mapping shows the bytes of the file at the offset', {}, (w) => {
  const bytes = pattern(5 * PAGE + 100);
  w.file('f', bytes);
  const at = w.map(w.p, 'f', 2 * PAGE, { offset: 2 * PAGE });
  same(peek(w.p, at, 2 * PAGE), bytes.subarray(2 * PAGE, 4 * PAGE), 'mapped at an offset');
});

check(
  'A3',
  'behind the end of the file the last page reads as zeros, can be written, and is never written back',
  {},
  (w) => {
    const bytes = pattern(PAGE + 100);
    w.file('f', bytes);
    const at = w.map(w.p, 'f', 2 * PAGE);
    zeros(w.p, at + PAGE + 100, PAGE - 100);
    w.p.store8(at + PAGE + 99, 1);
    w.p.store8(at + PAGE + 100, 77);
    w.p.store8(at + 2 * PAGE - 1, 78);
    assert.equal(w.p.load8(at + 2 * PAGE - 1), 78);
    ok(w.p.msync(at, 2 * PAGE, w.MS_SYNC));
    bytes[PAGE + 99] = 1;
    same(w.stored('f'), bytes, 'the file');
  },
);

check('A4', 'a mapping may be longer than its file; a page wholly behind the end cannot be touched', {}, (w) => {
  w.file('f', pattern(100));
  const at = w.map(w.p, 'f', 8 * PAGE);
  assert.equal(w.p.load8(at + 100), 0);
  for (const page of [1, 4, 7])
    w.expects(
      'access past the end of a file',
      ends(() => w.p.load8(at + page * PAGE)),
    );
});

check('A5', 'a length that is no whole number of pages maps whole pages', {}, (w) => {
  const at = ok(w.p.mmap(SOMEWHERE, PAGE + 1, RW, ANON | MAP_FIXED));
  w.p.store8(at + 2 * PAGE - 1, 6);
  assert.equal(w.p.load8(at + 2 * PAGE - 1), 6);
  w.expects(
    'access of nothing',
    ends(() => w.p.load8(at + 2 * PAGE)),
  );
});

check('A6', 'the address is page aligned, but for what the offset has over', {}, async (w) => {
  w.file('f', pattern(3 * PAGE));
  assert.equal(w.anon(w.p, 1) % PAGE, 0);
  assert.equal(w.map(w.p, 'f', PAGE, { offset: PAGE }) % PAGE, 0);
  const at = w.map(w.p, 'f', 50, { offset: PAGE + 24 });
  assert.equal(at % PAGE, w.expected('mmap of an unaligned offset') === 'adjusted' ? 24 : 0);
  same(peek(w.p, at, 50), pattern(3 * PAGE).subarray(PAGE + 24, PAGE + 74), 'from the odd offset');
});

check('A7', 'without MAP_FIXED no mapping lies at 0', {}, (w) => {
  for (let i = 0; i < 60; i++) assert.ok(w.anon(w.p, 1 + (i % 3)) >= PAGE);
});

check('A8', 'a wish for a free place is granted', {}, (w) => {
  assert.equal(ok(w.p.mmap(SOMEWHERE, 3 * PAGE, RW, ANON)), SOMEWHERE);
  assert.equal(ok(w.p.mmap(SOMEWHERE + 3 * PAGE, PAGE, RW, ANON)), SOMEWHERE + 3 * PAGE);
});

check('A9', 'a wish for a place in use gives another place, and leaves the old mapping alone', {}, (w) => {
  const at = w.anonAt(w.p, SOMEWHERE, 4);
  store(w.p, at, 4, 8);
  const other = ok(w.p.mmap(SOMEWHERE + PAGE, 4 * PAGE, RW, ANON));
  assert.ok(other >= at + 4 * PAGE || other + 4 * PAGE <= at, 'the mappings overlap');
  store(w.p, other, 4, 99);
  holds(w.p, at, 4, 8);
});

check('A10', 'a wish that is not aligned is no error', {}, (w) => {
  const at = ok(w.p.mmap(SOMEWHERE + 123, 2 * PAGE, RW, ANON));
  assert.equal(at % PAGE, 0);
  store(w.p, at, 2, 4);
});

check('A11', 'mappings without MAP_FIXED never overlap', {}, (w) => {
  const taken: { start: number; end: number }[] = [];
  for (let i = 0; i < 80; i++) {
    const length = (1 + ((i * 7) % 5)) * PAGE;
    const wish = i % 3 === 0 ? SOMEWHERE + (i % 11) * PAGE : 0;
    const start = ok(w.p.mmap(wish, length, RW, ANON));
    for (const other of taken) assert.ok(start >= other.end || start + length <= other.start, `mapping ${i} overlaps`);
    taken.push({ start, end: start + length });
    if (i % 9 === 8) {
      const [gone] = taken.splice(i % taken.length, 1);
      if (gone !== undefined) ok(w.p.munmap(gone.start, gone.end - gone.start));
    }
  }
});

check('A12', 'MAP_FIXED gives exactly the address', {}, (w) => {
  for (const at of [SOMEWHERE, SOMEWHERE + 77 * PAGE, 0x10000000]) {
    assert.equal(ok(w.p.mmap(at, PAGE, RW, ANON | MAP_FIXED)), at);
    w.p.store8(at, 1);
  }
});

check('A13', 'MAP_FIXED replaces what was mapped in the whole range and nothing outside', {}, (w) => {
  const at = w.anonAt(w.p, SOMEWHERE, 8);
  store(w.p, at, 8, 21);
  w.file('f', pattern(3 * PAGE, 9));
  w.map(w.p, 'f', 3 * PAGE, { address: at + 2 * PAGE, flags: MAP_PRIVATE | MAP_FIXED });
  same(peek(w.p, at + 2 * PAGE, 3 * PAGE), pattern(3 * PAGE, 9), 'the new mapping');
  holds(w.p, at, 2, 21);
  for (const page of [5, 6, 7]) assert.equal(w.p.load8(at + page * PAGE + 8), 21 + page * 3);
  // And over several mappings at once.
  w.anonAt(w.p, at + PAGE, 6);
  zeros(w.p, at + PAGE, 6 * PAGE);
  assert.equal(w.p.load8(at + 8), 21);
  assert.equal(w.p.load8(at + 7 * PAGE + 8), 42);
});

check('A14', 'MAP_FIXED over a part of a mapping drops the locks and pages of that part and no others', {}, (w) => {
  const at = w.anonAt(w.p, SOMEWHERE, 6);
  store(w.p, at, 6, 3);
  ok(w.p.mlock(at, 6 * PAGE));
  const child = born(w.p.fork());
  const wired = w.wired;
  w.anonAt(w.p, at + 2 * PAGE, 2);
  assert.equal(w.wired, wired - 2, 'wired pages');
  zeros(w.p, at + 2 * PAGE, 2 * PAGE);
  holds(w.p, at, 2, 3);
  holds(child, at, 6, 3, 'the copy in the child');
  w.file('f', pattern(4 * PAGE));
  const shared = w.map(w.p, 'f', 4 * PAGE, { address: SOMEWHERE + 64 * PAGE, flags: MAP_SHARED | MAP_FIXED });
  w.p.store8(shared + PAGE, 250);
  w.anonAt(w.p, shared + PAGE, 1);
  ok(w.m.sync());
  assert.equal(w.stored('f')[PAGE], 250, 'what was stored before is in the file');
});

check('A15', 'a MAP_FIXED that fails leaves the old mapping as it was', {}, (w) => {
  const at = w.anonAt(w.p, SOMEWHERE, 3);
  store(w.p, at, 3, 14);
  refused(w.p.mmap(at, 3 * PAGE, RW, MAP_SHARED | MAP_FIXED, 42, 0), 'EBADF');
  holds(w.p, at, 3, 14);
  store(w.p, at, 3, 15);
});

check('A16', 'closing the descriptor does not end the mapping', {}, (w) => {
  w.file('f', pattern(4 * PAGE));
  const fd = ok(w.p.open('f', O_RDWR));
  const at = ok(w.p.mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0));
  assert.equal(w.p.load8(at), pattern(1)[0]);
  ok(w.p.close(fd));
  same(peek(w.p, at, 4 * PAGE), pattern(4 * PAGE), 'after close');
  w.p.store8(at + PAGE, 9);
  ok(w.p.msync(at, 4 * PAGE, w.MS_SYNC));
  assert.equal(w.stored('f')[PAGE], 9);
});

check('A17', 'removing the name of the file does not end the mapping', {}, (w) => {
  w.file('f', pattern(4 * PAGE));
  const at = w.map(w.p, 'f', 4 * PAGE);
  w.p.store8(at + PAGE, 9);
  ok(w.p.unlink('f'));
  assert.equal(w.m.exists('f'), false);
  refused(w.p.open('f', O_RDWR), 'ENOENT');
  w.squeeze();
  const bytes = pattern(4 * PAGE);
  bytes[PAGE] = 9;
  same(peek(w.p, at, 4 * PAGE), bytes, 'after unlink and eviction');
});

check('A18', "two shared mappings of a file see each other's stores at once", {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const one = w.map(w.p, 'f', 3 * PAGE);
  const two = w.map(w.p, 'f', 3 * PAGE);
  const other = w.m.spawn('other');
  const three = w.map(other, 'f', PAGE, { offset: 2 * PAGE });
  w.p.store8(one + 2 * PAGE + 5, 201);
  assert.equal(w.p.load8(two + 2 * PAGE + 5), 201);
  assert.equal(other.load8(three + 5), 201);
  other.store8(three + 6, 202);
  assert.equal(w.p.load8(one + 2 * PAGE + 6), 202);
});

check('A19', 'a shared mapping sees write(2), and read(2) sees the mapping', {}, (w) => {
  w.file('f', pattern(3 * PAGE));
  const at = w.map(w.p, 'f', 3 * PAGE);
  assert.equal(w.p.load8(at + PAGE), pattern(2 * PAGE)[PAGE]);
  const buffer = w.anon(w.p, 1);
  const fd = ok(w.p.open('f', O_RDWR));
  poke(w.p, buffer, Uint8Array.of(91, 92, 93));
  assert.equal(ok(w.p.pwrite(fd, buffer, 3, PAGE)), 3);
  same(peek(w.p, at + PAGE, 3), Uint8Array.of(91, 92, 93), 'written, seen mapped');
  w.p.store8(at + 2 * PAGE + 1, 55);
  assert.equal(ok(w.p.pread(fd, buffer, 1, 2 * PAGE + 1)), 1);
  assert.equal(w.p.load8(buffer), 55);
});

check('A20', 'a private mapping never changes the file', {}, (w) => {
  w.file('f', pattern(8 * PAGE));
  const at = w.map(w.p, 'f', 8 * PAGE, { flags: MAP_PRIVATE });
  store(w.p, at, 8, 30);
  w.squeeze();
  holds(w.p, at, 8, 30);
  ok(w.m.sync());
  ok(w.p.munmap(at, 8 * PAGE));
  same(w.stored('f'), pattern(8 * PAGE), 'the file');
});

check('A21', 'a private page that was written no longer shows what is written to the file', {}, (w) => {
  w.file('f', pattern(2 * PAGE));
  const at = w.map(w.p, 'f', 2 * PAGE, { flags: MAP_PRIVATE });
  w.p.store8(at + 9, 123);
  const buffer = w.anon(w.p, 1);
  w.p.store8(buffer, 77);
  const fd = ok(w.p.open('f', O_RDWR));
  for (const place of [3, 9, 4000]) assert.equal(w.p.pwrite(fd, buffer, 1, place), 1);
  assert.equal(w.p.load8(at + 3), pattern(4)[3]);
  assert.equal(w.p.load8(at + 9), 123);
  assert.equal(w.p.load8(at + 4000), pattern(PAGE)[4000]);
});

tableCheck(
  'A22',
  'whether a private page not yet written shows later writes to the file',
  {},
  'private page after a write to the file',
);

check('A23', 'anonymous shared memory is shared over fork, both ways', {}, (w) => {
  const at = w.anon(w.p, 5, RW, MAP_SHARED);
  store(w.p, at, 2, 60);
  const child = born(w.p.fork());
  const grandchild = born(child.fork());
  grandchild.store8(at + 3 * PAGE, 71);
  child.store8(at + 8, 61);
  assert.equal(w.p.load8(at + 3 * PAGE), 71);
  assert.equal(w.p.load8(at + 8), 61);
  w.squeeze();
  w.p.store8(at + 4 * PAGE, 72);
  assert.equal(grandchild.load8(at + 4 * PAGE), 72);
  child.exit();
  assert.equal(w.p.load8(at + 3 * PAGE), 71);
});
