/**
 * The record of one page fault: vm_fault's local variables, and what the stages leave for each other.
 *
 * Records are taken from a pool: a fault allocates nothing.
 */
import type { BranchListener } from '../kernel/branch.js';
import type { Stage, StageListener } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import type { BranchId } from './branches.js';
import type { MapEntry, VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import type { Vm } from './vm.js';

/** Hears the branches and stages of faults. */
export interface FaultListener extends BranchListener<BranchId, Fault>, StageListener {}

export type FaultStage = Stage<Fault>;

export class Fault {
  thread: Thread = null as unknown as Thread;

  // ---- what is asked
  /** The map; it becomes the submap where the address leads into one. */
  map: VmMap = null as unknown as VmMap;
  /** Page number. */
  vaddr = 0;
  /** Widened to the entry's whole protection when the entry is wired. */
  faultType: Prot = 0;
  changeWiring = false;

  // ---- what vm_map_lookup answers
  entry: MapEntry = null as unknown as MapEntry;
  wired = false;
  foundObject: VmObject = null as unknown as VmObject;
  foundOffset = 0;
  foundProt: Prot = 0;

  // ---- locals of vm_fault
  firstObject: VmObject = null as unknown as VmObject;
  firstOffset = 0;
  /** The placeholder kept busy in the top object, or -1. */
  firstM = -1;
  /** The page in hand, the object that it is in, and its index there. */
  m = -1;
  object: VmObject = null as unknown as VmObject;
  offset = 0;
  prot: Prot = 0;
  lookupStillValid = false;
  /** The page as found, before it was copied to the top. */
  oldM = -1;
  copyObject: VmObject = null as unknown as VmObject;
  copyM = -1;
  copyOffset = 0;
  pageExists = false;
  /** What the pager answered, once it has, and the ear that it is given for that. */
  rv = 0;
  readonly answered = (status: number): void => {
    this.rv = status;
  };

  // ---- waiting
  /** The stage after the reference is gone: the look-up for a retry, null for the end. */
  afterDrop: FaultStage | null = null;
  /** Work in progress that is a task: the end of an object. */
  task: Task<void> | null = null;
  /** Whether a signal may end the wait for a page, and whether one has. */
  interruptible = false;
  interrupted = false;
  /** Waits for memory, one after the other, that did not raise the number of free frames. */
  fruitlessWaits = 0;
  freeBeforeWait = 0;
  /** Objects and translations refused so far. */
  refusals = 0;

  // ---- how it ends
  /** The return code. */
  result = 0;
  /** Pages that pagers have brought in for this fault. */
  pageins = 0;

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
