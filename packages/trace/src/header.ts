/**
 * The header of a trace: what was recorded, in JSON, at the front of the file where `head -c` shows it.
 *
 * It holds no date and no process id of the recording machine, so that the same run recorded twice gives the same file as far as
 * the program itself repeats. The counts in it are what a truncated file is measured against.
 *
 * A header comes from a file, so its shape is checked field by field; an error names the field. The package has no
 * dependency beyond core, hence no schema library.
 */

/** A file that the program ran or mapped. */
export interface TraceFile {
  /** Absolute path on the recording machine. */
  readonly name: string;
  /** Length in bytes when it was mapped. */
  readonly length: number;
}

/** A process of the trace. */
export interface TraceProcess {
  /** From 1, in order of creation. */
  readonly id: number;
  /** Base name of the last program it ran, or of its parent's when it ran none. */
  readonly name: string;
  /** Id of the process that forked it, 0 for one that is there from the beginning. */
  readonly parent: number;
}

/** Memory references by kind. A modify (load and store by one instruction) counts once as each. */
export interface ReferenceCounts {
  readonly load: number;
  readonly store: number;
  readonly execute: number;
}

export interface TraceHeader {
  /** Base name of the program. */
  readonly program: string;
  /** The command line; empty for an import. */
  readonly command: readonly string[];
  /** What made the trace, with its version. */
  readonly recorder: string;
  /** What a reader ought to know: an import's assumptions, warnings of the recorder. */
  readonly notes: readonly string[];
  /** Bytes in a page: 4096. */
  readonly pageSize: number;
  readonly references: ReferenceCounts;
  /** Of the references, the second halves of accesses that straddle a page boundary. */
  readonly straddles: number;
  /** Of the loads (and of the stores), those that are half of a modify. */
  readonly modifies: number;
  readonly records: number;
  readonly events: number;
  readonly chunks: number;
  /** Exit code of the first process, -1 when it was killed or is unknown. */
  readonly exitStatus: number;
  readonly files: readonly TraceFile[];
  readonly processes: readonly TraceProcess[];
}

/** References of all kinds. */
export function totalReferences(counts: ReferenceCounts): number {
  return counts.load + counts.store + counts.execute;
}

/** Checks what JSON.parse gave; throws `TypeError` naming the field that is wrong. */
export function checkHeader(value: unknown): TraceHeader {
  const header = record(value, 'header');
  const references = record(header.references, 'references');
  return {
    program: text(header.program, 'program'),
    command: list(header.command, 'command', text),
    recorder: text(header.recorder, 'recorder'),
    notes: list(header.notes, 'notes', text),
    pageSize: pageSize(header.pageSize),
    references: {
      load: count(references.load, 'references.load'),
      store: count(references.store, 'references.store'),
      execute: count(references.execute, 'references.execute'),
    },
    straddles: count(header.straddles, 'straddles'),
    modifies: count(header.modifies, 'modifies'),
    records: count(header.records, 'records'),
    events: count(header.events, 'events'),
    chunks: count(header.chunks, 'chunks'),
    exitStatus: whole(header.exitStatus, 'exitStatus'),
    files: list(header.files, 'files', (item, at) => {
      const file = record(item, at);
      return { name: text(file.name, `${at}.name`), length: count(file.length, `${at}.length`) };
    }),
    processes: processes(header.processes),
  };
}

function processes(value: unknown): TraceProcess[] {
  return list(value, 'processes', (item, at) => {
    const process = record(item, at);
    const id = count(process.id, `${at}.id`);
    const parent = count(process.parent, `${at}.parent`);
    if (`processes[${id - 1}]` !== at) throw new TypeError(`${at}.id is ${id}; processes are numbered from 1 in order`);
    if (parent >= id) throw new TypeError(`${at}.parent is ${parent}; a parent comes before its children`);
    return { id, name: text(process.name, `${at}.name`), parent };
  });
}

function pageSize(value: unknown): number {
  if (value !== 4096) throw new TypeError(`pageSize is ${JSON.stringify(value)}; only 4096 is known`);
  return value;
}

function record(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${at} is not an object`);
  return value as Record<string, unknown>;
}

function list<T>(value: unknown, at: string, item: (value: unknown, at: string) => T): T[] {
  if (!Array.isArray(value)) throw new TypeError(`${at} is not a list`);
  return value.map((element, i) => item(element, `${at}[${i}]`));
}

function text(value: unknown, at: string): string {
  if (typeof value !== 'string') throw new TypeError(`${at} is not a string`);
  return value;
}

function whole(value: unknown, at: string): number {
  if (!Number.isSafeInteger(value)) throw new TypeError(`${at} is not a whole number`);
  return value as number;
}

function count(value: unknown, at: string): number {
  const number = whole(value, at);
  if (number < 0) throw new TypeError(`${at} is negative`);
  return number;
}
