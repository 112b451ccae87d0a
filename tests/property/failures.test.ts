/**
 * Everything that can fail does: each allocation, and each read and write of a file's store or of swap, once and for good.
 *
 * A program is run undisturbed first, to count what could fail; then once more for each of these. Whatever is refused must be refused with a
 * code that the system documents; no byte may be wrong meanwhile; once all is well again every page can be read, what was dirty reaches its
 * file, every invariant holds, and when all processes are gone nothing is left behind. The reference model watches all of that.
 */
import type { BackingStore, FaultRule, FreebsdSystem, VmSystem } from '@faultline/core';
import { EIO, ENOSPC, FaultInjectingStore } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import type { Defects, TroubleMaker } from './differential.js';
import { runProgram } from './differential.js';
import { FAILURE_PROGRAMS } from './failure-programs.js';
import type { Program } from './program.js';

type Allocation = 'frame' | 'swap';
const run = (program: Program, trouble: TroubleMaker, defects: Defects = 'mended'): void =>
  runProgram({ system: 'freebsd', defects, checkEvery: 8, trouble }, program);

// ---- allocations -----------------------------------------------------------------------------------------------------

/** Refuses allocations of a kind from the `nth` on, `times` times; counts all of them. */
class Refusals implements TroubleMaker {
  count = 0;

  constructor(
    private readonly kind: Allocation,
    private readonly nth: number,
    private readonly times: number,
  ) {}

  begin(system: VmSystem): void {
    (system as FreebsdSystem).vm.allocationFails = (kind) => {
      if (kind !== this.kind) return false;
      this.count++;
      return this.count >= this.nth && this.count < this.nth + this.times;
    };
  }

  end(system: VmSystem): void {
    (system as FreebsdSystem).vm.allocationFails = null;
  }
}

function allocationsOf(program: Program, kind: Allocation): number {
  const none = new Refusals(kind, Number.POSITIVE_INFINITY, 0);
  run(program, none);
  return none.count;
}

describe.each(FAILURE_PROGRAMS)('$name: an allocation fails', ({ program }) => {
  it.each<Allocation>(['frame', 'swap'])('%s', (kind) => {
    const count = allocationsOf(program, kind);
    for (let nth = 1; nth <= count; nth++) {
      for (const times of [1, Number.POSITIVE_INFINITY]) run(program, new Refusals(kind, nth, times));
    }
  });
});

// ---- stores ----------------------------------------------------------------------------------------------------------

/** Breaks the stores by a rule; `name` says which. */
class BrokenStores implements TroubleMaker {
  private readonly all: FaultInjectingStore[] = [];

  constructor(
    private readonly name: RegExp,
    private readonly rules: readonly FaultRule[],
  ) {}

  wrap(name: string, store: BackingStore): BackingStore {
    if (!this.name.test(name)) return store;
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

function breakEach(program: Program, name: RegExp, on: 'read' | 'write', defects: Defects): number {
  const whole = new BrokenStores(name, []);
  run(program, whole, defects);
  const count = whole.most(on === 'read' ? 'reads' : 'writes');
  let struck = 0;
  for (let nth = 1; nth <= count; nth++) {
    for (const rule of on === 'read' ? READS : WRITES) {
      const broken = new BrokenStores(name, [{ on, nth, ...rule }]);
      run(program, broken, defects);
      struck += broken.struck;
    }
  }
  return struck;
}

describe.each<Defects>(['mended', 'as-seeded'])('%s: a store fails', (defects) => {
  it.each(FAILURE_PROGRAMS)('$name', ({ program }) => {
    for (const name of [/^file/, /^swap/]) {
      for (const on of ['read', 'write'] as const) breakEach(program, name, on, defects);
    }
  });

  it('really happens: files and swap are read and written, and each was struck', () => {
    const find = (name: string): Program => FAILURE_PROGRAMS.find((one) => one.name === name)?.program as Program;
    expect(breakEach(find('shared file, paged out'), /^file/, 'read', defects)).toBeGreaterThan(0);
    expect(breakEach(find('shared file, paged out'), /^file/, 'write', defects)).toBeGreaterThan(0);
    expect(breakEach(find('more than memory'), /^swap/, 'read', defects)).toBeGreaterThan(0);
    expect(breakEach(find('more than memory'), /^swap/, 'write', defects)).toBeGreaterThan(0);
  });
});
