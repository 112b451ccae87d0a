/**
 * Slots: the places of a command where a word is expected, each with a name for the reader and a way to read it.
 *
 * A command's form is a row of slots. The same row gives the usage text (`P map ADDR NPAGES anon SHARING PROT`), the
 * types of the values handed to the builder, and the message when a word does not fit, so the three cannot drift
 * apart. A slot that cannot read its word throws `SlotError`; the reader of the form goes on with the next slot,
 * because a line with two mistakes should report both.
 *
 * How strict? What a kernel would refuse is the kernel's own business: an unaligned address or zero pages pass here.
 * What no kernel could even be asked (a protection that is not one, a file that does not exist) is an error of the
 * script.
 */
import { PROT_EXECUTE, PROT_READ, PROT_WRITE, type Prot } from '../vm/prot.js';
import type { Names } from './names.js';
import { hint } from './nearest.js';

/** A word that does not fit its slot. The message is for the author of the script. */
export class SlotError extends Error {
  override readonly name: string = 'SlotError';
}

/** The line ended before its form did. */
export class MissingWord extends SlotError {
  override readonly name: string = 'MissingWord';
}

/** The words of one line, read from left to right. */
export class LineReader {
  at = 0;
  constructor(
    readonly words: readonly string[],
    /** Everything after the command's own word, blanks kept. */
    readonly rest: string,
    readonly names: Names,
    /** Line number, from 1. */
    readonly line: number,
  ) {}

  get done(): boolean {
    return this.at >= this.words.length;
  }
  peek(): string | undefined {
    return this.words[this.at];
  }
  next(slot: string): string {
    if (this.done) throw new MissingWord(`${slot} is missing`);
    return this.words[this.at++] as string;
  }
}

export interface Slot<T> {
  readonly usage: string;
  /** The words that this slot insists on: they tell the forms of one command apart. */
  readonly literals?: readonly string[];
  /** May be absent; only at the end of a form. */
  readonly optional?: true;
  read(reader: LineReader): T;
}

const DIGITS = /^(?:[0-9]+|0[xX][0-9a-fA-F]+)$/;
const MAX_64 = 0xffff_ffff_ffff_ffffn;

function digits(slot: string, word: string): string {
  if (!DIGITS.test(word)) throw new SlotError(`${slot} must be a number, decimal or 0x hexadecimal, not ${word}`);
  return word;
}

/** A whole number from `min` to `max`. */
export function number(usage: string, min: number, max: number): Slot<number> {
  return {
    usage,
    read(reader) {
      const word = reader.next(usage);
      const value = Number(digits(usage, word));
      if (value < min) throw new SlotError(`${usage} must be at least ${min}, not ${word}`);
      if (value > max) throw new SlotError(`${usage} must be at most ${max}, not ${word}`);
      return value;
    },
  };
}

/** A number of up to 64 bits, exact. */
export function word64(usage: string): Slot<bigint> {
  return {
    usage,
    read(reader) {
      const word = reader.next(usage);
      const value = BigInt(digits(usage, word));
      if (value > MAX_64) throw new SlotError(`${usage} must fit in 64 bits, not ${word}`);
      return value;
    },
  };
}

/**
 * A byte address of up to 64 bits as a double. Above 2^53 not every address has one: the page is kept exactly, and an
 * unaligned address stays unaligned (the kernel refuses either; nothing is ever mapped up there).
 */
function addressOf(value: bigint): number {
  const plain = Number(value);
  if (Number.isSafeInteger(plain) || BigInt(plain) === value) return plain;
  return Number(value & ~0xfffn) + 2048;
}

function address(usage: string, alignment: number): Slot<number> {
  return {
    usage,
    read(reader) {
      const word = reader.next(usage);
      const plain = Number(digits(usage, word));
      const value = Number.isSafeInteger(plain)
        ? plain
        : addressOf(word64(usage).read(new LineReader([word], '', reader.names, 0)));
      if (value % alignment !== 0) throw new SlotError(`${usage} must be a multiple of ${alignment}, not ${word}`);
      return value;
    },
  };
}

/** A byte address; alignment is the kernel's business. */
export const ADDR = address('ADDR', 1);
/** The address of an aligned 64-bit word. */
export const ADDR_OF_WORD = address('ADDR', 8);

/** Pages: 2^40 of them are more than any address space here has, and their bytes are still exact. */
const MAX_PAGES = 2 ** 40;
export const NPAGES = number('NPAGES', 0, MAX_PAGES);
export const PAGEOFF = number('PAGEOFF', 0, MAX_PAGES);

const PROT_PATTERN = /^[r-][w-][x-]$/;

export const PROT: Slot<Prot> = {
  usage: 'PROT',
  read(reader) {
    const word = reader.next('PROT');
    if (!PROT_PATTERN.test(word)) {
      throw new SlotError(`PROT must be three characters, r w x or - in their places (rw-, r-x), not ${word}`);
    }
    return (
      (word[0] === 'r' ? PROT_READ : 0) | (word[1] === 'w' ? PROT_WRITE : 0) | (word[2] === 'x' ? PROT_EXECUTE : 0)
    );
  },
};

/** One of a few words, which are told apart by nothing else. */
export function choice<const W extends string>(usage: string, words: readonly W[]): Slot<W> {
  return {
    usage,
    read(reader) {
      const word = reader.next(usage);
      const found = words.find((candidate) => candidate === word);
      if (found === undefined) {
        throw new SlotError(`${usage} must be one of ${words.join(' ')}, not ${word}${hint(word, words)}`);
      }
      return found;
    },
  };
}

export const SHARING = choice('SHARING', ['private', 'shared']);

/** A word (or one of several) that must stand here: it decides which form of the command this is. */
export function literal<const W extends string>(...words: readonly W[]): Slot<W> {
  const usage = words.join('|');
  return { ...choice(usage, words), literals: words };
}

/** A word that may stand here. */
export function flag(word: string): Slot<boolean> {
  return {
    usage: `[${word}]`,
    optional: true,
    read(reader) {
      if (reader.peek() !== word) return false;
      reader.at++;
      return true;
    },
  };
}

/** A slot that may be left out, `fallback` standing for it. */
export function optional<T>(slot: Slot<T>, fallback: T): Slot<T> {
  return {
    usage: `[${slot.usage}]`,
    optional: true,
    read: (reader) => (reader.done || reader.peek() === '=' ? fallback : slot.read(reader)),
  };
}

/** `= VALUE`, which may be left out. */
export function assigned<T>(slot: Slot<T>, fallback: T): Slot<T> {
  return {
    usage: `[= ${slot.usage}]`,
    optional: true,
    read(reader) {
      if (reader.peek() !== '=') return fallback;
      reader.at++;
      return slot.read(reader);
    },
  };
}

/** The name of a process that is there at this line. */
export function process(usage: string): Slot<string> {
  return { usage, read: (reader) => reader.names.processAt(reader.next(usage)) };
}
/** A name for a process that comes into being on this line. */
export function newProcess(usage: string): Slot<string> {
  return { usage, read: (reader) => reader.names.addProcess(reader.next(usage), reader.line) };
}

export type ThingKind = 'file' | 'device' | 'shm';
/** The name of a file, device or shared segment that an earlier line made. */
export function thing(kind: ThingKind): Slot<string> {
  return { usage: 'NAME', read: (reader) => reader.names.thingAt(kind, reader.next('NAME')) };
}
export function newThing(kind: ThingKind): Slot<string> {
  return { usage: 'NAME', read: (reader) => reader.names.addThing(kind, reader.next('NAME'), reader.line) };
}

/** The rest of the line as it stands. */
export const TEXT: Slot<string> = {
  usage: 'TEXT',
  optional: true,
  read(reader) {
    reader.at = reader.words.length;
    return reader.rest;
  },
};
