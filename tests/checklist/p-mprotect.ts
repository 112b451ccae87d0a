/** mprotect: when a permission comes and goes, for whom, and that no data does. */
import assert from 'node:assert/strict';
import { MCL_FUTURE } from '@faultline/core';
import { check, only } from './registry.js';
import { runRow, tableCheck } from './table.js';
import {
  born,
  ends,
  entries,
  holds,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  O_RDONLY,
  ok,
  PAGE,
  PROT_NONE,
  PROT_READ,
  pattern,
  RW,
  refused,
  resident,
  SOMEWHERE,
  same,
  signalIn,
  store,
} from './world.js';

check('P1', 'made read-only: stores are refused, loads are not', {}, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 7);
  ok(w.p.mprotect(at, 4 * PAGE, PROT_READ));
  for (const page of [0, 3])
    w.expects(
      'write to read-only memory',
      ends(() => w.p.store8(at + page * PAGE, 1)),
    );
  holds(w.p, at, 4, 7);
});

check('P2', 'made writable: stores go through', {}, (w) => {
  const at = w.anon(w.p, 4, PROT_READ);
  assert.equal(w.p.load8(at), 0);
  ok(w.p.mprotect(at, 4 * PAGE, RW));
  store(w.p, at, 4, 7);
  holds(w.p, at, 4, 7);
});

check('P3', 'made inaccessible: every access is refused; made accessible again, the old data is there', {}, (w) => {
  const at = w.anon(w.p, 4);
  store(w.p, at, 4, 7);
  ok(w.p.mprotect(at, 4 * PAGE, PROT_NONE));
  w.expects(
    'read of no access',
    ends(() => w.p.load8(at)),
  );
  assert.notEqual(
    signalIn(() => w.p.store8(at + PAGE, 1)),
    null,
  );
  assert.notEqual(
    signalIn(() => w.p.fetch32(at + PAGE)),
    null,
  );
  w.squeeze();
  ok(w.p.mprotect(at, 4 * PAGE, RW));
  holds(w.p, at, 4, 7);
});

check(
  'P4',
  'a part of a mapping: its neighbours are as before, entries are cut, and joined where the system does that',
  {},
  async (w) => {
    const at = w.anon(w.p, 6);
    store(w.p, at, 6, 12);
    ok(w.p.mprotect(at + 2 * PAGE, 2 * PAGE, PROT_READ));
    assert.deepEqual(
      entries(w.p, at, 6 * PAGE).map(({ start, end, protection }) => [
        (start - at) / PAGE,
        (end - at) / PAGE,
        protection,
      ]),
      [
        [0, 2, RW],
        [2, 4, PROT_READ],
        [4, 6, RW],
      ],
    );
    for (const page of [0, 1, 4, 5]) w.p.store8(at + page * PAGE, 1);
    for (const page of [2, 3])
      w.expects(
        'write to read-only memory',
        ends(() => w.p.store8(at + page * PAGE, 1)),
      );
    await w.apart((fresh) => runRow('mprotect there and back joins entries', fresh));
  },
);

check('P5', 'a shared mapping of a file opened for reading cannot be made writable', {}, (w) => {
  w.file('f', pattern(2 * PAGE));
  const at = w.map(w.p, 'f', 2 * PAGE, { protection: PROT_READ, open: O_RDONLY });
  refused(w.p.mprotect(at, 2 * PAGE, RW), 'EACCES');
  assert.notEqual(
    signalIn(() => w.p.store8(at, 1)),
    null,
  );
  same(w.stored('f'), pattern(2 * PAGE), 'the file');
});

tableCheck('P6', 'one entry that refuses refuses all, and nothing has changed', {}, 'mprotect beyond the maximum');

check(
  'P7',
  'a private mapping of a file opened for reading can be made writable, and is copied when it is written',
  {},
  (w) => {
    w.file('f', pattern(2 * PAGE));
    const at = w.map(w.p, 'f', 2 * PAGE, { protection: PROT_READ, flags: MAP_PRIVATE, open: O_RDONLY });
    assert.equal(w.p.load8(at + 7), pattern(8)[7]);
    ok(w.p.mprotect(at, 2 * PAGE, RW));
    w.p.store8(at + 7, 240);
    assert.equal(w.p.load8(at + 7), 240);
    same(w.stored('f'), pattern(2 * PAGE), 'the file');
  },
);

check('P8', 'a page already copied keeps its copy when it is made read-only and writable again', {}, (w) => {
  w.file('f', pattern(2 * PAGE));
  const at = w.map(w.p, 'f', 2 * PAGE, { flags: MAP_PRIVATE });
  w.p.store8(at + 7, 240);
  ok(w.p.mprotect(at, 2 * PAGE, PROT_READ));
  w.squeeze();
  assert.equal(w.p.load8(at + 7), 240);
  ok(w.p.mprotect(at, 2 * PAGE, RW));
  w.p.store8(at + 8, 241);
  assert.deepEqual([w.p.load8(at + 7), w.p.load8(at + 8)], [240, 241]);
});

check(
  'P9',
  'a page not yet copied is still copied after it was read-only for a while: neither file nor parent see the store',
  {},
  (w) => {
    w.file('f', pattern(2 * PAGE));
    const file = w.map(w.p, 'f', 2 * PAGE, { flags: MAP_PRIVATE });
    const anon = w.anon(w.p, 2);
    store(w.p, anon, 2, 9);
    const child = born(w.p.fork());
    for (const at of [file, anon]) {
      child.load8(at);
      ok(child.mprotect(at, 2 * PAGE, PROT_READ));
      ok(child.mprotect(at, 2 * PAGE, RW));
      child.store8(at + 8, 251);
      assert.equal(child.load8(at + 8), 251);
    }
    holds(w.p, anon, 2, 9, 'the parent');
    assert.equal(w.p.load8(file + 8), pattern(9)[8]);
    same(w.stored('f'), pattern(2 * PAGE), 'the file');
  },
);

check('P10', 'locked private read-only memory made writable can be written, and stays locked', {}, (w) => {
  w.file('f', pattern(4 * PAGE));
  const at = w.map(w.p, 'f', 4 * PAGE, { protection: PROT_READ, flags: MAP_PRIVATE });
  ok(w.p.mlock(at, 4 * PAGE));
  const wired = w.wired;
  ok(w.p.mprotect(at, 4 * PAGE, RW));
  store(w.p, at, 4, 33);
  w.squeeze();
  const { faults } = w;
  holds(w.p, at, 4, 33);
  assert.equal(w.faults, faults, 'a locked page had to be faulted in');
  assert.equal(w.wired, wired);
  ok(w.p.munlock(at, 4 * PAGE));
  assert.equal(w.wired, wired - 4);
  same(w.stored('f'), pattern(4 * PAGE), 'the file');
});

check(
  'P11',
  'locked memory shared with a child by copy-on-write shows each its own stores once it is writable',
  {},
  (w) => {
    const at = w.anon(w.p, 4);
    store(w.p, at, 4, 1);
    ok(w.p.mprotect(at, 4 * PAGE, PROT_READ));
    const child = born(w.p.fork());
    ok(child.mlock(at, 4 * PAGE));
    ok(child.mprotect(at, 4 * PAGE, RW));
    store(child, at, 4, 2);
    ok(w.p.mprotect(at, 4 * PAGE, RW));
    holds(w.p, at, 4, 1, 'the parent');
    store(w.p, at, 4, 3);
    holds(child, at, 4, 2, 'the child');
  },
);

check('P12', 'it holds for every thread at once: translation buffers know of it', {}, async (w) => {
  const at = w.anon(w.p, 2);
  w.p.store8(at, 5);
  const { table } = w.p;
  table.miss(at, 1);
  const page = at / PAGE;
  const slot = (1 << 12) | (page & 4095);
  assert.equal(table.tags[slot], table.tagOf(page), 'the store part has the page');
  ok(w.p.mprotect(at, PAGE, PROT_READ));
  assert.notEqual(table.tags[slot], table.tagOf(page), 'the store part has it still');
  const m = w.bootLate();
  const p = m.spawn('threads');
  const there = ok(await p.mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANON));
  await p.store8(there, 5);
  assert.equal(p.tryStore8(there, 6), true);
  const protect = p.mprotect(there, PAGE, PROT_NONE);
  assert.equal(await protect, 0);
  assert.equal(p.tryStore8(there, 7), false);
  assert.equal(p.tryLoad8(there), undefined);
  ok(await p.mprotect(there, PAGE, PROT_READ));
  assert.equal(await p.load8(there), 6);
});

check('P13', 'it holds in one process only, not in others that share the memory', {}, (w) => {
  const at = w.anon(w.p, 2, RW, MAP_SHARED);
  store(w.p, at, 2, 4);
  const child = born(w.p.fork());
  ok(child.mprotect(at, 2 * PAGE, PROT_NONE));
  holds(w.p, at, 2, 4);
  store(w.p, at, 2, 5);
  assert.notEqual(
    signalIn(() => child.load8(at)),
    null,
  );
  ok(child.mprotect(at, 2 * PAGE, PROT_READ));
  holds(child, at, 2, 5);
  assert.notEqual(
    signalIn(() => child.store8(at, 1)),
    null,
  );
});

tableCheck('P14', 'an address inside a page', {}, 'mprotect unaligned');
tableCheck('P15', 'a range with a hole', {}, 'mprotect over a hole');
tableCheck('P16', 'a huge length that wraps', {}, 'mprotect that wraps');

check('P17', 'taking all access away frees no memory', {}, (w) => {
  const at = w.anon(w.p, 20);
  store(w.p, at, 20, 8);
  const free = w.free;
  ok(w.p.mprotect(at, 20 * PAGE, PROT_NONE));
  assert.equal(w.free, free);
  assert.equal(resident(w.p, at, 20 * PAGE), 20);
  ok(w.p.mprotect(at, 20 * PAGE, RW));
  holds(w.p, at, 20, 8);
});

check(
  'P18',
  'under mlockall(MCL_FUTURE) memory that becomes accessible is locked at once',
  only(['netbsd'], 'only netbsd wires at mprotect'),
  (w) => {
    ok(w.p.mlockall(MCL_FUTURE));
    const at = ok(w.p.mmap(SOMEWHERE, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANON | MAP_FIXED));
    assert.equal(w.wired, 0);
    ok(w.p.mprotect(at, 4 * PAGE, RW));
    assert.equal(resident(w.p, at, 4 * PAGE), 4);
    assert.equal(w.wired, 4);
  },
);

check('P19', 'it does not change what may be had at most', {}, (w) => {
  w.file('f', pattern(PAGE));
  const shared = w.map(w.p, 'f', PAGE, { protection: PROT_READ, open: O_RDONLY });
  const at = w.anon(w.p, 1);
  const most = (address: number): number | undefined => entries(w.p, address, PAGE)[0]?.maximum;
  const before = [most(shared), most(at)];
  for (const protection of [PROT_NONE, PROT_READ]) {
    for (const address of [shared, at]) ok(w.p.mprotect(address, PAGE, protection));
  }
  assert.deepEqual([most(shared), most(at)], before);
  ok(w.p.mprotect(at, PAGE, RW));
  refused(w.p.mprotect(shared, PAGE, RW), 'EACCES');
});
