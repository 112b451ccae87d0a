/**
 * DragonFly as a system: the contract that scenarios, replay and embedding use, over the files of this room.
 *
 * Every call runs on the calling process's thread. A fault runs its stages directly; everything else is a task.
 */
import { WouldBlockError } from '../kernel/kernel.js';
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
import { type DragonflyCounters, FAULT_COUNTERS } from './counters.js';
import { chainLength, describeChain, describeEntries, describeTranslations } from './describe.js';
import { faultStart } from './fault.js';
import { beginFault, coverageListener, endFault } from './fault-pool.js';
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

/** Frames that a machine starts with. */
const DEFAULT_MEMORY_PAGES = 4096;
/** Pages left between files on the simulated disk, so that going from one to the next is a seek. */
const DISK_GAP_PAGES = 1;
const CLUSTER_READ_WORDS: readonly string[] = ['live', 'additional-pages'];

export interface DragonflyOptions extends SystemOptions {
  /** `additional-pages` runs the read-ahead that stands disabled in the seed beside the live one. Default `live`. */
  readonly clusterRead?: ClusterRead;
}

export class DragonflySystem implements VmSystem {
  readonly name = 'dragonfly';
  readonly faultSuccess = KERN_SUCCESS;
  lastFaultMajor = false;
  onKill: ((process: VmProcess) => void) | null = null;
  readonly machine: Machine;
  /** The CPU that processes run on. */
  private readonly cpu: Cpu;
  readonly vm: Vm;
  readonly port: DragonflyPort;
  private nextProcessId = 1;
  /** Runs what no process asks for, such as `pageout`. */
  private readonly operator: Thread;
  /** Where the next file begins on the simulated disk: behind the swap area. */
  private nextDiskPage: number;
  /** Files and devices of this machine: those of another would be mapped with frames that mean something else here. */
  private readonly handles = new Set<object>();

  constructor(options: DragonflyOptions = {}) {
    checkOptions(options);
    if (options.clusterRead !== undefined) checkWord('clusterRead', options.clusterRead, CLUSTER_READ_WORDS);
    const swapPages = options.swapPages ?? 0;
    this.machine = new Machine({
      poolFrames: options.memoryPages ?? DEFAULT_MEMORY_PAGES,
      deviceFrames: options.devicePages ?? 0,
      contents: options.contents ?? true,
      ...(options.tlb === undefined ? {} : { tlb: options.tlb }),
      loadRule: 'any',
      ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
      ...(options.costs === undefined ? {} : { costs: options.costs }),
    });
    this.cpu = this.machine.cpus[0] as Cpu;
    this.vm = new Vm(this.machine, {
      swapPages,
      swapStore: swapStoreOf(options, swapPages),
      defects: options.defects ?? 'as-seeded',
      clusterRead: options.clusterRead ?? 'live',
    });
    this.vm.listener = coverageListener();
    this.port = new DragonflyPort({ system: this, vm: this.vm, mine: (process) => this.mine(process) });
    this.vm.onKill = (process) => this.onKill?.(process);
    this.nextDiskPage = swapPages + DISK_GAP_PAGES;
    this.operator = this.vm.createThread('operator');
    this.vm.kernel.startDaemon('pagedaemon', this.vm.daemonChannel, (thread) => pageDaemon(this.vm, thread));
    this.vm.kernel.runDaemons();
  }

  /**
   * The process as this system knows it.
   * @throws TypeError for what is no process of this machine, RangeError for one that has exited
   */
  mine(process: VmProcess): DragonflyProcess {
    if (!(process instanceof DragonflyProcess) || process.vm !== this.vm) {
      throw new TypeError('process must be a process of this machine');
    }
    if (!process.alive) throw new RangeError(`process ${process.id} ('${process.name}') has exited`);
    return process;
  }

  /** @throws TypeError for a file or device of another machine, and for one in the place of the other */
  private checkHandle(backing: Exclude<MapRequest['backing'], { kind: 'anon' }>): void {
    const handle = backing.kind === 'file' ? backing.file : backing.device;
    const kind = backing.kind === 'file' ? VnodeHandle : DeviceHandle;
    if (handle instanceof kind && this.handles.has(handle)) return;
    throw new TypeError(`backing.${backing.kind} must be a ${backing.kind} of this machine`);
  }

  /** What mmap is asked for, with the arguments checked that no program could hand to a kernel. */
  checkRequest(request: MapRequest): void {
    checkMapRequest(request);
    if (request.backing.kind !== 'anon') this.checkHandle(request.backing);
  }

  /** Runs a task of the kernel's on a process's thread, as a system call does. */
  call<T>(process: VmProcess, task: Task<T>): T {
    const p = this.mine(process);
    this.machine.clock.advance(this.machine.costs.syscall);
    return this.vm.kernel.call(p.thread, task);
  }

  /** A memory call on a range of bytes. */
  private rangeCall(
    process: VmProcess,
    address: number,
    length: number,
    task: (p: DragonflyProcess) => Task<CallResult>,
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
    // Opening a file makes its object at once: the colours of all objects after it depend on that.
    vnodeObject(this.vm, file);
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

  spawn(name: string): DragonflyProcess {
    checkName(name);
    const process = new DragonflyProcess(this.vm, this.nextProcessId++, name);
    this.vm.processes.push(process);
    return process;
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

  exit(process: VmProcess): void {
    if (process instanceof DragonflyProcess && process.vm === this.vm && !process.alive) return;
    const p = this.mine(process);
    this.call(p, exitProcess(this.vm, p, p.thread));
  }

  map(process: VmProcess, request: MapRequest): CallResult {
    const p = this.mine(process);
    this.checkRequest(request);
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
    const p = process as DragonflyProcess | null | undefined;
    // The way of every access. What is wrong with one that does not come through here is found out below.
    const page = typeof vpn === 'number' && vpn < PAGE_NUMBERS && Math.floor(vpn) === vpn && vpn >= 0;
    const kind = access === ACCESS_READ || access === ACCESS_WRITE || access === ACCESS_EXECUTE;
    if (page && kind && p?.vm === this.vm && p.alive) return this.cpu.translate(p.map.pmap, vpn, access);
    this.mine(process);
    checkAccess(vpn, access);
    return NO_FRAME;
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
    return Object.hasOwn(this.vm.counters, name) ? this.vm.counters[name as keyof DragonflyCounters] : 0;
  }

  check(): void {
    checkInvariants(
      this.vm,
      this.vm.processes.map((process) => ({ name: process.name, map: process.map })),
    );
  }
}

/** Starts a machine that runs DragonFly. */
export function bootDragonfly(options: DragonflyOptions = {}): DragonflySystem {
  return new DragonflySystem(options);
}
