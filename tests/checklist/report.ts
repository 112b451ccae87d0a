/** Runs the register, and tells the outcome: per system a line with each letter's count, then what failed and what does not apply. */
import type { SystemName } from '@faultline/core';
import { CHECKS, COUNTS, runCheck, systemsOf } from './all.js';
import { ROWS, runRow } from './table.js';
import { World } from './world.js';

export interface Outcome {
  readonly id: string;
  readonly title: string;
  /** What went wrong, or null. */
  readonly failure: string | null;
}

export interface SystemReport {
  readonly system: SystemName;
  readonly outcomes: readonly Outcome[];
  /** Checks that say nothing about this system, with the reason. */
  readonly without: readonly { readonly id: string; readonly title: string; readonly reason: string }[];
  /** The rows of the table of differences. */
  readonly table: readonly Outcome[];
}

async function outcomeOf(id: string, title: string, run: () => void | Promise<void>): Promise<Outcome> {
  try {
    await run();
    return { id, title, failure: null };
  } catch (error) {
    return { id, title, failure: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

/** Runs every check that applies to the system and whose id is wanted. */
export async function reportOf(
  system: SystemName,
  wanted: (id: string) => boolean = () => true,
): Promise<SystemReport> {
  const outcomes: Outcome[] = [];
  const table: Outcome[] = [];
  const mine = CHECKS.filter(({ id }) => wanted(id));
  for (const one of mine.filter((each) => systemsOf(each).includes(system))) {
    outcomes.push(await outcomeOf(one.id, one.title, () => runCheck(one, system)));
  }
  for (const row of ROWS.filter(wanted)) {
    const run = async (): Promise<void> => {
      const w = new World(system);
      runRow(row, w);
      await w.finish();
    };
    table.push(await outcomeOf('table', row, run));
  }
  const without = mine.flatMap(({ id, title, not }) => {
    const reason = not[system];
    return reason === undefined ? [] : [{ id, title, reason }];
  });
  return { system, outcomes, without, table };
}

export const failuresOf = ({ outcomes, table }: SystemReport): Outcome[] =>
  [...outcomes, ...table].filter(({ failure }) => failure !== null);

/** `33/33, 1 does not apply`. */
function countOf(passed: number, all: number, without: number): string {
  if (without === 0) return `${passed}/${all}`;
  return `${passed}/${all}, ${without} ${without === 1 ? 'does' : 'do'} not apply`;
}

/** The lines about one system. */
export function linesOf(report: SystemReport): string[] {
  const { system, outcomes, without, table } = report;
  const passed = (all: readonly Outcome[]): number => all.filter(({ failure }) => failure === null).length;
  const letters = Object.keys(COUNTS).flatMap((letter) => {
    const own = outcomes.filter(({ id }) => id.startsWith(letter));
    const none = without.filter(({ id }) => id.startsWith(letter)).length;
    return own.length + none === 0 ? [] : [`${letter} ${countOf(passed(own), own.length, none)}`];
  });
  const total = `all ${countOf(passed(outcomes), outcomes.length, without.length)}`;
  return [
    `${system}  ${letters.join('  ')}  table ${passed(table)}/${table.length}  ${total}`,
    ...failuresOf(report).map(
      ({ id, title, failure }) => `  FAILED ${id} ${title}\n    ${failure?.replaceAll('\n', '\n    ')}`,
    ),
    ...without.map(({ id, title, reason }) => `  ${id} does not apply (${title}): ${reason}`),
  ];
}
