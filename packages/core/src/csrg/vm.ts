/**
 * One CSRG kernel's virtual memory: what the files of this room share.
 *
 * Everything that the C kernel keeps in global variables is a field here, so that any number of kernels live side by side.
 *
 * A word on locks. The kernel was written for one processor (hp300): its simple locks (objects, page queues) compile to nothing,
 * and a thread keeps the CPU until it sleeps. So nothing is modelled for them: code that the kernel runs under a simple lock runs here
 * without a yield. What really sleeps is modelled: the lock of a map, a busy page, paging in progress on an object, I/O, and the wait for
 * memory. Lock order: map, sharing map, then (as marks only) object, copy object, page queues.
 */
import { KernelPanic } from '../kernel/errors.js';
import { Kernel } from '../kernel/kernel.js';
import { RecordPool } from '../kernel/record-pool.js';
import type { Thread } from '../kernel/thread.js';
import type { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { KernelOptions } from '../vm/routines.js';
import { CsrgCounters } from './counters.js';
import type { Fault, FaultListener } from './fault-state.js';
import type { VmObject } from './object.js';
import { Pages, PQ_FREE } from './page.js';
import type { SwapWrite } from './pager-swap.js';
import { CsrgPmap } from './pmap.js';
import { SwapArea } from './swap-area.js';
import type { Thresholds } from './thresholds.js';
import { computeThresholds } from './thresholds.js';

/** What a test may make fail: the next allocation of this kind. */
export type Allocation = 'frame' | 'translation' | 'map entry' | 'object' | 'pager' | 'swap';

/** Objects without a reference that the kernel keeps for the next mapping (vm_cache_max). */
export const VM_CACHE_MAX = 100;

export interface VmOptions extends KernelOptions {
  /** The source's DOTHREADS: whether an interrupted wait for a page ends the fault (true), or is just taken up again. */
  readonly interruptible: boolean;
}

export class Vm {
  readonly kernel: Kernel;
  readonly pages: Pages;
  readonly pmap: CsrgPmap;
  readonly counters = new CsrgCounters();
  readonly thresholds: Thresholds;
  readonly mended: boolean;
  readonly interruptible: boolean;

  /** vm_object_list by number. Number 0 is nobody. */
  readonly objects: (VmObject | null)[] = [null];
  readonly freeObjectIds: number[] = [];
  /** vm_object_cached_list: persistent objects without a reference, oldest first. */
  readonly cachedObjects: VmObject[] = [];

  /** v_wire_count. */
  wiredPages = 0;
  /**
   * For the checker: the defect that has made wire counts differ from what the entries imply, or permissions of translations from what a
   * look-up would allow; empty as long as none has.
   */
  wiringAstray = '';
  permissionsAstray = '';
  /** What threads that wait for memory sleep on, and the page daemon. */
  readonly freeCountChannel = { channel: 'v_free_count' };
  readonly daemonChannel = { channel: 'vm_pages_needed' };
  /** Who scans the page queues just now, and what the others sleep on. */
  scanner: Thread | null = null;
  readonly scannerChannel = { channel: 'vm_pageout_scan' };
  /** The page daemon sleeps, or has been woken and not yet run: when it runs, it scans. */
  daemonSlept = false;

  readonly swapArea: SwapArea;
  readonly swapStore: BackingStore | null;
  /** Writes to the swap area that have been begun and not cleaned up. */
  readonly swapWrites: SwapWrite[] = [];

  /** Hears the branches and stages of every fault, or null. */
  listener: FaultListener | null = null;
  /** Fault records that are not in use, and those that sleep on a page. */
  readonly freeFaults = new RecordPool<Fault>();
  readonly sleepingFaults: Fault[] = [];
  /** Messages that the kernel printed on its console. */
  readonly console: string[] = [];
  /** For tests: answers true when an allocation of this kind shall fail. */
  allocationFails: ((kind: Allocation) => boolean) | null = null;

  constructor(
    readonly machine: Machine,
    options: VmOptions,
  ) {
    this.kernel = new Kernel(machine.clock);
    this.pages = new Pages(machine.memory.poolFrames, machine.memory.frames);
    machine.memory.zeroAheadOf({ queue: this.pages.queues.queue, first: PQ_FREE, end: PQ_FREE + 1 });
    this.mended = options.defects === 'mended';
    this.pmap = new CsrgPmap(machine, this.mended, this);
    this.thresholds = computeThresholds(machine.memory.poolFrames);
    this.swapArea = new SwapArea(options.swapPages);
    this.swapStore = options.swapStore;
    this.interruptible = options.interruptible;
  }

  /** panic(9). */
  panic(text: string): never {
    throw new KernelPanic(text);
  }

  /** printf(9) of the kernel. */
  printf(text: string): void {
    this.console.push(text);
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
