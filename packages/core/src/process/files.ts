/**
 * Files by name, open files, and descriptors.
 *
 * A file lives as long as it has a name, an open descriptor or a mapping. What is known of its contents here is its store and its *window*: the place where the
 * machine's own hidden process has it mapped, shared. read(2) and write(2) go through the window, so they see what mappings see, on all four
 * systems and in the same pages.
 */
import type { BackingStore } from '../machine/store.js';
import type { VmFile } from '../vm/system.js';

export class MachineFile {
  /** Names: 1, or 0 once it is unlinked. */
  links = 1;
  /** Open files that refer to it. */
  opens = 0;
  /** Counts changes that reached it. */
  modified = 0;
  /** Where the window begins and how long it is, in bytes; 0 where there is none. */
  windowAddress = 0;
  windowLength = 0;

  constructor(
    readonly path: string,
    readonly vm: VmFile,
    readonly store: BackingStore,
    /** False for a pager that takes no pages. */
    readonly writable: boolean,
    /** False for a pager: its length is its own business. */
    readonly resizable: boolean,
  ) {}

  get size(): number {
    return this.store.size();
  }
}

/** What open(2) makes: shared by dup and fork. */
export class OpenFile {
  /** Descriptors that refer to it. */
  references = 1;
  /** Where the next read or write begins, in bytes. */
  position = 0;

  constructor(
    readonly file: MachineFile,
    readonly readable: boolean,
    readonly writable: boolean,
    readonly append: boolean,
  ) {
    file.opens++;
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

  /** The lowest free descriptor, or -1 when there are too many. */
  add(open: OpenFile): number {
    let fd = this.slots.indexOf(null);
    if (fd < 0) fd = this.slots.length;
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
  if (--open.references === 0) open.file.opens--;
}

export class FileTable {
  /** Files that have a name. */
  readonly named = new Map<string, MachineFile>();
  /** Files without one that are still open or mapped. */
  readonly unlinked = new Set<MachineFile>();
  /** All of them, by what the kernel knows them as: names change hands, this does not. */
  readonly known = new Map<VmFile, MachineFile>();
}
