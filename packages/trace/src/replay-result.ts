/**
 * What a replay counts, and how it sorts faults by kind.
 *
 * A kernel does not say what a fault was; its counters do. Around each fault the few counters that tell are read, and what
 * grew names the kind. A fault that read a page in and then copied it is a copied one; that it also waited for the disk shows
 * in `major`. So the kinds add up to the faults that succeeded.
 */
import type { Access, SystemName, VmProcess, VmSystem } from '@faultline/core';
import { type TraceHeader, type TraceProcess, totalReferences } from './header.js';
import { type SimulatedTime, simulatedTime } from './replay-machine.js';
import type { ReplaySeries } from './replay-series.js';

/** Faults that succeeded, by what they did. */
export interface FaultKinds {
  /** A new page of zeros. */
  zeroFill: number;
  /** A private copy of another page. */
  copied: number;
  /** A private page without a copy: the kernel saw that nobody else could reach the old one. */
  copyAvoided: number;
  /** A page read from a file or from swap. */
  pagedIn: number;
  /** A page that was in memory already and only had to be mapped. */
  mappedOnly: number;
}

/** An access that could not be satisfied. */
export interface FailedAccess {
  readonly process: number;
  readonly page: number;
  readonly access: Access;
  /** The handler's code, or LOOP. */
  readonly code: string;
}

/** Entries of an address space and the layers behind them, as they were at its end. */
export interface SpaceShape {
  entries: number;
  /** Most layers behind one entry, and the mean over entries that have any. */
  chainMax: number;
  chainMean: number;
}

export interface ProcessAccount extends SpaceShape {
  readonly id: number;
  readonly name: string;
  readonly parent: number;
  references: number;
  faults: number;
  /** The kernel's own account, over all programs that the process ran. */
  minor: number;
  major: number;
  /** Killed by the kernel for want of memory. */
  killed: boolean;
}

export interface ReplayResult {
  readonly system: SystemName;
  readonly program: string;
  /** References replayed, and the trace's total. */
  readonly references: number;
  readonly referencesTotal: number;
  /** Of those, references of processes that were killed or never made. */
  readonly skippedReferences: number;
  /** Accesses that the translation buffer did not hold. */
  readonly tlbMisses: number;
  /** Calls of the fault handler. */
  readonly faults: number;
  readonly faultsByAccess: { readonly read: number; readonly write: number; readonly execute: number };
  /** By the handler's code, and the code that means success. */
  readonly faultsByCode: Readonly<Record<string, number>>;
  readonly successCode: string;
  readonly kinds: Readonly<FaultKinds>;
  /** Successful faults that did not, and that did, wait for a pager. */
  readonly minor: number;
  readonly major: number;
  /** Pages that a process touched for the first time without a fault, because a fault elsewhere or a fork had mapped them. */
  readonly prefaultHits: number;
  /** Accesses given up, and the first few of them. */
  readonly failures: number;
  readonly failedAccesses: readonly FailedAccess[];
  /** Memory calls that this system refused: `mlock ENOMEM`, and how often. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Pages read and written by the pagers, from the statistics; null where the system does not count them. */
  readonly pageIns: number | null;
  readonly pageOuts: number | null;
  readonly processes: readonly ProcessAccount[];
  /** Entries of all processes together, longest chain, mean over all entries that have one. */
  readonly shape: SpaceShape;
  /** Every counter that the kernel keeps, by kernel name, zeros included. */
  readonly statistics: Readonly<Record<string, number>>;
  /** Pages in each queue at the end. */
  readonly queues: readonly { readonly name: string; readonly pages: number }[];
  /** What it took on the simulated clock. */
  readonly simulated: SimulatedTime;
  readonly series: ReplaySeries;
  /** Why the replay ended early (a panic, a hang, damage), or null. */
  readonly stopped: string | null;
  /** On this computer, and so different in every run. */
  readonly milliseconds: number;
  readonly referencesPerSecond: number;
}

/** The counters that name a fault's kind. `avoided` ones are counted among `copied` too. */
interface TellingCounters {
  readonly zeroFill: string;
  readonly copied: readonly string[];
  readonly avoided: string | null;
}

const TELLING: Readonly<Record<SystemName, TellingCounters>> = {
  csrg: { zeroFill: 'v_zfod', copied: ['v_cow_faults'], avoided: null },
  freebsd: { zeroFill: 'v_zfod', copied: ['v_cow_faults'], avoided: 'v_cow_optim' },
  dragonfly: { zeroFill: 'v_zfod', copied: ['v_cow_faults'], avoided: 'v_cow_optim' },
  netbsd: { zeroFill: 'flt_przero', copied: ['flt_prcopy', 'flt_acow'], avoided: null },
};

/** Counters of pages (not of operations) that pagers moved. */
const PAGE_INS = ['v_pgpgin', 'v_vnodepgsin', 'v_swappgsin', 'vnode_pages_read', 'pageins'];
const PAGE_OUTS = ['v_pgpgout', 'v_vnodepgsout', 'v_swappgsout', 'vnode_pages_written', 'pgswapout'];
const FAILED_KEPT = 10;

export class Account {
  references = 0;
  skippedReferences = 0;
  tlbMisses = 0;
  faults = 0;
  prefaultHits = 0;
  stopped: string | null = null;
  majorFaults = 0;
  private minor = 0;
  private failures = 0;
  private readonly byAccess: [number, number, number] = [0, 0, 0];
  private readonly byCode: Record<string, number> = {};
  private readonly kinds: FaultKinds = { zeroFill: 0, copied: 0, copyAvoided: 0, pagedIn: 0, mappedOnly: 0 };
  private readonly failedAccesses: FailedAccess[] = [];
  private readonly refusals: Record<string, number> = {};
  private readonly processes: ProcessAccount[] = [];
  /** Layers behind all entries measured, and the number of entries that have any. */
  private layers = 0;
  private layered = 0;
  private readonly telling: TellingCounters;
  private zeroFills = 0;
  private copies = 0;
  private avoided = 0;

  constructor(
    private readonly header: TraceHeader,
    private readonly system: VmSystem,
  ) {
    this.telling = TELLING[system.name];
    this.rebase();
  }

  /** The account of a process of the trace; made when first asked for. */
  process(id: number): ProcessAccount {
    const known = this.processes.find((process) => process.id === id);
    if (known !== undefined) return known;
    const { name, parent }: TraceProcess = this.header.processes[id - 1] ?? { id, name: `process ${id}`, parent: 0 };
    const counts = { references: 0, faults: 0, minor: 0, major: 0, entries: 0, chainMax: 0, chainMean: 0 };
    const account = { id, name, parent, ...counts, killed: false };
    this.processes.push(account);
    return account;
  }

  /** Takes the counters as they are for the state before the next fault. */
  rebase(): void {
    const { system, telling } = this;
    this.zeroFills = system.counter(telling.zeroFill);
    this.copies = 0;
    for (const name of telling.copied) this.copies += system.counter(name);
    this.avoided = telling.avoided === null ? 0 : system.counter(telling.avoided);
  }

  /** Counts the fault that has just been taken. */
  fault(process: ProcessAccount, code: number, access: Access): void {
    const { system, kinds, zeroFills, copies, avoided } = this;
    this.faults++;
    process.faults++;
    this.byAccess[access]++;
    count(this.byCode, system.faultCodeName(code));
    this.rebase();
    if (code !== system.faultSuccess) return;
    const major = system.lastFaultMajor;
    if (major) this.majorFaults++;
    else this.minor++;
    if (this.avoided > avoided) kinds.copyAvoided++;
    else if (this.copies > copies) kinds.copied++;
    else if (this.zeroFills > zeroFills) kinds.zeroFill++;
    else if (major) kinds.pagedIn++;
    else kinds.mappedOnly++;
  }

  /** Counts an access that was given up. */
  failure(process: ProcessAccount, page: number, access: Access, code: string): void {
    this.failures++;
    if (this.failedAccesses.length < FAILED_KEPT) this.failedAccesses.push({ process: process.id, page, access, code });
  }

  refusal(call: string, errno: string): void {
    count(this.refusals, `${call} ${errno}`);
  }

  /** Adds what a process used; its shape becomes that of this, its latest address space. */
  measure(account: ProcessAccount, vm: VmProcess): void {
    this.usage(account, vm);
    const entries = this.system.entries(vm);
    let layers = 0;
    let layered = 0;
    account.chainMax = 0;
    for (const entry of entries) {
      const depth = this.system.chainLength(vm, entry.start);
      if (depth === 0) continue;
      layers += depth;
      layered++;
      account.chainMax = Math.max(account.chainMax, depth);
    }
    account.entries = entries.length;
    account.chainMean = layered === 0 ? 0 : layers / layered;
    this.layers += layers;
    this.layered += layered;
  }

  usage(account: ProcessAccount, vm: VmProcess): void {
    account.minor += vm.usage.minor;
    account.major += vm.usage.major;
  }

  result(milliseconds: number, series: ReplaySeries): ReplayResult {
    const statistics = this.system.statistics();
    const [read, write, execute] = this.byAccess;
    return {
      system: this.system.name,
      program: this.header.program,
      references: this.references,
      referencesTotal: totalReferences(this.header.references),
      skippedReferences: this.skippedReferences,
      tlbMisses: this.tlbMisses,
      faults: this.faults,
      faultsByAccess: { read, write, execute },
      faultsByCode: this.byCode,
      successCode: this.system.faultCodeName(this.system.faultSuccess),
      kinds: this.kinds,
      minor: this.minor,
      major: this.majorFaults,
      prefaultHits: this.prefaultHits,
      failures: this.failures,
      failedAccesses: this.failedAccesses,
      refusals: this.refusals,
      pageIns: total(statistics, PAGE_INS),
      pageOuts: total(statistics, PAGE_OUTS),
      processes: this.processes,
      shape: this.shape(),
      statistics,
      queues: this.system.queues(),
      simulated: simulatedTime(this.system),
      series,
      stopped: this.stopped,
      milliseconds,
      referencesPerSecond: milliseconds > 0 ? Math.round((this.references / milliseconds) * 1000) : 0,
    };
  }

  private shape(): SpaceShape {
    return {
      entries: this.processes.reduce((sum, process) => sum + process.entries, 0),
      chainMax: this.processes.reduce((most, process) => Math.max(most, process.chainMax), 0),
      chainMean: this.layered === 0 ? 0 : this.layers / this.layered,
    };
  }
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

/** Sum of those counters that exist, or null when none does. */
function total(counters: Readonly<Record<string, number>>, names: readonly string[]): number | null {
  const known = names.filter((name) => name in counters);
  return known.length === 0 ? null : known.reduce((sum, name) => sum + counters[name], 0);
}
