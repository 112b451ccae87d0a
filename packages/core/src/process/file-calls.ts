/**
 * open, close, read, write and their kin: what 4.4BSD and its descendants share. Where they differ from each other nothing of it concerns memory.
 *
 * A transfer goes page by page, with the page of the file and the page of the process both in memory at the moment of the copy. A bad buffer is
 * EFAULT and no signal. What was moved before it stays moved, the file has its old length again, and the position stands still, as
 * with vn_write's IO_UNIT.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { ACCESS_READ, ACCESS_WRITE } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import { checkDescriptor, checkInt, checkLength, checkOffset, checkPath, checkRange } from './arguments.js';
import type { Lwp, MachineCore } from './core.js';
import { dropReference, locked, type MachineFile, OpenFile } from './files.js';
import { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from './flags.js';
import { leftInPage, type Piece, resolvePair } from './resolve.js';
import { answerOf, openWindow, resize, storeErrno, windowPiece } from './window.js';

const ACCESS_MODE = 3;

/** Makes a new empty file of the machine's own. */
export type CreateFile = (path: string) => MachineFile;

/** open(2). */
export function sysOpen(lwp: Lwp, path: string, flags: number, create: CreateFile): Task<CallResult> {
  checkPath(path);
  checkInt('flags', flags);
  lwp.process.core.enterKernel();
  return openTask(lwp, path, flags, create);
}

function* openTask({ process, vm }: Lwp, path: string, flags: number, create: CreateFile): Task<CallResult> {
  const { core } = process;
  const mode = flags & ACCESS_MODE;
  if (mode === ACCESS_MODE) return 'EINVAL';
  if (process.descriptors.full) return 'EMFILE';
  let file = core.files.named.get(path);
  if (file !== undefined && (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return 'EEXIST';
  if (file === undefined) {
    if ((flags & O_CREAT) === 0) return 'ENOENT';
    file = create(path);
  }
  const writes = mode !== O_RDONLY || (flags & O_TRUNC) !== 0;
  if (writes && !file.writable) return 'EACCES';
  const open = new OpenFile(file, mode !== O_WRONLY, mode === O_WRONLY || mode === O_RDWR, (flags & O_APPEND) !== 0);
  const thread = core.port.threadOf(vm);
  let trouble: Errno | null = null;
  if ((flags & O_TRUNC) !== 0 && file.resizable) {
    trouble = yield* locked(thread, file, resize(core, thread, file, 0));
  }
  // The process may have been killed meanwhile, or have opened too many others.
  const fd = trouble === null && process.alive ? process.descriptors.add(open) : -1;
  if (fd >= 0) return fd;
  dropReference(open);
  yield* core.reap(thread);
  return trouble ?? 'EMFILE';
}

/** Runs a call on an open file, which stays open for it whatever becomes of the descriptor. */
function* withOpen(lwp: Lwp, fd: number, call: (open: OpenFile, thread: Thread) => Task<CallResult>): Task<CallResult> {
  const { process, vm } = lwp;
  const { core } = process;
  const open = process.descriptors.get(fd);
  if (open === null) return 'EBADF';
  const thread = core.port.threadOf(vm);
  open.references++;
  let result: CallResult;
  try {
    result = yield* call(open, thread);
  } finally {
    dropReference(open);
  }
  yield* core.reap(thread);
  return result;
}

/** close(2). */
export function sysClose(lwp: Lwp, fd: number): Task<CallResult> {
  checkDescriptor(fd);
  lwp.process.core.enterKernel();
  return closeTask(lwp, fd);
}

function* closeTask({ process, vm }: Lwp, fd: number): Task<CallResult> {
  if (process.descriptors.remove(fd) === null) return 'EBADF';
  yield* process.core.reap(process.core.port.threadOf(vm));
  return 0;
}

/** dup(2). */
export function sysDup({ process }: Lwp, fd: number): CallResult {
  checkDescriptor(fd);
  const open = process.descriptors.get(fd);
  if (open === null) return 'EBADF';
  const copy = process.descriptors.add(open);
  if (copy < 0) return 'EMFILE';
  open.references++;
  return copy;
}

/** lseek(2), SEEK_SET. */
export function sysLseek({ process }: Lwp, fd: number, offset: number): CallResult {
  checkDescriptor(fd);
  checkOffset(offset);
  const open = process.descriptors.get(fd);
  if (open === null) return 'EBADF';
  open.position = offset;
  return offset;
}

/** unlink(2). */
export function sysUnlink(lwp: Lwp, path: string): Task<CallResult> {
  checkPath(path);
  lwp.process.core.enterKernel();
  return unlinkTask(lwp, path);
}

function* unlinkTask({ process: { core }, vm }: Lwp, path: string): Task<CallResult> {
  const file = core.files.named.get(path);
  if (file === undefined) return 'ENOENT';
  core.files.named.delete(path);
  core.files.unlinked.add(file);
  file.links = 0;
  yield* core.reap(core.port.threadOf(vm));
  return 0;
}

/** A transfer between a file and the memory of a process. */
interface Transfer {
  readonly fd: number;
  readonly address: number;
  readonly length: number;
  /** Bytes into the file, or null for the position of the open file, which then moves. */
  readonly offset: number | null;
}

function checkTransfer(fd: number, address: number, length: number, offset: number | null): void {
  checkDescriptor(fd);
  checkRange(address, length);
  if (offset !== null) checkOffset(offset);
}

/** read(2) and pread(2). */
export function sysRead(
  lwp: Lwp,
  fd: number,
  address: number,
  length: number,
  offset: number | null,
): Task<CallResult> {
  checkTransfer(fd, address, length, offset);
  lwp.process.core.enterKernel();
  return readTask(lwp, { fd, address, length, offset });
}

function readTask(lwp: Lwp, transfer: Transfer): Task<CallResult> {
  return withOpen(lwp, transfer.fd, (open, thread) => locked(thread, open.file, readLocked(lwp, transfer, open)));
}

function* readLocked(lwp: Lwp, transfer: Transfer, open: OpenFile): Task<CallResult> {
  if (!open.readable) return 'EBADF';
  const { file } = open;
  const from = transfer.offset ?? open.position;
  const bytes = Math.max(0, Math.min(transfer.length, file.size - from));
  const moved = yield* move(lwp, file, from, transfer.address, bytes, false);
  if (typeof moved === 'number' && transfer.offset === null) open.position = from + moved;
  return moved;
}

/** write(2) and pwrite(2). */
export function sysWrite(
  lwp: Lwp,
  fd: number,
  address: number,
  length: number,
  offset: number | null,
): Task<CallResult> {
  checkTransfer(fd, address, length, offset);
  lwp.process.core.enterKernel();
  return writeTask(lwp, { fd, address, length, offset });
}

function writeTask(lwp: Lwp, transfer: Transfer): Task<CallResult> {
  return withOpen(lwp, transfer.fd, (open, thread) => locked(thread, open.file, writeLocked(lwp, transfer, open)));
}

function* writeLocked(lwp: Lwp, transfer: Transfer, open: OpenFile): Task<CallResult> {
  const { core } = lwp.process;
  if (!open.writable) return 'EBADF';
  const { file } = open;
  const thread = core.port.threadOf(lwp.vm);
  const from = transfer.offset ?? (open.append ? file.size : open.position);
  const { length } = transfer;
  if (length === 0) return 0;
  const oldSize = file.size;
  if (from + length > oldSize) {
    const trouble = yield* resize(core, thread, file, from + length);
    if (trouble !== null) return trouble;
  }
  const moved = yield* move(lwp, file, from, transfer.address, length, true);
  file.modified++;
  if (typeof moved === 'string') {
    if (file.size > oldSize) yield* resize(core, thread, file, oldSize);
    return moved;
  }
  if (transfer.offset === null) open.position = from + moved;
  return moved;
}

/** Moves bytes between a file and a process, page by page. */
function* move(
  lwp: Lwp,
  file: MachineFile,
  offset: number,
  address: number,
  bytes: number,
  toFile: boolean,
): Task<CallResult> {
  if (bytes <= 0) return 0;
  const { core } = lwp.process;
  const thread = core.port.threadOf(lwp.vm);
  const opened = yield* openWindow(core, thread, file, offset + bytes);
  if (opened !== null) return opened;
  for (let done = 0; done < bytes; ) {
    const ours: Piece = { vm: lwp.vm, address: address + done, access: toFile ? ACCESS_READ : ACCESS_WRITE };
    const theirs = windowPiece(core, thread, file, offset + done, toFile);
    const pair = yield* resolvePair(core, ours, theirs);
    if ('trap' in pair) return pair.which === 'first' ? 'EFAULT' : troubleOf(pair.trap.code);
    const count = Math.min(bytes - done, leftInPage(ours.address), leftInPage(theirs.address));
    const [to, from] = toFile ? [pair.second, pair.first] : [pair.first, pair.second];
    core.bytes.copyWithin(to, from, from + count);
    done += count;
  }
  return bytes;
}

function troubleOf(code: string): Errno {
  return code === 'NOMEM' ? 'ENOMEM' : 'EIO';
}

/** ftruncate(2). */
export function sysFtruncate(lwp: Lwp, fd: number, length: number): Task<CallResult> {
  checkDescriptor(fd);
  checkLength(length);
  lwp.process.core.enterKernel();
  return ftruncateTask(lwp, fd, length);
}

function ftruncateTask(lwp: Lwp, fd: number, length: number): Task<CallResult> {
  const { core } = lwp.process;
  return withOpen(lwp, fd, (open, thread) => locked(thread, open.file, truncateLocked(core, thread, open, length)));
}

function* truncateLocked(core: MachineCore, thread: Thread, open: OpenFile, length: number): Task<CallResult> {
  if (!open.writable || !open.file.resizable) return 'EINVAL';
  if (length === open.file.size) return 0;
  return (yield* resize(core, thread, open.file, length)) ?? 0;
}

/** fsync(2). */
export function sysFsync(lwp: Lwp, fd: number): Task<CallResult> {
  checkDescriptor(fd);
  lwp.process.core.enterKernel();
  return fsyncTask(lwp, fd);
}

function fsyncTask(lwp: Lwp, fd: number): Task<CallResult> {
  return withOpen(lwp, fd, (open, thread) => flush(lwp.process.core, thread, open.file));
}

/** Writes every dirty page of a file, for the operator. */
export function* syncFile(core: MachineCore, file: MachineFile): Task<CallResult> {
  file.holds++;
  const result = yield* flush(core, core.operator, file);
  yield* core.letGo(core.operator, file);
  return result;
}

/** Writes what is dirty of a file, and waits until it is on stable storage. */
function* flush(core: MachineCore, thread: Thread, file: MachineFile): Task<CallResult> {
  const written = yield* core.port.flushFile(thread, file.vm);
  if (typeof written === 'string') return written;
  const synced = yield* answerOf(core, thread, file.store.sync(), 'fsync');
  return synced < 0 ? storeErrno(synced) : 0;
}
