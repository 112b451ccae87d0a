/**
 * Random scenario scripts on every finished system: nothing is thrown but what the runner prints as a result (a panic, a hang), every
 * invariant holds after each command, and the same script prints the same lines again.
 */
import type { SystemName, SystemOptions, VmSystem } from '@faultline/core';
import { InvariantError, parseScenario, runScenario, SYSTEMS } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import type { Defects } from './differential.js';
import { RULED } from './rules.js';
import { randomScenario } from './scenario-generator.js';
import { leaveOut } from './shrink.js';

const SCRIPTS = 100;
const OPERATIONS = 60;

/** As seeded, defects of the kernel (O5, O17, O19, O22 of freebsd) leave translations that a look-up would not give. */
const SEEDED_TRANSLATION = /translation of page 0x[0-9a-f]+ (shows|lies|allows|can be written)/;

interface Run {
  readonly lines: readonly string[];
  /** What was thrown or did not hold, and after which command; null when all went well. */
  readonly failure: string | null;
}

function check(system: VmSystem, defects: Defects): void {
  try {
    system.check();
  } catch (error) {
    const known = defects === 'as-seeded' && error instanceof InvariantError && SEEDED_TRANSLATION.test(error.message);
    if (!known) throw error;
  }
}

/** Runs a script, or answers null when it cannot be read (as a shrunk one may). */
function run(name: SystemName, defects: Defects, script: readonly string[]): Run | null {
  const parsed = parseScenario(script.join('\n'), name);
  if (!parsed.ok) return null;
  const lines: string[] = [];
  let system: VmSystem | null = null;
  let before = 'the beginning';
  const boot = (options: SystemOptions): VmSystem => {
    system = (SYSTEMS[name] as (options: SystemOptions) => VmSystem)({ ...options, defects });
    return system;
  };
  const onCommand = ({ text }: { readonly text: string }): void => {
    if (system !== null) check(system, defects);
    before = text;
  };
  try {
    const end = runScenario(parsed.script, { boot, write: (line) => lines.push(line), onCommand });
    if (end === 'end' && system !== null) check(system, defects);
    // What the kernel has been mended of must not stop it either.
    const stopped = defects === 'mended' && end === 'panic';
    return { lines, failure: stopped ? `${lines.at(-1)} at '${before}'` : null };
  } catch (error) {
    return { lines, failure: `after '${before}': ${(error as Error).stack}` };
  }
}

/** The failure with a script as short as can be found. */
function explain(name: SystemName, defects: Defects, script: readonly string[], failure: string): string {
  const kind = failure.replace(/^.*?': /, '').slice(0, 30);
  const small = leaveOut(script, (fewer) => run(name, defects, fewer)?.failure?.includes(kind) === true);
  return `${run(name, defects, small)?.failure}\n\n${small.join('\n')}\n`;
}

describe.each(RULED)('%s', (name) => {
  it.each<Defects>(['mended', 'as-seeded'])('%s: runs, holds its invariants, and is repeatable', (defects) => {
    let printed = 0;
    for (let seed = 1; seed <= SCRIPTS; seed++) {
      const script = randomScenario(seed, OPERATIONS);
      const first = run(name, defects, script);
      if (first === null) throw new Error(`seed ${seed}: the script cannot be read\n${script.join('\n')}`);
      if (first.failure !== null) throw new Error(explain(name, defects, script, first.failure));
      expect(run(name, defects, script)?.lines).toEqual(first.lines);
      printed += first.lines.length;
    }
    expect(printed).toBeGreaterThan(SCRIPTS * 20);
  });
});
