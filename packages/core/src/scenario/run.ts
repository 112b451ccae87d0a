/**
 * Running a scenario: one machine, one system, the commands in their order, lines of text out.
 *
 * The runner plays the part of everything outside the kernel: the programs that load and store, the shell that forks
 * them, the person who looks at the queues. An access asks the translations first. When they refuse, the kernel's
 * fault handler is called, its code is printed, and the access is tried again, at most eight times; a program on
 * real hardware would go round for ever.
 *
 * A panic or a hang is a result like any other: its line is printed and the script ends. Anything else that is
 * thrown is a mistake of ours, and passes through to the caller.
 */
import { KernelHang, KernelPanic } from '../kernel/errors.js';
import { ACCESS_READ, ACCESS_WRITE, type Access, PAGE_SIZE, pageOf } from '../machine/units.js';
import { type CallResult, failed } from '../vm/errno.js';
import type { SystemOptions, VmDevice, VmFile, VmProcess, VmSystem } from '../vm/system.js';
import type { AccessAction, Action, CallAction, Command, Range, Script } from './actions.js';
import { machineDump, processDump } from './dump.js';
import type { ExtensionAction, ExtensionContext, ExtensionFactory, ScenarioExtension } from './extensions.js';
import { mapRequest } from './map-request.js';
import { PatternStore, patternPage } from './pattern.js';
import { hex } from './print.js';

/** Faults taken for one access before it is given up as `LOOP`. */
export const FAULTS_PER_ACCESS_MAX = 8;

/** Somebody who watches every fault that an access takes, to explain it. */
export interface FaultObserver {
  beforeFault(process: VmProcess, vpn: number, access: Access): void;
  /** Lines to print below the fault's own. */
  afterFault(code: number): readonly string[];
  /** The handler did not come back (a panic or a hang): lines to print before that line. */
  abandonedFault?(): readonly string[];
}

export interface RunOptions {
  /** Boots the system that the script was read for. */
  readonly boot: (options: SystemOptions) => VmSystem;
  /** Takes each output line, without its line feed. */
  readonly write: (line: string) => void;
  /** The system's own commands; needed only by scripts that use them. */
  readonly extension?: ExtensionFactory | undefined;
  readonly observe?: ((system: VmSystem) => FaultObserver) | undefined;
  /** Called before each command, so that output can be laid beside what asked for it. */
  readonly onCommand?: ((command: Command) => void) | undefined;
}

/** How a run ended. All of them are proper ends. */
export type RunEnd = 'end' | 'panic' | 'hang';

/** Boots a machine and runs the script on it. */
export function runScenario(script: Script, options: RunOptions): RunEnd {
  const system = options.boot({
    devicePages: script.devicePages,
    ...(script.memoryPages === undefined ? {} : { memoryPages: script.memoryPages }),
    ...(script.swapPages === undefined ? {} : { swapPages: script.swapPages }),
  });
  const run = new ScenarioRun(system, options);
  try {
    for (const command of script.commands) {
      options.onCommand?.(command);
      run.command(command.action);
    }
    return 'end';
  } catch (error) {
    return run.ended(error);
  } finally {
    system.onKill = null;
  }
}

/** A run of one script; its commands can be carried out one by one. */
export class ScenarioRun {
  private readonly system: VmSystem;
  private readonly write: (line: string) => void;
  private readonly observer: FaultObserver | null;
  private readonly extension: ScenarioExtension | null;
  private readonly processes = new Map<string, VmProcess>();
  private readonly files = new Map<string, VmFile>();
  private readonly devices = new Map<string, VmDevice>();
  private inFault = false;

  constructor(system: VmSystem, options: RunOptions) {
    this.system = system;
    this.write = options.write;
    this.observer = options.observe?.(system) ?? null;
    this.extension = options.extension?.(system) ?? null;
    system.onKill = (process) => this.write(`killed ${process.name}`);
  }

  /** Prints how the kernel ended, or throws on what is not the kernel's doing. */
  ended(error: unknown): RunEnd {
    if (!(error instanceof KernelPanic || error instanceof KernelHang)) throw error;
    if (this.inFault) this.writeAll(this.observer?.abandonedFault?.() ?? []);
    if (error instanceof KernelPanic) {
      this.write(`panic ${error.message}`);
      return 'panic';
    }
    this.write(`hang ${error.wmesg}`);
    return 'hang';
  }

  command(action: Action): void {
    switch (action.kind) {
      case 'memory':
      case 'swap':
        break; // the machine was built with them
      case 'file':
        this.files.set(action.name, this.system.createFile(action.name, new PatternStore(action.bytes)));
        break;
      case 'device':
        this.devices.set(action.name, this.createDevice(action.name, action.pages));
        break;
      case 'proc':
        this.processes.set(action.process, this.system.spawn(action.process));
        break;
      case 'fork':
        this.fork(action.process, action.child);
        break;
      case 'exit':
        this.exit(action.process);
        break;
      case 'pageout':
        this.system.pageout(action.pages);
        break;
      case 'read':
      case 'write':
        this.accesses(action);
        break;
      case 'byte':
        this.byte(action.process, action.address);
        break;
      case 'extension':
        this.own(action);
        break;
      case 'pmap':
      case 'entries':
      case 'usage':
      case 'backing':
        this.writeAll(processDump(this.system, this.processes.get(action.process), action, this.extension));
        break;
      case 'queues':
      case 'counters':
      case 'print':
        this.writeAll(machineDump(this.system, action));
        break;
      default:
        this.call(action);
    }
  }

  private writeAll(lines: readonly string[]): void {
    for (const line of lines) this.write(line);
  }

  private createDevice(name: string, pages: number): VmDevice {
    return this.system.createDevice(name, pages, (page, bytes) => bytes.set(patternPage(page)));
  }

  // ---- processes

  /**
   * The process of that name, or null with an error line when it is not there: its fork was refused, or the kernel
   * killed it. The script could not know either when it was written.
   */
  private living(name: string, word: string): VmProcess | null {
    const process = this.processes.get(name);
    if (process?.alive) return process;
    this.write(`error ${name} ${word} ESRCH`);
    return null;
  }

  private fork(name: string, childName: string): void {
    const parent = this.living(name, 'fork');
    if (parent === null) return;
    const child = this.system.fork(parent, childName);
    if (typeof child === 'string') {
      this.processes.delete(childName);
      this.write(`error ${name} fork ${child}`);
    } else {
      this.processes.set(childName, child);
    }
  }

  private exit(name: string): void {
    const process = this.living(name, 'exit');
    if (process !== null) this.system.exit(process);
  }

  // ---- memory calls

  private call(action: CallAction): void {
    const process = this.living(action.process, action.kind);
    if (process === null) return;
    const result = this.memoryCall(process, action);
    if (failed(result)) this.write(`error ${action.process} ${action.kind} ${result}`);
  }

  private memoryCall(process: VmProcess, action: CallAction): CallResult {
    const system = this.system;
    const length = action.pages * PAGE_SIZE;
    switch (action.kind) {
      case 'map':
        return system.map(process, mapRequest(action, this.context(action.kind)));
      case 'unmap':
        return system.unmap(process, action.address, length);
      case 'protect':
        return system.protect(process, action.address, length, action.protection);
      case 'advise':
        return system.advise(process, action.address, length, action.advice);
      case 'inherit':
        return system.inherit(process, action.address, length, action.how);
      case 'wire':
        return system.wire(process, action.address, length);
      case 'unwire':
        return system.unwire(process, action.address, length);
      case 'sync':
        return system.sync(process, action.address, length);
    }
  }

  private file(name: string): VmFile {
    return this.files.get(name) as VmFile;
  }

  private device(name: string): VmDevice {
    return this.devices.get(name) as VmDevice;
  }

  // ---- accesses

  private accesses(action: Extract<AccessAction, Range>): void {
    const process = this.living(action.process, action.kind);
    if (process === null) return;
    for (let i = 0; i < action.pages && process.alive; i++) {
      const address = action.address + i * PAGE_SIZE;
      if (action.kind === 'read') {
        this.touch(process, address, ACCESS_READ);
      } else {
        const frame = this.touch(process, address, ACCESS_WRITE);
        if (frame >= 0) this.bytes(frame)[address % PAGE_SIZE] = action.value;
      }
    }
  }

  private byte(name: string, address: number): void {
    const process = this.living(name, 'byte');
    if (process === null) return;
    const frame = this.touch(process, address, ACCESS_READ);
    if (frame < 0) return;
    const value = this.bytes(frame)[address % PAGE_SIZE] as number;
    this.write(`byte ${name} ${hex(address)} = 0x${value.toString(16).padStart(2, '0')}`);
  }

  private bytes(frame: number): Uint8Array {
    const bytes = this.system.frameBytes(frame);
    if (bytes === null) throw new Error('a scenario needs a machine with contents');
    return bytes;
  }

  /** One access: the frame that it reached, or -1 when it was dropped. */
  private touch(process: VmProcess, address: number, access: Access): number {
    const system = this.system;
    const vpn = pageOf(address);
    for (let faults = 0; ; faults++) {
      const frame = system.translate(process, vpn, access);
      if (frame >= 0) return frame;
      if (faults === FAULTS_PER_ACCESS_MAX) {
        this.write(`${this.faultWords(process, vpn, access)} LOOP`);
        return -1;
      }
      if (!this.fault(process, vpn, access)) return -1;
    }
  }

  private faultWords(process: VmProcess, vpn: number, access: Access): string {
    return `fault ${process.name} ${access === ACCESS_WRITE ? 'w' : 'r'} ${hex(vpn * PAGE_SIZE)}`;
  }

  /** One fault and its line; false when the handler refused. */
  private fault(process: VmProcess, vpn: number, access: Access): boolean {
    const system = this.system;
    this.observer?.beforeFault(process, vpn, access);
    this.inFault = true;
    const code = system.fault(process, vpn, access);
    this.inFault = false;
    const line = `${this.faultWords(process, vpn, access)} ${system.faultCodeName(code)}`;
    const success = code === system.faultSuccess;
    this.write(success ? `${line} ${system.lastFaultMajor ? 'major' : 'minor'}` : line);
    if (this.observer !== null) this.writeAll(this.observer.afterFault(code));
    return success;
  }

  // ---- the system's own commands

  private own(action: ExtensionAction): void {
    if (this.extension === null) throw new Error(`${this.system.name} has no way to run ${action.word}`);
    this.extension.run(action.command, this.context(action.word));
  }

  private context(word: string): ExtensionContext {
    return {
      system: this.system,
      write: (line) => this.write(line),
      refuse: (process, errno) => this.write(`error ${process} ${word} ${errno}`),
      process: (name) => this.living(name, word),
      file: (name) => this.file(name),
      device: (name) => this.device(name),
      access: (process, address, access) => this.touch(process, address, access),
    };
  }
}
