/**
 * How a fault lets go: release_page, unlock_map, cleanup_successful_fault and unlock_things of the seed, and the ends and retries made of them.
 *
 * Whether the vm_token is given back before or after the rest is let go differs from exit to exit, without system: the order of the seed is
 * kept, and `then` carries what follows. Nothing here needs the token to be correct; each helper sleeps only in the end of an object.
 */
import type { Task } from '../kernel/thread.js';
import { FAULT_REFUSALS_MAX } from '../vm/reserve.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, runTask } from './fault-state.js';
import { FAULT_LOOP } from './kern.js';
import { mapLookupDone } from './map-lookup.js';
import { pipWakeup } from './object.js';
import { deallocate, dropReference } from './object-end.js';
import { PG_REFERENCED, PG_WANTED, pageDeactivate, pageIsBusy, pageSetFlag, pageWakeup } from './page.js';
import { availablePages, countSevere, pageFree, refusedForGood } from './page-alloc.js';
import { sleepForMemory } from './wait.js';

/** release_page: the page in hand is nobody's any more; the page daemon may have it soon. */
export function releasePage(f: Fault): void {
  pageDeactivate(f.vm, f.m);
  pageWakeup(f.vm, f.m);
  f.m = -1;
}

/** unlock_map. */
export function unlockMap(f: Fault): void {
  branch(f, 'F1');
  if (!f.lookupStillValid || !f.hasMap) return;
  mapLookupDone(f);
  f.lookupStillValid = false;
}

/** _cleanup_successful_fault without relocking: what a page found below the top leaves behind at the top. */
export function cleanupBelow(f: Fault): void {
  if (f.object !== f.firstObject) {
    branch(f, 'F2');
    pageFree(f.vm, f.firstM);
    pipWakeup(f.vm, f.object);
    f.firstM = -1;
  }
  f.object = f.firstObject;
}

/** unlock_things. */
export function unlockThings(f: Fault, then: FaultStage): FaultStage | null {
  pipWakeup(f.vm, f.firstObject);
  cleanupBelow(f);
  unlockMap(f);
  putVnode(f);
  return then;
}

/** unlock_and_deallocate. */
export function unlockAndDeallocate(f: Fault, then: FaultStage): FaultStage | null {
  pipWakeup(f.vm, f.firstObject);
  cleanupBelow(f);
  branch(f, 'F4');
  f.followUp = then;
  return dropTop(f, unlockRest);
}

function unlockRest(f: Fault): FaultStage | null {
  unlockMap(f);
  putVnode(f);
  return f.followUp;
}

/** Drops the fault's reference on the top object. Usually a subtraction; it may also be the end of the object. */
export function dropTop(f: Fault, then: FaultStage): FaultStage | null {
  if (dropReference(f.firstObject)) return then(f);
  return runTask(f, endObject(f), then);
}

function* endObject(f: Fault): Task<number> {
  yield* deallocate(f.vm, f.thread, f.firstObject);
  return 0;
}

function putVnode(f: Fault): void {
  if (f.vp === null) return;
  branch(f, 'F5');
  f.vp.lock.releaseRead(f.thread);
  f.vp = null;
}

/** Gives the token back first, then lets everything go; `then` follows. */
export function releaseThenUnlock(f: Fault, then: FaultStage): FaultStage | null {
  f.vm.vmToken.release(f.thread);
  return unlockAndDeallocate(f, then);
}

/** A refusal of vm_fault_object: the token first. */
export function refuse(f: Fault, result: number): FaultStage | null {
  f.result = result;
  return releaseThenUnlock(f, f.failed);
}

export function releaseToken(f: Fault): void {
  f.vm.vmToken.release(f.thread);
}

/** The token last, then the end. */
export function tokenThenFailed(f: Fault): FaultStage | null {
  releaseToken(f);
  return f.failed;
}

// ---- the page is busy: let everything go, sleep, begin again -----------------------------------------------------------

export function sleepOnPage(f: Fault): FaultStage | null {
  return unlockThings(f, sleepBusy);
}

/** vm_page_sleep_busy, if it still is. */
function sleepBusy(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (!pageIsBusy(vm, m)) return slept(f);
  pageSetFlag(vm, m, PG_WANTED | PG_REFERENCED);
  vm.kernel.sleep(f.thread, m, 'vmpfw');
  return slept;
}

function slept(f: Fault): FaultStage | null {
  f.vm.counters.v_intrans++;
  return dropTop(f, tokenThenRetry);
}

function tokenThenRetry(f: Fault): FaultStage | null {
  releaseToken(f);
  return f.retry;
}

// ---- no memory -------------------------------------------------------------------------------------------------------

/**
 * Waits without any gain after which a fault goes round in a ring: what it allocates above its last page is what that page lacks, and is
 * freed again when it waits.
 */
const VAIN_WAITS_MAX = 8;

function noteMemory(f: Fault): void {
  f.kills = f.vm.deaths;
  f.hadPages = availablePages(f.vm);
}

/** vm_waitpfault without the token, then a new attempt. */
export function waitThenRetry(f: Fault): FaultStage | null {
  noteMemory(f);
  if (sleepForMemory(f.vm, f.thread, 'pfault')) return waited;
  return refusedForGood(f.vm) ? hopeless(f) : f.retry;
}

/** The same with the token held over the sleep (where it is lost) and given back after it. */
export function waitWithToken(f: Fault): FaultStage | null {
  noteMemory(f);
  if (sleepForMemory(f.vm, f.thread, 'pfault')) return waitedWithToken;
  if (!refusedForGood(f.vm)) return tokenThenRetry(f);
  releaseToken(f);
  return hopeless(f);
}

function waitedWithToken(f: Fault): FaultStage | null {
  releaseToken(f);
  return waited(f);
}

/** The daemon has done what it could. Where that is nothing the kernel would go round for ever: the fault says so. */
function waited(f: Fault): FaultStage | null {
  const helped = f.vm.deaths !== f.kills;
  f.vainWaits = helped || availablePages(f.vm) > f.hadPages ? 0 : f.vainWaits + 1;
  if (helped || (!countSevere(f.vm) && f.vainWaits < VAIN_WAITS_MAX)) return f.retry;
  return hopeless(f);
}

/** An object, a map entry or a translation was refused: as for a page, but the page daemon cannot tell when it is hopeless. */
export function waitForRoom(f: Fault): FaultStage | null {
  if (++f.refusals > FAULT_REFUSALS_MAX) return hopeless(f);
  sleepForMemory(f.vm, f.thread, 'pfault');
  return f.retry;
}

function hopeless(f: Fault): FaultStage | null {
  f.result = FAULT_LOOP;
  return f.failed;
}
