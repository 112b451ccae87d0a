/** uvm_loanbreak: an object takes a lent page back, by putting a copy in its place. */
import {
  PG_BUSY,
  PG_CLEAN,
  PG_FAKE,
  PG_WANTED,
  pageActivate,
  pageAlloc,
  pageCopy,
  pageHas,
  pageReplace,
  wakePage,
} from './page.js';
import type { Vm } from './vm.js';

/**
 * Answers the new page, busy, or -1 without memory. The old one keeps its borrowers: an anon that has it stays on it, and must from now on
 * take it for dirty, since nothing backs it any more (oddity 22; as seeded it keeps its CLEAN flag).
 */
export function loanBreak(vm: Vm, old: number): number {
  const fresh = pageAlloc(vm, null, 0, null, false);
  if (fresh < 0) return -1;
  vm.counters.loan_break++;
  pageCopy(vm, old, fresh);
  vm.pages.flags[fresh] &= ~PG_FAKE;
  vm.pmap.removePage(old);
  if (pageHas(vm, old, PG_CLEAN) && !vm.pmap.clearModify(old)) {
    vm.pmap.clearModify(fresh);
    vm.pages.flags[fresh] |= PG_CLEAN;
  }
  wakePage(vm, old);
  vm.pages.flags[old] &= ~(PG_WANTED | PG_BUSY);
  pageReplace(vm, old, fresh);
  if (vm.pages.anon[old] === 0) vm.pages.queues.remove(old);
  else if (!vm.deadly) vm.pages.flags[old] &= ~PG_CLEAN;
  pageActivate(vm, fresh);
  return fresh;
}
