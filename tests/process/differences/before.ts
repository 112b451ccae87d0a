/**
 * What is known of one system before an operation: what the rows of the table of differences may ask.
 *
 * Pages, protections, locks and descriptors are the model's, which has been held against the system after every operation before. Three things
 * no model knows, and those are asked of the machine: where entries end, which translations there are, and how many frames are wired.
 */
import type { SystemName } from '@faultline/core';
import * as F from '@faultline/core';
import type { ModelProcess, Place } from '../model/model.js';
import type { Operation } from '../program.js';
import type { Rules } from '../rules.js';
import { Run } from '../run.js';
import type { Twin } from '../world.js';

const { PAGE_SIZE, USER_MAX_ADDRESS, USER_MIN_ADDRESS } = F;

type Kernel = F.Machine['kernel'];
type Handle = Parameters<Kernel['entries']>[0];
export type Entry = ReturnType<Kernel['entries']>[number];

/** An operation of a process that does nothing. */
const NOTHING: Operation = { op: 'lseek', who: 0, fd: 99, offset: 0 };

/** A run that can be asked. */
export class ObservedRun extends Run {
  before(operation: Operation): Before {
    // The first process comes with the first operation that wants one; here it must be there before.
    if ('who' in operation && this.twins.length === 0) this.step(NOTHING);
    const { twins } = this;
    const twin = 'who' in operation ? (twins[operation.who % twins.length] as Twin) : null;
    const address = twin !== null && 'at' in operation ? this.resolve(twin, operation.at) : 0;
    return new Before(this, operation, twin, address);
  }

  /** Pages of each process, and where its data segment ends: the same on all systems as long as they go the same way. */
  get shape(): string {
    return this.twins.map(({ model }) => `${model.places.size} to ${model.dataEnd}`).join();
  }

  get processCount(): number {
    return this.twins.length;
  }
}

export class Before {
  constructor(
    private readonly run: ObservedRun,
    readonly operation: Operation,
    /** Null for what concerns no process. */
    readonly twin: Twin | null,
    /** What the operation's address means on this system. */
    readonly address: number,
  ) {}

  get system(): SystemName {
    return this.run.options.system;
  }

  get rules(): Rules {
    return this.run.model.rules;
  }

  get processCount(): number {
    return this.run.processCount;
  }

  // ---- arguments

  get length(): number {
    return 'length' in this.operation ? this.operation.length : 0;
  }

  /** First byte behind the range. */
  get limit(): number {
    return this.address + this.length;
  }

  get unaligned(): boolean {
    return this.address % PAGE_SIZE !== 0;
  }

  /** The range begins below the first page that can be mapped. */
  get below(): boolean {
    return this.address < USER_MIN_ADDRESS;
  }

  /** The range ends behind the last one. */
  get beyond(): boolean {
    return this.limit > USER_MAX_ADDRESS;
  }

  /** More than a register holds. */
  get wraps(): boolean {
    return !Number.isSafeInteger(this.limit);
  }

  get start(): number {
    return Math.floor(this.address / PAGE_SIZE);
  }

  get end(): number {
    return Math.ceil(this.limit / PAGE_SIZE);
  }

  // ---- the address space, as the model knows it

  get model(): ModelProcess {
    if (this.twin === null) throw new Error(`${this.operation.op} concerns no process`);
    return this.twin.model;
  }

  place(vpn: number): Place | undefined {
    return this.model.places.get(vpn);
  }

  get places(): readonly Place[] {
    return this.placesIn(this.length);
  }

  /** First page of the range where nothing is mapped; `end` where there is none. */
  firstHole(from = this.start): number {
    let vpn = from;
    while (vpn < this.end && this.model.places.has(vpn)) vpn++;
    return Math.max(vpn, from);
  }

  get hole(): boolean {
    return this.firstHole() < this.end;
  }

  /** Bytes of memory that the operation shows to the program. */
  get shownBytes(): number {
    const { operation } = this;
    if (operation.op === 'fetch') return 4;
    return 'width' in operation ? operation.width : this.length;
  }

  /** Pages of so many bytes from the address on. */
  placesIn(bytes: number): readonly Place[] {
    const end = Math.ceil((this.address + bytes) / PAGE_SIZE);
    const within = [...this.model.places.values()].filter(({ vpn }) => vpn >= this.start && vpn < end);
    return within.sort((one, two) => one.vpn - two.vpn);
  }

  // ---- what only the machine knows

  private get handle(): Handle {
    if (this.twin === null) throw new Error(`${this.operation.op} concerns no process`);
    return (this.twin.real as unknown as { readonly process: { readonly vm: Handle } }).process.vm;
  }

  get entries(): Entry[] {
    return this.run.machine.kernel.entries(this.handle);
  }

  /** The entry that holds a page. */
  entryAt(vpn: number): Entry | null {
    const at = vpn * PAGE_SIZE;
    return this.entries.find(({ start, end }) => at >= start && at < end) ?? null;
  }

  /** Entries of which part lies in the range. */
  get touched(): Entry[] {
    const [from, to] = [this.start * PAGE_SIZE, this.end * PAGE_SIZE];
    return this.entries.filter(({ start, end }) => end > from && start < to);
  }

  /** What the entry at a page maps itself: `vnode:NAME` for a file. */
  topLayer(vpn: number): string {
    const [top] = this.run.machine.kernel.backing(this.handle, vpn * PAGE_SIZE) ?? [];
    return top === undefined || top.kind === 'amap' ? 'none' : top.type;
  }

  /**
   * Whether the hardware lets an access through without asking the kernel: there is a translation, and it allows what is needed, so far as the
   * hardware tells. That of dragonfly and netbsd cannot refuse to read what is there, and only those of freebsd and netbsd to execute it.
   */
  translated(vpn: number, need: number): boolean {
    const at = vpn * PAGE_SIZE;
    const all = this.run.machine.kernel.translations(this.handle);
    const protection = all.find(({ start, end }) => at >= start && at < end)?.protection;
    if (protection === undefined) return false;
    const told = {
      csrg: F.PROT_READ | F.PROT_WRITE,
      freebsd: 7,
      dragonfly: F.PROT_WRITE,
      netbsd: F.PROT_WRITE | F.PROT_EXEC,
    };
    return (need & told[this.system] & ~protection) === 0;
  }

  /** Wired frames of the whole machine, and the most that there may be. */
  get wired(): { readonly frames: number; readonly most: number } {
    const { kernel } = this.run.machine;
    const frames = (kernel as unknown as { readonly vm: { readonly wiredPages: number } }).vm.wiredPages;
    return { frames, most: Math.floor(kernel.machine.memory.poolFrames / 3) };
  }

  /** Pages of this process: mapped, and wired by entries. */
  get sizes(): { readonly mapped: number; readonly wired: number } {
    return this.run.machine.kernel.port.sizes(this.handle);
  }
}
