/** What can fail in a machine, made to fail: allocations one by one, and stores call by call. */
import type { BackingStore, FaultRule, IoResult, SystemName, VmSystem } from '@faultline/core';
import { EIO, ENOSPC, FaultInjectingStore } from '@faultline/core';
import type { Trouble } from './runner.js';

/** What each kernel allocates that it can be refused. (netbsd's objects come with their files.) */
export const ALLOCATIONS: Readonly<Record<SystemName, readonly string[]>> = {
  csrg: ['frame', 'translation', 'map entry', 'object', 'pager', 'swap'],
  freebsd: ['frame', 'translation', 'map entry', 'object', 'swap'],
  dragonfly: ['frame', 'translation', 'map entry', 'object', 'swap'],
  netbsd: ['frame', 'translation', 'map entry', 'anon', 'amap', 'swap'],
};

interface Refusing {
  readonly vm: { allocationFails: ((kind: string) => boolean) | null };
}

/** Refuses allocations of a kind from the `nth` on, `times` times; counts all of them. */
export class Refusals implements Trouble {
  count = 0;

  constructor(
    private readonly kind: string,
    private readonly nth = Number.POSITIVE_INFINITY,
    private readonly times = 0,
  ) {}

  get struck(): boolean {
    return this.count >= this.nth;
  }

  private refuses(): boolean {
    this.count++;
    return this.count >= this.nth && this.count < this.nth + this.times;
  }

  begin(system: VmSystem): void {
    const { vm } = system as unknown as Refusing;
    vm.allocationFails = (kind) => kind === this.kind && this.refuses();
  }

  end(system: VmSystem): void {
    const { vm } = system as unknown as Refusing;
    vm.allocationFails = null;
  }
}

/** Breaks stores by a rule; `name` says which. */
export class BrokenStores implements Trouble {
  private readonly all: FaultInjectingStore[] = [];

  constructor(
    private readonly name: RegExp,
    private readonly rules: readonly FaultRule[] = [],
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

  get struck(): boolean {
    return this.all.some(({ counts }) => counts.struck > 0);
  }

  /** The most calls that one store has seen. */
  most(calls: 'reads' | 'writes'): number {
    return Math.max(...this.all.map(({ counts }) => counts[calls]));
  }
}

/** Stores that answer later; every `failing`th call answers EIO. */
export class LateStores implements Trouble {
  struck = false;
  calls = 0;
  private late = true;

  constructor(private readonly failing = Number.POSITIVE_INFINITY) {}

  wrap(_name: string, inner: BackingStore): BackingStore {
    const answer = async (call: () => IoResult | Promise<IoResult>): Promise<IoResult> => {
      const fails = ++this.calls % this.failing === 0;
      if (this.late) await new Promise((resolve) => setImmediate(resolve));
      if (!fails || !this.late) return call();
      this.struck = true;
      return -EIO;
    };
    return {
      synchronous: false,
      size: () => inner.size(),
      read: (offset, buffers) => answer(() => inner.read(offset, buffers)),
      write: (offset, buffers) => answer(() => inner.write(offset, buffers)),
      truncate: (bytes) => inner.truncate(bytes),
      sync: () => inner.sync(),
      close: () => inner.close(),
    };
  }

  end(): void {
    this.late = false;
  }
}

export const READS: readonly Omit<FaultRule, 'on'>[] = [
  { error: EIO },
  { error: EIO, times: Number.POSITIVE_INFINITY },
  { short: 1000 },
  { short: 0 },
  { short: 5000, error: EIO },
];

export const WRITES: readonly Omit<FaultRule, 'on'>[] = [
  ...READS,
  { error: ENOSPC },
  { error: ENOSPC, times: Number.POSITIVE_INFINITY },
  { short: 5000, error: ENOSPC, times: Number.POSITIVE_INFINITY },
];
