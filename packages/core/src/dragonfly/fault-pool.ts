/** Fault records, reused: faults nest only as deep as threads sleep inside them. */
import { Fault } from './fault-state.js';
import type { Vm } from './vm.js';

/** A fresh record. */
export function beginFault(vm: Vm): Fault {
  const f = vm.freeFaults.take() ?? new Fault(vm);
  f.listener = vm.listener;
  f.process = null;
  f.hasMap = true;
  f.growstack = true;
  f.didlimit = false;
  f.hardfault = 0;
  f.vainWaits = 0;
  f.refusals = 0;
  f.vshift = -1;
  f.result = 0;
  f.major = false;
  return f;
}

/** The record is done. */
export function endFault(f: Fault): void {
  f.vm.freeFaults.give(f);
}
