/**
 * DragonFly's side of the processes: its memory calls, faults, files and processes as tasks.
 *
 * The calls themselves are in `syscalls.ts`. Here is what lies between them and a process: the arithmetic of mmap(2) before vm_mmap, flags,
 * and where an answer depends on more than one call. What is not as in the kernel of 2011 is in CAVEATS.md ("Processes").
 */
import type { Kernel } from '../kernel/kernel.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import { ACCESS_WRITE, type Access, PAGE_SIZE } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { FileRange, PortMapRequest, SyncFlags, TrapSignal, VmPort } from '../vm/port.js';
import { PROT_ALL, PROT_NONE, PROT_READ, PROT_WRITE, type Prot } from '../vm/prot.js';
import type { Advice, Inheritance, VmFile, VmProcess } from '../vm/system.js';
import { VM_FAULT_BURST, VM_FAULT_DIRTY } from './fault-state.js';
import { faultTask } from './fault-wire.js';
import { forkMap } from './fork.js';
import { fileAt, inspect, sizesOf } from './inspect.js';
import { FAULT_LOOP, KERN_FAILURE, KERN_NO_SPACE, KERN_PROTECTION_FAILURE, KERN_RESOURCE_SHORTAGE } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { sysMincore } from './mincore.js';
import { OBJT_VNODE } from './object.js';
import { pipWait, terminate } from './object-end.js';
import { objectPageClean } from './object-pages.js';
import { type DragonflyProcess, exitProcess } from './process.js';
import {
  sysBrk,
  sysMadvise,
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
import type { DragonflySystem } from './system.js';
import { withToken } from './tokens.js';
import type { Vm } from './vm.js';
import { setFileSize, type VnodeHandle } from './vnode.js';

/** What the port asks of the system that it belongs to. */
export interface PortHost {
  readonly vm: Vm;
  readonly system: Pick<DragonflySystem, 'lastFaultMajor' | 'spawn'>;
  /** The process as the room knows it. Throws for what is none of this machine, and for one that has exited. */
  mine(process: VmProcess): DragonflyProcess;
}

export class DragonflyPort implements VmPort {
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
    return Object.create(this.host.mine(process), { thread: { value: thread, enumerable: true } }) as DragonflyProcess;
  }

  threadOf(process: VmProcess): Thread {
    return this.host.mine(process).thread;
  }

  /** A system call: its price, and its body. */
  private *call<T>(process: VmProcess, body: (p: DragonflyProcess) => Task<T>): Task<T> {
    const p = this.host.mine(process);
    this.vm.machine.clock.advance(this.vm.machine.costs.syscall);
    return yield* inside(p, body(p));
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
    return this.call(process, (p) => mlockall(p, current, future));
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

  private *forkProcess(from: DragonflyProcess, name: string): Task<DragonflyProcess | Errno> {
    const child = this.host.system.spawn(name);
    this.vm.counters.v_forks++;
    child.dataStart = from.dataStart;
    child.dataEnd = from.dataEnd;
    child.map.stackLimit = from.map.stackLimit;
    child.embryo = true;
    const enough = yield* forkMap(this.vm, from.thread, from.map, child.map);
    child.embryo = false;
    if (enough) return child;
    yield* this.end(child);
    return 'ENOMEM';
  }

  exit(process: VmProcess): Task<void> {
    return this.call(process, (p) => this.end(p));
  }

  private *end(process: DragonflyProcess): Task<void> {
    yield* exitProcess(this.vm, process, process.thread);
  }

  *fault(process: VmProcess, vpn: number, access: Access): Task<number> {
    const p = this.host.mine(process);
    const store = access === ACCESS_WRITE;
    const flags = store ? VM_FAULT_BURST | VM_FAULT_DIRTY : VM_FAULT_BURST;
    const type = store ? PROT_WRITE : PROT_READ;
    const before = p.usage.major;
    const result = yield* inside(p, faultTask(this.vm, p.thread, p, p.map, vpn, type, flags));
    this.host.system.lastFaultMajor = p.usage.major > before;
    return this.faultCode(p, vpn, result);
  }

  faultCode(process: VmProcess, vpn: number, code: number): number {
    return code === KERN_FAILURE ? reasonOf(this.host.mine(process).map, vpn) : code;
  }

  signalOf(code: number): TrapSignal {
    if (code === KERN_PROTECTION_FAILURE) return { signal: 'SIGBUS', code: 'BUS_ADRERR' };
    if (code === KERN_FAILURE) return { signal: 'SIGBUS', code: 'BUS_OBJERR' };
    if (code === FAULT_LOOP || code === KERN_RESOURCE_SHORTAGE) return { signal: 'SIGKILL', code: 'NOMEM' };
    return { signal: 'SIGSEGV', code: 'SEGV_MAPERR' };
  }

  fileResized(thread: Thread, file: VmFile, bytes: number): Task<void> {
    return setFileSize(this.vm, thread, file as VnodeHandle, bytes);
  }

  *flushFile(thread: Thread, file: VmFile, part?: Omit<FileRange, 'file'>): Task<CallResult> {
    const vnode = file as VnodeHandle;
    const { object } = vnode;
    if (object === null) return 0;
    while (!vnode.lock.acquireWrite(thread)) yield;
    const { start, end } = part ?? { start: 0, end: object.size };
    const clean = objectPageClean(this.vm, thread, object, start, end);
    const ok = yield* withToken(this.vm.vmToken, thread, clean);
    vnode.lock.releaseWrite(thread);
    return ok ? 0 : 'EIO';
  }

  *releaseFile(thread: Thread, file: VmFile): Task<void> {
    const vnode = file as VnodeHandle;
    const { object } = vnode;
    if (object === null) return;
    while (!vnode.lock.acquireWrite(thread)) yield;
    yield* pipWait(this.vm, thread, object, 'objtrm');
    yield* withToken(this.vm.vmToken, thread, terminate(this.vm, thread, object));
    vnode.lock.releaseWrite(thread);
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

/** While a task runs, the process is in the kernel and cannot be killed for want of memory. */
function* inside<T>(p: DragonflyProcess, task: Task<T>): Task<T> {
  p.inKernel++;
  try {
    return yield* task;
  } finally {
    p.inKernel--;
  }
}

/**
 * The handler has one code for a stack that may not grow, a page past the end of its file and a failed read; the trap is to tell them
 * apart.
 */
function reasonOf(map: VmMap, vpn: number): number {
  const entry = map.lookup(vpn);
  if (entry === null) return KERN_NO_SPACE;
  return pastEnd(entry, vpn) ? KERN_PROTECTION_FAILURE : KERN_FAILURE;
}

function pastEnd(entry: MapEntry, vpn: number): boolean {
  let object = entry.object;
  let pindex = Math.floor(entry.offset + vpn - entry.start);
  for (; object !== null && object.backing !== null; object = object.backing) pindex += object.backingOffset;
  return object?.type === OBJT_VNODE && pindex * PAGE_SIZE >= (object.handle as VnodeHandle).length;
}

/** mmap(2): what the descriptor allows and what a stack needs, before anything of a fixed range goes. */
function* mmap(vm: Vm, p: DragonflyProcess, request: PortMapRequest): Task<CallResult> {
  const { backing, stack, nosync, maximum, vpagetable } = request;
  const protection = request.protection & PROT_ALL;
  const both = PROT_READ | PROT_WRITE;
  if (stack && (backing.kind !== 'anon' || (protection & both) !== both)) return 'EINVAL';
  if ((protection & maximum) !== protection) return 'EACCES';
  if (backing.kind === 'file') (backing.file as VnodeHandle).noteSize();
  const extras = { nosync, maximum, vpagetable, ...(stack ? { stack: 'stack' as const } : {}) };
  return yield* sysMmap(vm, p, { ...request, protection }, extras);
}

/** A range with a page that nobody may access is refused: as seeded wiring it would take the write permission from it for good (O3). */
function* mlock(vm: Vm, p: DragonflyProcess, address: number, length: number): Task<CallResult> {
  const end = Math.ceil((address + length) / PAGE_SIZE);
  let entry = p.map.before(Math.floor(address / PAGE_SIZE));
  if (p.map.isHead(entry)) entry = entry.next;
  for (; !p.map.isHead(entry) && entry.start < end; entry = entry.next) {
    if (entry.end * PAGE_SIZE > address && entry.protection === PROT_NONE) return 'ENOMEM';
  }
  return yield* sysMlock(vm, p, address, length);
}

// biome-ignore lint/correctness/useYield: it never waits
function* mlockall(p: DragonflyProcess, current: boolean, future: boolean): Task<CallResult> {
  return sysMlockall(p, current, future);
}

/** What is asked for later is not written here: `flushFile` does it, on a thread that nobody waits for. */
function* msyncLater(vm: Vm, p: DragonflyProcess, address: number, length: number): Task<readonly FileRange[] | Errno> {
  const later: FileRange[] = [];
  const result = yield* sysMsync(vm, p, address, length, false, later);
  return typeof result === 'string' ? result : later;
}
