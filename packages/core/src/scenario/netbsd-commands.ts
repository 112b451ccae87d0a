/** How netbsd carries out the words of `extensions-netbsd.ts`. */

import { AnonObject } from '../netbsd/aobj.js';
import {
  loanToKernel,
  loanToProcess,
  makeSubmap,
  mapShared,
  orderFileErrors,
  orderSwapErrors,
  reserve,
  unloanKernel,
} from '../netbsd/own-commands.js';
import type { NetbsdProcess } from '../netbsd/process.js';
import type { NetbsdSystem } from '../netbsd/system.js';
import type { CallResult } from '../vm/errno.js';
import { failed } from '../vm/errno.js';
import type { VmProcess, VmSystem } from '../vm/system.js';
import type {
  ExtensionCommand,
  ExtensionContext,
  ExtensionFactory,
  NetbsdCommand,
  ScenarioExtension,
} from './extensions.js';

type Loan = Extract<NetbsdCommand, { name: 'loan' }>;

class NetbsdCommands implements ScenarioExtension {
  private readonly system: NetbsdSystem;
  private readonly segments = new Map<string, AnonObject>();
  /** Loans to the kernel that stand, by the words that made them, newest last. */
  private readonly loans = new Map<string, number[][]>();

  constructor(system: NetbsdSystem) {
    this.system = system;
  }

  run(command: ExtensionCommand, context: ExtensionContext): void {
    const { vm } = this.system;
    switch (command.name) {
      case 'loan':
        this.loan(command, context);
        break;
      case 'unloan':
        this.unloan(command, context);
        break;
      case 'swaperror':
        orderSwapErrors(vm, command.count, command.again);
        break;
      case 'ioerror':
        orderFileErrors(context.file(command.file), command.page, command.count, command.again);
        break;
      case 'pmapfail':
        vm.pmap.failures = command.count;
        break;
      case 'shm':
        this.segments.set(command.segment, new AnonObject(vm, command.segment, command.pages));
        break;
      case 'map shm':
        this.call(command.process, context, (p) =>
          this.system.call(
            p,
            mapShared(
              vm,
              p,
              command.address,
              command.pages,
              this.segments.get(command.segment) as AnonObject,
              command.offset,
              command.sharing,
              command.protection,
            ),
          ),
        );
        break;
      case 'reserve':
        this.call(command.process, context, (p) => this.system.call(p, reserve(vm, p, command.address, command.pages)));
        break;
      case 'submap':
        this.call(command.process, context, (p) => {
          const inner = context.process(command.inner);
          if (inner === null) return 0;
          return this.system.call(p, makeSubmap(vm, p, command.address, command.pages, inner as NetbsdProcess));
        });
        break;
      case 'kernelmap':
        this.call(command.process, context, (p) => {
          vm.kernelMap = p.map;
          return 0;
        });
        break;
      default:
        throw new Error(`${command.name} is not a command of netbsd`);
    }
  }

  /** Runs a call of a living process; prints its refusal. */
  private call(name: string, context: ExtensionContext, call: (process: NetbsdProcess) => CallResult): void {
    const process: VmProcess | null = context.process(name);
    if (process === null) return;
    const result = call(process as NetbsdProcess);
    if (failed(result)) context.refuse(name, result);
  }

  private loan(command: Loan, context: ExtensionContext): void {
    const { vm } = this.system;
    const { to } = command;
    this.call(command.process, context, (p) => {
      if (to === 'kernel') {
        const lent = this.system.call(p, loanToKernel(vm, p, command.address, command.pages));
        if (typeof lent === 'string') return lent;
        this.standing(command).push(lent);
        return 0;
      }
      const q = context.process(to.process);
      if (q === null) return 0;
      const borrower = q as NetbsdProcess;
      return this.system.call(p, loanToProcess(vm, p, command.address, command.pages, borrower, to.address));
    });
  }

  private standing(words: { process: string; address: number; pages: number }): number[][] {
    const key = `${words.process} ${words.address} ${words.pages}`;
    let loans = this.loans.get(key);
    if (loans === undefined) {
      loans = [];
      this.loans.set(key, loans);
    }
    return loans;
  }

  private unloan(command: Extract<NetbsdCommand, { name: 'unloan' | 'reserve' }>, context: ExtensionContext): void {
    const pages = this.standing(command).pop();
    if (pages === undefined) context.refuse(command.process, 'EINVAL');
    else unloanKernel(this.system.vm, pages);
  }
}

/** The commands of netbsd, for a run of a scenario. */
export const netbsdCommands: ExtensionFactory = (system: VmSystem) => new NetbsdCommands(system as NetbsdSystem);
