/** A process as far as its memory goes: a vmspace, a thread, and the account of its faults. */
import type { Task, Thread } from '../kernel/thread.js';
import { USER_MAX_PAGE, USER_MIN_PAGE } from '../machine/units.js';
import type { VmProcess } from '../vm/system.js';
import { VmMap } from './map-entry.js';
import { lockMap, unlockMapWrite } from './map-lock.js';
import { deleteRange } from './map-range.js';
import type { Vm } from './vm.js';

/** Process ids start above those of the system. */
const FIRST_PID = 101;

export class DragonflyProcess implements VmProcess {
  alive = true;
  /** Being made by a fork (SIDL): the page daemon does not kill it. */
  embryo = false;
  /** The call that makes it was given up: it goes as soon as it is there. */
  unwanted = false;
  readonly usage = { minor: 0, major: 0 };
  readonly thread: Thread;
  map: VmMap;
  readonly pid: number;
  /** What all threads of the process have in common, though each may see the process as an object of its own. */
  private readonly common = { pagesupply: 0, inKernel: 0 };
  /** The data segment, in bytes: its first byte, and its end (the break). -1 before the first brk. */
  dataStart = -1;
  dataEnd = -1;

  constructor(
    readonly vm: Vm,
    readonly id: number,
    readonly name: string,
  ) {
    this.pid = FIRST_PID + id - 1;
    this.thread = vm.createThread(name);
    this.map = emptyMap(vm, name);
  }

  /** vm_pagesupply: allocations until the rate limit looks again. */
  get pagesupply(): number {
    return this.common.pagesupply;
  }

  set pagesupply(pages: number) {
    this.common.pagesupply = pages;
  }

  /** Calls and faults that threads of the process are in: it cannot be killed under them. */
  get inKernel(): number {
    return this.common.inKernel;
  }

  set inKernel(calls: number) {
    this.common.inKernel = calls;
  }
}

function emptyMap(vm: Vm, name: string): VmMap {
  const pmap = vm.machine.tables.createPmap();
  return new VmMap(vm, pmap, USER_MIN_PAGE, USER_MAX_PAGE, false, `map of ${name}`);
}

/** Translations first, wholesale, then the entries, then the pmap. */
function* endSpace(vm: Vm, thread: Thread, map: VmMap): Task<void> {
  vm.pmap.removePages(map.pmap);
  yield* lockMap(map, thread);
  yield* deleteRange(vm, thread, map, map.minPage, map.maxPage);
  unlockMapWrite(map, thread);
  vm.machine.tables.destroyPmap(map.pmap);
}

/** vmspace_exit. It runs on the thread of whoever ends the process: its own, or the page daemon's. */
export function* exitProcess(vm: Vm, process: DragonflyProcess, thread: Thread): Task<void> {
  process.alive = false;
  vm.processes.splice(vm.processes.indexOf(process), 1);
  yield* endSpace(vm, thread, process.map);
}

/** vmspace_exec: a new empty space; the old one goes as at exit. The sizes that brk keeps are copied. */
export function* execProcess(vm: Vm, process: DragonflyProcess): Task<void> {
  const old = process.map;
  process.map = emptyMap(vm, process.name);
  process.pagesupply = 0;
  yield* endSpace(vm, process.thread, old);
}
