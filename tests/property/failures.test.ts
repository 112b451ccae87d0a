/**
 * Everything that can fail does: each allocation, and each read and write of a file's store or of swap, once and for good.
 *
 * A program is run undisturbed first, to count what could fail; then once more for each of these. Whatever is refused must be refused with a
 * code that the system documents; no byte may be wrong meanwhile; once all is well again every page can be read, what was dirty reaches its
 * file, every invariant holds, and when all processes are gone nothing is left behind. The reference model watches all of that.
 */
import type { BackingStore, FaultRule, SystemName, VmSystem } from '@faultline/core';
import { EIO, ENOSPC, FaultInjectingStore } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import type { Defects, TroubleMaker } from './differential.js';
import { runProgram } from './differential.js';
import { failurePrograms } from './failure-programs.js';
import type { Program } from './program.js';
import type { Rules, Transfer } from './rules.js';
import { RULED, RULES } from './rules.js';

/** A machine: a system, with its defects or without. */
interface Setting {
  readonly system: SystemName;
  readonly defects: Defects;
}

const run = (setting: Setting, program: Program, trouble: TroubleMaker): void =>
  runProgram({ ...setting, checkEvery: 8, trouble }, program);

/** From one thing that fails to the next: 1, unless the system is too slow for all of them. */
function stride({ system }: Setting, count: number): number {
  return Math.ceil(count / (RULES[system]?.failuresMost ?? count));
}

// ---- allocations -----------------------------------------------------------------------------------------------------

/** A system of which the tests can refuse allocations. */
interface Refusing {
  readonly vm: { allocationFails: ((kind: string) => boolean) | null };
}

/** Refuses allocations of a kind from the `nth` on, `times` times; counts all of them. */
class Refusals implements TroubleMaker {
  count = 0;

  constructor(
    private readonly kind: string,
    private readonly nth: number,
    private readonly times: number,
  ) {}

  begin(system: VmSystem): void {
    (system as VmSystem & Refusing).vm.allocationFails = (kind) => {
      if (kind !== this.kind) return false;
      this.count++;
      return this.count >= this.nth && this.count < this.nth + this.times;
    };
  }

  end(system: VmSystem): void {
    (system as VmSystem & Refusing).vm.allocationFails = null;
  }
}

function allocationsOf(setting: Setting, program: Program, kind: string): number {
  const none = new Refusals(kind, Number.POSITIVE_INFINITY, 0);
  run(setting, program, none);
  return none.count;
}

describe.each(RULED)('%s: an allocation fails', (system) => {
  const setting = { system, defects: 'mended' } as const;
  const { allocations, smallMachine } = RULES[system] as Rules;
  const programs = failurePrograms(smallMachine);

  describe.each(allocations)('%s', (kind) => {
    it.each(programs)('$name', ({ program }) => {
      const count = allocationsOf(setting, program, kind);
      for (let nth = 1; nth <= count; nth += stride(setting, count)) {
        for (const times of [1, Number.POSITIVE_INFINITY]) run(setting, program, new Refusals(kind, nth, times));
      }
    });

    it('really happens', () => {
      const counts = programs.map(({ program }) => allocationsOf(setting, program, kind));
      expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(0);
    });
  });
});

// ---- stores ----------------------------------------------------------------------------------------------------------

type StoreName = 'file' | 'swap';

/** Breaks the stores by a rule; `name` says which. */
class BrokenStores implements TroubleMaker {
  private readonly all: FaultInjectingStore[] = [];

  readonly breaks: readonly Transfer[];

  constructor(
    private readonly name: StoreName,
    on: 'read' | 'write',
    private readonly rules: readonly FaultRule[],
  ) {
    this.breaks = [`${name} ${on}`];
  }

  wrap(name: string, store: BackingStore): BackingStore {
    if (!name.startsWith(this.name)) return store;
    const broken = new FaultInjectingStore(store, this.rules);
    this.all.push(broken);
    return broken;
  }

  end(): void {
    for (const store of this.all) store.heal();
  }

  /** The most calls that one store has seen. */
  most(calls: 'reads' | 'writes'): number {
    return Math.max(...this.all.map((store) => store.counts[calls]));
  }

  get struck(): number {
    return this.all.reduce((sum, store) => sum + store.counts.struck, 0);
  }
}

const READS: readonly Omit<FaultRule, 'on'>[] = [
  { error: EIO },
  { error: EIO, times: Number.POSITIVE_INFINITY },
  { short: 1000 },
  { short: 0 },
  { short: 5000, error: EIO },
];
const WRITES: readonly Omit<FaultRule, 'on'>[] = [
  ...READS,
  { error: ENOSPC },
  { error: ENOSPC, times: Number.POSITIVE_INFINITY },
  { short: 5000, error: ENOSPC, times: Number.POSITIVE_INFINITY },
];

function breakEach(setting: Setting, program: Program, name: StoreName, on: 'read' | 'write'): number {
  const whole = new BrokenStores(name, on, []);
  run(setting, program, whole);
  const count = whole.most(on === 'read' ? 'reads' : 'writes');
  let struck = 0;
  for (let nth = 1; nth <= count; nth += stride(setting, count)) {
    for (const rule of on === 'read' ? READS : WRITES) {
      const broken = new BrokenStores(name, on, [{ on, nth, ...rule }]);
      run(setting, program, broken);
      struck += broken.struck;
    }
  }
  return struck;
}

describe.each(RULED)('%s', (system) => {
  describe.each<Defects>(['mended', 'as-seeded'])('%s: a store fails', (defects) => {
    const setting = { system, defects };
    const programs = failurePrograms((RULES[system] as Rules).smallMachine);

    it.each(programs)('$name', ({ program }) => {
      for (const name of ['file', 'swap'] as const) {
        for (const on of ['read', 'write'] as const) breakEach(setting, program, name, on);
      }
    });

    it('really happens: files and swap are read and written, and each was struck', () => {
      const find = (name: string): Program => programs.find((one) => one.name === name)?.program as Program;
      for (const on of ['read', 'write'] as const) {
        expect(breakEach(setting, find('shared file, paged out'), 'file', on)).toBeGreaterThan(0);
        expect(breakEach(setting, find('more than memory'), 'swap', on)).toBeGreaterThan(0);
      }
    });
  });
});
