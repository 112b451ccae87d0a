/** How a system reports its branches to the account of the test run (`kernel/branch.ts`). */
import { coverage } from '../kernel/branch.js';

/** What a newly started system hangs in as its listener; null when nobody asks for an account. */
export function coverageListener(system: string): { branch(id: string): void; stage(): void } | null {
  const { current } = coverage;
  if (current === null) return null;
  return { branch: (id) => current.note(system, id), stage: () => {} };
}
