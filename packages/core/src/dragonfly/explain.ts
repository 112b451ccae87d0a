/** Explaining a fault of DragonFly: the sentences of the branch tables with the values of the moment, and what changed. */
import type { FaultExplainer } from '../vm/explain.js';
import { BranchExplainer } from '../vm/explain.js';
import { addressName } from '../vm/explain-words.js';
import { protName } from '../vm/prot.js';
import type { VmSystem } from '../vm/system.js';
import { BRANCHES } from './branches.js';
import type { Fault } from './fault-state.js';
import { kernName } from './kern.js';
import type { DragonflyProcess } from './process.js';
import type { DragonflySystem } from './system.js';

/** What a name in braces stands for. */
const VALUES: Readonly<Record<string, (f: Fault) => string>> = {
  address: (f) => addressName(f.vaddr),
  type: (f) => protName(f.faultType),
  allowed: (f) => protName(f.prot),
  code: (f) => kernName(f.result),
  page: (f) => String(f.m),
  pindex: (f) => String(f.pindex),
  object: (f) => String(f.object.id),
  firstPindex: (f) => String(f.firstPindex),
  firstObject: (f) => String(f.firstObject.id),
};

/** Begins to listen to a DragonFly machine. The result is what `runScenario` takes as `observe`. */
export function explainDragonfly(system: VmSystem): FaultExplainer {
  return new BranchExplainer(system, (system as DragonflySystem).vm, {
    branches: BRANCHES,
    values: VALUES,
    // F10 comes once a fault; each attempt sets out again after one of these.
    begins: ['F10', 'F20', 'F22'],
    pmapOf: (process) => (process as DragonflyProcess).map.pmap,
  });
}
