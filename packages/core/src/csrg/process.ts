/** A process as far as its memory goes: a vmspace, a thread, and an account of faults that this kernel never keeps. */
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import { USER_MAX_PAGE, USER_MIN_PAGE } from '../machine/units.js';
import type { VmProcess } from '../vm/system.js';
import { VmMap } from './map-entry.js';
import { deallocateMap } from './map-range.js';
import type { Vm } from './vm.js';

export class CsrgProcess implements VmProcess {
  alive = true;
  /** ru_minflt and ru_majflt: nobody counts them. */
  readonly usage = { minor: 0, major: 0 };
  readonly thread: Thread;
  readonly map: VmMap;
  readonly pmap: Pmap;
  /** vm_daddr and vm_dsize: the data segment, in bytes; its first byte and its end. -1 before the first brk. */
  dataStart = -1;
  dataEnd = -1;
  /** vm_maxsaddr, the end of the stack region, and vm_ssize: in pages; -1 before the first exec. */
  stackLowest = -1;
  stackTop = -1;
  stackPages = 0;
  /** Pages that the stack region may be used for (RLIMIT_STACK). */
  stackLimit = Number.POSITIVE_INFINITY;

  constructor(
    /** The kernel that it is a process of. */
    readonly vm: Vm,
    readonly id: number,
    readonly name: string,
  ) {
    this.thread = vm.kernel.createThread(name);
    this.pmap = vm.machine.tables.createPmap();
    this.map = new VmMap(vm, this.pmap, USER_MIN_PAGE, USER_MAX_PAGE, true, `map of ${name}`);
  }

  /** What a child of fork knows of its address space besides the map. */
  inherit(parent: CsrgProcess): void {
    this.dataStart = parent.dataStart;
    this.dataEnd = parent.dataEnd;
    this.stackLowest = parent.stackLowest;
    this.stackTop = parent.stackTop;
    this.stackPages = parent.stackPages;
    this.stackLimit = parent.stackLimit;
  }
}

/** vmspace_free: everything goes. */
export function* exitProcess(vm: Vm, process: CsrgProcess): Task<void> {
  process.alive = false;
  yield* deallocateMap(vm, process.thread, process.map);
}
