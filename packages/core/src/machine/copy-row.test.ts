/** Fetching ahead of copies: only along a row, either way, more while it goes on, and never outside the memory. */
import { describe, expect, it } from 'vitest';
import { CopyRow } from './copy-row.js';
import { PAGE_SIZE } from './units.js';

const FRAMES = 64;
const bytes = new Uint8Array(FRAMES * PAGE_SIZE);

/** Frames fetched before each copy, as the row is told of them one after the other. */
function fetches(copies: readonly (readonly [from: number, to: number])[]): number[] {
  const row = new CopyRow();
  return copies.map(([from, to]) => row.prepare(bytes, from, to));
}

const run = (length: number, from: number, fromStep: number, to: number, toStep: number): [number, number][] =>
  Array.from({ length }, (_, i) => [from + i * fromStep, to + i * toStep]);

describe('copies', () => {
  it('in a row are fetched ahead, twice as many each time', () => {
    expect(fetches(run(8, 0, 1, 32, 1))).toEqual([0, 2, 0, 4, 0, 0, 0, 8]);
  });

  it('may go downwards on either side, which takes one more to be seen', () => {
    expect(fetches(run(6, 20, -1, 40, 1))).toEqual([0, 0, 2, 0, 4, 0]);
    expect(fetches(run(6, 20, 1, 40, -1))).toEqual([0, 0, 2, 0, 4, 0]);
    expect(fetches(run(6, 20, -1, 40, -1))).toEqual([0, 0, 2, 0, 4, 0]);
  });

  it('fetch sixteen at a time and no more', () => {
    const all = fetches(run(FRAMES, 0, 1, 0, 1));
    expect(all.filter((frames) => frames > 0)).toEqual([2, 4, 8, 16, 16, 16, 1]);
  });

  it('are not fetched from beyond the memory', () => {
    expect(fetches(run(5, 59, 1, 0, 1))).toEqual([0, 2, 0, 2, 0]);
    expect(fetches(run(6, 30, 1, 5, -1))).toEqual([0, 0, 2, 0, 2, 0]);
  });

  it('that jump are not', () => {
    expect(
      fetches([
        [0, 32],
        [2, 33],
        [4, 34],
        [4, 35],
        [9, 36],
        [3, 2],
        [50, 1],
      ]),
    ).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('begin small again after a jump', () => {
    const before = run(8, 0, 1, 32, 1);
    expect(fetches([...before, ...run(4, 50, 1, 10, 1)]).slice(before.length)).toEqual([0, 2, 0, 4]);
  });

  it('change nothing', () => {
    bytes.fill(3);
    fetches(run(20, 0, 1, 32, 1));
    expect(bytes.every((byte) => byte === 3)).toBe(true);
  });
});
