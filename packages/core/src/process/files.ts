/**
 * Files by name, open files, and descriptors.
 *
 * A file lives as long as it has a name, an open descriptor or a mapping. What is known of its contents here is its store and its *window*: the place where the
 * machine's own hidden process has it mapped, shared. read(2) and write(2) go through the window, so they see what mappings see, on all four
 * systems and in the same pages.
 *
 * With stores that answer later several calls may be at work on one file. Each *holds* the file until it is over, as a kernel holds an open file for the time of a
 * call: so a close or an unlink meanwhile does not take it away. What moves bytes, changes the length or moves the window has the file's lock
 * besides.
 */
import type { Kernel } from '../kernel/kernel.js';
import { Mutex } from '../kernel/locks.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { BackingStore } from '../machine/store.js';
import type { VmFile } from '../vm/system.js';

export class MachineFile {
  /** Names: 1, or 0 once it is unlinked. */
  links = 1;
  /** Open files that refer to it, and calls that are at work on it. */
  holds = 0;
  /** Counts changes that reached it. */
  modified = 0;
  /** Where the window begins and how long it is, in bytes; 0 where there is none. */
  windowAddress = 0;
  windowLength = 0;
  /** Had by whoever reads or writes through the window, makes it, takes it away, or changes the length. Before every lock of the kernel. */
  readonly lock: Mutex;

  constructor(
    kernel: Kernel,
    readonly path: string,
    readonly vm: VmFile,
    readonly store: BackingStore,
    /** False for a pager that takes no pages. */
    readonly writable: boolean,
    /** False for a pager: its length is its own business. */
    readonly resizable: boolean,
  ) {
    this.lock = new Mutex(kernel, `file ${path}`);
  }

  get size(): number {
    return this.store.size();
  }
}

/** Runs a task with the file's lock. */
export function* locked<T>(thread: Thread, file: MachineFile, task: Task<T>): Task<T> {
  while (!file.lock.acquire(thread)) yield;
  try {
    return yield* task;
  } finally {
    file.lock.release(thread);
  }
}

/** What open(2) makes: shared by dup and fork. */
export class OpenFile {
  /** Descriptors that refer to it, and calls that are at work on it. */
  references = 1;
  /** Where the next read or write begins, in bytes. */
  position = 0;

  constructor(
    readonly file: MachineFile,
    readonly readable: boolean,
    readonly writable: boolean,
    readonly append: boolean,
  ) {
    file.holds++;
  }
}

/** Most descriptors of a process. */
export const MAX_DESCRIPTORS = 1024;

/** The descriptors of a process. */
export class Descriptors {
  private readonly slots: (OpenFile | null)[] = [];

  get(fd: number): OpenFile | null {
    return this.slots[fd] ?? null;
  }

  /** The lowest descriptor that is free, or MAX_DESCRIPTORS when none is. */
  private free(): number {
    const fd = this.slots.indexOf(null);
    return fd < 0 ? this.slots.length : fd;
  }

  get full(): boolean {
    return this.free() >= MAX_DESCRIPTORS;
  }

  /** The lowest free descriptor, or -1 when there are too many. */
  add(open: OpenFile): number {
    const fd = this.free();
    if (fd >= MAX_DESCRIPTORS) return -1;
    this.slots[fd] = open;
    return fd;
  }

  /** Takes a descriptor out; the open file loses a reference. */
  remove(fd: number): OpenFile | null {
    const open = this.get(fd);
    if (open === null) return null;
    this.slots[fd] = null;
    dropReference(open);
    return open;
  }

  removeAll(): void {
    for (let fd = 0; fd < this.slots.length; fd++) this.remove(fd);
  }

  /** The child of a fork has the same open files. */
  copyTo(child: Descriptors): void {
    for (const [fd, open] of this.slots.entries()) {
      child.slots[fd] = open;
      if (open !== null) open.references++;
    }
  }
}

export function dropReference(open: OpenFile): void {
  if (--open.references === 0) open.file.holds--;
}

export class FileTable {
  /** Files that have a name. */
  readonly named = new Map<string, MachineFile>();
  /** Files without one that are still open or mapped. */
  readonly unlinked = new Set<MachineFile>();
  /** All of them, by what the kernel knows them as: names change hands, this does not. */
  readonly known = new Map<VmFile, MachineFile>();
}
