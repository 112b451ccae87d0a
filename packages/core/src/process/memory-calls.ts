/**
 * The memory calls as a program makes them: flags and descriptors in, and what of their checks lies above the virtual memory of the
 * kernel, in the order in which its system call makes them. The rest is the port's.
 */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { PortMapRequest } from '../vm/port.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { Advice, Inheritance, MapBacking, SystemName } from '../vm/system.js';
import {
  checkAddress,
  checkBits,
  checkBytes,
  checkDescriptor,
  checkInt,
  checkOffset,
  checkRange,
} from './arguments.js';
import type { Lwp } from './core.js';
import type { MachineFile, OpenFile } from './files.js';
import {
  MADV_FREE_NETBSD,
  MAP_ANON,
  MAP_FIXED,
  MAP_NOSYNC,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_STACK,
  MAP_VPAGETABLE,
  MAP_WIRED,
  MCL_CURRENT,
  MCL_FUTURE,
} from './flags.js';

/** What mmap was asked for, once its flags are understood. */
interface Wanted {
  readonly address: number;
  readonly length: number;
  readonly protection: Prot;
  readonly flags: number;
  readonly fd: number;
  readonly offset: number;
}

/** mmap(2). */
export function sysMmap(
  lwp: Lwp,
  address: number,
  length: number,
  protection: Prot,
  flags: number,
  fd: number,
  offset: number,
): Task<CallResult> {
  checkRange(address, length);
  checkBits('protection', protection);
  checkBits('flags', flags);
  checkDescriptor(fd);
  checkOffset(offset);
  return mmapTask(lwp, { address, length, protection, flags, fd, offset });
}

function* mmapTask(lwp: Lwp, wanted: Wanted): Task<CallResult> {
  const { process, vm } = lwp;
  const { core } = process;
  const what = backingOf(lwp, wanted);
  if (typeof what === 'string') return what;
  const wrapped = wraps(core.name, wanted);
  if (wrapped !== null) return wrapped;
  if (overAddressSpace(lwp, wanted)) return 'ENOMEM';
  const has = (bit: number): boolean => (wanted.flags & bit) !== 0;
  const cousin = core.name === 'freebsd' || core.name === 'dragonfly';
  if (cousin && core.port.entryCount(vm) >= process.limits.mapEntries) return 'ENOMEM';
  const request: PortMapRequest = {
    address: wanted.address,
    length: wanted.length,
    protection: wanted.protection & PROT_ALL,
    maximum: what.maximum,
    sharing: has(MAP_SHARED) ? 'shared' : 'private',
    backing: what.backing,
    fixed: has(MAP_FIXED),
    nosync: cousin && has(MAP_NOSYNC),
    stack: cousin && has(MAP_STACK),
    wired: core.name === 'netbsd' && has(MAP_WIRED),
    vpagetable: core.name === 'dragonfly' && has(MAP_VPAGETABLE),
  };
  const { file } = what;
  if (file !== null) file.holds++;
  const result = yield* core.port.mmap(vm, request);
  if (file !== null) file.holds--;
  yield* core.reap(core.port.threadOf(vm));
  return result;
}

/**
 * Sums that leave the numbers of this machine, as they would leave a register of the kernel's: a length that rounding to pages carries over, and
 * an offset behind whose length no offset is. (The three older kernels do not look at the latter: a page index has room for it.)
 */
function wraps(system: SystemName, { length, offset, flags }: Wanted): Errno | null {
  const rounded = Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
  if (!Number.isSafeInteger(rounded)) return system === 'netbsd' ? 'ENOMEM' : 'EINVAL';
  if ((flags & MAP_ANON) !== 0 || offset + rounded <= 2 ** 53) return null;
  return system === 'netbsd' ? 'EOVERFLOW' : 'EINVAL';
}

interface Backing {
  readonly backing: MapBacking;
  readonly file: MachineFile | null;
  readonly maximum: Prot;
}

/** Memory or a file, and the errors of descriptors and flags. */
function backingOf({ process }: Lwp, wanted: Wanted): Backing | Errno {
  const { flags, fd } = wanted;
  const system = process.core.name;
  if (system === 'netbsd' && (flags & MAP_SHARED) !== 0 && (flags & MAP_PRIVATE) !== 0) return 'EINVAL';
  const anonymous = (flags & MAP_ANON) !== 0 || ((flags & MAP_STACK) !== 0 && fd === -1 && system !== 'netbsd');
  if (anonymous) return anonymousBacking(system, wanted);
  const open = process.descriptors.get(fd);
  if (open === null) return 'EBADF';
  return fileBacking(open, wanted);
}

function anonymousBacking(system: SystemName, { fd, offset }: Wanted): Backing | Errno {
  if (fd !== -1) return 'EINVAL';
  if (system === 'dragonfly' && offset !== 0) return 'EINVAL';
  return { backing: { kind: 'anon' }, file: null, maximum: PROT_ALL };
}

/** A file can be read by a mapping only through a descriptor that may read, and written only through one that may write. */
function fileBacking(open: OpenFile, { flags, protection, offset }: Wanted): Backing | Errno {
  const { file } = open;
  const shared = (flags & MAP_SHARED) !== 0;
  if ((protection & PROT_READ) !== 0 && !open.readable) return 'EACCES';
  let maximum = PROT_ALL;
  if (!open.readable) maximum &= ~PROT_READ;
  if (shared && !(open.writable && file.writable)) {
    if ((protection & PROT_WRITE) !== 0) return 'EACCES';
    maximum &= ~PROT_WRITE;
  }
  return { backing: { kind: 'file', file: file.vm, offset }, file, maximum };
}

/** RLIMIT_AS: no such thing in 1992. */
function overAddressSpace({ process, vm }: Lwp, { length }: Wanted): boolean {
  const { core, limits } = process;
  if (limits.addressSpace === Number.POSITIVE_INFINITY || core.name === 'csrg') return false;
  return core.port.sizes(vm).mapped * PAGE_SIZE + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE > limits.addressSpace;
}

/** munmap(2). */
export function sysMunmap(lwp: Lwp, address: number, length: number): Task<CallResult> {
  checkRange(address, length);
  return munmapTask(lwp, address, length);
}

function* munmapTask({ process: { core }, vm }: Lwp, address: number, length: number): Task<CallResult> {
  const result = yield* core.port.munmap(vm, address, length);
  yield* core.reap(core.port.threadOf(vm));
  return result;
}

/** mprotect(2). */
export function sysMprotect({ process, vm }: Lwp, address: number, length: number, protection: Prot): Task<CallResult> {
  checkRange(address, length);
  checkBits('protection', protection);
  return process.core.port.mprotect(vm, address, length, protection & PROT_ALL);
}

const ADVICE: readonly Advice[] = ['normal', 'random', 'sequential', 'willneed', 'dontneed', 'free'];

/** MADV_FREE is 5 on freebsd and dragonfly and 6 on netbsd, where 5 (MADV_SPACEAVAIL) does nothing and is EINVAL. */
function adviceOf(system: SystemName, advice: number): Advice | null {
  if (system === 'netbsd') return advice === MADV_FREE_NETBSD ? 'free' : (ADVICE.slice(0, 5)[advice] ?? null);
  return ADVICE[advice] ?? null;
}

/** A call that is over before it begins. */
// biome-ignore lint/correctness/useYield: it never waits
function* answer<T>(value: T): Task<T> {
  return value;
}

/** madvise(2). */
export function sysMadvise(
  { process: { core }, vm }: Lwp,
  address: number,
  length: number,
  advice: number,
): Task<CallResult> {
  checkRange(address, length);
  checkInt('advice', advice);
  if (core.name === 'csrg') return answer('EOPNOTSUPP');
  const word = adviceOf(core.name, advice);
  return word === null ? answer('EINVAL') : core.port.madvise(vm, address, length, word);
}

const INHERITANCE: readonly Inheritance[] = ['share', 'copy', 'none'];

/** minherit(2). */
export function sysMinherit(
  { process: { core }, vm }: Lwp,
  address: number,
  length: number,
  how: number,
): Task<CallResult> {
  checkRange(address, length);
  checkInt('how', how);
  const word = INHERITANCE[how];
  return word === undefined ? answer('EINVAL') : core.port.minherit(vm, address, length, word);
}

/** What RLIMIT_MEMLOCK answers: ENOMEM on freebsd and dragonfly, EAGAIN on csrg and netbsd. */
function lockRefusal(system: SystemName): Errno {
  return system === 'freebsd' || system === 'dragonfly' ? 'ENOMEM' : 'EAGAIN';
}

/** mlock(2). */
export function sysMlock(lwp: Lwp, address: number, length: number): Task<CallResult> {
  checkRange(address, length);
  const { process, vm } = lwp;
  const { core, limits } = process;
  if (limits.lockedMemory !== Number.POSITIVE_INFINITY) {
    const bytes = (Math.ceil((address + length) / PAGE_SIZE) - Math.floor(address / PAGE_SIZE)) * PAGE_SIZE;
    if (core.port.sizes(vm).wired * PAGE_SIZE + bytes > limits.lockedMemory) return answer(lockRefusal(core.name));
  }
  return core.port.mlock(vm, address, length);
}

/** munlock(2). */
export function sysMunlock({ process, vm }: Lwp, address: number, length: number): Task<CallResult> {
  checkRange(address, length);
  return process.core.port.munlock(vm, address, length);
}

/** mlockall(2). */
export function sysMlockall({ process, vm }: Lwp, flags: number): Task<CallResult> {
  checkBits('flags', flags);
  const { core, limits } = process;
  if (core.name === 'csrg') return answer('EOPNOTSUPP');
  if (flags === 0 || (flags & ~(MCL_CURRENT | MCL_FUTURE)) !== 0) return answer('EINVAL');
  const current = (flags & MCL_CURRENT) !== 0;
  if (current && core.port.sizes(vm).mapped * PAGE_SIZE > limits.lockedMemory) return answer('ENOMEM');
  return core.port.mlockall(vm, current, (flags & MCL_FUTURE) !== 0);
}

/** munlockall(2). */
export function sysMunlockall({ process, vm }: Lwp): Task<CallResult> {
  const { core } = process;
  return core.name === 'csrg' ? answer('EOPNOTSUPP') : core.port.munlockall(vm);
}

/** mincore(2). */
export function sysMincore(
  { process: { core }, vm }: Lwp,
  address: number,
  length: number,
  vector: Uint8Array,
): Task<CallResult> {
  checkRange(address, length);
  checkBytes('vector', vector);
  if (core.name === 'csrg') return answer('EOPNOTSUPP');
  return core.port.mincore(vm, address, length, vector);
}

/** obreak. */
export function sysBrk(lwp: Lwp, address: number): Task<CallResult> {
  checkAddress(address);
  return brkTask(lwp, address);
}

function* brkTask({ process, vm }: Lwp, address: number): Task<CallResult> {
  const { core, limits } = process;
  if (address - process.dataStart > limits.data) return 'ENOMEM';
  const growth = Math.ceil(address / PAGE_SIZE) - Math.ceil(process.dataEnd / PAGE_SIZE);
  if (core.name !== 'csrg' && growth > 0 && limits.addressSpace !== Number.POSITIVE_INFINITY) {
    if ((core.port.sizes(vm).mapped + growth) * PAGE_SIZE > limits.addressSpace) return 'ENOMEM';
  }
  const result = yield* core.port.brk(vm, address);
  if (typeof result === 'number') process.dataEnd = address;
  return result;
}

/** What the C library makes of brk: answers where the segment ended before. */
export function sysSbrk(lwp: Lwp, increment: number): Task<CallResult> {
  checkInt('increment', increment);
  return sbrkTask(lwp, increment);
}

function* sbrkTask(lwp: Lwp, increment: number): Task<CallResult> {
  const before = lwp.process.dataEnd;
  if (increment === 0) return before;
  const wanted = before + increment;
  if (wanted < 0 || !Number.isSafeInteger(wanted)) return 'ENOMEM';
  const result = yield* brkTask(lwp, wanted);
  return typeof result === 'string' ? result : before;
}
