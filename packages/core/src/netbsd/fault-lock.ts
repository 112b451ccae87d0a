/**
 * The helpers of the fault header: finding and locking the entry, locking it again after I/O, letting go, and waiting.
 *
 * Lock order: map, amap, object. They are given back in the opposite order.
 */

import type { Amap } from './amap.js';
import { LOOP } from './codes.js';
import { finish } from './fault-finish.js';
import type { Fault, FaultStage } from './fault-state.js';
import type { VmMap } from './map.js';
import { UVM_ET_SUBMAP } from './map.js';
import type { UvmObject } from './object.js';
import { requestMemory, waitedInVain } from './wait.js';

/** The thread sleeps for the map lock: call again. */
export const LOOKUP_BLOCKED = -1;
export const LOOKUP_FAILED = 0;
export const LOOKUP_OK = 1;

/** A second, in nanoseconds: what lbolt waits for at most. */
const LBOLT_NS = 1e9;

/** The write lock as vm_map_lock takes it, or false: the thread sleeps. */
function acquireWrite(f: Fault, map: VmMap): boolean {
  if (!map.lock.acquireWrite(f.thread)) return false;
  if (map.busy === null || map.busy === f.thread) {
    map.timestamp++;
    return true;
  }
  map.lock.releaseWrite(f.thread);
  f.vm.kernel.sleep(f.thread, map.busyChannel, 'vmmapbsy');
  return false;
}

/** uvmfault_lookup: on success the map that holds the entry is locked, and its version noted; else nothing is. */
export function lookupEntry(f: Fault, write: boolean): number {
  let map = f.originalMap;
  for (;;) {
    if (map.intrsafe) return LOOKUP_FAILED;
    if (write ? !acquireWrite(f, map) : !map.lock.acquireRead(f.thread)) return LOOKUP_BLOCKED;
    f.map = map;
    const entry = map.lookup(f.vaddr);
    if (entry === null) {
      unlockMaps(f, write);
      return LOOKUP_FAILED;
    }
    if ((entry.etype & UVM_ET_SUBMAP) === 0) {
      f.entry = entry;
      f.mapVersion = map.timestamp;
      return LOOKUP_OK;
    }
    unlockMaps(f, write);
    map = entry.submap as VmMap;
  }
}

/** uvmfault_unlockmaps. */
export function unlockMaps(f: Fault, write: boolean): void {
  if (f.originalMap === null) return;
  if (write) f.map.lock.releaseWrite(f.thread);
  else f.map.lock.releaseRead(f.thread);
}

/**
 * uvmfault_relock, for a stage: LOOKUP_OK when the map is locked and as it was, LOOKUP_FAILED when it has changed (then it is not locked),
 * LOOKUP_BLOCKED to be called again.
 */
export function relock(f: Fault): number {
  if (f.originalMap === null) return LOOKUP_OK;
  if (!f.map.lock.acquireRead(f.thread)) return LOOKUP_BLOCKED;
  if (f.mapVersion === f.map.timestamp) return LOOKUP_OK;
  f.map.lock.releaseRead(f.thread);
  return LOOKUP_FAILED;
}

/** uvmfault_unlockall: what is null is not locked. */
export function unlockAll(f: Fault, amap: Amap | null, object: UvmObject | null): void {
  if (object !== null) object.lock.release(f.thread);
  if (amap !== null) amap.lock.release(f.thread);
  unlockMaps(f, false);
}

// ---- waiting, with nothing locked -----------------------------------------------------------------------------------

/** uvm_wait, then the stage `then`; a process that has waited too often ends as LOOP. */
export function waitForRam(f: Fault, wmesg: string, then: FaultStage): FaultStage {
  f.afterWait = then;
  f.wmesg = wmesg;
  requestMemory(f.vm, f.thread, wmesg);
  return waited;
}

function waited(f: Fault): FaultStage | null {
  if (!waitedInVain(f.vm, f.thread, f, f.wmesg)) return f.afterWait;
  f.result = LOOP;
  return finish;
}

/** tsleep(&lbolt): a second, then the stage `then`. */
export function sleepSecond(f: Fault, wmesg: string, then: FaultStage): FaultStage {
  f.vm.kernel.sleep(f.thread, f.vm.lbolt, wmesg, LBOLT_NS);
  return then;
}

/** Runs the record's task to its end, a step a stage; its result is `error`; then the stage `then`. */
export function stepTask(f: Fault): FaultStage | null {
  const step = (f.task as NonNullable<Fault['task']>).next();
  if (step.done !== true) return stepTask;
  f.task = null;
  f.error = step.value;
  return f.afterWait;
}
