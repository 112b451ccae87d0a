/**
 * Explaining a fault: what is printed below its line when a script runs with `--explain`, on every system.
 *
 *     stages    what the handler went through, in its order
 *     F1 ...    each branch that was taken, by the sentence of the room's table with the values of the moment
 *     ...       what the room has to say of pages and objects
 *     mappings  translations that came, went or changed
 *     counters  the kernel's counters that went up
 *     time      simulated, and of that the disk's
 *
 * A room gives its table and how to fill a sentence from its fault record (`Explained`); the rest is the same for all. What changed is found
 * by comparing, not by asking the handler: the explanation cannot believe what did not happen. All of it is a spectator: without it
 * a branch costs a null test and a stage nothing.
 */
import type { BranchListener, BranchRow } from '../kernel/branch.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Staged, StageListener } from '../kernel/stages.js';
import type { DiskCounts } from '../machine/disk.js';
import type { Pmap } from '../machine/pagetable.js';
import type { Access } from '../machine/units.js';
import { MappingChanges } from './explain-mappings.js';
import { duration, sayRuns } from './explain-words.js';
import type { VmProcess, VmSystem } from './system.js';

const INDENT = '    ';
const LABEL_WIDTH = 10;

/** Explains the faults of one system: what a scenario calls its observer. */
export interface FaultExplainer {
  /** Remembers how everything is, and begins to listen. */
  beforeFault(process: VmProcess, vpn: number, access: Access): void;
  /** The lines to print below the fault's own. */
  afterFault(code: number): readonly string[];
  /** The same when the kernel did not come back from the fault. */
  abandonedFault(): readonly string[];
}

/** A value that a branch has many times in a row, once for each of several places: it is said once for all of them. */
export interface GatheredValue<F> {
  of(f: F): number;
  say(first: number, last: number): string;
}

/** What a room's explanations are made of. */
export interface Explained<F> {
  readonly branches: Readonly<Record<string, BranchRow>>;
  /** What a name in braces stands for. */
  readonly values: Readonly<Record<string, (f: F) => string>>;
  readonly gathered?: Readonly<Record<string, GatheredValue<F>>>;
  /** Branches with which an attempt begins: a retry is told apart from what it repeats. */
  readonly begins: readonly string[];
  /** A stage in words; default: its name. */
  stageText?(name: string, f: F): string;
  pmapOf(process: VmProcess): Pmap;
  /** Called before a fault, and at each branch of it. */
  before?(): void;
  taken?(id: string, f: F): void;
  /** Further lines, by label, between the branches and the translations. */
  changes?(): readonly (readonly [string, readonly string[]])[];
  /** A finished sentence, as it is to be printed. */
  polish?(sentence: string): string;
}

/** The part of a room's kernel that an explanation hangs on to. */
export interface Listened<Id extends string, F> {
  listener: BranchListener<Id, F> | null;
  readonly kernel: Kernel;
}

/** A branch that was taken, and the places for which it was. */
interface Taken {
  readonly id: string;
  readonly text: string;
  readonly gathered: string | null;
  readonly values: number[];
}

/** A line with its label; further lines of the same label stand below without it. */
function labelled(label: string, texts: readonly string[]): string[] {
  return texts.map((text, i) => `${INDENT}${(i === 0 ? label : '').padEnd(LABEL_WIDTH)}${text}`);
}

/** A sentence with its values; what the room does not know, and what is gathered, stays open. */
export function fillSentence<F>(sentence: string, values: Explained<F>['values'], f: F): string {
  return sentence.replace(/\{(\w+)\}/g, (open, name: string) =>
    Object.hasOwn(values, name) ? (values[name] as (f: F) => string)(f) : open,
  );
}

export class BranchExplainer<Id extends string, F> implements FaultExplainer, StageListener {
  private readonly mappings: MappingChanges;
  private stages: string[] = [];
  private branches: Taken[] = [];
  private process: VmProcess | null = null;
  private counters: Record<string, number> = {};
  private startNs = 0;
  private disk: DiskCounts;

  constructor(
    private readonly system: VmSystem,
    vm: Listened<Id, F>,
    private readonly room: Explained<F>,
  ) {
    this.mappings = new MappingChanges(system.machine.tables);
    this.disk = { ...system.machine.disk.counts };
    const before = vm.listener;
    // Some rooms' listeners hear stages as well: those are heard from the kernel here.
    const ear = {
      branch: (id: Id, f: F) => {
        before?.branch(id, f);
        if (this.process !== null) this.branch(id, f);
      },
      stage: () => {},
    };
    vm.listener = ear;
    vm.kernel.stageListener = this;
  }

  // ---- around the fault

  beforeFault(process: VmProcess, _vpn: number, _access: Access): void {
    const { machine } = this.system;
    this.process = process;
    this.stages = [];
    this.branches = [];
    this.room.before?.();
    this.mappings.take();
    this.counters = this.system.statistics();
    this.startNs = machine.clock.ns;
    this.disk = { ...machine.disk.counts };
  }

  afterFault(_code: number): string[] {
    return this.explanation();
  }

  abandonedFault(): string[] {
    return this.explanation();
  }

  // ---- during the fault

  stage(name: string, record: Staged): void {
    if (this.process === null) return;
    this.stages.push(this.room.stageText?.(name, record as F) ?? name);
  }

  private branch(id: string, f: F): void {
    const { room } = this;
    room.taken?.(id, f);
    const sentence = room.branches[id]?.say ?? '';
    const text = fillSentence(sentence, room.values, f);
    const found = Object.entries(room.gathered ?? {}).find(([name]) => sentence.includes(`{${name}}`));
    if (found === undefined) {
      this.branches.push({ id, text, gathered: null, values: [] });
      return;
    }
    const [gathered, value] = found;
    const same = this.sinceBegin().find((one) => one.id === id && one.text === text);
    if (same === undefined) this.branches.push({ id, text, gathered, values: [value.of(f)] });
    else same.values.push(value.of(f));
  }

  private sinceBegin(): Taken[] {
    return this.branches.slice(this.branches.findLastIndex(({ id }) => this.room.begins.includes(id)) + 1);
  }

  // ---- afterwards

  private explanation(): string[] {
    const process = this.process as VmProcess;
    this.process = null;
    return [
      ...labelled('stages', [this.stages.join(', ')]),
      ...this.branches.flatMap((taken) => labelled(taken.id, [this.sentenceOf(taken)])),
      ...(this.room.changes?.() ?? []).flatMap(([label, lines]) => labelled(label, lines)),
      ...labelled('mappings', this.mappings.lines(this.room.pmapOf(process))),
      ...labelled('counters', this.counterLines()),
      ...labelled('time', [this.timeText()]),
    ];
  }

  private sentenceOf({ text, gathered, values }: Taken): string {
    const { room } = this;
    const value = gathered === null ? undefined : room.gathered?.[gathered];
    const whole = value === undefined ? text : text.replace(`{${gathered}}`, sayRuns(values, value.say));
    return room.polish?.(whole) ?? whole;
  }

  private counterLines(): string[] {
    const now = this.system.statistics();
    const increments: string[] = [];
    for (const name of Object.keys(this.counters)) {
      const more = (now[name] ?? 0) - (this.counters[name] ?? 0);
      if (more !== 0) increments.push(`${name} +${more}`);
    }
    return increments.length === 0 ? [] : [increments.join(', ')];
  }

  private timeText(): string {
    const { machine } = this.system;
    const total = duration(machine.clock.ns - this.startNs);
    const { counts } = machine.disk;
    const busyNs = counts.busyNs - this.disk.busyNs;
    if (busyNs === 0) return total;
    const parts: string[] = [];
    const count = (key: keyof DiskCounts, noun: string): void => {
      const more = counts[key] - this.disk[key];
      if (more > 0) parts.push(`${noun} ${more}`);
    };
    count('seeks', 'seeks');
    count('pagesRead', 'pages read');
    count('pagesWritten', 'pages written');
    return `${total}, of that the disk ${duration(busyNs)} (${parts.join(', ')})`;
  }
}
