/**
 * The CSRG kernel as a system: the contract that scenarios, replay and embedding use, over the files of this room.
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Cpu } from '../machine/cpu.js';
import { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { Tlb } from '../machine/tlb.js';
import type { Access } from '../machine/units.js';
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, NO_FRAME, pageOf, pagesFor } from '../machine/units.js';
import {
  ADVICE_WORDS,
  checkAccess,
  checkDevice,
  checkMapRequest,
  checkName,
  checkOptions,
  checkRange,
  checkStore,
  checkWhole,
  checkWord,
  INHERITANCE_WORDS,
  PAGE_NUMBERS,
} from '../vm/arguments.js';
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
import { CsrgPort } from './port.js';
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
  readonly port: CsrgPort;
  /** The CPU that processes run on. */
  private readonly cpu: Cpu;
  /** Files and devices of this machine: those of another would be mapped with frames that mean something else here. */
  private readonly handles = new Set<object>();
  readonly processes: CsrgProcess[] = [];
  private nextProcessId = 1;
  /** In whose name `pageout` scans; the daemon proper sleeps until somebody waits. */
  private readonly operator: Thread;
  /** Where the next file begins on the simulated disk: behind the swap area. */
  private nextDiskPage: number;

  constructor(options: CsrgOptions = {}) {
    checkOptions(options);
    const swapPages = options.swapPages ?? 0;
    const defects = options.defects ?? 'as-seeded';
    this.machine = new Machine({
      poolFrames: options.memoryPages ?? DEFAULT_MEMORY_PAGES,
      deviceFrames: options.devicePages ?? 0,
      contents: options.contents ?? true,
      ...(options.tlb === undefined ? {} : { tlb: options.tlb }),
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
    this.cpu = this.machine.cpus[0] as Cpu;
    this.vm.listener = coverageListener();
    this.port = new CsrgPort({
      system: this,
      vm: this.vm,
      mine: (process) => this.mine(process),
      forget: (process) => this.forget(process),
    });
    this.nextDiskPage = swapPages + DISK_GAP_PAGES;
    this.operator = this.vm.kernel.createThread('pageout');
    this.vm.kernel.startDaemon('pagedaemon', this.vm.daemonChannel, (thread) => pageDaemon(this.vm, thread));
    this.vm.kernel.runDaemons();
  }

  private call<T>(process: VmProcess, task: Task<T>): T {
    this.machine.clock.advance(this.machine.costs.syscall);
    return this.vm.kernel.call((process as CsrgProcess).thread, task);
  }

  /** The process as this system knows it. Throws for one that has exited, and for what is no process of this machine. */
  private mine(process: VmProcess): CsrgProcess {
    if (!(process instanceof CsrgProcess) || process.vm !== this.vm) {
      throw new TypeError('process must be a process of this machine');
    }
    if (!process.alive) throw new RangeError(`process ${process.id} ('${process.name}') has exited`);
    return process;
  }

  private checkHandle(backing: Exclude<MapRequest['backing'], { kind: 'anon' }>): void {
    const handle = backing.kind === 'file' ? backing.file : backing.device;
    const kind = backing.kind === 'file' ? VnodeHandle : DeviceHandle;
    if (handle instanceof kind && this.handles.has(handle)) return;
    throw new TypeError(`backing.${backing.kind} must be a ${backing.kind} of this machine`);
  }

  /** A memory call on a range of bytes. */
  private rangeCall(
    process: VmProcess,
    address: number,
    length: number,
    task: (p: CsrgProcess) => Task<CallResult>,
  ): CallResult {
    const p = this.mine(process);
    checkRange(address, length);
    return this.call(p, task(p));
  }

  createFile(name: string, store: BackingStore): VmFile {
    checkName(name);
    checkStore(store);
    const file = new VnodeHandle(name, store, this.nextDiskPage);
    this.nextDiskPage += pagesFor(store.size()) + DISK_GAP_PAGES;
    this.handles.add(file);
    return file;
  }

  forgetFile(file: VmFile): void {
    this.handles.delete(file);
  }

  createDevice(name: string, pages: number, fill?: (page: number, bytes: Uint8Array) => void): VmDevice {
    checkDevice(name, pages, fill);
    const { memory } = this.machine;
    const device = new DeviceHandle(name, pages, memory.takeDeviceFrames(pages));
    for (let page = 0; page < pages; page++) {
      const bytes = memory.frameBytes(device.firstFrame + page);
      if (bytes !== null) fill?.(page, bytes);
    }
    this.handles.add(device);
    return device;
  }

  spawn(name: string): CsrgProcess {
    checkName(name);
    const process = new CsrgProcess(this.vm, this.nextProcessId++, name);
    this.processes.push(process);
    return process;
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

  exit(process: VmProcess): void {
    if (process instanceof CsrgProcess && process.vm === this.vm && !process.alive) return;
    const p = this.mine(process);
    this.call(p, exitProcess(this.vm, p));
    this.forget(p);
  }

  private forget(process: CsrgProcess): void {
    this.processes.splice(this.processes.indexOf(process), 1);
  }

  map(process: VmProcess, request: MapRequest): CallResult {
    const p = this.mine(process);
    checkMapRequest(request);
    const { backing } = request;
    if (backing.kind !== 'anon') this.checkHandle(backing);
    return this.call(p, sysMmap(this.vm, p, request));
  }

  unmap(process: VmProcess, address: number, length: number): CallResult {
    return this.rangeCall(process, address, length, (p) => sysMunmap(this.vm, p, address, length));
  }

  protect(process: VmProcess, address: number, length: number, protection: Prot): CallResult {
    checkWhole('protection', protection);
    return this.rangeCall(process, address, length, (p) => sysMprotect(this.vm, p, address, length, protection));
  }

  advise(process: VmProcess, address: number, length: number, advice: Advice): CallResult {
    checkWord('advice', advice, ADVICE_WORDS);
    this.mine(process);
    checkRange(address, length);
    return sysMadvise();
  }

  inherit(process: VmProcess, address: number, length: number, how: Inheritance): CallResult {
    checkWord('how', how, INHERITANCE_WORDS);
    return this.rangeCall(process, address, length, (p) => sysMinherit(this.vm, p, address, length, how));
  }

  wire(process: VmProcess, address: number, length: number): CallResult {
    return this.rangeCall(process, address, length, (p) => sysMlock(this.vm, p, address, length));
  }

  unwire(process: VmProcess, address: number, length: number): CallResult {
    return this.rangeCall(process, address, length, (p) => sysMunlock(this.vm, p, address, length));
  }

  sync(process: VmProcess, address: number, length: number): CallResult {
    return this.rangeCall(process, address, length, (p) => sysMsync(this.vm, p, address, length));
  }

  brk(process: VmProcess, address: number): CallResult {
    return this.rangeCall(process, address, 0, (p) => sysBrk(this.vm, p, address));
  }

  get tlb(): Tlb {
    return this.cpu.tlb;
  }

  addressSpaceNumber(process: VmProcess): number {
    return this.machine.tables.asnOf(this.mine(process).pmap);
  }

  /** Fetching an instruction is a load to this hardware. */
  translate(process: VmProcess, vpn: number, access: Access): number {
    const p = process as CsrgProcess | null | undefined;
    // The way of every access. What is wrong with one that does not come through here is found out below.
    const page = typeof vpn === 'number' && vpn < PAGE_NUMBERS && Math.floor(vpn) === vpn && vpn >= 0;
    const kind = access === ACCESS_READ || access === ACCESS_WRITE || access === ACCESS_EXECUTE;
    if (page && kind && p?.vm === this.vm && p.alive) {
      const frame = this.cpu.translate(p.pmap, vpn, access === ACCESS_EXECUTE ? ACCESS_READ : access);
      return frame >= 0 ? frame : this.vm.pmap.walkUntold(p.pmap, vpn, access);
    }
    this.mine(process);
    checkAccess(vpn, access);
    return NO_FRAME;
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

  faultCodeName(code: number): string {
    return kernName(code);
  }

  frameBytes(frame: number): Uint8Array | null {
    checkWhole('frame', frame, this.machine.memory.frames - 1);
    return this.machine.memory.frameBytes(frame);
  }

  pageout(pages: number): void {
    checkWhole('pages', pages);
    this.vm.kernel.call(this.operator, pageoutPages(this.vm, this.operator, pages));
  }

  translations(process: VmProcess): TranslationInfo[] {
    return describeTranslations(this.vm, this.mine(process));
  }

  entries(process: VmProcess): EntryInfo[] {
    return describeEntries(this.mine(process).map);
  }

  backing(process: VmProcess, address: number): BackingLayer[] | null {
    checkWhole('address', address);
    return describeBacking(this.vm, this.mine(process).map, pageOf(address));
  }

  chainLength(process: VmProcess, address: number): number {
    checkWhole('address', address);
    return chainLength(this.mine(process).map, pageOf(address));
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
