/** What the tests of the csrg room share: scripts run on a machine, the shortest way to a mapping, and faults stopped in the middle. */

import { faultStart } from '../packages/core/src/csrg/fault.js';
import { beginFault } from '../packages/core/src/csrg/fault-pool.js';
import type { Fault } from '../packages/core/src/csrg/fault-state.js';
import type { CsrgProcess } from '../packages/core/src/csrg/process.js';
import type { CsrgOptions } from '../packages/core/src/csrg/system.js';
import { bootCsrg, type CsrgSystem } from '../packages/core/src/csrg/system.js';
import type { Stage } from '../packages/core/src/kernel/stages.js';
import type { Thread } from '../packages/core/src/kernel/thread.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../packages/core/src/machine/units.js';
import { parseScenario } from '../packages/core/src/scenario/parse.js';
import { runScenario } from '../packages/core/src/scenario/run.js';
import { PROT_READ, PROT_WRITE } from '../packages/core/src/vm/prot.js';
import type { MapBacking, Sharing } from '../packages/core/src/vm/system.js';

/** The lines that a script prints. */
export function script(text: string, options: CsrgOptions = {}): string[] {
  const parsed = parseScenario(text, 'csrg');
  if (!parsed.ok) throw new Error(parsed.errors.map((error) => `${error.line}: ${error.message}`).join('\n'));
  const lines: string[] = [];
  let system: CsrgSystem | null = null;
  const check = (): void => system?.check();
  const end = runScenario(parsed.script, {
    boot: (machine) => {
      system = bootCsrg({ ...machine, ...options });
      return system;
    },
    write: (line) => lines.push(line),
    onCommand: check,
  });
  if (end === 'end') check();
  return lines;
}

export const ANON: MapBacking = { kind: 'anon' };

/** Maps `pages` pages at page `vpn`. */
export function map(
  system: CsrgSystem,
  process: CsrgProcess,
  vpn: number,
  pages: number,
  backing: MapBacking = ANON,
  sharing: Sharing = 'private',
  protection = 3,
): void {
  const request = { address: vpn * PAGE_SIZE, length: pages * PAGE_SIZE, protection, sharing, backing, fixed: true };
  const result = system.map(process, request);
  if (typeof result === 'string') throw new Error(`mmap: ${result}`);
}

/** A store by a program, as many faults as it takes. */
export function store(system: CsrgSystem, process: CsrgProcess, vpn: number, value: number): void {
  const frame = touch(system, process, vpn, ACCESS_WRITE);
  (system.frameBytes(frame) as Uint8Array)[0] = value;
}

/** A load by a program. */
export function load(system: CsrgSystem, process: CsrgProcess, vpn: number): number {
  return (system.frameBytes(touch(system, process, vpn, ACCESS_READ)) as Uint8Array)[0] as number;
}

function touch(system: CsrgSystem, process: CsrgProcess, vpn: number, access: 0 | 1): number {
  for (let faults = 0; faults < 8; faults++) {
    const frame = system.translate(process, vpn, access);
    if (frame >= 0) return frame;
    const code = system.fault(process, vpn, access);
    if (code !== system.faultSuccess) throw new Error(`fault: ${system.faultCodeName(code)}`);
  }
  throw new Error('the access faults for ever');
}

/** A fault of a thread of its own, run stage by stage. */
export class SteppedFault {
  readonly fault: Fault;
  readonly thread: Thread;
  stage: Stage<Fault> | null = faultStart;
  readonly branches: string[] = [];

  constructor(system: CsrgSystem, process: CsrgProcess, vpn: number, write: boolean, changeWiring = false) {
    const { vm } = system;
    this.thread = vm.kernel.createThread('another thread');
    this.fault = beginFault(vm);
    this.fault.thread = this.thread;
    this.fault.map = process.map;
    this.fault.vaddr = vpn;
    this.fault.faultType = write ? PROT_READ | PROT_WRITE : PROT_READ;
    this.fault.changeWiring = changeWiring;
    const outer = this.fault.listener;
    this.fault.listener = {
      branch: (id, f) => {
        this.branches.push(id);
        outer?.branch(id, f);
      },
      stage: () => {},
    };
  }

  get done(): boolean {
    return this.stage === null;
  }

  /** Runs one stage, or until the stage of that name comes next; stops at sleep. */
  run(until?: string): this {
    while (this.stage !== null && this.thread.running && this.stage.name !== until) this.stage = this.stage(this.fault);
    return this;
  }
}
