/**
 * The events of a trace: what a program asked of its kernel's virtual memory, between its memory references.
 *
 * An event belongs to the process that runs where it stands (the last `switch`). Addresses and lengths are bytes, as the
 * program gave them, not rounded. `error` is 0 or the errno with which Linux refused; a refused call is kept because a
 * reader may want it, and replay leaves it out.
 *
 * A table drives both directions of the coding, so that an event's fields stand in one place. A reader of another
 * language needs the same table; docs/trace-format.md prints it.
 */
import type { ByteReader, ByteWriter } from './bytes.js';

export type TraceAdvice = 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed' | 'free' | 'other';
export type TraceInheritance = 'share' | 'copy' | 'none';
/** Who made a mapping: the program's own call, exec (from the program file), or exec (the stack). */
export type MapOrigin = 'call' | 'exec' | 'stack';

/** A file mapping or anonymous memory that came to be. The place is where it really is. */
export interface MapEvent {
  readonly type: 'mmap';
  readonly address: number;
  readonly length: number;
  /** Bits: 1 read, 2 write, 4 execute. */
  readonly protection: number;
  readonly sharing: 'private' | 'shared';
  /** Whether the program insisted on the place (MAP_FIXED). */
  readonly fixed: boolean;
  readonly origin: MapOrigin;
  /** Index into the header's files, -1 for anonymous memory. */
  readonly file: number;
  /** Byte of the file at `address`. */
  readonly offset: number;
  readonly error: number;
}

/** A call on a range that needs nothing more: munmap, mlock, munlock, msync. */
export interface RangeEvent {
  readonly type: 'munmap' | 'mlock' | 'munlock' | 'msync';
  readonly address: number;
  readonly length: number;
  readonly error: number;
}

export interface ProtectEvent {
  readonly type: 'mprotect';
  readonly address: number;
  readonly length: number;
  readonly protection: number;
  readonly error: number;
}

export interface AdviseEvent {
  readonly type: 'madvise';
  readonly address: number;
  readonly length: number;
  readonly advice: TraceAdvice;
  readonly error: number;
}

export interface InheritEvent {
  readonly type: 'minherit';
  readonly address: number;
  readonly length: number;
  readonly inheritance: TraceInheritance;
  readonly error: number;
}

/** The end of the data segment moved; the first of a program image (`start`) says where the segment begins. */
export interface BreakEvent {
  readonly type: 'brk';
  readonly address: number;
  readonly start: boolean;
  readonly error: number;
}

/** Linux's mremap, which no BSD has: `newAddress` is where the mapping is afterwards. */
export interface RemapEvent {
  readonly type: 'mremap';
  readonly address: number;
  readonly length: number;
  readonly newAddress: number;
  readonly newLength: number;
  readonly error: number;
}

/** The kernel read (`copyin`) or wrote (`copyout`) the program's memory during a system call such as write or read. */
export interface CopyEvent {
  readonly type: 'copyin' | 'copyout';
  readonly address: number;
  readonly length: number;
}

/** The running process made process `child`, which inherits its address space. */
export interface ForkEvent {
  readonly type: 'fork';
  readonly child: number;
  /** True for vfork and its like (CLONE_VM): the recorder ran it as a fork, but the program asked for a shared space. */
  readonly vfork: boolean;
}

/** The address space is gone; the program in `file` follows with its `exec` and `stack` mappings. */
export interface ExecEvent {
  readonly type: 'exec';
  readonly file: number;
}

/** The end of the running process. `status` is its exit code, or -1 when it was killed or is unknown. */
export interface ExitEvent {
  readonly type: 'exit';
  readonly status: number;
}

/** What follows belongs to `process`. */
export interface SwitchEvent {
  readonly type: 'switch';
  readonly process: number;
}

export type TraceEvent =
  | MapEvent
  | RangeEvent
  | ProtectEvent
  | AdviseEvent
  | InheritEvent
  | BreakEvent
  | RemapEvent
  | CopyEvent
  | ForkEvent
  | ExecEvent
  | ExitEvent
  | SwitchEvent;

export type TraceEventType = TraceEvent['type'];

/** How one field is coded: a number, a signed number, or an index into a list of words. */
type Coding = 'unsigned' | 'signed' | readonly (string | boolean)[];

const NO_YES = [false, true];
const SHARING = ['private', 'shared'];
const ORIGIN: readonly MapOrigin[] = ['call', 'exec', 'stack'];
const ADVICE: readonly TraceAdvice[] = ['normal', 'random', 'sequential', 'willneed', 'dontneed', 'free', 'other'];
const INHERITANCE: readonly TraceInheritance[] = ['share', 'copy', 'none'];

const RANGE: readonly (readonly [string, Coding])[] = [
  ['address', 'unsigned'],
  ['length', 'unsigned'],
];
const ERROR: readonly [string, Coding] = ['error', 'unsigned'];

interface EventShape {
  readonly type: TraceEventType;
  readonly fields: readonly (readonly [string, Coding])[];
}

/** The type byte of an event is its index here; new events go to the end. */
export const EVENT_SHAPES: readonly EventShape[] = [
  {
    type: 'mmap',
    fields: [
      ...RANGE,
      ['protection', 'unsigned'],
      ['sharing', SHARING],
      ['fixed', NO_YES],
      ['origin', ORIGIN],
      ['file', 'signed'],
      ['offset', 'unsigned'],
      ERROR,
    ],
  },
  { type: 'munmap', fields: [...RANGE, ERROR] },
  { type: 'mprotect', fields: [...RANGE, ['protection', 'unsigned'], ERROR] },
  { type: 'madvise', fields: [...RANGE, ['advice', ADVICE], ERROR] },
  { type: 'minherit', fields: [...RANGE, ['inheritance', INHERITANCE], ERROR] },
  { type: 'brk', fields: [['address', 'unsigned'], ['start', NO_YES], ERROR] },
  { type: 'mlock', fields: [...RANGE, ERROR] },
  { type: 'munlock', fields: [...RANGE, ERROR] },
  { type: 'msync', fields: [...RANGE, ERROR] },
  { type: 'mremap', fields: [...RANGE, ['newAddress', 'unsigned'], ['newLength', 'unsigned'], ERROR] },
  { type: 'copyin', fields: RANGE },
  { type: 'copyout', fields: RANGE },
  {
    type: 'fork',
    fields: [
      ['child', 'unsigned'],
      ['vfork', NO_YES],
    ],
  },
  { type: 'exec', fields: [['file', 'signed']] },
  { type: 'exit', fields: [['status', 'signed']] },
  { type: 'switch', fields: [['process', 'unsigned']] },
];

const TYPE_BYTE: Readonly<Record<string, number>> = Object.fromEntries(EVENT_SHAPES.map((shape, i) => [shape.type, i]));

/** Appends an event. Throws `RangeError` for a field that does not fit. */
export function writeEvent(out: ByteWriter, event: TraceEvent): void {
  const code = TYPE_BYTE[event.type];
  out.byte(code);
  const values = event as unknown as Record<string, number | string | boolean>;
  for (const [name, coding] of EVENT_SHAPES[code].fields) {
    const value = values[name];
    if (coding === 'unsigned') out.unsigned(value as number);
    else if (coding === 'signed') out.signed(value as number);
    else {
      const index = coding.indexOf(value as string | boolean);
      if (index < 0) throw new RangeError(`${event.type}: ${name} cannot be ${String(value)}`);
      out.byte(index);
    }
  }
}

/** Reads the next event. Throws `RangeError` for an unknown type or word. */
export function readEvent(input: ByteReader): TraceEvent {
  const code = input.byte();
  const shape = EVENT_SHAPES[code];
  if (shape === undefined) throw new RangeError(`unknown event type ${code}`);
  const event: Record<string, number | string | boolean> = { type: shape.type };
  for (const [name, coding] of shape.fields) {
    if (coding === 'unsigned') event[name] = input.unsigned();
    else if (coding === 'signed') event[name] = input.signed();
    else {
      const index = input.byte();
      if (index >= coding.length) throw new RangeError(`${shape.type}: unknown ${name} ${index}`);
      event[name] = coding[index];
    }
  }
  return event as unknown as TraceEvent;
}
