/** madvise: advice may cost or save time, and never data that was not given up. */
import assert from 'node:assert/strict';
import {
  FaultInjectingStore,
  MADV_DONTNEED,
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MemoryStore,
} from '@faultline/core';
import { check } from './registry.js';
import { tableCheck } from './table.js';
import {
  born,
  holds,
  MAP_PRIVATE,
  MAP_SHARED,
  MIB,
  ok,
  PAGE,
  PROT_READ,
  type Process,
  pattern,
  peek,
  RW,
  resident,
  SOMEWHERE,
  same,
  store,
  type World,
} from './world.js';

const STUB = { csrg: 'madvise is a stub that refuses (EOPNOTSUPP)' };

/** A file whose reads are counted, in pages. */
function countedFile(w: World, path: string, pages: number): { readonly pagesRead: number } {
  const counted = new FaultInjectingStore(new MemoryStore(pattern(pages * PAGE)));
  w.fileOn(path, counted);
  return {
    get pagesRead() {
      return Math.ceil(counted.counts.bytesRead / PAGE);
    },
  };
}

/** Whether a page still holds what `store` put there, or zeros: never anything else. */
function oldOrZero(p: Process, at: number, page: number, seed: number): void {
  const bytes = peek(p, at + page * PAGE, PAGE);
  const old = new Uint8Array(PAGE);
  old[8] = (seed + page * 3) & 0xff;
  old[PAGE - 3] = (seed * 5 + page) & 0xff;
  if (bytes.every((byte) => byte === 0)) return;
  same(bytes, old, `page ${page}`);
}

check('D1', 'normal, random and sequential never change data', STUB, (w) => {
  w.file('f', pattern(24 * PAGE));
  const file = w.map(w.p, 'f', 24 * PAGE);
  const anon = w.anon(w.p, 24);
  store(w.p, anon, 24, 3);
  for (const advice of [MADV_RANDOM, MADV_SEQUENTIAL, MADV_NORMAL, MADV_SEQUENTIAL]) {
    ok(w.p.madvise(file, 24 * PAGE, advice));
    ok(w.p.madvise(anon + 2 * PAGE, 20 * PAGE, advice));
    holds(w.p, anon, 24, 3);
    same(peek(w.p, file, 24 * PAGE), pattern(24 * PAGE), 'the file');
    w.squeeze();
  }
});

check('D2', 'random: a fault reads the page, or the block of the file that holds it, and nothing ahead', STUB, (w) => {
  const counts = countedFile(w, 'f', 64);
  const at = w.map(w.p, 'f', 64 * PAGE, { protection: PROT_READ });
  ok(w.p.madvise(at, 64 * PAGE, MADV_RANDOM));
  let read = 0;
  for (const page of [40, 7, 23, 24, 60, 0]) {
    w.p.load8(at + page * PAGE);
    read += Number(w.expected('madvise random: pages read'));
    assert.equal(counts.pagesRead, read, `after page ${page}`);
  }
});

check('D3', 'sequential: what lies behind may go, but is never lost', STUB, (w) => {
  const m = w.boot({ memory: MIB, swap: 4 * MIB });
  const p = m.spawn('reader');
  w.file('f', pattern(400 * PAGE, 2));
  const file = w.map(p, 'f', 400 * PAGE);
  const anon = w.anon(p, 300);
  ok(p.madvise(file, 400 * PAGE, MADV_SEQUENTIAL));
  ok(p.madvise(anon, 300 * PAGE, MADV_SEQUENTIAL));
  store(p, anon, 300, 7);
  store(p, file, 400, 9);
  holds(p, anon, 300, 7, 'anonymous');
  holds(p, file, 400, 9, 'the file');
  ok(p.msync(file, 400 * PAGE, w.MS_SYNC));
  assert.equal(w.stored('f')[399 * PAGE + 8], (9 + 399 * 3) & 0xff);
});

check('D4', 'willneed makes a later touch cheap, and is harmless on holes and behind the end of a file', STUB, (w) => {
  const counts = countedFile(w, 'f', 6);
  const at = w.map(w.p, 'f', 10 * PAGE, { protection: PROT_READ });
  same(peek(w.p, at, 6 * PAGE), pattern(6 * PAGE), 'before');
  const read = counts.pagesRead;
  assert.equal(typeof w.p.madvise(at, 10 * PAGE, MADV_WILLNEED), 'number');
  assert.equal(typeof w.p.madvise(SOMEWHERE, 4 * PAGE, MADV_WILLNEED), 'number');
  const { ru_majflt } = w.p.usage();
  same(peek(w.p, at, 6 * PAGE), pattern(6 * PAGE), 'after');
  assert.equal(counts.pagesRead, read, 'the pages were read again');
  assert.equal(w.p.usage().ru_majflt, ru_majflt);
});

tableCheck('D5', 'dontneed keeps anonymous data', {}, 'madvise dontneed keeps data');

check('D6', 'what is not needed is taken before the rest', STUB, (w) => {
  const wanted = w.anonAt(w.p, SOMEWHERE, 120);
  const unwanted = w.anonAt(w.p, SOMEWHERE + MIB, 120);
  store(w.p, unwanted, 120, 1);
  store(w.p, wanted, 120, 2);
  ok(w.p.madvise(unwanted, 120 * PAGE, MADV_DONTNEED));
  const eater = w.m.spawn('eater');
  const pages = w.free + 100;
  store(eater, w.anon(eater, pages), pages, 3);
  const left = { wanted: resident(w.p, wanted, 120 * PAGE), unwanted: resident(w.p, unwanted, 120 * PAGE) };
  // On dragonfly the advice leaves the marks of use, and what was just used counts as wanted again: no better, but no worse either.
  const sooner = w.is('dragonfly') ? left.unwanted <= left.wanted : left.unwanted < left.wanted;
  assert.ok(sooner, `resident: ${JSON.stringify(left)}`);
  holds(w.p, unwanted, 120, 1);
  holds(w.p, wanted, 120, 2);
});

check('D7', 'what was given up reads as the old bytes or as zeros, page by page', STUB, (w) => {
  const at = w.anon(w.p, 60);
  store(w.p, at, 60, 5);
  ok(w.p.madvise(at, 60 * PAGE, w.MADV_FREE));
  w.m.pageout(30 * PAGE);
  for (let page = 0; page < 60; page++) oldOrZero(w.p, at, page, 5);
  w.squeeze();
  // Others use the frames meanwhile: none of that may show.
  store(w.p, w.anon(w.p, 200), 200, 99);
  for (let page = 0; page < 60; page++) oldOrZero(w.p, at, page, 5);
});

check('D8', 'what is written after it was given up stays', STUB, (w) => {
  const at = w.anon(w.p, 40);
  store(w.p, at, 40, 5);
  ok(w.p.madvise(at, 40 * PAGE, w.MADV_FREE));
  store(w.p, at, 40, 6);
  w.squeeze();
  holds(w.p, at, 40, 6);
});

check('D9', 'giving up memory that others share takes nothing from them', STUB, (w) => {
  const at = w.anon(w.p, 20, RW, MAP_SHARED);
  store(w.p, at, 20, 5);
  const child = born(w.p.fork());
  ok(w.p.madvise(at, 20 * PAGE, w.MADV_FREE));
  w.squeeze();
  holds(child, at, 20, 5);
});

tableCheck('D10', 'giving up locked memory', STUB, 'madvise free of locked memory');

check('D11', 'giving up dirty pages of a shared file loses nothing', STUB, (w) => {
  w.file('f', pattern(8 * PAGE));
  const at = w.map(w.p, 'f', 8 * PAGE);
  store(w.p, at, 8, 50);
  ok(w.p.madvise(at, 8 * PAGE, w.MADV_FREE));
  w.squeeze();
  holds(w.p, at, 8, 50);
  ok(w.p.msync(at, 8 * PAGE, w.MS_SYNC));
  assert.equal(w.stored('f')[7 * PAGE + 8], 71);
});

check('D12', 'giving up memory frees its swap', STUB, (w) => {
  const m = w.boot({ memory: MIB, swap: 160 * PAGE });
  const p = m.spawn('user');
  // Six times a hundred pages: more than memory and swap together, were any of it kept.
  for (let round = 0; round < 6; round++) {
    const at = w.anon(p, 100);
    store(p, at, 100, round);
    w.squeeze();
    ok(p.madvise(at, 100 * PAGE, w.MADV_FREE));
    w.squeeze();
  }
  const last = w.anon(p, 150);
  store(p, last, 150, 44);
  w.squeeze();
  holds(p, last, 150, 44);
});

check('D13', 'after fork each gives up only its own', STUB, (w) => {
  const at = w.anon(w.p, 20);
  store(w.p, at, 20, 5);
  const child = born(w.p.fork());
  ok(w.p.madvise(at, 20 * PAGE, w.MADV_FREE));
  w.squeeze();
  holds(child, at, 20, 5);
  const third = born(child.fork());
  ok(third.madvise(at, 10 * PAGE, w.MADV_FREE));
  w.squeeze();
  holds(child, at, 20, 5);
});

tableCheck('D14', 'advice that is none', {}, 'madvise of bad advice');
tableCheck('D15', 'a range that wraps', {}, 'madvise that wraps');
tableCheck('D16', 'a range with nothing in it', {}, 'madvise dontneed of nothing');

check('D17', 'the parts of a mapping that is cut, and a child, have its advice', STUB, (w) => {
  const counts = countedFile(w, 'f', 96);
  const at = w.map(w.p, 'f', 96 * PAGE, { flags: MAP_PRIVATE });
  ok(w.p.madvise(at, 96 * PAGE, MADV_RANDOM));
  ok(w.p.mprotect(at + 40 * PAGE, 10 * PAGE, PROT_READ));
  const once = Number(w.expected('madvise random: pages read'));
  let read = 0;
  for (const page of [10, 44, 80]) {
    w.p.load8(at + page * PAGE);
    read += once;
    assert.equal(counts.pagesRead, read, `page ${page}`);
  }
  const child = born(w.p.fork());
  for (const page of [20, 48, 70]) {
    child.load8(at + page * PAGE);
    read += once;
    assert.equal(counts.pagesRead, read, `page ${page}, in the child`);
  }
});
