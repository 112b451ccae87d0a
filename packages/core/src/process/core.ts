/**
 * The machine behind both faces of the API: a kernel, its port, files, processes.
 *
 * Everything that may meet I/O is a task; the synchronous face runs it with `Kernel.call`, the asynchronous one with `Kernel.callAsync`. Nothing here knows
 * which.
 */
import type { Kernel } from '../kernel/kernel.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { BackingStore } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { VmPort } from '../vm/port.js';
import type { SystemName, VmProcess, VmSystem } from '../vm/system.js';
import type { Limits } from './api.js';
import { FileTable, MachineFile } from './files.js';
import { ProcessCore } from './process-core.js';
import { OUT_OF_MEMORY, signalValue } from './signals.js';
import { WatchedStore } from './watched-store.js';
import { closeWindow } from './window.js';

/** One thread of a process, as the kernel sees it. */
export interface Lwp {
  readonly process: ProcessCore;
  readonly vm: VmProcess;
}

export class MachineCore {
  readonly port: VmPort;
  readonly kernel: Kernel;
  readonly name: SystemName;
  readonly files = new FileTable();
  readonly processes: ProcessCore[] = [];
  /** The hidden process that has the windows of all files mapped. */
  readonly io: VmProcess;
  /** The thread of what no process asks for. */
  readonly operator: Thread;
  private nextPid = 1;
  /** Told of each process that the kernel kills. */
  onKill: ((process: ProcessCore) => void) | null = null;

  constructor(
    readonly system: VmSystem,
    readonly bytes: Uint8Array,
    /** What a process starts with. */
    readonly limits: Limits,
  ) {
    this.port = system.port;
    this.kernel = this.port.kernel;
    this.name = system.name;
    this.io = system.spawn('(files)');
    this.operator = this.port.createThread('(operator)');
    system.onKill = (vm) => this.killed(vm);
  }

  spawn(name: string): ProcessCore {
    return this.adopt(name, this.system.spawn(name), this.limits);
  }

  /** A process around an address space. */
  adopt(name: string, vm: VmProcess, limits: Limits): ProcessCore {
    const process = new ProcessCore(this, this.nextPid++, name, vm, limits);
    this.processes.push(process);
    return process;
  }

  /** The address space of the windows, for calls of a thread. */
  windows(thread: Thread): VmProcess {
    return this.port.withThread(this.io, thread);
  }

  addFile(path: string, store: BackingStore, kind: { writable: boolean; resizable: boolean }): MachineFile {
    const watched = new WatchedStore(store, () => {
      file.modified++;
    });
    const vm = this.system.createFile(path, watched);
    const file: MachineFile = new MachineFile(this.kernel, path, vm, store, kind.writable, kind.resizable);
    this.files.named.set(path, file);
    this.files.known.set(vm, file);
    return file;
  }

  /** The file that is mapped at an address, or null. */
  fileAt(vm: VmProcess, address: number): MachineFile | null {
    const mapped = this.port.fileAt(vm, Math.floor(address / PAGE_SIZE));
    return mapped === null ? null : (this.files.known.get(mapped) ?? null);
  }

  /** The kernel has ended a process for want of memory. Its address space is gone already. */
  private killed(vm: VmProcess): void {
    // A vfork child goes with the parent whose address space it runs in.
    for (const process of this.processes.filter((each) => each.vm === vm)) {
      process.end(signalValue(OUT_OF_MEMORY, 0, 0));
      this.onKill?.(process);
    }
  }

  /** Time of the way into the kernel and back. */
  enterKernel(): void {
    const { machine } = this.system;
    machine.clock.advance(machine.costs.syscall);
  }

  /** Lets go of files that nobody can reach any more. Done after whatever may have been the last hold. */
  *reap(thread: Thread): Task<void> {
    if (this.files.unlinked.size === 0) return;
    for (const file of [...this.files.unlinked]) yield* this.reapFile(thread, file);
  }

  /** A call that held a file is over. */
  *letGo(thread: Thread, file: MachineFile): Task<void> {
    file.holds--;
    if (this.files.unlinked.has(file)) yield* this.reapFile(thread, file);
  }

  private *reapFile(thread: Thread, file: MachineFile): Task<void> {
    // Nobody else than another reaper can have the lock of a file that no call holds; that one looks at the mappings last, and will see what we have seen.
    if (file.holds > 0 || !file.lock.tryAcquire(thread)) return;
    try {
      yield* closeWindow(this, thread, file);
      if (file.holds === 0 && this.port.fileHolds(file.vm) === 0) yield* this.releaseFile(thread, file);
    } finally {
      file.lock.release(thread);
    }
  }

  private *releaseFile(thread: Thread, file: MachineFile): Task<void> {
    this.files.unlinked.delete(file);
    yield* this.port.releaseFile(thread, file.vm);
    this.files.known.delete(file.vm);
    this.system.forgetFile(file.vm);
  }
}
