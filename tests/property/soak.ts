/**
 * Any number of random operations: fast-check makes the programs, shrinks one that fails, and says how to repeat it.
 */
import type { SystemName } from '@faultline/core';
import * as fc from 'fast-check';
import type { Defects } from './differential.js';
import { runProgram } from './differential.js';
import type { Program } from './program.js';
import { programs, showProgram } from './program.js';
import { RULES } from './rules.js';
import { shrink } from './shrink.js';

export interface SoakPlan {
  readonly system: SystemName;
  readonly defects: Defects;
  /** At least so many operations. */
  readonly operations: number;
  readonly seed: number;
  /** Operations between two checks of everything. */
  readonly checkEvery: number;
  /** Default: more than can be needed. */
  readonly swapPages?: number;
}

export interface SoakResult {
  /** Operations that were run, those of the failing program and its shrinking not counted. */
  readonly operations: number;
  readonly programs: number;
  /** What differed, with the shrunk program; null when nothing did. */
  readonly failure: string | null;
}

/** Operations of the longest program. */
const PROGRAM_MAX = 400;
/** Blocks that no program can fill. */
const AMPLE_SWAP = 4096;

/** Programs that fast-check is asked for at a time; each batch has a seed of its own. */
const BATCH = 20;

/** Runs programs until there have been so many operations, or one fails. `progress` is told after each batch. */
export function soak(plan: SoakPlan, progress: (operations: number) => void = () => {}): SoakResult {
  const arbitrary = programs(PROGRAM_MAX, plan.swapPages ?? AMPLE_SWAP, RULES[plan.system]?.reserve);
  let operations = 0;
  let count = 0;
  for (let seed = plan.seed; operations < plan.operations; seed++) {
    for (const program of fc.sample(arbitrary, { seed, numRuns: BATCH })) {
      const failure = failureOf(plan, program);
      if (failure !== null) return { operations, programs: count, failure: explain(plan, program, failure, seed) };
      operations += program.operations.length;
      count++;
    }
    progress(operations);
  }
  return { operations, programs: count, failure: null };
}

/** What goes wrong in a program, or null. */
function failureOf(plan: SoakPlan, program: Program): Error | null {
  try {
    runProgram(plan, program);
    return null;
  } catch (error) {
    return error as Error;
  }
}

/** The kind of a failure: shrinking must not wander off to another. */
function kindOf(failure: Error): string {
  return failure.message
    .replace(/^.*?\): |^.*?end: /, '')
    .replace(/\d+/g, 'n')
    .slice(0, 40);
}

function explain(plan: SoakPlan, program: Program, failure: Error, seed: number): string {
  const kind = kindOf(failure);
  const small = shrink(program, (candidate) => {
    const other = failureOf(plan, candidate);
    return other !== null && kindOf(other) === kind;
  });
  const { stack } = failureOf(plan, small) as Error;
  return `${stack}\n\nseed ${seed}; shrunk to ${small.operations.length} operations:\n${showProgram(small)}`;
}
