/**
 * The record of one page fault: the kernel's `struct faultstate`, its local variables, and what the stages leave for each other.
 *
 * One record serves all entrances: a trap, a wiring, vm_fault_page, vm_fault_object_page. They differ in the stages that begin and
 * end them, which they leave in `retry`, `resolved` and `failed`. Records are taken from a pool: a fault that meets no pager
 * allocates nothing.
 */
import type { BranchListener } from '../kernel/branch.js';
import type { Stage, StageListener } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import type { BranchId } from './branches.js';
import type { MapEntry, VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import type { DragonflyProcess } from './process.js';
import type { Vm } from './vm.js';
import type { VnodeHandle } from './vnode.js';

export const VM_FAULT_NORMAL = 0;
export const VM_FAULT_CHANGE_WIRING = 1;
export const VM_FAULT_USER_WIRE = 2;
export const VM_FAULT_WIRE_MASK = 3;
/** Map a few neighbours too: faults from user mode. */
export const VM_FAULT_BURST = 4;
/** The access is a store: the page is dirty from now on. */
export const VM_FAULT_DIRTY = 8;
/** The page's swap block is to go. */
export const VM_FAULT_UNSWAP = 16;

/** Hears the branches and stages of faults. */
export interface FaultListener extends BranchListener<BranchId, Fault>, StageListener {}

export type FaultStage = Stage<Fault>;

export class Fault {
  thread: Thread = null as unknown as Thread;
  /** Whose fault it is: account, rate limit, stack. Null for a thread without a process. */
  process: DragonflyProcess | null = null;

  // ---- what is asked
  /** The map of the fault; `map` may become a submap of it. */
  originalMap: VmMap = null as unknown as VmMap;
  /** Page number. */
  vaddr = 0;
  /** The access wanted; that of a wired entry replaces it for good. */
  faultType: Prot = 0;
  /** The access as first asked. */
  askedType = 0;
  flags = 0;

  // ---- struct faultstate
  /** Null for a fault on an object alone. */
  map: VmMap = null as unknown as VmMap;
  hasMap = true;
  entry: MapEntry = null as unknown as MapEntry;
  /** The page in hand and the object that is looked at; -1 for none. */
  m = -1;
  object: VmObject = null as unknown as VmObject;
  /** The page kept busy at the top of the chain, the top object, and what the map allows. */
  firstM = -1;
  firstObject: VmObject = null as unknown as VmObject;
  firstProt: Prot = 0;
  prot: Prot = 0;
  lookupStillValid = false;
  mapGeneration = 0;
  wired = false;
  didlimit = false;
  hardfault = 0;
  vp: VnodeHandle | null = null;

  // ---- locals
  /** Whether a stack may still be grown for this fault. */
  growstack = true;
  /** Whether the entry found has an object at all. */
  hasObject = false;
  /** Index that the map gives for the address; a virtual page table translates it. */
  mapPindex = 0;
  /** What vm_fault_object is called for: index in the top object, access, and the index in the object in hand. */
  firstPindex = 0;
  objectType: Prot = 0;
  pindex = 0;
  /** The walk of a virtual page table: index bits that remain, and the entry in hand as two halves. */
  vshift = 0;
  vpteHigh = 0;
  vpteLow = 0;
  /** The stage after the walk, and what `resolved` is then. */
  afterWalk: FaultStage = null as unknown as FaultStage;
  afterAll: FaultStage = null as unknown as FaultStage;
  /** What `failed` is outside the walk. */
  afterFail: FaultStage = null as unknown as FaultStage;
  /** The page in hand carried a read-ahead mark. */
  hadMark = false;

  // ---- how stages go on
  /** The stage of a new attempt, of a page found, and of a refusal. */
  retry: FaultStage = null as unknown as FaultStage;
  resolved: FaultStage = null as unknown as FaultStage;
  failed: FaultStage = null as unknown as FaultStage;
  /** The stage after the clean-up. */
  followUp: FaultStage | null = null;
  /** Work in progress that is a task, and the stage after it. */
  task: Task<number> | null = null;
  afterTask: FaultStage = null as unknown as FaultStage;
  /** What the task answered. */
  rv = 0;
  /** The tick at which a sleep for the rate limit ends. */
  sleepUntil = 0;
  /** How many processes had died of want of memory when the fault began to wait for it. */
  kills = 0;
  /** Free and cached pages at that moment, and how many waits in a row have brought none. */
  hadPages = 0;
  vainWaits = 0;
  /** Objects, entries and translations refused so far. */
  refusals = 0;

  // ---- how it ends
  result = 0;
  /** Whether it counted as a major fault. */
  major = false;

  /** Who hears of branches, or null. */
  listener: FaultListener | null = null;

  /** The record behind this one in the pool. */
  nextFree: Fault | null = null;

  constructor(readonly vm: Vm) {}
}

/** Marks a branch where it is taken. */
export function branch(f: Fault, id: BranchId): void {
  if (f.listener !== null) f.listener.branch(id, f);
}

/** Runs a task within the stages of a fault: its answer is in `rv` when `then` begins. */
export function runTask(f: Fault, task: Task<number>, then: FaultStage): FaultStage {
  f.task = task;
  f.afterTask = then;
  return stepTask;
}

function stepTask(f: Fault): FaultStage | null {
  const step = (f.task as Task<number>).next();
  if (step.done !== true) return stepTask;
  f.task = null;
  f.rv = step.value;
  return f.afterTask;
}
