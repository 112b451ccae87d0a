import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { script } from '../../../../tests/csrg-tools.js';
import { BranchCoverage, coverage } from '../kernel/branch.js';
import { BRANCHES, UNREACHABLE } from './branches.js';

const CASES = new URL('../../../../conformance/csrg/', import.meta.url);
beforeAll(() => {
  coverage.current = new BranchCoverage();
});
afterAll(() => {
  coverage.current = null;
});
test('cov', () => {
  for (const folder of ['', 'random/'])
    for (const name of readdirSync(new URL(folder, CASES)))
      if (name.endsWith('.scn')) script(readFileSync(new URL(folder + name, CASES), 'utf8'));
  const taken = new Set(coverage.current?.toJSON().csrg ?? []);
  console.log(
    Object.keys(BRANCHES)
      .filter((id) => !taken.has(id) && !(id in UNREACHABLE))
      .join(' '),
  );
});
