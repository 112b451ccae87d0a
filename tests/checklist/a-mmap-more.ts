/** mmap, the rest of the basics: large offsets and files, remapping, wiring, stacks (A24 to A34). */
import assert from 'node:assert/strict';
import { MAP_NOSYNC, MAP_STACK, MCL_FUTURE } from '@faultline/core';
import { check, nowhere, only } from './registry.js';
import { tableCheck } from './table.js';
import {
  ends,
  entries,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MIB,
  O_RDWR,
  ok,
  PAGE,
  pattern,
  peek,
  RW,
  resident,
  SOMEWHERE,
  same,
  signalIn,
  USER_END,
} from './world.js';

const ANON = MAP_PRIVATE | MAP_ANON;

check('A24', 'a mapping may begin behind the end of the file; no access to it succeeds', {}, (w) => {
  w.file('f', pattern(PAGE));
  const at = w.map(w.p, 'f', 2 * PAGE, { offset: 16 * PAGE });
  w.expects(
    'access past the end of a file',
    ends(() => w.p.load8(at)),
  );
  w.expects(
    'access past the end of a file',
    ends(() => w.p.store8(at + PAGE, 1)),
  );
});

check('A25', 'the last pages that an offset can name can be mapped; what is no offset is refused by name', {}, (w) => {
  w.file('f', pattern(PAGE));
  const fd = ok(w.p.open('f', O_RDWR));
  for (const pages of [2, 3]) {
    const at = ok(w.p.mmap(0, PAGE, RW, MAP_SHARED, fd, 2 ** 53 - pages * PAGE));
    w.expects(
      'access past the end of a file',
      ends(() => w.p.load8(at)),
    );
  }
  for (const offset of [-PAGE, 2 ** 60]) {
    assert.throws(() => w.p.mmap(0, PAGE, RW, MAP_SHARED, fd, offset), /offset/);
  }
  assert.equal(w.p.maps().length, 2);
});

tableCheck('A26', 'an offset and length whose sum overflows are refused', {}, 'mmap past the largest offset');
tableCheck('A27', 'a huge length finds no room, and nothing is mapped', {}, 'mmap with no room');

check('A28', 'an address that is mapped again shows the new file, whatever it showed before', {}, (w) => {
  w.file('f', pattern(2 * PAGE, 1));
  w.file('g', pattern(2 * PAGE, 2));
  for (let round = 0; round < 5; round++) {
    for (const [path, seed] of [
      ['f', 1],
      ['g', 2],
    ] as const) {
      const flags = (round % 2 === 0 ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED;
      const at = w.map(w.p, path, 2 * PAGE, { address: SOMEWHERE, flags });
      for (const byte of [0, PAGE, 2 * PAGE - 1]) assert.equal(w.p.load8(at + byte), pattern(2 * PAGE, seed)[byte]);
      if (flags === (MAP_PRIVATE | MAP_FIXED)) w.p.store8(at, 1);
    }
  }
});

nowhere('A29', 'mappings of /dev/zero', 'a machine has no /dev/zero: anonymous memory is MAP_ANON');
tableCheck('A30', 'whether what may only be written can be read', {}, 'read of a write-only mapping');

check('A31', 'a mapped file larger than memory shows the right bytes, before and after eviction', {}, (w) => {
  const m = w.boot({ memory: MIB, swap: MIB });
  const bytes = pattern(3 * MIB, 6);
  w.file('f', bytes);
  const p = m.spawn('reader');
  const at = w.map(p, 'f', 3 * MIB);
  same(peek(p, at, 3 * MIB), bytes, 'first time');
  for (let page = 0; page < 768; page += 3) {
    p.store8(at + page * PAGE + 11, page & 0xff);
    bytes[page * PAGE + 11] = page & 0xff;
  }
  same(peek(p, at, 3 * MIB), bytes, 'after writing');
  ok(p.msync(at, 3 * MIB, w.MS_SYNC));
  same(w.stored('f'), bytes, 'in the store');
});

check(
  'A32',
  'after mlockall(MCL_FUTURE) the pages of a new mapping are there when mmap returns',
  only(['freebsd', 'dragonfly', 'netbsd'], 'the system has no mlockall'),
  (w) => {
    ok(w.p.mlockall(MCL_FUTURE));
    const at = w.anonAt(w.p, SOMEWHERE, 8);
    assert.equal(resident(w.p, at, 8 * PAGE), 8);
    assert.equal(w.wired, 8);
    const faults = w.faults;
    w.squeeze();
    for (let page = 0; page < 8; page++) w.p.store8(at + page * PAGE, page);
    assert.equal(w.faults, faults, 'a locked page faulted');
    const before = w.p.maps().length;
    const many = w.p.mmap(0, 600 * PAGE, RW, ANON);
    assert.ok(many === 'EAGAIN' || many === 'ENOMEM', `answered ${many}`);
    assert.equal(w.p.maps().length, before, 'the refused mapping stayed');
    assert.equal(w.wired, 8);
  },
);

check(
  'A33',
  'a stack grows when the page below is touched, up to its limit, and never into a neighbour',
  only(['freebsd', 'dragonfly'], 'MAP_STACK is not known to the system: its stack is mapped whole by exec'),
  (w) => {
    w.p.setLimits({ stack: MIB });
    const pages = 512;
    const bottom = USER_END - 2 * pages * PAGE;
    const at = ok(w.p.mmap(bottom, pages * PAGE, RW, ANON | MAP_STACK | MAP_FIXED));
    const top = at + pages * PAGE;
    w.p.store8(top - 8, 1);
    let mapped = Math.min(...entries(w.p, at, pages * PAGE).map(({ start }) => start));
    assert.ok(mapped > at, 'the stack is mapped whole');
    w.p.store8(mapped - 1, 2);
    const grown = Math.min(...entries(w.p, at, pages * PAGE).map(({ start }) => start));
    assert.ok(grown < mapped, 'it has not grown');
    mapped = grown;
    assert.equal(w.p.load8(mapped), 0);
    // The limit: the lowest page that may be touched lies within it.
    const beyond = top - MIB - PAGE;
    assert.ok(beyond > at);
    assert.equal(signalIn(() => w.p.store8(beyond, 1))?.signal, 'SIGSEGV');
    w.p.setLimits({ stack: 64 * MIB });
    w.p.store8(beyond, 1);
    assert.equal(w.p.load8(top - 8), 1);
    // A neighbour in the way is not grown into.
    const second = ok(w.p.mmap(SOMEWHERE, pages * PAGE, RW, ANON | MAP_STACK | MAP_FIXED));
    w.p.store8(second + pages * PAGE - 8, 1);
    const edge = Math.min(...entries(w.p, second, pages * PAGE).map(({ start }) => start));
    const wall = edge - 3 * PAGE;
    w.anonAt(w.p, wall, 1);
    w.p.store8(wall, 9);
    w.p.store8(edge - PAGE, 3);
    assert.equal(w.p.load8(wall), 9);
    assert.equal(w.p.load8(edge - PAGE), 3);
  },
);

check(
  'A34',
  'a page mapped with MAP_NOSYNC is written by msync and by the page daemon',
  only(['freebsd', 'dragonfly'], 'the system has no MAP_NOSYNC'),
  (w) => {
    w.file('f', pattern(4 * PAGE));
    const at = w.map(w.p, 'f', 4 * PAGE, { flags: MAP_SHARED | MAP_NOSYNC });
    w.p.store8(at, 91);
    w.p.store8(at + PAGE, 92);
    same(w.stored('f'), pattern(4 * PAGE), 'nothing is written by itself');
    ok(w.p.msync(at, PAGE, w.MS_SYNC));
    assert.equal(w.stored('f')[0], 91);
    w.squeeze();
    assert.equal(w.stored('f')[PAGE], 92, 'under pressure');
    assert.equal(w.p.load8(at + PAGE), 92);
  },
);
