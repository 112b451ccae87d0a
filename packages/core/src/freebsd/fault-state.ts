/**
 * The record of one page fault: the kernel's `struct faultstate`, its local variables, and what the stages leave for each other.
 *
 * Records are taken from a pool: a fault allocates nothing.
 */
import type { BranchListener } from '../kernel/branch.js';
import type { Stage } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import type { BranchId } from './branches.js';
import type { MapEntry, VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import type { VnodeHandle } from './pager-vnode.js';
import type { Vm } from './vm.js';

export const VM_FAULT_NORMAL = 0;
export const VM_FAULT_CHANGE_WIRING = 1;
export const VM_FAULT_USER_WIRE = 2;
export const VM_FAULT_WIRE_MASK = 3;
/** The access is a store: the page is dirty from now on. */
export const VM_FAULT_DIRTY = 8;

/** Most pages read ahead, before the sequential bonus, and behind. */
export const VM_FAULT_READ_AHEAD = 8;
export const VM_FAULT_READ_BEHIND = 7;
/** Pages of one read, and the width of the window in which a read counts as sequential. */
export const VM_FAULT_READ = VM_FAULT_READ_AHEAD + VM_FAULT_READ_BEHIND + 1;

/** Hears the branches of faults; their stages, the kernel's `stageListener` hears. */
export type FaultListener = BranchListener<BranchId, Fault>;

export type FaultStage = Stage<Fault>;

export class Fault {
  thread: Thread = null as unknown as Thread;

  // ---- what is asked
  /** The map of the fault; `map` may become a submap of it. */
  originalMap: VmMap = null as unknown as VmMap;
  /** Page number. */
  vaddr = 0;
  faultType: Prot = 0;
  /** The wanted permission as first asked; a wired entry widens `faultType`. */
  askedType: Prot = 0;
  flags = 0;
  /** Whether the address space belongs to the process that runs: only then is there prefaulting. */
  currentPmap = true;
  /** Whether a process runs at all: only then may a stack grow. */
  growstack = true;

  // ---- struct faultstate
  map: VmMap = null as unknown as VmMap;
  entry: MapEntry = null as unknown as MapEntry;
  /** The page in hand, the object that it is in, and its index there; -1 for none. */
  m = -1;
  object: VmObject = null as unknown as VmObject;
  pindex = 0;
  /** The page kept busy at the top of the chain, the top object, the index there. */
  firstM = -1;
  firstObject: VmObject = null as unknown as VmObject;
  firstPindex = 0;
  lookupStillValid = false;
  vp: VnodeHandle | null = null;

  // ---- locals of vm_fault
  prot: Prot = 0;
  wired = false;
  mapGeneration = 0;
  hardfault = 0;
  /** The pages of one read: in kernel words marray, faultcount, reqpage. */
  readonly marray = new Int32Array(64);
  faultcount = 0;
  reqpage = 0;
  ahead = 0;
  behind = 0;
  /** Index in the top object at which the scan behind a sequential read stands. */
  scanned = 0;
  /** What the pager answered, once it has. */
  rv = 0;

  // ---- on the way out
  /** Objects and translations refused so far. */
  refusals = 0;
  /** The stage after the clean-up: the look-up for a retry, null for the end. */
  following: FaultStage | null = null;
  /** Work in progress that is a task: the end of an object, the growth of a stack. */
  task: Task<void> | null = null;
  /** The candidate at which prefaulting goes on. */
  candidate = 0;

  // ---- how it ends
  /** The return code. */
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
