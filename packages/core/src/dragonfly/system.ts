/**
 * DragonFly as a system: the contract that scenarios, replay and embedding use, over the files of this room.
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task. What all systems do alike is in
 * `vm/kernel-system.ts`; here are this kernel's routines by name, and what each access and fault passes through.
 */
import { WouldBlockError } from '../kernel/kernel.js';
import type { Task } from '../kernel/thread.js';
import type { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { Access } from '../machine/units.js';
import { ACCESS_WRITE } from '../machine/units.js';
import { checkAccess, checkWord, isAccess } from '../vm/arguments.js';
import { coverageListener } from '../vm/coverage.js';
import type { Errno } from '../vm/errno.js';
import { KernelSystem } from '../vm/kernel-system.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { KernelOptions, Routines } from '../vm/routines.js';
import type { SystemOptions, VmProcess } from '../vm/system.js';
import { checkInvariants } from './check.js';
import { FAULT_COUNTERS } from './counters.js';
import { chainLength, describeBacking, describeEntries } from './describe.js';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import { type Fault, VM_FAULT_BURST, VM_FAULT_DIRTY } from './fault-state.js';
import { forkMap } from './fork.js';
import { KERN_SUCCESS, kernName } from './kern.js';
import { queueCounts } from './page-alloc.js';
import { pageDaemon, pageoutPages } from './pageout.js';
import { DeviceHandle } from './pager-device.js';
import { DragonflyPort } from './port.js';
import { DragonflyProcess, exitProcess } from './process.js';
import {
  sysBrk,
  sysMadvise,
  sysMinherit,
  sysMlock,
  sysMmap,
  sysMprotect,
  sysMsync,
  sysMunlock,
  sysMunmap,
} from './syscalls.js';
import type { ClusterRead } from './vm.js';
import { Vm } from './vm.js';
import { VnodeHandle, vnodeObject } from './vnode.js';

const CLUSTER_READ_WORDS: readonly string[] = ['live', 'additional-pages'];

export interface DragonflyOptions extends SystemOptions {
  /** `additional-pages` runs the read-ahead that stands disabled in the seed beside the live one. Default `live`. */
  readonly clusterRead?: ClusterRead;
}

/** The kernel, if it knows the way of reading that is asked for. */
function boot(machine: Machine, common: KernelOptions, { clusterRead = 'live' }: DragonflyOptions): Vm {
  checkWord('clusterRead', clusterRead, CLUSTER_READ_WORDS);
  return new Vm(machine, { ...common, clusterRead });
}

/** Opening a file makes its object at once: the colours of all objects after it depend on that. */
function openFile(vm: Vm, name: string, store: BackingStore, diskPage: number): VnodeHandle {
  const file = new VnodeHandle(vm, name, store, diskPage);
  vnodeObject(vm, file);
  return file;
}

const ROUTINES: Routines<Vm, DragonflyProcess, DragonflyOptions> = {
  Process: DragonflyProcess,
  loadRule: () => 'any',
  boot,
  processes: (vm) => vm.processes,
  pageDaemon,
  pageoutPages,
  file: openFile,
  device: (name, pages, firstFrame) => new DeviceHandle(name, pages, firstFrame),
  exit: (vm, process) => exitProcess(vm, process, process.thread),
  mmap: sysMmap,
  munmap: sysMunmap,
  mprotect: sysMprotect,
  madvise: sysMadvise,
  minherit: sysMinherit,
  mlock: sysMlock,
  munlock: sysMunlock,
  msync: sysMsync,
  brk: sysBrk,
  codeName: kernName,
  faultCounters: FAULT_COUNTERS,
  queues: (vm) => ({ ...queueCounts(vm), wired: vm.wiredPages }),
  entries: describeEntries,
  backing: describeBacking,
  chainLength,
  check: checkInvariants,
};

export class DragonflySystem extends KernelSystem<Vm, DragonflyProcess, DragonflyOptions> {
  readonly name = 'dragonfly';
  readonly faultSuccess = KERN_SUCCESS;
  readonly port: DragonflyPort;

  constructor(options: DragonflyOptions = {}) {
    super(options);
    this.vm.listener = coverageListener(this.name);
    this.vm.onKill = (process) => this.onKill?.(process);
    this.port = new DragonflyPort({ system: this, vm: this.vm, mine: (process) => this.mine(process) });
    this.start();
  }

  protected routines(): Routines<Vm, DragonflyProcess, DragonflyOptions> {
    return ROUTINES;
  }

  mine(process: VmProcess): DragonflyProcess {
    if (process instanceof DragonflyProcess && process.vm === this.vm && process.alive) return process;
    throw this.refusal(process);
  }

  fork(parent: VmProcess, name: string): DragonflyProcess | Errno {
    const from = this.mine(parent);
    const child = this.spawn(name);
    child.embryo = true;
    this.vm.counters.v_forks++;
    child.dataStart = from.dataStart;
    child.dataEnd = from.dataEnd;
    child.map.stackLimit = from.map.stackLimit;
    try {
      if (this.call(from, this.bear(from, child))) return child;
    } catch (error) {
      // Who has to wait for a store makes the call again, and gets another child.
      if (error instanceof WouldBlockError) child.unwanted = true;
      throw error;
    }
    this.exit(child);
    return 'ENOMEM';
  }

  /** Gives a child its memory: false when there was not enough. One that nobody waits for any more goes at once. */
  private *bear(parent: DragonflyProcess, child: DragonflyProcess): Task<boolean> {
    const enough = yield* forkMap(this.vm, parent.thread, parent.map, child.map);
    child.embryo = false;
    if (child.unwanted) yield* exitProcess(this.vm, child, parent.thread);
    return enough;
  }

  translate(process: VmProcess, vpn: number, access: Access): number {
    const p = process as DragonflyProcess | null | undefined;
    // The way of every access. What is wrong with one that does not come through here is found out below.
    if (isAccess(vpn, access) && p?.vm === this.vm && p.alive) return this.cpu.translate(p.map.pmap, vpn, access);
    return this.untranslated(process, vpn, access);
  }

  fault(process: VmProcess, vpn: number, access: Access): number {
    const f = this.newFault(this.mine(process), vpn, access);
    this.vm.kernel.runRecord(f, faultStart);
    return this.account(f);
  }

  /** The same where a store answers later: other processes may run meanwhile. */
  async faultAsync(process: VmProcess, vpn: number, access: Access): Promise<number> {
    const f = this.newFault(this.mine(process), vpn, access);
    await this.vm.kernel.runRecordAsync(f, faultStart);
    return this.account(f);
  }

  private newFault(process: DragonflyProcess, vpn: number, access: Access): Fault {
    checkAccess(vpn, access);
    const f = beginFault(this.vm);
    const store = access === ACCESS_WRITE;
    f.thread = process.thread;
    f.process = process;
    f.originalMap = process.map;
    f.vaddr = vpn;
    f.faultType = store ? PROT_WRITE : PROT_READ;
    f.askedType = f.faultType;
    f.flags = store ? VM_FAULT_BURST | VM_FAULT_DIRTY : VM_FAULT_BURST;
    return f;
  }

  private account(f: Fault): number {
    const { result } = f;
    this.lastFaultMajor = f.major;
    endFault(f);
    return result;
  }
}

/** Starts a machine that runs DragonFly. */
export function bootDragonfly(options: DragonflyOptions = {}): DragonflySystem {
  return new DragonflySystem(options);
}
