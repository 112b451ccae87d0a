/** The same programs on all four systems at once: what they answer differently, `differences.ts` foresees. */
import { describe, expect, it } from 'vitest';
import { DIRECTED, directedProgram } from './differences/directed.js';
import { type BySystem, complaint, type Foreseen, type Row, rowsOf } from './differences/row.js';
import { ROW_NAMES } from './differences.js';
import { compareMany, compareSystems, explain } from './differential.js';

const SEED = 19940601;
const OPERATIONS = 2500;

const needed = new Map<string, number>();
const count = (rows: ReadonlyMap<string, number>): void => {
  for (const [row, times] of rows) needed.set(row, (needed.get(row) ?? 0) + times);
};

describe('answers differ just where a row says so', () => {
  it('in random programs', () => {
    const totals = compareMany({ operations: OPERATIONS, seed: SEED });
    expect(totals.failure === null ? '' : explain(totals.failure)).toBe('');
    expect(totals.compared).toBeGreaterThanOrEqual(OPERATIONS);
    count(totals.needed);
  }, 600_000);

  it.each(Object.entries(DIRECTED))('on the way to %s', (row, operations) => {
    const result = compareSystems(directedProgram(operations));
    expect([...result.needed.keys()]).toContain(row);
    count(result.needed);
  });

  it('and every row was needed', () => {
    expect(ROW_NAMES.filter((name) => !needed.has(name))).toEqual([]);
  });
});

describe('a row', () => {
  const rows = rowsOf([{ cell: 'a cell', why: 'so it is', when: () => true, answers: { csrg: 'EINVAL' } }], 'munmap');
  const said = (answer: string): Foreseen => ({ row: rows[0] as Row, answer });
  const foreseen: BySystem<Foreseen | null> = { csrg: said('EINVAL'), freebsd: null, dragonfly: null, netbsd: null };
  const answers = (csrg: string, freebsd = '0', dragonfly = '0', netbsd = '0') => ({
    csrg,
    freebsd,
    dragonfly,
    netbsd,
  });

  it('explains the difference that it names', () => {
    expect(complaint(foreseen, answers('EINVAL'))).toBeNull();
  });

  it('does not explain another errno, nor a difference between the other systems', () => {
    expect(complaint(foreseen, answers('ENOMEM'))).toContain('csrg answered ENOMEM, not EINVAL');
    expect(complaint(foreseen, answers('EINVAL', '0', '0', 'EINVAL'))).toContain('no row says so');
  });

  it('is wrong when the difference does not come', () => {
    expect(complaint(foreseen, answers('0'))).toContain('csrg answered 0, not EINVAL');
  });

  it('lets a system that no row names succeed, if it is alone', () => {
    const three = { ...foreseen, freebsd: said('EINVAL'), dragonfly: said('EINVAL') };
    expect(complaint(three, answers('EINVAL', 'EINVAL', 'EINVAL', '0'))).toBeNull();
    expect(complaint(three, answers('EINVAL', 'EINVAL', 'EINVAL', 'EFAULT'))).toContain('netbsd alone answered EFAULT');
  });
});
