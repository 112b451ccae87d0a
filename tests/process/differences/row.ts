/**
 * The form of a row of the table of differences, and how answers are held against the rows.
 *
 * A row names a cell of the table of the memory calls (or a check of its list) and says in a few words what is so. `when` is asked of each system
 * apart, of what was so *before* the call; where it holds, `answers` has what a system must answer, exactly. A system that the row does not
 * name goes on to the next row. The first row that names it decides, so the order of the rows is the order in which the kernels look; a
 * clause that one kernel looks at early and another late is two rows.
 *
 *     a system that a row decides      must answer just that
 *     the others                       must agree with one another; one alone must succeed
 *
 * So a difference that no row foresees fails, and so does one that is foreseen and does not come.
 */
import type { SystemName } from '@faultline/core';
import { SYSTEM_NAMES } from '@faultline/core';
import type { Operation } from '../program.js';
import type { Before } from './before.js';

/** Not refused: what it came to must be the same wherever it went through. */
export const THROUGH = 'through';
/** Refused or not: what decides it is named in the row. */
export const EITHER = 'either';

type Answer = string | ((before: Before) => string);

export interface Row {
  /** The row of the table, or the check of the list, and what of it. */
  readonly cell: string;
  readonly why: string;
  readonly calls: readonly Operation['op'][];
  readonly when: (before: Before) => boolean;
  readonly answers: Readonly<Partial<Record<SystemName, Answer>>>;
  /** The answers may be equal, and yet the systems have gone different ways. */
  readonly parts?: boolean;
}

/** The same on all four. */
export function everywhere(answer: Answer): Row['answers'] {
  return { csrg: answer, freebsd: answer, dragonfly: answer, netbsd: answer };
}

/** Rows of these calls. */
export function rowsOf(rows: readonly Omit<Row, 'calls'>[], ...calls: Row['calls']): readonly Row[] {
  return rows.map((row) => ({ ...row, calls }));
}

export type BySystem<T> = Readonly<Record<SystemName, T>>;

export function bySystem<T>(make: (system: SystemName) => T): BySystem<T> {
  return { csrg: make('csrg'), freebsd: make('freebsd'), dragonfly: make('dragonfly'), netbsd: make('netbsd') };
}

/** How many different ones there are. */
export const distinct = (answers: BySystem<string>): number => new Set(Object.values(answers)).size;

/** What the rows say of one system. */
export interface Foreseen {
  readonly row: Row;
  readonly answer: string;
}

export function foresee(rows: readonly Row[], before: Before): Foreseen | null {
  if (before.twin === null) return null;
  const { operation, system } = before;
  for (const row of rows) {
    const answer = row.answers[system];
    if (answer === undefined || !row.calls.includes(operation.op) || !row.when(before)) continue;
    return { row, answer: typeof answer === 'string' ? answer : answer(before) };
  }
  return null;
}

/** An errno or a signal. */
export const isRefusal = (answer: string): boolean => /^(E[A-Z]+|SIG.*)\s*$/.test(answer);

/** What is wrong with the answers, or null. */
export function complaint(foreseen: BySystem<Foreseen | null>, answers: BySystem<string>): string | null {
  for (const system of SYSTEM_NAMES) {
    const { row, answer } = foreseen[system] ?? {};
    if (row === undefined || answer === undefined || answer === EITHER) continue;
    const right = answer === THROUGH ? !isRefusal(answers[system]) : answers[system].trim() === answer;
    if (!right) return `${system} answered ${answers[system]}, not ${answer} (${row.cell}: ${row.why})`;
  }
  const free = SYSTEM_NAMES.filter((system) => foreseen[system] === null);
  const [alone] = free;
  if (alone !== undefined && free.length === 1 && isRefusal(answers[alone]))
    return `${alone} alone answered ${answers[alone]}, and no row says so`;
  const through = SYSTEM_NAMES.filter((system) => !isRefusal(answers[system]));
  const groups = [free, through.filter((system) => foreseen[system]?.answer !== answers[system])];
  const apart = groups.some((group) => new Set(group.map((system) => answers[system])).size > 1);
  return apart ? 'no row says so' : null;
}

/** Whether the rows say that answers differ. */
export function foreseenApart(foreseen: BySystem<Foreseen | null>): boolean {
  const said = SYSTEM_NAMES.map((system) => foreseen[system]?.answer ?? THROUGH);
  return new Set(said).size > 1;
}
