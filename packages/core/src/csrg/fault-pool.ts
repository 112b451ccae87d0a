/** Fault records, reused: there are as many as threads sleep inside a fault at once. */
import type { BranchId } from './branches.js';
import { Fault } from './fault-state.js';
import type { Vm } from './vm.js';

/** A fresh record. */
export function beginFault(vm: Vm): Fault {
  const f = vm.freeFaults.take() ?? new Fault(vm);
  f.listener = vm.listener;
  f.changeWiring = false;
  f.lookupStillValid = false;
  f.firstM = -1;
  f.m = -1;
  f.fruitlessWaits = 0;
  f.refusals = 0;
  f.result = 0;
  f.pageins = 0;
  return f;
}

/** The record is done. */
export function endFault(f: Fault): void {
  f.vm.freeFaults.give(f);
}

/** Marks a branch of the routines around the handler, which have no record of their own. */
export function mark(vm: Vm, id: BranchId): void {
  if (vm.listener === null) return;
  const f = beginFault(vm);
  vm.listener.branch(id, f);
  endFault(f);
}
