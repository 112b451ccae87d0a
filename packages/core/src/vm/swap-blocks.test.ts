/** The swap area and the blocks of an object. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SWAPBLK_NONE, SwapArea, SwapBlocks } from './swap-blocks.js';

describe('the swap area', () => {
  it('gives the lowest place that holds the run within one group of 32', () => {
    const area = new SwapArea(100);
    expect(area.alloc(30)).toBe(0);
    expect(area.alloc(4)).toBe(32);
    expect(area.alloc(2)).toBe(30);
    expect(area.alloc(32)).toBe(64);
    expect(area.alloc(28)).toBe(36);
    expect(area.alloc(4)).toBe(96);
    expect(area.alloc(1)).toBe(SWAPBLK_NONE);
    expect(area.freeBlocks).toBe(0);
  });

  it('does not take back what is free', () => {
    const area = new SwapArea(8);
    expect(() => area.release(3)).toThrow('block 3 is freed twice');
  });

  it('neither loses nor gives twice', () => {
    const step = fc.oneof(fc.integer({ min: 1, max: 32 }), fc.constant(-1));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const area = new SwapArea(150);
        const taken: number[] = [];
        for (const count of steps) {
          if (count < 0) {
            const block = taken.shift();
            if (block !== undefined) area.release(block);
            continue;
          }
          const first = area.alloc(count);
          if (first === SWAPBLK_NONE) continue;
          expect(first >> 5).toBe((first + count - 1) >> 5);
          for (let i = 0; i < count; i++) taken.push(first + i);
        }
        expect(new Set(taken).size).toBe(taken.length);
        expect(area.freeBlocks).toBe(150 - taken.length);
        for (const block of taken) expect(area.isFree(block)).toBe(false);
      }),
    );
  });
});

describe('the blocks of an object', () => {
  it('free the old block of a page that gets a new one', () => {
    const area = new SwapArea(32);
    const blocks = new SwapBlocks(area);
    blocks.assign(7, area.alloc(1));
    blocks.assign(7, area.alloc(1));
    expect(blocks.get(7)).toBe(1);
    expect(area.freeBlocks).toBe(31);
  });

  it('free a range, few or many at a time', () => {
    const area = new SwapArea(64);
    const blocks = new SwapBlocks(area);
    for (let page = 0; page < 20; page++) blocks.assign(page * 2, area.alloc(1));
    blocks.freeRange(4, 4);
    expect(blocks.count).toBe(18);
    blocks.freeRange(0, 1_000_000_000);
    expect(blocks.count).toBe(0);
    expect(area.freeBlocks).toBe(64);
  });

  it('hand a block on without freeing it', () => {
    const area = new SwapArea(4);
    const [from, to] = [new SwapBlocks(area), new SwapBlocks(area)];
    from.assign(1, area.alloc(1));
    to.assign(9, from.pop(1));
    expect([from.has(1), to.get(9), area.freeBlocks]).toEqual([false, 0, 3]);
    to.freeAll();
    expect(area.freeBlocks).toBe(4);
  });
});
