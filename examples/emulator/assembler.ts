/**
 * A small assembler: one instruction or `label:` a line, `#` begins a comment, `.word n` and `.ascii "text"` are data.
 *
 * `li rd, n` is short for what it takes to load a 32-bit number; `la rd, label` for its address.
 */
import { formOf, OPS, type OpName } from './isa.js';

/** A program in words, and where its labels are. */
export interface Program {
  readonly words: Uint32Array;
  /** Byte addresses by name. */
  readonly labels: ReadonlyMap<string, number>;
}

export class AssemblyError extends Error {
  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
  }
}

interface Statement {
  readonly line: number;
  readonly name: string;
  readonly operands: readonly string[];
  /** Byte address. */
  readonly address: number;
}

/** Assembles for an address in bytes. */
export function assemble(source: string, origin: number): Program {
  const { statements, labels, end } = layOut(source, origin);
  const words = new Uint32Array((end - origin) / 4);
  for (const statement of statements) {
    const at = (statement.address - origin) / 4;
    words.set(encode(statement, labels), at);
  }
  return { words, labels };
}

/** First pass: where everything comes to lie. */
function layOut(source: string, origin: number): { statements: Statement[]; labels: Map<string, number>; end: number } {
  const statements: Statement[] = [];
  const labels = new Map<string, number>();
  let address = origin;
  for (const [i, raw] of source.split('\n').entries()) {
    const text = raw.replace(/#.*$/, '').trim();
    if (text === '') continue;
    const label = /^(\w+):$/.exec(text)?.[1];
    if (label !== undefined) {
      labels.set(label, address);
      continue;
    }
    const [name = '', rest = ''] = text.split(/\s+(.*)/s);
    const operands = name === '.ascii' ? [rest] : rest.split(',').map((operand) => operand.trim());
    statements.push({ line: i + 1, name, operands, address });
    address += 4 * sizeOf(name, rest, i + 1);
  }
  return { statements, labels, end: address };
}

/** Words that a statement takes. */
function sizeOf(name: string, rest: string, line: number): number {
  if (name === '.word') return 1;
  if (name === '.ascii') return Math.ceil(textOf(rest, line).length / 4);
  return name === 'li' || name === 'la' ? 2 : 1;
}

function textOf(operand: string, line: number): Uint8Array {
  try {
    return new TextEncoder().encode(JSON.parse(operand) as string);
  } catch {
    throw new AssemblyError(line, `.ascii wants a quoted text, not ${operand}`);
  }
}

/** Second pass. */
function encode(statement: Statement, labels: ReadonlyMap<string, number>): number[] {
  const { name, operands, line } = statement;
  const [first = '', second = ''] = operands;
  if (name === '.word') return [numberOf(first, labels, line) >>> 0];
  if (name === '.ascii') return pack(textOf(first, line));
  if (name === 'li' || name === 'la') return loadConstant(register(first, line), numberOf(second, labels, line) | 0);
  if (!Object.hasOwn(OPS, name)) throw new AssemblyError(line, `there is no instruction '${name}'`);
  return [instruction(name as OpName, statement, labels)];
}

function pack(bytes: Uint8Array): number[] {
  const words = new Uint32Array(Math.ceil(bytes.length / 4));
  new Uint8Array(words.buffer).set(bytes);
  return [...words];
}

/** lui and ori: the lower half is not sign-extended by ori. */
function loadConstant(rd: number, value: number): number[] {
  const upper = (OPS.lui << 24) | (rd << 20) | (value >>> 16);
  const lower = (OPS.ori << 24) | (rd << 20) | (rd << 16) | (value & 0xffff);
  return [upper >>> 0, lower >>> 0];
}

function instruction(name: OpName, statement: Statement, labels: ReadonlyMap<string, number>): number {
  const { operands, line, address } = statement;
  const [first = '', second = '', third = ''] = operands;
  const op = OPS[name] << 24;
  const relative = (label: string, bits: number): number =>
    immediate((numberOf(label, labels, line) - address - 4) / 4, bits, line);
  switch (formOf(name)) {
    case 'register':
      return word(op, register(first, line), register(second, line), register(third, line) << 12);
    case 'immediate':
      return word(
        op,
        register(first, line),
        register(second, line),
        immediate(numberOf(third, labels, line), 16, line),
      );
    case 'memory': {
      const [, offset = '', base = ''] = /^(-?\w+)\((\w+)\)$/.exec(second) ?? [];
      return word(op, register(first, line), register(base, line), immediate(numberOf(offset, labels, line), 16, line));
    }
    case 'branch':
      return word(op, register(first, line), register(second, line), relative(third, 16));
    case 'upper':
      return word(op, register(first, line), 0, numberOf(second, labels, line) & 0xffff);
    case 'jump':
      return (op | (register(first, line) << 20) | relative(second, 20)) >>> 0;
    case 'trap':
      return (op | immediate(numberOf(first, labels, line), 16, line)) >>> 0;
  }
}

function word(op: number, rd: number, rs: number, low: number): number {
  return (op | (rd << 20) | (rs << 16) | low) >>> 0;
}

function register(text: string, line: number): number {
  const number = /^r(\d+)$/.exec(text)?.[1];
  if (number === undefined || Number(number) > 15)
    throw new AssemblyError(line, `'${text}' is not a register (r0 to r15)`);
  return Number(number);
}

function numberOf(text: string, labels: ReadonlyMap<string, number>, line: number): number {
  const label = labels.get(text);
  if (label !== undefined) return label;
  const value = Number(text);
  if (text === '' || !Number.isInteger(value))
    throw new AssemblyError(line, `'${text}' is neither a number nor a label`);
  return value;
}

function immediate(value: number, bits: number, line: number): number {
  if (value < -(2 ** (bits - 1)) || value >= 2 ** bits)
    throw new AssemblyError(line, `${value} does not fit ${bits} bits`);
  return value & (2 ** bits - 1);
}
