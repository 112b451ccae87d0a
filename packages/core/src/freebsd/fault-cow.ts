/**
 * The page has been found: copy-on-write, the second look at the map, and the translation.
 *
 * The page in hand is busy and its object locked when `found` begins. A page found below the top and wanted for writing is copied into
 * the page kept at the top, or moved there when its object is anonymous, has no other reference and no other shadow, and
 * lies directly below: then nobody can ever see it in its old place again.
 */
import { PROT_WRITE } from '../vm/prot.js';
import { lookup, waitForRoom } from './fault.js';
import { cleanupLocked, releasePage } from './fault-cleanup.js';
import { prefault } from './fault-prefault.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, VM_FAULT_DIRTY, VM_FAULT_WIRE_MASK } from './fault-state.js';
import { KERN_FAILURE, KERN_SUCCESS } from './kern.js';
import { MAP_ENTRY_NOSYNC } from './map-entry.js';
import { mapLookupLocked } from './map-lookup.js';
import type { VmObject } from './object.js';
import { OBJ_ONEMAPPING, objectOfPage, pipWakeup, setWriteableDirty } from './object.js';
import {
  PG_REFERENCED,
  pageActivate,
  pageBusy,
  pageDirty,
  pageFullyValid,
  pageIndex,
  pageInsert,
  pageRemove,
  pageRename,
  pageSetFlag,
  pageSetValid,
  pageUnwire,
  pageWakeup,
  pageWire,
  pageZeroInvalid,
  VPO_NOSYNC,
} from './page.js';
import { pageAlloc, pageFree, releaseWired, VM_ALLOC_NORMAL } from './page-alloc.js';
import { pageUnswapped } from './pager-swap.js';
import type { Vm } from './vm.js';

/** Copy-on-write, if the page lies below the top. */
export function found(f: Fault): FaultStage | null {
  if (f.object === f.firstObject) return relookup(f);
  if ((f.faultType & PROT_WRITE) === 0) {
    branch(f, 'F50');
    f.prot &= ~PROT_WRITE;
    return relookup(f);
  }
  branch(f, 'F46');
  const topLocked = moveUp(f);
  if (f.m >= 0) {
    branch(f, 'F48');
    f.vm.copyFrame(f.m, f.firstM);
    pageSetValid(f.vm, f.firstM);
    // As seeded a copy made by wiring passes for clean (O18).
    if (f.vm.mended) {
      pageDirty(f.vm, f.firstM);
      // As seeded others who share the top object go on seeing the old page through their translations (O19).
      if ((f.firstObject.flags & OBJ_ONEMAPPING) === 0) f.vm.pmap.removeAll(f.m);
    }
    branch(f, 'F49');
    releasePage(f);
  }
  pipWakeup(f.vm, f.object);
  f.object.lock.release(f.thread);
  f.object = f.firstObject;
  f.pindex = f.firstPindex;
  f.m = f.firstM;
  return topLocked ? copied(f) : lockTop(f);
}

function lockTop(f: Fault): FaultStage | null {
  return f.object.lock.acquire(f.thread) ? copied(f) : lockTop;
}

function copied(f: Fault): FaultStage | null {
  f.vm.counters.v_cow_faults++;
  return relookup(f);
}

/** Moves the page up where nobody else can see it below; then there is no page in hand. Answers whether the top object is now locked. */
function moveUp(f: Fault): boolean {
  const { vm, object, firstObject } = f;
  const alone = object.shadowCount === 1 && object.refCount === 1 && object.anonymous;
  if (!alone || !firstObject.lock.tryAcquire(f.thread)) return false;
  if (object === firstObject.backing) {
    branch(f, 'F47');
    pageFree(vm, f.firstM);
    pageRename(vm, f.m, firstObject, f.firstPindex);
    pageBusy(vm, f.m);
    f.firstM = f.m;
    f.m = -1;
    vm.counters.v_cow_optim++;
  }
  return true;
}

const retry = { pindex: 0, prot: 0 };

/** Was the map let go meanwhile? Then the look-up must still give the same answer. The object is locked. */
function relookup(f: Fault): FaultStage | null {
  if (f.lookupStillValid) return permit(f);
  branch(f, 'F51');
  if (!f.map.lock.tryRead(f.thread)) {
    branch(f, 'F52');
    releasePage(f);
    return cleanupLocked(f, lookup);
  }
  f.lookupStillValid = true;
  if (f.map.timestamp === f.mapGeneration) return permit(f);
  branch(f, 'F53');
  const result = mapLookupLocked(f, f.faultType, retry);
  if (result !== KERN_SUCCESS) {
    f.result = result;
    branch(f, 'F54');
    releasePage(f);
    return cleanupLocked(f, result === KERN_FAILURE ? lookup : null);
  }
  if (f.entry.object !== f.firstObject || retry.pindex !== f.firstPindex) {
    branch(f, 'F55');
    releasePage(f);
    return cleanupLocked(f, lookup);
  }
  f.prot &= retry.prot;
  branch(f, 'F56');
  return permit(f);
}

/** A writable translation: the object may get dirty, and with a store the page is dirty now and its swap block out of date. */
function permit(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if ((f.prot & PROT_WRITE) !== 0) {
    branch(f, 'F57');
    setWriteableDirty(f.object);
    chooseNosync(f);
    if ((f.flags & VM_FAULT_DIRTY) !== 0) {
      branch(f, 'F60');
      pageDirty(vm, m);
      pageUnswapped(f.object, f.pindex);
    }
  }
  if (!pageFullyValid(vm, m)) {
    branch(f, 'F61');
    pageZeroInvalid(vm, m, true);
    vm.printf(`Warning: page ${m} partially invalid on fault`);
  }
  f.object.lock.release(f.thread);
  return enter(f);
}

/** Data written through a NOSYNC mapping need not be flushed by the syncer, unless the page was dirty for another reason. */
function chooseNosync(f: Fault): void {
  const pages = f.vm.pages;
  const oflags = pages.oflags[f.m] as number;
  if ((f.entry.eflags & MAP_ENTRY_NOSYNC) === 0) {
    branch(f, 'F59');
    pages.oflags[f.m] = oflags & ~VPO_NOSYNC;
  } else if (pages.dirty[f.m] === 0) {
    branch(f, 'F58');
    pages.oflags[f.m] = oflags | VPO_NOSYNC;
  }
}

/** The translation; no object is locked. */
function enter(f: Fault): FaultStage | null {
  if (f.vm.allocationFails !== null && f.vm.pmap.refuses(f.map.pmap, f.vaddr)) return notEntered;
  f.vm.pmap.enter(f.map.pmap, f.vaddr, f.m, f.prot, f.wired);
  if ((f.flags & VM_FAULT_WIRE_MASK) !== 0 || f.wired) return finish;
  branch(f, 'F62');
  f.candidate = 0;
  return prefault(f, finish);
}

/** No translation is to be had: the page stays where it is, for the fault to find when it has waited. */
function notEntered(f: Fault): FaultStage | null {
  if (!f.object.lock.acquire(f.thread)) return notEntered;
  releasePage(f);
  return cleanupLocked(f, waitForRoom);
}

/** Back under the object's lock: the page is used, and goes where the page daemon finds it, unless it is wired. */
function finish(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (!f.object.lock.acquire(f.thread)) return finish;
  pageSetFlag(vm, m, PG_REFERENCED);
  if ((f.flags & VM_FAULT_WIRE_MASK) === 0) {
    branch(f, 'F65');
    if (f.wired && vm.mended) keepWired(f);
    pageActivate(vm, m);
  } else if (f.wired) {
    branch(f, 'F63');
    pageWire(vm, m);
    if (vm.mended) f.map.wiredFrames.set(f.vaddr, m);
  } else {
    branch(f, 'F64');
    pageUnwire(vm, m, true);
  }
  pageWakeup(vm, m);
  f.result = KERN_SUCCESS;
  return cleanupLocked(f, account);
}

/** The mending of O13: where an ordinary fault on a wired range has found another page than the wired one, the wiring goes over to it. */
function keepWired(f: Fault): void {
  const { vm, m } = f;
  const before = f.map.wiredFrames.get(f.vaddr);
  if (before === undefined || before === m) return;
  pageWire(vm, m);
  releaseWired(vm, before);
  f.map.wiredFrames.set(f.vaddr, m);
}

/** ru_majflt or ru_minflt. */
function account(f: Fault): FaultStage | null {
  f.major = f.hardfault > 0;
  branch(f, f.major ? 'F66' : 'F67');
  return null;
}

/**
 * vm_page_cowfault: a page that zero-copy I/O still reads is about to be written. A copy takes its place in the object, dirty and without
 * the references of the I/O; the page itself leaves with them. Answers false, with everything as before, when there is no memory for a
 * copy: the fault then waits as for any page. (The seed waits in here, holding what the fault holds.)
 */
export function cowFault(vm: Vm, page: number): boolean {
  const object = objectOfPage(vm, page) as VmObject;
  const pindex = pageIndex(vm, page);
  vm.pmap.removeAll(page);
  vm.pages.queues.remove(page);
  pageRemove(vm, page);
  const copy = pageAlloc(vm, object, pindex, VM_ALLOC_NORMAL);
  if (copy < 0) {
    pageInsert(vm, page, object, pindex);
    pageActivate(vm, page);
    return false;
  }
  vm.copyFrame(page, copy);
  pageSetValid(vm, copy);
  pageDirty(vm, copy);
  const cow = vm.pages.cow[page] as number;
  const others = (vm.pages.wireCount[page] as number) - cow;
  for (let i = 0; i < others; i++) pageWire(vm, copy);
  vm.pages.wireCount[page] = cow;
  if (vm.pages.wireCount[copy] === 0) pageActivate(vm, copy);
  pageWakeup(vm, copy);
  return true;
}
