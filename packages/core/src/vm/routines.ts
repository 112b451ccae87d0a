/**
 * What a room gives to its system: a table of the kernel's own routines, a row for each call of the contract that only passes through.
 *
 * `KernelSystem` is what stands before them: it has checked the arguments, found the process and paid for the trap.
 */
import type { Kernel } from '../kernel/kernel.js';
import type { Channel, Task, Thread } from '../kernel/thread.js';
import type { LoadRule } from '../machine/cpu.js';
import type { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { CallResult } from './errno.js';
import type { Prot } from './prot.js';
import type {
  Advice,
  BackingLayer,
  EntryInfo,
  Inheritance,
  MapRequest,
  SystemOptions,
  VmDevice,
  VmFile,
  VmProcess,
} from './system.js';

/** A kernel's virtual memory, as far as it is the same everywhere: each room's `Vm`. */
export interface KernelVm {
  readonly kernel: Kernel;
  /** Numbers by the kernel's own names. */
  readonly counters: object;
  /** What the page daemon sleeps on when it has nothing to do. */
  readonly daemonChannel: Channel;
}

/** A process, as far as it is the same everywhere. */
export interface KernelProcess extends VmProcess {
  /** The kernel that it is a process of. */
  readonly vm: KernelVm;
  readonly thread: Thread;
}

/** What every kernel is started with. */
export interface KernelOptions {
  readonly swapPages: number;
  /** Null without swap, and in a machine without contents. */
  readonly swapStore: BackingStore | null;
  /** `as-seeded` reproduces every defect of the seed; `mended` repairs those that the room's CAVEATS.md lists. */
  readonly defects: 'as-seeded' | 'mended';
}

/** A kernel's own routines behind the calls of the contract. Addresses and lengths are bytes, and checked to be whole numbers. */
export interface Routines<V extends KernelVm, P extends KernelProcess, O extends SystemOptions> {
  /** A process with an empty address space. */
  readonly Process: new (
    vm: V,
    id: number,
    name: string,
  ) => P;
  /** What a load asks of a translation on this kernel's hardware. */
  readonly loadRule: (options: O) => LoadRule;
  /** The kernel on its machine, before its page daemon runs. May refuse options of its own. */
  readonly boot: (machine: Machine, common: KernelOptions, options: O) => V;
  /** Where the kernel itself keeps its processes; left out where the list of the system is the only one. */
  readonly processes?: (vm: V) => P[];
  readonly pageDaemon: (vm: V, thread: Thread) => Task<void>;
  /** Frees `pages` more frames if it can, in the name of `thread`. */
  readonly pageoutPages: (vm: V, thread: Thread, pages: number) => Task<void>;

  /** A file whose first page lies at `diskPage` of the simulated disk. */
  readonly file: (vm: V, name: string, store: BackingStore, diskPage: number) => VmFile;
  readonly device: (name: string, pages: number, firstFrame: number) => VmDevice;

  readonly exit: (vm: V, process: P) => Task<void>;
  readonly mmap: (vm: V, process: P, request: MapRequest) => Task<CallResult>;
  readonly munmap: (vm: V, process: P, address: number, length: number) => Task<CallResult>;
  readonly mprotect: (vm: V, process: P, address: number, length: number, protection: Prot) => Task<CallResult>;
  readonly madvise: (vm: V, process: P, address: number, length: number, advice: Advice) => Task<CallResult>;
  readonly minherit: (vm: V, process: P, address: number, length: number, how: Inheritance) => Task<CallResult>;
  readonly mlock: (vm: V, process: P, address: number, length: number) => Task<CallResult>;
  readonly munlock: (vm: V, process: P, address: number, length: number) => Task<CallResult>;
  readonly msync: (vm: V, process: P, address: number, length: number) => Task<CallResult>;
  readonly brk: (vm: V, process: P, address: number) => Task<CallResult>;

  readonly codeName: (code: number) => string;
  /** The counters of the fault handler, in printing order. */
  readonly faultCounters: readonly string[];
  /** Queue sizes in printing order. */
  readonly queues: (vm: V) => Readonly<Record<string, number>>;
  readonly entries: (process: P) => EntryInfo[];
  /** `vpn` is a page number; null when no entry holds it. */
  readonly backing: (vm: V, process: P, vpn: number) => BackingLayer[] | null;
  readonly chainLength: (process: P, vpn: number) => number;
  /** @throws InvariantError */
  readonly check: (vm: V, processes: readonly P[]) => void;
}
