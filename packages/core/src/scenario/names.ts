/**
 * The names that a script has introduced so far: processes, files, devices, shared segments.
 *
 * Each kind has its own room, so a file and a process may both be called F. A name is taken from the line that
 * introduces it, even when that line has another mistake: one slip should not make every later line wrong as well.
 */
import { hint } from './nearest.js';
import { SlotError, type ThingKind } from './slots.js';

interface ProcessName {
  readonly since: number;
  /** Line of its `exit`, 0 while it lives. */
  exited: number;
}

const KIND_WORDS: Readonly<Record<ThingKind, string>> = { file: 'file', device: 'device', shm: 'shared segment' };

export class Names {
  readonly #processes = new Map<string, ProcessName>();
  readonly #things: Readonly<Record<ThingKind, Map<string, number>>> = {
    file: new Map(),
    device: new Map(),
    shm: new Map(),
  };

  /** True for the name of any process introduced so far, exited ones included. */
  hasProcess(name: string): boolean {
    return this.#processes.has(name);
  }

  processAt(name: string): string {
    const found = this.#processes.get(name);
    if (found === undefined) {
      const help = this.#processes.size === 0 ? ' (make one with: proc P)' : hint(name, this.#processes.keys());
      throw new SlotError(`no process is called ${name}${help}`);
    }
    if (found.exited !== 0) throw new SlotError(`process ${name} has exited on line ${found.exited}`);
    return name;
  }

  /** A name may be used again once its process has exited. */
  addProcess(name: string, line: number): string {
    const found = this.#processes.get(name);
    if (found !== undefined && found.exited === 0) {
      throw new SlotError(`there is a process called ${name} already, since line ${found.since}`);
    }
    this.#processes.set(name, { since: line, exited: 0 });
    return name;
  }

  exitProcess(name: string, line: number): void {
    const found = this.#processes.get(name);
    if (found !== undefined) found.exited = line;
  }

  thingAt(kind: ThingKind, name: string): string {
    const room = this.#things[kind];
    if (!room.has(name)) throw new SlotError(`no ${KIND_WORDS[kind]} is called ${name}${hint(name, room.keys())}`);
    return name;
  }

  addThing(kind: ThingKind, name: string, line: number): string {
    const room = this.#things[kind];
    const since = room.get(name);
    if (since !== undefined)
      throw new SlotError(`there is a ${KIND_WORDS[kind]} called ${name} already, since line ${since}`);
    room.set(name, line);
    return name;
  }
}
