/**
 * swapoff: brings every page that is on swap back into memory, through vm_fault_object_page with no access wanted, dirtied and its block
 * freed. Blocks that come free meanwhile are not used again. What cannot be read or finds no memory stays, and swapoff fails.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_NONE } from '../vm/prot.js';
import { faultObjectPage } from './fault-page.js';
import { VM_FAULT_DIRTY, VM_FAULT_UNSWAP } from './fault-state.js';
import type { VmObject } from './object.js';
import { pageUnhold } from './page-alloc.js';
import { swapHas } from './pager-swap.js';
import type { Vm } from './vm.js';

/** Answers 0 when everything came in, 1 otherwise. */
export function* swapoffTask(vm: Vm, thread: Thread): Task<number> {
  vm.swapArea.closing = true;
  let left = 0;
  for (const object of [...vm.objects]) {
    if (object !== null) left += yield* bringIn(vm, thread, object);
  }
  return left === 0 ? 0 : 1;
}

/** Answers how many blocks of the object remain. */
function* bringIn(vm: Vm, thread: Thread, object: VmObject): Task<number> {
  if (object.swap === null) return 0;
  const indexes = [...object.swap.entries()].map(([pindex]) => pindex).sort((a, b) => a - b);
  for (const pindex of indexes) {
    if (!swapHas(object, pindex)) continue;
    const flags = VM_FAULT_DIRTY | VM_FAULT_UNSWAP;
    const answer = yield* faultObjectPage(vm, thread, null, object, pindex, PROT_NONE, flags);
    if (answer.page >= 0) pageUnhold(vm, answer.page);
  }
  return object.swap.count;
}
