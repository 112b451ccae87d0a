/** Clock, cost table and disk: time passes as the table says, and the table is checked. */
import { describe, expect, it } from 'vitest';
import { SimClock } from './clock.js';
import { COST_NAMES, type Costs, DEFAULT_COSTS, makeCosts } from './costs.js';
import { Disk } from './disk.js';

describe('SimClock', () => {
  it('starts at 0 and moves only when told', () => {
    const clock = new SimClock();
    expect(clock.ns).toBe(0);
    clock.advance(1.5);
    clock.advance(2);
    expect(clock.ns).toBe(3.5);
    clock.reset();
    expect(clock.ns).toBe(0);
  });

  it('goes forward to a moment, never back', () => {
    const clock = new SimClock();
    clock.advanceTo(100);
    clock.advanceTo(50);
    expect(clock.ns).toBe(100);
  });
});

describe('makeCosts', () => {
  it('gives the defaults, frozen', () => {
    expect(makeCosts()).toEqual(DEFAULT_COSTS);
    expect(Object.isFrozen(makeCosts())).toBe(true);
    expect(COST_NAMES.every((name) => DEFAULT_COSTS[name] > 0)).toBe(true);
  });

  it('changes what it is asked to, 0 included', () => {
    const costs = makeCosts({ diskSeek: 0, trap: 1 });
    expect([costs.diskSeek, costs.trap, costs.zeroPage]).toEqual([0, 1, DEFAULT_COSTS.zeroPage]);
  });

  it('leaves alone what is given as undefined', () => {
    expect(makeCosts({ trap: undefined } as unknown as Partial<Costs>)).toEqual(DEFAULT_COSTS);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number])('refuses a trap of %s', (wrong) => {
    expect(() => makeCosts({ trap: wrong })).toThrow(`cost 'trap' must be a finite number, 0 or more, not ${wrong}`);
  });

  it('refuses a bandwidth of 0 and a name it does not know', () => {
    expect(() => makeCosts({ diskBytesPerSecond: 0 })).toThrow('it is a bandwidth');
    expect(() => makeCosts({ zeropage: 1 } as Partial<Costs>)).toThrow("costs has no 'zeropage'");
    expect(() => makeCosts({ toString: 1 } as unknown as Partial<Costs>)).toThrow("costs has no 'toString'");
  });
});

describe('Disk', () => {
  const clock = new SimClock();
  const costs = makeCosts({ diskSeek: 1000, diskRotation: 500, diskBytesPerSecond: 4096e9 / 10 });
  const newDisk = (): Disk => {
    clock.reset();
    return new Disk(clock, costs);
  };

  it('seeks first, then goes on where it stopped', () => {
    const disk = newDisk();
    expect(disk.read(7, 2)).toBe(1520);
    expect(disk.write(9, 1)).toBe(10);
    expect(clock.ns).toBe(1530);
    expect(disk.counts).toEqual({ reads: 1, writes: 1, seeks: 1, pagesRead: 2, pagesWritten: 1, busyNs: 1530 });
  });

  it('seeks for the page it has just passed, and at its very first page', () => {
    const disk = newDisk();
    disk.read(0, 1);
    disk.read(0, 1);
    expect(disk.counts.seeks).toBe(2);
  });

  it('makes a cluster cheaper than its pages', () => {
    const disk = newDisk();
    const cluster = disk.read(100, 16);
    const alone = Array.from({ length: 16 }, (_, i) => disk.read(200 + 2 * i, 1)).reduce((a, b) => a + b);
    expect(alone / cluster).toBeGreaterThan(14);
  });

  it.each<[number, number, string]>([
    [-1, 1, 'disk page must be a whole number, 0 or more, not -1'],
    [0.5, 1, 'disk page must be'],
    [0, 0, 'a disk transfer has 1 page or more, not 0'],
    [0, 1.5, 'a disk transfer has 1 page or more'],
  ])('refuses %d pages from %d', (page, pages, message) => {
    const disk = newDisk();
    expect(() => disk.read(page, pages)).toThrow(message);
    expect(() => disk.write(page, pages)).toThrow(RangeError);
    expect(clock.ns).toBe(0);
  });
});
