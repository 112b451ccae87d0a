/**
 * Explaining a fault of FreeBSD: below the sentences of the branch table, what became of objects and pages.
 *
 *     fault A w 0x10000 KERN_SUCCESS minor
 *         stages    faultStart, lookup, search default object #1, found, finish, account
 *         F4        0x10000 lies in 0x10000-0x14000 rw-, which shows page 0 of default object #1 ...
 *         F24       page 0 of default object #1 is not resident; ...
 *         pages     page 0 of default object #1: zero-filled, active, dirty
 *         mappings  0x10000-0x11000 rw- added
 *         counters  v_vm_faults +1, v_zfod +1
 *         time      912 ns
 */
import type { Explained, FaultExplainer } from '../vm/explain.js';
import { BranchExplainer } from '../vm/explain.js';
import type { VmSystem } from '../vm/system.js';
import { BRANCHES } from './branches.js';
import { PageChanges } from './explain-pages.js';
import { GATHERED, indexName, objectName, VALUES } from './explain-values.js';
import type { Fault } from './fault-state.js';
import type { FreebsdProcess } from './process.js';
import type { FreebsdSystem } from './system.js';

function stageText(name: string, f: Fault): string {
  if (name === 'search') return `${name} ${objectName(f.object)}`;
  if (name === 'pagein') return `${name} ${indexName(f.pindex, f.pindex)} of ${objectName(f.object)}`;
  return name;
}

/** Remembers how frames get their contents, which a comparison cannot see. */
function noteContents(pages: PageChanges, id: string, f: Fault): void {
  switch (id) {
    case 'F35':
      for (let i = 0; i < f.faultcount; i++) pages.note(f.marray[i] as number, 'read in');
      break;
    case 'F43':
      pages.note(f.m, 'zero-filled');
      break;
    case 'F44':
      pages.note(f.m, 'zero-filled ahead of time');
      break;
    case 'F48':
      pages.note(f.firstM, `copied from ${indexName(f.pindex, f.pindex)} of ${objectName(f.object)}`);
      break;
  }
}

/** Sentences may begin with a page or an object; files keep their name as it is. */
function polish(sentence: string): string {
  return /^(page|default|swap|phys)s? /.test(sentence)
    ? sentence.charAt(0).toUpperCase() + sentence.slice(1)
    : sentence;
}

/** Begins to listen to a FreeBSD machine. The result is what `runScenario` takes as `observe`. */
export function explainFreebsd(system: VmSystem): FaultExplainer {
  const { vm } = system as FreebsdSystem;
  const pages = new PageChanges(vm);
  const room: Explained<Fault> = {
    branches: BRANCHES,
    values: VALUES,
    gathered: GATHERED,
    begins: ['F4'],
    stageText,
    pmapOf: (process) => (process as FreebsdProcess).map.pmap,
    before: () => pages.take(),
    taken: (id, f) => noteContents(pages, id, f),
    changes: () => [
      ['objects', pages.objectLines()],
      ['pages', pages.lines()],
    ],
    polish,
  };
  return new BranchExplainer(system, vm, room);
}
