/** For tests: hearing which branches were taken, without deafening who listens already (the coverage of the whole run). */
import type { BranchId } from './branches.js';
import type { FaultListener } from './fault-state.js';

/** A listener that notes ids in `taken` and passes everything on. */
export function noting(taken: Set<BranchId>, other: FaultListener | null): FaultListener {
  return {
    branch: (id, f) => {
      taken.add(id);
      other?.branch(id, f);
    },
    stage: (name, f) => other?.stage(name, f),
  };
}
