/** The table itself: complete, in order, and speaking only of values that there are. */
import { describe, expect, it } from 'vitest';
import type { BranchRow } from '../kernel/branch.js';
import { BRANCHES, UNREACHABLE } from './branches.js';
import { GATHERED, VALUES } from './explain-values.js';

const rows = Object.entries(BRANCHES) as [string, BranchRow][];

describe('the branch table', () => {
  it('has F1 to F98, in their order', () => {
    expect(rows.map(([id]) => id)).toEqual(Array.from({ length: 98 }, (_, i) => `F${i + 1}`));
  });

  it('says of each when, what, where, and one sentence', () => {
    for (const [id, { when, effect, lines, say }] of rows) {
      expect([id, when.length > 4, effect.length > 2]).toEqual([id, true, true]);
      expect([id, lines]).toEqual([id, expect.stringMatching(/^\d+(-\d+)?(, \d+(-\d+)?)*$/)]);
      expect([id, say]).toEqual([id, expect.stringMatching(/^[A-Z{].{10,140}\.$/)]);
    }
  });

  it('leaves open only values that the explanation knows', () => {
    const known = new Set([...Object.keys(VALUES), ...Object.keys(GATHERED)]);
    const open = rows.flatMap(([id, { say }]) => [...say.matchAll(/\{([^}]*)\}/g)].map(([, name]) => ({ id, name })));
    expect(open.filter(({ name }) => !known.has(name as string))).toEqual([]);
    const used = new Set(open.map(({ name }) => name));
    expect([...known].filter((name) => !used.has(name))).toEqual([]);
  });

  it('excuses only rows that it has', () => {
    expect(Object.keys(UNREACHABLE).filter((id) => !(id in BRANCHES))).toEqual([]);
  });
});
