/**
 * csrg's side of the processes: its memory calls, faults, files and processes as tasks.
 *
 * The calls themselves are in `syscalls.ts` and `syscalls-mmap.ts`, as the kernel of June 1992 has them. Where a process is answered as the next
 * release (4.4BSD-Lite2) would is in CAVEATS.md ("Processes"): that is what the flags and limits of the calls belong to.
 */
import type { Kernel } from '../kernel/kernel.js';
import { runStages } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import {
  ACCESS_WRITE,
  type Access,
  PAGE_SIZE,
  pagesFor,
  USER_MAX_ADDRESS,
  USER_MIN_ADDRESS,
} from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { FileRange, PortMapRequest, TrapSignal, VmPort } from '../vm/port.js';
import { PROT_ALL, PROT_NONE, PROT_READ, PROT_WRITE, type Prot } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import type { Inheritance, VmFile, VmProcess } from '../vm/system.js';
import { stackCode } from './exec.js';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import { fileAt, inspect, sizesOf } from './inspect.js';
import { FAULT_LOOP, KERN_FAILURE, KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import { forkMap } from './map-copy.js';
import { lockMap, unlockMap } from './map-entry.js';
import { insertLocked, isAllocated, protectRange, removeRange } from './map-range.js';
import { objectLookup } from './object.js';
import { deallocate, pageClean } from './object-end.js';
import { releaseVnode, resizeFile, type VnodeHandle } from './pager-vnode.js';
import { type CsrgProcess, exitProcess } from './process.js';
import { clipNeeds } from './reserve.js';
import {
  badRange,
  sysBrk,
  sysMadvise,
  sysMincore,
  sysMinherit,
  sysMlock,
  sysMprotect,
  sysMsync,
  sysMunlock,
} from './syscalls.js';
import { sysMmap } from './syscalls-mmap.js';
import type { CsrgSystem } from './system.js';
import type { Vm } from './vm.js';

/** What the port asks of the system that it belongs to. */
export interface PortHost {
  readonly vm: Vm;
  readonly system: Pick<CsrgSystem, 'lastFaultMajor' | 'spawn'>;
  /** The process as the room knows it. Throws for what is none of this machine, and for one that has exited. */
  mine(process: VmProcess): CsrgProcess;
  /** The process has exited. */
  forget(process: CsrgProcess): void;
}

export class CsrgPort implements VmPort {
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
    return this.host.mine(process).pmap;
  }

  withThread(process: VmProcess, thread: Thread): VmProcess {
    // The same process in everything but the thread that its calls run on.
    return Object.create(this.host.mine(process), { thread: { value: thread, enumerable: true } }) as CsrgProcess;
  }

  threadOf(process: VmProcess): Thread {
    return this.host.mine(process).thread;
  }

  /** A system call: its price, and its body. */
  private *call<T>(process: VmProcess, body: (p: CsrgProcess) => Task<T>): Task<T> {
    const p = this.host.mine(process);
    this.vm.machine.clock.advance(this.vm.machine.costs.syscall);
    return yield* body(p);
  }

  mmap(process: VmProcess, request: PortMapRequest): Task<CallResult> {
    return this.call(process, (p) => mmap(this.vm, p, request));
  }

  munmap(process: VmProcess, address: number, length: number): Task<CallResult> {
    return this.call(process, (p) => munmap(this.vm, p, address, length));
  }

  mprotect(process: VmProcess, address: number, length: number, protection: Prot): Task<CallResult> {
    return this.call(process, (p) => sysMprotect(this.vm, p, address, length, protection & PROT_ALL));
  }

  madvise(process: VmProcess): Task<CallResult> {
    return this.call(process, () => refused(sysMadvise()));
  }

  minherit(process: VmProcess, address: number, length: number, how: Inheritance): Task<CallResult> {
    return this.call(process, (p) => sysMinherit(this.vm, p, address, length, how));
  }

  mlock(process: VmProcess, address: number, length: number): Task<CallResult> {
    return this.call(process, (p) => mlock(this.vm, p, address, length));
  }

  munlock(process: VmProcess, address: number, length: number): Task<CallResult> {
    return this.call(process, (p) => munlock(this.vm, p, address, length));
  }

  mlockall(process: VmProcess): Task<CallResult> {
    return this.call(process, () => refused('EOPNOTSUPP'));
  }

  munlockall(process: VmProcess): Task<CallResult> {
    return this.call(process, () => refused('EOPNOTSUPP'));
  }

  /** There are no flags yet: it always writes at once and takes the pages out of memory. */
  msync(process: VmProcess, address: number, length: number): Task<CallResult> {
    return this.call(process, (p) => sysMsync(this.vm, p, address, length));
  }

  mincore(process: VmProcess): Task<CallResult> {
    return this.call(process, () => refused(sysMincore()));
  }

  setDataStart(process: VmProcess, address: number): void {
    const p = this.host.mine(process);
    p.dataStart = address;
    p.dataEnd = address;
  }

  brk(process: VmProcess, address: number): Task<CallResult> {
    return this.call(process, (p) => brk(this.vm, p, address));
  }

  /** setrlimit gives and takes the permissions of the part of the stack region between the old limit and the new. */
  setStackLimit(process: VmProcess, bytes: number): void {
    const p = this.host.mine(process);
    const old = p.stackLimit;
    p.stackLimit = Math.floor(bytes / PAGE_SIZE);
    if (p.stackLowest < 0) return;
    // On a thread of its own: those of the process may be in the middle of something.
    const thread = this.kernel.createThread(`${p.name} setrlimit`);
    this.kernel.begin(thread, limitStack(this.vm, this.withThread(p, thread) as CsrgProcess, old));
  }

  fork(parent: VmProcess, name: string): Task<VmProcess | Errno> {
    return this.call(parent, (p) => this.forkProcess(p, name));
  }

  private *forkProcess(from: CsrgProcess, name: string): Task<CsrgProcess | Errno> {
    const child = this.host.system.spawn(name);
    this.vm.counters.v_forks++;
    child.inherit(from);
    if (yield* forkMap(this.vm, from.thread, from.map, child.map)) return child;
    yield* this.end(child);
    return 'ENOMEM';
  }

  exit(process: VmProcess): Task<void> {
    return this.call(process, (p) => this.end(p));
  }

  private *end(process: CsrgProcess): Task<void> {
    yield* exitProcess(this.vm, process);
    this.host.forget(process);
  }

  *fault(process: VmProcess, vpn: number, access: Access): Task<number> {
    const p = this.host.mine(process);
    const f = beginFault(this.vm);
    f.thread = p.thread;
    f.map = p.map;
    f.vaddr = vpn;
    f.faultType = access === ACCESS_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
    yield* runStages(f, faultStart);
    this.host.system.lastFaultMajor = f.pageins > 0;
    const { result } = f;
    endFault(f);
    return stackCode(p, vpn, result);
  }

  signalOf(code: number): TrapSignal {
    if (code === KERN_PROTECTION_FAILURE) return { signal: 'SIGBUS', code: 'BUS_ADRERR' };
    if (code === KERN_FAILURE) return { signal: 'SIGBUS', code: 'BUS_OBJERR' };
    if (code === FAULT_LOOP) return { signal: 'SIGKILL', code: 'NOMEM' };
    return { signal: 'SIGSEGV', code: 'SEGV_MAPERR' };
  }

  fileResized(thread: Thread, file: VmFile, bytes: number): Task<void> {
    return resizeFile(this.vm, thread, file as VnodeHandle, bytes);
  }

  *flushFile(thread: Thread, file: VmFile, part?: Omit<FileRange, 'file'>): Task<CallResult> {
    const { pager } = file as VnodeHandle;
    const object = pager === null ? null : objectLookup(this.vm, pager);
    if (object === null) return 0;
    const whole = yield* pageClean(this.vm, thread, object, part?.start ?? 0, part?.end ?? 0, false);
    yield* deallocate(this.vm, thread, object);
    return whole ? 0 : 'EIO';
  }

  releaseFile(thread: Thread, file: VmFile): Task<void> {
    return releaseVnode(this.vm, thread, file as VnodeHandle);
  }

  fileHolds(file: VmFile): number {
    return (file as VnodeHandle).pager?.object?.refCount ?? 0;
  }

  inspectPage(process: VmProcess, vpn: number): number {
    return inspect(this.vm, this.host.mine(process), vpn);
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

/** A call that this kernel does not have. */
// biome-ignore lint/correctness/useYield: it never waits
function* refused(errno: Errno): Task<CallResult> {
  return errno;
}

/** mmap of 4.4BSD before vm_mmap; the maximum comes afterwards, since ranges begin with every permission. */
function* mmap(vm: Vm, p: CsrgProcess, request: PortMapRequest): Task<CallResult> {
  const { address, length, fixed, maximum, backing, stack } = request;
  const protection = request.protection & PROT_ALL;
  if ((protection & maximum) !== protection) return 'EACCES';
  if (stack && backing.kind !== 'anon') return 'EINVAL';
  const end = address + pagesFor(length) * PAGE_SIZE;
  if (fixed && (address < USER_MIN_ADDRESS || end > USER_MAX_ADDRESS)) return 'EINVAL';
  // The kernel of the time lets nobody but exec have the last page.
  if (fixed && !stack && end === USER_MAX_ADDRESS) return 'EINVAL';
  if (stack && fixed) return yield* mapStack(vm, p, address, length);
  const result = yield* sysMmap(vm, p, { ...request, protection });
  if (typeof result !== 'number' || maximum === PROT_ALL || length === 0) return result;
  const start = result / PAGE_SIZE;
  yield* protectRange(vm, p.thread, p.map, start, start + pagesFor(length), maximum, true);
  return result;
}

/** The stack region, as exec makes it: memory of no object yet, without permissions below the limit. */
function* mapStack(vm: Vm, p: CsrgProcess, address: number, length: number): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  const lowest = address / PAGE_SIZE;
  const top = lowest + pagesFor(length);
  // Beside the cuts: the region, and its part that the limit forbids; a region that joins the entry below is cut off again.
  if (!reserves(vm, () => ({ entries: clipNeeds(p.map, lowest, top).entries + 2, objects: 0 }))) return 'ENOMEM';
  yield* removeRange(vm, p.thread, p.map, lowest, top);
  yield* lockMap(p.map, p.thread);
  const result = insertLocked(vm, p.map, null, 0, lowest, top);
  unlockMap(p.map, p.thread);
  if (result !== KERN_SUCCESS) return 'ENOMEM';
  p.stackLowest = lowest;
  p.stackTop = top;
  p.stackPages = 0;
  yield* limitStack(vm, p, Number.POSITIVE_INFINITY);
  return address;
}

/** The limit of the stack has been `old` pages and is another now. */
function* limitStack(vm: Vm, p: CsrgProcess, old: number): Task<void> {
  const bottom = (pages: number): number => Math.max(p.stackLowest, p.stackTop - pages);
  const from = bottom(old);
  const to = bottom(p.stackLimit);
  if (from < to) yield* protectRange(vm, p.thread, p.map, from, to, PROT_NONE);
  else if (to < from) yield* protectRange(vm, p.thread, p.map, to, from, PROT_ALL);
}

/** munmap of 4.4BSD passes holes over. */
function* munmap(vm: Vm, p: CsrgProcess, address: number, length: number): Task<CallResult> {
  if (badRange(address, length) || address + length > USER_MAX_ADDRESS) return 'EINVAL';
  if (length === 0) return 0;
  const start = address / PAGE_SIZE;
  const end = pagesFor(address + length);
  if (!reserves(vm, () => clipNeeds(p.map, start, end))) return 'ENOMEM';
  yield* removeRange(vm, p.thread, p.map, start, end);
  return 0;
}

/** A third of all frames may be wired (vm_page_max_wired); a range with a hole, or a page that nobody may access, is refused as a whole. */
function* mlock(vm: Vm, p: CsrgProcess, address: number, length: number): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  if (pagesFor(length) + vm.wiredPages > Math.floor(vm.machine.memory.poolFrames / 3)) return 'EAGAIN';
  const start = address / PAGE_SIZE;
  const end = pagesFor(address + length);
  if (!isAllocated(p.map, start, end, false)) return 'ENOMEM';
  for (let entry = p.map.lookup(start); entry !== null && entry.start < end; entry = entry.next) {
    if (p.map.isHead(entry)) break;
    if (entry.protection === PROT_NONE) return 'ENOMEM';
  }
  return yield* sysMlock(vm, p, address, length);
}

function* munlock(vm: Vm, p: CsrgProcess, address: number, length: number): Task<CallResult> {
  if (badRange(address, length)) return 'EINVAL';
  if (!isAllocated(p.map, address / PAGE_SIZE, pagesFor(address + length), false)) return 'ENOMEM';
  return yield* sysMunlock(vm, p, address, length);
}

/** The kernel would take away what lies below the data segment. */
function* brk(vm: Vm, p: CsrgProcess, address: number): Task<CallResult> {
  if (address < p.dataStart) return 'EINVAL';
  return yield* sysBrk(vm, p, address);
}
