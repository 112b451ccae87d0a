/** Wiring, unwiring, the copy of a wired range at fork, and vm_fault_quick. */
import { describe, expect, it } from 'vitest';
import { KernelHang, KernelPanic } from '../kernel/errors.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { PROT_READ } from '../vm/prot.js';
import { faultQuick } from './fault-wire.js';
import { RW } from './testing.js';
import { FaultBench, FIRST } from './testing-faults.js';

type Defects = 'as-seeded' | 'mended';

const start = FIRST * PAGE_SIZE;
const wiredPages = (bench: FaultBench): number => bench.vm.wiredPages;

/** Two wired pages of a private file mapping, of which only the first has been written. */
function wiredFile(defects: Defects): FaultBench {
  const bench = new FaultBench({ defects });
  bench.mapFile(2);
  bench.write(FIRST, 50);
  bench.system.protect(bench.a, start, 2 * PAGE_SIZE, PROT_READ);
  expect(bench.system.wire(bench.a, start, 2 * PAGE_SIZE)).toBe(0);
  bench.listen();
  return bench;
}

describe('unwiring', () => {
  it('clears the mark of each translation and unwires the page', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 3);
    bench.system.wire(bench.a, start, 3 * PAGE_SIZE);
    expect([wiredPages(bench), bench.system.translations(bench.a)[0]?.wired]).toEqual([3, true]);
    bench.listen();
    bench.system.unwire(bench.a, start, 3 * PAGE_SIZE);
    expect([bench.count('F82'), bench.count('F83')]).toEqual([3, 3]);
    expect([wiredPages(bench), bench.system.translations(bench.a)[0]?.wired]).toEqual([0, false]);
    bench.system.check();
  });

  it('as seeded leaves a page wired for ever whose translation has gone; mended finds it (O7)', () => {
    for (const defects of ['as-seeded', 'mended'] as const) {
      const bench = new FaultBench({ defects });
      bench.map(FIRST, 2);
      bench.system.wire(bench.a, start, 2 * PAGE_SIZE);
      bench.system.protect(bench.a, start, PAGE_SIZE, 0);
      bench.system.unwire(bench.a, start, 2 * PAGE_SIZE);
      expect(bench.count('F84')).toBe(1);
      expect(wiredPages(bench)).toBe(defects === 'mended' ? 0 : 1);
    }
  });
});

describe('the fork of a wired range', () => {
  it('copies every page at once and leaves the parent as it is', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 3);
    for (let page = 0; page < 3; page++) bench.write(FIRST + page, page + 1);
    bench.system.wire(bench.a, start, 3 * PAGE_SIZE);
    const child = bench.child();
    bench.listen();
    bench.write(FIRST + 1, 90);
    expect(bench.taken).toEqual([]);
    expect([0, 1, 2].map((page) => bench.read(FIRST + page, child))).toEqual([1, 2, 3]);
    expect(bench.chain(FIRST, child)).toEqual(['default/0,1,2']);
    bench.system.check();
  });

  it('finds the pages of a read-only range further down', () => {
    const bench = wiredFile('as-seeded');
    const child = bench.child();
    expect(bench.count('F86')).toBe(1);
    expect([bench.read(FIRST, child), bench.read(FIRST + 1, child)]).toEqual([50, 2]);
    expect(bench.chain(FIRST, child)).toEqual(['default/0,1']);
    bench.system.check();
  });

  it('as seeded panics when the range has become writable since; mended looks further down (O6)', () => {
    const seeded = wiredFile('as-seeded');
    seeded.system.protect(seeded.a, start, 2 * PAGE_SIZE, RW);
    expect(() => seeded.child()).toThrow(new KernelPanic('vm_fault_copy_wired: page missing'));
    expect(seeded.taken.at(-1)).toBe('F87');

    const mended = wiredFile('mended');
    mended.system.protect(mended.a, start, 2 * PAGE_SIZE, RW);
    const child = mended.child();
    expect([mended.read(FIRST, child), mended.read(FIRST + 1, child)]).toEqual([50, 2]);
    mended.system.check();
  });

  it('as seeded gives the child what the entry might ever allow; mended what it allows (O5)', () => {
    for (const defects of ['as-seeded', 'mended'] as const) {
      const bench = wiredFile(defects);
      const child = bench.child();
      expect(bench.mapped(FIRST, child)).toBe(defects === 'mended' ? 'r--' : 'rwx');
      expect(bench.system.translate(child, FIRST, ACCESS_WRITE) >= 0).toBe(defects === 'as-seeded');
      bench.system.check();
    }
  });

  it('waits for memory', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 2);
    bench.write(FIRST, 4);
    bench.system.wire(bench.a, start, 2 * PAGE_SIZE);
    let refusals = 2;
    bench.vm.allocationFails = (kind) => kind === 'frame' && refusals-- > 0;
    const child = bench.child();
    expect([bench.count('F85'), bench.vm.counters.v_pdwakeups]).toEqual([2, 2]);
    expect(bench.read(FIRST, child)).toBe(4);
    bench.system.check();
  });

  it('hangs when nobody can free any', () => {
    const bench = new FaultBench({ memoryPages: 96 });
    bench.map(FIRST, 30);
    for (let page = 0; page < 30; page++) bench.write(FIRST + page, 1);
    expect(bench.system.wire(bench.a, start, 30 * PAGE_SIZE)).toBe(0);
    bench.map(200, 60);
    for (let page = 0; page < 24; page++) bench.fault(200 + page, ACCESS_WRITE);
    expect(() => bench.child()).toThrow(KernelHang);
    expect(bench.taken).toContain('F85');
  });
});

describe('vm_fault_quick', () => {
  /** fubyte and subyte by way of the faults that any access takes. */
  const user = (bench: FaultBench) => ({
    fubyte: (address: number): number => {
      try {
        return bench.touch(address / PAGE_SIZE, ACCESS_READ)[0] as number;
      } catch {
        return -1;
      }
    },
    subyte: (address: number, value: number): number => {
      try {
        bench.touch(address / PAGE_SIZE, ACCESS_WRITE)[0] = value;
        return 0;
      } catch {
        return -1;
      }
    },
  });

  it('brings a page in for reading, or for writing without changing it', () => {
    const bench = new FaultBench();
    bench.mapFile(4, { sharing: 'shared' });
    expect(faultQuick(bench.vm, user(bench), start, PROT_READ)).toBe(1);
    expect(bench.taken[0]).toBe('F79');
    expect(faultQuick(bench.vm, user(bench), start + PAGE_SIZE, RW)).toBe(0);
    expect([bench.read(FIRST + 1), bench.mapped(FIRST + 1)]).toEqual([2, 'rw-']);
  });

  it('answers -1 where there is nothing, or no permission', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1, { kind: 'anon' }, 'private', PROT_READ);
    expect(faultQuick(bench.vm, user(bench), start, RW)).toBe(-1);
    expect(faultQuick(bench.vm, user(bench), start + PAGE_SIZE, PROT_READ)).toBe(-1);
    expect(faultQuick(bench.vm, user(bench), start + PAGE_SIZE, RW)).toBe(-1);
  });
});
