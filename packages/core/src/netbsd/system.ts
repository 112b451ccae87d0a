/**
 * NetBSD as a system: the contract that scenarios, replay and embedding use, over the files of this room; and what this system alone can be
 * told (loans, ordered failures, shared segments, submaps, the kernel's map).
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { Tlb } from '../machine/tlb.js';
import type { Access } from '../machine/units.js';
import { pageOf, pagesFor } from '../machine/units.js';
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
import { codeName } from './codes.js';
import { FAULT_COUNTERS, type NetbsdCounters } from './counters.js';
import { describeBacking, describeEntries, describeTranslations, layersOf } from './describe.js';
import { DeviceHandle } from './device.js';
import { faultStart } from './fault.js';
import { beginFault, coverageListener, endFault } from './fault-pool.js';
import { FAULT_NORMAL } from './fault-state.js';
import { forkMap } from './fork.js';
import { sysMmap } from './mmap.js';
import { pageDaemon, pageoutPages } from './pdaemon.js';
import { exitProcess, NetbsdProcess } from './process.js';
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
  private nextProcessId = 1;
  private readonly processes: NetbsdProcess[] = [];
  private readonly pageoutThread: Thread;
  /** Where the next file begins on the simulated disk: behind the swap area. */
  private nextDiskPage: number;

  constructor(options: NetbsdOptions = {}) {
    const swapPages = options.swapPages ?? 0;
    this.machine = new Machine({
      poolFrames: options.memoryPages ?? DEFAULT_MEMORY_PAGES,
      deviceFrames: options.devicePages ?? 0,
      contents: options.contents ?? true,
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
    this.vm.listener = coverageListener();
    this.nextDiskPage = swapPages + DISK_GAP_PAGES;
    this.vm.kernel.startDaemon('pagedaemon', this.vm.daemonChannel, (thread) => pageDaemon(this.vm, thread));
    this.pageoutThread = this.vm.kernel.createThread('pageout');
    this.vm.kernel.runDaemons();
  }

  /** Runs a task on a process's thread, as a system call. */
  call<T>(process: VmProcess, task: Task<T>): T {
    this.machine.clock.advance(this.machine.costs.syscall);
    return this.vm.kernel.call((process as NetbsdProcess).thread, task);
  }

  createFile(name: string, store: BackingStore): VmFile {
    const file = new VnodeObject(this.vm, name, store, this.nextDiskPage);
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

  spawn(name: string): NetbsdProcess {
    const process = new NetbsdProcess(this.vm, this.nextProcessId++, name);
    this.processes.push(process);
    return process;
  }

  fork(parent: VmProcess, name: string): NetbsdProcess | Errno {
    const from = parent as NetbsdProcess;
    const child = this.spawn(name);
    this.vm.counters.forks++;
    child.dataStart = from.dataStart;
    child.dataEnd = from.dataEnd;
    this.call(parent, forkMap(this.vm, from.thread, from.map, child.map));
    return child;
  }

  exit(process: VmProcess): void {
    const p = process as NetbsdProcess;
    if (!p.alive) return;
    this.call(p, exitProcess(this.vm, p));
    this.processes.splice(this.processes.indexOf(p), 1);
  }

  map(process: VmProcess, request: MapRequest): CallResult {
    return this.call(process, sysMmap(this.vm, process as NetbsdProcess, request));
  }

  unmap(process: VmProcess, address: number, length: number): CallResult {
    return this.call(process, sysMunmap(this.vm, process as NetbsdProcess, address, length));
  }

  protect(process: VmProcess, address: number, length: number, protection: Prot): CallResult {
    return this.call(process, sysMprotect(this.vm, process as NetbsdProcess, address, length, protection));
  }

  advise(process: VmProcess, address: number, length: number, advice: Advice): CallResult {
    return this.call(process, sysMadvise(this.vm, process as NetbsdProcess, address, length, advice));
  }

  inherit(process: VmProcess, address: number, length: number, how: Inheritance): CallResult {
    return this.call(process, sysMinherit(this.vm, process as NetbsdProcess, address, length, how));
  }

  wire(process: VmProcess, address: number, length: number): CallResult {
    return this.call(process, sysMlock(this.vm, process as NetbsdProcess, address, length));
  }

  unwire(process: VmProcess, address: number, length: number): CallResult {
    return this.call(process, sysMunlock(this.vm, process as NetbsdProcess, address, length));
  }

  sync(process: VmProcess, address: number, length: number): CallResult {
    return this.call(process, sysMsync(this.vm, process as NetbsdProcess, address, length));
  }

  brk(process: VmProcess, address: number): CallResult {
    return this.call(process, sysBrk(this.vm, process as NetbsdProcess, address));
  }

  get tlb(): Tlb {
    return this.machine.cpus[0].tlb;
  }

  addressSpaceNumber(process: VmProcess): number {
    return this.machine.tables.asnOf((process as NetbsdProcess).map.pmap);
  }

  translate(process: VmProcess, vpn: number, access: Access): number {
    return this.machine.cpus[0].translate((process as NetbsdProcess).map.pmap, vpn, access);
  }

  fault(process: VmProcess, vpn: number, access: Access): number {
    const p = process as NetbsdProcess;
    const f = beginFault(this.vm, p.thread, p.usage);
    f.originalMap = p.map;
    f.vaddr = vpn;
    f.askedType = PROT_OF_ACCESS[access];
    f.flag = FAULT_NORMAL;
    f.mayGiveUp = true;
    this.vm.kernel.runRecord(f, faultStart);
    this.lastFaultMajor = p.usage.major > f.majorBefore;
    const { result } = f;
    endFault(f);
    return result;
  }

  faultCodeName(code: number): string {
    return codeName(code);
  }

  frameBytes(frame: number): Uint8Array | null {
    return this.machine.memory.frameBytes(frame);
  }

  pageout(pages: number): void {
    this.vm.kernel.call(this.pageoutThread, pageoutPages(this.vm, this.pageoutThread, pages));
  }

  translations(process: VmProcess): TranslationInfo[] {
    return describeTranslations(this.vm, (process as NetbsdProcess).map);
  }

  entries(process: VmProcess): EntryInfo[] {
    return describeEntries((process as NetbsdProcess).map);
  }

  backing(process: VmProcess, address: number): BackingLayer[] | null {
    const entry = (process as NetbsdProcess).map.lookup(pageOf(address));
    return entry === null ? null : describeBacking(this.vm, entry);
  }

  chainLength(process: VmProcess, address: number): number {
    const entry = (process as NetbsdProcess).map.lookup(pageOf(address));
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
