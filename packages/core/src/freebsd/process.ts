/** A process as far as its memory goes: a vmspace, a thread, and the account of its faults. */
import type { Task, Thread } from '../kernel/thread.js';
import { USER_MAX_PAGE, USER_MIN_PAGE } from '../machine/units.js';
import type { VmProcess } from '../vm/system.js';
import { VmMap } from './map-entry.js';
import { deleteRange, lockMap, unlockMapWrite } from './map-range.js';
import type { Vm } from './vm.js';

export class FreebsdProcess implements VmProcess {
  alive = true;
  readonly usage = { minor: 0, major: 0 };
  readonly thread: Thread;
  readonly map: VmMap;
  /** The data segment, in bytes: its first byte, and its end (the break). -1 before the first brk. */
  dataStart = -1;
  dataEnd = -1;

  constructor(
    /** The kernel that it is a process of. */
    readonly vm: Vm,
    readonly id: number,
    readonly name: string,
  ) {
    this.thread = vm.createThread(name);
    const pmap = vm.machine.tables.createPmap();
    this.map = new VmMap(vm, pmap, USER_MIN_PAGE, USER_MAX_PAGE, false, `map of ${name}`);
  }
}

/** vmspace_exit: translations first, wholesale, then the entries. */
export function* exitProcess(vm: Vm, process: FreebsdProcess): Task<void> {
  const { map, thread } = process;
  vm.pmap.removePages(map.pmap);
  yield* lockMap(map, thread);
  yield* deleteRange(vm, thread, map, map.minPage, map.maxPage);
  unlockMapWrite(map, thread);
  vm.machine.tables.destroyPmap(map.pmap);
  process.alive = false;
}
