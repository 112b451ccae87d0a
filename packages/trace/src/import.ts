/**
 * Imports references that were recorded without their kernel calls: Dinero's `din` and the text of valgrind's lackey.
 *
 * Such a text knows no mappings, so one is made up: an anonymous, private, readable, writable and executable mapping around what is
 * touched, gaps of up to a megabyte included. The faults of a replay are then those of zero-filled memory, whatever the
 * program really had mapped there; a note in the header says so. Since the mappings come first in the trace, the text is read
 * twice, and must be a file.
 *
 * A lackey text may hold system calls (from --trace-syscalls=yes); they are left out. To keep them, record with `record`.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { ImportError } from './errors.js';
import { KIND_EXECUTE, KIND_LOAD, KIND_STORE, PAGE_LIMIT, type ReferenceKind } from './format.js';
import type { TraceHeader } from './header.js';
import { lineText, parseLackey, type ReferenceSink } from './lackey.js';
import type { Spool } from './spool.js';
import { TraceWriter, type WriterOptions } from './writer.js';

export type ImportFormat = 'dinero' | 'lackey';

export interface ImportOptions extends WriterOptions {
  readonly format: ImportFormat;
  /** The text; a regular file, for it is read twice. */
  readonly input: string;
  /** Where the trace goes: `new FileSpool(path)`, or a `MemorySpool`. */
  readonly spool: Spool;
}

const PAGE = 4096;
/** Touched pages with fewer untouched ones between them share a mapping: a megabyte. */
const GAP_PAGES = 256;
const READ_BYTES = 1 << 20;
const LINE_BYTES_MAX = 1 << 16;

/** A run of pages to be mapped. */
interface PageRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a text and writes a trace of one process. Answers the header. Throws the file system's error, or `ImportError` with the line
 * number of what cannot be understood; nothing is left at the output then.
 */
export function importTrace(options: ImportOptions): TraceHeader {
  const { format, input, spool } = options;
  const program = basename(input);
  const writer = new TraceWriter({ program, command: [], recorder: `faultline import (${format})` }, spool, options);
  try {
    const pages = new PageCollector();
    readText(input, format, pages);
    if (pages.pages.size === 0) throw new ImportError(`${input}: no memory reference in it`);
    writer.notes.push(
      'No kernel calls were recorded: the mappings are anonymous memory made up around the pages touched.',
    );
    writer.process(program, 0);
    for (const { start, end } of pages.ranges()) {
      const place = { address: start * PAGE, length: (end - start) * PAGE, protection: 7 };
      const what = { sharing: 'private', fixed: true, origin: 'exec', file: -1, offset: 0, error: 0 } as const;
      writer.event({ type: 'mmap', ...place, ...what });
    }
    readText(input, format, writer);
    return writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** The first reading: which pages are there? */
class PageCollector implements ReferenceSink {
  readonly pages = new Set<number>();
  straddles = 0;
  modifies = 0;
  private last = -1;

  reference(_kind: ReferenceKind, page: number): void {
    if (page === this.last) return;
    this.last = page;
    this.pages.add(page);
  }

  ranges(): PageRange[] {
    const sorted = Float64Array.from(this.pages).sort();
    const ranges: PageRange[] = [];
    let start = sorted[0];
    for (let i = 1; i <= sorted.length; i++) {
      const previous = sorted[i - 1];
      if (i < sorted.length && sorted[i] - previous <= GAP_PAGES) continue;
      ranges.push({ start, end: previous + 1 });
      start = sorted[i];
    }
    return ranges;
  }
}

function readText(path: string, format: ImportFormat, sink: ReferenceSink): void {
  const fd = openSync(path, 'r');
  const lines = new LineCounter(path);
  try {
    const buffer = Buffer.alloc(READ_BYTES + LINE_BYTES_MAX);
    let end = 0;
    for (;;) {
      const n = readSync(fd, buffer, end, READ_BYTES, null);
      end += n;
      // A last line without its end gets one, so that it is read like the others.
      if (n === 0 && end > 0) buffer[end++] = 10;
      const used =
        format === 'lackey' ? parseLackey(buffer, 0, end, sink, otherLine) : parseDinero(buffer, end, sink, lines);
      if (n === 0) return;
      if (end - used > LINE_BYTES_MAX) throw lines.error('the line is too long');
      buffer.copyWithin(0, used, end);
      end -= used;
    }
  } finally {
    closeSync(fd);
  }
}

/** Knows the number of the line that is being read. */
class LineCounter {
  line = 0;
  constructor(private readonly path: string) {}

  error(problem: string): ImportError {
    return new ImportError(`${this.path}, line ${this.line + 1}: ${problem}`);
  }
}

/** Lackey's lines that are no references are valgrind's or the program's own: they mean nothing here. */
function otherLine(): boolean {
  return false;
}

/** Labels of the din format. 3 (escape record) and 4 (cache flush) touch nothing. */
const DIN_KIND: Readonly<Record<string, ReferenceKind | null>> = {
  '0': KIND_LOAD,
  '1': KIND_STORE,
  '2': KIND_EXECUTE,
  '3': null,
  '4': null,
  r: KIND_LOAD,
  w: KIND_STORE,
  i: KIND_EXECUTE,
};

/** Lines of `label address`, the address in hexadecimal with or without 0x; what follows is left out. */
function parseDinero(buffer: Uint8Array, end: number, sink: ReferenceSink, lines: LineCounter): number {
  let at = 0;
  for (;;) {
    const lineEnd = buffer.indexOf(10, at);
    if (lineEnd < 0 || lineEnd >= end) return at;
    const line = lineText(buffer, at, lineEnd).trim();
    at = lineEnd + 1;
    if (line !== '') dineroLine(line, sink, lines);
    lines.line++;
  }
}

function dineroLine(line: string, sink: ReferenceSink, lines: LineCounter): void {
  const match = /^(\S+)\s+(?:0x)?([0-9a-fA-F]{1,16})(?:\s.*)?$/.exec(line);
  if (match === null) throw lines.error(`expected a label and an address, found '${line.slice(0, 60)}'`);
  const kind = DIN_KIND[match[1].toLowerCase()];
  if (kind === undefined) throw lines.error(`unknown label '${match[1].slice(0, 20)}' (0 read, 1 write, 2 fetch)`);
  const page = Math.floor(Number.parseInt(match[2], 16) / PAGE);
  if (page >= PAGE_LIMIT) throw lines.error(`address 0x${match[2]} is beyond 47 bits`);
  if (kind !== null) sink.reference(kind, page);
}
