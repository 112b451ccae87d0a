/**
 * How a fault lets go: release_page, unlock_map and unlock_and_deallocate of the seed, and the wait for a page that somebody else has busy.
 *
 * Each takes the stage that follows: the look-up for a retry, null for the end.
 */
import type { Task } from '../kernel/thread.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { mapLookupDone } from './map-lookup.js';
import { pipWakeup } from './object.js';
import { deallocate, dropReference } from './object-end.js';
import { PG_REFERENCED, pageDeactivate, pageIsBusy, pageLookup, pageSetFlag, pageWakeup, pageWanted } from './page.js';
import { pageFree } from './page-alloc.js';

/** release_page: the page in hand is nobody's any more; the page daemon may have it soon. */
export function releasePage(f: Fault): void {
  pageWakeup(f.vm, f.m);
  pageDeactivate(f.vm, f.m);
  f.m = -1;
}

/** Frees the page in hand; one that is wired (its file was cut off and has grown again) only stays without contents. */
export function forgetPage(f: Fault): void {
  if (f.vm.pages.wireCount[f.m] === 0) pageFree(f.vm, f.m);
  else pageWakeup(f.vm, f.m);
  f.m = -1;
}

/** unlock_map. */
export function unlockMap(f: Fault): void {
  if (!f.lookupStillValid) return;
  branch(f, 'F1');
  mapLookupDone(f);
  f.lookupStillValid = false;
}

/** unlock_and_deallocate, entered with the object in hand locked. */
export function cleanupLocked(f: Fault, then: FaultStage | null): FaultStage | null {
  f.following = then;
  pipWakeup(f.vm, f.object);
  if (f.object === f.firstObject) return dropTop(f);
  f.object.lock.release(f.thread);
  return cleanup(f);
}

/** Below the top: the page kept busy in the top object goes too. */
export function cleanup(f: Fault): FaultStage | null {
  const top = f.firstObject;
  if (!top.lock.acquire(f.thread)) return cleanup;
  branch(f, 'F2');
  pageFree(f.vm, f.firstM);
  f.firstM = -1;
  pipWakeup(f.vm, top);
  return dropTop(f);
}

/** Drops the fault's reference on the top object, which is locked. Usually a subtraction; it may also be the end of the object. */
function dropTop(f: Fault): FaultStage | null {
  const top = f.firstObject;
  const simple = dropReference(top);
  top.lock.release(f.thread);
  if (simple) return unlockAll(f);
  f.task = deallocate(f.vm, f.thread, top);
  return endTop;
}

/** vm_object_deallocate in steps. */
function endTop(f: Fault): FaultStage | null {
  const step = (f.task as Task<void>).next();
  if (step.done !== true) return endTop;
  f.task = null;
  return unlockAll(f);
}

function unlockAll(f: Fault): FaultStage | null {
  unlockMap(f);
  putVnode(f);
  return f.following;
}

function putVnode(f: Fault): void {
  if (f.vp === null) return;
  branch(f, 'F3');
  f.vp.lock.releaseRead(f.thread);
  f.vp = null;
}

// ---- the page is busy: let everything go, sleep, begin again -----------------------------------------------------------

/** Entered with the object in hand locked. */
export function sleepOnPage(f: Fault, then: FaultStage): FaultStage | null {
  f.following = then;
  if (f.object === f.firstObject) return sleepWithout(f);
  f.object.lock.release(f.thread);
  return freeTopThenSleep;
}

function freeTopThenSleep(f: Fault): FaultStage | null {
  const top = f.firstObject;
  if (!top.lock.acquire(f.thread)) return freeTopThenSleep;
  branch(f, 'F19');
  pageFree(f.vm, f.firstM);
  f.firstM = -1;
  pipWakeup(f.vm, top);
  top.lock.release(f.thread);
  return lockThenSleep(f);
}

function lockThenSleep(f: Fault): FaultStage | null {
  return f.object.lock.acquire(f.thread) ? sleepWithout(f) : lockThenSleep;
}

/** Map and vnode are let go; the page is waited for if it is still there. The object is locked. */
function sleepWithout(f: Fault): FaultStage | null {
  unlockMap(f);
  putVnode(f);
  const { vm, m } = f;
  if (pageLookup(vm, f.object, f.pindex) === m && pageIsBusy(vm, m)) {
    branch(f, 'F20');
    pageSetFlag(vm, m, PG_REFERENCED);
    pageWanted(vm, m);
    f.object.lock.release(f.thread);
    vm.kernel.sleep(f.thread, m, 'vmpfw');
    return slept;
  }
  f.object.lock.release(f.thread);
  return slept;
}

function slept(f: Fault): FaultStage | null {
  if (!f.object.lock.acquire(f.thread)) return slept;
  pipWakeup(f.vm, f.object);
  f.object.lock.release(f.thread);
  f.vm.counters.v_intrans++;
  return lockThenDrop(f);
}

function lockThenDrop(f: Fault): FaultStage | null {
  return f.firstObject.lock.acquire(f.thread) ? dropTop(f) : lockThenDrop;
}
