/**
 * uvm_anon: one page of anonymous memory, wherever it is.
 *
 * An anon is held by as many amaps as `ref` says. Its data is in `page`, or at `swslot`, or at both (then the page is a clean copy). The page
 * may be somebody else's: on loan from an object, which then owns it and must be asked first.
 *
 * The kernel gives each anon a lock. It is taken below amap and object and given up before every sleep, so no step of this machine ever
 * finds it held; it is not modelled. Freed anons are used again, so that a zero-fill fault allocates nothing but what it keeps.
 */
import type { UvmObject } from './object.js';
import { PG_BUSY, PG_RELEASED, PQ_ANON, pageFree, pageHas, pageObject } from './page.js';
import type { Vm } from './vm.js';

export class Anon {
  ref = 1;
  /** Frame, or -1. */
  page = -1;
  /** Swap slot; 0 none, SWSLOT_BAD (swap.ts) for data that is lost. */
  swslot = 0;

  constructor(
    /** Index in `Vm.anons`, from 1. */
    readonly id: number,
  ) {}
}

/** uvm_analloc: an anon with one reference and nothing in it, or null. */
export function anonAlloc(vm: Vm): Anon | null {
  if (vm.refuses('anon')) return null;
  const id = vm.freeAnons.pop();
  if (id === undefined) {
    const anon = new Anon(vm.anons.length);
    vm.anons.push(anon);
    vm.liveAnons++;
    return anon;
  }
  const anon = vm.anons[id] as Anon;
  anon.ref = 1;
  anon.page = -1;
  anon.swslot = 0;
  vm.liveAnons++;
  return anon;
}

/** uvm_anon_dropswap: the data at the slot is no longer wanted. */
export function anonDropSwap(vm: Vm, anon: Anon): void {
  if (anon.swslot === 0) return;
  vm.swap.free(anon.swslot, 1);
  anon.swslot = 0;
}

/**
 * uvm_anon_lockloanpg: settles who owns the anon's loaned page. An object still owns it, or has dropped it, in which case the anon takes it
 * over. Answers the page.
 */
export function anonLockLoanPage(vm: Vm, anon: Anon): number {
  const { page } = anon;
  if (pageObject(vm, page) === null && (vm.pages.pqflags[page] & PQ_ANON) === 0) {
    vm.pages.pqflags[page] |= PQ_ANON;
    vm.pages.loanCount[page]--;
  }
  return page;
}

/** Whether the anon's page belongs to an object that lends it. */
export function anonLender(vm: Vm, anon: Anon): UvmObject | null {
  return anon.page < 0 ? null : pageObject(vm, anon.page);
}

/**
 * uvm_anfree: the last reference is gone. A borrowed page goes back to its object, an own one is freed; one that is busy is marked, and
 * whoever has it busy frees page and anon.
 */
export function anonFree(vm: Vm, anon: Anon): void {
  let { page } = anon;
  if (page >= 0 && vm.pages.loanCount[page] !== 0) page = anonLockLoanPage(vm, anon);
  if (page >= 0 && pageObject(vm, page) !== null) {
    vm.pages.loanCount[page]--;
    vm.pages.anon[page] = 0;
    // As seeded the pointer stays, which the end of the anon does not bear (oddity 15).
    if (!vm.deadly) anon.page = -1;
  } else if (page >= 0) {
    vm.pmap.removePage(page);
    if (pageHas(vm, page, PG_BUSY)) {
      vm.pages.flags[page] |= PG_RELEASED;
      return;
    }
    pageFree(vm, page);
  }
  if (page < 0 && anon.swslot > 0) vm.swap.only--;
  anonDropSwap(vm, anon);
  dispose(vm, anon);
}

function dispose(vm: Vm, anon: Anon): void {
  if (anon.page >= 0) vm.panic('uvm_anon_dispose: anon->an_page != NULL');
  vm.freeAnons.push(anon.id);
  vm.liveAnons--;
}

/** One reference less. */
export function anonUnref(vm: Vm, anon: Anon): void {
  if (--anon.ref === 0) anonFree(vm, anon);
}

/** uvm_anon_release: the I/O on the page of an anon that nobody holds any more is over. */
export function anonRelease(vm: Vm, anon: Anon): void {
  pageFree(vm, anon.page);
  anonFree(vm, anon);
}
