/**
 * The CSRG kernel as a system: the contract that scenarios, replay and embedding use, over the files of this room.
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task. What all systems do alike is in
 * `vm/kernel-system.ts`; here are this kernel's routines by name, and what each access and fault passes through.
 *
 * `onKill` is never called: this kernel waits for memory for ever and kills nobody.
 */
import type { Task } from '../kernel/thread.js';
import type { Access } from '../machine/units.js';
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE } from '../machine/units.js';
import { checkAccess, isAccess } from '../vm/arguments.js';
import { coverageListener } from '../vm/coverage.js';
import type { CallResult, Errno } from '../vm/errno.js';
import { KernelSystem } from '../vm/kernel-system.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { Routines } from '../vm/routines.js';
import type { SystemOptions, VmProcess } from '../vm/system.js';
import { checkInvariants } from './check.js';
import { FAULT_COUNTERS } from './counters.js';
import { chainLength, describeBacking, describeEntries } from './describe.js';
import type { StackRegion } from './exec.js';
import { execProcess, stackCode } from './exec.js';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import { KERN_SUCCESS, kernName } from './kern.js';
import { forkMap } from './map-copy.js';
import { pageDaemon, pageoutPages } from './pageout.js';
import { DeviceHandle } from './pager-device.js';
import { VnodeHandle } from './pager-vnode.js';
import { CsrgPort } from './port.js';
import { CsrgProcess, exitProcess } from './process.js';
import { sysBrk, sysMadvise, sysMinherit, sysMlock, sysMprotect, sysMsync, sysMunlock, sysMunmap } from './syscalls.js';
import { sysMmap } from './syscalls-mmap.js';
import { Vm } from './vm.js';

/** What only this system can be told. */
export interface CsrgOptions extends SystemOptions {
  /**
   * How a fault waits for a busy page: `plain` (default) as the kernel was built, or `interruptible`, the source's other form for
   * threads, where a signal ends the wait and the fault.
   */
  readonly waits?: 'plain' | 'interruptible';
}

/** Refused like any other call, after the trap. */
// biome-ignore lint/correctness/useYield: it never waits
function* madvise(): Task<CallResult> {
  return sysMadvise();
}

const ROUTINES: Routines<Vm, CsrgProcess, CsrgOptions> = {
  Process: CsrgProcess,
  loadRule: ({ defects }) => (defects === 'mended' ? 'read-bit' : 'any'),
  boot: (machine, common, { waits }) => new Vm(machine, { ...common, interruptible: waits === 'interruptible' }),
  pageDaemon,
  pageoutPages,
  file: (_vm, name, store, diskPage) => new VnodeHandle(name, store, diskPage),
  device: (name, pages, firstFrame) => new DeviceHandle(name, pages, firstFrame),
  exit: exitProcess,
  mmap: sysMmap,
  munmap: sysMunmap,
  mprotect: sysMprotect,
  madvise,
  minherit: sysMinherit,
  mlock: sysMlock,
  munlock: sysMunlock,
  msync: sysMsync,
  brk: sysBrk,
  codeName: kernName,
  faultCounters: FAULT_COUNTERS,
  queues: ({ pages, wiredPages: wired }) => ({
    free: pages.freeCount,
    inactive: pages.inactiveCount,
    active: pages.activeCount,
    wired,
  }),
  entries: describeEntries,
  backing: describeBacking,
  chainLength,
  check: checkInvariants,
};

export class CsrgSystem extends KernelSystem<Vm, CsrgProcess, CsrgOptions> {
  readonly name = 'csrg';
  readonly faultSuccess = KERN_SUCCESS;
  readonly port: CsrgPort;

  constructor(options: CsrgOptions = {}) {
    super(options);
    this.vm.listener = coverageListener(this.name);
    this.port = new CsrgPort({
      system: this,
      vm: this.vm,
      mine: (process) => this.mine(process),
      forget: (process) => this.forget(process),
    });
    this.start();
  }

  protected routines(): Routines<Vm, CsrgProcess, CsrgOptions> {
    return ROUTINES;
  }

  mine(process: VmProcess): CsrgProcess {
    if (process instanceof CsrgProcess && process.vm === this.vm && process.alive) return process;
    throw this.refusal(process);
  }

  fork(parent: VmProcess, name: string): CsrgProcess | Errno {
    const from = this.mine(parent);
    const child = this.spawn(name);
    this.vm.counters.v_forks++;
    child.inherit(from);
    if (this.call(parent, forkMap(this.vm, from.thread, from.map, child.map))) return child;
    this.exit(child);
    return 'ENOMEM';
  }

  /** Fetching an instruction is a load to this hardware. */
  translate(process: VmProcess, vpn: number, access: Access): number {
    const p = process as CsrgProcess | null | undefined;
    // The way of every access. What is wrong with one that does not come through here is found out below.
    if (isAccess(vpn, access) && p?.vm === this.vm && p.alive) {
      const frame = this.cpu.translate(p.pmap, vpn, access === ACCESS_EXECUTE ? ACCESS_READ : access);
      return frame >= 0 ? frame : this.vm.pmap.walkUntold(p.pmap, vpn, access);
    }
    return this.untranslated(process, vpn, access);
  }

  /** The trap of the hp300 asks for reading, or for both. */
  fault(process: VmProcess, vpn: number, access: Access): number {
    const p = this.mine(process);
    checkAccess(vpn, access);
    const f = beginFault(this.vm);
    f.thread = p.thread;
    f.map = p.map;
    f.vaddr = vpn;
    f.faultType = access === ACCESS_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
    this.vm.kernel.runRecord(f, faultStart);
    this.lastFaultMajor = f.pageins > 0;
    const { result } = f;
    endFault(f);
    return stackCode(p, vpn, result);
  }

  /** exec, as far as memory goes: empties the address space and makes a stack region. Answers a KERN code. */
  exec(process: VmProcess, stack: StackRegion): number {
    return this.call(process, execProcess(this.vm, this.mine(process), stack));
  }
}

/** Starts a machine that runs the CSRG kernel of June 1992. */
export function bootCsrg(options: CsrgOptions = {}): CsrgSystem {
  return new CsrgSystem(options);
}
