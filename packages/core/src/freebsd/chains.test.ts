/** Shadow chains: fork, copy-on-write both ways, the move upwards, collapse, bypass, split, and what is left at the end. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../machine/units.js';
import { queueCounts } from './page-alloc.js';
import type { FreebsdProcess } from './process.js';
import { Bench } from './testing.js';

function fork(bench: Bench, parent: FreebsdProcess, name: string): FreebsdProcess {
  const child = bench.system.fork(parent, name);
  if (typeof child === 'string') throw new Error(child);
  return child;
}

describe('copy-on-write', () => {
  it('keeps parent and child apart whoever writes first', () => {
    for (const first of ['parent', 'child']) {
      const bench = new Bench();
      bench.map(16, 4);
      for (let page = 16; page < 20; page++) bench.write(page, page);
      const child = fork(bench, bench.a, 'B');
      const [writer, reader] = first === 'parent' ? [bench.a, child] : [child, bench.a];
      bench.write(17, 100, writer);
      expect([bench.read(17, writer), bench.read(17, reader)]).toEqual([100, 17]);
      bench.write(17, 101, reader);
      expect([bench.read(17, writer), bench.read(17, reader)]).toEqual([100, 101]);
      bench.system.check();
    }
  });

  it('moves the page up instead of copying it when nobody else can see it any more', () => {
    const bench = new Bench();
    bench.map(16, 2);
    bench.write(16, 1);
    bench.write(17, 2);
    const child = fork(bench, bench.a, 'B');
    // Both get shadows; then the child writes every page, is hung past the old object, and only the parent shadows that.
    bench.write(16, 3, bench.a);
    bench.write(16, 4, child);
    bench.write(17, 5, child);
    const grandchild = fork(bench, child, 'C');
    bench.system.exit(grandchild);
    bench.write(17, 6, bench.a);
    expect([bench.read(16), bench.read(17)]).toEqual([3, 6]);
    expect([bench.read(16, child), bench.read(17, child)]).toEqual([4, 5]);
    expect(bench.system.counters().v_cow_optim).toBeGreaterThan(0);
    bench.system.check();
  });

  it('keeps every generation of a chain of forks, and chains short once they have gone', () => {
    const bench = new Bench();
    bench.map(16, 8);
    for (let page = 16; page < 24; page++) bench.write(page, 1);
    const line = [bench.a];
    for (let n = 1; n <= 10; n++) {
      const next = fork(bench, line[n - 1] as FreebsdProcess, `P${n}`);
      line.push(next);
      bench.write(16 + (n % 8), 10 + n, next);
      bench.write(16 + ((n + 3) % 8), 50 + n, line[n - 1]);
      bench.system.check();
    }
    const images = line.map((p) => Array.from({ length: 8 }, (_, i) => bench.read(16 + i, p)));
    for (const n of [5, 2, 9, 0, 7, 1, 3, 8, 4]) {
      bench.system.exit(line[n] as FreebsdProcess);
      bench.system.check();
      line.forEach((p, i) => {
        if (p.alive) expect(Array.from({ length: 8 }, (_, k) => bench.read(16 + k, p))).toEqual(images[i]);
      });
    }
    bench.write(20, 9, line[10]);
    const child = fork(bench, line[10] as FreebsdProcess, 'last');
    expect(bench.chain(16, child).length).toBeLessThanOrEqual(3);
  });

  it('leaves nothing behind when the last process goes', () => {
    const bench = new Bench({ swapPages: 64 });
    bench.map(16, 40);
    for (let page = 16; page < 56; page++) bench.write(page, 1);
    const child = fork(bench, bench.a, 'B');
    bench.write(20, 2, child);
    bench.system.pageout(30);
    bench.system.exit(bench.a);
    bench.system.check();
    bench.system.exit(child);
    bench.system.check();
    expect(queueCounts(bench.vm)).toEqual({ free: 256, cache: 0, inactive: 0, active: 0 });
    expect(bench.vm.swapArea.freeBlocks).toBe(64);
    expect(bench.vm.objects.every((object) => object === null)).toBe(true);
  });
});

describe('one object behind several entries', () => {
  it('is split at fork, so that the copies are small', () => {
    const bench = new Bench();
    bench.map(16, 8);
    for (let page = 16; page < 24; page++) bench.write(page, page);
    bench.system.protect(bench.a, 18 * PAGE_SIZE, PAGE_SIZE, 1);
    expect(bench.chain(16)).toEqual(['default/0,1,2,3,4,5,6,7']);
    const child = fork(bench, bench.a, 'B');
    expect(bench.chain(16)).toEqual(['default/0,1']);
    expect(bench.chain(18)).toEqual(['default/0']);
    expect(bench.read(21, child)).toBe(21);
    bench.system.check();
  });

  it('loses the part that nobody maps any more', () => {
    const bench = new Bench();
    bench.map(16, 8);
    for (let page = 16; page < 24; page++) bench.write(page, page);
    bench.system.unmap(bench.a, 20 * PAGE_SIZE, 2 * PAGE_SIZE);
    expect(bench.chain(16)).toEqual(['default/0,1,2,3,6,7']);
    bench.system.unmap(bench.a, 22 * PAGE_SIZE, 2 * PAGE_SIZE);
    expect(bench.chain(16)).toEqual(['default/0,1,2,3']);
    bench.system.check();
  });
});

describe('swap', () => {
  it('brings every byte back, in the parent and in the child', () => {
    const bench = new Bench({ memoryPages: 128, swapPages: 512 });
    bench.map(16, 200);
    for (let page = 16; page < 216; page++) bench.write(page, page & 0xff);
    const child = fork(bench, bench.a, 'B');
    for (let page = 16; page < 216; page += 3) bench.write(page, 255 - (page & 0xff), child);
    for (let page = 16; page < 216; page++) {
      expect(bench.read(page)).toBe(page & 0xff);
      expect(bench.read(page, child)).toBe((page - 16) % 3 === 0 ? 255 - (page & 0xff) : page & 0xff);
    }
    const { v_swapin, v_swapout, v_swappgsout } = bench.system.statistics();
    expect(v_swapin).toBeGreaterThan(0);
    expect(v_swappgsout).toBeGreaterThan(v_swapout as number);
    bench.system.check();
  });

  it('that is full makes an access fail, and works again when there is room', () => {
    const bench = new Bench({ memoryPages: 64, swapPages: 16 });
    bench.map(16, 100);
    let written = 0;
    expect(() => {
      for (let page = 16; page < 116; page++, written++) bench.write(page, 1);
    }).toThrow('KERN_RESOURCE_SHORTAGE');
    bench.system.check();
    bench.system.unmap(bench.a, 16 * PAGE_SIZE, 20 * PAGE_SIZE);
    bench.write(16 + written, 2);
    expect(bench.read(16 + written)).toBe(2);
    bench.system.check();
  });
});
