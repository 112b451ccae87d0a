/**
 * What the four systems have in common: the calls of the contract, from their arguments to the kernel's own routine.
 *
 * A call of the contract checks what it is given, finds the process, pays the price of a trap and runs a task on the process's thread. That is
 * the same everywhere and stands here. What is a kernel's own comes in by two ways:
 *
 *     Routines    a table of the room's functions, a row a call: mmap, madvise, the page daemon, the dumps
 *     the room's class, which extends this one: `mine`, `translate`, `fault` and `fork`
 *
 * Why two: a table is enough where a call only passes through, and reads as what it is, the list of the kernel's entrances. But code that is written
 * once for four kernels sees four shapes of process and kernel when a program compares systems, and the host then looks each property up by
 * name. A memory call takes microseconds and does not notice. An access or a fault would; so whatever these pass through is written in each room
 * again, over that room's types alone.
 *
 * The table lies at module level in its room and is asked for by a method: a function kept in a property of the system would be state to a snapshot.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Cpu } from '../machine/cpu.js';
import { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { Tlb } from '../machine/tlb.js';
import { type Access, NO_FRAME, pageOf, pagesFor } from '../machine/units.js';
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
} from './arguments.js';
import { describeTranslations } from './describe.js';
import type { CallResult, Errno } from './errno.js';
import type { VmPort } from './port.js';
import { swapStoreOf } from './private-store.js';
import type { Prot } from './prot.js';
import type { KernelProcess, KernelVm, Routines } from './routines.js';
import type {
  Advice,
  BackingLayer,
  EntryInfo,
  Inheritance,
  MapRequest,
  SystemName,
  SystemOptions,
  TranslationInfo,
  VmDevice,
  VmFile,
  VmProcess,
  VmSystem,
} from './system.js';

/** Frames that a machine starts with. */
const DEFAULT_MEMORY_PAGES = 4096;
/** Pages left between files on the simulated disk, so that going from one to the next is a seek. */
const DISK_GAP_PAGES = 1;

/** A system over the routines of one room. */
export abstract class KernelSystem<V extends KernelVm, P extends KernelProcess, O extends SystemOptions>
  implements VmSystem
{
  abstract readonly name: SystemName;
  abstract readonly faultSuccess: number;
  abstract readonly port: VmPort;
  readonly machine: Machine;
  readonly vm: V;
  lastFaultMajor = false;
  onKill: ((process: VmProcess) => void) | null = null;
  /** The CPU that processes run on. */
  protected readonly cpu: Cpu;
  /** Runs what no process asks for, such as `pageout`. */
  protected readonly operator: Thread;
  /** Live processes, oldest first. */
  readonly processes: P[];
  private nextProcessId = 1;
  /** Files and devices of this machine: those of another would be mapped with frames that mean something else here. */
  private readonly files = new Set<VmFile>();
  private readonly devices = new Set<VmDevice>();
  /** Where the next file begins on the simulated disk: behind the swap area. */
  private nextDiskPage: number;

  /** Makes the machine and the kernel. The room's class makes its port, and then calls `start`. */
  protected constructor(options: O) {
    checkOptions(options);
    const routines = this.routines();
    const swapPages = options.swapPages ?? 0;
    this.machine = new Machine({
      poolFrames: options.memoryPages ?? DEFAULT_MEMORY_PAGES,
      deviceFrames: options.devicePages ?? 0,
      contents: options.contents ?? true,
      ...(options.tlb === undefined ? {} : { tlb: options.tlb }),
      loadRule: routines.loadRule(options),
      ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
      ...(options.costs === undefined ? {} : { costs: options.costs }),
    });
    this.cpu = this.machine.cpus[0] as Cpu;
    const swapStore = swapStoreOf(options, swapPages);
    this.vm = routines.boot(this.machine, { swapPages, swapStore, defects: options.defects ?? 'as-seeded' }, options);
    this.processes = routines.processes?.(this.vm) ?? [];
    this.nextDiskPage = swapPages + DISK_GAP_PAGES;
    this.operator = this.vm.kernel.createThread('operator');
  }

  /** Starts the page daemon. It sleeps until memory is short. */
  protected start(): void {
    const { vm } = this;
    const { pageDaemon } = this.routines();
    vm.kernel.startDaemon('pagedaemon', vm.daemonChannel, (thread) => pageDaemon(vm, thread));
    vm.kernel.runDaemons();
  }

  /** The table of the room. */
  protected abstract routines(): Routines<V, P, O>;

  // ---- processes

  /**
   * The process as this system knows it. In each room, because every fault asks.
   * @throws TypeError for what is no process of this machine, RangeError for one that has exited
   */
  abstract mine(process: VmProcess): P;

  /** Why `mine` does not take it. */
  protected refusal(process: VmProcess): Error {
    if (!this.isKnown(process)) return new TypeError('process must be a process of this machine');
    return new RangeError(`process ${process.id} ('${process.name}') has exited`);
  }

  /** Whether it is a process of this machine, alive or not. */
  private isKnown(process: VmProcess): process is P {
    return process instanceof this.routines().Process && process.vm === this.vm;
  }

  /** Runs a task of the kernel's on a process's thread, as a system call does. */
  call<T>(process: VmProcess, task: Task<T>): T {
    const p = this.mine(process);
    this.machine.clock.advance(this.machine.costs.syscall);
    return this.vm.kernel.call(p.thread, task);
  }

  spawn(name: string): P {
    checkName(name);
    const { Process } = this.routines();
    const process = new Process(this.vm, this.nextProcessId++, name);
    this.processes.push(process);
    return process;
  }

  abstract fork(parent: VmProcess, name: string): P | Errno;

  exit(process: VmProcess): void {
    if (this.isKnown(process) && !process.alive) return;
    const p = this.mine(process);
    this.call(p, this.routines().exit(this.vm, p));
    this.forget(p);
  }

  /** The process has exited. Its kernel may have struck it off already. */
  protected forget(process: P): void {
    const at = this.processes.indexOf(process);
    if (at >= 0) this.processes.splice(at, 1);
  }

  // ---- files and devices

  createFile(name: string, store: BackingStore): VmFile {
    checkName(name);
    checkStore(store);
    const file = this.routines().file(this.vm, name, store, this.nextDiskPage);
    this.nextDiskPage += pagesFor(store.size()) + DISK_GAP_PAGES;
    this.files.add(file);
    return file;
  }

  forgetFile(file: VmFile): void {
    this.files.delete(file);
  }

  createDevice(name: string, pages: number, fill?: (page: number, bytes: Uint8Array) => void): VmDevice {
    checkDevice(name, pages, fill);
    const { memory } = this.machine;
    const firstFrame = memory.takeDeviceFrames(pages);
    const device = this.routines().device(name, pages, firstFrame);
    for (let page = 0; page < pages; page++) {
      const bytes = memory.frameBytes(firstFrame + page);
      if (bytes !== null) fill?.(page, bytes);
    }
    this.devices.add(device);
    return device;
  }

  /**
   * What mmap is asked for, with the arguments checked that no program could hand to a kernel.
   * @throws TypeError also for a file or device of another machine, and for one in the place of the other
   */
  checkRequest(request: MapRequest): void {
    checkMapRequest(request);
    const { backing } = request;
    if (backing.kind === 'anon') return;
    const known = backing.kind === 'file' ? this.files.has(backing.file) : this.devices.has(backing.device);
    if (!known) throw new TypeError(`backing.${backing.kind} must be a ${backing.kind} of this machine`);
  }

  // ---- memory calls

  map(process: VmProcess, request: MapRequest): CallResult {
    const p = this.mine(process);
    this.checkRequest(request);
    return this.call(p, this.routines().mmap(this.vm, p, request));
  }

  unmap(process: VmProcess, address: number, length: number): CallResult {
    const p = this.ranged(process, address, length);
    return this.call(p, this.routines().munmap(this.vm, p, address, length));
  }

  protect(process: VmProcess, address: number, length: number, protection: Prot): CallResult {
    checkWhole('protection', protection);
    const p = this.ranged(process, address, length);
    return this.call(p, this.routines().mprotect(this.vm, p, address, length, protection));
  }

  advise(process: VmProcess, address: number, length: number, advice: Advice): CallResult {
    checkWord('advice', advice, ADVICE_WORDS);
    const p = this.ranged(process, address, length);
    return this.call(p, this.routines().madvise(this.vm, p, address, length, advice));
  }

  inherit(process: VmProcess, address: number, length: number, how: Inheritance): CallResult {
    checkWord('how', how, INHERITANCE_WORDS);
    const p = this.ranged(process, address, length);
    return this.call(p, this.routines().minherit(this.vm, p, address, length, how));
  }

  wire(process: VmProcess, address: number, length: number): CallResult {
    const p = this.ranged(process, address, length);
    return this.call(p, this.routines().mlock(this.vm, p, address, length));
  }

  unwire(process: VmProcess, address: number, length: number): CallResult {
    const p = this.ranged(process, address, length);
    return this.call(p, this.routines().munlock(this.vm, p, address, length));
  }

  sync(process: VmProcess, address: number, length: number): CallResult {
    const p = this.ranged(process, address, length);
    return this.call(p, this.routines().msync(this.vm, p, address, length));
  }

  brk(process: VmProcess, address: number): CallResult {
    const p = this.ranged(process, address, 0);
    return this.call(p, this.routines().brk(this.vm, p, address));
  }

  /** The process of a call on a range of bytes. */
  private ranged(process: VmProcess, address: number, length: number): P {
    const p = this.mine(process);
    checkRange(address, length);
    return p;
  }

  // ---- accesses and faults

  get tlb(): Tlb {
    return this.cpu.tlb;
  }

  addressSpaceNumber(process: VmProcess): number {
    return this.machine.tables.asnOf(this.port.pmapOf(process));
  }

  abstract translate(process: VmProcess, vpn: number, access: Access): number;

  /** The end of `translate` for what its quick way does not take: throws, or answers that no page there has a frame. */
  protected untranslated(process: VmProcess, vpn: number, access: Access): number {
    this.mine(process);
    checkAccess(vpn, access);
    return NO_FRAME;
  }

  abstract fault(process: VmProcess, vpn: number, access: Access): number;

  faultCodeName(code: number): string {
    return this.routines().codeName(code);
  }

  frameBytes(frame: number): Uint8Array | null {
    const { memory } = this.machine;
    checkWhole('frame', frame, memory.frames - 1);
    return memory.frameBytes(frame);
  }

  pageout(pages: number): void {
    checkWhole('pages', pages);
    this.vm.kernel.call(this.operator, this.routines().pageoutPages(this.vm, this.operator, pages));
  }

  // ---- looking from outside

  translations(process: VmProcess): TranslationInfo[] {
    return describeTranslations(this.machine.tables, this.port.pmapOf(process));
  }

  entries(process: VmProcess): EntryInfo[] {
    return this.routines().entries(this.mine(process));
  }

  backing(process: VmProcess, address: number): BackingLayer[] | null {
    checkWhole('address', address);
    return this.routines().backing(this.vm, this.mine(process), pageOf(address));
  }

  chainLength(process: VmProcess, address: number): number {
    checkWhole('address', address);
    return this.routines().chainLength(this.mine(process), pageOf(address));
  }

  queues(): { name: string; pages: number }[] {
    return Object.entries(this.routines().queues(this.vm)).map(([name, pages]) => ({ name, pages }));
  }

  counters(): Record<string, number> {
    return Object.fromEntries(this.routines().faultCounters.map((name) => [name, this.counter(name)]));
  }

  statistics(): Record<string, number> {
    return { ...(this.vm.counters as Readonly<Record<string, number>>) };
  }

  counter(name: string): number {
    const counters = this.vm.counters as Readonly<Record<string, number>>;
    return Object.hasOwn(counters, name) ? (counters[name] as number) : 0;
  }

  check(): void {
    this.routines().check(this.vm, this.processes);
  }
}
