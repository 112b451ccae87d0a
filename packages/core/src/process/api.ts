/**
 * Machines and processes as their users see them.
 *
 * **Synchronous or not.** A kernel that needs a page from a file or from swap asks a backing store. A store in memory or a local file answers
 * at once; one behind a network or a promise answers later. `createMachine` takes only stores that answer at once (the type says so, and it is checked),
 * and then every call here simply returns. `createAsyncMachine` takes any store: the same calls with the same names then answer promises, several
 * may be in progress in one process (each has a kernel thread of its own meanwhile, so they meet as threads do), and accesses that need no
 * I/O can be had at once from `tryLoad8` and its kin.
 *
 * **Results.** A call answers a number (0, an address, a count) or the errno's name, as the chosen system would. An access that the kernel refuses
 * raises a `MemorySignal`. An argument that no program could hand to a kernel (not a number, not whole, negative where a register
 * cannot be, beyond 2^53) is a TypeError or RangeError that names it, and nothing has happened.
 *
 * Addresses, lengths and offsets are bytes everywhere.
 */

import type { BackingStore, IoResult } from '../machine/store.js';
import type { Access } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { TrapSignal } from '../vm/port.js';
import type { Prot } from '../vm/prot.js';
import type { Inheritance, SystemName, VmSystem } from '../vm/system.js';
import type { CostOptions } from './options.js';

/** A store that answers at once. */
export interface SyncBackingStore extends BackingStore {
  readonly synchronous: true;
  read(offset: number, buffers: readonly Uint8Array[]): IoResult;
  write(offset: number, buffers: readonly Uint8Array[]): IoResult;
  truncate(bytes: number): IoResult;
  sync(): IoResult;
}

/** A pager of the user's own: where the pages of a mapping come from, and go to. Offsets and lengths are bytes, whole pages. */
export interface UserPager {
  /** Length in bytes of what can be mapped. */
  readonly size: number;
  /** Fills `buffers` (a page each) from `offset` on. Answers 0, or throws or rejects: the access then gets the system's I/O error. */
  getPages(offset: number, buffers: readonly Uint8Array[]): void | Promise<void>;
  /** Takes dirty pages. Without it the pager is read-only, and mapping it shared and writable is EACCES. */
  putPages?(offset: number, buffers: readonly Uint8Array[]): void | Promise<void>;
  /**
   * Whether there is anything at `offset`; a page that is not there reads as zeros without being asked for. If it throws, that is an I/O error too.
   * Default: everything is.
   */
  hasPage?(offset: number): boolean;
}

/** A pager that answers at once. */
export interface SyncUserPager extends UserPager {
  getPages(offset: number, buffers: readonly Uint8Array[]): void;
  putPages?(offset: number, buffers: readonly Uint8Array[]): void;
}

/** What a process may have at most: bytes, as setrlimit(2) sets them, and a count of map entries. */
export interface Limits {
  /** RLIMIT_AS; csrg has none and ignores it. Default: none. */
  readonly addressSpace: number;
  /** RLIMIT_DATA. Default 32 GiB. */
  readonly data: number;
  /** RLIMIT_STACK. Default 64 MiB. */
  readonly stack: number;
  /** RLIMIT_MEMLOCK. Default: none. */
  readonly lockedMemory: number;
  /**
   * Map entries with which mmap is still allowed (the sysctl vm.max_proc_mmap of freebsd and dragonfly; csrg and netbsd have none and ignore it).
   * Other calls may make more of them by cutting. Default: none.
   */
  readonly mapEntries: number;
}

interface CommonOptions extends CostOptions {
  readonly system: SystemName;
  /** Bytes of physical memory, a multiple of 4096. Default 16 MiB. */
  readonly memory?: number;
  /** Bytes of swap, a multiple of 4096. Default 0: none. */
  readonly swap?: number;
  /** Where frames keep their bytes: a buffer or WebAssembly memory to use from its first byte. Default: one of the machine's own. */
  readonly buffer?: ArrayBuffer | SharedArrayBuffer | WebAssemblyMemory;
  /**
   * With `buffer`: where in it the translation table shall lie, in bytes, behind the frames; a multiple of 4, `TLB_BYTES` long. So a guest in
   * WebAssembly whose memory the buffer is can index it too. Default: outside.
   */
  readonly tableOffset?: number;
  /** `mended` (default) repairs the defects that the system's CAVEATS.md lists, `as-seeded` reproduces them. */
  readonly defects?: 'as-seeded' | 'mended';
  /** What a process starts with. */
  readonly limits?: Partial<Limits>;
}

/** A WebAssembly.Memory, by its shape: `core` is compiled without the browser's types. */
export interface WebAssemblyMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
}

/** What a file of the machine is made of: its bytes (copied), a length of zeros, or a store. */
export type FileContents<S> = Uint8Array | number | S;

export interface MachineOptions extends CommonOptions {
  /** Files by path. */
  readonly files?: Readonly<Record<string, FileContents<SyncBackingStore>>>;
  /** Default: memory. */
  readonly swapStore?: SyncBackingStore;
}

export interface AsyncMachineOptions extends CommonOptions {
  readonly files?: Readonly<Record<string, FileContents<BackingStore>>>;
  readonly swapStore?: BackingStore;
}

/** How an access ended that could not be. */
export interface SignalValue extends TrapSignal {
  /** The byte that was asked for, where the first part failed. */
  readonly address: number;
  readonly access: 'read' | 'write' | 'execute';
}

/** What a signal handler makes of it: the access is tried again, or the signal is raised. */
export type SignalAnswer = 'retry' | 'raise';

/** getrusage(2), as far as memory goes, by its names. Faults and blocks are counts, sizes are bytes. */
export interface ResourceUsage {
  readonly ru_maxrss: number;
  readonly ru_minflt: number;
  readonly ru_majflt: number;
}

/** One entry of the address space, with what is behind it. Bytes, but for `wiredCount`. */
export interface MappingInfo {
  readonly start: number;
  readonly end: number;
  readonly protection: Prot;
  readonly maximum: Prot;
  readonly inheritance: Inheritance;
  readonly copyOnWrite: boolean;
  readonly needsCopy: boolean;
  readonly wiredCount: number;
  /** The path by which the file or pager was made, also once that is no name of it any more; `anon` where there is none. */
  readonly name: string;
  /** In memory, whoever brought it there. */
  readonly resident: number;
  /** Of that: shared with others. */
  readonly shared: number;
  /** Of that: this process's alone. */
  readonly private: number;
  readonly swapped: number;
  readonly wired: number;
  readonly dirty: number;
}

/** A part of a new image, mapped private at a fixed place. */
export interface ImageSegment {
  readonly address: number;
  readonly length: number;
  readonly protection: Prot;
  /** A file to map; without one, zeros. */
  readonly path?: string;
  /** Bytes into the file, whole pages. Default 0. */
  readonly offset?: number;
}

export interface Image {
  readonly segments: readonly ImageSegment[];
  /** Where the break begins. Default: behind the highest segment. */
  readonly dataStart?: number;
  /** Bytes of stack to reserve below the top of user space. Default 0: none. */
  readonly stack?: number;
}

export interface FileStatus {
  readonly size: number;
  /** Names. */
  readonly links: number;
  /** Changes whenever a write reaches the file or a page of it is found modified at msync: a count of the machine's own, not a time of day. */
  readonly modified: number;
}

/** The calls of a process. With `createAsyncMachine` each answers a promise of the same. */
export interface ProcessCalls {
  /** Maps. `flags` are MAP_*; `fd` is -1 for MAP_ANON. Answers the address. */
  mmap(address: number, length: number, protection: Prot, flags: number, fd?: number, offset?: number): CallResult;
  munmap(address: number, length: number): CallResult;
  mprotect(address: number, length: number, protection: Prot): CallResult;
  /** `advice` is MADV_*. */
  madvise(address: number, length: number, advice: number): CallResult;
  /** `how` is INHERIT_*. */
  minherit(address: number, length: number, how: number): CallResult;
  mlock(address: number, length: number): CallResult;
  munlock(address: number, length: number): CallResult;
  /** `flags` are MCL_*. */
  mlockall(flags: number): CallResult;
  munlockall(): CallResult;
  /**
   * `flags` are MS_*. MS_ASYNC is no promise of less: a store that answers at once has been written when the call returns, on every system. With stores that
   * answer later freebsd and dragonfly return as soon as the writes have begun, and what cannot be written stays dirty; csrg and netbsd wait.
   */
  msync(address: number, length: number, flags?: number): CallResult;
  /** Fills `vector`, a byte a page. */
  mincore(address: number, length: number, vector: Uint8Array): CallResult;
  /** Sets the end of the data segment. */
  brk(address: number): CallResult;
  /** Moves the end of the data segment and answers where it was: what the C library makes of brk. (The system call sbrk is EOPNOTSUPP.) */
  sbrk(increment: number): CallResult;

  /** `flags` are O_*. Answers a descriptor, the lowest that is free. */
  open(path: string, flags: number): CallResult;
  close(fd: number): CallResult;
  /** Reads into the process's memory at `address`, from the descriptor's own position on. Answers the count. */
  read(fd: number, address: number, length: number): CallResult;
  write(fd: number, address: number, length: number): CallResult;
  pread(fd: number, address: number, length: number, offset: number): CallResult;
  pwrite(fd: number, address: number, length: number, offset: number): CallResult;
  ftruncate(fd: number, length: number): CallResult;
  /** Returns when everything written to the file, also through mappings, is on stable storage. */
  fsync(fd: number): CallResult;
  unlink(path: string): CallResult;
  dup(fd: number): CallResult;
  lseek(fd: number, offset: number): CallResult;

  /** Copies process memory into `into`; the count, or EFAULT as the kernel's copyin would. No signal is raised. */
  copyin(address: number, into: Uint8Array): CallResult;
  /** Copies `from` into process memory. */
  copyout(from: Uint8Array, address: number): CallResult;
  /** Faults a range in for an access, page by page; null, or the first signal. The handler of signals is not asked. */
  touch(address: number, length: number, access?: Access): SignalValue | null;

  load8(address: number): number;
  load16(address: number): number;
  load32(address: number): number;
  load64(address: number): bigint;
  store8(address: number, value: number): void;
  store16(address: number, value: number): void;
  store32(address: number, value: number): void;
  store64(address: number, value: bigint): void;
  /** Fetches an instruction word: needs execute permission where the system tells it from reading. Any alignment. */
  fetch32(address: number): number;
  /** If the aligned word at `address` is `expected`, stores `replacement`. Answers what was there. */
  compareAndSwap32(address: number, expected: number, replacement: number): number;
  compareAndSwap64(address: number, expected: bigint, replacement: bigint): bigint;

  exit(): void;
}

/** The same calls, each answering a promise. */
export type Asynchronous<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : T[K];
};

/** What of a process needs no I/O. */
export interface ProcessView {
  readonly id: number;
  readonly name: string;
  /** False after exit, or once the kernel has killed it. */
  readonly alive: boolean;
  /** The signal that killed it, or null. */
  readonly killedBy: SignalValue | null;
  readonly limits: Limits;
  setLimits(limits: Partial<Limits>): void;
  usage(): ResourceUsage;
  /** The entries of the address space with what is behind each, ascending. Walks every page: for people, not for loops. */
  maps(): MappingInfo[];
  /** The same as the system's own tool would print it: procfs `map` on csrg, freebsd and dragonfly, pmap(1) on netbsd. */
  mapsText(): string;
  /** Where the data segment ends. */
  readonly dataEnd: number;
  /** The translation table of this process, to be indexed inline. */
  readonly table: InlineTable;
}

/**
 * The translation table, for guests that look it up inline. See `machine/tlb.ts` for the layout:
 *
 *     slot = (access << 12) | (page & 4095)
 *     hit  = tags[slot] === (tagBase | (page >>> 12))     then the byte is at frames[slot] * 4096 + (address & 4095)
 *
 * for pages below 2^32 (addresses below 2^44); `tagOf` serves the others. With `tableOffset` the tags lie there in the buffer, and the frames right
 * behind them (3 * 4096 words each). An entry is dropped the moment the kernel takes the translation, or a
 * permission of it, away, and a hit in the write part means that the page is already marked modified: no further work is due.
 * `tagBase` may change whenever the kernel has run: read it again after `miss` and after every call.
 */
export interface InlineTable {
  readonly tags: Int32Array;
  readonly frames: Int32Array;
  readonly tagBase: number;
  /** The part of the table that instruction fetches use: ACCESS_EXECUTE, or ACCESS_READ on csrg, whose hardware does not tell them apart. */
  readonly fetchAccess: Access;
  tagOf(page: number): number;
  /** Fills the table for an access, by a page fault if need be. Answers the byte in the buffer where the page begins. Raises MemorySignal. */
  miss(address: number, access: Access): number;
}

/** What a signal handler is told and answers. */
export type SignalHandler = (signal: SignalValue) => SignalAnswer;

export interface Process extends ProcessCalls, ProcessView {
  /** Asked before a signal is raised: a handler may map or protect and let the access be tried again. At most 100 times for one access. */
  onSignal: SignalHandler | null;
  /** A copy, by the inheritance of each entry; descriptors are shared. */
  fork(name?: string): Process | Errno;
  /** A child that runs in this very address space until it execs or exits; this process may not be used meanwhile. */
  vfork(name?: string): Process | Errno;
  /** As fork, but the whole of the address space comes along: ranges of INHERIT_NONE too. */
  clone(name?: string): Process | Errno;
  /** A new image in place of the old. On an error after the old one is gone, the process is killed, as execve(2) does. */
  exec(image?: Image): CallResult;
}

export interface AsyncProcess extends Asynchronous<ProcessCalls>, ProcessView {
  onSignal: ((signal: SignalValue) => SignalAnswer | Promise<SignalAnswer>) | null;
  fork(name?: string): Promise<AsyncProcess | Errno>;
  vfork(name?: string): Promise<AsyncProcess | Errno>;
  clone(name?: string): Promise<AsyncProcess | Errno>;
  exec(image?: Image): Promise<CallResult>;
  /** At once if the page is there, else undefined: then `load8` brings it. */
  tryLoad8(address: number): number | undefined;
  tryLoad32(address: number): number | undefined;
  /** True if it was stored. */
  tryStore8(address: number, value: number): boolean;
  tryStore32(address: number, value: number): boolean;
}

/** The state of a machine at a moment; good only for the machine that made it. */
export interface Snapshot {
  /** Bytes that it takes, about. */
  readonly bytes: number;
}

interface MachineView {
  readonly system: SystemName;
  /** The kernel underneath: its counters, queues, dumps and checks. */
  readonly kernel: VmSystem;
  /** The bytes of all frames. */
  readonly bytes: Uint8Array;
  exists(path: string): boolean;
  /** @throws RangeError for a path that does not exist */
  status(path: string): FileStatus;
  paths(): string[];
  /** Throws InvariantError naming the first invariant that does not hold. */
  check(): void;
}

export interface Machine extends MachineView {
  readonly processes: readonly Process[];
  spawn(name?: string): Process;
  /** @throws RangeError when the path exists */
  createFile(path: string, contents?: FileContents<SyncBackingStore>): void;
  /** A thing to map under `path` whose pages come from the user. */
  createPager(path: string, pager: SyncUserPager): void;
  /** Writes every dirty page of every file: 0, or the first errno. */
  sync(): CallResult;
  /** Lets the page daemon free `bytes` bytes, or all that it can. */
  pageout(bytes: number): void;
  /** Called with each process that the kernel kills for want of memory. */
  onKill: ((process: Process) => void) | null;
  snapshot(): Snapshot;
  /** Everything is again as it was: memory, processes, descriptors, files and swap in memory. Processes made since are dead. */
  restore(snapshot: Snapshot): void;
}

export interface AsyncMachine extends MachineView {
  readonly processes: readonly AsyncProcess[];
  spawn(name?: string): AsyncProcess;
  createFile(path: string, contents?: FileContents<BackingStore>): void;
  createPager(path: string, pager: UserPager): void;
  sync(): Promise<CallResult>;
  pageout(bytes: number): Promise<void>;
  onKill: ((process: AsyncProcess) => void) | null;
  /** Settles when no call and no I/O is in progress. */
  whenIdle(): Promise<void>;
}
