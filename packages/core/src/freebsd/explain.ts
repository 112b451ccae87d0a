/**
 * Explaining a fault: what is printed below its line when a script runs with `--explain`.
 *
 *     fault A w 0x10000 KERN_SUCCESS minor
 *         stages    faultStart, lookup, search default object #1, found, finish, account
 *         F4        0x10000 lies in 0x10000-0x14000 rw-, which shows page 0 of default object #1 ...
 *         F24       page 0 of default object #1 is not resident; ...
 *         pages     page 0 of default object #1: zero-filled, active, dirty
 *         mappings  0x10000-0x11000 rw- added
 *         counters  v_vm_faults +1, v_zfod +1
 *         time      912 ns
 *
 * The sentences are those of the branch table, with the values of the moment. What changed is found by comparing, not by asking the
 * handler: the explanation cannot believe what did not happen. All of it is a spectator: without it a branch costs a null test
 * and a stage nothing.
 */
import type { Staged, StageListener } from '../kernel/stages.js';
import type { DiskCounts } from '../machine/disk.js';
import type { Access } from '../machine/units.js';
import type { VmProcess, VmSystem } from '../vm/system.js';
import type { BranchId } from './branches.js';
import { BRANCHES } from './branches.js';
import { FreebsdCounters } from './counters.js';
import { MappingChanges } from './explain-mappings.js';
import { PageChanges } from './explain-pages.js';
import type { Gathered } from './explain-values.js';
import { fillSentence, GATHERED, gatheredIn, indexName, objectName, sayRuns } from './explain-values.js';
import type { Fault, FaultListener } from './fault-state.js';
import type { FreebsdProcess } from './process.js';
import type { FreebsdSystem } from './system.js';
import type { Vm } from './vm.js';

const INDENT = '    ';
const LABEL_WIDTH = 10;

/** A line with its label; further lines of the same label stand below without it. */
function labelled(label: string, texts: readonly string[]): string[] {
  return texts.map((text, i) => `${INDENT}${(i === 0 ? label : '').padEnd(LABEL_WIDTH)}${text}`);
}

/** A branch that was taken, and the pages or addresses for which it was. */
interface Taken {
  readonly id: BranchId;
  readonly text: string;
  readonly gathered: Gathered | null;
  readonly values: number[];
}

/** Explains the faults of one system: what a scenario calls its observer. */
export interface FaultExplainer {
  /** Remembers how everything is, and begins to listen. */
  beforeFault(process: VmProcess, vpn: number, access: Access): void;
  /** The lines to print below the fault's own. */
  afterFault(code: number): readonly string[];
  /** The same when the kernel did not come back from the fault. */
  abandonedFault(): readonly string[];
}

class FreebsdExplainer implements FaultExplainer, FaultListener, StageListener {
  private readonly vm: Vm;
  private readonly before: FaultListener | null;
  private readonly pages: PageChanges;
  private readonly mappings: MappingChanges;
  private readonly counters = new FreebsdCounters();
  private stages: string[] = [];
  private taken: Taken[] = [];
  private process: FreebsdProcess | null = null;
  private startNs = 0;
  private disk: DiskCounts;

  constructor(system: FreebsdSystem) {
    this.vm = system.vm;
    this.before = system.vm.listener;
    this.pages = new PageChanges(system.vm);
    this.mappings = new MappingChanges(system.machine.tables);
    this.disk = { ...system.machine.disk.counts };
    system.vm.listener = this;
    system.vm.kernel.stageListener = this;
  }

  // ---- around the fault

  beforeFault(process: VmProcess, _vpn: number, _access: Access): void {
    this.process = process as FreebsdProcess;
    this.stages = [];
    this.taken = [];
    this.pages.take();
    this.mappings.take();
    Object.assign(this.counters, this.vm.counters);
    this.startNs = this.vm.machine.clock.ns;
    this.disk = { ...this.vm.machine.disk.counts };
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
    const f = record as Fault;
    let text = name;
    if (name === 'search') text = `${name} ${objectName(f.object)}`;
    else if (name === 'pagein') text = `${name} ${indexName(f.pindex, f.pindex)} of ${objectName(f.object)}`;
    this.stages.push(text);
  }

  branch(id: BranchId, f: Fault): void {
    this.before?.branch(id, f);
    if (this.process === null) return;
    this.noteContents(id, f);
    const sentence: string = BRANCHES[id].say;
    const gathered = gatheredIn(sentence);
    const text = fillSentence(sentence, f);
    if (gathered === null) {
      this.taken.push({ id, text, gathered, values: [] });
      return;
    }
    const value = GATHERED[gathered].of(f);
    const same = this.sinceLookup().find((taken) => taken.id === id && taken.text === text);
    if (same === undefined) this.taken.push({ id, text, gathered, values: [value] });
    else same.values.push(value);
  }

  /** The branches of the present attempt: a retry is told apart from what it repeats. */
  private sinceLookup(): Taken[] {
    return this.taken.slice(this.taken.findLastIndex(({ id }) => id === 'F4') + 1);
  }

  /** Remembers how frames get their contents, which a comparison cannot see. */
  private noteContents(id: BranchId, f: Fault): void {
    switch (id) {
      case 'F35':
        for (let i = 0; i < f.faultcount; i++) this.pages.note(f.marray[i] as number, 'read in');
        break;
      case 'F43':
        this.pages.note(f.m, 'zero-filled');
        break;
      case 'F44':
        this.pages.note(f.m, 'zero-filled ahead of time');
        break;
      case 'F48':
        this.pages.note(f.firstM, `copied from ${indexName(f.pindex, f.pindex)} of ${objectName(f.object)}`);
        break;
    }
  }

  // ---- afterwards

  private explanation(): string[] {
    const process = this.process as FreebsdProcess;
    this.process = null;
    return [
      ...labelled('stages', [this.stages.join(', ')]),
      ...this.taken.flatMap((taken) => labelled(taken.id, [sentenceOf(taken)])),
      ...labelled('objects', this.pages.objectLines()),
      ...labelled('pages', this.pages.lines()),
      ...labelled('mappings', this.mappings.lines(process.map.pmap)),
      ...labelled('counters', this.counterLines()),
      ...labelled('time', [this.timeText()]),
    ];
  }

  private counterLines(): string[] {
    const increments: string[] = [];
    for (const name of Object.keys(this.counters) as (keyof FreebsdCounters)[]) {
      const more = this.vm.counters[name] - this.counters[name];
      if (more !== 0) increments.push(`${name} +${more}`);
    }
    return increments.length === 0 ? [] : [increments.join(', ')];
  }

  private timeText(): string {
    const total = duration(this.vm.machine.clock.ns - this.startNs);
    const { counts } = this.vm.machine.disk;
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

function sentenceOf({ text, gathered, values }: Taken): string {
  const whole = gathered === null ? text : text.replace(`{${gathered}}`, sayRuns(values, GATHERED[gathered].say));
  // Sentences may begin with a page or an object; files keep their name as it is.
  return /^(page|default|swap|phys)s? /.test(whole) ? whole.charAt(0).toUpperCase() + whole.slice(1) : whole;
}

/** A span of simulated time in the unit that suits it. */
function duration(ns: number): string {
  if (ns < 1e3) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(2)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(2)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}

/** Begins to listen to a FreeBSD machine. The result is what `runScenario` takes as `observe`. */
export function explainFreebsd(system: VmSystem): FaultExplainer {
  return new FreebsdExplainer(system as FreebsdSystem);
}
