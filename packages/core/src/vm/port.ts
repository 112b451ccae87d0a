/**
 * What the processes of `core/src/process` ask of a kernel, beyond the contract of `system.ts`: its memory calls as tasks.
 *
 * A task may meet a store that answers later. Whoever runs it decides what happens then: `Kernel.call` refuses, `Kernel.callAsync` waits. So the
 * same task serves a machine whose stores are all synchronous and one whose stores are not.
 *
 * Every call runs on the thread of the process that it is given. A process may have further threads: `withThread` answers the same process as
 * another of its threads sees it. Only the first thread may fork, exec, exit and move the break.
 *
 * Arguments have been checked by the caller to be what they are declared to be; whether they make sense is the kernel's business.
 */
import type { Kernel } from '../kernel/kernel.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Pmap } from '../machine/pagetable.js';
import type { Access } from '../machine/units.js';
import type { CallResult, Errno } from './errno.js';
import type { Prot } from './prot.js';
import type { Advice, Inheritance, MapRequest, VmFile, VmProcess } from './system.js';

/** mmap as a process asks for it. */
export interface PortMapRequest extends MapRequest {
  /** What the descriptor behind a shared mapping allows: the entry's maximum protection. PROT_ALL otherwise. */
  readonly maximum: Prot;
  /** MAP_NOSYNC (freebsd, dragonfly). */
  readonly nosync: boolean;
  /** MAP_STACK (freebsd, dragonfly): grows down from the end of the range. csrg takes a fixed one for the stack region of exec, netbsd ignores it. */
  readonly stack: boolean;
  /** MAP_WIRED (netbsd): the pages are wired when the call returns. */
  readonly wired: boolean;
  /** MAP_VPAGETABLE (dragonfly). */
  readonly vpagetable: boolean;
}

/** MS_SYNC without more. MS_ASYNC is `msyncLater`, where the kernel makes a difference. */
export interface SyncFlags {
  readonly invalidate: boolean;
}

/** Pages `start` to `end` (exclusive) of a file. */
export interface FileRange {
  readonly file: VmFile;
  readonly start: number;
  readonly end: number;
}

/** Why an access could not be. `address` is added by the caller. */
export interface TrapSignal {
  readonly signal: 'SIGSEGV' | 'SIGBUS' | 'SIGKILL';
  readonly code: 'SEGV_MAPERR' | 'SEGV_ACCERR' | 'BUS_ADRERR' | 'BUS_OBJERR' | 'NOMEM';
}

/** What is known of one page of an address space, as bits. Nothing is faulted in to find out. */
export const PAGE_RESIDENT = 1;
/** Somebody else refers to it too: an object or anon with several references, a file's page. */
export const PAGE_SHARED = 2;
/** Its contents are in swap (and, without PAGE_RESIDENT, only there). */
export const PAGE_SWAPPED = 4;
export const PAGE_WIRED = 8;
/** Modified since it was last written to where it comes from. */
export const PAGE_DIRTY = 16;
/** This process has a translation for it. */
export const PAGE_MAPPED = 32;

export interface VmPort {
  /** The kernel that runs the tasks. */
  readonly kernel: Kernel;
  /** A thread for calls of its own: what the room's `vm.createThread` makes. */
  createThread(name: string): Thread;
  /** The translations of the process: changes at exec on some systems. */
  pmapOf(process: VmProcess): Pmap;
  /** The process as another thread of it sees it. */
  withThread(process: VmProcess, thread: Thread): VmProcess;
  /** The thread that `process` stands for. */
  threadOf(process: VmProcess): Thread;

  mmap(process: VmProcess, request: PortMapRequest): Task<CallResult>;
  munmap(process: VmProcess, address: number, length: number): Task<CallResult>;
  mprotect(process: VmProcess, address: number, length: number, protection: Prot): Task<CallResult>;
  madvise(process: VmProcess, address: number, length: number, advice: Advice): Task<CallResult>;
  minherit(process: VmProcess, address: number, length: number, how: Inheritance): Task<CallResult>;
  mlock(process: VmProcess, address: number, length: number): Task<CallResult>;
  munlock(process: VmProcess, address: number, length: number): Task<CallResult>;
  mlockall(process: VmProcess, current: boolean, future: boolean): Task<CallResult>;
  munlockall(process: VmProcess): Task<CallResult>;
  msync(process: VmProcess, address: number, length: number, flags: SyncFlags): Task<CallResult>;
  /**
   * msync(MS_ASYNC) where the kernel only starts the writes: what `msync` would write, for `flushFile` to write on a thread of its own, or the errno of
   * its arguments. Left out by a kernel whose call waits all the same.
   */
  msyncLater?(process: VmProcess, address: number, length: number): Task<readonly FileRange[] | Errno>;
  /** A byte a page into `vector`. */
  mincore(process: VmProcess, address: number, length: number, vector: Uint8Array): Task<CallResult>;
  /** Where the data segment begins: called once, before the first `brk`, and again after exec. */
  setDataStart(process: VmProcess, address: number): void;
  brk(process: VmProcess, address: number): Task<CallResult>;
  /** Most bytes that stacks of the process may grow to (RLIMIT_STACK). */
  setStackLimit(process: VmProcess, bytes: number): void;

  fork(parent: VmProcess, name: string): Task<VmProcess | Errno>;
  exit(process: VmProcess): Task<void>;

  /** One page fault, as a task. Answers the handler's code. */
  fault(process: VmProcess, vpn: number, access: Access): Task<number>;
  /** A code of `VmSystem.fault` as `fault` would have answered it, where the handler has one code for two things. */
  faultCode?(process: VmProcess, vpn: number, code: number): number;
  /** What the trap makes of a code other than success. */
  signalOf(code: number, access: Access): TrapSignal;

  /**
   * The file gets this length (vnode_pager_setsize, uvm_vnp_setsize): pages past the end go, whoever maps them, and what lies behind the end within
   * a page is zero from now on, also when the file grows. Say it *before* the store is cut and *after* it has grown: in between the nearer end
   * holds, so that nothing past it is read or written. It waits for transfers of these pages.
   */
  fileResized(thread: Thread, file: VmFile, bytes: number): Task<void>;
  /** Writes every dirty page of the file, or of a part of it, to its store (VOP_FSYNC without the store's own sync). Answers 0 or an errno. */
  flushFile(thread: Thread, file: VmFile, part?: Omit<FileRange, 'file'>): Task<CallResult>;
  /** The file has no name, descriptor or mapping any more: its pages go without being written. */
  releaseFile(thread: Thread, file: VmFile): Task<void>;
  /** Mappings and other holds on the file. 0: `releaseFile` may be called. */
  fileHolds(file: VmFile): number;

  /** Bits of PAGE_RESIDENT ... for one page; 0 where nothing is mapped or nothing is there yet. */
  inspectPage(process: VmProcess, vpn: number): number;
  /** The file whose object lies at the bottom of what is mapped at page `vpn`, whether it still has a name or not; null where there is none. */
  fileAt(process: VmProcess, vpn: number): VmFile | null;
  /** Pages of the address space that lie in entries (map->size), and pages that are wired by entries. */
  sizes(process: VmProcess): { readonly mapped: number; readonly wired: number };
  /** Entries of its map (map->nentries). */
  entryCount(process: VmProcess): number;
}
