/**
 * Forms: the ways in which a command may be written.
 *
 * A command either opens the line (`fork P Q`) or follows the process that it concerns (`P map ...`). One word may
 * have several forms (`map` of anonymous memory, of a file, of a device), told apart by the literal words at fixed
 * places in them. A form may belong to some systems only; the others know it well enough to say where it lives.
 */
import type { SystemName } from '../vm/system.js';
import type { Action } from './actions.js';
import { type LineReader, MissingWord, process, type Slot, SlotError } from './slots.js';

export interface Form {
  readonly place: 'line' | 'process';
  readonly word: string;
  /** The whole line with its places named. */
  readonly usage: string;
  /** The systems that have it; null: all of them. */
  readonly systems: readonly SystemName[] | null;
  /** The words that the form insists on, wherever they stand in it. */
  readonly literals: readonly string[];
  /** How many literal words of the form stand where they should; -1 when one of them does not. */
  fit(words: readonly string[]): number;
  /** Reads the line; answers with what is wrong where it cannot. */
  read(reader: LineReader): Action | readonly string[];
}

type Values<S extends readonly Slot<unknown>[]> = { [K in keyof S]: S[K] extends Slot<infer T> ? T : never };

/** A builder whose argument types are the concern of `lineForm` and `processForm`. */
type Builder = (...values: unknown[]) => Action;

const SUBJECT = process('P');

function makeForm(
  place: Form['place'],
  word: string,
  slots: readonly Slot<unknown>[],
  build: Builder,
  systems: readonly SystemName[] | null,
): Form {
  const usages = slots.map((slot) => slot.usage);
  const usage = (place === 'line' ? [word, ...usages] : [usages[0], word, ...usages.slice(1)]).join(' ');
  const fit = (words: readonly string[]): number => {
    let fitting = 0;
    for (let i = 0; i < slots.length; i++) {
      const literals = (slots[i] as Slot<unknown>).literals;
      if (literals === undefined) continue;
      if (!literals.includes(words[i] as string)) return -1;
      fitting++;
    }
    return fitting;
  };
  const read = (reader: LineReader): Action | readonly string[] => {
    const values: unknown[] = [];
    const problems: string[] = [];
    for (const slot of slots) {
      try {
        values.push(slot.read(reader));
      } catch (error) {
        if (!(error instanceof SlotError)) throw error;
        if (error instanceof MissingWord) return [...problems, `${error.message}; the form is: ${usage}`];
        problems.push(error.message);
      }
    }
    if (!reader.done) {
      problems.push(`${reader.words.slice(reader.at).join(' ')}: more words than expected; the form is: ${usage}`);
    }
    return problems.length > 0 ? problems : build(...values);
  };
  const literals = slots.flatMap((slot) => slot.literals ?? []);
  return { place, word, usage, systems, literals, fit, read };
}

/** A command that opens the line. */
export function lineForm<const S extends readonly Slot<unknown>[]>(
  word: string,
  slots: S,
  build: (...values: Values<S>) => Action,
  systems: readonly SystemName[] | null = null,
): Form {
  return makeForm('line', word, slots, build as unknown as Builder, systems);
}

/** A command that follows its process: the builder gets the process's name first. */
export function processForm<const S extends readonly Slot<unknown>[]>(
  word: string,
  slots: S,
  build: (process: string, ...values: Values<S>) => Action,
  systems: readonly SystemName[] | null = null,
): Form {
  return makeForm('process', word, [SUBJECT, ...slots], build as unknown as Builder, systems);
}

/** Forms by word, for one place. */
export function byWord(forms: readonly Form[], place: Form['place']): ReadonlyMap<string, readonly Form[]> {
  const table = new Map<string, Form[]>();
  for (const form of forms) {
    if (form.place !== place) continue;
    const same = table.get(form.word);
    if (same === undefined) table.set(form.word, [form]);
    else same.push(form);
  }
  return table;
}
