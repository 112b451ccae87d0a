/**
 * One NetBSD kernel's virtual memory: what the files of this room share (the C kernel's `uvm` and `uvmexp`).
 *
 * Everything that the C kernel keeps in global variables is a field here, so that any number of kernels live side by side.
 */
import { KernelPanic } from '../kernel/errors.js';
import { Kernel } from '../kernel/kernel.js';
import { RecordPool } from '../kernel/record-pool.js';
import type { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { KernelOptions } from '../vm/routines.js';
import type { Anon } from './anon.js';
import { EIO } from './codes.js';
import { NetbsdCounters } from './counters.js';
import type { Fault, FaultListener } from './fault-state.js';
import type { LoanZeroObject } from './loan-zero.js';
import type { VmMap } from './map.js';
import type { UvmObject } from './object.js';
import { Pages, Q_FREE, RESERVE_KERNEL } from './page.js';
import { NetbsdPmap } from './pmap.js';
import type { OrderedErrors } from './swap.js';
import { SwapArea } from './swap.js';

/** What a test may make fail: the next allocation of this kind. */
export type Allocation = 'frame' | 'translation' | 'map entry' | 'object' | 'anon' | 'amap' | 'swap';

export interface VmOptions extends KernelOptions {
  /** Restores the five defects that hang or panic the kernel (CAVEATS.md: deadly). Default false. */
  readonly deadly?: boolean;
}

const FREEMIN_LEAST = 32;
const FREEMIN_MOST = 256;

export class Vm {
  readonly kernel: Kernel;
  readonly pages: Pages;
  readonly pmap: NetbsdPmap;
  readonly counters = new NetbsdCounters();
  readonly mended: boolean;
  readonly deadly: boolean;

  /** Objects and anons by number; number 0 is nobody. */
  readonly objects: (UvmObject | null)[] = [null];
  readonly freeObjectIds: number[] = [];
  readonly anons: (Anon | null)[] = [null];
  readonly freeAnons: number[] = [];
  liveAnons = 0;

  /** uvmexp.freemin, freetarg, wiredmax. */
  readonly freemin: number;
  readonly freetarg: number;
  readonly wiredmax: number;
  /** uvmexp.anonpages, filepages, execpages: counted as the kernel counts, which loans can put out of step. */
  anonpages = 0;
  filepages = 0;
  execpages = 0;
  /** uvmexp.wired: pages of the pool with a wire count. */
  wiredPages = 0;

  readonly swap: SwapArea;
  readonly swapStore: BackingStore | null;
  /** Reads from swap that shall fail. */
  readonly swapErrors: OrderedErrors = { count: 0, error: EIO };

  /** What threads that wait for memory, and the page daemon, sleep on. */
  readonly freeChannel = { channel: 'uvmexp.free' };
  readonly daemonChannel = { channel: 'uvm.pagedaemon' };
  /** Somebody has woken the page daemon since its last pass. */
  daemonWanted = false;
  /** lbolt: a second that passes. */
  readonly lbolt = { channel: 'lbolt' };

  /** The map that counts as the kernel's own. */
  kernelMap: VmMap | null = null;
  /** Some map has had a submap: translations may outlive what they showed. */
  everSubmap = false;
  /** Some fork has copied an amap that others share: they may still write to what is now held twice. */
  everCopiedShared = false;
  /** uvm_loanzero_object, made when it is first needed. */
  loanZero: LoanZeroObject | null = null;

  /** Hears the branches and stages of every fault, or null. */
  listener: FaultListener | null = null;
  /** Fault records that are not in use. */
  readonly freeFaults = new RecordPool<Fault>();
  /** For tests: answers true when an allocation of this kind shall fail. */
  allocationFails: ((kind: Allocation) => boolean) | null = null;
  /** What was refused last, until the same is granted: waiting for memory does not help against that. */
  private refused: Allocation | null = null;

  constructor(
    readonly machine: Machine,
    options: VmOptions,
  ) {
    const npages = machine.memory.poolFrames;
    this.kernel = new Kernel(machine.clock);
    this.pages = new Pages(npages, machine.memory.frames);
    machine.memory.zeroAheadOf({ queue: this.pages.queues.queue, first: Q_FREE, end: Q_FREE + 1 });
    this.mended = options.defects === 'mended';
    this.pmap = new NetbsdPmap(machine, this.pages, this.mended, this);
    const freemin = Math.min(Math.max(Math.floor(npages / 200), FREEMIN_LEAST), FREEMIN_MOST);
    this.freemin = Math.max(freemin, RESERVE_KERNEL + 1);
    this.freetarg = Math.floor((this.freemin * 4) / 3);
    this.wiredmax = Math.floor(npages / 3);
    this.swap = new SwapArea(options.swapPages);
    this.swapStore = options.swapStore;
    this.deadly = options.deadly ?? false;
  }

  /** Whether an allocation is refused: by a test, or because it is more than there can ever be. */
  refuses(kind: Allocation, tooMuch = false): boolean {
    if (this.allocationFails === null && this.refused === null && !tooMuch) return false;
    const refused = tooMuch || this.allocationFails?.(kind) === true;
    if (refused) this.refused = kind;
    else if (this.refused === kind) this.refused = null;
    return refused;
  }

  /** Whether somebody who has waited for memory would get none even so: an amap may be too large for ever, all else only a test refuses. */
  get stillRefusing(): boolean {
    return this.refused !== null && (this.allocationFails !== null || this.refused === 'amap');
  }

  /** panic(9). */
  panic(text: string): never {
    throw new KernelPanic(text);
  }

  /** pmap_zero_page. */
  zeroFrame(page: number): void {
    this.machine.memory.zeroFrame(page);
    this.machine.clock.advance(this.machine.costs.zeroPage);
  }

  /** pmap_copy_page. */
  copyFrame(from: number, to: number): void {
    this.machine.memory.copyFrame(from, to);
    this.machine.clock.advance(this.machine.costs.copyPage);
  }
}
