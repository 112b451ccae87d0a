/**
 * The contract of a system: what scenario scripts, replay, comparison and embedding ask of each of the four kernels.
 *
 * A system is one machine running one kernel. Addresses and lengths of the calls below are bytes, as in the system calls
 * that they stand for, and need not be aligned: what happens then is the kernel's own business. Page numbers are used where
 * the word page is said. Every call runs to its end before it returns; the threads behind it are the kernel's own.
 *
 * What a kernel would not survive is thrown: `KernelPanic` with the kernel's text, `KernelHang` when nobody could
 * ever wake the thread. Both leave the machine as it stood, for inspection.
 */
import type { Costs } from '../machine/costs.js';
import type { Machine } from '../machine/machine.js';
import type { Contents } from '../machine/memory.js';
import type { BackingStore } from '../machine/store.js';
import type { Tlb, TlbPlace } from '../machine/tlb.js';
import type { Access } from '../machine/units.js';
import type { CallResult } from './errno.js';
import type { VmPort } from './port.js';
import type { Prot } from './prot.js';

export type SystemName = 'csrg' | 'freebsd' | 'dragonfly' | 'netbsd';
export const SYSTEM_NAMES: readonly SystemName[] = ['csrg', 'freebsd', 'dragonfly', 'netbsd'];

/** A process as its users see it. */
export interface VmProcess {
  /** Unique in its machine, from 1. */
  readonly id: number;
  readonly name: string;
  /** False after exit. */
  readonly alive: boolean;
  /** `ru_minflt` and `ru_majflt`. */
  readonly usage: { minor: number; major: number };
}

/** A regular file that can be mapped: its pages stay cached between mappings. */
export interface VmFile {
  readonly name: string;
  readonly store: BackingStore;
}

/** A device whose memory lies outside the page pool. */
export interface VmDevice {
  readonly name: string;
  /** Length in pages. */
  readonly pages: number;
}

export type Sharing = 'private' | 'shared';
export type Advice = 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed' | 'free';
export type Inheritance = 'share' | 'copy' | 'none';

export type MapBacking =
  | { readonly kind: 'anon' }
  | { readonly kind: 'file'; readonly file: VmFile; readonly offset: number }
  | { readonly kind: 'device'; readonly device: VmDevice; readonly offset: number };

export interface MapRequest {
  /** Bytes. With `fixed` the place itself, otherwise a hint (0: no wish). */
  readonly address: number;
  /** Bytes. */
  readonly length: number;
  readonly protection: Prot;
  readonly sharing: Sharing;
  readonly backing: MapBacking;
  readonly fixed: boolean;
}

/** One map entry as `entries` prints it. Addresses are bytes. */
export interface EntryInfo {
  readonly start: number;
  readonly end: number;
  readonly protection: Prot;
  readonly maximum: Prot;
  readonly inheritance: Inheritance;
  readonly cow: boolean;
  readonly needsCopy: boolean;
  readonly wired: number;
  readonly advice: Advice;
}

/** A run of translations with equal protection and wiring. Addresses are bytes. */
export interface TranslationInfo {
  readonly start: number;
  readonly end: number;
  readonly protection: Prot;
  readonly wired: boolean;
}

/** One layer behind a map entry, from the top. Page indexes ascend. */
export type BackingLayer =
  | {
      readonly kind: 'object';
      /** `default`, `swap`, `internal`, `vnode:NAME`, `device:NAME`. */
      readonly type: string;
      readonly size: number;
      readonly ref: number;
      /** Left out where the system keeps no such count. */
      readonly shadows?: number;
      /** Pages into the next object; only where there is one. */
      readonly offset?: number;
      readonly resident: readonly number[];
      /** csrg: the copy object, printed below its object. */
      readonly copy?: BackingLayer;
    }
  | {
      readonly kind: 'amap';
      readonly slots: number;
      readonly used: number;
      readonly ref: number;
      readonly shared: boolean;
      /** Slot (from the entry's first) and reference count. */
      readonly anons: readonly { readonly slot: number; readonly ref: number }[];
    }
  | { readonly kind: 'uobj'; readonly type: string; readonly ref: number; readonly resident: readonly number[] };

export interface VmSystem {
  readonly name: SystemName;
  /** The machine that the kernel runs on: its clock, disk and CPUs. */
  readonly machine: Machine;
  /** The kernel as the processes of `core/src/process` use it: its calls and faults as tasks. */
  readonly port: VmPort;

  /** A file known under `name`, backed by `store`. Nothing of it is in memory yet. */
  createFile(name: string, store: BackingStore): VmFile;
  /** The file has gone (`VmPort.releaseFile`): nothing of it is kept, and it can be mapped no more. */
  forgetFile(file: VmFile): void;
  /** A device of `pages` pages whose contents are `fill` (page index, page bytes), if the machine has contents. */
  createDevice(name: string, pages: number, fill?: (page: number, bytes: Uint8Array) => void): VmDevice;

  /** A process with an empty address space. */
  spawn(name: string): VmProcess;
  /** A child with an address space made by the inheritance of each entry. */
  fork(parent: VmProcess, name: string): VmProcess | Exclude<CallResult, number>;
  /** Tears the address space down. */
  exit(process: VmProcess): void;

  map(process: VmProcess, request: MapRequest): CallResult;
  unmap(process: VmProcess, address: number, length: number): CallResult;
  protect(process: VmProcess, address: number, length: number, protection: Prot): CallResult;
  advise(process: VmProcess, address: number, length: number, advice: Advice): CallResult;
  inherit(process: VmProcess, address: number, length: number, how: Inheritance): CallResult;
  wire(process: VmProcess, address: number, length: number): CallResult;
  unwire(process: VmProcess, address: number, length: number): CallResult;
  sync(process: VmProcess, address: number, length: number): CallResult;
  /** Sets the end of the data segment; the first call's address is its start. */
  brk(process: VmProcess, address: number): CallResult;

  /**
   * The frame behind page `vpn` if the process's translations allow the access now, else -1.
   * A success marks the translation referenced (and modified for a store), as the hardware does.
   */
  translate(process: VmProcess, vpn: number, access: Access): number;
  /**
   * The translation buffer of the CPU that processes run on, and the number of a process's address space in it: a replay
   * loop tests `tlb.tags` itself and calls `translate` (then `fault`) on a miss. The number may change whenever the kernel
   * runs; ask again after each call of the system.
   */
  readonly tlb: Tlb;
  addressSpaceNumber(process: VmProcess): number;
  /** Takes one page fault and runs the kernel's handler to its end. Answers the handler's code. */
  fault(process: VmProcess, vpn: number, access: Access): number;
  /** The code that means success. */
  readonly faultSuccess: number;
  /** `KERN_SUCCESS` or `0`, `KERN_PROTECTION_FAILURE` or `EACCES`, ... */
  faultCodeName(code: number): string;
  /** Whether the last successful `fault` counted as major in the kernel's own account. */
  readonly lastFaultMajor: boolean;
  /** The bytes of a frame (pool or device), or null in a machine without contents. */
  frameBytes(frame: number): Uint8Array | null;

  /** Runs the page daemon until `pages` more frames are free or it can free no more. */
  pageout(pages: number): void;

  translations(process: VmProcess): TranslationInfo[];
  entries(process: VmProcess): EntryInfo[];
  /** Layers behind the entry at `address`, empty when nothing is there yet, null when no entry holds the address. */
  backing(process: VmProcess, address: number): BackingLayer[] | null;
  /** How many layers `backing` would list: objects of the shadow chain, or amap and object. 0 where nothing is. */
  chainLength(process: VmProcess, address: number): number;
  /** Queue sizes in printing order; a queue that the system lacks is left out. */
  queues(): { readonly name: string; readonly pages: number }[];
  /** The counters of the fault handler by kernel name, zeros included: what a scenario's `counters` prints. */
  counters(): Record<string, number>;
  /** Every counter that the kernel keeps, by kernel name: those of `counters`, and pager, page daemon and fork beside them. */
  statistics(): Record<string, number>;
  /** One counter of `statistics`, without making a list of all; 0 for a name that the kernel does not keep. */
  counter(name: string): number;

  /** Called with each process that the kernel itself kills for want of memory. */
  onKill: ((process: VmProcess) => void) | null;

  /** Checks every invariant of the system; throws `InvariantError` naming the first that does not hold. */
  check(): void;
}

/** How a system is started. Everything has a default. */
export interface SystemOptions {
  /** Page frames of the pool. Default 4096. */
  readonly memoryPages?: number;
  /** Swap area in pages. Default 0: none. */
  readonly swapPages?: number;
  /** Where swap lives; default memory. Ignored without contents. */
  readonly swapStore?: BackingStore;
  /** Frames outside the pool, for devices. Default 0. */
  readonly devicePages?: number;
  /** Where frames keep their bytes: `true` (default) a buffer of the machine's own, `false` nowhere, or a buffer to use. */
  readonly contents?: Contents;
  /** Where the translation buffer of the first CPU shall lie. Default: a buffer of its own. */
  readonly tlb?: TlbPlace;
  /** CPUs. Default 1. */
  readonly cpus?: number;
  /** Costs that differ from the defaults, in nanoseconds. */
  readonly costs?: Partial<Costs>;
  /** `as-seeded` (default) reproduces the kernel's defects, `mended` repairs those that its CAVEATS.md lists. */
  readonly defects?: 'as-seeded' | 'mended';
}
