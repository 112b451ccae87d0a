/**
 * How a fault lets go: the recovery macros at the head of vm_fault, and the two things that it waits for, a busy page and memory.
 *
 * Everything that is held goes before any wait: the placeholder in the top object, paging in progress on both objects, the map, and, after
 * the wait for a page but before the wait for memory, the reference on the top object. Each takes the stage that follows: the look-up for a
 * retry, null for the end.
 */
import type { Task } from '../kernel/thread.js';
import { FAULT_REFUSALS_MAX } from '../vm/reserve.js';
import { lookup } from './fault.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { FAULT_LOOP, KERN_SUCCESS } from './kern.js';
import { mapLookupDone } from './map-lookup.js';
import { pagingDone } from './object.js';
import { deallocate, dropReference } from './object-end.js';
import { PG_WANTED, pageActivate, pageFree, pageSet, pageWakeup } from './page.js';
import type { Vm } from './vm.js';

/** FREE_PAGE. */
export function freePage(f: Fault, page: number): void {
  branch(f, 'M1');
  pageWakeup(f.vm, page);
  pageFree(f.vm, page);
}

/** RELEASE_PAGE: the page is nobody's any more, but active. */
export function releasePage(f: Fault, page: number): void {
  branch(f, 'M2');
  pageWakeup(f.vm, page);
  pageActivate(f.vm, page);
}

/** UNLOCK_MAP. */
export function unlockMap(f: Fault): void {
  if (!f.lookupStillValid) return;
  branch(f, 'M3');
  mapLookupDone(f.map, f.entry, f.thread);
  f.lookupStillValid = false;
}

/** UNLOCK_THINGS: when we leave from a lower object, the placeholder in the top one goes too. */
export function unlockThings(f: Fault): void {
  branch(f, 'M4');
  pagingDone(f.vm, f.object);
  if (f.object !== f.firstObject) {
    freePage(f, f.firstM);
    f.firstM = -1;
    pagingDone(f.vm, f.firstObject);
  }
  unlockMap(f);
}

/** UNLOCK_AND_DEALLOCATE, and on to `then`. */
export function unlockAndDeallocate(f: Fault, then: FaultStage | null): FaultStage | null {
  unlockThings(f);
  branch(f, 'M5');
  return dropFirst(f, then);
}

/** Drops the reference on the top object. Usually a subtraction; it may also be the end of the object, which may sleep. */
function dropFirst(f: Fault, then: FaultStage | null): FaultStage | null {
  if (dropReference(f.firstObject)) return then;
  f.afterDrop = then;
  f.task = deallocate(f.vm, f.thread, f.firstObject);
  return endObject;
}

function endObject(f: Fault): FaultStage | null {
  const step = (f.task as Task<void>).next();
  if (step.done !== true) return endObject;
  f.task = null;
  return f.afterDrop;
}

// ---- a busy page -------------------------------------------------------------------------------------------------------

/** PAGE_ASSERT_WAIT: to be called before everything is let go. Only a fault that wires cannot be interrupted. */
export function assertWait(f: Fault, page: number): void {
  pageSet(f.vm, page, PG_WANTED);
  f.interruptible = !f.changeWiring;
  f.interrupted = false;
}

/** thread_block, with everything let go but the reference. */
export function block(f: Fault, page: number, after: FaultStage): FaultStage {
  f.vm.kernel.sleep(f.thread, page, 'vmpage');
  f.vm.sleepingFaults.push(f);
  return after;
}

/**
 * Awake again. The plain kernel begins anew whatever woke it; the one with threads takes an interruption for the end of the fault, and
 * leaves it to the access to fault again.
 */
export function awake(f: Fault): FaultStage | null {
  const { sleepingFaults } = f.vm;
  sleepingFaults.splice(sleepingFaults.indexOf(f), 1);
  if (!f.vm.interruptible || !f.interrupted) return dropFirst(f, lookup);
  f.result = KERN_SUCCESS;
  return dropFirst(f, null);
}

/** A signal for a thread that waits for a page inside a fault. Answers whether the wait ended. */
export function interruptFault(vm: Vm, threadId: number): boolean {
  const f = vm.sleepingFaults.find((fault) => fault.thread.id === threadId);
  if (f === undefined || !f.interruptible || f.thread.running) return false;
  f.interrupted = true;
  vm.kernel.wakeThread(f.thread, false);
  return true;
}

// ---- memory ------------------------------------------------------------------------------------------------------------

/** VM_WAIT, with nothing held: the page daemon makes one scan, and everything begins again. */
export function waitForMemory(f: Fault): FaultStage | null {
  const { vm } = f;
  f.freeBeforeWait = vm.pages.freeCount;
  vm.kernel.wakeup(vm.daemonChannel);
  vm.kernel.sleep(f.thread, vm.freeCountChannel, 'vmwait');
  return waitedForMemory;
}

/**
 * The kernel would try for ever. A wait that frees nothing is counted; after as many as could have looked at every page twice, the fault is
 * given up.
 */
function waitedForMemory(f: Fault): FaultStage | null {
  const { pages } = f.vm;
  if (pages.freeCount > f.freeBeforeWait) {
    f.fruitlessWaits = 0;
    return lookup;
  }
  f.fruitlessWaits++;
  if (f.fruitlessWaits < fruitlessLimit(f.vm)) return lookup;
  f.result = FAULT_LOOP;
  return null;
}

/** An object or a translation was refused: waits as for a frame, until it is clear that there will be none. */
export function waitForRoom(f: Fault): FaultStage | null {
  const { vm } = f;
  if (++f.refusals > FAULT_REFUSALS_MAX) {
    f.result = FAULT_LOOP;
    return null;
  }
  vm.kernel.wakeup(vm.daemonChannel);
  vm.kernel.sleep(f.thread, vm.freeCountChannel, 'vmwait');
  return lookup;
}

/** Scans without gain after which there is nothing to gain: every page has been looked at twice. */
export function fruitlessLimit(vm: Vm): number {
  return 2 * (vm.pages.activeCount + vm.pages.inactiveCount) + 2;
}
