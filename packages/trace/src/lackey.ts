/**
 * Reads the text of valgrind's lackey: one line a memory reference, other lines between them.
 *
 *     I  04001090,3        an instruction fetch: address (hexadecimal), bytes
 *      L 1ffefff8,8        a load       S a store       M a modify, which loads and stores
 *     SYSCALL[...] ...     a system call (with --trace-syscalls=yes)
 *     ==123== ...          valgrind speaking
 *
 * A hundred million references are 1.5 GB of this, so the reader works on bytes and makes strings only of the lines that are no
 * references. An address is taken as a page number straight away: the last three digits are the place in the page,
 * which is needed only to see whether an access straddles a page boundary. Such an access counts as one reference to each
 * of its two pages.
 */
import { KIND_EXECUTE, KIND_LOAD, KIND_STORE, PAGE_LIMIT, type ReferenceKind } from './format.js';

/** Where references go; a `TraceWriter` is one. */
export interface ReferenceSink {
  reference(kind: ReferenceKind, page: number): void;
  straddles: number;
  modifies: number;
}

/** Told every line that is no reference; true stops the reading behind that line. */
export type LineHandler = (line: string) => boolean;

const NEWLINE = 10;
const SPACE = 32;
const COMMA = 44;
const LETTER_I = 73;
const LETTER_L = 76;
const LETTER_M = 77;
const LETTER_S = 83;
/** Bytes of line before the address: `I  ` or ` L `. */
const PREFIX = 3;
/** A reference has at least four digits; valgrind pads to eight. */
const DIGITS_MIN = 4;

const PAGE_BYTES = 4096;

/** Value of a hexadecimal digit, or 255. */
const HEX = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) HEX[48 + i] = i;
for (let i = 0; i < 6; i++) {
  HEX[97 + i] = 10 + i;
  HEX[65 + i] = 10 + i;
}

/**
 * Reads the whole lines of `buffer` from `start` to `end` and passes their references on. Answers where it stopped: behind
 * the last whole line, or behind the line at which `onLine` said so. Lines that look like neither reference nor
 * text are given to `onLine` too.
 */
export function parseLackey(
  buffer: Uint8Array,
  start: number,
  end: number,
  sink: ReferenceSink,
  onLine: LineHandler,
): number {
  let at = start;
  while (at < end) {
    const lineEnd = buffer.indexOf(NEWLINE, at);
    if (lineEnd < 0 || lineEnd >= end) return at;
    if (!parseReference(buffer, at, lineEnd, sink)) {
      if (onLine(lineText(buffer, at, lineEnd))) return lineEnd + 1;
    }
    at = lineEnd + 1;
  }
  return at;
}

/** A line as a string: lackey itself writes ASCII, paths may hold anything. */
export function lineText(buffer: Uint8Array, start: number, end: number): string {
  return Buffer.from(buffer.buffer, buffer.byteOffset + start, end - start).toString('utf8');
}

/** Passes the references of one line on; false when the line is none. */
function parseReference(buffer: Uint8Array, start: number, end: number, sink: ReferenceSink): boolean {
  const first = buffer[start];
  const letter = first === SPACE ? buffer[start + 1] : first;
  if (first === SPACE) {
    if (letter !== LETTER_L && letter !== LETTER_S && letter !== LETTER_M) return false;
  } else if (first !== LETTER_I || buffer[start + 1] !== SPACE) return false;

  // Digits up to the comma; the last three stay out of the page number until a further digit pushes them on.
  let page = 0;
  let low = 0;
  let at = start + PREFIX;
  for (; at < end; at++) {
    const digit = HEX[buffer[at]];
    if (digit === 255) break;
    page = page * 16 + (low >>> 8);
    low = ((low << 4) | digit) & 0xfff;
  }
  if (buffer[at] !== COMMA || at - start < PREFIX + DIGITS_MIN || page >= PAGE_LIMIT) return false;
  let size = 0;
  for (at++; at < end; at++) size = size * 10 + buffer[at] - 48;

  const straddles = low + size > PAGE_BYTES;
  if (letter === LETTER_I) touch(sink, KIND_EXECUTE, page, straddles);
  if (letter === LETTER_L || letter === LETTER_M) touch(sink, KIND_LOAD, page, straddles);
  if (letter === LETTER_S || letter === LETTER_M) touch(sink, KIND_STORE, page, straddles);
  if (letter === LETTER_M) sink.modifies++;
  return true;
}

function touch(sink: ReferenceSink, kind: 0 | 1 | 2, page: number, straddles: boolean): void {
  sink.reference(kind, page);
  if (straddles) {
    sink.reference(kind, page + 1);
    sink.straddles++;
  }
}

/** Address (bytes) of the first instruction fetch in the whole lines of a text, or -1. */
export function firstFetch(text: string): number {
  const match = /^I {2}([0-9a-f]+),\d+$/m.exec(text);
  return match === null ? -1 : Number.parseInt(match[1], 16);
}
