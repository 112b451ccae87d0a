/**
 * The record of one page fault: the kernel's `struct uvm_faultinfo`, the locals of uvm_fault_internal, and what the stages leave for each other.
 *
 * Records are taken from a pool, windows are arrays of fixed length: a fault allocates nothing.
 */
import type { BranchListener } from '../kernel/branch.js';
import type { Stage, StageListener } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import type { Amap } from './amap.js';
import type { Anon } from './anon.js';
import type { BranchId } from './branches.js';
import type { MapEntry, VmMap } from './map.js';
import type { UvmObject } from './object.js';
import type { Vm } from './vm.js';
import type { WaitAccount } from './wait.js';

/** fault_flag. */
export const FAULT_NORMAL = 0;
export const UVM_FAULT_WIRE = 1;
export const UVM_FAULT_WIREMAX = 2;

/** The largest nback + nforw + 1. */
export const UVM_MAXRANGE = 16;

/** Who is charged for faults: `ru_minflt` and `ru_majflt`. */
export interface FaultUsage {
  minor: number;
  major: number;
}

/** Hears the branches and stages of faults. */
export interface FaultListener extends BranchListener<BranchId, Fault>, StageListener {}

export type FaultStage = Stage<Fault>;

export class Fault implements WaitAccount {
  thread: Thread = null as unknown as Thread;

  // ---- what is asked
  /** The map of the fault; null for a page-in that no fault asks for (swap-off). */
  originalMap: VmMap = null as unknown as VmMap;
  /** Page number (orig_rvaddr). */
  vaddr = 0;
  /** The access as asked; `accessType` is widened for wired entries. */
  askedType: Prot = 0;
  flag = FAULT_NORMAL;
  usage: FaultUsage | null = null;

  // ---- struct uvm_faultinfo, the part filled in by the look-up
  map: VmMap = null as unknown as VmMap;
  mapVersion = 0;
  entry: MapEntry = null as unknown as MapEntry;

  // ---- locals
  accessType: Prot = 0;
  checkProt: Prot = 0;
  enterProt: Prot = 0;
  wired = false;
  wireFault = false;
  narrow = false;
  cowNow = false;
  promote = false;
  shadowed = false;
  locked = false;
  amap: Amap | null = null;
  uobj: UvmObject | null = null;
  /** The window: first page, pages before and after the center, length, and the center's place. */
  startva = 0;
  nback = 0;
  nforw = 0;
  npages = 0;
  center = 0;
  /** The page of the window that is looked at just now: for those who listen. */
  at = 0;
  readonly anons: (Anon | null)[] = new Array<Anon | null>(UVM_MAXRANGE).fill(null);
  readonly pages = new Int32Array(UVM_MAXRANGE);
  anon: Anon | null = null;
  oanon: Anon | null = null;
  spare: Anon | null = null;
  /** The page to map, and the object's page: frames, NO_PAGE or PGO_DONTCARE. */
  pg = -1;
  uobjpage = -1;

  // ---- anonget
  weOwn = false;
  /** The errno of the last piece of work. */
  error = 0;
  /** Where anonget, promote or a wait go on. */
  onward: FaultStage = null as unknown as FaultStage;
  afterWait: FaultStage = null as unknown as FaultStage;
  wmesg = '';
  /** Work in progress that is a task: I/O, mostly. */
  task: Task<number> | null = null;

  // ---- waiting, and how it ends
  fruitlessWaits = 0;
  mayGiveUp = false;
  /** The errno, or LOOP. */
  result = 0;
  /** The usage at the start, to tell a major fault. */
  majorBefore = 0;

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
