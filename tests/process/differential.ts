/**
 * One program on all four systems at once.
 *
 * After each operation the four answers are compared: errno, signal, bytes. A difference must be explained by a row of `differences.ts`. One that left
 * the systems in different states is then taken back: all four begin again and run what came before without it. Where something is open by
 * design (MADV_FREE) and bytes differ, the program ends there.
 */
import type { SystemName } from '@faultline/core';
import * as F from '@faultline/core';
import { type Answers, allRefused, explanation } from './differences.js';
import { Mismatch } from './mismatch.js';
import { Cell } from './model/cell.js';
import { STACK_STEP } from './model/model.js';
import { type Operation, type Program, show } from './program.js';
import { Run } from './run.js';

export interface DifferentialResult {
  /** Operations that were compared. */
  readonly compared: number;
  /** How often each row was needed. */
  readonly explained: ReadonlyMap<string, number>;
}

type Runs = Readonly<Record<SystemName, Run>>;

function start(program: Program): Runs {
  const run = (system: SystemName): Run => new Run({ system, checkEvery: 100, compareEvery: 1000 }, program);
  return { csrg: run('csrg'), freebsd: run('freebsd'), dragonfly: run('dragonfly'), netbsd: run('netbsd') };
}

/** What an operation came to, without what may differ for no reason: where mmap placed something. */
function plain(operation: Operation, answer: string): string {
  if (operation.op !== 'mmap' || !/^\d+$/.test(answer)) return answer;
  return Number(answer) === operation.at ? 'as asked' : 'elsewhere';
}

function stepAll(runs: Runs, operation: Operation): { answers: Answers; open: boolean } {
  const before = Cell.openlySeen;
  const answer = (system: SystemName): string => plain(operation, runs[system].step(operation));
  const answers = {
    csrg: answer('csrg'),
    freebsd: answer('freebsd'),
    dragonfly: answer('dragonfly'),
    netbsd: answer('netbsd'),
  };
  return { answers, open: Cell.openlySeen > before };
}

/** Whether the systems go different ways here by design, unseen. */
function waysPart(operation: Operation): boolean {
  // With INHERIT_COPY of what is shared the parent of a fork keeps sharing it, or does not.
  if (operation.op === 'minherit') return operation.how === F.INHERIT_COPY;
  // Stacks grow on two systems only, and one flag locks on netbsd what the others write later.
  if (operation.op === 'mmap') return (operation.flags & (F.MAP_STACK | F.MAP_WIRED)) !== 0;
  if (operation.op === 'exec') return operation.stack > STACK_STEP;
  return ['snapshot', 'restore', 'handle'].includes(operation.op);
}

/** Runs a program on all systems. Throws a Mismatch for a difference that nothing explains. */
export function compareSystems(program: Program): DifferentialResult {
  const explained = new Map<string, number>();
  const kept: Operation[] = [];
  let runs = start(program);
  let compared = 0;
  for (const operation of program.operations) {
    if (waysPart(operation)) continue;
    const { answers, open } = stepAll(runs, operation);
    compared++;
    if (new Set(Object.values(answers)).size === 1) {
      kept.push(operation);
      continue;
    }
    if (open) break;
    const row = explanation(operation, answers);
    if (row === null) throw new Mismatch(`${show(operation)}: ${JSON.stringify(answers)}`);
    explained.set(row.cell, (explained.get(row.cell) ?? 0) + 1);
    if (allRefused(answers)) continue;
    runs = start(program);
    for (const again of kept) stepAll(runs, again);
  }
  return { compared, explained };
}
