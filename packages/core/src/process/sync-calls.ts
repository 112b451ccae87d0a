/**
 * msync(2).
 *
 * MS_SYNC writes and waits, also until the stores have what was written on stable storage. MS_ASYNC starts the writes where the kernel does no more
 * (freebsd, dragonfly): each file is written on a thread of its own that nobody waits for. With stores that answer at once that is over before the call
 * returns, and its errno is the call's; with others the call has answered 0, the pages are busy until their transfer ends, and what
 * could not be written is still dirty. Whoever writes the file next, msync, fsync or the page daemon, waits for its turn, so nothing overtakes. The file is held
 * meanwhile, whatever becomes of its name, its mappings and the process.
 *
 * csrg and netbsd know no difference: csrg's call has no flags, and netbsd's has a line that makes every call synchronous.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { CallResult } from '../vm/errno.js';
import type { FileRange } from '../vm/port.js';
import type { SystemName } from '../vm/system.js';
import { checkBits, checkRange } from './arguments.js';
import type { Lwp, MachineCore } from './core.js';
import type { MachineFile } from './files.js';
import { MS_ASYNC, MS_INVALIDATE, MS_SYNC_NETBSD } from './flags.js';
import { answerOf, storeErrno } from './window.js';

/** msync(2). */
export function sysMsync(lwp: Lwp, address: number, length: number, flags: number): Task<CallResult> {
  checkRange(address, length);
  checkBits('flags', flags);
  return msyncTask(lwp, address, length, flags);
}

/** The errors of msync's flags. */
function badSyncFlags(system: SystemName, flags: number): boolean {
  const async = (flags & MS_ASYNC) !== 0;
  if (system === 'csrg') return false;
  if (system !== 'netbsd') return async && (flags & MS_INVALIDATE) !== 0;
  const known = MS_ASYNC | MS_INVALIDATE | MS_SYNC_NETBSD;
  // 0 is what MS_SYNC is elsewhere; the kernel refuses a call with none of the three, so the number is taken for MS_SYNC before it comes here.
  return (flags & ~known) !== 0 || (async && (flags & MS_SYNC_NETBSD) !== 0);
}

function* msyncTask(lwp: Lwp, address: number, length: number, flags: number): Task<CallResult> {
  const { core } = lwp.process;
  if (badSyncFlags(core.name, flags)) return 'EINVAL';
  if ((flags & MS_ASYNC) !== 0 && core.port.msyncLater !== undefined) {
    const ranges = yield* core.port.msyncLater(lwp.vm, address, length);
    return typeof ranges === 'string' ? ranges : startAll(core, ranges);
  }
  return yield* writeAndWait(lwp, address, length, (flags & MS_INVALIDATE) !== 0);
}

function* writeAndWait(lwp: Lwp, address: number, length: number, invalidate: boolean): Task<CallResult> {
  const { process, vm } = lwp;
  const { core } = process;
  const thread = core.port.threadOf(vm);
  const files = filesIn(lwp, address, length);
  for (const file of files) file.holds++;
  let result = yield* core.port.msync(vm, address, length, { invalidate });
  for (const file of files) {
    if (result === 0) result = yield* syncStore(core, thread, file);
    yield* core.letGo(thread, file);
  }
  return result;
}

/** The file's store alone: its pages have been written. */
function* syncStore(core: MachineCore, thread: Thread, file: MachineFile): Task<CallResult> {
  const result = yield* answerOf(core, thread, file.store.sync(), 'msync');
  return result < 0 ? storeErrno(result) : 0;
}

/** Files that are mapped in a range; a range of length 0 is the entry that holds its address. */
function filesIn({ process: { core }, vm }: Lwp, address: number, length: number): Set<MachineFile> {
  const found = new Set<MachineFile>();
  for (const entry of core.system.entries(vm)) {
    if (entry.end <= address || entry.start >= address + Math.max(length, 1)) continue;
    const file = core.fileAt(vm, entry.start);
    if (file !== null) found.add(file);
  }
  return found;
}

/** Starts the writes; the first errno of those that are over at once. */
function startAll(core: MachineCore, ranges: readonly FileRange[]): CallResult {
  let first: CallResult = 0;
  for (const range of ranges) {
    const thread = core.port.createThread(`(msync ${range.file.name})`);
    const begun = core.kernel.begin(thread, writeRange(core, thread, range));
    if (first === 0 && begun !== null) first = begun.result;
  }
  return first;
}

function* writeRange(core: MachineCore, thread: Thread, range: FileRange): Task<CallResult> {
  const file = core.files.known.get(range.file) ?? null;
  if (file !== null) file.holds++;
  const result = yield* core.port.flushFile(thread, range.file, range);
  if (file !== null) yield* core.letGo(thread, file);
  return result;
}
