/**
 * Twenty scenarios, with loans, segments and submaps in them, in which everything that can fail does: each allocation once and from then on for
 * ever, each read and write of swap and of a file once and from then on for ever.
 *
 * Whatever comes of it: no hang, no exception, every invariant; and when all processes are gone nobody holds an anon, a slot or
 * a reference any more.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FaultInjectingStore } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import type { BackingStore } from '../machine/store.js';
import { EIO } from '../machine/store.js';
import { parseScenario, runScenario } from '../scenario/index.js';
import { netbsdCommands } from '../scenario/netbsd-commands.js';
import type { SystemOptions, VmFile } from '../vm/system.js';
import type { AnonObject } from './aobj.js';
import type { NetbsdProcess } from './process.js';
import { NetbsdSystem } from './system.js';
import type { Allocation } from './vm.js';

const SPECIAL = new URL('../../../../conformance/netbsd/special/', import.meta.url);
const NAMES = Array.from({ length: 20 }, (_, i) => `s${String(i + 1).padStart(5, '0')}`);
/** Frames of the machine, so few that the scripts are short of them. */
const MEMORY_PAGES = 48;

/** What goes wrong, and how much of that kind there was. */
interface Trouble {
  readonly count: number;
  /** Refuses an allocation. */
  refuses?(kind: Allocation): boolean;
  /** Puts something between the kernel and the store of swap, or of a file. */
  wrap?(where: Where, store: BackingStore): BackingStore;
}

type Where = 'swap' | 'file';

class Refusals implements Trouble {
  count = 0;

  constructor(
    private readonly kind: Allocation,
    private readonly nth: number,
    private readonly always: boolean,
  ) {}

  refuses(kind: Allocation): boolean {
    if (kind !== this.kind) return false;
    this.count++;
    return this.always ? this.count >= this.nth : this.count === this.nth;
  }
}

class BrokenStores implements Trouble {
  private readonly stores: FaultInjectingStore[] = [];

  constructor(
    private readonly on: 'read' | 'write',
    private readonly where: Where,
    private readonly nth: number,
    private readonly always: boolean,
  ) {}

  wrap(where: Where, store: BackingStore): BackingStore {
    if (where !== this.where) return store;
    const { on, nth, always } = this;
    const rules = Number.isFinite(nth) ? [{ on, nth, times: always ? Number.POSITIVE_INFINITY : 1, error: EIO }] : [];
    const broken = new FaultInjectingStore(store, rules);
    this.stores.push(broken);
    return broken;
  }

  /** The most that one store has seen. */
  get count(): number {
    return Math.max(0, ...this.stores.map(({ counts }) => (this.on === 'read' ? counts.reads : counts.writes)));
  }
}

/** A machine whose stores and processes are known here. */
class Watched extends NetbsdSystem {
  readonly all: NetbsdProcess[] = [];

  constructor(
    options: SystemOptions,
    private readonly trouble: Trouble,
  ) {
    const swap = new MemoryStore();
    super({ ...options, swapStore: trouble.wrap?.('swap', swap) ?? swap, defects: 'mended' });
    this.vm.allocationFails = (kind) => trouble.refuses?.(kind) ?? false;
  }

  override createFile(name: string, store: BackingStore): VmFile {
    return super.createFile(name, this.trouble.wrap?.('file', store) ?? store);
  }

  override spawn(name: string): NetbsdProcess {
    const process = super.spawn(name);
    this.all.push(process);
    return process;
  }
}

/** Runs a script on a small machine, ends its processes, and looks for what is left. */
function run(script: string, trouble: Trouble): void {
  const parsed = parseScenario(script.replace(/^memory .*/m, `memory ${MEMORY_PAGES}`), 'netbsd');
  if (!parsed.ok) throw new Error(parsed.errors.map(({ message }) => message).join('; '));
  let system: Watched | null = null;
  const boot = (options: SystemOptions): Watched => {
    system = new Watched(options, trouble);
    return system;
  };
  expect(runScenario(parsed.script, { boot, write: () => {}, extension: netbsdCommands })).toBe('end');
  expectNothingLeft(system as unknown as Watched);
}

/** Frames that the kernel has borrowed stay, and so do segments, which nobody has removed. */
function expectNothingLeft(system: Watched): void {
  const { vm } = system;
  system.check();
  for (const process of system.all) system.exit(process);
  system.check();
  const zeros = vm.loanZero === null || vm.loanZero.first < 0 ? 0 : vm.pages.anon[vm.loanZero.first];
  expect(vm.liveAnons).toBe(zeros === 0 ? 0 : 1);
  let slots = 0;
  for (const object of vm.objects) {
    if (object === null || object.kind === 'loanzero') continue;
    expect(object.kind).not.toBe('device');
    expect(object.refs).toBe(1);
    if (object.kind === 'aobj') for (const slot of (object as AnonObject).slots.values()) if (slot > 0) slots++;
  }
  expect(vm.swap.inUse).toBe(vm.swap.bad + slots);
}

/** How many of each kind there were to fail. */
const failed = {
  frame: 0,
  anon: 0,
  amap: 0,
  swap: 0,
  'map entry': 0,
  'swap read': 0,
  'swap write': 0,
  'file read': 0,
  'file write': 0,
};

describe.each(NAMES)('%s', (name) => {
  const script = readFileSync(new URL(`${name}.scn`, SPECIAL), 'utf8');

  it.each(['frame', 'anon', 'amap', 'swap', 'map entry'] as const)('each allocation of a kind fails: %s', (kind) => {
    const whole = new Refusals(kind, Number.POSITIVE_INFINITY, false);
    run(script, whole);
    failed[kind] += whole.count;
    for (let nth = 1; nth <= whole.count; nth++) {
      for (const always of [false, true]) run(script, new Refusals(kind, nth, always));
    }
  });

  it.each(['swap', 'file'] as const)('each transfer fails: %s', (where) => {
    for (const on of ['read', 'write'] as const) {
      const whole = new BrokenStores(on, where, Number.POSITIVE_INFINITY, false);
      run(script, whole);
      failed[`${where} ${on}`] += whole.count;
      for (let nth = 1; nth <= whole.count; nth++) {
        for (const always of [false, true]) run(script, new BrokenStores(on, where, nth, always));
      }
    }
  });
});

it('really happens, each kind of it', () => {
  for (const [kind, count] of Object.entries(failed)) expect([kind, count > 0]).toEqual([kind, true]);
});
