/**
 * One FreeBSD kernel's virtual memory: what the files of this room share.
 *
 * Everything that the C kernel keeps in global variables is a field here, so that any number of kernels live side by side.
 */
import { KernelPanic } from '../kernel/errors.js';
import { Kernel } from '../kernel/kernel.js';
import { Mutex } from '../kernel/locks.js';
import { RecordPool } from '../kernel/record-pool.js';
import type { Thread } from '../kernel/thread.js';
import type { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { KernelOptions } from '../vm/routines.js';
import { SwapArea } from '../vm/swap-blocks.js';
import { FreebsdCounters } from './counters.js';
import type { Fault, FaultListener } from './fault-state.js';
import type { VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import { Pages, PQ_FREE } from './page.js';
import { countMin } from './page-alloc.js';
import { FreebsdPmap } from './pmap.js';
import type { Thresholds } from './thresholds.js';
import { computeThresholds } from './thresholds.js';

/** What a test may make fail: the next allocation of this kind. */
export type Allocation = 'frame' | 'translation' | 'map entry' | 'object' | 'swap';

export class Vm {
  readonly kernel: Kernel;
  readonly pages: Pages;
  readonly pmap: FreebsdPmap;
  readonly counters = new FreebsdCounters();
  readonly thresholds: Thresholds;
  readonly mended: boolean;

  /** Objects by number / 2. Number 0 is nobody. */
  readonly objects: (VmObject | null)[] = [null];
  readonly freeObjectIds: number[] = [];
  nextObjectId = 1;

  /** v_wire_count of the pool. */
  wiredPages = 0;
  /** vm_page_zero_count: free pages already zeroed. */
  zeroedPages = 0;
  /** dnweight of vm_page_dontneed. */
  dontneedCount = 0;
  /** vm_pageout_deficit: requests refused since the last scan. */
  pageoutDeficit = 0;
  /** Set while the page daemon's own thread allocates: it may go deeper. */
  pageDaemonRuns = false;
  /** vm_pages_needed: somebody waits for pages. */
  pagesNeeded = false;
  /** The last wait for memory ended without any: who waits gives up. */
  memoryExhausted = false;
  /** What threads that wait for pages, and the page daemon, sleep on. */
  readonly freeCountChannel = { channel: 'v_free_count' };
  readonly daemonChannel = { channel: 'vm_pages_needed' };

  /** The lock of everything that has none of its own yet. */
  readonly giant: Mutex;
  readonly swapArea: SwapArea;
  readonly swapStore: BackingStore | null;
  /** The kernel's own map, whose faults and entries are treated differently in places. Made on first use. */
  kernelMap: VmMap | null = null;

  /** Hears the branches and stages of every fault, or null. */
  listener: FaultListener | null = null;
  /** Fault records that are not in use. */
  readonly freeFaults = new RecordPool<Fault>();
  /** Messages that the kernel printed on its console. */
  readonly console: string[] = [];
  /** Frames in a row that `allocationFails` has refused: waiting for memory does not help against that. */
  refusals = 0;
  /** For tests: answers true when an allocation of this kind shall fail. */
  allocationFails: ((kind: Allocation) => boolean) | null = null;

  constructor(
    readonly machine: Machine,
    options: KernelOptions,
  ) {
    this.kernel = new Kernel(machine.clock);
    this.giant = new Mutex(this.kernel, 'Giant', true);
    this.pages = new Pages(machine.memory.poolFrames, machine.memory.frames);
    machine.memory.zeroAheadOf({ queue: this.pages.queues.queue, first: PQ_FREE, end: PQ_FREE + 1 });
    this.pmap = new FreebsdPmap(machine, this.pages, this);
    this.thresholds = computeThresholds(machine.memory.poolFrames);
    this.swapArea = new SwapArea(options.swapPages);
    this.swapStore = options.swapStore;
    this.mended = options.defects === 'mended';
  }

  /** panic(9). */
  panic(text: string): never {
    throw new KernelPanic(text);
  }

  /** printf(9) of the kernel. */
  printf(text: string): void {
    this.console.push(text);
  }

  /** vm_page_free_wakeup: a page has become available; wakes who waits once there are enough. */
  noteFreePage(): void {
    if (!this.pagesNeeded || countMin(this)) return;
    this.pagesNeeded = false;
    this.kernel.wakeup(this.freeCountChannel);
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

  /** The thread in whose name a call from outside runs when no process is concerned. */
  createThread(name: string): Thread {
    return this.kernel.createThread(name);
  }
}
