/**
 * FreeBSD as a system: the contract that scenarios, replay and embedding use, over the files of this room.
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Cpu } from '../machine/cpu.js';
import { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { Tlb } from '../machine/tlb.js';
import type { Access } from '../machine/units.js';
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, NO_FRAME, PAGE_SIZE, pagesFor } from '../machine/units.js';
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
import { PROT_OF_ACCESS } from '../vm/prot.js';
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
import { FAULT_COUNTERS, type FreebsdCounters } from './counters.js';
import { chainLength, describeChain, describeEntries, describeTranslations } from './describe.js';
import { faultStart } from './fault.js';
import { beginFault, coverageListener, endFault } from './fault-pool.js';
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

/** Frames that a machine starts with. */
const DEFAULT_MEMORY_PAGES = 4096;
/** Pages left between files on the simulated disk, so that going from one to the next is a seek. */
const DISK_GAP_PAGES = 1;

export class FreebsdSystem implements VmSystem {
  readonly name = 'freebsd';
  readonly faultSuccess = KERN_SUCCESS;
  lastFaultMajor = false;
  onKill: ((process: VmProcess) => void) | null = null;
  readonly machine: Machine;
  /** The CPU that processes run on. */
  private readonly cpu: Cpu;
  readonly vm: Vm;
  readonly port: FreebsdPort;
  private nextProcessId = 1;
  private readonly processes: FreebsdProcess[] = [];
  /** Runs what no process asks for, such as `pageout`. */
  private readonly operator: Thread;
  /** Where the next file begins on the simulated disk: behind the swap area. */
  private nextDiskPage: number;

  /** Files and devices of this machine: those of another would be mapped with frames that mean something else here. */
  private readonly handles = new Set<object>();

  constructor(options: SystemOptions = {}) {
    checkOptions(options);
    const swapPages = options.swapPages ?? 0;
    this.machine = new Machine({
      poolFrames: options.memoryPages ?? DEFAULT_MEMORY_PAGES,
      deviceFrames: options.devicePages ?? 0,
      contents: options.contents ?? true,
      ...(options.tlb === undefined ? {} : { tlb: options.tlb }),
      loadRule: 'read-bit',
      ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
      ...(options.costs === undefined ? {} : { costs: options.costs }),
    });
    this.cpu = this.machine.cpus[0] as Cpu;
    this.vm = new Vm(this.machine, {
      swapPages,
      swapStore: swapStoreOf(options, swapPages),
      defects: options.defects ?? 'as-seeded',
    });
    this.vm.listener = coverageListener();
    this.port = new FreebsdPort({
      system: this,
      vm: this.vm,
      mine: (process) => this.mine(process),
      forget: (process) => this.forget(process),
    });
    this.nextDiskPage = swapPages + DISK_GAP_PAGES;
    this.operator = this.vm.createThread('operator');
    this.vm.kernel.startDaemon('pagedaemon', this.vm.daemonChannel, (thread) => pageDaemon(this.vm, thread));
    this.vm.kernel.runDaemons();
  }

  /** The process as this system knows it. Throws for one that has exited, and for what is no process of this machine. */
  private mine(process: VmProcess): FreebsdProcess {
    if (!(process instanceof FreebsdProcess) || process.vm !== this.vm) {
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

  private call<T>(process: FreebsdProcess, task: Task<T>): T {
    this.machine.clock.advance(this.machine.costs.syscall);
    return this.vm.kernel.call(process.thread, task);
  }

  /** A memory call on a range of bytes. */
  private rangeCall(
    process: VmProcess,
    address: number,
    length: number,
    task: (p: FreebsdProcess) => Task<CallResult>,
  ): CallResult {
    const p = this.mine(process);
    checkRange(address, length);
    return this.call(p, task(p));
  }

  createFile(name: string, store: BackingStore): VmFile {
    checkName(name);
    checkStore(store);
    const file = new VnodeHandle(this.vm, name, store, this.nextDiskPage);
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

  spawn(name: string): FreebsdProcess {
    checkName(name);
    const process = new FreebsdProcess(this.vm, this.nextProcessId++, name);
    this.processes.push(process);
    return process;
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

  exit(process: VmProcess): void {
    if (process instanceof FreebsdProcess && process.vm === this.vm && !process.alive) return;
    const p = this.mine(process);
    this.call(p, exitProcess(this.vm, p));
    this.forget(p);
  }

  private forget(process: FreebsdProcess): void {
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
    return this.rangeCall(process, address, length, (p) => sysMadvise(this.vm, p, address, length, advice));
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
    return this.machine.tables.asnOf(this.mine(process).map.pmap);
  }

  translate(process: VmProcess, vpn: number, access: Access): number {
    const p = process as FreebsdProcess | null | undefined;
    // The way of every access. What is wrong with one that does not come through here is found out below.
    const page = typeof vpn === 'number' && vpn < PAGE_NUMBERS && Math.floor(vpn) === vpn && vpn >= 0;
    const kind = access === ACCESS_READ || access === ACCESS_WRITE || access === ACCESS_EXECUTE;
    if (page && kind && p?.vm === this.vm && p.alive) return this.cpu.translate(p.map.pmap, vpn, access);
    this.mine(process);
    checkAccess(vpn, access);
    return NO_FRAME;
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
    return describeTranslations(this.vm, this.mine(process).map);
  }

  entries(process: VmProcess): EntryInfo[] {
    return describeEntries(this.mine(process).map);
  }

  backing(process: VmProcess, address: number): BackingLayer[] | null {
    checkWhole('address', address);
    const entry = this.mine(process).map.lookup(Math.floor(address / PAGE_SIZE));
    return entry === null ? null : describeChain(this.vm, entry.object);
  }

  chainLength(process: VmProcess, address: number): number {
    checkWhole('address', address);
    const entry = this.mine(process).map.lookup(Math.floor(address / PAGE_SIZE));
    return entry === null ? 0 : chainLength(entry.object);
  }

  queues(): { name: string; pages: number }[] {
    const { free, cache, inactive, active } = queueCounts(this.vm);
    const sizes = { free, cache, inactive, active, wired: this.vm.wiredPages };
    return Object.entries(sizes).map(([name, pages]) => ({ name, pages }));
  }

  counters(): Record<string, number> {
    return Object.fromEntries(FAULT_COUNTERS.map((name) => [name, this.vm.counters[name]]));
  }

  statistics(): Record<string, number> {
    return { ...this.vm.counters };
  }

  counter(name: string): number {
    return Object.hasOwn(this.vm.counters, name) ? this.vm.counters[name as keyof FreebsdCounters] : 0;
  }

  check(): void {
    checkInvariants(
      this.vm,
      this.processes.map((process) => ({ name: process.name, map: process.map })),
    );
  }
}

/** Starts a machine that runs FreeBSD. */
export function bootFreebsd(options: SystemOptions = {}): FreebsdSystem {
  return new FreebsdSystem(options);
}
