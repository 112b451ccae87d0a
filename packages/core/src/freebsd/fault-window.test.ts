/** The pages that are read together with the one that faulted: how each side of the window is trimmed. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../machine/units.js';
import { cacheFree, pageCache } from './page-alloc.js';
import { FaultBench, FIRST } from './testing-faults.js';

/** A file of 32 pages whose next read does not look sequential; nothing of it is in memory. */
function fresh(sharing: 'shared' | 'private' = 'shared'): FaultBench {
  const bench = new FaultBench();
  bench.mapFile(32, { sharing });
  bench.entry(FIRST).lastr = 1000;
  return bench;
}

const residents = (bench: FaultBench): string => bench.chain(FIRST).at(-1) as string;

describe('the window of a read', () => {
  it('is 7 behind and 8 ahead', () => {
    const bench = fresh();
    bench.read(FIRST + 16);
    expect(residents(bench)).toBe(`vnode:F/${range(9, 24)}`);
  });

  it('ends at resident pages on both sides', () => {
    const bench = fresh();
    bench.system.advise(bench.a, FIRST * PAGE_SIZE, 32 * PAGE_SIZE, 'random');
    bench.read(FIRST + 13);
    bench.read(FIRST + 18);
    bench.system.advise(bench.a, FIRST * PAGE_SIZE, 32 * PAGE_SIZE, 'normal');
    bench.entry(FIRST).lastr = 1000;
    bench.read(FIRST + 16);
    expect(bench.taken).toEqual(expect.arrayContaining(['F94', 'F96']));
    expect(residents(bench)).toBe(`vnode:F/${range(13, 18)}`);
  });

  it('ends where a place is cached', () => {
    const bench = fresh();
    bench.system.advise(bench.a, FIRST * PAGE_SIZE, 32 * PAGE_SIZE, 'random');
    for (const index of [13, 18]) {
      bench.read(FIRST + index);
      pageCache(bench.vm, bench.page(bench.object(FIRST), index));
    }
    bench.system.advise(bench.a, FIRST * PAGE_SIZE, 32 * PAGE_SIZE, 'normal');
    bench.entry(FIRST).lastr = 1000;
    bench.read(FIRST + 16);
    expect(bench.taken).toEqual(expect.arrayContaining(['F95', 'F98']));
    expect(residents(bench)).toBe(`vnode:F/${range(14, 17)}`);
    expect([14, 15, 16, 17].map((index) => bench.read(FIRST + index))).toEqual([15, 16, 17, 18]);
    bench.system.check();
  });

  it('ends where no frame is to be had, and the fault succeeds all the same', () => {
    const bench = fresh();
    // The page itself, three behind, and no more; then one ahead.
    const answers = [false, false, false, false, true, false, true];
    bench.vm.allocationFails = (kind) => kind === 'frame' && (answers.shift() ?? false);
    expect(bench.read(FIRST + 16)).toBe(17);
    expect(residents(bench)).toBe(`vnode:F/${range(13, 17)}`);
    bench.system.check();
  });

  it('of swap reaches as far as blocks are consecutive', () => {
    const bench = new FaultBench({ memoryPages: 64, swapPages: 64 });
    bench.map(FIRST, 16);
    for (let page = 0; page < 16; page++) bench.write(FIRST + page, page + 1);
    bench.system.pageout(64);
    const object = bench.object(FIRST);
    expect(object.residentCount).toBe(0);
    object.swap?.free(6);
    object.swap?.free(11);
    bench.entry(FIRST).lastr = 1000;
    cacheFree(bench.vm, object, 0, 0);
    bench.listen();
    expect(bench.read(FIRST + 9)).toBe(10);
    expect(bench.taken).toEqual(expect.arrayContaining(['F90', 'F91']));
    expect(residents(bench)).toBe(`swap/${range(7, 10)}`);
    expect(bench.vm.counters.v_swappgsin).toBe(4);
    bench.system.check();
  });

  it('of a file that has grown ends with the object, which does not know yet', () => {
    const bench = new FaultBench();
    const { store } = bench.mapFile(20);
    store.truncate(32 * PAGE_SIZE);
    bench.entry(FIRST).lastr = 1000;
    bench.entry(FIRST).end = FIRST + 32;
    bench.a.map.size += 12;
    bench.read(FIRST + 16);
    expect(bench.taken).toContain('F97');
    expect(residents(bench)).toBe(`vnode:F/${range(9, 19)}`);
    expect(bench.fault(FIRST + 20)).toBe('KERN_PROTECTION_FAILURE');
    bench.system.check();
  });

  it('is the page alone where the pager knows no neighbours', () => {
    const bench = new FaultBench();
    bench.mapFile(1);
    bench.read(FIRST);
    expect(bench.taken).toContain('F89');
  });
});

function range(first: number, last: number): string {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i).join(',');
}
