/** A process as far as its memory goes: a vmspace, a thread, and the account of its faults. */
import type { Task, Thread } from '../kernel/thread.js';
import { USER_MAX_PAGE, USER_MIN_PAGE } from '../machine/units.js';
import type { VmProcess } from '../vm/system.js';
import { lockMap, unlockMap, VmMap } from './map.js';
import { removeRange, unwireEntry } from './map-range.js';
import type { Vm } from './vm.js';

export class NetbsdProcess implements VmProcess {
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
    this.thread = vm.kernel.createThread(name);
    this.map = new VmMap(vm, vm.machine.tables.createPmap(), USER_MIN_PAGE, USER_MAX_PAGE, `map of ${name}`);
  }
}

/** uvmspace_free: the translations first, wholesale, then the entries. */
export function* exitProcess(vm: Vm, process: NetbsdProcess): Task<void> {
  const { map } = process;
  yield* emptyMap(vm, process);
  vm.machine.tables.destroyPmap(map.pmap);
  if (vm.kernelMap === map) vm.kernelMap = null;
  process.alive = false;
}

/** uvmspace_exec, for an address space of one's own: emptied, to be used again. */
export function* emptyMap(vm: Vm, process: NetbsdProcess): Task<void> {
  const { map, thread } = process;
  // Unwiring goes by translations: once they are gone, what others share would stay wired for ever (28).
  if (vm.mended) for (const entry of map.index) if (entry.wiredCount > 0) unwireEntry(vm, map, entry);
  vm.pmap.removeAll(map.pmap);
  yield* lockMap(vm, map, thread);
  map.wireFuture = false;
  yield* removeRange(vm, thread, map, map.minPage, map.maxPage);
  unlockMap(map, thread);
  process.dataStart = -1;
  process.dataEnd = -1;
}
