/** The scripts of the table's rows about mmap, munmap, mprotect, minherit, brk and accesses. */
import assert from 'node:assert/strict';
import { EIO, FaultInjectingStore, MemoryStore } from '@faultline/core';
import type { Row } from './expected.js';
import {
  answers,
  ends,
  entries,
  holds,
  KIB,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MIB,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  ok,
  PAGE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  pattern,
  peek,
  poke,
  RW,
  SOMEWHERE,
  signalIn,
  store,
  USER_END,
  type World,
} from './world.js';

/** Finds out how a system answers, in the words of the row. */
export type Script = (w: World) => string;

const ANON = MAP_PRIVATE | MAP_ANON;
const ANON_AT = ANON | MAP_FIXED;
/** As large as a register: every sum with it leaves what numbers can say. */
const HUGE = Number.MAX_SAFE_INTEGER;

/** mmap of a small file opened in a mode. */
function mapOpened(w: World, open: number, protection: number, flags: number): string {
  w.file('f', pattern(2 * PAGE));
  const fd = ok(w.p.open('f', open));
  return answers(w.p.mmap(0, PAGE, protection, flags, fd, 0));
}

/** What an answer of a refusing mmap must leave: nothing. */
function mappingNothing(w: World, result: number | string): string {
  assert.equal(w.p.maps().length, 0, 'something is mapped');
  return typeof result === 'number' ? 'ok' : result;
}

/** Which kind of sharing a mapping of both or neither has become. */
function sharingOf(w: World, flags: number): string {
  w.file('f', pattern(PAGE));
  const fd = ok(w.p.open('f', O_RDWR));
  const at = w.p.mmap(0, PAGE, RW, flags, fd, 0);
  if (typeof at === 'string') return at;
  w.p.store8(at, 200);
  const probe = w.anon(w.p, 1);
  assert.equal(w.p.pread(fd, probe, 1, 0), 1);
  return w.p.load8(probe) === 200 ? 'shared' : 'private';
}

/** A mapping whose middle page is missing. */
export function withHole(w: World): number {
  const at = w.anonAt(w.p, SOMEWHERE, 1);
  w.anonAt(w.p, SOMEWHERE + 2 * PAGE, 1);
  return at;
}

export const MAP_SCRIPTS = {
  'mmap of length 0': (w) => mappingNothing(w, w.p.mmap(SOMEWHERE, 0, RW, ANON_AT)),
  'mmap whose length wraps': (w) => mappingNothing(w, w.p.mmap(0, HUGE, RW, ANON)),
  'mmap of an unaligned offset': (w) => {
    const bytes = pattern(3 * PAGE);
    w.file('f', bytes);
    const at = w.map(w.p, 'f', 100, { offset: PAGE + 100 });
    assert.equal(w.p.load8(at), bytes[PAGE + 100]);
    return at % PAGE === 100 ? 'adjusted' : 'plain';
  },
  'mmap fixed, unaligned': (w) => mappingNothing(w, w.p.mmap(SOMEWHERE + 12, PAGE, RW, ANON_AT)),
  'mmap fixed beyond user space': (w) => mappingNothing(w, w.p.mmap(USER_END - PAGE, 2 * PAGE, RW, ANON_AT)),
  'mmap fixed that wraps': (w) => mappingNothing(w, w.p.mmap(SOMEWHERE, HUGE + 1 - SOMEWHERE, RW, ANON_AT)),
  'mmap of the last page of user space': (w) => {
    const result = w.p.mmap(USER_END - PAGE, PAGE, RW, ANON_AT);
    if (typeof result === 'number') w.p.store8(USER_END - 1, 1);
    return answers(result);
  },
  'mmap anonymous with a descriptor': (w) => {
    w.file('f', PAGE);
    return mappingNothing(w, w.p.mmap(0, PAGE, RW, ANON, ok(w.p.open('f', O_RDWR)), 0));
  },
  'mmap anonymous with an offset': (w) => answers(w.p.mmap(0, PAGE, RW, ANON, -1, PAGE)),
  'mmap shared and private both': (w) => sharingOf(w, MAP_SHARED | MAP_PRIVATE),
  'mmap neither shared nor private': (w) => sharingOf(w, 0),
  'mmap of a bad descriptor': (w) => mappingNothing(w, w.p.mmap(0, PAGE, RW, MAP_SHARED, 17, 0)),
  'mmap for reading, opened for writing': (w) => mapOpened(w, O_WRONLY, PROT_READ, MAP_SHARED),
  'mmap shared for writing, opened for reading': (w) => mapOpened(w, O_RDONLY, RW, MAP_SHARED),
  'mmap private for writing, opened for writing': (w) => mapOpened(w, O_WRONLY, PROT_WRITE, MAP_PRIVATE),
  'mmap of no access, opened for writing': (w) => mapOpened(w, O_WRONLY, PROT_NONE, MAP_PRIVATE),
  'mmap over the limit of the address space': (w) => {
    w.p.setLimits({ addressSpace: 64 * KIB });
    ok(w.p.mmap(0, 40 * KIB, RW, ANON));
    return answers(w.p.mmap(0, 32 * KIB, RW, ANON));
  },
  'mmap with no room': (w) => mappingNothing(w, w.p.mmap(0, USER_END, RW, ANON)),
  'mmap past the largest offset': (w) => {
    w.file('f', PAGE);
    const fd = ok(w.p.open('f', O_RDWR));
    return mappingNothing(w, w.p.mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 2 ** 53 - 2 * PAGE));
  },
  'mmap of unknown flags': (w) => answers(w.p.mmap(0, PAGE, RW, ANON | 0x40000000)),
  'private page after a write to the file': (w) => {
    w.file('f', pattern(PAGE));
    const fd = ok(w.p.open('f', O_RDWR));
    const at = ok(w.p.mmap(0, PAGE, RW, MAP_PRIVATE, fd, 0));
    const old = w.p.load8(at + 5);
    const probe = w.anon(w.p, 1);
    w.p.store8(probe, old ^ 0xff);
    assert.equal(w.p.pwrite(fd, probe, 1, 5), 1);
    return w.p.load8(at + 5) === old ? 'old' : 'new';
  },
  'read of a write-only mapping': (w) => {
    const at = w.anon(w.p, 1, PROT_WRITE);
    return ends(() => w.p.load8(at));
  },

  'munmap unaligned': (w) => {
    const at = w.anon(w.p, 2);
    const result = answers(w.p.munmap(at + 12, 100));
    assert.equal(entries(w.p, at, PAGE).length, result === 'ok' ? 0 : 1);
    assert.equal(entries(w.p, at + PAGE, PAGE).length, 1);
    return result;
  },
  'munmap of length 0': (w) => {
    const at = w.anon(w.p, 1);
    const result = answers(w.p.munmap(at, 0));
    w.p.store8(at, 1);
    return result;
  },
  'munmap over a hole': (w) => {
    const at = withHole(w);
    const result = answers(w.p.munmap(at, 3 * PAGE));
    assert.equal(w.p.maps().length, result === 'ok' ? 0 : 2, 'all or nothing');
    return result;
  },
  'munmap beyond user space': (w) => {
    const at = w.anonAt(w.p, USER_END - 8 * PAGE, 2);
    const result = answers(w.p.munmap(at, 16 * PAGE));
    w.p.store8(at, 1);
    return result;
  },

  'mprotect unaligned': (w) => {
    const at = w.anon(w.p, 2);
    const result = answers(w.p.mprotect(at + 12, 100, PROT_READ));
    assert.equal(ends(() => w.p.store8(at, 1)) === 'ok', result !== 'ok');
    assert.equal(
      ends(() => w.p.store8(at + PAGE, 1)),
      'ok',
    );
    return result;
  },
  'mprotect over a hole': (w) => {
    const at = withHole(w);
    const result = answers(w.p.mprotect(at, 3 * PAGE, PROT_READ));
    for (const page of [0, 2])
      assert.notEqual(
        signalIn(() => w.p.store8(at + page * PAGE, 1)),
        null,
      );
    return result;
  },
  'mprotect beyond the maximum': (w) => {
    w.file('f', pattern(PAGE));
    const at = w.anonAt(w.p, SOMEWHERE, 1, PROT_READ);
    w.map(w.p, 'f', PAGE, {
      address: SOMEWHERE + PAGE,
      protection: PROT_READ,
      flags: MAP_SHARED | MAP_FIXED,
      open: O_RDONLY,
    });
    const result = answers(w.p.mprotect(at, 2 * PAGE, RW));
    assert.notEqual(
      signalIn(() => w.p.store8(at, 1)),
      null,
      'the first entry has changed',
    );
    return result;
  },
  'mprotect that wraps': (w) => {
    const at = w.anon(w.p, 1);
    const result = answers(w.p.mprotect(at, HUGE - PAGE, PROT_READ));
    w.p.store8(at, 1);
    return result;
  },
  'mprotect there and back joins entries': (w) => {
    const at = w.anon(w.p, 6);
    store(w.p, at, 6, 3);
    ok(w.p.mprotect(at + 2 * PAGE, 2 * PAGE, PROT_READ));
    assert.equal(entries(w.p, at, 6 * PAGE).length, 3);
    ok(w.p.mprotect(at + 2 * PAGE, 2 * PAGE, RW));
    holds(w.p, at, 6, 3);
    return entries(w.p, at, 6 * PAGE).length === 1 ? 'yes' : 'no';
  },

  'minherit of a bad value': (w) => answers(w.p.minherit(w.anon(w.p, 1), PAGE, 7)),

  'brk below the base': (w) => answers(w.p.brk(w.p.dataEnd - PAGE)),
  'brk over the limit': (w) => {
    w.p.setLimits({ data: MIB });
    const end = w.p.dataEnd;
    const result = answers(w.p.brk(end + 2 * MIB));
    assert.equal(w.p.dataEnd, end, 'the break has moved');
    return result;
  },
  'brk into a mapping': (w) => {
    const end = w.p.dataEnd;
    const wall = Math.ceil(end / PAGE) * PAGE + 2 * PAGE;
    w.anonAt(w.p, wall, 1);
    poke(w.p, wall, pattern(PAGE, 4));
    const result = answers(w.p.brk(wall + PAGE));
    assert.equal(w.p.dataEnd, end, 'the break has moved');
    assert.deepEqual(peek(w.p, wall, PAGE), pattern(PAGE, 4));
    return result;
  },
  'brk that wraps': (w) => {
    const end = w.p.dataEnd;
    const result = answers(w.p.brk(HUGE));
    assert.equal(w.p.dataEnd, end, 'the break has moved');
    return result;
  },

  'write to read-only memory': (w) => ends(() => w.p.store8(w.anon(w.p, 1, PROT_READ), 1)),
  'read of no access': (w) => ends(() => w.p.load8(w.anon(w.p, 1, PROT_NONE))),
  'access of nothing': (w) => ends(() => w.p.load8(SOMEWHERE)),
  'access past the end of a file': (w) => {
    w.file('f', pattern(PAGE));
    const at = w.map(w.p, 'f', 3 * PAGE);
    assert.equal(w.p.load8(at), pattern(1)[0]);
    const how = ends(() => w.p.load8(at + PAGE));
    assert.equal(
      ends(() => w.p.store8(at + 2 * PAGE, 1)),
      how,
    );
    return how;
  },
  'access that the disk refuses': (w) => {
    w.fileOn('f', new FaultInjectingStore(new MemoryStore(pattern(PAGE)), [{ on: 'read', error: EIO }]));
    const at = w.map(w.p, 'f', PAGE);
    return ends(() => w.p.load8(at));
  },
  'access when swap is full': (w) => {
    const m = w.boot({ memory: MIB, swap: 16 * PAGE });
    const p = m.spawn('hungry');
    const at = w.anon(p, 400);
    return ends(() => store(p, at, 400, 1));
  },
} as const satisfies Partial<Record<Row, Script>>;
