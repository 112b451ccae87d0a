/**
 * The figures of a comparison in the order in which people read them: a section for each question, a row for each
 * figure, a cell for each system. The terminal and the page of HTML both print these rows, so they cannot differ.
 *
 * A figure that a system does not keep is null and prints as `-`; a row that no system keeps is left out, and so is one about
 * trouble when there was none. Numbers stay numbers; how they are aligned is the printer's business.
 */
import type { ReplayResult } from '@faultline/trace';
import { KINDS } from './words.js';

export type Cell = number | string | null;

export interface Row {
  readonly label: string;
  /** 1 for a part of the row above that has 0. */
  readonly depth: 0 | 1;
  /** One for each result. */
  readonly cells: readonly Cell[];
  /** What the figure means, in a few words. */
  readonly note: string;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

type Pick = (result: ReplayResult) => Cell;

const NS_PER_MS = 1e6;
const REFERENCES_PER_MREF = 1e6;

/** Sections with at least one row. */
export function sections(results: readonly ReplayResult[]): Section[] {
  const all = [
    { title: 'Faults', rows: faultRows(results) },
    { title: 'Paging', rows: pagingRows(results) },
    { title: 'Address spaces at their end', rows: shapeRows(results) },
    { title: 'Time', rows: timeRows(results) },
    { title: 'Trouble', rows: troubleRows(results) },
  ];
  return all.filter(({ rows }) => rows.length > 0);
}

/** A row, or none when no result has the figure. */
function row(results: readonly ReplayResult[], depth: 0 | 1, label: string, note: string, pick: Pick): Row[] {
  const cells = results.map(pick);
  return cells.every((cell) => cell === null) ? [] : [{ label, depth, cells, note }];
}

function faultRows(results: readonly ReplayResult[]): Row[] {
  const failed = results.some((r) => failedFaults(r) > 0);
  return [
    ...row(results, 0, 'faults', 'calls of the fault handler', (r) => r.faults),
    ...KINDS.flatMap(({ key, label, note }) => row(results, 1, label, note, (r) => r.kinds[key])),
    ...(failed ? row(results, 1, 'failed', 'refused by the handler; see below', failedFaults) : []),
    ...row(results, 0, 'minor', 'done without waiting for a pager', (r) => r.minor),
    ...row(results, 0, 'major', 'waited for a pager', (r) => r.major),
    ...row(
      results,
      0,
      'prefault hits',
      'first touches that needed no fault: the page was mapped',
      (r) => r.prefaultHits,
    ),
  ];
}

const failedFaults = (r: ReplayResult): number => r.faults - r.minor - r.major;

/** The counters that say what pagers did. `operations` are reads or writes, whatever they carried. */
interface PagerCounters {
  readonly operations: readonly string[];
  readonly files: readonly string[];
  readonly swap: string;
  readonly pages: string;
}

const READS: PagerCounters = {
  operations: ['v_vnodein', 'v_swapin', 'v_pageins', 'pageins', 'vnode_reads'],
  files: ['v_vnodepgsin', 'vnode_pages_read'],
  swap: 'v_swappgsin',
  pages: 'v_pgpgin',
};
const WRITES: PagerCounters = {
  operations: ['v_vnodeout', 'v_swapout', 'v_pageouts', 'pdpageouts', 'vnode_writes'],
  files: ['v_vnodepgsout', 'vnode_pages_written'],
  swap: 'v_swappgsout',
  pages: 'v_pgpgout',
};

function pagingRows(results: readonly ReplayResult[]): Row[] {
  const one = (name: string): Pick => {
    return (r) => r.statistics[name] ?? null;
  };
  const rows = (what: string, way: string, counters: PagerCounters): Row[] => [
    ...row(results, 0, `page-${what}s`, `requests to pagers to ${way}`, (r) => sum(r, counters.operations)),
    ...row(results, 1, 'pages', 'pages that they moved', one(counters.pages)),
    ...row(results, 1, what === 'in' ? 'pages from files' : 'pages to files', '', (r) => sum(r, counters.files)),
    ...row(results, 1, what === 'in' ? 'pages from swap' : 'pages to swap', '', one(counters.swap)),
  ];
  return [...rows('in', 'read', READS), ...rows('out', 'write', WRITES)];
}

/** The sum of those counters that a system has; null when it has none of them. */
function sum(result: ReplayResult, names: readonly string[]): number | null {
  const known = names.filter((name) => name in result.statistics);
  return known.length === 0 ? null : known.reduce((total, name) => total + (result.statistics[name] as number), 0);
}

function shapeRows(results: readonly ReplayResult[]): Row[] {
  return [
    ...row(results, 0, 'map entries', 'of all processes together', (r) => r.shape.entries),
    ...row(results, 0, 'longest chain', 'objects behind one entry', (r) => r.shape.chainMax),
    ...row(results, 0, 'mean chain', 'over the entries that have any', (r) => r.shape.chainMean.toFixed(2)),
  ];
}

function timeRows(results: readonly ReplayResult[]): Row[] {
  const ms = (ns: number): string => (ns / NS_PER_MS).toFixed(2);
  return [
    ...row(results, 0, 'in the kernel, ms', 'on the simulated clock; references cost nothing', (r) =>
      ms(r.simulated.ns),
    ),
    ...row(results, 1, 'disk, ms', 'of it, transfers and seeks', (r) => ms(r.simulated.diskNs)),
    ...row(results, 1, 'disk seeks', '', (r) => r.simulated.diskSeeks),
    ...row(results, 0, 'replayed, Mref/s', 'on this computer: millions of references a second', (r) =>
      (r.referencesPerSecond / REFERENCES_PER_MREF).toFixed(1),
    ),
  ];
}

function troubleRows(results: readonly ReplayResult[]): Row[] {
  const trouble = (label: string, note: string, pick: (r: ReplayResult) => number): Row[] =>
    results.some((r) => pick(r) > 0) ? row(results, 0, label, note, pick) : [];
  const killed = (r: ReplayResult): number => r.processes.filter((process) => process.killed).length;
  return [
    ...trouble('accesses given up', 'the handler said no; the program went on', (r) => r.failures),
    ...named(results, (r) => failureCodes(r)).map((part): Row => ({ ...part, depth: 1 })),
    ...trouble('processes killed', 'by the kernel, for want of memory', killed),
    ...trouble('references skipped', 'of killed processes', (r) => r.skippedReferences),
    ...named(results, (r) => r.refusals).map((part): Row => ({ ...part, label: `refused: ${part.label}` })),
  ];
}

/** The handler's codes other than success. */
function failureCodes({ faultsByCode, successCode }: ReplayResult): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(faultsByCode).filter(([code]) => code !== successCode));
}

/** A row for every name that occurs in some result, in the order of the names. */
function named(
  results: readonly ReplayResult[],
  pick: (result: ReplayResult) => Readonly<Record<string, number>>,
): Row[] {
  const names = new Set(results.flatMap((result) => Object.keys(pick(result))));
  return [...names].sort().flatMap((name) => row(results, 0, name, '', (r) => pick(r)[name] ?? null));
}

/** The counters of a result that are not 0, and how many are. */
export function counters(result: ReplayResult): { readonly entries: [name: string, value: number][]; zeros: number } {
  const all = Object.entries(result.statistics).sort(([a], [b]) => (a < b ? -1 : 1));
  const entries = all.filter(([, value]) => value !== 0);
  return { entries, zeros: all.length - entries.length };
}

/** The lines that say why a replay ended early. */
export function stops(results: readonly ReplayResult[]): string[] {
  return results.flatMap((r) => (r.stopped === null ? [] : [`${r.system} stopped early: ${r.stopped}`]));
}
