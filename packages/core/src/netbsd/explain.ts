/** Explaining a fault of NetBSD: the sentences of the branch table, window and layers included, and what changed. */
import type { FaultExplainer } from '../vm/explain.js';
import { BranchExplainer } from '../vm/explain.js';
import type { VmSystem } from '../vm/system.js';
import { BRANCHES } from './branches.js';
import { GATHERED, VALUES } from './explain-values.js';
import type { NetbsdProcess } from './process.js';
import type { NetbsdSystem } from './system.js';

/** Sentences may begin with a page or a slot; files keep their name as it is. */
function polish(sentence: string): string {
  return /^(page|slot|a) /.test(sentence) ? sentence.charAt(0).toUpperCase() + sentence.slice(1) : sentence;
}

/** Begins to listen to a NetBSD machine. The result is what `runScenario` takes as `observe`. */
export function explainNetbsd(system: VmSystem): FaultExplainer {
  return new BranchExplainer(system, (system as NetbsdSystem).vm, {
    branches: BRANCHES,
    values: VALUES,
    gathered: GATHERED,
    // Each round asks the protection first.
    begins: ['F48', 'F49'],
    pmapOf: (process) => (process as NetbsdProcess).map.pmap,
    polish,
  });
}
