/**
 * What a report is made of: the results of one trace on one or more systems, and everything that is needed to get them again.
 *
 * A result is a function of (trace, systems, machine, version); a report therefore names all four and the command that repeats it.
 * It holds no date and no name of a computer: the same comparison gives the same report, but for the lines that say
 * how fast this computer was.
 */
import type { ReplayResult } from '@faultline/trace';

/** The trace that was replayed. */
export interface TraceIdentity {
  /** Path as the user gave it. */
  readonly path: string;
  readonly program: string;
  /** The recorded command line; empty for an import. */
  readonly command: readonly string[];
  readonly recorder: string;
  /** What a reader of the trace ought to know. */
  readonly notes: readonly string[];
  /** SHA-256 of the file, in hex. */
  readonly digest: string;
  /** Length of the file in bytes. */
  readonly bytes: number;
}

export interface Comparison {
  readonly trace: TraceIdentity;
  /** The simulated machine, in pages of 4096 bytes. */
  readonly machine: { readonly memoryPages: number; readonly swapPages: number };
  /** Of faultline. */
  readonly version: string;
  /** The command that gives these results again. */
  readonly repeat: string;
  /** At least one, each of another system. */
  readonly results: readonly ReplayResult[];
}

/** Bytes as a person reads them: `64M`, `1.5G`, `26.4K`. */
export function bytesName(bytes: number): string {
  for (const [suffix, factor] of [
    ['G', 2 ** 30],
    ['M', 2 ** 20],
    ['K', 2 ** 10],
  ] as const) {
    if (bytes >= factor) return `${+(bytes / factor).toFixed(1)}${suffix}`;
  }
  return `${bytes} bytes`;
}

const PAGE = 4096;

/** `256M of memory, 512M of swap`. */
export function machineName({ machine }: Comparison): string {
  const swap = machine.swapPages === 0 ? 'no swap' : `${bytesName(machine.swapPages * PAGE)} of swap`;
  return `${bytesName(machine.memoryPages * PAGE)} of memory, ${swap}`;
}

/** 16144876 as `16,144,876`; for sentences, not for columns. */
export function grouped(n: number): string {
  return `${n}`.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 process`, `6 processes`. */
export function many(n: number, one: string, more = `${one}s`): string {
  return `${grouped(n)} ${n === 1 ? one : more}`;
}
