/** Every branch of the table is taken by this room's tests and the conformance scripts, or stands among the unreachable with its reason. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ANON, map, SteppedFault, script } from '../../../../tests/csrg-tools.js';
import { BranchCoverage, coverage } from '../kernel/branch.js';
import { BRANCHES, UNREACHABLE } from './branches.js';
import './copies.test.js';
import './defects.test.js';
import { sayBranch } from './explain.js';
import { bootCsrg } from './system.js';
import './threads.test.js';

const CASES = new URL('../../../../conformance/csrg/', import.meta.url);

beforeAll(() => {
  coverage.current = new BranchCoverage();
});

afterAll(() => {
  coverage.current = null;
});

describe('the table', () => {
  test('has a sentence for each branch, and its lines', () => {
    for (const [id, row] of Object.entries(BRANCHES)) {
      expect(row.say.length, id).toBeGreaterThan(4);
      expect(row.when.length, id).toBeGreaterThan(3);
      expect(row.effect.length, id).toBeGreaterThan(4);
      expect(row.lines, id).toMatch(/^\d+(-\d+)?(, \d+)?$/);
    }
  });

  test('is filled in from the record of a fault', () => {
    const system = bootCsrg({ memoryPages: 16 });
    const said: string[] = [];
    system.vm.listener = { branch: (id, f) => said.push(sayBranch(id, f)), stage: () => {} };
    const a = system.spawn('A');
    map(system, a, 16, 1, ANON);
    system.fault(a, 16, 1);
    expect(said[0]).toBe('A fault at 0x10000: counted once, whatever comes.');
    expect(said).toContain('The page has never been used: it is filled with zeros.');
    expect(said.join(' ')).not.toMatch(/[{}]/);
  });
});

test('every branch is taken, or has a reason not to be', () => {
  for (const name of readdirSync(CASES).filter((file) => file.endsWith('.scn'))) {
    script(readFileSync(new URL(name, CASES), 'utf8'));
  }
  const system = bootCsrg({ memoryPages: 16 });
  const a = system.spawn('A');
  map(system, a, 16, 1);
  new SteppedFault(system, a, 16, false, true).run();
  const taken = new Set(coverage.current?.toJSON().csrg ?? []);
  const missing = Object.keys(BRANCHES).filter((id) => !taken.has(id) && !(id in UNREACHABLE));
  expect(missing).toEqual([]);
  expect(Object.keys(UNREACHABLE).filter((id) => taken.has(id))).toEqual([]);
});
