/** Each program once undisturbed, to count what could fail, and then once for each of it. */
import type { SystemName } from '@faultline/core';
import { programOf } from './program.js';
import type { Trouble } from './runner.js';
import { Run } from './runner.js';
import { ALLOCATIONS, BrokenStores, LateStores, READS, Refusals, WRITES } from './troubles.js';

export interface ExhaustionOptions {
  readonly system: SystemName;
  readonly seed: number;
  readonly programs: number;
  /** Every how manieth of the possible failures is tried; 1: all. */
  readonly stride: number;
}

export interface ExhaustionCounts {
  programs: number;
  /** Runs with a failure ordered, by what was made to fail. */
  runs: Record<string, number>;
  /** Calls and accesses that were refused in them. */
  refusals: number;
  failures: string[];
}

class Exhaustion {
  readonly counts: ExhaustionCounts = { programs: 0, runs: {}, refusals: 0, failures: [] };
  private turn = 0;

  constructor(private readonly options: ExhaustionOptions) {}

  /** One run. What goes wrong is written down, with all that is needed to see it again. */
  async run(seed: number, what: string, trouble: Trouble, late = false): Promise<boolean> {
    const { system } = this.options;
    try {
      const one = new Run({ system, late, trouble }, programOf(seed));
      await one.run();
      this.counts.refusals += one.refusals;
      return true;
    } catch (error) {
      const { message } = error as Error;
      this.counts.failures.push(`${system} program ${seed}, ${what}: ${(error as Error).name}: ${message}`);
      return false;
    }
  }

  private wanted(): boolean {
    return this.turn++ % this.options.stride === 0;
  }

  private async tried(seed: number, group: string, what: string, trouble: Trouble, late = false): Promise<void> {
    if (!this.wanted()) return;
    this.counts.runs[group] = (this.counts.runs[group] ?? 0) + 1;
    await this.run(seed, what, trouble, late);
  }

  async allocations(seed: number, kind: string): Promise<void> {
    const all = new Refusals(kind);
    if (!(await this.run(seed, `counting ${kind}`, all))) return;
    for (let nth = 1; nth <= all.count; nth++) {
      for (const times of [1, Number.POSITIVE_INFINITY]) {
        await this.tried(seed, kind, `${kind} ${nth} refused, times ${times}`, new Refusals(kind, nth, times));
      }
    }
  }

  async stores(seed: number, name: RegExp, on: 'read' | 'write'): Promise<void> {
    const whole = new BrokenStores(name);
    if (!(await this.run(seed, `counting ${on}s`, whole))) return;
    const count = whole.most(on === 'read' ? 'reads' : 'writes');
    for (let nth = 1; nth <= count; nth++) {
      for (const rule of on === 'read' ? READS : WRITES) {
        const what = `${name.source} ${on} ${nth} ${JSON.stringify(rule)}${rule.times === undefined ? '' : ' for good'}`;
        await this.tried(seed, `${name.source.slice(1)} ${on}`, what, new BrokenStores(name, [{ on, nth, ...rule }]));
      }
    }
  }

  async late(seed: number): Promise<void> {
    for (const failing of [Number.POSITIVE_INFINITY, 1, 2, 3, 5]) {
      await this.tried(seed, 'late', `late stores, failing ${failing}`, new LateStores(failing), true);
    }
  }
}

/** All programs, all failures. `tell` hears of each program. */
export async function exhaust(
  options: ExhaustionOptions,
  tell: (programs: number) => void = () => {},
): Promise<ExhaustionCounts> {
  const all = new Exhaustion(options);
  for (let i = 0; i < options.programs; i++) {
    const seed = options.seed + i;
    for (const kind of ALLOCATIONS[options.system]) await all.allocations(seed, kind);
    for (const name of [/^file/, /^swap/])
      for (const on of ['read', 'write'] as const) await all.stores(seed, name, on);
    await all.late(seed);
    all.counts.programs++;
    tell(all.counts.programs);
  }
  return all.counts;
}
