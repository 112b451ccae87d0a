/**
 * The CSRG kernel as a system: the contract that scenarios, replay and embedding use, over the files of this room.
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { Tlb } from '../machine/tlb.js';
import type { Access } from '../machine/units.js';
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, pageOf, pagesFor } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import { swapStoreOf } from '../vm/private-store.js';
import type { Prot } from '../vm/prot.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type {
  Advice,
  BackingLayer,
  EntryInfo,
  Inheritance,
  MapRequest,
  SystemOptions,
  TranslationInfo,
  VmDevice,
  VmFile,
  VmProcess,
  VmSystem,
} from '../vm/system.js';
import { checkInvariants } from './check.js';
import { type CsrgCounters, FAULT_COUNTERS } from './counters.js';
import { chainLength, describeBacking, describeEntries, describeTranslations } from './describe.js';
import type { StackRegion } from './exec.js';
import { execProcess, stackCode } from './exec.js';
import { faultStart } from './fault.js';
import { beginFault, coverageListener, endFault } from './fault-pool.js';
import { KERN_SUCCESS, kernName } from './kern.js';
import { forkMap } from './map-copy.js';
import { pageDaemon, pageoutPages } from './pageout.js';
import { DeviceHandle } from './pager-device.js';
import { VnodeHandle } from './pager-vnode.js';
import { CsrgProcess, exitProcess } from './process.js';
import { sysBrk, sysMadvise, sysMinherit, sysMlock, sysMprotect, sysMsync, sysMunlock, sysMunmap } from './syscalls.js';
import { sysMmap } from './syscalls-mmap.js';
import { Vm } from './vm.js';

/** Frames that a machine starts with. */
const DEFAULT_MEMORY_PAGES = 4096;
/** Pages left between files on the simulated disk, so that going from one to the next is a seek. */
const DISK_GAP_PAGES = 1;

/** What only this system can be told. */
export interface CsrgOptions extends SystemOptions {
  /**
   * How a fault waits for a busy page: `plain` (default) as the kernel was built, or `interruptible`, the source's other form for
   * threads, where a signal ends the wait and the fault.
   */
  readonly waits?: 'plain' | 'interruptible';
}

export class CsrgSystem implements VmSystem {
  readonly name = 'csrg';
  readonly faultSuccess = KERN_SUCCESS;
  lastFaultMajor = false;
  /** Never called: this kernel waits for memory for ever and kills nobody. */
  onKill: ((process: VmProcess) => void) | null = null;
  readonly machine: Machine;
  readonly vm: Vm;
  readonly processes: CsrgProcess[] = [];
  private nextProcessId = 1;
  /** In whose name `pageout` scans; the daemon proper sleeps until somebody waits. */
  private readonly operator: Thread;
  /** Where the next file begins on the simulated disk: behind the swap area. */
  private nextDiskPage: number;

  constructor(options: CsrgOptions = {}) {
    const swapPages = options.swapPages ?? 0;
    const defects = options.defects ?? 'as-seeded';
    this.machine = new Machine({
      poolFrames: options.memoryPages ?? DEFAULT_MEMORY_PAGES,
      deviceFrames: options.devicePages ?? 0,
      contents: options.contents ?? true,
      loadRule: defects === 'mended' ? 'read-bit' : 'any',
      ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
      ...(options.costs === undefined ? {} : { costs: options.costs }),
    });
    this.vm = new Vm(this.machine, {
      swapPages,
      swapStore: swapStoreOf(options, swapPages),
      defects,
      interruptible: options.waits === 'interruptible',
    });
    this.vm.listener = coverageListener();
    this.nextDiskPage = swapPages + DISK_GAP_PAGES;
    this.operator = this.vm.kernel.createThread('pageout');
    this.vm.kernel.startDaemon('pagedaemon', this.vm.daemonChannel, (thread) => pageDaemon(this.vm, thread));
    this.vm.kernel.runDaemons();
  }

  private call<T>(process: VmProcess, task: Task<T>): T {
    this.machine.clock.advance(this.machine.costs.syscall);
    return this.vm.kernel.call((process as CsrgProcess).thread, task);
  }

  createFile(name: string, store: BackingStore): VmFile {
    const file = new VnodeHandle(name, store, this.nextDiskPage);
    this.nextDiskPage += pagesFor(store.size()) + DISK_GAP_PAGES;
    return file;
  }

  createDevice(name: string, pages: number, fill?: (page: number, bytes: Uint8Array) => void): VmDevice {
    const { memory } = this.machine;
    const device = new DeviceHandle(name, pages, memory.takeDeviceFrames(pages));
    for (let page = 0; page < pages; page++) {
      const bytes = memory.frameBytes(device.firstFrame + page);
      if (bytes !== null) fill?.(page, bytes);
    }
    return device;
  }

  spawn(name: string): CsrgProcess {
    const process = new CsrgProcess(this.vm, this.nextProcessId++, name);
    this.processes.push(process);
    return process;
  }

  fork(parent: VmProcess, name: string): CsrgProcess | Errno {
    const from = parent as CsrgProcess;
    const child = this.spawn(name);
    this.vm.counters.v_forks++;
    child.dataStart = from.dataStart;
    child.dataEnd = from.dataEnd;
    child.stackLowest = from.stackLowest;
    child.stackTop = from.stackTop;
    child.stackPages = from.stackPages;
    this.call(parent, forkMap(this.vm, from.thread, from.map, child.map));
    return child;
  }

  exit(process: VmProcess): void {
    const p = process as CsrgProcess;
    if (!p.alive) return;
    this.call(p, exitProcess(this.vm, p));
    this.processes.splice(this.processes.indexOf(p), 1);
  }

  map(process: VmProcess, request: MapRequest): CallResult {
    return this.call(process, sysMmap(this.vm, process as CsrgProcess, request));
  }

  unmap(process: VmProcess, address: number, length: number): CallResult {
    return this.call(process, sysMunmap(this.vm, process as CsrgProcess, address, length));
  }

  protect(process: VmProcess, address: number, length: number, protection: Prot): CallResult {
    return this.call(process, sysMprotect(this.vm, process as CsrgProcess, address, length, protection));
  }

  advise(_process: VmProcess, _address: number, _length: number, _advice: Advice): CallResult {
    return sysMadvise();
  }

  inherit(process: VmProcess, address: number, length: number, how: Inheritance): CallResult {
    return this.call(process, sysMinherit(this.vm, process as CsrgProcess, address, length, how));
  }

  wire(process: VmProcess, address: number, length: number): CallResult {
    return this.call(process, sysMlock(this.vm, process as CsrgProcess, address, length));
  }

  unwire(process: VmProcess, address: number, length: number): CallResult {
    return this.call(process, sysMunlock(this.vm, process as CsrgProcess, address, length));
  }

  sync(process: VmProcess, address: number, length: number): CallResult {
    return this.call(process, sysMsync(this.vm, process as CsrgProcess, address, length));
  }

  brk(process: VmProcess, address: number): CallResult {
    return this.call(process, sysBrk(this.vm, process as CsrgProcess, address));
  }

  get tlb(): Tlb {
    return (this.machine.cpus[0] as { tlb: Tlb }).tlb;
  }

  addressSpaceNumber(process: VmProcess): number {
    return this.machine.tables.asnOf((process as CsrgProcess).pmap);
  }

  /** Fetching an instruction is a load to this hardware. */
  translate(process: VmProcess, vpn: number, access: Access): number {
    const { pmap } = process as CsrgProcess;
    const asked = access === ACCESS_EXECUTE ? ACCESS_READ : access;
    const frame = (this.machine.cpus[0] as Machine['cpus'][number]).translate(pmap, vpn, asked);
    return frame >= 0 ? frame : this.vm.pmap.walkUntold(pmap, vpn, access);
  }

  /** The trap of the hp300 asks for reading, or for both. */
  fault(process: VmProcess, vpn: number, access: Access): number {
    const p = process as CsrgProcess;
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
    return this.call(process, execProcess(this.vm, process as CsrgProcess, stack));
  }

  faultCodeName(code: number): string {
    return kernName(code);
  }

  frameBytes(frame: number): Uint8Array | null {
    return this.machine.memory.frameBytes(frame);
  }

  pageout(pages: number): void {
    this.vm.kernel.call(this.operator, pageoutPages(this.vm, this.operator, pages));
  }

  translations(process: VmProcess): TranslationInfo[] {
    return describeTranslations(this.vm, process as CsrgProcess);
  }

  entries(process: VmProcess): EntryInfo[] {
    return describeEntries((process as CsrgProcess).map);
  }

  backing(process: VmProcess, address: number): BackingLayer[] | null {
    return describeBacking(this.vm, (process as CsrgProcess).map, pageOf(address));
  }

  chainLength(process: VmProcess, address: number): number {
    return chainLength((process as CsrgProcess).map, pageOf(address));
  }

  queues(): { name: string; pages: number }[] {
    const { pages, wiredPages } = this.vm;
    return [
      { name: 'free', pages: pages.freeCount },
      { name: 'inactive', pages: pages.inactiveCount },
      { name: 'active', pages: pages.activeCount },
      { name: 'wired', pages: wiredPages },
    ];
  }

  counters(): Record<string, number> {
    return Object.fromEntries(FAULT_COUNTERS.map((name) => [name, this.vm.counters[name]]));
  }

  statistics(): Record<string, number> {
    return { ...this.vm.counters };
  }

  counter(name: string): number {
    return Object.hasOwn(this.vm.counters, name) ? this.vm.counters[name as keyof CsrgCounters] : 0;
  }

  check(): void {
    checkInvariants(this.vm, this.processes);
  }
}

/** Starts a machine that runs the CSRG kernel of June 1992. */
export function bootCsrg(options: CsrgOptions = {}): CsrgSystem {
  return new CsrgSystem(options);
}
