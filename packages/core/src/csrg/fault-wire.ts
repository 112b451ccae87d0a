/**
 * Around the handler: a fault inside a task, wiring and unwiring a range, and the copy of a wired entry for a child.
 *
 * Unwiring goes by the translations: what is not mapped cannot be found. The kernel panics there; here the page is passed over, whatever
 * the defects setting, since otherwise the end of a process would be the end of the machine; mended, it is found through the entry's
 * objects. Frames outside the pool have no vm_page to unwire.
 */
import { KernelHang } from '../kernel/errors.js';
import { runStages } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_NONE } from '../vm/prot.js';
import { faultStart } from './fault.js';
import { beginFault, endFault, mark } from './fault-pool.js';
import { fruitlessLimit } from './fault-release.js';
import { FAULT_LOOP, KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import { objectAllocate } from './object.js';
import { pageActivate, pageAlloc, pageCopy, pageLookup, pageUnwire, pageWakeup, pageZeroFill } from './page.js';
import type { Vm } from './vm.js';

/** vm_fault inside a task. Answers the handler's code. @throws KernelHang as seeded, when it would wait for memory for ever */
export function* faultTask(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  vpn: number,
  type: Prot,
  changeWiring: boolean,
): Task<number> {
  const f = beginFault(vm);
  f.thread = thread;
  f.map = map;
  f.vaddr = vpn;
  f.faultType = type;
  f.changeWiring = changeWiring;
  yield* runStages(f, faultStart);
  const { result } = f;
  endFault(f);
  if (result === FAULT_LOOP && !vm.mended)
    throw new KernelHang('vmwait', `${thread.name} waits for memory that nobody can free`);
  return result;
}

/**
 * vm_fault_wire: faults every page of a range in. As seeded failures are nobody's business; mended, the pages before the one that failed are
 * unwired again.
 */
export function* faultWire(vm: Vm, thread: Thread, map: VmMap, start: number, end: number): Task<number> {
  mark(vm, 'W1');
  for (let vpn = start; vpn < end; vpn++) {
    mark(vm, 'W2');
    const result = yield* faultTask(vm, thread, map, vpn, PROT_NONE, true);
    if (result === KERN_SUCCESS) continue;
    if (vm.mended) {
      faultUnwire(vm, map, start, vpn);
      return result;
    }
    vm.wiringAstray = 'a page that could not be wired counts as wired';
  }
  return KERN_SUCCESS;
}

/** vm_fault_unwire: unwires what the translations of a range show. */
export function faultUnwire(vm: Vm, map: VmMap, start: number, end: number): void {
  if (map.pmap === null) return;
  for (let vpn = start; vpn < end; vpn++) {
    mark(vm, 'U1');
    const page = vm.pmap.extract(map.pmap, vpn);
    if (page < 0) {
      mark(vm, 'U2');
      if (vm.mended) unwireUnmapped(vm, map, vpn);
      continue;
    }
    mark(vm, 'U3');
    vm.pmap.changeWiring(map.pmap, vpn, false);
    if (!vm.pmap.managed(page)) continue;
    if (!vm.mended || (vm.pages.wireCount[page] as number) > 0) pageUnwire(vm, page);
  }
  mark(vm, 'U4');
}

/** Mended: the page that was wired here, found through the entry instead of the translation. */
function unwireUnmapped(vm: Vm, map: VmMap, vpn: number): void {
  let entry = map.lookup(vpn);
  let pindex = entry === null ? 0 : vpn - entry.start + entry.offset;
  if (entry !== null && entry.shareMap !== null) {
    const address = pindex;
    entry = entry.shareMap.lookup(address);
    pindex = entry === null ? 0 : address - entry.start + entry.offset;
  }
  const page = pageBelow(vm, entry?.object ?? null, pindex);
  if (page >= 0 && vm.pmap.managed(page) && (vm.pages.wireCount[page] as number) > 0) pageUnwire(vm, page);
}

/** The page that a place shows: in the object, or in one that it shadows; -1 when none has it in memory. */
function pageBelow(vm: Vm, object: VmObject | null, pindex: number): number {
  for (let at = object; at !== null; at = at.shadow) {
    const page = pageLookup(vm, at, pindex);
    if (page >= 0) return page;
    pindex += at.shadowOffset;
  }
  return -1;
}

/**
 * vm_fault_copy_entry: the child of a fork gets its own copy of every page of a wired entry, at once, since the parent's pages must not
 * become copy-on-write. As seeded the child may do with them whatever the entry might ever be allowed; mended, what it is allowed.
 */
export function* faultCopyEntry(
  vm: Vm,
  thread: Thread,
  targetMap: VmMap,
  target: MapEntry,
  source: MapEntry,
): Task<void> {
  const size = target.end - target.start;
  mark(vm, 'C1');
  const object = objectAllocate(vm, size);
  const from = source.object;
  target.object = object;
  target.offset = 0;
  mark(vm, 'C2');
  const prot = vm.mended ? target.protection : target.maxProtection;
  if (prot !== target.protection)
    vm.permissionsAstray = 'the child of a wired entry may do what it might ever be allowed';
  for (let pindex = 0; pindex < size; pindex++) {
    const page = yield* allocateWaiting(vm, thread, object, pindex);
    if (page < 0) {
      targetMap.incomplete = true;
      return;
    }
    mark(vm, 'C5');
    const original = wiredSource(vm, from, source.offset + pindex);
    mark(vm, 'C7');
    if (original < 0) pageZeroFill(vm, page);
    else pageCopy(vm, original, page);
    enterCopy(vm, targetMap, target.start + pindex, page, prot);
    pageActivate(vm, page);
    pageWakeup(vm, page);
    yield;
  }
}

/** What cannot have a translation now gets it by a fault of the child's. */
function enterCopy(vm: Vm, { pmap }: VmMap, vpn: number, page: number, prot: Prot): void {
  if (pmap !== null && !vm.pmap.refuses(pmap, vpn)) vm.pmap.enter(pmap, vpn, page, prot, false);
}

/**
 * The page of the source: in its own object, the kernel says; it may also lie below, where a read-only wiring left it. -1, mended only: a
 * truncation has taken it back, and the child has zeros there (S19).
 */
function wiredSource(vm: Vm, object: VmObject | null, pindex: number): number {
  const page = object === null ? -1 : pageLookup(vm, object, pindex);
  if (page >= 0) return page;
  mark(vm, 'C6');
  const below = pageBelow(vm, object, pindex);
  return below >= 0 || vm.mended ? below : vm.panic('vm_fault_copy_wired: page missing');
}

/** A page of the child's new object, waiting for memory as long as there is hope; -1, mended only, when there is none. */
function* allocateWaiting(vm: Vm, thread: Thread, object: VmObject, pindex: number): Task<number> {
  let fruitless = 0;
  for (;;) {
    const page = pageAlloc(vm, object, pindex);
    if (page >= 0) {
      mark(vm, 'C3');
      return page;
    }
    mark(vm, 'C4');
    const before = vm.pages.freeCount;
    vm.kernel.wakeup(vm.daemonChannel);
    vm.kernel.sleep(thread, vm.freeCountChannel, 'vmwait');
    yield;
    fruitless = vm.pages.freeCount > before ? 0 : fruitless + 1;
    if (fruitless >= fruitlessLimit(vm)) {
      if (vm.mended) return -1;
      throw new KernelHang('vmwait', `${thread.name} waits for memory that nobody can free`);
    }
  }
}
