/**
 * Which branches of the handlers the cases take, for `npm run branches`: with FAULTLINE_BRANCHES set to a folder, a JSON file there with
 * the ids by system.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BranchCoverage, coverage } from '@faultline/core';

/** Begins to listen, for systems booted from now on. Answers what to call at the end, or null when nobody asked. */
export function noteBranches(folder: string | undefined): (() => void) | null {
  if (folder === undefined || folder === '') return null;
  const taken = new BranchCoverage();
  coverage.current = taken;
  return () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `conformance-${process.pid}.json`), JSON.stringify(taken.toJSON()));
  };
}
