/**
 * For tests of snapshots: scenario scripts carried out command by command, and the whole state of a machine as one line of text.
 */
import { createHash } from 'node:crypto';
import { Thread } from '../packages/core/src/kernel/thread.js';
import type { ParseResult } from '../packages/core/src/scenario/index.js';
import { dragonflyExtension, netbsdCommands, parseScenario } from '../packages/core/src/scenario/index.js';
import { ScenarioRun } from '../packages/core/src/scenario/run.js';
import { SYSTEMS } from '../packages/core/src/systems.js';
import type { SystemName, SystemOptions, VmSystem } from '../packages/core/src/vm/system.js';

const EXTENSIONS = { csrg: undefined, freebsd: undefined, dragonfly: dragonflyExtension, netbsd: netbsdCommands };
/** What a snapshot leaves as it is, and what it begins afresh. */
const LEFT_OUT = new Set(['allocationFails', 'listener', 'onKill', 'scheduler', 'stageListener']);

type Script = Extract<ParseResult, { ok: true }>['script'];

/** A script on a machine of its own. */
export class Play {
  readonly system: VmSystem;
  readonly run: ScenarioRun;
  readonly lines: string[] = [];

  constructor(
    readonly script: Script,
    name: SystemName,
    options: SystemOptions = {},
  ) {
    this.system = (SYSTEMS[name] as (options: SystemOptions) => VmSystem)({
      devicePages: script.devicePages,
      ...options,
      ...(script.memoryPages === undefined ? {} : { memoryPages: script.memoryPages }),
      ...(script.swapPages === undefined ? {} : { swapPages: script.swapPages }),
    });
    this.run = new ScenarioRun(this.system, {
      boot: () => this.system,
      write: (line) => this.lines.push(line),
      extension: EXTENSIONS[name],
    });
  }

  /** Commands `from` to `to`; how it ended when the kernel did not survive. Answers what was printed. */
  part(from: number, to: number): { lines: string[]; end: string } {
    this.lines.length = 0;
    try {
      for (const { action } of this.script.commands.slice(from, to)) this.run.command(action);
    } catch (error) {
      return { end: this.run.ended(error), lines: [...this.lines] };
    }
    return { end: 'end', lines: [...this.lines] };
  }
}

/** A script by its text, or null when the system does not know some word of it. */
export function scriptOf(text: string, name: SystemName): Script | null {
  const parsed = parseScenario(text, name);
  return parsed.ok ? parsed.script : null;
}

/**
 * A digest of everything that can be reached from the roots. Objects are numbered in the order in which they are met: two machines in the same
 * state have the same digest, whichever objects hold it.
 */
export function digest(...roots: readonly object[]): string {
  const hash = createHash('sha1');
  const numbers = new Map<object, number>();
  const queue: object[] = [];
  let words: string[] = [];
  const say = (value: unknown): void => {
    if (typeof value === 'object' && value !== null) {
      let number = numbers.get(value);
      if (number === undefined) {
        number = numbers.size;
        numbers.set(value, number);
        queue.push(value);
      }
      words.push(`@${number}`);
    } else {
      words.push(
        typeof value === 'function' ? 'function' : `${typeof value}:${Object.is(value, -0) ? '-0' : String(value)}`,
      );
    }
  };
  for (const root of roots) say(root);
  for (let at = 0; at < queue.length; at++) {
    words.push(`\n${(queue[at] as object).constructor?.name}`);
    const bytes = tell(queue[at] as object, say);
    hash.update(words.join(' '));
    words = [];
    if (bytes !== null) hash.update(bytes);
  }
  return hash.digest('hex');
}

/** Says what an object holds; bytes are answered instead. */
function tell(thing: object, say: (value: unknown) => void): Uint8Array | null {
  if (ArrayBuffer.isView(thing)) return new Uint8Array(thing.buffer, thing.byteOffset, thing.byteLength);
  if (thing instanceof Map) {
    for (const [key, value] of thing) {
      say(key);
      say(value);
    }
  } else if (thing instanceof Set || Array.isArray(thing)) {
    for (const element of thing) say(element);
  } else {
    for (const [name, value] of Object.entries(thing)) {
      if (LEFT_OUT.has(name) || (thing instanceof Thread && name === 'task')) continue;
      say(name);
      say(value);
    }
  }
  return null;
}
