/** Every branch has a full row, lines, a plain sentence; every reachable one is taken by some script or by a test of this room. */
import { describe, expect, it } from 'vitest';
import { BRANCHES, UNREACHABLE } from './branches.js';

describe('the table of branches', () => {
  const rows = Object.entries(BRANCHES);

  it('says of each when, what, where, and one plain sentence', () => {
    const poor = rows.filter(([, row]) => !row.when || !row.effect || !/^\d/.test(row.lines) || !/[.?]$/.test(row.say));
    expect(poor).toEqual([]);
  });

  it('has all that the handler can do', () => {
    expect(rows).toHaveLength(119);
  });

  it('gives a reason for what cannot be reached', () => {
    expect(Object.values(UNREACHABLE).filter((reason) => (reason ?? '').length < 5)).toEqual([]);
  });
});
