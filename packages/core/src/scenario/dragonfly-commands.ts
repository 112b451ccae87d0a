/**
 * Running the commands that only DragonFly has: from the words of a script to the functions of its room, and back to lines.
 */
import * as room from '../dragonfly/commands.js';
import { KERN_SUCCESS, kernName } from '../dragonfly/kern.js';
import type { DragonflySystem } from '../dragonfly/system.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE, pageOf } from '../machine/units.js';
import type { CallResult } from '../vm/errno.js';
import { failed } from '../vm/errno.js';
import { PROT_NONE, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { EntryInfo, MapRequest, VmProcess } from '../vm/system.js';
import type {
  DragonflyCommand,
  ExtensionCommand,
  ExtensionContext,
  ExtensionFactory,
  ScenarioExtension,
} from './extensions.js';
import { mapRequest } from './map-request.js';
import { hex } from './print.js';

type Named<N extends DragonflyCommand['name']> = Extract<DragonflyCommand, { readonly name: N }>;
type OfProcess = Extract<DragonflyCommand, { readonly process: string }>;
type OfMachine = Exclude<DragonflyCommand, OfProcess>;

export const dragonflyExtension: ExtensionFactory = (system) => new DragonflyCommands(system as DragonflySystem);

class DragonflyCommands implements ScenarioExtension {
  constructor(private readonly system: DragonflySystem) {}

  run(command: ExtensionCommand, context: ExtensionContext): void {
    const own = command as DragonflyCommand;
    if ('process' in own) {
      const process = context.process(own.process);
      if (process !== null) this.ofProcess(own, process, context);
    } else {
      this.ofMachine(own, context);
    }
  }

  entryWords(entry: EntryInfo, process: VmProcess): readonly string[] {
    return room.extraWords(process, entry.start);
  }

  private ofProcess(command: OfProcess, process: VmProcess, context: ExtensionContext): void {
    switch (command.name) {
      case 'poke':
        this.poke(command, process, context);
        return;
      case 'peek':
        this.peek(command, process, context);
        return;
      case 'faultpage':
        this.faultPage(command, process, context);
        return;
      case 'objpage':
        this.objectPage(command, process, context);
        return;
      case 'kwire':
      case 'kunwire': {
        const length = command.pages * PAGE_SIZE;
        const code = room.kernelWire(this.system, process, command.address, length, command.name === 'kunwire');
        if (code !== KERN_SUCCESS) context.refuse(command.process, kernName(code));
        return;
      }
      default: {
        const result = this.memoryCall(command, process, context);
        if (failed(result)) context.refuse(command.process, result);
      }
    }
  }

  private memoryCall(
    command: Extract<OfProcess, { readonly pages: number }>,
    process: VmProcess,
    context: ExtensionContext,
  ): CallResult {
    const { system } = this;
    const { address } = command;
    const length = command.pages * PAGE_SIZE;
    switch (command.name) {
      case 'map vpagetable':
        return room.mapWith(system, process, mapRequest(command, context), { vpagetable: true });
      case 'map nosync':
        return room.mapWith(system, process, mapRequest(command, context), { nosync: true });
      case 'map stack':
      case 'map kstack':
        return room.mapWith(system, process, stackRequest(command), {
          stack: command.name === 'map stack' ? 'stack' : 'kstack',
        });
      case 'setmap':
        return room.setMap(system, process, address, length, halves(command.pde));
      case 'inval':
        return room.adviseWith(system, process, address, length, 'inval');
      case 'advise':
        return room.adviseWith(system, process, address, length, command.advice);
      case 'syncinval':
        return room.syncInvalidate(system, process, address, length);
      default:
        throw new Error(`${command.name} is no memory call`);
    }
  }

  private poke(command: Named<'poke'>, process: VmProcess, context: ExtensionContext): void {
    const frame = context.access(process, command.address, ACCESS_WRITE);
    if (frame >= 0) this.view(frame).setBigUint64(command.address % PAGE_SIZE, command.value, true);
  }

  private peek(command: Named<'peek'>, process: VmProcess, context: ExtensionContext): void {
    const frame = context.access(process, command.address, ACCESS_READ);
    if (frame < 0) return;
    const value = this.view(frame).getBigUint64(command.address % PAGE_SIZE, true);
    context.write(`peek ${command.process} ${hex(command.address)} = 0x${value.toString(16)}`);
  }

  private view(frame: number): DataView {
    const bytes = this.system.frameBytes(frame);
    if (bytes === null) throw new Error('a scenario needs a machine with contents');
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private faultPage(command: Named<'faultpage'>, process: VmProcess, context: ExtensionContext): void {
    const want = command.want === 'n' ? 'r' : command.want;
    const answer = room.askPage(this.system, process, pageOf(command.address), want);
    context.write(`faultpage ${command.process} ${command.want} ${answerWords(command.address, answer)}`);
  }

  private objectPage(command: Named<'objpage'>, process: VmProcess, context: ExtensionContext): void {
    const type = command.want === 'n' ? PROT_NONE : command.want === 'r' ? PROT_READ : PROT_READ | PROT_WRITE;
    const answer = room.askObjectPage(this.system, process, pageOf(command.address), type, command);
    const words = answer === null ? `${pageHex(command.address)} none` : answerWords(command.address, answer);
    context.write(`objpage ${command.process} ${command.want} ${words}`);
  }

  private ofMachine(command: OfMachine, context: ExtensionContext): void {
    const { vm } = this.system;
    switch (command.name) {
      case 'load':
        vm.loadEnabled = command.load !== 'off';
        if (command.load !== 'off') vm.load = command.load;
        return;
      case 'tick':
        vm.passTicks(command.ticks);
        return;
      case 'ticks':
        context.write(`ticks ${vm.ticks}`);
        return;
      case 'fastfault':
        vm.fastFault = command.on;
        return;
      case 'collapse':
        vm.collapseEnabled = command.on;
        return;
      case 'badswap':
        vm.badSwap = command.on;
        return;
      case 'reclaim':
        room.reclaim(this.system);
        return;
      case 'swapoff':
        context.write(`swapoff ${room.swapoff(this.system)}`);
        return;
      case 'truncate':
        room.truncate(this.system, context.file(command.file), command.bytes);
        return;
      case 'badblock':
        room.breakBlock(context.file(command.file), command.page);
    }
  }
}

function pageHex(address: number): string {
  return hex(pageOf(address) * PAGE_SIZE);
}

function answerWords(address: number, answer: { readonly code: number; readonly major: boolean }): string {
  const words = `${pageHex(address)} ${kernName(answer.code)}`;
  if (answer.code !== KERN_SUCCESS) return words;
  return `${words} ${answer.major ? 'major' : 'minor'}`;
}

function stackRequest(command: { readonly address: number; readonly pages: number }): MapRequest {
  return {
    address: command.address,
    length: command.pages * PAGE_SIZE,
    protection: PROT_READ | PROT_WRITE,
    sharing: 'private',
    fixed: true,
    backing: { kind: 'anon' },
  };
}

/** The two 32-bit halves of a 64-bit word. */
function halves(word: bigint): { high: number; low: number } {
  return { high: Number(word >> 32n) | 0, low: Number(word & 0xffffffffn) | 0 };
}
