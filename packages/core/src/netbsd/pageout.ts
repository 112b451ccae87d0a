/**
 * Swap clusters: anonymous pages on their way out.
 *
 * A cluster is up to 16 neighbouring slots, or a single one when no 16 can be had, filled as the scan finds dirty pages and written when it is
 * full. Its pages are busy and on no queue. Once written they are freed: their owner then has only the slot. What is left of a
 * cluster's slots at the end of a scan is given back.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { anonRelease } from './anon.js';
import type { AnonObject } from './aobj.js';
import {
  PG_BUSY,
  PG_CLEAN,
  PG_PAGEOUT,
  PG_RELEASED,
  PQ_ANON,
  PQ_AOBJ,
  pageActivate,
  pageAnon,
  pageFree,
  pageIndex,
  pageObject,
  pageUnbusy,
} from './page.js';
import { SWSLOT_BAD, swapPut } from './swap.js';
import type { Vm } from './vm.js';

/** Pages of one write. */
const CLUSTER_SLOTS = 16;

/** uvmpd_dropswap: gives the slot of a page back; the page is dirty then. False when it had none. */
export function dropPageSwap(vm: Vm, page: number): boolean {
  const anon = pageAnon(vm, page);
  if ((vm.pages.pqflags[page] & PQ_ANON) !== 0 && anon !== null) {
    if (anon.swslot === 0) return false;
    vm.swap.free(anon.swslot, 1);
    anon.swslot = 0;
  } else if ((vm.pages.pqflags[page] & PQ_AOBJ) === 0 || aobjOf(vm, page).dropSwap(pageIndex(vm, page)) === 0) {
    return false;
  }
  vm.pages.flags[page] &= ~PG_CLEAN;
  return true;
}

function aobjOf(vm: Vm, page: number): AnonObject {
  return pageObject(vm, page) as AnonObject;
}

/** Frees a clean page: its data is on swap only from now on, if it has a slot. */
export function pageFreed(vm: Vm, page: number): void {
  const object = pageObject(vm, page);
  const anon = pageAnon(vm, page);
  const slot = object === null ? (anon?.swslot ?? 0) : (object as AnonObject).slotOf(pageIndex(vm, page));
  // A page that its object took back from the loan stays clean as seeded, though nothing is behind it (oddity 22).
  if (object === null && anon !== null && slot === 0) vm.panic('uvmpd_scan: anon->an_swslot == 0');
  pageFree(vm, page);
  vm.counters.pdfreed++;
  if (slot > 0) vm.swap.only++;
}

export class Pageout {
  private first = 0;
  private slots = 0;
  private pages: number[] = [];

  constructor(private readonly vm: Vm) {}

  /** Pages collected and not yet written (swapcluster_nused). */
  get pending(): number {
    return this.pages.length;
  }

  /** Takes a dirty page into the cluster; false when there is no slot for it. */
  add(page: number): boolean {
    const { vm } = this;
    if (this.first === 0 && !this.open()) return false;
    const slot = this.first + this.pages.length;
    vm.pages.flags[page] |= PG_BUSY | PG_PAGEOUT;
    vm.pages.queues.remove(page);
    setSlot(vm, page, slot);
    this.pages.push(page);
    vm.counters.pgswapout++;
    return true;
  }

  /** swapcluster_allocslots. */
  private open(): boolean {
    const { vm } = this;
    if (vm.refuses('swap')) return false;
    for (const count of [CLUSTER_SLOTS, 1]) {
      this.first = vm.swap.alloc(count);
      this.slots = count;
      if (this.first !== 0) return true;
    }
    return false;
  }

  /** swapcluster_flush: writes the cluster if it is full, or in any case at the end. */
  *flush(thread: Thread, last: boolean): Task<void> {
    const { vm, first, pages } = this;
    if (first === 0 || (pages.length < this.slots && !last)) return;
    if (pages.length < this.slots) vm.swap.free(first + pages.length, this.slots - pages.length);
    this.first = 0;
    this.pages = [];
    if (pages.length === 0) return;
    vm.counters.pdpageouts++;
    const failed = (yield* swapPut(vm, thread, first, pages)) !== 0;
    if (failed && vm.mended) {
      for (const page of pages) keep(vm, page);
      return;
    }
    if (failed) vm.swap.markBad(pages.length, false);
    for (const page of pages) written(vm, page, failed);
  }
}

function setSlot(vm: Vm, page: number, slot: number): void {
  const object = pageObject(vm, page);
  if (object !== null) (object as AnonObject).setSlot(pageIndex(vm, page), slot);
  else if (pageAnon(vm, page) !== null) (pageAnon(vm, page) as { swslot: number }).swslot = slot;
}

/** Mended, a write that fails costs nothing: the page stays, active and dirty, and its slot is given back (oddity 25). */
function keep(vm: Vm, page: number): void {
  const anon = pageAnon(vm, page);
  dropPageSwap(vm, page);
  vm.pages.flags[page] &= ~PG_PAGEOUT;
  if (anon !== null && pageObject(vm, page) === null && anon.ref === 0) {
    anonRelease(vm, anon);
    return;
  }
  pageActivate(vm, page);
  pageUnbusy(vm, page);
}

/**
 * uvm_aio_aiodone of a page-out: the page is freed. A failed write is taken to be for good: the data is lost, and the owner told so by a bad
 * slot. An anon that nobody holds any more goes too.
 */
function written(vm: Vm, page: number, failed: boolean): void {
  const anon = pageAnon(vm, page);
  if (failed) setSlot(vm, page, SWSLOT_BAD);
  vm.pages.flags[page] = (vm.pages.flags[page] & ~PG_PAGEOUT) | PG_RELEASED;
  vm.counters.pdfreed++;
  if (!failed) vm.swap.only++;
  if (anon !== null && pageObject(vm, page) === null && anon.ref === 0) {
    anonRelease(vm, anon);
  } else {
    pageUnbusy(vm, page);
  }
}
