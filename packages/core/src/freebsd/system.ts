/**
 * FreeBSD as a system: the contract that scenarios, replay and embedding use, over the files of this room.
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task. What all systems do alike is in
 * `vm/kernel-system.ts`; here are this kernel's routines by name, and what each access and fault passes through.
 */
import type { Access } from '../machine/units.js';
import { ACCESS_WRITE } from '../machine/units.js';
import { checkAccess, isAccess } from '../vm/arguments.js';
import { coverageListener } from '../vm/coverage.js';
import type { Errno } from '../vm/errno.js';
import { KernelSystem } from '../vm/kernel-system.js';
import type { Prot } from '../vm/prot.js';
import { PROT_OF_ACCESS } from '../vm/prot.js';
import type { Routines } from '../vm/routines.js';
import type { SystemOptions, VmProcess } from '../vm/system.js';
import { checkInvariants } from './check.js';
import { FAULT_COUNTERS } from './counters.js';
import { chainLength, describeBacking, describeEntries } from './describe.js';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import type { Fault } from './fault-state.js';
import { VM_FAULT_DIRTY, VM_FAULT_NORMAL } from './fault-state.js';
import { forkMap } from './fork.js';
import { KERN_SUCCESS, kernName } from './kern.js';
import { queueCounts } from './page-alloc.js';
import { pageDaemon, pageoutPages } from './pageout.js';
import { DeviceHandle } from './pager-device.js';
import { VnodeHandle } from './pager-vnode.js';
import { FreebsdPort } from './port.js';
import { exitProcess, FreebsdProcess } from './process.js';
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
import { Vm } from './vm.js';

const ROUTINES: Routines<Vm, FreebsdProcess, SystemOptions> = {
  Process: FreebsdProcess,
  loadRule: () => 'read-bit',
  boot: (machine, common) => new Vm(machine, common),
  pageDaemon,
  pageoutPages,
  file: (vm, name, store, diskPage) => new VnodeHandle(vm, name, store, diskPage),
  device: (name, pages, firstFrame) => new DeviceHandle(name, pages, firstFrame),
  exit: exitProcess,
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

export class FreebsdSystem extends KernelSystem<Vm, FreebsdProcess, SystemOptions> {
  readonly name = 'freebsd';
  readonly faultSuccess = KERN_SUCCESS;
  readonly port: FreebsdPort;

  constructor(options: SystemOptions = {}) {
    super(options);
    this.vm.listener = coverageListener(this.name);
    this.port = new FreebsdPort({
      system: this,
      vm: this.vm,
      mine: (process) => this.mine(process),
      forget: (process) => this.forget(process),
    });
    this.start();
  }

  protected routines(): Routines<Vm, FreebsdProcess, SystemOptions> {
    return ROUTINES;
  }

  mine(process: VmProcess): FreebsdProcess {
    if (process instanceof FreebsdProcess && process.vm === this.vm && process.alive) return process;
    throw this.refusal(process);
  }

  fork(parent: VmProcess, name: string): FreebsdProcess | Errno {
    const from = this.mine(parent);
    const child = this.spawn(name);
    this.vm.counters.v_forks++;
    child.dataStart = from.dataStart;
    child.dataEnd = from.dataEnd;
    if (this.call(from, forkMap(this.vm, from.thread, from.map, child.map))) return child;
    this.exit(child);
    return 'ENOMEM';
  }

  translate(process: VmProcess, vpn: number, access: Access): number {
    const p = process as FreebsdProcess | null | undefined;
    // The way of every access. What is wrong with one that does not come through here is found out below.
    if (isAccess(vpn, access) && p?.vm === this.vm && p.alive) return this.cpu.translate(p.map.pmap, vpn, access);
    return this.untranslated(process, vpn, access);
  }

  fault(process: VmProcess, vpn: number, access: Access): number {
    const p = this.mine(process);
    const f = this.newFault(p, vpn, access);
    this.vm.kernel.runRecord(f, faultStart);
    return this.account(p, f);
  }

  /** The same where a store answers later: other processes may run meanwhile. */
  async faultAsync(process: VmProcess, vpn: number, access: Access): Promise<number> {
    const p = this.mine(process);
    const f = this.newFault(p, vpn, access);
    await this.vm.kernel.runRecordAsync(f, faultStart);
    return this.account(p, f);
  }

  private newFault(process: FreebsdProcess, vpn: number, access: Access): Fault {
    checkAccess(vpn, access);
    const f = beginFault(this.vm);
    f.thread = process.thread;
    f.originalMap = process.map;
    f.vaddr = vpn;
    f.askedType = PROT_OF_ACCESS[access] as Prot;
    f.flags = access === ACCESS_WRITE ? VM_FAULT_DIRTY : VM_FAULT_NORMAL;
    return f;
  }

  private account(process: FreebsdProcess, f: Fault): number {
    const { result } = f;
    this.lastFaultMajor = f.major;
    if (result === KERN_SUCCESS) {
      if (f.major) process.usage.major++;
      else process.usage.minor++;
    }
    endFault(f);
    return result;
  }
}

/** Starts a machine that runs FreeBSD. */
export function bootFreebsd(options: SystemOptions = {}): FreebsdSystem {
  return new FreebsdSystem(options);
}
