/**
 * NetBSD's side of the processes: its memory calls, faults, files and processes as tasks.
 *
 * The calls themselves are in `syscalls.ts` and `mmap.ts`. What is decided here where the kernel of 2008 leaves a choice is in CAVEATS.md ("Processes").
 */
import type { Kernel } from '../kernel/kernel.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import { type Access, PAGE_SIZE, USER_MAX_ADDRESS, USER_MIN_ADDRESS } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { FileRange, PortMapRequest, SyncFlags, TrapSignal, VmPort } from '../vm/port.js';
import { PROT_ALL, PROT_OF_ACCESS, type Prot } from '../vm/prot.js';
import type { Advice, Inheritance, VmFile, VmProcess } from '../vm/system.js';
import { callResult, EACCES, EFAULT, EINVAL, ENOMEM, LOOP } from './codes.js';
import { faultTask } from './fault-pool.js';
import { FAULT_NORMAL } from './fault-state.js';
import { forkMap } from './fork.js';
import { fileAt, inspect, sizesOf } from './inspect.js';
import { sysMmap } from './mmap.js';
import { PGO_CLEANIT } from './object.js';
import { exitProcess, type NetbsdProcess } from './process.js';
import {
  sysBrk,
  sysMadvise,
  sysMincore,
  sysMinherit,
  sysMlock,
  sysMlockall,
  sysMprotect,
  sysMsync,
  sysMunlock,
  sysMunlockall,
  sysMunmap,
} from './syscalls.js';
import type { NetbsdSystem } from './system.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';
import { WHOLE_FILE } from './vnode-put.js';

/** What the port asks of the system that it belongs to. */
export interface PortHost {
  readonly vm: Vm;
  readonly system: Pick<NetbsdSystem, 'lastFaultMajor' | 'spawn'>;
  /** The process as the room knows it. Throws for what is none of this machine, and for one that has exited. */
  mine(process: VmProcess): NetbsdProcess;
  /** The process has exited. */
  forget(process: NetbsdProcess): void;
}

export class NetbsdPort implements VmPort {
  readonly kernel: Kernel;
  private readonly vm: Vm;

  constructor(private readonly host: PortHost) {
    this.vm = host.vm;
    this.kernel = host.vm.kernel;
  }

  createThread(name: string): Thread {
    return this.kernel.createThread(name);
  }

  pmapOf(process: VmProcess): Pmap {
    return this.host.mine(process).map.pmap;
  }

  withThread(process: VmProcess, thread: Thread): VmProcess {
    // The same process in everything but the thread that its calls run on.
    return Object.create(this.host.mine(process), { thread: { value: thread, enumerable: true } }) as NetbsdProcess;
  }

  threadOf(process: VmProcess): Thread {
    return this.host.mine(process).thread;
  }

  /** A system call: its price, and its body. */
  private *call<T>(process: VmProcess, body: (p: NetbsdProcess) => Task<T>): Task<T> {
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
    return this.call(process, (p) => sysMlock(this.vm, p, address, length));
  }

  munlock(process: VmProcess, address: number, length: number): Task<CallResult> {
    return this.call(process, (p) => sysMunlock(this.vm, p, address, length));
  }

  mlockall(process: VmProcess, current: boolean, future: boolean): Task<CallResult> {
    return this.call(process, (p) => sysMlockall(this.vm, p, current, future));
  }

  munlockall(process: VmProcess): Task<CallResult> {
    return this.call(process, (p) => sysMunlockall(this.vm, p));
  }

  /** The kernel takes MS_ASYNC for MS_SYNC ("force sync for now"). */
  msync(process: VmProcess, address: number, length: number, flags: SyncFlags): Task<CallResult> {
    return this.call(process, (p) => sysMsync(this.vm, p, address, length, flags.invalidate));
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

  /** Nothing grows here: exec maps as much stack as the limit allows. */
  setStackLimit(process: VmProcess): void {
    this.host.mine(process);
  }

  fork(parent: VmProcess, name: string): Task<VmProcess | Errno> {
    return this.call(parent, (p) => this.forkProcess(p, name));
  }

  private *forkProcess(from: NetbsdProcess, name: string): Task<NetbsdProcess | Errno> {
    const child = this.host.system.spawn(name);
    this.vm.counters.forks++;
    child.dataStart = from.dataStart;
    child.dataEnd = from.dataEnd;
    if (yield* forkMap(this.vm, from.thread, from.map, child.map)) return child;
    yield* this.end(child);
    return 'ENOMEM';
  }

  exit(process: VmProcess): Task<void> {
    return this.call(process, (p) => this.end(p));
  }

  private *end(process: NetbsdProcess): Task<void> {
    yield* exitProcess(this.vm, process);
    this.host.forget(process);
  }

  *fault(process: VmProcess, vpn: number, access: Access): Task<number> {
    const p = this.host.mine(process);
    const before = p.usage.major;
    const type = PROT_OF_ACCESS[access];
    const result = yield* faultTask(this.vm, p.thread, p.map, vpn, type, FAULT_NORMAL, p.usage, true);
    this.host.system.lastFaultMajor = p.usage.major > before;
    return result;
  }

  signalOf(code: number): TrapSignal {
    switch (code) {
      case EACCES:
        return { signal: 'SIGSEGV', code: 'SEGV_ACCERR' };
      case EFAULT:
      case EINVAL:
        return { signal: 'SIGSEGV', code: 'SEGV_MAPERR' };
      case ENOMEM:
      case LOOP:
        return { signal: 'SIGKILL', code: 'NOMEM' };
      default:
        // What a transfer answered.
        return { signal: 'SIGBUS', code: 'BUS_OBJERR' };
    }
  }

  fileResized(thread: Thread, file: VmFile, bytes: number): Task<void> {
    return (file as VnodeObject).setSize(thread, bytes);
  }

  *flushFile(thread: Thread, file: VmFile, part?: Omit<FileRange, 'file'>): Task<CallResult> {
    const vnode = file as VnodeObject;
    while (!vnode.lock.acquire(thread)) yield;
    const error = yield* vnode.put(thread, part?.start ?? 0, part?.end ?? WHOLE_FILE, PGO_CLEANIT, false);
    return callResult(error);
  }

  releaseFile(thread: Thread, file: VmFile): Task<void> {
    return (file as VnodeObject).revoke(thread);
  }

  fileHolds(file: VmFile): number {
    // One reference is the file's own.
    return (file as VnodeObject).refs - 1;
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

/** mmap(2): what is refused before uvm_mmap, and before anything of a fixed range goes. */
function* mmap(vm: Vm, p: NetbsdProcess, request: PortMapRequest): Task<CallResult> {
  const { address, length, fixed, backing, maximum, wired } = request;
  const protection = request.protection & PROT_ALL;
  if ((protection & maximum) !== protection) return 'EACCES';
  const within = backing.kind === 'anon' ? 0 : backing.offset % PAGE_SIZE;
  if (fixed && address - within < USER_MIN_ADDRESS) return 'EINVAL';
  if (!fixed && length > USER_MAX_ADDRESS) return 'ENOMEM';
  if (backing.kind === 'file') (backing.file as VnodeObject).noteSize();
  return yield* sysMmap(vm, p, { ...request, protection }, { maximum, wired });
}
