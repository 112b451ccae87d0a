/**
 * A machine: memory, page tables, CPUs, clock, costs and disk, wired together. It knows nothing of any kernel.
 */
import { SimClock } from './clock.js';
import type { Costs } from './costs.js';
import { makeCosts } from './costs.js';
import type { LoadRule } from './cpu.js';
import { Cpu, Walker } from './cpu.js';
import { Disk } from './disk.js';
import type { Contents } from './memory.js';
import { PhysicalMemory } from './memory.js';
import { PageTables } from './pagetable.js';
import type { TlbPlace } from './tlb.js';

export interface MachineOptions {
  /** Frames of the page pool. */
  readonly poolFrames: number;
  /** Frames outside the pool, for devices. Default 0. */
  readonly deviceFrames?: number;
  /** Default true: a fresh ArrayBuffer. */
  readonly contents?: Contents;
  /** Where the translation buffer of the first CPU shall lie. Default: a buffer of its own. */
  readonly tlb?: TlbPlace;
  /** CPUs, 1 to 64. Default 1. */
  readonly cpus?: number;
  /** When other CPUs drop a page that was shot down. Default `at-once`. */
  readonly shootdowns?: 'at-once' | 'stepped';
  readonly loadRule: LoadRule;
  /** Costs that differ from the defaults, in nanoseconds. */
  readonly costs?: Partial<Costs>;
}

const MAX_CPUS = 64;

export class Machine {
  readonly memory: PhysicalMemory;
  readonly tables: PageTables;
  readonly cpus: readonly Cpu[];
  readonly clock = new SimClock();
  readonly costs: Costs;
  readonly disk: Disk;
  /** The CPU that runs the kernel just now: it drops shot-down pages at once, whatever the mode. */
  currentCpu = 0;
  private readonly stepped: boolean;

  /** @throws RangeError for an impossible size or number of CPUs */
  constructor(options: MachineOptions) {
    const count = options.cpus ?? 1;
    if (!Number.isInteger(count) || count < 1 || count > MAX_CPUS) {
      throw new RangeError(`a machine has 1 to ${MAX_CPUS} CPUs, not ${count}`);
    }
    this.memory = new PhysicalMemory(options.poolFrames, options.deviceFrames ?? 0, options.contents ?? true);
    this.stepped = options.shootdowns === 'stepped';
    this.costs = makeCosts(options.costs);
    this.disk = new Disk(this.clock, this.costs);
    this.tables = new PageTables(this.memory.frames, {
      page: (asn, vpn) => this.shootDown(asn, vpn),
      all: () => this.shootDownAll(),
    });
    const walker = new Walker(this.tables, options.loadRule);
    this.cpus = Array.from({ length: count }, (_, id) =>
      id === 0
        ? new Cpu(id, this.tables, walker, this.memory, options.tlb)
        : new Cpu(id, this.tables, walker, this.memory),
    );
  }

  private shootDown(asn: number, vpn: number): void {
    const cpus = this.cpus;
    if (cpus.length === 1) {
      (cpus[0] as Cpu).tlb.dropPage(asn, vpn);
      return;
    }
    for (const cpu of cpus) {
      if (this.stepped && cpu.id !== this.currentCpu) cpu.requestShootdown(asn, vpn);
      else cpu.tlb.dropPage(asn, vpn);
    }
    this.clock.advance(this.costs.tlbShootdown);
  }

  /** A new generation of address-space numbers: pending requests speak of the old one and are carried out first. */
  private shootDownAll(): void {
    for (const cpu of this.cpus) {
      cpu.deliverShootdowns();
      cpu.tlb.flush();
    }
  }
}
