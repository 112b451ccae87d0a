/** The map lock as the kernel takes it, and the wait for an entry in transition. */
import type { Task, Thread } from '../kernel/thread.js';
import { MAP_ENTRY_NEEDS_WAKEUP, type MapEntry, type VmMap } from './map-entry.js';
import type { Vm } from './vm.js';

/** vm_map_lock: exclusively; the timestamp moves. */
export function* lockMap(map: VmMap, thread: Thread): Task<void> {
  while (!map.lock.acquireWrite(thread)) yield;
  map.timestamp++;
}

/** vm_map_unlock. */
export function unlockMapWrite(map: VmMap, thread: Thread): void {
  map.lock.releaseWrite(thread);
}

/** vm_map_transition_wait: lets the map go and sleeps until an entry is no longer in transition; comes back with the lock. */
export function* waitForTransition(vm: Vm, map: VmMap, thread: Thread, entry: MapEntry): Task<void> {
  entry.eflags |= MAP_ENTRY_NEEDS_WAKEUP;
  vm.counters.v_intrans_coll++;
  vm.counters.v_intrans_wait++;
  unlockMapWrite(map, thread);
  vm.kernel.sleep(thread, map, 'vment');
  yield;
  yield* lockMap(map, thread);
}
