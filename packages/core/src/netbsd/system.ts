/**
 * NetBSD as a system: the contract that scenarios, replay and embedding use, over the files of this room; and what this system alone can be
 * told (swapoff).
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task. What all systems do alike is in
 * `vm/kernel-system.ts`; here are this kernel's routines by name, and what each access and fault passes through.
 */
import type { Access } from '../machine/units.js';
import { checkAccess, isAccess } from '../vm/arguments.js';
import { coverageListener } from '../vm/coverage.js';
import type { CallResult, Errno } from '../vm/errno.js';
import { KernelSystem } from '../vm/kernel-system.js';
import { PROT_OF_ACCESS } from '../vm/prot.js';
import type { Routines } from '../vm/routines.js';
import type { SystemOptions, VmProcess } from '../vm/system.js';
import { checkInvariants } from './check.js';
import { callResult, codeName } from './codes.js';
import { FAULT_COUNTERS } from './counters.js';
import { chainLength, describeBacking, describeEntries } from './describe.js';
import { DeviceHandle } from './device.js';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import type { Fault } from './fault-state.js';
import { FAULT_NORMAL } from './fault-state.js';
import { forkMap } from './fork.js';
import { sysMmap } from './mmap.js';
import { pageDaemon, pageoutPages } from './pdaemon.js';
import { NetbsdPort } from './port.js';
import { exitProcess, NetbsdProcess } from './process.js';
import { swapOff } from './swap-off.js';
import { sysBrk, sysMadvise, sysMinherit, sysMlock, sysMprotect, sysMsync, sysMunlock, sysMunmap } from './syscalls.js';
import { Vm } from './vm.js';
import { VnodeObject } from './vnode.js';

export interface NetbsdOptions extends SystemOptions {
  /** Restores the defects that hang or panic the kernel, as CAVEATS.md lists them. */
  readonly deadlyDefects?: boolean;
}

const ROUTINES: Routines<Vm, NetbsdProcess, NetbsdOptions> = {
  Process: NetbsdProcess,
  loadRule: () => 'valid',
  boot: (machine, common, { deadlyDefects = false }) => new Vm(machine, { ...common, deadly: deadlyDefects }),
  pageDaemon,
  pageoutPages,
  file: (vm, name, store, diskPage) => new VnodeObject(vm, name, store, diskPage),
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
  codeName,
  faultCounters: FAULT_COUNTERS,
  queues: ({ pages: { free, inactive, active }, wiredPages: wired }) => ({ free, inactive, active, wired }),
  entries: describeEntries,
  backing: describeBacking,
  chainLength,
  check: checkInvariants,
};

export class NetbsdSystem extends KernelSystem<Vm, NetbsdProcess, NetbsdOptions> {
  readonly name = 'netbsd';
  readonly faultSuccess = 0;
  readonly port: NetbsdPort;

  constructor(options: NetbsdOptions = {}) {
    super(options);
    this.vm.listener = coverageListener(this.name);
    this.port = new NetbsdPort({
      system: this,
      vm: this.vm,
      mine: (process) => this.mine(process),
      forget: (process) => this.forget(process),
    });
    this.start();
  }

  protected routines(): Routines<Vm, NetbsdProcess, NetbsdOptions> {
    return ROUTINES;
  }

  mine(process: VmProcess): NetbsdProcess {
    if (process instanceof NetbsdProcess && process.vm === this.vm && process.alive) return process;
    throw this.refusal(process);
  }

  fork(parent: VmProcess, name: string): NetbsdProcess | Errno {
    const from = this.mine(parent);
    const child = this.spawn(name);
    this.vm.counters.forks++;
    child.dataStart = from.dataStart;
    child.dataEnd = from.dataEnd;
    if (this.call(from, forkMap(this.vm, from.thread, from.map, child.map))) return child;
    this.exit(child);
    return 'ENOMEM';
  }

  translate(process: VmProcess, vpn: number, access: Access): number {
    const p = process as NetbsdProcess | null | undefined;
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

  private newFault(p: NetbsdProcess, vpn: number, access: Access): Fault {
    checkAccess(vpn, access);
    const f = beginFault(this.vm, p.thread, p.usage);
    f.originalMap = p.map;
    f.vaddr = vpn;
    f.askedType = PROT_OF_ACCESS[access];
    f.flag = FAULT_NORMAL;
    f.mayGiveUp = true;
    return f;
  }

  private account(p: NetbsdProcess, f: Fault): number {
    this.lastFaultMajor = p.usage.major > f.majorBefore;
    const { result } = f;
    endFault(f);
    return result;
  }

  /** swapoff(2): 0 when everything has come in and the area is out of use, else ENOMEM. */
  swapOff(): CallResult {
    return callResult(this.vm.kernel.call(this.operator, swapOff(this.vm, this.operator)));
  }
}

/** Starts a machine that runs NetBSD. */
export function bootNetbsd(options: NetbsdOptions = {}): NetbsdSystem {
  return new NetbsdSystem(options);
}
