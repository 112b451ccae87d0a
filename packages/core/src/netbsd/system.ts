/**
 * NetBSD as a system: the contract that scenarios, replay and embedding use, over the files of this room; and what this system alone can be
 * told (loans, ordered failures, shared segments, submaps, the kernel's map).
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
import { callResult, codeName } from './codes.js';
import { FAULT_COUNTERS, type NetbsdCounters } from './counters.js';
import { describeBacking, describeEntries, describeTranslations, layersOf } from './describe.js';
import { DeviceHandle } from './device.js';
import { faultStart } from './fault.js';
import { beginFault, coverageListener, endFault } from './fault-pool.js';
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

/** Frames that a machine starts with. */
const DEFAULT_MEMORY_PAGES = 4096;
/** Pages left between files on the simulated disk, so that going from one to the next is a seek. */
const DISK_GAP_PAGES = 1;

export interface NetbsdOptions extends SystemOptions {
  /** Restores the defects that hang or panic the kernel, as CAVEATS.md lists them. */
  readonly deadlyDefects?: boolean;
}

export class NetbsdSystem implements VmSystem {
  readonly name = 'netbsd';
  readonly faultSuccess = 0;
  lastFaultMajor = false;
  onKill: ((process: VmProcess) => void) | null = null;
  readonly machine: Machine;
  readonly vm: Vm;
  readonly port: NetbsdPort;
  /** The CPU that processes run on. */
  private readonly cpu: Cpu;
  private nextProcessId = 1;
  private readonly processes: NetbsdProcess[] = [];
  private readonly pageoutThread: Thread;
  /** Where the next file begins on the simulated disk: behind the swap area. */
  private nextDiskPage: number;
  /** Files and devices of this machine: those of another would be mapped with frames that mean something else here. */
  private readonly handles = new Set<object>();

  constructor(options: NetbsdOptions = {}) {
    checkOptions(options);
    const swapPages = options.swapPages ?? 0;
    this.machine = new Machine({
      poolFrames: options.memoryPages ?? DEFAULT_MEMORY_PAGES,
      deviceFrames: options.devicePages ?? 0,
      contents: options.contents ?? true,
      ...(options.tlb === undefined ? {} : { tlb: options.tlb }),
      loadRule: 'valid',
      ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
      ...(options.costs === undefined ? {} : { costs: options.costs }),
    });
    this.vm = new Vm(this.machine, {
      swapPages,
      swapStore: swapStoreOf(options, swapPages),
      defects: options.defects ?? 'as-seeded',
      deadly: options.deadlyDefects ?? false,
    });
    this.cpu = this.machine.cpus[0] as Cpu;
    this.vm.listener = coverageListener();
    this.port = new NetbsdPort({
      system: this,
      vm: this.vm,
      mine: (process) => this.mine(process),
      forget: (process) => this.forget(process),
    });
    this.nextDiskPage = swapPages + DISK_GAP_PAGES;
    this.vm.kernel.startDaemon('pagedaemon', this.vm.daemonChannel, (thread) => pageDaemon(this.vm, thread));
    this.pageoutThread = this.vm.kernel.createThread('pageout');
    this.vm.kernel.runDaemons();
  }

  /** The process as this system knows it. Throws for one that has exited, and for what is no process of this machine. */
  private mine(process: VmProcess): NetbsdProcess {
    if (!(process instanceof NetbsdProcess) || process.vm !== this.vm) {
      throw new TypeError('process must be a process of this machine');
    }
    if (!process.alive) throw new RangeError(`process ${process.id} ('${process.name}') has exited`);
    return process;
  }

  private checkHandle(backing: Exclude<MapRequest['backing'], { kind: 'anon' }>): void {
    const handle = backing.kind === 'file' ? backing.file : backing.device;
    const kind = backing.kind === 'file' ? VnodeObject : DeviceHandle;
    if (handle instanceof kind && this.handles.has(handle)) return;
    throw new TypeError(`backing.${backing.kind} must be a ${backing.kind} of this machine`);
  }

  /** Runs a task on a process's thread, as a system call. */
  call<T>(process: VmProcess, task: Task<T>): T {
    this.machine.clock.advance(this.machine.costs.syscall);
    return this.vm.kernel.call(this.mine(process).thread, task);
  }

  /** A memory call on a range of bytes. */
  private rangeCall(
    process: VmProcess,
    address: number,
    length: number,
    task: (p: NetbsdProcess) => Task<CallResult>,
  ): CallResult {
    const p = this.mine(process);
    checkRange(address, length);
    return this.call(p, task(p));
  }

  createFile(name: string, store: BackingStore): VmFile {
    checkName(name);
    checkStore(store);
    const file = new VnodeObject(this.vm, name, store, this.nextDiskPage);
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

  spawn(name: string): NetbsdProcess {
    checkName(name);
    const process = new NetbsdProcess(this.vm, this.nextProcessId++, name);
    this.processes.push(process);
    return process;
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

  exit(process: VmProcess): void {
    if (process instanceof NetbsdProcess && process.vm === this.vm && !process.alive) return;
    const p = this.mine(process);
    this.call(p, exitProcess(this.vm, p));
    this.forget(p);
  }

  private forget(process: NetbsdProcess): void {
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
    const p = process as NetbsdProcess | null | undefined;
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

  faultCodeName(code: number): string {
    return codeName(code);
  }

  frameBytes(frame: number): Uint8Array | null {
    checkWhole('frame', frame, this.machine.memory.frames - 1);
    return this.machine.memory.frameBytes(frame);
  }

  pageout(pages: number): void {
    checkWhole('pages', pages);
    this.vm.kernel.call(this.pageoutThread, pageoutPages(this.vm, this.pageoutThread, pages));
  }

  /** swapoff(2): 0 when everything has come in and the area is out of use, else ENOMEM. */
  swapOff(): CallResult {
    return callResult(this.vm.kernel.call(this.pageoutThread, swapOff(this.vm, this.pageoutThread)));
  }

  translations(process: VmProcess): TranslationInfo[] {
    return describeTranslations(this.vm, this.mine(process).map);
  }

  entries(process: VmProcess): EntryInfo[] {
    return describeEntries(this.mine(process).map);
  }

  backing(process: VmProcess, address: number): BackingLayer[] | null {
    checkWhole('address', address);
    const entry = this.mine(process).map.lookup(pageOf(address));
    return entry === null ? null : describeBacking(this.vm, entry);
  }

  chainLength(process: VmProcess, address: number): number {
    checkWhole('address', address);
    const entry = this.mine(process).map.lookup(pageOf(address));
    return entry === null ? 0 : layersOf(entry);
  }

  queues(): { name: string; pages: number }[] {
    const { free, inactive, active } = this.vm.pages;
    return Object.entries({ free, inactive, active, wired: this.vm.wiredPages }).map(([name, pages]) => ({
      name,
      pages,
    }));
  }

  counters(): Record<string, number> {
    return Object.fromEntries(FAULT_COUNTERS.map((name) => [name, this.vm.counters[name]]));
  }

  statistics(): Record<string, number> {
    return { ...this.vm.counters };
  }

  counter(name: string): number {
    return Object.hasOwn(this.vm.counters, name) ? this.vm.counters[name as keyof NetbsdCounters] : 0;
  }

  check(): void {
    checkInvariants(
      this.vm,
      this.processes.map((process) => ({ name: process.name, map: process.map })),
    );
  }
}

/** Starts a machine that runs NetBSD. */
export function bootNetbsd(options: NetbsdOptions = {}): NetbsdSystem {
  return new NetbsdSystem(options);
}
