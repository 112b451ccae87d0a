/**
 * What a process is behind both faces of the API: an address space, descriptors, limits, and how it ended.
 *
 * `pmap` is what the fast path of an access looks through. It is the address space's while the process may run; one that has ended, or waits
 * for its vfork child, has an empty one that never matches, so that the fast path need not ask.
 */
import { Pmap } from '../machine/pagetable.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { VmProcess } from '../vm/system.js';
import type { Limits, ResourceUsage, SignalValue } from './api.js';
import type { MachineCore } from './core.js';
import { Descriptors } from './files.js';

/** Where data segments begin unless an image says otherwise: room for an image below, and for the heap above. */
export const DATA_START = 0x8000000;

/** Translations of nobody. */
export function noTranslations(): Pmap {
  return new Pmap(-1);
}

export class ProcessCore {
  alive = true;
  killedBy: SignalValue | null = null;
  private undone = false;
  pmap: Pmap;
  readonly descriptors = new Descriptors();
  /** The child of a vfork that runs in this address space, or null. */
  lentTo: ProcessCore | null = null;
  /** Whose address space this process runs in since its vfork, or null. */
  borrowedFrom: ProcessCore | null = null;
  dataStart = DATA_START;
  dataEnd = DATA_START;
  /** Most pages that were resident when somebody looked. */
  private peakPages = 0;

  constructor(
    readonly core: MachineCore,
    readonly id: number,
    readonly name: string,
    /** The address space and its first thread. */
    public vm: VmProcess,
    public limits: Limits,
  ) {
    this.pmap = core.port.pmapOf(vm);
  }

  /** A new address space gets its break and its stack limit. */
  prepare(dataStart: number): void {
    const { port } = this.core;
    this.dataStart = dataStart;
    this.dataEnd = dataStart;
    port.setDataStart(this.vm, dataStart);
    port.setStackLimit(this.vm, this.limits.stack);
  }

  /** Refuses what cannot run. */
  ready(): void {
    if (this.alive && this.lentTo === null) return;
    throw new Error(this.alive ? this.lentText() : this.endedText());
  }

  private lentText(): string {
    return `process ${this.id} ('${this.name}') waits for its vfork child ${this.lentTo?.id} to exec or exit`;
  }

  private endedText(): string {
    if (this.undone) return `process ${this.id} ('${this.name}') was made after the snapshot that has been restored`;
    const how = this.killedBy === null ? 'has exited' : `was killed by ${this.killedBy.signal} (${this.killedBy.code})`;
    return `process ${this.id} ('${this.name}') ${how}`;
  }

  /** The process is over: whatever holds its address space has let go of it, or will. */
  end(killedBy: SignalValue | null): void {
    this.sampleResident();
    this.alive = false;
    this.killedBy = killedBy;
    this.pmap = noTranslations();
    this.descriptors.removeAll();
    const { processes } = this.core;
    const at = processes.indexOf(this);
    if (at >= 0) processes.splice(at, 1);
  }

  /** A machine has been put back to a moment before this process was made. */
  undo(): void {
    this.alive = false;
    this.undone = true;
    this.pmap = noTranslations();
  }

  /** As the statistics clock does. */
  sampleResident(): void {
    const { residentCount } = this.pmap;
    if (residentCount > this.peakPages) this.peakPages = residentCount;
  }

  usage(): ResourceUsage {
    this.sampleResident();
    const { minor, major } = this.vm.usage;
    return { ru_maxrss: this.peakPages * PAGE_SIZE, ru_minflt: minor, ru_majflt: major };
  }
}
