/** For this room's tests: faults that stop between two stages, and what they hear of branches. */
import { ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import type { Prot } from '../vm/prot.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { MapRequest, Sharing } from '../vm/system.js';
import { faultStart } from './fault.js';
import { beginFault, endFault, faultTask } from './fault-pool.js';
import type { Fault, FaultStage } from './fault-state.js';
import { FAULT_NORMAL } from './fault-state.js';
import type { NetbsdProcess } from './process.js';
import type { NetbsdSystem } from './system.js';

/** First page of what the tests map. */
export const BASE = 0x10;
/** A page that they map only to change the version of a map. */
const ELSEWHERE = 0x4000;

export function mapAt(
  system: NetbsdSystem,
  process: NetbsdProcess,
  pages: number,
  backing: MapRequest['backing'] = { kind: 'anon' },
  sharing: Sharing = 'private',
  protection: Prot = PROT_READ | PROT_WRITE,
): void {
  const address = BASE * PAGE_SIZE;
  system.map(process, { address, length: pages * PAGE_SIZE, protection, sharing, backing, fixed: true });
}

/** Raises the version of the map and changes nothing that a fault at BASE looks at. */
export function changeElsewhere(system: NetbsdSystem, process: NetbsdProcess): void {
  const address = ELSEWHERE * PAGE_SIZE;
  const anon = { kind: 'anon' } as const;
  const request = { address, length: PAGE_SIZE, protection: PROT_READ, backing: anon, fixed: true } as const;
  system.map(process, { ...request, sharing: 'private' });
}

/** Faults for writing and stores a byte in each of `pages` pages from BASE on. */
export function fill(system: NetbsdSystem, process: NetbsdProcess, pages: number, value: number): void {
  for (let vpn = BASE; vpn < BASE + pages; vpn++) {
    if (system.translate(process, vpn, ACCESS_WRITE) < 0) system.fault(process, vpn, ACCESS_WRITE);
    (system.frameBytes(system.translate(process, vpn, ACCESS_WRITE)) as Uint8Array)[0] = value;
  }
}

/** The first byte that a process sees on a page that is translated. */
export function byteAt(system: NetbsdSystem, process: NetbsdProcess, vpn: number): number | undefined {
  return system.frameBytes(system.translate(process, vpn, 0))?.[0];
}

/** Ids of branches from now on; whoever listened before still hears all. */
export function hear(system: NetbsdSystem): string[] {
  const { vm } = system;
  const before = vm.listener;
  const ids: string[] = [];
  vm.listener = {
    branch: (id, f) => {
      ids.push(id);
      before?.branch(id, f);
    },
    stage: (name, f) => before?.stage(name, f),
  };
  return ids;
}

/** A fault of a second thread of a process, run as far as one wants. */
export class SteppedFault {
  readonly fault: Fault;
  readonly branches: string[] = [];
  private stage: FaultStage | null = faultStart;

  constructor(
    readonly system: NetbsdSystem,
    process: NetbsdProcess,
    vpn: number,
    access: Prot,
  ) {
    const { vm } = system;
    const f = beginFault(vm, vm.kernel.createThread(`${process.name}'s second`), process.usage);
    f.originalMap = process.map;
    f.vaddr = vpn;
    f.askedType = access;
    f.flag = FAULT_NORMAL;
    f.mayGiveUp = true;
    f.listener = {
      branch: (id, record) => {
        this.branches.push(id);
        vm.listener?.branch(id, record);
      },
      stage: () => {},
    };
    this.fault = f;
  }

  /** Runs to the end, to a sleep, or until the stage of that name is next. */
  run(until = ''): this {
    const { thread } = this.fault;
    while (this.stage !== null && thread.running && this.stage.name !== until) this.stage = this.stage(this.fault);
    return this;
  }

  /** Runs to the end, past sleeps of memory and of time; answers the errno. */
  end(): number {
    const { kernel } = this.system.vm;
    while (this.stage !== null) {
      kernel.runDaemons();
      if (!this.fault.thread.running) throw new Error(`sleeps on ${this.fault.thread.wmesg}`);
      this.run();
    }
    const { result } = this.fault;
    endFault(this.fault);
    return result;
  }

  get asleep(): boolean {
    return !this.fault.thread.running;
  }
}

/** A fault that may wait for a store that answers later. */
export function faultLater(system: NetbsdSystem, process: NetbsdProcess, vpn: number, access: Prot): Promise<number> {
  const { thread, map, usage } = process;
  return system.vm.kernel.callAsync(thread, faultTask(system.vm, thread, map, vpn, access, FAULT_NORMAL, usage));
}
