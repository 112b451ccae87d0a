/** The scripts of the table's rows about madvise, mincore, msync and mlock. */
import assert from 'node:assert/strict';
import {
  EIO,
  ENOSPC,
  FaultInjectingStore,
  MADV_DONTNEED,
  MADV_RANDOM,
  MCL_CURRENT,
  MemoryStore,
  MS_ASYNC,
  MS_INVALIDATE,
} from '@faultline/core';
import type { Row } from './expected.js';
import type { Script } from './table-map.js';
import { withHole } from './table-map.js';
import {
  answers,
  contentsOf,
  holds,
  KIB,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  ok,
  PAGE,
  PROT_NONE,
  PROT_READ,
  pattern,
  SOMEWHERE,
  store,
  USER_END,
  type World,
} from './world.js';

const HUGE = Number.MAX_SAFE_INTEGER - PAGE;
const UNKNOWN_ADVICE = 77;
/** Bits that no system gives a meaning to. */
const UNKNOWN_FLAG = 0x100;

/** A dirty page of a file. */
function dirtyFile(w: World): number {
  w.file('f', pattern(PAGE));
  const at = w.map(w.p, 'f', PAGE);
  w.p.store8(at, 99);
  return at;
}

function mincoreOf(w: World, address: number, length: number, room: number): string {
  return answers(w.p.mincore(address, length, new Uint8Array(room)));
}

/** msync of a page that its store refuses to take; it must still be dirty afterwards, and reach the store at last. */
function syncRefused(w: World, error: number): string {
  const inner = new MemoryStore(pattern(PAGE));
  const broken = new FaultInjectingStore(inner, [{ on: 'write', error, times: Number.POSITIVE_INFINITY }]);
  w.fileOn('f', broken);
  const at = w.map(w.p, 'f', PAGE);
  w.p.store8(at, 99);
  const result = answers(w.p.msync(at, PAGE, w.MS_SYNC));
  assert.equal(w.p.load8(at), 99, 'the data is lost');
  assert.notEqual(contentsOf(inner)[0], 99);
  broken.heal();
  ok(w.p.msync(at, PAGE, w.MS_SYNC));
  assert.equal(contentsOf(inner)[0], 99, 'the page was no longer dirty');
  return result;
}

export const PAGE_SCRIPTS = {
  'madvise of bad advice': (w) => answers(w.p.madvise(w.anon(w.p, 1), PAGE, UNKNOWN_ADVICE)),
  'madvise free': (w) => {
    const at = w.anon(w.p, 4);
    store(w.p, at, 4, 9);
    const result = w.p.madvise(at, 4 * PAGE, w.MADV_FREE);
    if (typeof result === 'string') return result;
    const vector = new Uint8Array(4);
    ok(w.p.mincore(at, 4 * PAGE, vector));
    const gone = vector.every((byte) => byte === 0);
    if (gone) assert.equal(w.p.load8(at + 8), 0, 'gone, and yet there');
    return gone ? 'at once' : 'lazy';
  },
  'madvise dontneed keeps data': (w) => {
    const at = w.anon(w.p, 4);
    store(w.p, at, 4, 9);
    const result = w.p.madvise(at, 4 * PAGE, MADV_DONTNEED);
    if (typeof result === 'string') return result;
    w.squeeze();
    holds(w.p, at, 4, 9);
    return 'kept';
  },
  'madvise random: pages read': (w) => {
    const counted = new FaultInjectingStore(new MemoryStore(pattern(64 * PAGE)));
    w.fileOn('f', counted);
    const at = w.map(w.p, 'f', 64 * PAGE, { protection: PROT_READ });
    const result = w.p.madvise(at, 64 * PAGE, MADV_RANDOM);
    if (typeof result === 'string') return result;
    assert.equal(w.p.load8(at + 41 * PAGE), pattern(42 * PAGE)[41 * PAGE]);
    return String(counted.counts.bytesRead / PAGE);
  },
  'madvise that wraps': (w) => answers(w.p.madvise(w.anon(w.p, 1), HUGE, MADV_DONTNEED)),
  'madvise dontneed of nothing': (w) => answers(w.p.madvise(SOMEWHERE, PAGE, MADV_DONTNEED)),
  'madvise free of locked memory': (w) => {
    const at = w.anon(w.p, 2);
    store(w.p, at, 2, 5);
    ok(w.p.mlock(at, 2 * PAGE));
    const result = answers(w.p.madvise(at, 2 * PAGE, w.MADV_FREE));
    holds(w.p, at, 2, 5);
    return result;
  },

  'mincore unaligned': (w) => mincoreOf(w, w.anon(w.p, 2) + 12, 100, 2),
  'mincore of length 0': (w) => mincoreOf(w, w.anon(w.p, 1), 0, 0),
  'mincore over a hole': (w) => {
    const at = withHole(w);
    for (const page of [0, 2]) w.p.store8(at + page * PAGE, 1);
    const vector = Uint8Array.of(9, 9, 9);
    const result = w.p.mincore(at, 3 * PAGE, vector);
    if (typeof result === 'string') return result;
    assert.deepEqual(
      [...vector].map((byte) => byte !== 0),
      [true, false, true],
    );
    return 'zeros';
  },
  'mincore into too short a vector': (w) => mincoreOf(w, w.anon(w.p, 3), 3 * PAGE, 2),
  'mincore beyond user space': (w) => mincoreOf(w, w.anonAt(w.p, USER_END - 4 * PAGE, 1), 16 * PAGE, 16),

  'msync of no flag': (w) => answers(w.p.msync(dirtyFile(w), PAGE, 0)),
  'msync async and sync': (w) => answers(w.p.msync(dirtyFile(w), PAGE, MS_ASYNC | 4)),
  'msync async and invalidate': (w) => answers(w.p.msync(dirtyFile(w), PAGE, MS_ASYNC | MS_INVALIDATE)),
  'msync of an unknown flag': (w) => answers(w.p.msync(dirtyFile(w), PAGE, UNKNOWN_FLAG | w.MS_SYNC)),
  'msync of nothing': (w) => answers(w.p.msync(SOMEWHERE, PAGE, w.MS_SYNC)),
  'msync of length 0': (w) => {
    w.file('f', pattern(6 * PAGE));
    const at = w.map(w.p, 'f', 6 * PAGE);
    store(w.p, at, 6, 11);
    const result = w.p.msync(at + 2 * PAGE, 0, w.MS_SYNC);
    if (typeof result === 'string') return result;
    const bytes = w.stored('f');
    const written = [0, 1, 2, 3, 4, 5].filter((page) => bytes[page * PAGE + 8] === 11 + page * 3);
    return written.length === 6 ? 'whole entry' : `pages ${written}`;
  },
  'msync of length 0 where nothing is': (w) => answers(w.p.msync(SOMEWHERE, 0, w.MS_SYNC)),
  'msync of private memory': (w) => {
    w.file('f', pattern(PAGE));
    const at = w.map(w.p, 'f', PAGE, { flags: MAP_PRIVATE });
    w.p.store8(at, 99);
    const result = answers(w.p.msync(at, PAGE, w.MS_SYNC));
    assert.equal(w.p.load8(at), 99);
    assert.deepEqual(w.stored('f'), pattern(PAGE));
    return result;
  },
  'msync over two mappings': (w) => {
    w.file('f', pattern(PAGE));
    w.file('g', pattern(PAGE));
    const fixed = MAP_SHARED | MAP_FIXED;
    const at = w.map(w.p, 'f', PAGE, { address: SOMEWHERE, flags: fixed });
    w.map(w.p, 'g', PAGE, { address: SOMEWHERE + PAGE, flags: fixed });
    store(w.p, at, 2, 7);
    const result = answers(w.p.msync(at, 2 * PAGE, w.MS_SYNC));
    if (result === 'ok') assert.deepEqual([w.stored('f')[8], w.stored('g')[8]], [7, 10]);
    return result;
  },
  'msync over a hole': (w) => {
    w.file('f', pattern(PAGE));
    const at = w.map(w.p, 'f', PAGE, { address: SOMEWHERE, flags: MAP_SHARED | MAP_FIXED });
    w.p.store8(at, 99);
    const result = answers(w.p.msync(at, 2 * PAGE, w.MS_SYNC));
    return `${result}, ${w.stored('f')[0] === 99 ? 'written' : 'not written'}`;
  },
  'msync that the disk refuses': (w) => syncRefused(w, EIO),
  'msync that finds no space': (w) => syncRefused(w, ENOSPC),
  'msync invalidate of locked memory': (w) => {
    const at = dirtyFile(w);
    ok(w.p.mlock(at, PAGE));
    const result = answers(w.p.msync(at, PAGE, MS_INVALIDATE | w.MS_SYNC));
    assert.equal(w.p.load8(at), 99);
    return result;
  },

  'mlock over the limit of the system': (w) => {
    const at = w.anon(w.p, 300);
    ok(w.p.mlock(at, 100 * PAGE));
    const result = answers(w.p.mlock(at + 100 * PAGE, 120 * PAGE));
    assert.equal(w.wired, 100);
    return result;
  },
  'mlock of more than the system locks at all': (w) => {
    const at = w.anon(w.p, 300);
    const result = answers(w.p.mlock(at, 300 * PAGE));
    assert.equal(w.wired, 0);
    return result;
  },
  'mlock over the limit of the process': (w) => {
    w.p.setLimits({ lockedMemory: 40 * KIB });
    const at = w.anon(w.p, 16);
    ok(w.p.mlock(at, 8 * PAGE));
    const before = w.wired;
    const result = answers(w.p.mlock(at + 8 * PAGE, 8 * PAGE));
    assert.equal(w.wired, before);
    return result;
  },
  'mlock of nothing': (w) => answers(w.p.mlock(SOMEWHERE, PAGE)),
  'mlock over a hole': (w) => {
    const at = withHole(w);
    const before = w.wired;
    const result = answers(w.p.mlock(at, 3 * PAGE));
    assert.equal(w.wired, before, 'something stayed wired');
    return result;
  },
  'mlock of no access': (w) => {
    const at = w.anon(w.p, 2, PROT_NONE);
    const before = w.wired;
    const result = answers(w.p.mlock(at, 2 * PAGE));
    assert.equal(w.wired, before, 'something stayed wired');
    return result;
  },
  'munlocks for three mlocks': (w) => {
    const at = w.anon(w.p, 4);
    const before = w.wired;
    for (let time = 0; time < 3; time++) ok(w.p.mlock(at, 4 * PAGE));
    assert.equal(w.wired, before + 4);
    let times = 0;
    while (w.wired > before && times < 10) {
      ok(w.p.munlock(at, 4 * PAGE));
      times++;
    }
    return String(times);
  },
  'munlock of nothing': (w) => answers(w.p.munlock(SOMEWHERE, PAGE)),
  'mlockall of no flag': (w) => answers(w.p.mlockall(0)),
  'mlockall of an unknown flag': (w) => answers(w.p.mlockall(0x40)),
  'mlockall over the limit': (w) => {
    w.p.setLimits({ lockedMemory: 40 * KIB });
    w.anon(w.p, 16);
    return answers(w.p.mlockall(MCL_CURRENT));
  },
} as const satisfies Partial<Record<Row, Script>>;
