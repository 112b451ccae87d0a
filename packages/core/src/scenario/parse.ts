/**
 * Reading a scenario: text in, a list of commands or a list of everything that is wrong with it out.
 *
 * Each line is read on its own, against the forms of its word. When a word has several forms, the one whose literal
 * words fit best is what the author meant, and the messages speak of that one. A form that fits but belongs to
 * another system is an error that names its systems.
 *
 * The machine is built from the whole script (its memory, its swap, the frames of its devices) before the first
 * command runs, which is why `memory` and `swap` have a place in the order.
 */
import type { SystemName } from '../vm/system.js';
import type { Action, Command, Script } from './actions.js';
import { EXTENSION_FORMS, systemsOf } from './extensions.js';
import { byWord, type Form } from './forms.js';
import { COMMON_FORMS } from './language.js';
import { Names } from './names.js';
import { hint, nearest } from './nearest.js';
import { LineReader } from './slots.js';

export interface ScriptError {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export type ParseResult =
  | { readonly ok: true; readonly script: Script }
  | { readonly ok: false; readonly errors: readonly ScriptError[] };

const ALL_FORMS: readonly Form[] = [...COMMON_FORMS, ...EXTENSION_FORMS];
const LINE_FORMS = byWord(ALL_FORMS, 'line');
const PROCESS_FORMS = byWord(ALL_FORMS, 'process');

/** Commands that leave the machine's memory alone, so that `memory` may still follow them. */
const BEFORE_MEMORY: ReadonlySet<string> = new Set(['memory', 'swap', 'file', 'device', 'shm', 'print']);

/** Reads a script for one system. Answers with every error found, in line order. */
export function parseScenario(text: string, system: SystemName): ParseResult {
  const parser = new Parser(system);
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  for (let i = 0; i < lines.length; i++) parser.line(lines[i] as string, i + 1);
  return parser.result();
}

class Parser {
  readonly #names = new Names();
  readonly #commands: Command[] = [];
  readonly #errors: ScriptError[] = [];
  /** The first command that touches memory, and the first process, by line text and number. */
  #touched: Command | null = null;
  #firstProcess: Command | null = null;
  #memory: Command | null = null;
  #swap: Command | null = null;
  #memoryPages: number | undefined;
  #swapPages: number | undefined;
  #devicePages = 0;

  constructor(readonly system: SystemName) {}

  line(raw: string, line: number): void {
    const comment = raw.indexOf('#');
    const text = (comment < 0 ? raw : raw.slice(0, comment)).trim();
    if (text === '') return;
    const words = text.split(/\s+/);
    const answer = this.#read(words, text, line);
    if (Array.isArray(answer)) {
      for (const message of answer as readonly string[]) this.#errors.push({ line, message });
      return;
    }
    const command: Command = { line, text, action: answer as Action };
    const misplaced = this.#place(command);
    if (misplaced === null) this.#commands.push(command);
    else this.#errors.push({ line, message: misplaced });
  }

  result(): ParseResult {
    if (this.#errors.length > 0) return { ok: false, errors: this.#errors };
    const script: Script = {
      system: this.system,
      commands: this.#commands,
      devicePages: this.#devicePages,
      ...(this.#memoryPages === undefined ? {} : { memoryPages: this.#memoryPages }),
      ...(this.#swapPages === undefined ? {} : { swapPages: this.#swapPages }),
    };
    return { ok: true, script };
  }

  /** Finds the command of a line and reads it. */
  #read(words: readonly string[], text: string, line: number): Action | readonly string[] {
    const first = words[0] as string;
    const second = words[1];
    const subject = second !== undefined && PROCESS_FORMS.has(second) && this.#names.hasProcess(first);
    const lineForms = LINE_FORMS.get(first);
    if (lineForms !== undefined && !subject) {
      const rest = text.slice(first.length).trimStart();
      return this.#choose(lineForms, words.slice(1), first, rest, line);
    }
    const processForms = second === undefined ? undefined : PROCESS_FORMS.get(second);
    if (processForms === undefined) return [this.#unknown(first, second)];
    const ordered = [first, ...words.slice(2)];
    return this.#choose(processForms, ordered, second as string, '', line);
  }

  /** Picks the form that fits best and reads the line by it. */
  #choose(
    forms: readonly Form[],
    words: readonly string[],
    word: string,
    rest: string,
    line: number,
  ): Action | readonly string[] {
    let best: Form | null = null;
    let bestFit = -1;
    for (const form of forms) {
      const fit = form.fit(words);
      if (fit > bestFit) {
        best = form;
        bestFit = fit;
      }
    }
    const here = forms.filter((form) => this.#has(form));
    if (best === null) return [this.#noForm(here.length > 0 ? here : forms, word, words)];
    if (!this.#has(best)) return [this.#elsewhere(best, here)];
    return best.read(new LineReader(words, rest, this.#names, line));
  }

  #has(form: Form): boolean {
    return form.systems === null || form.systems.includes(this.system);
  }

  #noForm(forms: readonly Form[], word: string, words: readonly string[]): string {
    const usages = forms.map((form) => form.usage);
    const literals = forms.flatMap((form) => form.literals);
    const slip = words.find((candidate) => !literals.includes(candidate) && nearest(candidate, literals) !== null);
    const help = slip === undefined ? '' : `, ${slip} among them${hint(slip, literals)}`;
    const introduction = usages.length > 1 ? 'the forms are' : 'the form is';
    return `${word} does not take these words${help}; ${introduction}: ${usages.join('; ')}`;
  }

  #elsewhere(form: Form, here: readonly Form[]): string {
    const what = here.length === 0 ? `the command ${form.word}` : `this form of ${form.word} (${form.usage})`;
    return `${what} exists only on ${systemsOf([form]).join(', ')}, not on ${this.system}`;
  }

  #unknown(first: string, second: string | undefined): string {
    if (this.#names.hasProcess(first)) {
      if (second === undefined) return `a command for process ${first} is missing, such as: ${first} read ADDR`;
      return `unknown command ${second} for process ${first}${hint(second, this.#known(PROCESS_FORMS))}`;
    }
    const forms = PROCESS_FORMS.get(first);
    if (forms !== undefined) return `${first} comes after the name of its process: ${(forms[0] as Form).usage}`;
    const near = hint(first, this.#known(LINE_FORMS));
    if (near !== '' || second === undefined) return `unknown command ${first}${near}`;
    return `unknown command: neither ${first} nor ${second} is a command${hint(second, this.#known(PROCESS_FORMS))}`;
  }

  /** The words that this system has, for the suggestions. */
  #known(table: ReadonlyMap<string, readonly Form[]>): string[] {
    return [...table].filter(([, forms]) => forms.some((form) => this.#has(form))).map(([word]) => word);
  }

  /** Checks the order of commands and notes what the machine needs; answers with what is wrong. */
  #place(command: Command): string | null {
    const action = command.action;
    switch (action.kind) {
      case 'memory':
        return this.#placeMemory(command, action.pages);
      case 'swap':
        return this.#placeSwap(command, action.pages);
      case 'device':
        this.#devicePages += action.pages;
        break;
      case 'proc':
        this.#firstProcess ??= command;
        break;
      case 'exit':
        this.#names.exitProcess(action.process, command.line);
        break;
    }
    const word = action.kind === 'extension' ? action.word : action.kind;
    if (!BEFORE_MEMORY.has(word)) this.#touched ??= command;
    return null;
  }

  #placeMemory(command: Command, pages: number): string | null {
    if (this.#memory !== null) return `memory was given already on line ${this.#memory.line}`;
    const before = this.#touched;
    if (before !== null)
      return `memory must come before any command that uses it (${before.text}, line ${before.line})`;
    this.#memory = command;
    this.#memoryPages = pages;
    return null;
  }

  #placeSwap(command: Command, pages: number): string | null {
    if (this.#swap !== null) return `swap was given already on line ${this.#swap.line}`;
    const before = this.#firstProcess;
    if (before !== null) return `swap must come before the first process (${before.text}, line ${before.line})`;
    this.#swap = command;
    this.#swapPages = pages;
    return null;
  }
}
