/**
 * Any number of random operations on processes: fast-check makes the programs from a seed, one that fails is made small, and what is told about
 * it repeats it.
 */
import type { Machine, SystemName } from '@faultline/core';
import { PAGE_SIZE } from '@faultline/core';
import * as fc from 'fast-check';
import { leaveOut } from '../property/shrink.js';
import { type Operation, type Program, programs, showProgram } from './program.js';
import { type RunOptions, runProgram } from './run.js';

export interface ProcessSoak {
  readonly system: SystemName;
  /** At least so many operations. */
  readonly operations: number;
  readonly seed: number;
  /** Operations between two checks of the kernel's invariants. */
  readonly checkEvery: number;
  /** Pages; default: more than can be needed. */
  readonly swapPages?: number;
  /** Puts something between the machine and the comparison. */
  readonly plant?: (machine: Machine) => Machine;
}

export interface ProcessSoakResult {
  /** Operations that were run and compared. */
  readonly operations: number;
  readonly programs: number;
  /** Programs that ended early because too much was open for the model to go on. */
  readonly unfinished: number;
  readonly failure: Failure | null;
}

export interface Failure {
  readonly message: string;
  /** Of the batch: with it the same programs come again. */
  readonly seed: number;
  /** Made small. */
  readonly program: Program;
}

/** Operations of the longest program, beside its beginning. */
const PROGRAM_MAX = 400;
/** Programs for each seed. */
const BATCH = 20;
const COMPARE_EVERY = 1000;
/** Blocks that no program can fill. */
const AMPLE_SWAP = 4096;

/** Runs programs until there have been so many operations, or one fails. `progress` is told after each batch. */
export function soakProcesses(plan: ProcessSoak, progress: (operations: number) => void = () => {}): ProcessSoakResult {
  const arbitrary = programs(PROGRAM_MAX, plan.swapPages ?? AMPLE_SWAP);
  const done = { operations: 0, programs: 0, unfinished: 0 };
  for (let seed = plan.seed; done.operations < plan.operations; seed++) {
    for (const program of fc.sample(arbitrary, { seed, numRuns: BATCH })) {
      const failure = failureOf(plan, program);
      if (failure?.name === 'TooOpen') done.unfinished++;
      else if (failure !== null) return { ...done, failure: smallest(plan, program, failure, seed) };
      else done.operations += program.operations.length;
      done.programs++;
    }
    progress(done.operations);
  }
  return { ...done, failure: null };
}

/** What goes wrong in a program, or null. */
function failureOf({ system, checkEvery, plant }: ProcessSoak, program: Program): Error | null {
  const options: RunOptions = {
    system,
    checkEvery,
    compareEvery: COMPARE_EVERY,
    ...(plant === undefined ? {} : { plant }),
  };
  try {
    runProgram(options, program);
    return null;
  } catch (error) {
    return error as Error;
  }
}

/** What a failure is about: while a program is made small it must not become another. */
export function kindOf(failure: Error): string {
  return failure.message
    .replace(/^.*?\}: |^.*?end: /, '')
    .replace(/\d+/g, 'n')
    .slice(0, 40);
}

function smallest(plan: ProcessSoak, program: Program, failure: Error, seed: number): Failure {
  const kind = kindOf(failure);
  const often = { ...plan, checkEvery: 1 };
  const fails = (operations: readonly Operation[]): boolean => {
    const other = failureOf(often, { ...program, operations });
    return other !== null && kindOf(other) === kind;
  };
  const small = { ...program, operations: simplest(program.operations, fails) };
  return { message: (failureOf(often, small) ?? failure).message, seed, program: small };
}

/** Leaves out what can be left out, and makes what remains plain, until neither gets further. */
function simplest(
  operations: readonly Operation[],
  fails: (operations: readonly Operation[]) => boolean,
): readonly Operation[] {
  let best = operations;
  for (let before = -1; before !== best.length; ) {
    before = best.length;
    best = leaveOut(best, fails);
    best.forEach((one, at) => {
      const found = plainer(one)
        .map((other) => best.with(at, other))
        .find(fails);
      best = found ?? best;
    });
  }
  return best;
}

/** The same operation with one thing about it plainer. */
function plainer(one: Operation): Operation[] {
  const found: Operation[] = [];
  const change = (part: object): void => void found.push({ ...one, ...part } as Operation);
  if ('who' in one && one.who > 0) change({ who: 0 });
  if ('length' in one && one.length > PAGE_SIZE) change({ length: PAGE_SIZE });
  if ('at' in one && one.at % PAGE_SIZE !== 0) change({ at: one.at - (one.at % PAGE_SIZE) });
  if ('width' in one && one.width > 1 && one.op !== 'cas') change({ width: 1 });
  return found;
}

/** A failure as a person wants to read it. */
export function explain({ message, seed, program }: Failure): string {
  return `${message}\n\nseed ${seed}; made small, ${program.operations.length} operations:\n${showProgram(program)}`;
}
