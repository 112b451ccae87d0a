/**
 * The CPU: fetch, decode, execute.
 *
 * `run` goes on until the program traps. An access that the memory refuses is an exception of the memory's; the program counter then
 * still stands at the instruction, and no register has changed, so that it can be tried again.
 */
import { OPS } from './isa.js';
import type { GuestMemory } from './memory.js';

/** What `run` answers when it has executed as many instructions as it was to. */
export const OUT_OF_TIME = -1;

export class IllegalInstruction extends Error {}

export class Cpu {
  readonly registers = new Int32Array(16);
  /** Address of the next instruction. */
  pc = 0;
  /** Instructions executed. */
  executed = 0;

  constructor(readonly memory: GuestMemory) {}

  /** Executes at most `most` instructions. Answers the number of a trap, or OUT_OF_TIME. */
  run(most: number): number {
    const { memory, registers } = this;
    for (let i = 0; i < most; i++) {
      const word = memory.fetch(this.pc);
      const op = word >>> 24;
      const rd = (word >>> 20) & 15;
      if (op === OPS.trap) {
        this.pc += 4;
        this.executed += i + 1;
        return word & 0xffff;
      }
      if (op < OPS.addi) this.register(op, rd, word);
      else if (op < OPS.lb) this.immediate(op, rd, word);
      else if (op < OPS.beq) this.access(op, rd, word);
      else this.jump(op, rd, word);
      registers[0] = 0;
    }
    this.executed += most;
    return OUT_OF_TIME;
  }

  private register(op: number, rd: number, word: number): void {
    const { registers } = this;
    const a = registers[(word >>> 16) & 15] as number;
    const b = registers[(word >>> 12) & 15] as number;
    registers[rd] = arithmetic(op, a, b);
    this.pc += 4;
  }

  private immediate(op: number, rd: number, word: number): void {
    const { registers } = this;
    const a = registers[(word >>> 16) & 15] as number;
    const signed = (word << 16) >> 16;
    switch (op) {
      case OPS.addi:
        registers[rd] = a + signed;
        break;
      case OPS.andi:
        registers[rd] = a & (word & 0xffff);
        break;
      case OPS.ori:
        registers[rd] = a | (word & 0xffff);
        break;
      case OPS.xori:
        registers[rd] = a ^ (word & 0xffff);
        break;
      case OPS.shli:
        registers[rd] = a << signed;
        break;
      case OPS.shri:
        registers[rd] = a >>> signed;
        break;
      case OPS.slti:
        registers[rd] = a < signed ? 1 : 0;
        break;
      case OPS.lui:
        registers[rd] = word << 16;
        break;
      default:
        throw new IllegalInstruction(`0x${(word >>> 0).toString(16)} at 0x${this.pc.toString(16)}`);
    }
    this.pc += 4;
  }

  private access(op: number, rd: number, word: number): void {
    const { registers, memory } = this;
    const address = ((registers[(word >>> 16) & 15] as number) + ((word << 16) >> 16)) >>> 0;
    switch (op) {
      case OPS.lw:
        registers[rd] = memory.load32(address);
        break;
      case OPS.sw:
        memory.store32(address, registers[rd] as number);
        break;
      case OPS.lb:
        registers[rd] = (memory.load8(address) << 24) >> 24;
        break;
      case OPS.lbu:
        registers[rd] = memory.load8(address);
        break;
      case OPS.sb:
        memory.store8(address, (registers[rd] as number) & 0xff);
        break;
      default:
        throw new IllegalInstruction(`0x${(word >>> 0).toString(16)} at 0x${this.pc.toString(16)}`);
    }
    this.pc += 4;
  }

  private jump(op: number, rd: number, word: number): void {
    const { registers } = this;
    const next = this.pc + 4;
    if (op === OPS.jal) {
      this.pc = next + ((word << 12) >> 12) * 4;
      registers[rd] = next;
      return;
    }
    const rs = registers[(word >>> 16) & 15] as number;
    const signed = (word << 16) >> 16;
    if (op === OPS.jalr) {
      this.pc = (rs + signed) >>> 0;
      registers[rd] = next;
      return;
    }
    if (op < OPS.beq || op > OPS.bgeu) {
      throw new IllegalInstruction(`0x${(word >>> 0).toString(16)} at 0x${this.pc.toString(16)}`);
    }
    this.pc = branches(op, registers[rd] as number, rs) ? next + signed * 4 : next;
  }
}

function arithmetic(op: number, a: number, b: number): number {
  switch (op) {
    case OPS.add:
      return a + b;
    case OPS.sub:
      return a - b;
    case OPS.mul:
      return Math.imul(a, b);
    case OPS.divu:
      return b === 0 ? -1 : (a >>> 0) / (b >>> 0);
    case OPS.remu:
      return b === 0 ? a : (a >>> 0) % (b >>> 0);
    case OPS.and:
      return a & b;
    case OPS.or:
      return a | b;
    case OPS.xor:
      return a ^ b;
    case OPS.shl:
      return a << b;
    case OPS.shr:
      return a >>> b;
    case OPS.sar:
      return a >> b;
    case OPS.slt:
      return a < b ? 1 : 0;
    case OPS.sltu:
      return a >>> 0 < b >>> 0 ? 1 : 0;
    default:
      throw new IllegalInstruction(`operation ${op}`);
  }
}

function branches(op: number, a: number, b: number): boolean {
  switch (op) {
    case OPS.beq:
      return a === b;
    case OPS.bne:
      return a !== b;
    case OPS.blt:
      return a < b;
    case OPS.bge:
      return a >= b;
    case OPS.bltu:
      return a >>> 0 < b >>> 0;
    default:
      return a >>> 0 >= b >>> 0;
  }
}
