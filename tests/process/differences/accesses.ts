/**
 * Where accesses differ: which are refused, and by which signal.
 *
 * An access goes page by page. The hardware lets it through where there is a translation that allows it; else the kernel is asked, and looks at
 * the entry, and then at what is behind it. The first page that is refused decides.
 */
import * as F from '@faultline/core';
import { Cell, type Open } from '../model/cell.js';
import type { Operation } from '../program.js';
import { PROCESSES_MAX } from '../run.js';
import type { Before } from './before.js';
import { EITHER, everywhere, type Row, rowsOf, THROUGH } from './row.js';

const { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } = F;

/** What is wanted of a range of bytes. */
interface Want {
  readonly length: number;
  /** PROT_READ, PROT_WRITE or PROT_EXEC. */
  readonly need: number;
}

/** What stops it: the row, and at which byte. */
interface Stop {
  readonly why:
    | 'no mapping'
    | 'protection'
    | 'protection of the stack'
    | 'a store reads too'
    | 'past the end'
    | 'perhaps past the end';
  readonly at: number;
}

const TOUCH_NEEDS = [PROT_READ, PROT_WRITE, PROT_EXEC] as const;

/** What the operation wants of memory, in this order. */
function wantsOf(b: Before): readonly Want[] {
  const { operation } = b;
  switch (operation.op) {
    case 'load':
      return [{ length: operation.width, need: PROT_READ }];
    case 'fetch':
      return [{ length: 4, need: PROT_EXEC }];
    case 'store':
      return [{ length: operation.width, need: PROT_WRITE }];
    case 'cas':
      return [
        { length: operation.width, need: PROT_READ },
        { length: operation.width, need: PROT_WRITE },
      ];
    case 'touch':
      return [{ length: operation.length, need: TOUCH_NEEDS[operation.access] }];
    case 'copyin':
      return [{ length: operation.length, need: PROT_READ }];
    case 'copyout':
      return [{ length: operation.length, need: PROT_WRITE }];
    case 'vfork':
      return b.processCount < PROCESSES_MAX ? [{ length: 1, need: PROT_WRITE }] : [];
    case 'read':
    case 'pread':
    case 'write':
    case 'pwrite':
      return transferWants(b, operation);
    default:
      return [];
  }
}

/** Of a buffer as much as there is to move. */
function transferWants(
  b: Before,
  operation: Operation & { readonly op: 'read' | 'write' | 'pread' | 'pwrite' },
): Want[] {
  const open = b.model.fds[operation.fd];
  const writes = operation.op === 'write' || operation.op === 'pwrite';
  if (!open || (open.flags & 3) === (writes ? F.O_RDONLY : F.O_WRONLY)) return [];
  if (writes) return [{ length: operation.length, need: PROT_READ }];
  const at = 'offset' in operation ? operation.offset : open.position;
  return [{ length: Math.max(Math.min(operation.length, open.file.size - at), 0), need: PROT_WRITE }];
}

/** Pages that a file has once a write has made it longer: that is done before the first byte moves. */
function growing(b: Before): ReadonlySet<Cell> {
  const { operation } = b;
  if (operation.op !== 'write' && operation.op !== 'pwrite') return new Set();
  const open = b.model.fds[operation.fd] as Open;
  const appends = operation.op === 'write' && (open.flags & F.O_APPEND) !== 0;
  const at = operation.op === 'pwrite' ? operation.offset : appends ? open.file.size : open.position;
  const pages = [...open.file.pages].filter(([index]) => index * PAGE_SIZE < at + operation.length);
  return new Set(pages.map(([, page]) => page));
}

/** As `Cell.present`, with these pages there. */
function presentAfter(cell: Cell, grown: ReadonlySet<Cell>): boolean | null {
  if (grown.has(cell)) return true;
  const present = cell.present();
  if (present !== false || grown.size === 0 || cell.within !== null) return present;
  const [first, ...others] = cell.options.map((option) => option instanceof Cell && presentAfter(option, grown));
  return others.every((other) => other === first) ? (first ?? false) : null;
}

/** `plain`: by the entry alone, as if reading, writing and executing were three things everywhere. */
function stopAtPage(b: Before, vpn: number, asked: number, plain: boolean): Stop['why'] | null {
  const need = asked === PROT_EXEC && !plain ? b.rules.fetchNeeds : asked;
  const why = stopAtEntry(b, vpn, need, plain);
  return why !== null && !plain && b.translated(vpn, need) ? null : why;
}

/** What the kernel refuses, when it is asked. */
function stopAtEntry(b: Before, vpn: number, need: number, plain: boolean): Stop['why'] | null {
  const { rules } = b;
  const place = b.place(vpn);
  if (place === undefined) return 'no mapping';
  const alone = plain || need !== PROT_WRITE || rules.allows(PROT_WRITE, PROT_WRITE) === true;
  const wanted = alone ? need : PROT_READ | PROT_WRITE;
  if ((place.prot & wanted) !== wanted) {
    if (rules.stackHides && vpn >= b.model.stackStart) return 'protection of the stack';
    return (place.prot & need) === need ? 'a store reads too' : 'protection';
  }
  const present = presentAfter(place.cell, growing(b));
  if (present === null) return 'perhaps past the end';
  return present ? null : 'past the end';
}

function stopIn(b: Before, { length, need }: Want, plain: boolean): Stop | null {
  for (let at = 0; at < length; ) {
    const vpn = Math.floor((b.address + at) / PAGE_SIZE);
    const why = stopAtPage(b, vpn, need, plain);
    if (why !== null) return { why, at };
    at = (vpn + 1) * PAGE_SIZE - b.address;
  }
  return null;
}

function stopOf(b: Before, plain = false): Stop | null {
  for (const want of wantsOf(b)) {
    const stop = stopIn(b, want, plain);
    if (stop !== null) return stop;
  }
  return null;
}

/** Of what stops an access, the kernel's word for the caller: a signal, or EFAULT where a call moves bytes. */
const refusedBy =
  (signal: string) =>
  (b: Before): string => {
    const { op } = b.operation;
    const isCall = ['copyin', 'copyout', 'read', 'write', 'pread', 'pwrite'].includes(op);
    return isCall ? 'EFAULT' : `${signal} at +${stopOf(b)?.at}`;
  };

const MAPERR = refusedBy('SIGSEGV SEGV_MAPERR');
const ACCERR = refusedBy('SIGSEGV SEGV_ACCERR');
const ADRERR = refusedBy('SIGBUS BUS_ADRERR');
const stops = (why: Stop['why']) => (b: Before) => stopOf(b)?.why === why;

/** It goes through, though what the kernel would look at by itself does not allow it. */
function throughThough(b: Before, past: boolean): boolean {
  const stop = stopOf(b) === null ? stopOf(b, true) : null;
  return stop !== null && stop.why.endsWith('past the end') === past;
}

const ROWS: readonly Omit<Row, 'calls'>[] = [
  {
    cell: 'access: no mapping',
    why: 'SIGSEGV everywhere',
    when: stops('no mapping'),
    answers: everywhere(MAPERR),
  },
  {
    cell: 'access: protection violation',
    why: 'SIGBUS on csrg, freebsd and dragonfly, SIGSEGV with ACCERR on netbsd',
    when: stops('protection'),
    answers: { csrg: ADRERR, freebsd: ADRERR, dragonfly: ADRERR, netbsd: ACCERR },
  },
  {
    cell: 'access: protection violation: in the stack region',
    why: 'csrg takes it for a stack that may not grow',
    when: stops('protection of the stack'),
    answers: { csrg: MAPERR },
  },
  {
    cell: 'access: protection violation: write without read',
    why: 'a store on csrg must be allowed to read too',
    when: stops('a store reads too'),
    answers: { csrg: ADRERR },
  },
  {
    cell: 'access: mapped page past EOF',
    why: 'SIGBUS on csrg, freebsd and dragonfly, SIGSEGV on netbsd',
    when: stops('past the end'),
    answers: { csrg: ADRERR, freebsd: ADRERR, dragonfly: ADRERR, netbsd: MAPERR },
  },
  {
    cell: 'kT11 private copied page survives truncation',
    why: 'where the kernel has copied it before, which each does when it must',
    when: stops('perhaps past the end'),
    answers: everywhere(EITHER),
  },
  {
    cell: 'kA30 write-only mapping; fetch',
    why: 'csrg and dragonfly take a fetch for a read; what has a translation can be read on dragonfly and netbsd, and stored to on csrg',
    when: (b) => throughThough(b, false),
    answers: { csrg: THROUGH, dragonfly: THROUGH, netbsd: THROUGH },
  },
  {
    cell: 'kT11 private copied page survives truncation: with its translation',
    why: 'nobody looks where the file ends, as long as there is one',
    when: (b) => throughThough(b, true),
    answers: everywhere(THROUGH),
  },
];

const ACCESSES = ['load', 'store', 'fetch', 'cas', 'touch', 'copyin', 'copyout', 'vfork'] as const;
const TRANSFERS = ['read', 'write', 'pread', 'pwrite'] as const;

export const ACCESS: readonly Row[] = rowsOf(ROWS, ...ACCESSES, ...TRANSFERS);
