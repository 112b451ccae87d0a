/** What becomes of a page that was found: moved, copied, shared; NOSYNC; and what prefault adds around it. */
import { describe, expect, it } from 'vitest';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { PROT_READ } from '../vm/prot.js';
import { linkShadow, OBJT_DEFAULT, objectAllocate, objectReference } from './object.js';
import { PQ_ACTIVE, PQ_INACTIVE, VPO_NOSYNC } from './page.js';
import { sysMadvise, sysMmap } from './syscalls.js';
import { RW } from './testing.js';
import { FaultBench, FIRST } from './testing-faults.js';

/** A mapping of 4 pages whose top object, new and empty, shadows the one that has them. Nobody else knows either. */
function shadowed(references = 1): FaultBench {
  const bench = new FaultBench();
  bench.map(FIRST, 4);
  for (let page = 0; page < 4; page++) bench.write(FIRST + page, page + 1);
  const entry = bench.entry(FIRST);
  const below = bench.object(FIRST);
  const top = objectAllocate(bench.vm, OBJT_DEFAULT, 4);
  linkShadow(top, below, 0);
  entry.object = top;
  for (let i = 1; i < references; i++) objectReference(below);
  bench.vm.pmap.remove(bench.a.map.pmap, FIRST, FIRST + 4);
  bench.listen();
  return bench;
}

describe('a page below the top that is written', () => {
  it('moves up when nobody else can see it: the same frame, nothing copied', () => {
    const bench = shadowed();
    const below = bench.object(FIRST).backing;
    const page = bench.page(below as never, 1);
    expect(bench.fault(FIRST + 1, ACCESS_WRITE)).toBe('KERN_SUCCESS');
    expect(bench.taken).toContain('F47');
    expect(bench.taken).not.toContain('F48');
    expect(bench.page(bench.object(FIRST), 1)).toBe(page);
    expect(bench.chain(FIRST)).toEqual(['default/1', 'default/0,2,3']);
    expect(bench.vm.counters).toMatchObject({ v_cow_faults: 1, v_cow_optim: 1 });
    expect([bench.read(FIRST + 1), bench.vm.pages.dirty[page]]).toEqual([2, 0xff]);
    expect(bench.system.queues().find(({ name }) => name === 'free')?.pages).toBe(256 - 4);
    bench.system.check();
  });

  it('is copied when somebody else holds its object', () => {
    const bench = shadowed(2);
    const below = bench.object(FIRST).backing as NonNullable<ReturnType<FaultBench['object']>['backing']>;
    const page = bench.page(below, 1);
    bench.write(FIRST + 1, 50);
    expect(bench.taken).toEqual(expect.arrayContaining(['F48', 'F49']));
    expect(bench.vm.counters).toMatchObject({ v_cow_faults: 1, v_cow_optim: 0 });
    expect(bench.vm.machine.memory.frameBytes(page)?.[0]).toBe(2);
    expect(bench.vm.pages.queues.queue[page]).toBe(PQ_INACTIVE);
  });

  it('is copied from further down, even where nobody else can see it', () => {
    const bench = shadowed();
    const entry = bench.entry(FIRST);
    const top = objectAllocate(bench.vm, OBJT_DEFAULT, 4);
    linkShadow(top, bench.object(FIRST), 0);
    entry.object = top;
    bench.write(FIRST + 2, 9);
    expect(bench.taken).toContain('F48');
    expect(bench.vm.counters.v_cow_optim).toBe(0);
    bench.system.check();
  });

  it('only read, is mapped without permission to write', () => {
    const bench = shadowed();
    expect(bench.fault(FIRST + 1, ACCESS_READ)).toBe('KERN_SUCCESS');
    expect(bench.taken).toContain('F50');
    expect(bench.mapped(FIRST + 1)).toBe('r--');
    expect(bench.chain(FIRST)).toEqual(['default/', 'default/0,1,2,3']);
    bench.system.check();
  });
});

describe('NOSYNC', () => {
  const nosync = (bench: FaultBench): boolean[] =>
    [0, 1].map((index) => {
      const page = bench.page(bench.object(FIRST), index);
      return page >= 0 && ((bench.vm.pages.oflags[page] as number) & VPO_NOSYNC) !== 0;
    });

  it('marks pages that are clean when they are mapped for writing', () => {
    const bench = new FaultBench();
    const request = {
      address: FIRST * PAGE_SIZE,
      length: 2 * PAGE_SIZE,
      protection: RW,
      sharing: 'shared',
      backing: { kind: 'anon' },
      fixed: true,
    } as const;
    bench.vm.kernel.call(bench.a.thread, sysMmap(bench.vm, bench.a, request, { nosync: true }));
    bench.read(FIRST);
    bench.write(FIRST + 1, 1);
    expect([bench.count('F58'), nosync(bench)]).toEqual([2, [true, true]]);
  });

  it('leaves a page alone that is dirty already, and goes when the advice is taken back', () => {
    const bench = new FaultBench();
    bench.mapFile(2, { sharing: 'shared' });
    const advise = (advice: 'nosync' | 'autosync') =>
      bench.vm.kernel.call(bench.a.thread, sysMadvise(bench.vm, bench.a, FIRST * PAGE_SIZE, 2 * PAGE_SIZE, advice));
    const forget = () => bench.vm.pmap.remove(bench.a.map.pmap, FIRST, FIRST + 2);
    bench.write(FIRST, 1);
    advise('nosync');
    forget();
    bench.write(FIRST, 2);
    bench.write(FIRST + 1, 2);
    expect(nosync(bench)).toEqual([false, true]);
    advise('autosync');
    forget();
    bench.write(FIRST + 1, 3);
    expect(nosync(bench)).toEqual([false, false]);
    expect(bench.taken).toContain('F59');
  });
});

describe('a store', () => {
  it('makes the page dirty and gives up its copy on swap', () => {
    const bench = new FaultBench({ memoryPages: 64, swapPages: 64 });
    bench.map(FIRST, 8);
    for (let page = 0; page < 8; page++) bench.write(FIRST + page, page + 1);
    bench.system.pageout(64);
    const swap = bench.object(FIRST).swap;
    expect(swap?.has(3)).toBe(true);
    // A load keeps it, though the translation allows storing: only a fault for a store knows.
    expect(bench.read(FIRST + 2)).toBe(3);
    bench.write(FIRST + 3, 5);
    expect([swap?.has(2), swap?.has(3)]).toEqual([true, false]);
    const page = bench.page(bench.object(FIRST), 3);
    expect([bench.vm.pages.dirty[page], bench.vm.pages.queues.queue[page]]).toEqual([0xff, PQ_ACTIVE]);
    bench.system.check();
  });

  it('is not assumed where the mapping is only read', () => {
    const bench = new FaultBench();
    bench.mapFile(2, { protection: PROT_READ, sharing: 'shared' });
    bench.read(FIRST);
    expect(bench.taken).not.toContain('F57');
  });
});
