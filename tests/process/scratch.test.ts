import * as fc from 'fast-check';
import { it } from 'vitest';
import { programs, showProgram } from './program.js';
import { runProgram } from './run.js';
import type { SystemName } from '@faultline/core';
import { leaveOut } from '../property/shrink.js';

const system = (process.env.SYS ?? 'freebsd') as SystemName;
const seed = Number(process.env.SEED ?? 1);
const runs = Number(process.env.RUNS ?? 20);
const max = Number(process.env.MAX ?? 400);
const swap = Number(process.env.SWAP ?? 4096);
const kind = (e: Error) => e.message.replace(/^.*?\}: |^.*?end: /, '').replace(/\d+/g, 'n').slice(0, 60);
it('scratch', () => {
  let ops = 0;
  const began = performance.now();
  const kinds = new Map<string, number>();
  let shown = 0;
  for (const program of fc.sample(programs(max, swap), { seed, numRuns: runs })) {
    const options = { system, checkEvery: 20, compareEvery: 100 };
    try { runProgram(options, program); ops += program.operations.length; }
    catch (error) {
      const k = kind(error as Error);
      if ((error as Error).name === 'TooOpen') { kinds.set('too open', (kinds.get('too open') ?? 0) + 1); continue; }
      kinds.set(k, (kinds.get(k) ?? 0) + 1);
      if (kinds.get(k) === 1 && shown < Number(process.env.SHOW ?? 3)) {
        shown++;
        const fails = (operations: any) => { try { runProgram({ ...options, checkEvery: 1, compareEvery: 10000 }, { ...program, operations }); return false; } catch (e) { return kind(e as Error) === k; } };
        let small = program.operations;
        const began = performance.now();
        if (fails(small)) small = leaveOut(small, (items) => performance.now() - began < 30000 && fails(items));
        console.log((error as Error).stack, '\n', showProgram({ ...program, operations: small.length > 60 ? small.slice(0,0) : small }));
      }
    }
  }
  console.log(system, ops, 'ops', Math.round(performance.now() - began), 'ms', Object.fromEntries(kinds));
});
