/**
 * Random programs of processes on all four systems: errno, signal and bytes equal those of the model after each operation, and everything does every
 * so often and at the end.
 */
import { type Machine, type Process, SYSTEM_NAMES } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { explain, soakProcesses } from './soak.js';

/** Printed when something differs; `npm run soak -- --processes --seed N` takes another. */
const SEED = 19920602;

describe.each(SYSTEM_NAMES)('%s', (system) => {
  const told = (plan: Omit<Parameters<typeof soakProcesses>[0], 'system' | 'seed'>): string => {
    const { failure, operations, unfinished, programs } = soakProcesses({ ...plan, system, seed: SEED });
    if (failure !== null) return explain(failure);
    expect(operations).toBeGreaterThanOrEqual(plan.operations);
    expect(unfinished).toBeLessThan(programs / 20);
    return '';
  };

  it('equals the model under memory pressure with swap', () => {
    expect(told({ operations: 200_000, checkEvery: 200 })).toBe('');
  }, 600_000);

  it('holds every invariant after every operation', () => {
    expect(told({ operations: 4_000, checkEvery: 1 })).toBe('');
  }, 600_000);

  it('gives up something where swap runs out, and nothing else', () => {
    expect(told({ operations: 20_000, checkEvery: 50, swapPages: 24 })).toBe('');
  }, 600_000);
});

/** A machine of which one call gives a wrong answer. */
function planted(machine: Machine, wrong: (process: Process) => Process): Machine {
  return new Proxy(machine, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const result = (value as (...args: unknown[]) => unknown).apply(target, args);
        return name === 'spawn' ? wrong(result as Process) : result;
      };
    },
  });
}

/** A process of which `load8` shows one bit wrong in what somebody has written to a file. */
function forgetful(process: Process): Process {
  let wrote = false;
  return new Proxy(process, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const result = (value as (...args: unknown[]) => unknown).apply(target, args);
        if (name === 'pwrite' && typeof result === 'number' && result > 0) wrote = true;
        return name === 'load8' && wrote ? (result as number) ^ 1 : result;
      };
    },
  });
}

describe('a fault on purpose', () => {
  it('is found, and its program made small', () => {
    const plant = (machine: Machine): Machine => planted(machine, forgetful);
    const { failure } = soakProcesses({ system: 'freebsd', operations: 100_000, seed: SEED, checkEvery: 1000, plant });
    expect(failure?.message).toContain('of the page is');
    expect(failure?.program.operations.map(({ op }) => op)).toEqual(expect.arrayContaining(['pwrite', 'load']));
    expect(failure?.program.operations.length).toBeLessThanOrEqual(20);
  }, 120_000);
});
