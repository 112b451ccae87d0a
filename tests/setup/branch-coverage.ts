/**
 * Notes which branches of the handlers the tests take.
 *
 * With FAULTLINE_BRANCHES set to a folder, each test file leaves a JSON file there: ids of branches by system. `npm run branches`
 * puts them together. Without it nothing listens, as for any user.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BranchCoverage, coverage } from '@faultline/core';
import { afterAll } from 'vitest';

const folder = process.env.FAULTLINE_BRANCHES;

if (folder !== undefined && folder !== '') {
  const taken = new BranchCoverage();
  coverage.current = taken;
  afterAll(() => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `vitest-${randomUUID()}.json`), JSON.stringify(taken.toJSON()));
  });
}
