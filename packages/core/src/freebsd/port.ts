/**
 * FreeBSD's side of the processes: its memory calls, faults, files and processes as tasks.
 *
 * The calls themselves are in `syscalls.ts`. Here is what lies between them and a process: the arithmetic of mmap(2) before vm_mmap, flags,
 * and where an answer depends on more than one call. What is not as in the kernel of 2007 is in CAVEATS.md ("Processes").
 */
import type { Kernel } from '../kernel/kernel.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import { ACCESS_WRITE, type Access, PAGE_SIZE, USER_MAX_PAGE } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { FileRange, PortMapRequest, SyncFlags, TrapSignal, VmPort } from '../vm/port.js';
import { PROT_NONE, PROT_OF_ACCESS, PROT_READ, PROT_WRITE, type Prot } from '../vm/prot.js';
import type { Advice, Inheritance, VmFile, VmProcess } from '../vm/system.js';
import { VM_FAULT_DIRTY, VM_FAULT_NORMAL } from './fault-state.js';
import { faultTask } from './fault-wire.js';
import { forkMap } from './fork.js';
import { fileAt, inspect, sizesOf } from './inspect.js';
import { KERN_FAILURE, KERN_NO_SPACE, KERN_PROTECTION_FAILURE, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from './kern.js';
import type { VmMap } from './map-entry.js';
import { wireRange } from './map-wire.js';
import { terminate } from './object-end.js';
import { objectPageClean } from './object-pages.js';
import { type VnodeHandle, vnodeSetSize } from './pager-vnode.js';
import { exitProcess, type FreebsdProcess } from './process.js';
import {
  sysBrk,
  sysMadvise,
  sysMincore,
  sysMinherit,
  sysMlock,
  sysMlockall,
  sysMmap,
  sysMprotect,
  sysMsync,
  sysMunlock,
  sysMunlockall,
  sysMunmap,
} from './syscalls.js';
import type { FreebsdSystem } from './system.js';
import type { Vm } from './vm.js';

/** What the port asks of the system that it belongs to. */
export interface PortHost {
  readonly vm: Vm;
  readonly system: Pick<FreebsdSystem, 'lastFaultMajor' | 'spawn'>;
  /** The process as the room knows it. Throws for what is none of this machine, and for one that has exited. */
  mine(process: VmProcess): FreebsdProcess;
  /** The process has exited. */
  forget(process: FreebsdProcess): void;
}

export class FreebsdPort implements VmPort {
  readonly kernel: Kernel;
  private readonly vm: Vm;

  constructor(private readonly host: PortHost) {
    this.vm = host.vm;
    this.kernel = host.vm.kernel;
  }

  createThread(name: string): Thread {
    return this.vm.createThread(name);
  }

  pmapOf(process: VmProcess): Pmap {
    return this.host.mine(process).map.pmap;
  }

  withThread(process: VmProcess, thread: Thread): VmProcess {
    // The same process in everything but the thread that its calls run on.
    return Object.create(this.host.mine(process), { thread: { value: thread, enumerable: true } }) as FreebsdProcess;
  }

  threadOf(process: VmProcess): Thread {
    return this.host.mine(process).thread;
  }

  /** A system call: its price, and its body. */
  private *call<T>(process: VmProcess, body: (p: FreebsdProcess) => Task<T>): Task<T> {
    const p = this.host.mine(process);
    this.vm.machine.clock.advance(this.vm.machine.costs.syscall);
    return yield* body(p);
  }

  mmap(process: VmProcess, request: PortMapRequest): Task<CallResult> {
    return this.call(process, (p) => mmap(this.vm, p, request));
  }

  munmap(process: VmProcess, address: number, length: number): Task<CallResult> {
    return this.call(process, (p) => sysMunmap(this.vm, p, address, length));
  }

  mprotect(process: VmProcess, address: number, length: number, protection: Prot): Task<CallResult> {
    return this.call(process, (p) => sysMprotect(this.vm, p, address, length, protection));
  }

  madvise(process: VmProcess, address: number, length: number, advice: Advice): Task<CallResult> {
    return this.call(process, (p) => sysMadvise(this.vm, p, address, length, advice));
  }

  minherit(process: VmProcess, address: number, length: number, how: Inheritance): Task<CallResult> {
    return this.call(process, (p) => sysMinherit(this.vm, p, address, length, how));
  }

  mlock(process: VmProcess, address: number, length: number): Task<CallResult> {
    return this.call(process, (p) => mlock(this.vm, p, address, length));
  }

  munlock(process: VmProcess, address: number, length: number): Task<CallResult> {
    return this.call(process, (p) => sysMunlock(this.vm, p, address, length));
  }

  mlockall(process: VmProcess, current: boolean, future: boolean): Task<CallResult> {
    return this.call(process, (p) => mlockall(this.vm, p, current, future));
  }

  munlockall(process: VmProcess): Task<CallResult> {
    return this.call(process, (p) => sysMunlockall(this.vm, p));
  }

  msync(process: VmProcess, address: number, length: number, flags: SyncFlags): Task<CallResult> {
    return this.call(process, (p) => sysMsync(this.vm, p, address, length, flags.invalidate));
  }

  msyncLater(process: VmProcess, address: number, length: number): Task<readonly FileRange[] | Errno> {
    return this.call(process, (p) => msyncLater(this.vm, p, address, length));
  }

  mincore(process: VmProcess, address: number, length: number, vector: Uint8Array): Task<CallResult> {
    return this.call(process, (p) => sysMincore(this.vm, p, address, length, vector));
  }

  setDataStart(process: VmProcess, address: number): void {
    const p = this.host.mine(process);
    p.dataStart = address;
    p.dataEnd = address;
  }

  brk(process: VmProcess, address: number): Task<CallResult> {
    return this.call(process, (p) => sysBrk(this.vm, p, address));
  }

  setStackLimit(process: VmProcess, bytes: number): void {
    this.host.mine(process).map.stackLimit = Math.floor(bytes / PAGE_SIZE);
  }

  fork(parent: VmProcess, name: string): Task<VmProcess | Errno> {
    return this.call(parent, (p) => this.forkProcess(p, name));
  }

  private *forkProcess(from: FreebsdProcess, name: string): Task<FreebsdProcess | Errno> {
    const child = this.host.system.spawn(name);
    this.vm.counters.v_forks++;
    child.dataStart = from.dataStart;
    child.dataEnd = from.dataEnd;
    child.map.stackLimit = from.map.stackLimit;
    if (yield* forkMap(this.vm, from.thread, from.map, child.map)) return child;
    yield* this.end(child);
    return 'ENOMEM';
  }

  exit(process: VmProcess): Task<void> {
    return this.call(process, (p) => this.end(p));
  }

  private *end(process: FreebsdProcess): Task<void> {
    yield* exitProcess(this.vm, process);
    this.host.forget(process);
  }

  *fault(process: VmProcess, vpn: number, access: Access): Task<number> {
    const p = this.host.mine(process);
    const flags = access === ACCESS_WRITE ? VM_FAULT_DIRTY : VM_FAULT_NORMAL;
    const before = p.usage.major;
    const result = yield* faultTask(this.vm, p.thread, p.map, vpn, PROT_OF_ACCESS[access] as Prot, flags, p.usage);
    this.host.system.lastFaultMajor = p.usage.major > before;
    return this.faultCode(p, vpn, result);
  }

  /** The handler has one code for a stack that may not grow and for a failed read; the trap is to tell them apart. */
  faultCode(process: VmProcess, vpn: number, code: number): number {
    return code === KERN_FAILURE && this.host.mine(process).map.lookup(vpn) === null ? KERN_NO_SPACE : code;
  }

  signalOf(code: number): TrapSignal {
    if (code === KERN_PROTECTION_FAILURE) return { signal: 'SIGBUS', code: 'BUS_ADRERR' };
    if (code === KERN_FAILURE) return { signal: 'SIGBUS', code: 'BUS_OBJERR' };
    if (code === KERN_RESOURCE_SHORTAGE) return { signal: 'SIGKILL', code: 'NOMEM' };
    return { signal: 'SIGSEGV', code: 'SEGV_MAPERR' };
  }

  *fileResized(thread: Thread, file: VmFile, bytes: number): Task<void> {
    const vnode = file as VnodeHandle;
    while (!vnode.lock.acquireWrite(thread)) yield;
    const { object } = vnode;
    if (object !== null) {
      while (!object.lock.acquire(thread)) yield;
      yield* vnodeSetSize(this.vm, thread, vnode, bytes);
      object.lock.release(thread);
    }
    vnode.lock.releaseWrite(thread);
  }

  *flushFile(thread: Thread, file: VmFile, part?: Omit<FileRange, 'file'>): Task<CallResult> {
    const vnode = file as VnodeHandle;
    const { object } = vnode;
    if (object === null) return 0;
    while (!vnode.lock.acquireWrite(thread)) yield;
    while (!object.lock.acquire(thread)) yield;
    const ok = yield* objectPageClean(this.vm, thread, object, part?.start ?? 0, part?.end ?? 0);
    object.lock.release(thread);
    vnode.lock.releaseWrite(thread);
    return ok ? 0 : 'EIO';
  }

  *releaseFile(thread: Thread, file: VmFile): Task<void> {
    const { object } = file as VnodeHandle;
    if (object === null) return;
    while (!object.lock.acquire(thread)) yield;
    yield* terminate(this.vm, thread, object);
    object.lock.release(thread);
  }

  fileHolds(file: VmFile): number {
    return (file as VnodeHandle).object?.refCount ?? 0;
  }

  inspectPage(process: VmProcess, vpn: number): number {
    return inspect(this.vm, this.host.mine(process).map, vpn);
  }

  fileAt(process: VmProcess, vpn: number): VmFile | null {
    return fileAt(this.host.mine(process).map, vpn);
  }

  sizes(process: VmProcess): { mapped: number; wired: number } {
    return sizesOf(this.host.mine(process).map);
  }

  entryCount(process: VmProcess): number {
    return this.host.mine(process).map.index.length;
  }
}

/** mmap(2) down to vm_mmap: the part of the offset within a page goes to the address and comes back with it. */
function* mmap(vm: Vm, p: FreebsdProcess, request: PortMapRequest): Task<CallResult> {
  const { backing, protection, stack, nosync, maximum } = request;
  const both = PROT_READ | PROT_WRITE;
  if (stack && (backing.kind !== 'anon' || (protection & both) !== both)) return 'EINVAL';
  if ((protection & maximum) !== protection) return 'EACCES';
  if (backing.kind === 'anon') return yield* sysMmap(vm, p, request, { nosync, stack, maximum });
  const within = backing.offset % PAGE_SIZE;
  const address = request.fixed ? request.address - within : request.address;
  if (address < 0) return 'EINVAL';
  const moved = { ...request, address, length: request.length + within };
  const aligned = { ...backing, offset: backing.offset - within };
  const result = yield* sysMmap(vm, p, { ...moved, backing: aligned }, { nosync, maximum });
  return typeof result === 'number' ? result + within : result;
}

/** A range with a page that nobody may access is refused, as by the kernels from 2009 on. */
function* mlock(vm: Vm, p: FreebsdProcess, address: number, length: number): Task<CallResult> {
  const end = Math.ceil((address + length) / PAGE_SIZE);
  let entry = p.map.before(Math.floor(address / PAGE_SIZE));
  if (p.map.isHead(entry)) entry = entry.next;
  for (; !p.map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.end * PAGE_SIZE > address && entry.protection === PROT_NONE) return 'ENOMEM';
  }
  return yield* sysMlock(vm, p, address, length);
}

/** Ranges that nobody may access are passed over: the kernel of the time takes the write permission from them for good (O2). */
function* mlockall(vm: Vm, p: FreebsdProcess, current: boolean, future: boolean): Task<CallResult> {
  if (!current || !p.map.index.some((entry) => entry.protection === PROT_NONE)) {
    return yield* sysMlockall(vm, p, current, future);
  }
  const answer = yield* sysMlockall(vm, p, false, true);
  p.map.wireFuture = future;
  if (answer !== 0) return answer;
  const options = { user: true, holesOk: true, account: p.usage };
  for (const { start, end } of accessibleRuns(p.map)) {
    if ((yield* wireRange(vm, p.thread, p.map, start, end, options)) !== KERN_SUCCESS) return 'EAGAIN';
  }
  return 0;
}

function accessibleRuns(map: VmMap): { start: number; end: number }[] {
  return map.index
    .filter((entry) => entry.protection !== PROT_NONE)
    .map(({ start, end }) => ({ start, end: Math.min(end, USER_MAX_PAGE) }));
}

/** What is asked for later is not written here: `flushFile` does it, on a thread that nobody waits for. */
function* msyncLater(vm: Vm, p: FreebsdProcess, address: number, length: number): Task<readonly FileRange[] | Errno> {
  const later: FileRange[] = [];
  const result = yield* sysMsync(vm, p, address, length, false, later);
  return typeof result === 'string' ? result : later;
}
