/** The same random programs on all four systems at once: what they answer differently, `differences.ts` explains. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { DIFFERENCES } from './differences.js';
import { compareSystems } from './differential.js';
import { programs } from './program.js';

const SEED = 19940601;
const PROGRAMS = 80;

it('answers differ only where the table says so', () => {
  const needed = new Map<string, number>();
  let compared = 0;
  for (const program of fc.sample(programs(60, 4096), { seed: SEED, numRuns: PROGRAMS })) {
    const { compared: here, explained } = compareSystems(program);
    compared += here;
    for (const [cell, times] of explained) needed.set(cell, (needed.get(cell) ?? 0) + times);
  }
  expect(compared).toBeGreaterThan(PROGRAMS * 20);
  // The table is not larger than life: most rows were needed here.
  expect(needed.size).toBeGreaterThan(new Set(DIFFERENCES.map(({ cell }) => cell)).size / 2);
}, 600_000);
