/** The checklist as tests: one for each check and each system to which it applies, named by the check's id. */
import { SYSTEM_NAMES } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { CHECKS, COUNTS, runCheck, systemsOf } from './all.js';
import { ROWS, runRow } from './table.js';
import { World } from './world.js';

describe('the register', () => {
  it('has every check of the checklist once, with a sentence', () => {
    const counted: Record<string, number> = {};
    for (const { id, title } of CHECKS) {
      counted[id.charAt(0)] = (counted[id.charAt(0)] ?? 0) + 1;
      expect(title.length, id).toBeGreaterThan(5);
    }
    expect(counted).toEqual(COUNTS);
  });

  it('gives a reason for each system that a check leaves out', () => {
    for (const { id, not } of CHECKS) {
      for (const reason of Object.values(not)) expect(reason.length, id).toBeGreaterThan(15);
    }
  });
});

describe.each(SYSTEM_NAMES)('%s', (system) => {
  for (const one of CHECKS.filter((each) => systemsOf(each).includes(system))) {
    it(`${one.id} ${system}: ${one.title}`, () => runCheck(one, system));
  }

  it.each(ROWS)('table: %s', async (row) => {
    const w = new World(system);
    runRow(row, w);
    await w.finish();
  });
});
