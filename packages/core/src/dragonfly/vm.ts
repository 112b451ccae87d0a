/**
 * One DragonFly kernel's virtual memory: what the files of this room share.
 *
 * Everything that the C kernel keeps in global variables is a field here, so that any number of kernels live side by side.
 *
 * The tokens. Pages, queues and the page trees of objects belong to `vmToken`; the list of objects and their reference counts to
 * `vmobjToken`, which in this revision is always taken inside the other or alone. A token is lost while its holder sleeps and is
 * there again when it goes on: whoever slept looks everything up anew. Maps have a real lock (shared or exclusive) with
 * a timestamp; files have one of their own. Order: map, vnode; tokens need no order.
 */
import { KernelPanic } from '../kernel/errors.js';
import { Kernel } from '../kernel/kernel.js';
import { RecordPool } from '../kernel/record-pool.js';
import type { Thread } from '../kernel/thread.js';
import { Token } from '../kernel/token.js';
import type { Machine } from '../machine/machine.js';
import type { BackingStore } from '../machine/store.js';
import type { KernelOptions } from '../vm/routines.js';
import { DragonflyCounters } from './counters.js';
import type { Fault, FaultListener } from './fault-state.js';
import type { VmMap } from './map-entry.js';
import { COLOUR_STEP_MAX, type VmObject } from './object.js';
import { Pages, PQ_CACHE, PQ_FREE } from './page.js';
import { DragonflyPmap } from './pmap.js';
import type { DragonflyProcess } from './process.js';
import { DragonflySwapArea } from './swap-blocks.js';
import type { Thresholds } from './thresholds.js';
import { computeThresholds } from './thresholds.js';

/** What a test may make fail: the next allocation of this kind. */
export type Allocation = 'frame' | 'translation' | 'map entry' | 'object' | 'swap';

/** How a pager is asked by the fault: as this revision does, or with the pages around the asked one as the dead block would. */
export type ClusterRead = 'live' | 'additional-pages';

export interface VmOptions extends KernelOptions {
  readonly clusterRead: ClusterRead;
}

/** Clock ticks a second. */
export const HZ = 100;
export const NS_PER_TICK = 1e9 / HZ;
const LOAD_MAX = 1000;

export class Vm {
  readonly kernel: Kernel;
  readonly pages: Pages;
  readonly pmap: DragonflyPmap;
  readonly counters = new DragonflyCounters();
  readonly thresholds: Thresholds;
  readonly mended: boolean;
  readonly vmToken: Token;
  readonly vmobjToken: Token;
  /** Frames as 32-bit words, for the entries of virtual page tables; null without contents. */
  readonly words: Int32Array | null;

  /** Objects by number. Number 0 is nobody. */
  readonly objects: (VmObject | null)[] = [null];
  readonly freeObjectIds: number[] = [];
  /** Colour of the next object's first page. The kernel's own object, made at boot, had the first. */
  nextColour = COLOUR_STEP_MAX;
  /** Live processes, oldest first. */
  readonly processes: DragonflyProcess[] = [];

  /** v_wire_count. */
  wiredPages = 0;
  /** The counter of vm_page_dontneed. */
  dontneedCount = 0;
  /** vm_pageout_deficit: requests refused since the last scan. */
  pageoutDeficit = 0;
  /** Colour at which the daemon looks for the next cached page to free. */
  cacheRover = 0;
  /** Who scans the queues just now: the page daemon, or who asked for `pageout`. */
  scanner: Thread | null = null;
  readonly scannerChannel = { channel: 'vm_pageout_scan' };
  /** Set while that thread has the CPU: what it allocates may go deeper. */
  pageDaemonRuns = false;
  /** vm_pages_needed: how urgently the daemon is wanted. */
  pagesNeeded = 0;
  /** vm_pages_waiting: how many threads sleep for memory. */
  pagesWaiting = 0;
  /** Who has slept for memory since the page daemon last rested: they are in the kernel, even when woken already. */
  readonly memoryWaiters = new Set<Thread>();
  /** What threads that wait for memory, and the page daemon, sleep on. */
  readonly freeCountChannel = { channel: 'v_free_count' };
  readonly daemonChannel = { channel: 'vm_pages_needed' };
  /** Processes chosen to die for want of memory so far, and those that really did: one that is in the kernel itself lives on. */
  kills = 0;
  deaths = 0;
  /** Hears of a process before it dies for want of memory. */
  onKill: (process: DragonflyProcess) => void = () => {};

  /** vm_load and vm_load_enable: the limiter, and ticks of its clock since the start. */
  load = 0;
  loadEnabled = true;
  ticks = 0;
  /** vm.fast_fault. */
  fastFault = true;
  /** Scenario switch: vm_object_collapse does nothing. */
  collapseEnabled = true;
  /** Scenario switch: every swap read fails. */
  badSwap = false;

  /** How often vm_fault_object_page was asked for writing: each may leave a stale translation behind. */
  objectPageWrites = 0;
  /** Who wants to hear of page events (sleepers on a mutex in user memory), by frame. */
  readonly pageEvents = new Map<number, () => void>();

  readonly swapArea: DragonflySwapArea;
  readonly swapStore: BackingStore | null;
  /** The kernel's own map, whose faults are treated differently in places. Made on first use. */
  kernelMap: VmMap | null = null;
  readonly clusterRead: ClusterRead;

  /** Hears the branches and stages of every fault, or null. */
  listener: FaultListener | null = null;
  /** Fault records that are not in use. */
  readonly freeFaults = new RecordPool<Fault>();
  /** Messages that the kernel printed on its console. */
  readonly console: string[] = [];
  /** For tests: answers true when an allocation of this kind shall fail. */
  allocationFails: ((kind: Allocation) => boolean) | null = null;
  /** Frames in a row that `allocationFails` has refused: waiting for memory does not help against that. */
  refusals = 0;

  constructor(
    readonly machine: Machine,
    options: VmOptions,
  ) {
    this.kernel = new Kernel(machine.clock);
    this.vmToken = new Token(this.kernel, 'vm_token');
    this.vmobjToken = new Token(this.kernel, 'vmobj_token');
    this.pages = new Pages(machine.memory.poolFrames, machine.memory.frames);
    machine.memory.zeroAheadOf({ queue: this.pages.queues.queue, first: PQ_FREE, end: PQ_CACHE });
    this.pmap = new DragonflyPmap(this);
    this.thresholds = computeThresholds(machine.memory.poolFrames);
    this.swapArea = new DragonflySwapArea(options.swapPages);
    this.swapStore = options.swapStore;
    this.mended = options.defects === 'mended';
    this.clusterRead = options.clusterRead;
    const { bytes } = machine.memory;
    this.words = bytes === null ? null : new Int32Array(bytes.buffer, 0, bytes.length / 4);
  }

  /** panic(9). */
  panic(text: string): never {
    throw new KernelPanic(text);
  }

  /** kprintf(9). */
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

  /** Lets clock ticks pass: at each one the load rises while the page daemon is wanted, and falls otherwise. */
  passTicks(count: number): void {
    this.ticks += count;
    if (this.pagesNeeded > 0) this.load = Math.min(LOAD_MAX, this.load + count);
    else this.load = Math.max(0, this.load - count);
  }

  /** The thread in whose name a call from outside runs when no process is concerned. */
  createThread(name: string): Thread {
    return this.kernel.createThread(name);
  }
}
