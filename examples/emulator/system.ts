/**
 * The system that the programs ask: processes of the example CPU over processes of faultline, one after the other on one CPU.
 */
import {
  createMachine,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  type Machine,
  MemorySignal,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  type Process,
  type SystemName,
} from '@faultline/core';
import type { Program } from './assembler.js';
import { Cpu, OUT_OF_TIME } from './cpu.js';
import { ProcessMemory } from './memory.js';
import { TRAPS } from './programs.js';

/** Where programs are loaded, and where their mappings begin: both within 32 bits. */
export const TEXT = 0x10000;
const MAPPINGS = 0x20000000;
const SLICE = 10_000;

interface Running {
  readonly process: Process;
  readonly cpu: Cpu;
  readonly memory: ProcessMemory;
  /** How it ended, or null. */
  status: string | null;
}

export class GuestSystem {
  readonly machine: Machine;
  /** What the programs have printed. */
  output = '';
  private readonly running: Running[] = [];

  constructor(system: SystemName, memory = 2 ** 22) {
    this.machine = createMachine({ system, memory, swap: 4 * memory });
  }

  /** Loads a program into a new process. */
  load(name: string, program: Program): Cpu {
    const process = this.machine.spawn(name);
    const bytes = new Uint8Array(program.words.buffer);
    process.mmap(TEXT, bytes.length, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE | MAP_FIXED);
    process.copyout(bytes, TEXT);
    process.mprotect(TEXT, bytes.length, PROT_READ | PROT_EXEC);
    return this.start(process).cpu;
  }

  private start(process: Process): Running {
    const memory = new ProcessMemory(process, this.machine.bytes);
    const cpu = new Cpu(memory);
    cpu.pc = TEXT;
    const running: Running = { process, cpu, memory, status: null };
    this.running.push(running);
    return running;
  }

  /** Runs everything to its end, the youngest process first. Answers how each process ended, the oldest first. */
  run(): string[] {
    for (;;) {
      const next = this.running.findLast(({ status }) => status === null);
      if (next === undefined) return this.running.map(({ status }) => status as string);
      this.slice(next);
    }
  }

  private slice(running: Running): void {
    try {
      running.memory.refresh();
      const trap = running.cpu.run(SLICE);
      if (trap !== OUT_OF_TIME) this.trap(running, trap);
    } catch (error) {
      if (!(error instanceof MemorySignal)) throw error;
      running.status = `${error.signal} at 0x${error.address.toString(16)}`;
      running.process.exit();
    }
  }

  private trap(running: Running, trap: number): void {
    const { registers } = running.cpu;
    const [, first = 0, second = 0] = registers;
    switch (trap) {
      case TRAPS.exit:
        running.status = `exit ${first}`;
        running.process.exit();
        return;
      case TRAPS.print:
        this.print(running.process, first >>> 0, second);
        return;
      case TRAPS.putNumber:
        this.output += `${first}\n`;
        return;
      case TRAPS.mmap:
        registers[1] = answer(running.process.mmap(MAPPINGS, first, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE));
        return;
      case TRAPS.munmap:
        registers[1] = answer(running.process.munmap(first >>> 0, second));
        return;
      case TRAPS.fork:
        this.fork(running);
        return;
      case TRAPS.wait:
        return;
      default:
        throw new Error(`there is no trap ${trap}`);
    }
  }

  private print(process: Process, address: number, length: number): void {
    const bytes = new Uint8Array(length);
    process.copyin(address, bytes);
    this.output += new TextDecoder().decode(bytes);
  }

  private fork(parent: Running): void {
    const child = parent.process.fork();
    if (typeof child === 'string') {
      parent.cpu.registers[1] = -1;
      return;
    }
    const running = this.start(child);
    running.cpu.registers.set(parent.cpu.registers);
    running.cpu.pc = parent.cpu.pc;
    running.cpu.registers[1] = 0;
    parent.cpu.registers[1] = child.id;
  }
}

function answer(result: number | string): number {
  return typeof result === 'number' ? result : -1;
}
