/**
 * uvm_object: what lies below the amap of an entry, and what every kind of it can be asked.
 *
 * Four kinds: a vnode (file), an aobj (anonymous memory that several processes map), a device (whose frames lie outside the pool and which
 * handles its faults by itself), and the one page of zeros that is lent where nothing has been written yet.
 *
 *     getLocked   hand over what is resident, with everything locked; never sleeps
 *     get         make one page resident and busy; entered with the object locked, left with it unlocked
 *     put         deactivate, clean or free a range; entered locked, left unlocked
 *
 * Lock order: map, amap, object, anon, page queues.
 */
import { Mutex } from '../kernel/locks.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import type { Vm } from './vm.js';
import type { WaitAccount } from './wait.js';

export const PGO_CLEANIT = 0x001;
export const PGO_FREE = 0x008;
export const PGO_DEACTIVATE = 0x004;

/** Places of a window: not asked for, and nothing there. */
export const PGO_DONTCARE = -2;
export const NO_PAGE = -1;

export type ObjectKind = 'vnode' | 'aobj' | 'device' | 'loanzero';

export abstract class UvmObject {
  /** Number in `Vm.objects`, from 1. */
  readonly id: number;
  abstract readonly kind: ObjectKind;
  refs = 1;
  npages = 0;
  /** First and last page of the list, -1 when empty. */
  first = -1;
  last = -1;
  /** A vnode that somebody executes. */
  isText = false;
  readonly lock: Mutex;

  constructor(
    protected readonly vm: Vm,
    name: string,
  ) {
    this.id = vm.freeObjectIds.pop() ?? vm.objects.length;
    vm.objects[this.id] = this;
    this.lock = new Mutex(vm.kernel, `object ${name}`);
  }

  /** Whether it handles its faults itself (pgo_fault). */
  get hasFault(): boolean {
    return false;
  }

  /** Whether it has a pgo_put. */
  get hasPut(): boolean {
    return true;
  }

  /** UVM_OBJ_NEEDS_WRITEFAULT: the object wants to hear of the first store. */
  get needsWriteFault(): boolean {
    return false;
  }

  reference(): void {
    this.refs++;
  }

  /** Drops a reference; the last one is the object's end where it has one. */
  abstract detach(thread: Thread): Task<void>;

  /**
   * pgo_get with PGO_LOCKED: fills the places of `pages` that are NO_PAGE with pages made busy. Answers 0, EBUSY when the center is not to
   * be had without waiting, or what is wrong with it.
   */
  abstract getLocked(index: number, pages: Int32Array, npages: number, center: number, access: Prot): number;

  /** pgo_get, synchronous, of one page. Answers its frame, or a negative errno. `waits` is charged for waits for memory. */
  abstract get(thread: Thread, index: number, access: Prot, advice: number, waits: WaitAccount): Task<number>;

  /** pgo_put of pages `start` to `end`. Answers 0 or an errno. */
  abstract put(thread: Thread, start: number, end: number, flags: number, daemon: boolean): Task<number>;

  /** Its number is free again. */
  protected retire(): void {
    this.vm.objects[this.id] = null;
    this.vm.freeObjectIds.push(this.id);
  }
}

/** Pages of a walk longer than this many times the range go by offset instead of by list (UVM_PAGE_TREE_PENALTY). */
export const TREE_PENALTY = 4;

/** The object's pages from `start` to `end` in the order in which a put visits them. */
export function pagesInPutOrder(vm: Vm, object: UvmObject, start: number, end: number): number[] {
  const found: number[] = [];
  const { links, hash } = vm.pages;
  if (object.npages <= (end - start) * TREE_PENALTY) {
    for (let page = object.first; page >= 0; page = links.next(page)) {
      const index = hash.pindex[page];
      if (index >= start && index < end) found.push(page);
    }
    return found;
  }
  for (let index = start; index < end; index++) {
    const page = hash.lookup(object.id, index);
    if (page >= 0) found.push(page);
  }
  return found;
}
