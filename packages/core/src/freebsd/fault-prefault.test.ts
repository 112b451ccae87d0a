/** Neighbours mapped along with a fault: which are tried, and what ends it. */
import { describe, expect, it } from 'vitest';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import { pageBusy, pageWakeup } from './page.js';
import { FaultBench, FIRST } from './testing-faults.js';

/** Pages around `middle` as the process has them mapped, `.` for not at all. */
function around(bench: FaultBench, first: number, count: number): string {
  return Array.from({ length: count }, (_, i) => (bench.mapped(first + i) === 'none' ? '.' : 'm')).join('');
}

/** A file of 16 pages, all in memory, mapped at page `at` with no translation left. */
function resident(options: { at?: number; offset?: number; defects?: 'mended' } = {}): FaultBench {
  const { at = FIRST, offset = 0, defects } = options;
  const bench = new FaultBench(defects === undefined ? {} : { defects });
  const { backing } = bench.mapFile(16, { at: 200 });
  if (backing.kind !== 'file') throw new Error('not a file');
  bench.system.advise(bench.a, 200 * 4096, 16 * 4096, 'random');
  for (let page = 0; page < 16; page++) bench.read(200 + page);
  bench.map(at, 16 - offset, { ...backing, offset: offset * 4096 }, 'shared');
  bench.vm.pmap.remove(bench.a.map.pmap, at, at + 16);
  bench.listen();
  return bench;
}

describe('prefault', () => {
  it('maps four neighbours on each side that are in memory', () => {
    const bench = resident();
    bench.read(FIRST + 8);
    expect(around(bench, FIRST, 16)).toBe('....mmmmmmmmm...');
    expect(bench.mapped(FIRST + 7)).toBe('r--');
    expect(bench.mapped(FIRST + 8)).toBe('rw-');
  });

  it('stays within the entry', () => {
    const bench = resident();
    bench.read(FIRST + 1);
    expect(bench.taken).toEqual(expect.arrayContaining(['F69', 'F72']));
    expect(around(bench, FIRST, 8)).toBe('mmmmmm..');
  });

  it('ends at the first page that is not in memory', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 8);
    for (const page of [1, 2, 3, 5]) bench.write(FIRST + page, 1);
    bench.vm.pmap.remove(bench.a.map.pmap, FIRST, FIRST + 8);
    bench.read(FIRST + 3);
    // 2 is tried first, then 4, which ends it: neither 1 nor 5 is mapped.
    expect(around(bench, FIRST, 8)).toBe('..mm....');
  });

  it('is not for the address space of another process', () => {
    const bench = resident();
    const f = beginFault(bench.vm);
    Object.assign(f, { thread: bench.thread(), originalMap: bench.a.map, vaddr: FIRST + 8, askedType: 1, flags: 0 });
    f.currentPmap = false;
    bench.vm.kernel.runRecord(f, faultStart);
    endFault(f);
    expect(bench.taken).toContain('F68');
    expect(around(bench, FIRST, 16)).toBe('........m.......');
  });

  it('as seeded maps a page that somebody else has busy, mended passes over it (O11)', () => {
    for (const defects of ['as-seeded', 'mended'] as const) {
      const bench = defects === 'mended' ? resident({ defects }) : resident();
      const page = bench.page(bench.object(FIRST), 7);
      pageBusy(bench.vm, page);
      bench.read(FIRST + 8);
      expect(bench.mapped(FIRST + 7)).toBe(defects === 'mended' ? 'none' : 'r--');
      expect(bench.count('F78')).toBe(defects === 'mended' ? 1 : 0);
      pageWakeup(bench.vm, page);
    }
  });

  it('passes over pages that are not whole', () => {
    const bench = resident();
    bench.vm.pages.valid[bench.page(bench.object(FIRST), 9)] = 0x3f;
    bench.read(FIRST + 8);
    expect(around(bench, FIRST + 7, 4)).toBe('mm.m');
    expect(bench.count('F78')).toBe(1);
  });
});

describe('prefault in the first three pages of the address space', () => {
  it('as seeded looks before the entry, finds nothing there, and ends', () => {
    const bench = resident({ at: 1 });
    bench.read(1);
    expect(bench.taken).toEqual(expect.arrayContaining(['F70', 'F76']));
    expect(bench.count('F77')).toBe(0);
    bench.system.check();
  });

  it('as seeded maps what lies before the entry’s part of the object, at addresses that are not the entry’s', () => {
    const bench = resident({ at: 2, offset: 4 });
    bench.read(2);
    // The entry begins at page 2; -1 and -2 are pages 1 and 0, -3 and -4 wrap and become page 0 again.
    expect(bench.count('F71')).toBe(2);
    expect(around(bench, 0, 8)).toBe('mmmmmmm.');
    expect(bench.vm.pmap.extract(bench.a.map.pmap, 0)).toBe(bench.page(bench.object(2), 2));
  });

  it('mended begins with the entry', () => {
    const bench = resident({ at: 2, offset: 4, defects: 'mended' });
    bench.read(2);
    expect(around(bench, 0, 8)).toBe('..mmmmm.');
    bench.system.check();
  });
});
