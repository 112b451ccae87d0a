/** The sentences of branches, with the values of the moment: what explanations and stories of races are made of. */
import type { FaultExplainer } from '../vm/explain.js';
import { BranchExplainer, fillSentence } from '../vm/explain.js';
import { addressName } from '../vm/explain-words.js';
import { protName } from '../vm/prot.js';
import type { VmSystem } from '../vm/system.js';
import type { BranchId } from './branches.js';
import { BRANCHES } from './branches.js';
import type { Fault } from './fault-state.js';
import { kernName } from './kern.js';
import type { CsrgProcess } from './process.js';
import type { CsrgSystem } from './system.js';

/** What a name in braces stands for. */
const VALUES: Readonly<Record<string, (f: Fault) => string>> = {
  address: (f) => addressName(f.vaddr),
  type: (f) => protName(f.faultType),
  allowed: (f) => protName(f.prot),
  code: (f) => kernName(f.result),
  page: (f) => String(f.m),
  copyPage: (f) => String(f.copyM),
  offset: (f) => String(f.offset),
  object: (f) => String(f.object.id),
  firstOffset: (f) => String(f.firstOffset),
  firstObject: (f) => String(f.firstObject.id),
};

/** The sentence of a branch that the fault takes just now. */
export function sayBranch(id: BranchId, f: Fault): string {
  return fillSentence(BRANCHES[id].say, VALUES, f);
}

/** Begins to listen to a csrg machine. The result is what `runScenario` takes as `observe`. */
export function explainCsrg(system: VmSystem): FaultExplainer {
  return new BranchExplainer(system, (system as CsrgSystem).vm, {
    branches: BRANCHES,
    values: VALUES,
    begins: [],
    pmapOf: (process) => (process as CsrgProcess).pmap,
  });
}
