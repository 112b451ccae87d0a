/** Fault records, reused: as many are alive as threads sleep inside faults, and one. */
import { runStages } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { faultStart } from './fault.js';
import type { FaultUsage } from './fault-state.js';
import { Fault, UVM_MAXRANGE } from './fault-state.js';
import type { VmMap } from './map.js';
import type { Vm } from './vm.js';

/** A fresh record. */
export function beginFault(vm: Vm, thread: Thread, usage: FaultUsage | null): Fault {
  const f = vm.freeFaults.take() ?? new Fault(vm);
  f.thread = thread;
  f.usage = usage;
  f.listener = vm.listener;
  f.fruitlessWaits = 0;
  f.mayGiveUp = false;
  f.result = 0;
  f.spare = null;
  f.task = null;
  return f;
}

/** The record is done. It keeps nothing alive. */
export function endFault(f: Fault): void {
  // Written out: `fill` is a call, and there are sixteen.
  for (let i = 0; i < UVM_MAXRANGE; i++) f.anons[i] = null;
  f.anon = null;
  f.oanon = null;
  f.amap = null;
  f.uobj = null;
  f.usage = null;
  f.vm.freeFaults.give(f);
}

/** uvm_fault_internal inside a task. Answers the errno. */
export function* faultTask(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  vpn: number,
  access: Prot,
  flag: number,
  usage: FaultUsage | null,
  mayGiveUp = false,
): Task<number> {
  const f = beginFault(vm, thread, usage);
  f.mayGiveUp = mayGiveUp;
  f.originalMap = map;
  f.vaddr = vpn;
  f.askedType = access;
  f.flag = flag;
  // As seeded a call that wires waits for memory as long as it takes.
  f.mayGiveUp = vm.mended;
  yield* runStages(f, faultStart);
  const { result } = f;
  endFault(f);
  return result;
}
