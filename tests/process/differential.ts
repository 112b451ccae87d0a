/**
 * One program on all four systems at once.
 *
 * After each operation the four answers are compared: errno, signal, bytes. What differs must be just what the rows of `differences.ts` foresee
 * from the state before, system by system.
 *
 * All four are then to go on from the same state. What happens depends on what the difference was:
 *
 *     refused by all, or a call that     the program goes on: what processes see is the same (advice, msync, mincore). After MADV_FREE
 *     changes nothing a program sees     that holds until bytes are looked at
 *     done on some systems only          it is taken back: all four begin again and run what came before without it. So what a system does after
 *                                        a call that only it accepts is not compared here; the model alone is asked then (`soak.ts`)
 *     bytes that are left open           the program goes on as long as nobody can tell the systems apart, and ends when somebody can
 *
 * That the systems are in the same state after equal answers is checked by how much each process has mapped.
 *
 * What is not compared: minherit with INHERIT_COPY is left out (the parent of a later fork goes on sharing, or does not), and so are snapshots; of mincore
 * the answer, not the bytes for each page, which say what is in memory; addresses that mmap chose, beside whether a wish was granted. Where a
 * row says `EITHER`, a page past the end of its file is there if it has been copied before, and only the model limits the answer.
 */
import * as F from '@faultline/core';
import * as fc from 'fast-check';
import { leaveOut } from '../property/shrink.js';
import { ObservedRun } from './differences/before.js';
import { type OpenContents, openContents, shownBy } from './differences/contents.js';
import { mmapAnswer } from './differences/mapping.js';
import {
  type BySystem,
  bySystem,
  complaint,
  distinct,
  type Foreseen,
  foresee,
  foreseenApart,
  isRefusal,
} from './differences/row.js';
import { nameOf, ROWS } from './differences.js';
import { Mismatch } from './mismatch.js';
import { STACK_STEP } from './model/model.js';
import { type Operation, type Program, programs, show } from './program.js';
import { type Failure, kindOf } from './soak.js';

export { explain } from './soak.js';

export interface DifferentialResult {
  /** Operations that were compared. */
  readonly compared: number;
  /** Operations of which answers or bytes differed. */
  readonly differed: number;
  /** Why the rest of the program was left out, or null. */
  readonly ended: 'bytes' | 'memory' | null;
  /** How often each row was needed. */
  readonly needed: ReadonlyMap<string, number>;
}

type Runs = BySystem<ObservedRun>;

function start(program: Program): Runs {
  const options = { checkEvery: 100, compareEvery: Number.POSITIVE_INFINITY };
  return bySystem((system) => new ObservedRun({ system, ...options }, program));
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

/** Calls after which processes see what they saw before, whatever was answered. */
const HARMLESS: ReadonlySet<Operation['op']> = new Set(['madvise', 'msync', 'mincore']);

/** Calls that may have done something although they were refused: mlockall of what is to come, mmap of what was there. */
const LASTING: ReadonlySet<Operation['op']> = new Set(['mlockall', 'mmap']);

/** Operations that answer with bytes of memory. */
const SHOWS: ReadonlySet<Operation['op']> = new Set(['load', 'fetch', 'cas', 'copyin']);

const settled = (answers: BySystem<string>): OpenContents => ({ answers, row: null, parted: false });

class Comparison {
  private runs: Runs;
  private readonly kept: Operation[] = [];
  private readonly needed = new Map<string, number>();
  private compared = 0;
  private differed = 0;

  constructor(private readonly program: Program) {
    this.runs = start(program);
  }

  run(): DifferentialResult {
    for (const operation of this.program.operations) {
      if (waysPart(operation)) continue;
      const ended = this.tryStep(operation);
      if (ended !== null) return this.result(ended);
    }
    return this.result(null);
  }

  private result(ended: DifferentialResult['ended']): DifferentialResult {
    const { compared, differed, needed } = this;
    return { compared, differed, ended, needed };
  }

  private count(row: string): void {
    this.needed.set(row, (this.needed.get(row) ?? 0) + 1);
  }

  private tryStep(operation: Operation): DifferentialResult['ended'] {
    try {
      return this.step(operation);
    } catch (error) {
      if ((error as Error).name === 'TooOpen') return 'bytes';
      throw error;
    }
  }

  /** One operation on all systems. Answers why the program ends here, or null. */
  private step(operation: Operation): DifferentialResult['ended'] {
    const before = bySystem((system) => this.runs[system].before(operation));
    const foreseen = bySystem((system) => foresee(ROWS, before[system]));
    const shown = SHOWS.has(operation.op) ? bySystem((system) => shownBy(before[system])) : null;
    const raw = bySystem((system) => this.runs[system].step(operation));
    this.compared++;
    if (F.SYSTEM_NAMES.some((system) => this.runs[system].model.scarce)) return 'memory';
    const plain = bySystem((system) =>
      operation.op === 'mmap' ? mmapAnswer(before[system], raw[system]) : raw[system],
    );
    const { answers, row, parted } = shown === null ? settled(plain) : openContents(shown, plain);
    const wrong = complaint(foreseen, answers);
    if (wrong !== null) throw new Mismatch(`${show(operation)}: ${wrong}: ${JSON.stringify(raw)}`);
    if (distinct(plain) > 1) this.differed++;
    if (row !== null) this.count(`bytes: ${row.cell}`);
    this.countRows(foreseen, answers);
    if (parted) return 'bytes';
    this.goOn(operation, foreseen, answers);
    return null;
  }

  private countRows(foreseen: BySystem<Foreseen | null>, answers: BySystem<string>): void {
    if (!foreseenApart(foreseen) && distinct(answers) === 1) return;
    const rows = Object.values(foreseen).flatMap((one) => (one === null ? [] : [nameOf(one.row)]));
    for (const row of new Set(rows)) this.count(row);
  }

  /** All four from the same state. */
  private goOn(operation: Operation, foreseen: BySystem<Foreseen | null>, answers: BySystem<string>): void {
    const parts = Object.values(foreseen).some((one) => one?.row.parts === true);
    const same = distinct(answers) === 1 && !parts;
    if (same || HARMLESS.has(operation.op)) this.keep(operation);
    else if (LASTING.has(operation.op) || !Object.values(answers).every(isRefusal)) this.takeBack();
  }

  private keep(operation: Operation): void {
    this.kept.push(operation);
    const shapes = bySystem((system) => this.runs[system].shape);
    if (distinct(shapes) > 1)
      throw new Mismatch(`${show(operation)}: equal answers, and not the same mapped: ${JSON.stringify(shapes)}`);
  }

  private takeBack(): void {
    this.runs = start(this.program);
    for (const again of this.kept) bySystem((system) => this.runs[system].step(again));
  }
}

/** Runs a program on all systems. Throws a Mismatch for a difference that no row foresees, and for one that does not come. */
export function compareSystems(program: Program): DifferentialResult {
  return new Comparison(program).run();
}

// ---- many programs

export interface DifferentialPlan {
  /** At least so many operations. */
  readonly operations: number;
  readonly seed: number;
}

export interface DifferentialTotals {
  readonly compared: number;
  readonly differed: number;
  readonly programs: number;
  /** Programs that were left early. */
  readonly ended: Readonly<Record<'bytes' | 'memory', number>>;
  readonly needed: ReadonlyMap<string, number>;
  readonly failure: Failure | null;
}

/** Operations of the longest program, beside its beginning. */
const PROGRAM_MAX = 60;
/** Programs for each seed. */
const BATCH = 20;
/** Blocks that no program can fill. */
const AMPLE_SWAP = 4096;

/** Runs programs until there have been so many operations, or one fails. `progress` is told after each batch. */
export function compareMany(
  plan: DifferentialPlan,
  progress: (operations: number) => void = () => {},
): DifferentialTotals {
  const needed = new Map<string, number>();
  const ended = { bytes: 0, memory: 0 };
  const totals = { compared: 0, differed: 0, programs: 0 };
  const arbitrary = programs(PROGRAM_MAX, AMPLE_SWAP);
  for (let { seed } = plan; totals.compared < plan.operations; seed++) {
    for (const program of fc.sample(arbitrary, { seed, numRuns: BATCH })) {
      const result = outcome(program);
      if (result instanceof Error) return { ...totals, ended, needed, failure: smallest(program, result, seed) };
      totals.programs++;
      totals.compared += result.compared;
      totals.differed += result.differed;
      if (result.ended !== null) ended[result.ended]++;
      for (const [row, times] of result.needed) needed.set(row, (needed.get(row) ?? 0) + times);
    }
    progress(totals.compared);
  }
  return { ...totals, ended, needed, failure: null };
}

function outcome(program: Program): DifferentialResult | Error {
  try {
    return compareSystems(program);
  } catch (error) {
    return error as Error;
  }
}

function smallest(program: Program, failure: Error, seed: number): Failure {
  const kind = kindOf(failure);
  const failing = (operations: readonly Operation[]): Error | null => {
    const other = outcome({ ...program, operations });
    return other instanceof Error && kindOf(other) === kind ? other : null;
  };
  const operations = leaveOut(program.operations, (fewer) => failing(fewer) !== null);
  return { message: (failing(operations) ?? failure).message, seed, program: { ...program, operations } };
}
