/**
 * Windows: files mapped, shared, in the machine's own hidden process.
 *
 * read(2), write(2) and ftruncate(2) reach a file's pages here, so that they and all mappings see the same bytes at once. (The kernels do it by the
 * buffer cache over the same pages, or by ubc_map; csrg did it by a buffer cache of its own, and its mappings and calls could disagree: see its
 * CAVEATS.md.) A window is as long as the file and grows ahead of it.
 *
 * Everything here but `answerOf` is done with the file's lock.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { ACCESS_READ, ACCESS_WRITE, USER_MAX_ADDRESS } from '../machine/units.js';
import type { Errno } from '../vm/errno.js';
import type { PortMapRequest } from '../vm/port.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { MachineCore } from './core.js';
import type { MachineFile } from './files.js';
import type { Piece } from './resolve.js';

/** A window is at least so long. */
const LEAST_WINDOW = 2 ** 20;

/** Positive errno numbers by name. */
const NAMES: Readonly<Record<number, Errno>> = {
  5: 'EIO',
  12: 'ENOMEM',
  22: 'EINVAL',
  27: 'EFBIG',
  28: 'ENOSPC',
  30: 'EACCES',
};

/** The name of what a store answered. */
export function storeErrno(result: number): Errno {
  return NAMES[-result] ?? 'EIO';
}

/** Waits for a store's answer. */
export function* answerOf(
  core: MachineCore,
  thread: Thread,
  io: number | Promise<number>,
  wmesg: string,
): Task<number> {
  if (typeof io === 'number') return io;
  let result = 0;
  core.kernel.awaitIo(thread, io, wmesg, (answer) => {
    result = answer;
  });
  yield;
  return result;
}

/** And at most so long: what lies behind it in a file, a mapping can reach, and no call. */
const MOST_WINDOW = 2 ** Math.floor(Math.log2(USER_MAX_ADDRESS / 4));

function windowLengthFor(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(bytes, LEAST_WINDOW)));
}

/** Sees to a window that reaches to `bytes`. */
export function* openWindow(core: MachineCore, thread: Thread, file: MachineFile, bytes: number): Task<Errno | null> {
  if (file.windowLength >= bytes && file.windowLength > 0) return null;
  if (bytes > MOST_WINDOW) return 'EFBIG';
  const { port } = core;
  const old = { address: file.windowAddress, length: file.windowLength };
  const length = windowLengthFor(bytes);
  const request: PortMapRequest = {
    address: 0,
    length,
    protection: file.writable ? PROT_READ | PROT_WRITE : PROT_READ,
    maximum: PROT_ALL,
    sharing: 'shared',
    backing: { kind: 'file', file: file.vm, offset: 0 },
    fixed: false,
    nosync: false,
    stack: false,
    wired: false,
    vpagetable: false,
  };
  const address = yield* port.mmap(core.windows(thread), request);
  if (typeof address === 'string') return address;
  file.windowAddress = address;
  file.windowLength = length;
  if (old.length > 0) yield* port.munmap(core.windows(thread), old.address, old.length);
  return null;
}

/** Takes the window away. */
export function* closeWindow(core: MachineCore, thread: Thread, file: MachineFile): Task<void> {
  const { windowAddress, windowLength } = file;
  if (windowLength === 0) return;
  file.windowLength = 0;
  yield* core.port.munmap(core.windows(thread), windowAddress, windowLength);
}

/** A place of a file as a piece of memory. */
export function windowPiece(
  core: MachineCore,
  thread: Thread,
  file: MachineFile,
  offset: number,
  write: boolean,
): Piece {
  return {
    vm: core.windows(thread),
    address: file.windowAddress + offset,
    access: write ? ACCESS_WRITE : ACCESS_READ,
  };
}

/**
 * Gives the file a length. Between the store's end and the one that the kernel believes in, the nearer one holds: the kernel is told of a shorter file before the
 * store is cut, so that no page-out in between can make it long again, and of a longer one afterwards.
 *
 * What a mapping has stored past the end, in the last page, must not come to light when the file grows. In memory the kernel zeroes it; in the store it never was.
 */
export function* resize(core: MachineCore, thread: Thread, file: MachineFile, bytes: number): Task<Errno | null> {
  const old = file.size;
  if (bytes < old) yield* core.port.fileResized(thread, file.vm, bytes);
  const result = yield* answerOf(core, thread, file.store.truncate(bytes), 'truncate');
  if (result < 0) {
    if (bytes < old) yield* core.port.fileResized(thread, file.vm, old);
    return storeErrno(result);
  }
  if (bytes > old) yield* core.port.fileResized(thread, file.vm, bytes);
  file.modified++;
  return null;
}
