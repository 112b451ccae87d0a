/**
 * Faults that nobody took: wiring, unwiring, and the copy of a wired range at fork.
 *
 * Wiring faults every page of one entry in with the map unlocked; the entry is marked in transition meanwhile, so that nobody merges or
 * deletes it. Unwiring goes by the translations: a page whose translation has gone stays wired, as seeded.
 */
import { runStages } from '../kernel/stages.js';
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_NONE, PROT_READ, PROT_WRITE, type Prot } from '../vm/prot.js';
import type { BranchId } from './branches.js';
import { faultStart } from './fault.js';
import { copyPage, pageEvent } from './fault-cow.js';
import { beginFault, endFault } from './fault-pool.js';
import { VM_FAULT_CHANGE_WIRING, VM_FAULT_USER_WIRE } from './fault-state.js';
import { KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { allocateObject, isFictitious, MAP_ENTRY_KSTACK } from './map-entry.js';
import { lockMap, unlockMapWrite } from './map-lock.js';
import type { VmObject } from './object.js';
import {
  PG_BUSY,
  PG_ZERO,
  pageActivate,
  pageClearFlag,
  pageDirty,
  pageHasFlag,
  pageLookup,
  pageSetValid,
  pageUnwire,
  pageWakeup,
} from './page.js';
import { pageAlloc, pageFree, VM_ALLOC_NORMAL } from './page-alloc.js';
import type { DragonflyProcess } from './process.js';
import { getToken } from './tokens.js';
import type { Vm } from './vm.js';
import { waitForMemoryOrHang } from './wait.js';
import { wiredPage } from './wired-page.js';

/** Marks a branch outside a fault record. */
export function mark(vm: Vm, id: BranchId): void {
  if (vm.listener === null) return;
  const f = beginFault(vm);
  endFault(f);
  vm.listener.branch(id, f);
}

/** vm_fault inside a task. Answers the handler's code. */
export function* faultTask(
  vm: Vm,
  thread: Thread,
  process: DragonflyProcess | null,
  map: VmMap,
  vpn: number,
  type: Prot,
  flags: number,
): Task<number> {
  const f = beginFault(vm);
  f.thread = thread;
  f.process = process;
  f.originalMap = map;
  f.vaddr = vpn;
  f.faultType = type;
  f.askedType = type;
  f.flags = flags;
  yield* runStages(f, faultStart);
  const { result } = f;
  endFault(f);
  return result;
}

/** First page of an entry that wiring touches: the guard page of a kernel's stack is left out. */
function firstWired(vm: Vm, entry: MapEntry): number {
  if ((entry.eflags & MAP_ENTRY_KSTACK) === 0) return entry.start;
  mark(vm, 'F100');
  return entry.start + 1;
}

/**
 * vm_fault_wire: faults every page of an entry in. A user's wiring asks only for reading, so that program text stays shared; the kernel's own
 * asks for writing too. Entered and left with the map locked exclusively; it is unlocked meanwhile, and its timestamp moves after that.
 */
export function* faultWire(
  vm: Vm,
  thread: Thread,
  process: DragonflyProcess | null,
  map: VmMap,
  entry: MapEntry,
  user: boolean,
): Task<number> {
  const start = firstWired(vm, entry);
  const { end } = entry;
  yield* getToken(vm.vmToken, thread);
  unlockMapWrite(map, thread);
  map.timestamp++;
  const type = user ? PROT_READ : PROT_READ | PROT_WRITE;
  const flags = user ? VM_FAULT_USER_WIRE : VM_FAULT_CHANGE_WIRING;
  let result = KERN_SUCCESS;
  for (let vpn = start; vpn < end && result === KERN_SUCCESS; vpn++) {
    mark(vm, user ? 'F101' : 'F102');
    result = yield* faultTask(vm, thread, process, map, vpn, type, flags);
    if (result === KERN_SUCCESS) continue;
    mark(vm, 'F103');
    unwirePages(vm, map, entry, start, vpn);
  }
  yield* lockMap(map, thread);
  vm.vmToken.release(thread);
  return result;
}

/** vm_fault_unwire: unwires what the translations of an entry show; mended, also what has lost its translation meanwhile. */
export function* faultUnwire(vm: Vm, thread: Thread, map: VmMap, entry: MapEntry): Task<void> {
  const start = firstWired(vm, entry);
  yield* getToken(vm.vmToken, thread);
  unwirePages(vm, map, entry, start, entry.end);
  vm.vmToken.release(thread);
}

function unwirePages(vm: Vm, map: VmMap, entry: MapEntry, start: number, end: number): void {
  const fictitious = isFictitious(entry);
  for (let vpn = start; vpn < end; vpn++) {
    mark(vm, 'F104');
    const mapped = vm.pmap.extract(map.pmap, vpn);
    if (mapped >= 0) vm.pmap.changeWiring(map.pmap, vpn, false);
    const page = vm.mended && !fictitious ? wiredPage(vm, entry, vpn, mapped) : mapped;
    if (page >= 0 && !fictitious) release(vm, page);
  }
}

/** vm_page_unwire. Mended, a page from which a truncation has taken its contents under the lock goes with the last wiring (O38). */
function release(vm: Vm, page: number): void {
  pageUnwire(vm, page, true);
  const { wireCount, valid, busy } = vm.pages;
  if (vm.mended && wireCount[page] === 0 && valid[page] === 0 && busy[page] === 0 && !pageHasFlag(vm, page, PG_BUSY)) {
    pageFree(vm, page);
  }
}

/**
 * vm_fault_copy_entry: the child of a fork gets its own copy of every page of a wired range, at once, since the parent's pages must not
 * become copy-on-write. The page has to be in the top object of the source: one wired below it is "missing". Mended, the chain is walked, and
 * the child is allowed what the entry allows now instead of what it might ever allow; and where memory has run out the answer is false.
 */
export function* faultCopyEntry(
  vm: Vm,
  thread: Thread,
  target: VmMap,
  targetEntry: MapEntry,
  sourceEntry: MapEntry,
): Task<boolean> {
  const object = allocateObject(vm, targetEntry);
  const prot = vm.mended ? targetEntry.protection : targetEntry.maxProtection;
  const size = targetEntry.end - targetEntry.start;
  for (let index = 0; index < size; index++) {
    const page = yield* allocateWaiting(vm, thread, object, index);
    if (page < 0) return false;
    const source = wiredSource(vm, sourceEntry, index);
    if (!copyWired(vm, source, page)) vm.panic('vm_fault_copy_wired: page missing');
    pageClearFlag(vm, page, PG_ZERO);
    // As seeded also what nobody may access gets a translation, and this hardware lets every translation be read (O40).
    if (!vm.mended || prot !== PROT_NONE) enterCopy(vm, target, targetEntry.start + index, page, prot);
    pageActivate(vm, page);
    pageWakeup(vm, page);
  }
  return true;
}

/** What cannot have a translation now gets it by a fault of the child's. */
function enterCopy(vm: Vm, { pmap }: VmMap, vpn: number, page: number, prot: Prot): void {
  if (!vm.pmap.refuses(pmap, vpn)) vm.pmap.enter(pmap, vpn, page, prot, false);
}

/** Copies a wired page, and answers whether there was one. Mended: what a truncation has taken back is zeros for the child (O38). */
function copyWired(vm: Vm, source: number, page: number): boolean {
  if (vm.mended && (source < 0 || vm.pages.valid[source] === 0)) {
    vm.zeroFrame(page);
    pageSetValid(vm, page);
    pageDirty(vm, page);
    return true;
  }
  if (source < 0) {
    mark(vm, 'F109');
    return false;
  }
  mark(vm, 'F110');
  copyPage(vm, source, page);
  pageEvent(vm, source);
  return true;
}

function* allocateWaiting(vm: Vm, thread: Thread, object: VmObject, index: number): Task<number> {
  for (;;) {
    const page = pageAlloc(vm, object, index, VM_ALLOC_NORMAL);
    if (page >= 0) return page;
    mark(vm, 'F108');
    if (!(yield* waitForMemoryOrHang(vm, thread))) return -1;
  }
}

function wiredSource(vm: Vm, entry: MapEntry, index: number): number {
  let object = entry.object as VmObject;
  let pindex = Math.floor(entry.offset + index);
  let page = pageLookup(vm, object, pindex);
  while (page < 0 && vm.mended && object.backing !== null) {
    pindex += object.backingOffset;
    object = object.backing;
    page = pageLookup(vm, object, pindex);
  }
  return page;
}
