/**
 * Stores that answer later: every read and write of every file and of swap is a promise that settles some turns of the event loop
 * afterwards.
 *
 * An access awaits its fault. A call that meets I/O says so (a WouldBlockError), is finished in the background, and is made again once the
 * machine is idle. The bytes, the invariants, the files and what is left at the end must be as with stores that answer at once.
 */
import type {
  Access,
  BackingStore,
  DragonflySystem,
  FreebsdSystem,
  IoResult,
  NetbsdSystem,
  SystemName,
  VmProcess,
} from '@faultline/core';
import { EIO, FAULTS_PER_ACCESS_MAX, PAGE_SIZE, WouldBlockError } from '@faultline/core';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessOperation, TroubleMaker } from './differential.js';
import { ACCESSES, Differential, pagesOfAccess } from './differential.js';
import { failurePrograms } from './failure-programs.js';
import type { Operation, Program } from './program.js';
import { programs } from './program.js';
import type { Transfer } from './rules.js';
import { RULES } from './rules.js';

/** The systems that have an asynchronous fault. */
type LateSystem = FreebsdSystem | NetbsdSystem | DragonflySystem;
/** Where every write fails, DragonFly's page daemon tries each page forty times before a fault gives up: once in two is slow enough. */
const FAILING: Readonly<Partial<Record<SystemName, readonly number[]>>> = { dragonfly: [2, 3, 5] };
const LATE: readonly SystemName[] = ['freebsd', 'netbsd', 'dragonfly'];

/** Answers later, until it is told to answer at once; every `failing`th call answers EIO. */
class LateStore implements BackingStore {
  readonly synchronous = false;
  calls = 0;
  inFlight = 0;
  late = true;

  constructor(
    private readonly inner: BackingStore,
    private failing: number,
  ) {}

  heal(): void {
    this.late = false;
    this.failing = Number.POSITIVE_INFINITY;
  }

  size(): number {
    return this.inner.size();
  }
  read(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    return this.answer(() => this.inner.read(offset, buffers));
  }
  write(offset: number, buffers: readonly Uint8Array[]): IoResult | Promise<IoResult> {
    return this.answer(() => this.inner.write(offset, buffers));
  }
  truncate(bytes: number): IoResult | Promise<IoResult> {
    return this.answer(() => this.inner.truncate(bytes));
  }
  sync(): IoResult | Promise<IoResult> {
    return this.answer(() => this.inner.sync());
  }
  close(): void {
    this.inner.close();
  }

  private answer(call: () => IoResult | Promise<IoResult>): IoResult | Promise<IoResult> {
    const fails = ++this.calls % this.failing === 0;
    const result = (): IoResult | Promise<IoResult> => (fails ? -EIO : call());
    if (!this.late) return result();
    this.inFlight++;
    return nextTurn().then(() => {
      this.inFlight--;
      return result();
    });
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class LateTrouble implements TroubleMaker {
  readonly stores: LateStore[] = [];
  readonly breaks: readonly Transfer[];

  constructor(private readonly failing = Number.POSITIVE_INFINITY) {
    const sound = failing === Number.POSITIVE_INFINITY;
    this.breaks = sound ? [] : ['file read', 'file write', 'swap read', 'swap write'];
  }

  wrap(_name: string, store: BackingStore): BackingStore {
    const late = new LateStore(store, this.failing);
    this.stores.push(late);
    return late;
  }

  end(): void {
    for (const store of this.stores) store.heal();
  }

  /** Waits until all I/O has been answered, and lets the page daemon go on after each; in the end nobody works any more. */
  async settle(system: LateSystem): Promise<void> {
    do {
      await nextTurn();
      await system.vm.kernel.whenIdle();
      system.vm.kernel.runDaemons();
    } while (this.stores.some(({ inFlight }) => inFlight > 0));
  }

  get calls(): number {
    return this.stores.reduce((sum, { calls }) => sum + calls, 0);
  }
}

/** The comparison of differential.ts, awaiting where the machine has to. */
class LateRun extends Differential {
  private get trouble(): LateTrouble {
    return this.options.trouble as LateTrouble;
  }

  private get late(): LateSystem {
    return this.system as LateSystem;
  }

  async runLate(): Promise<void> {
    for (const [i, operation] of this.program.operations.entries()) {
      try {
        if (operation.op === 'access') await this.accessesLate(operation);
        else await this.again(operation);
      } catch (error) {
        throw this.at(`operation ${i}`, error);
      }
    }
    await this.trouble.settle(this.late);
    try {
      this.finish();
    } catch (error) {
      throw this.at('the end', error);
    }
  }

  /** Makes a call until it need not wait any more; one that always has something to write has then done so often enough. */
  private async again(operation: Operation): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      try {
        this.step(operation);
        return;
      } catch (error) {
        if (!(error instanceof WouldBlockError)) throw error;
        await this.trouble.settle(this.late);
      }
    }
    if (operation.op !== 'pageout' && operation.op !== 'sync') throw new Error('the call would block for ever');
  }

  private async accessesLate(operation: AccessOperation): Promise<void> {
    const twin = this.twins[operation.who % Math.max(1, this.twins.length)];
    if (twin === undefined) return;
    const access = ACCESSES[operation.access] as Access;
    for (const { vpn, value } of pagesOfAccess(operation)) {
      const got = await this.touchLate(twin.real, vpn, access);
      this.judge(twin, vpn, access, got, operation.address % PAGE_SIZE, value);
    }
  }

  private async touchLate(process: VmProcess, vpn: number, access: Access) {
    const system = this.late;
    for (let faults = 0; faults <= FAULTS_PER_ACCESS_MAX; faults++) {
      const frame = system.translate(process, vpn, access);
      if (frame >= 0) return frame;
      const code = await system.faultAsync(process, vpn, access);
      const outcome = this.rules.codes[system.faultCodeName(code)];
      if (outcome === undefined) throw new Error(`the fault answered ${system.faultCodeName(code)}`);
      if (outcome !== 'ok') return outcome;
    }
    throw new Error(`page ${vpn} faults for ever`);
  }
}

/**
 * A fork that has to wait for memory would leave its child behind; only the copy of a wired range makes it, so nothing is wired here.
 */
function withoutWiring(program: Program): Program {
  const plain = ({ op }: Operation): boolean => op !== 'wire';
  return { ...program, operations: program.operations.filter(plain) };
}

async function runLate(system: SystemName, program: Program, trouble: LateTrouble): Promise<void> {
  const options = { system, defects: 'mended', checkEvery: 1, trouble } as const;
  await new LateRun(options, withoutWiring(program)).runLate();
}

describe.each(LATE)('late stores: %s', (system) => {
  const memoryPages = RULES[system]?.smallMachine as number;

  it.each(failurePrograms(memoryPages))('$name', async ({ program }) => {
    await runLate(system, program, new LateTrouble());
    for (const failing of FAILING[system] ?? [1, 2, 3, 5]) await runLate(system, program, new LateTrouble(failing));
  });

  it('random programs under memory pressure', async () => {
    let calls = 0;
    for (const program of fc.sample(programs(120, 4096), { seed: 1913, numRuns: 60 })) {
      const trouble = new LateTrouble();
      await runLate(system, { ...program, memoryPages }, trouble);
      await runLate(system, { ...program, memoryPages }, new LateTrouble(4));
      calls += trouble.calls;
    }
    expect(calls).toBeGreaterThan(500);
  });
});
