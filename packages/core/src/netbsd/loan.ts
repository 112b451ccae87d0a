/**
 * uvm_loan: lending pages, to the kernel or to an anon, without copying them.
 *
 *     A -> K   an anon's page; the anon stays its owner        O -> K   an object's page
 *     A -> A   only one more reference on the anon             O -> A   a new anon that points at the object's page
 *
 * A lent page is read-only for everybody until the loan is ended or broken by a write. Where a copy-on-write range has nothing yet,
 * the one page of zeros is lent. Wired pages cannot be lent. When a page of a range fails, what was lent before it is given back.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_READ } from '../vm/prot.js';
import { amapLookup } from './amap.js';
import type { Anon } from './anon.js';
import { anonAlloc, anonUnref } from './anon.js';
import { EAGAIN, EBUSY, EINVAL, ENOENT, ENOMEM, ERESTART, LOOP } from './codes.js';
import { anonget } from './fault-anonget.js';
import { LOOKUP_BLOCKED, LOOKUP_OK, lookupEntry, relock, unlockAll, unlockMaps } from './fault-lock.js';
import { beginFault, endFault } from './fault-pool.js';
import type { Fault, FaultUsage } from './fault-state.js';
import { LoanZeroObject } from './loan-zero.js';
import type { VmMap } from './map.js';
import { ADVICE_NORMAL, UVM_ET_COPYONWRITE } from './map.js';
import type { UvmObject } from './object.js';
import { NO_PAGE } from './object.js';
import {
  PG_BUSY,
  PG_FAKE,
  PG_RDONLY,
  PG_RELEASED,
  PG_WANTED,
  PQ_ANON,
  pageActivate,
  pageAlloc,
  pageAnon,
  pageFree,
  pageHas,
  pageObject,
  pageUnbusy,
  wakePage,
} from './page.js';
import type { Vm } from './vm.js';
import { waitForMemory } from './wait.js';

/** What was lent: pages for the kernel, or anons. */
export interface Loan {
  readonly pages: number[];
  readonly anons: Anon[];
}

/** How one page went: lent, to be tried again from the look-up, or not to be lent. */
const LENT = 1;
const AGAIN = 0;
const REFUSED = -1;

/** uvm_loan: lends pages `start` to `end`, to anons or to the kernel. Answers the loan, or ENOENT or EINVAL. */
export function* loan(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  toAnon: boolean,
  usage: FaultUsage | null,
): Task<Loan | number> {
  const given: Loan = { pages: [], anons: [] };
  const f = beginFault(vm, thread, usage);
  f.originalMap = map;
  // As seeded a loan waits for memory as long as it takes.
  f.mayGiveUp = vm.mended;
  let error = 0;
  let at = start;
  while (at < end && error === 0) {
    f.vaddr = at;
    let found = lookupEntry(f, false);
    while (found === LOOKUP_BLOCKED) {
      yield;
      found = lookupEntry(f, false);
    }
    if (found !== LOOKUP_OK) {
      error = ENOENT;
      break;
    }
    f.accessType = PROT_READ;
    const lent = yield* loanEntry(f, given, Math.min(end, f.entry.end), toAnon);
    if (lent < 0) error = EINVAL;
    else at += lent;
  }
  endFault(f);
  if (error === 0) return given;
  unloanAnons(vm, given.anons);
  unloanPages(vm, given.pages);
  return error;
}

/**
 * uvm_loanentry: as many pages of one entry as go; the map is locked, and is not on return. Answers how many, or REFUSED. The address of the
 * fault record stays that of the first page: as seeded, whoever checks the look-up after I/O looks there, and a later page that needed
 * I/O is therefore looked up once more.
 */
function* loanEntry(f: Fault, given: Loan, end: number, toAnon: boolean): Task<number> {
  const { entry } = f;
  f.amap = entry.amap;
  const first = f.vaddr;
  if (f.amap !== null) while (!f.amap.lock.acquire(f.thread)) yield;
  for (let vpn = first; vpn < end; vpn++) {
    const anon = f.amap === null ? null : amapLookup(entry, vpn);
    let outcome = REFUSED;
    if (anon !== null) outcome = yield* loanAnon(f, given, anon, toAnon);
    else if (entry.object !== null) outcome = yield* loanObjectPage(f, given, entry.object, vpn, toAnon);
    else if ((entry.etype & UVM_ET_COPYONWRITE) !== 0) outcome = yield* loanZeros(f, given, toAnon);
    else unlockAll(f, f.amap, null);
    if (outcome === REFUSED) return REFUSED;
    if (outcome === AGAIN) return vpn - first;
  }
  if (f.amap !== null) f.amap.lock.release(f.thread);
  unlockMaps(f, false);
  return end - first;
}

// ---- from an anon ----------------------------------------------------------------------------------------------------

/** uvm_loananon. */
function* loanAnon(f: Fault, given: Loan, anon: Anon, toAnon: boolean): Task<number> {
  const { vm } = f;
  const { pages } = vm;
  if (toAnon) {
    const { page } = anon;
    if (page >= 0 && (pages.pqflags[page] & PQ_ANON) !== 0 && anon.ref === 1) {
      if (pages.wireCount[page] > 0) {
        unlockAll(f, f.amap, null);
        return REFUSED;
      }
      vm.pmap.protectPage(page);
    }
    anon.ref++;
    given.anons.push(anon);
    vm.counters.loan_aa++;
    return LENT;
  }
  const error = yield* getAnon(f, anon);
  if (error === ERESTART) return AGAIN;
  if (error === EAGAIN) return yield* sleepAndTryAgain(f);
  if (error !== 0) return REFUSED;
  const { page } = anon;
  const lender = pageObject(vm, page);
  if (pages.wireCount[page] > 0) {
    unlockAll(f, f.amap, lender);
    return REFUSED;
  }
  lendPage(vm, page);
  lender?.lock.release(f.thread);
  given.pages.push(page);
  vm.counters.loan_ak++;
  return LENT;
}

/** anonget inside a task. */
function* getAnon(f: Fault, anon: Anon): Task<number> {
  f.anon = anon;
  f.onward = ended;
  let stage = anonget(f);
  while (stage !== null) {
    if (!f.thread.running) yield;
    else stage = stage(f);
  }
  return f.result === LOOP ? ENOMEM : f.error;
}

function ended(): null {
  return null;
}

function* sleepAndTryAgain(f: Fault): Task<number> {
  f.vm.kernel.sleep(f.thread, f.vm.lbolt, 'loanagain', 1e9);
  while (!f.thread.running) yield;
  return AGAIN;
}

/** One loan more; the first makes the page read-only everywhere. */
function lendPage(vm: Vm, page: number): void {
  if (vm.pages.loanCount[page] === 0) vm.pmap.protectPage(page);
  vm.pages.loanCount[page]++;
  pageActivate(vm, page);
}

// ---- from an object --------------------------------------------------------------------------------------------------

/** uvm_loanuobj. */
function* loanObjectPage(f: Fault, given: Loan, object: UvmObject, vpn: number, toAnon: boolean): Task<number> {
  const { thread, entry } = f;
  const index = vpn - entry.start + entry.offset;
  while (!object.lock.acquire(thread)) yield;
  f.pages[0] = NO_PAGE;
  const error = object.getLocked(index, f.pages, 1, 0, PROT_READ);
  let page = f.pages[0];
  if (error !== 0 && error !== EBUSY) {
    unlockAll(f, f.amap, object);
    return REFUSED;
  }
  if (error === EBUSY) {
    unlockAll(f, f.amap, null);
    page = yield* object.get(thread, index, PROT_READ, ADVICE_NORMAL, f);
    if (page === -EAGAIN) return yield* sleepAndTryAgain(f);
    if (page < 0) return REFUSED;
    if (!(yield* holdOn(f, page))) return AGAIN;
  }
  return toAnon ? lendToAnon(f, given, object, page) : lendToKernel(f, given, object, page);
}

/** After I/O: locks everything again, or gives the page back. */
function* holdOn(f: Fault, page: number): Task<boolean> {
  const { vm, thread } = f;
  let again = relock(f);
  while (again === LOOKUP_BLOCKED) {
    yield;
    again = relock(f);
  }
  let locked = again === LOOKUP_OK;
  if (locked && f.amap !== null) while (!f.amap.lock.acquire(thread)) yield;
  const object = pageObject(vm, page) as UvmObject;
  while (!object.lock.acquire(thread)) yield;
  const overtaken = locked && f.amap !== null && amapLookup(f.entry, f.vaddr) !== null;
  if (pageHas(vm, page, PG_RELEASED) || overtaken) {
    if (locked) unlockAll(f, f.amap, null);
    locked = false;
  }
  if (locked) return true;
  wakePage(vm, page);
  if (pageHas(vm, page, PG_RELEASED)) {
    pageFree(vm, page);
  } else {
    pageActivate(vm, page);
    vm.pages.flags[page] &= ~(PG_BUSY | PG_WANTED);
  }
  object.lock.release(thread);
  return false;
}

/** uvm_loanpage. */
function lendToKernel(f: Fault, given: Loan, object: UvmObject, page: number): number {
  const { vm } = f;
  if (vm.pages.wireCount[page] > 0) return refuseBusy(f, object, page);
  lendPage(vm, page);
  pageUnbusy(vm, page);
  object.lock.release(f.thread);
  given.pages.push(page);
  vm.counters.loan_ok++;
  return LENT;
}

function lendToAnon(f: Fault, given: Loan, object: UvmObject, page: number): number {
  const { vm } = f;
  let anon = pageAnon(vm, page);
  if (anon !== null) {
    anon.ref++;
  } else {
    anon = vm.pages.wireCount[page] > 0 ? null : anonAlloc(vm);
    if (anon === null) return refuseBusy(f, object, page);
    anon.page = page;
    vm.pages.anon[page] = anon.id;
    lendPage(vm, page);
  }
  pageUnbusy(vm, page);
  object.lock.release(f.thread);
  given.anons.push(anon);
  vm.counters.loan_oa++;
  return LENT;
}

function refuseBusy(f: Fault, object: UvmObject, page: number): number {
  wakePage(f.vm, page);
  f.vm.pages.flags[page] &= ~(PG_WANTED | PG_BUSY);
  unlockAll(f, f.amap, object);
  return REFUSED;
}

// ---- zeros -----------------------------------------------------------------------------------------------------------

/** uvm_loanzero. */
function* loanZeros(f: Fault, given: Loan, toAnon: boolean): Task<number> {
  const { vm, thread } = f;
  vm.loanZero ??= new LoanZeroObject(vm);
  const page = vm.loanZero.first >= 0 ? vm.loanZero.first : makeZeroPage(vm, vm.loanZero);
  if (page < 0) {
    unlockAll(f, f.amap, null);
    return (yield* waitForMemory(vm, thread, f, 'loanzero')) ? AGAIN : REFUSED;
  }
  if (!toAnon) {
    vm.pages.loanCount[page]++;
    given.pages.push(page);
    vm.counters.loan_ok++;
    return LENT;
  }
  let anon = pageAnon(vm, page);
  if (anon !== null) {
    anon.ref++;
  } else {
    anon = anonAlloc(vm);
    if (anon === null) {
      unlockAll(f, f.amap, null);
      return REFUSED;
    }
    anon.page = page;
    vm.pages.anon[page] = anon.id;
    vm.pages.loanCount[page]++;
    pageActivate(vm, page);
  }
  given.anons.push(anon);
  vm.counters.loan_oa++;
  return LENT;
}

function makeZeroPage(vm: Vm, object: LoanZeroObject): number {
  const page = pageAlloc(vm, object, 0, null, true);
  if (page < 0) return -1;
  vm.pages.flags[page] &= ~(PG_WANTED | PG_BUSY | PG_FAKE);
  vm.pages.flags[page] |= PG_RDONLY;
  pageActivate(vm, page);
  return page;
}

// ---- giving back -----------------------------------------------------------------------------------------------------

/** uvm_unloananon. */
export function unloanAnons(vm: Vm, anons: readonly Anon[]): void {
  for (const anon of anons) anonUnref(vm, anon);
}

/** uvm_unloanpage: a page that its owner has dropped meanwhile goes to the anon that still has it, or is freed. */
export function unloanPages(vm: Vm, pages: readonly number[]): void {
  const { loanCount, pqflags } = vm.pages;
  for (const page of pages) {
    loanCount[page]--;
    const owned = pageObject(vm, page) !== null;
    if (!owned && pageAnon(vm, page) !== null && (pqflags[page] & PQ_ANON) === 0) {
      loanCount[page]--;
      pqflags[page] |= PQ_ANON;
    }
    if (loanCount[page] === 0 && !owned && pageAnon(vm, page) === null) pageFree(vm, page);
  }
}
