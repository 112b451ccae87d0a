/**
 * Copy on write, in both directions.
 *
 * *Upwards*: a page found below the top and wanted for writing is copied into the placeholder of the top object. Whoever maps the old page
 * loses it, for nobody can tell who wants the old contents and who the new; they fault again. Then the top object is collapsed, as far as
 * it goes. A page found below and wanted for reading is mapped without permission to write.
 *
 * *Sideways*: the object of a file or device that has been copied has a copy object. A page of it that is to be written must be there first.
 *
 *      nothing wants to write        mapped without permission to write, so that the first store comes here
 *      resident in the copy          nothing to do
 *      paged out by the copy         nothing to do
 *      neither                       the old contents are copied, everybody's translations of the page go
 *
 * The page in hand is busy throughout. While the copy object's pager is asked the map is unlocked, and the copy object may lose its other
 * references or its place; then everything about it begins again.
 */
import type { Task } from '../kernel/thread.js';
import { PROT_NONE, PROT_WRITE } from '../vm/prot.js';
import { collapse } from './collapse.js';
import { verify } from './fault-enter.js';
import {
  assertWait,
  awake,
  block,
  freePage,
  releasePage,
  unlockAndDeallocate,
  unlockMap,
  unlockThings,
  waitForMemory,
} from './fault-release.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { pagingDone } from './object.js';
import { deallocate } from './object-end.js';
import {
  PG_ABSENT,
  PG_BUSY,
  PG_CLEAN,
  PG_COPY_ON_WRITE,
  PG_FAKE,
  PQ_NONE,
  pageActivate,
  pageAlloc,
  pageClear,
  pageCopy,
  pageHas,
  pageLookup,
  pageSet,
  pageUnwire,
  pageWakeup,
  pageWire,
} from './page.js';
import type { Pager } from './pager.js';
import { pagerHasPage } from './pager.js';

/** The page is in hand: what must be copied before it can be mapped? */
export function found(f: Fault): FaultStage | null {
  f.oldM = f.m;
  if (f.object !== f.firstObject) {
    if ((f.faultType & PROT_WRITE) !== 0) {
      copyUp(f);
    } else {
      branch(f, 'F24');
      f.prot &= ~PROT_WRITE;
      pageSet(f.vm, f.m, PG_COPY_ON_WRITE);
    }
  }
  if (f.vm.pages.queues.queue[f.m] !== PQ_NONE) {
    branch(f, 'F25');
    f.vm.panic('vm_fault: active or inactive before copy object handling');
  }
  return retryCopy(f);
}

/** Copies the page to the top. The old page and its object are done with. */
function copyUp(f: Fault): void {
  const { vm, m, firstM, firstObject } = f;
  branch(f, 'F23');
  pageCopy(vm, m, firstM);
  pageClear(vm, firstM, PG_FAKE | PG_ABSENT);
  if (vm.mended && f.wired && !f.changeWiring) moveWiring(f);
  else if (vm.mended && f.entry.shareMap !== null && (vm.pages.wireCount[m] as number) > 0) moveSharedWiring(f);
  else pageActivate(vm, m);
  vm.pmap.pageProtect(m, PROT_NONE);
  pageWakeup(vm, m);
  pagingDone(vm, f.object);
  vm.counters.v_cow_faults++;
  f.m = firstM;
  f.firstM = -1;
  f.object = firstObject;
  f.offset = f.firstOffset;
  // Our own busy page would forbid the collapse; it is safe, since it is filled and not fake.
  firstObject.pagingInProgress--;
  collapse(vm, firstObject);
  firstObject.pagingInProgress++;
}

/**
 * Mended: a wired page that is copied by a plain fault leaves its wiring to the copy, which is what the address shows from now on. As seeded
 * the copy is not wired, and the old page stays so for ever.
 */
function moveWiring(f: Fault): void {
  const { vm, m } = f;
  pageWire(vm, f.firstM);
  if ((vm.pages.wireCount[m] as number) > 0) pageUnwire(vm, m);
  if (vm.pages.queues.queue[m] === PQ_NONE) pageActivate(vm, m);
  if (f.entry.shareMap !== null) vm.wiringAstray = 'a wired page was copied behind a sharing map';
}

/**
 * Mended: who has not wired the range himself copies a page that others behind the same sharing map have. They see the copy from now on, so all
 * wiring goes there. (Somebody who has wired it from elsewhere loses his; nobody can tell.)
 */
function moveSharedWiring(f: Fault): void {
  const { vm, m } = f;
  for (let count = vm.pages.wireCount[m] as number; count > 0; count--) {
    pageWire(vm, f.firstM);
    pageUnwire(vm, m);
  }
  if (vm.pages.queues.queue[m] === PQ_NONE) pageActivate(vm, m);
  vm.wiringAstray = 'a wired page was copied behind a sharing map';
}

/** RetryCopy: must somebody who has copied this object be given the old contents first? */
function retryCopy(f: Fault): FaultStage | null {
  const { vm, m } = f;
  const copy = f.firstObject.copy;
  if (copy === null) {
    branch(f, 'F26');
    return verify(f);
  }
  if ((f.faultType & PROT_WRITE) === 0) {
    branch(f, 'F27');
    f.prot &= ~PROT_WRITE;
    pageSet(vm, m, PG_COPY_ON_WRITE);
    return verify(f);
  }
  if (copy.lockedElsewhere) {
    branch(f, 'F28');
    return retryCopy;
  }
  branch(f, 'F29');
  copy.refCount++;
  f.copyObject = copy;
  f.copyOffset = f.firstOffset - copy.shadowOffset;
  f.copyM = pageLookup(vm, copy, f.copyOffset);
  f.pageExists = f.copyM >= 0;
  if (!f.pageExists) return allocateCopy(f);
  if (pageHas(vm, f.copyM, PG_BUSY)) return waitForCopyPage(f);
  branch(f, 'F31');
  return copySettled(f);
}

/** Somebody is bringing the copy's page in. */
function waitForCopyPage(f: Fault): FaultStage {
  branch(f, f.vm.interruptible ? 'F30a' : 'F30b');
  const { copyM } = f;
  assertWait(f, copyM);
  releasePage(f, f.m);
  f.copyObject.refCount--;
  unlockThings(f);
  return block(f, copyM, awake);
}

/** A page in the copy object first, so that whoever looks for it there meets a busy one. */
function allocateCopy(f: Fault): FaultStage | null {
  const { vm, copyObject } = f;
  f.copyM = pageAlloc(vm, copyObject, f.copyOffset);
  if (f.copyM < 0) {
    branch(f, 'F33');
    releasePage(f, f.m);
    copyObject.refCount--;
    return unlockAndDeallocate(f, waitForMemory);
  }
  branch(f, 'F32');
  if (copyObject.pager === null) return pushCopy(f);
  branch(f, 'F34');
  unlockMap(f);
  return askCopyPager;
}

/** vm_pager_has_page of the copy's pager. Nothing is locked. */
function askCopyPager(f: Fault): FaultStage | null {
  const { copyObject } = f;
  f.pageExists = pagerHasPage(copyObject.pager as Pager, f.copyOffset + copyObject.pagingOffset);
  return copyPagerAnswered;
}

/** Is the copy object still the one to give the page to? */
function copyPagerAnswered(f: Fault): FaultStage | null {
  const { vm, copyObject } = f;
  if (copyObject.shadow !== f.object || copyObject.refCount === 1) {
    branch(f, 'F35');
    freePage(f, f.copyM);
    f.task = deallocate(vm, f.thread, copyObject);
    return dropCopyObject;
  }
  if (f.pageExists) {
    branch(f, 'F36');
    freePage(f, f.copyM);
    return copySettled(f);
  }
  branch(f, 'F36n');
  return pushCopy(f);
}

/** The reference may have been the last; then the object ends, and is no copy object any more. */
function dropCopyObject(f: Fault): FaultStage | null {
  const step = (f.task as Task<void>).next();
  if (step.done !== true) return dropCopyObject;
  f.task = null;
  return retryCopy(f);
}

/**
 * The old contents go to the copy, dirty, so that they are paged out there and not forgotten; whoever mapped the page, perhaps for the
 * copy, must look again.
 */
function pushCopy(f: Fault): FaultStage | null {
  const { vm, copyM } = f;
  branch(f, 'F37');
  pageCopy(vm, f.m, copyM);
  pageClear(vm, copyM, PG_FAKE | PG_ABSENT);
  branch(f, 'F38');
  vm.pmap.pageProtect(f.oldM, PROT_NONE);
  pageClear(vm, copyM, PG_CLEAN);
  pageActivate(vm, copyM);
  pageWakeup(vm, copyM);
  return copySettled(f);
}

function copySettled(f: Fault): FaultStage | null {
  branch(f, 'F39');
  f.copyObject.refCount--;
  pageClear(f.vm, f.m, PG_COPY_ON_WRITE);
  return verify(f);
}
