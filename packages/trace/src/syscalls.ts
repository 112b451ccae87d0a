/**
 * From Linux system calls to the events of a trace.
 *
 * Which file a mapping shows is known only from the descriptor, so a process here keeps its table of descriptors and its
 * working directory, and gives a copy to its children. Everything else about a call is in its own line.
 *
 * What is translated: the memory calls; fork, exec and exit are answered to the caller, who has the processes in hand; and for the
 * common calls that move data, the user memory that the kernel touches on the way (copyin, copyout), since a page may well
 * be written for the first time by read(2). Calls that gather (readv, ioctl) are left out.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TraceAdvice, TraceEvent } from './events.js';
import { descriptorArgument, numberArgument, pathArgument, type SystemCall } from './linux.js';

const AT_FDCWD = -100;
const MAP_SHARED = 0x01;
const MAP_TYPE = 0x0f;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_FIXED_NOREPLACE = 0x100000;
const MADV_DONTFORK = 10;
const MADV_DOFORK = 11;
const F_DUPFD = 0;
const F_DUPFD_CLOEXEC = 1030;
const CLONE_VM = 0x100;
const STAT_BYTES = 144;
const ENOMEM = 12;

/** Linux's numbers for advice. */
const ADVICE: Readonly<Record<number, TraceAdvice>> = {
  0: 'normal',
  1: 'random',
  2: 'sequential',
  3: 'willneed',
  4: 'dontneed',
  8: 'free',
};

/** Calls that fill user memory: the argument with the address; as many bytes as they answer. */
const FILLS: Readonly<Record<number, number>> = { 0: 1, 17: 1, 45: 1, 79: 0, 89: 1, 217: 1, 267: 2, 318: 0 };
/** Calls that read user memory, likewise. */
const DRAINS: Readonly<Record<number, number>> = { 1: 1, 18: 1, 44: 1 };
/** Calls that fill a struct stat: the argument with its address. */
const STATS: Readonly<Record<number, number>> = { 4: 1, 5: 1, 6: 1, 262: 2 };

/** What the caller has to act on. */
export type CallOutcome =
  | { readonly kind: 'none' }
  | { readonly kind: 'event'; readonly event: TraceEvent }
  /** `child` is the recording machine's process id. */
  | { readonly kind: 'fork'; readonly child: number; readonly vfork: boolean }
  /** The path as far as it is known; the exec may still fail, which shows in a call that follows. */
  | { readonly kind: 'exec'; readonly path: string }
  | { readonly kind: 'exit'; readonly status: number };

const NONE: CallOutcome = { kind: 'none' };

/** Gives a file its number in the trace; `length` in bytes. */
export type FileNumber = (name: string, length: number) => number;

export class LinuxProcess {
  /** End of the data segment as the kernel last told it, -1 before the first brk of an image. */
  private breakEnd = -1;

  constructor(
    private directory: string,
    private readonly fileNumber: FileNumber,
    private readonly descriptors = new Map<number, string>(),
  ) {}

  /** A child's copy. */
  fork(): LinuxProcess {
    const child = new LinuxProcess(this.directory, this.fileNumber, new Map(this.descriptors));
    child.breakEnd = this.breakEnd;
    return child;
  }

  /** A new program image begins. */
  exec(): void {
    this.breakEnd = -1;
  }

  /** An absolute path. `descriptor` is that of the directory for the -at calls. */
  absolute(path: string, descriptor = AT_FDCWD): string {
    const base = descriptor === AT_FDCWD ? this.directory : (this.descriptors.get(descriptor) ?? this.directory);
    return resolve(base, path);
  }

  /** What a finished call means. */
  call(call: SystemCall): CallOutcome {
    const number = (index: number): number => numberArgument(call, index);
    switch (call.number) {
      case 9:
        return this.mmap(call);
      case 10:
        return event({ type: 'mprotect', ...range(call), protection: number(2) & 7, error: call.error });
      case 11:
        return event({ type: 'munmap', ...range(call), error: call.error });
      case 12:
        return this.brk(call);
      case 25:
        return this.mremap(call);
      case 26:
        return event({ type: 'msync', ...range(call), error: call.error });
      case 28:
        return madvise(call);
      case 149:
      case 325:
        return event({ type: 'mlock', ...range(call), error: call.error });
      case 150:
        return event({ type: 'munlock', ...range(call), error: call.error });
      case 56:
        return fork(call, (Number.parseInt(call.args[0], 16) & CLONE_VM) !== 0);
      case 57:
        return fork(call, false);
      case 58: // vfork; valgrind makes it a fork and prints it as one
        return fork(call, true);
      case 59:
        return call.open ? { kind: 'exec', path: this.absolute(pathArgument(call) ?? '') } : NONE;
      case 322:
        return call.open
          ? { kind: 'exec', path: this.absolute(pathArgument(call) ?? '', descriptorArgument(call, 0)) }
          : NONE;
      case 231:
        return { kind: 'exit', status: number(0) };
      default:
        return this.fileCall(call);
    }
  }

  private mmap(call: SystemCall): CallOutcome {
    const number = (index: number): number => numberArgument(call, index);
    const flags = number(3);
    const length = number(1);
    const offset = number(5);
    const anonymous = (flags & MAP_ANONYMOUS) !== 0;
    const name = anonymous ? null : (this.descriptors.get(descriptorArgument(call, 4)) ?? 'unknown');
    const file = name === null || name === '/dev/zero' ? -1 : this.fileNumber(name, lengthOf(name, offset + length));
    const type = flags & MAP_TYPE;
    return event({
      type: 'mmap',
      address: call.error === 0 ? call.result : number(0),
      length,
      protection: number(2) & 7,
      sharing: type === MAP_SHARED || type === 3 ? 'shared' : 'private',
      fixed: (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0,
      origin: 'call',
      file,
      offset: file < 0 ? 0 : offset,
      error: call.error,
    });
  }

  /** brk answers the end as it is now, whether it moved or not. */
  private brk(call: SystemCall): CallOutcome {
    const wanted = numberArgument(call, 0);
    const before = this.breakEnd;
    this.breakEnd = call.result;
    if (before < 0) return event({ type: 'brk', address: call.result, start: true, error: 0 });
    if (wanted === 0 || (wanted === before && call.result === before)) return NONE;
    return event({ type: 'brk', address: wanted, start: false, error: call.result === wanted ? 0 : ENOMEM });
  }

  private mremap(call: SystemCall): CallOutcome {
    const address = numberArgument(call, 0);
    return event({
      type: 'mremap',
      address,
      length: numberArgument(call, 1),
      newAddress: call.error === 0 ? call.result : address,
      newLength: numberArgument(call, 2),
      error: call.error,
    });
  }

  /** Calls on descriptors and directories, and those that move data. */
  private fileCall(call: SystemCall): CallOutcome {
    if (call.error !== 0) return NONE;
    const descriptor = (index: number): number => descriptorArgument(call, index);
    const path = pathArgument(call);
    const { descriptors } = this;
    switch (call.number) {
      case 2: // open
      case 85: // creat
        if (path !== null) descriptors.set(call.result, this.absolute(path));
        return NONE;
      case 257: // openat
      case 437: // openat2
        if (path !== null) descriptors.set(call.result, this.absolute(path, descriptor(0)));
        return NONE;
      case 3: // close
        descriptors.delete(descriptor(0));
        return NONE;
      case 32: // dup
      case 33: // dup2
      case 292: // dup3
        this.duplicate(descriptor(0), call.result);
        return NONE;
      case 72: // fcntl
        if (descriptor(1) === F_DUPFD || descriptor(1) === F_DUPFD_CLOEXEC) this.duplicate(descriptor(0), call.result);
        return NONE;
      case 80: // chdir
        if (path !== null) this.directory = this.absolute(path);
        return NONE;
      case 81: // fchdir
        this.directory = descriptors.get(descriptor(0)) ?? this.directory;
        return NONE;
      case 319: // memfd_create
        descriptors.set(call.result, `memfd:${path ?? ''}`);
        return NONE;
      default:
        return dataCall(call);
    }
  }

  private duplicate(from: number, to: number): void {
    const name = this.descriptors.get(from);
    if (name === undefined) this.descriptors.delete(to);
    else this.descriptors.set(to, name);
  }
}

function event(event: TraceEvent): CallOutcome {
  return { kind: 'event', event };
}

function range(call: SystemCall): { address: number; length: number } {
  return { address: numberArgument(call, 0), length: numberArgument(call, 1) };
}

function fork(call: SystemCall, vfork: boolean): CallOutcome {
  return call.child > 0 ? { kind: 'fork', child: call.child, vfork } : NONE;
}

function madvise(call: SystemCall): CallOutcome {
  const advice = numberArgument(call, 2);
  if (advice === MADV_DONTFORK || advice === MADV_DOFORK) {
    const inheritance = advice === MADV_DONTFORK ? 'none' : 'copy';
    return event({ type: 'minherit', ...range(call), inheritance, error: call.error });
  }
  return event({ type: 'madvise', ...range(call), advice: ADVICE[advice] ?? 'other', error: call.error });
}

function dataCall(call: SystemCall): CallOutcome {
  const stat = STATS[call.number];
  if (stat !== undefined) return copy('copyout', numberArgument(call, stat), STAT_BYTES);
  const fills = FILLS[call.number];
  if (fills !== undefined) return copy('copyout', numberArgument(call, fills), call.result);
  const drains = DRAINS[call.number];
  if (drains !== undefined) return copy('copyin', numberArgument(call, drains), call.result);
  return NONE;
}

function copy(type: 'copyin' | 'copyout', address: number, length: number): CallOutcome {
  if (!(address > 0 && length > 0)) return NONE;
  return event({ type, address, length });
}

/** Length of a file in bytes; of one that is gone or never had a name, what is mapped of it. */
function lengthOf(name: string, mapped: number): number {
  try {
    const stat = statSync(name);
    return stat.isFile() ? stat.size : mapped;
  } catch {
    return mapped;
  }
}
