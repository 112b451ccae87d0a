/**
 * vm_map_lookup: from an address to an object and an index, for a fault.
 *
 * Besides finding, it settles what can only be settled with the map locked: the permission, whether the page is wired, the shadow object
 * that a write to a copy-on-write range needs, and the object of a range that has none yet. For the last two the read lock
 * is upgraded; where other readers stand in the way it is given up, taken for writing, and the look-up begins again.
 */
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_WRITE } from '../vm/prot.js';
import type { Fault } from './fault-state.js';
import { KERN_FAILURE, KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { MAP_ENTRY_COW, MAP_ENTRY_IS_SUB_MAP, MAP_ENTRY_NEEDS_COPY, MAP_ENTRY_USER_WIRED } from './map-entry.js';
import { needsShadow, OBJT_DEFAULT, objectAllocate, objectShadow } from './object.js';

/** Asks `maxProtection` instead of `protection`: what a debugger may force, and wiring uses. */
export const VM_PROT_OVERRIDE_WRITE = 0x8;
/** The look-up sleeps for the map lock: try again. */
export const LOOKUP_BLOCKED = -1;
/** There is no memory for an object that the look-up has to make: wait, and try again. */
export const LOOKUP_SHORT = -2;

/**
 * vm_map_lookup. On success the map is read-locked and `map`, `entry`, `firstObject`, `firstPindex`, `prot` and `wired` of the fault are
 * set; on failure nothing is locked. LOOKUP_BLOCKED: the thread sleeps, and the caller leaves the CPU and calls again.
 * LOOKUP_SHORT: the caller waits for memory first.
 */
export function mapLookup(f: Fault, wanted: number): number {
  const thread = f.thread;
  let map = f.originalMap;
  for (;;) {
    if (!map.lock.acquireRead(thread)) return LOOKUP_BLOCKED;
    const entry = map.lookup(f.vaddr);
    if (entry === null) {
      map.lock.releaseRead(thread);
      return KERN_INVALID_ADDRESS;
    }
    if ((entry.eflags & MAP_ENTRY_IS_SUB_MAP) !== 0) {
      const outer = map;
      map = entry.submap as VmMap;
      outer.lock.releaseRead(thread);
      continue;
    }
    f.map = map;
    f.entry = entry;
    const answer = settle(f, map, entry, wanted);
    if (answer === KERN_PROTECTION_FAILURE || answer === LOOKUP_SHORT) map.lock.releaseRead(thread);
    return answer;
  }
}

/** Permission, wiring, shadow and object of the entry found. */
function settle(f: Fault, map: VmMap, entry: MapEntry, wanted: number): number {
  const override = (wanted & VM_PROT_OVERRIDE_WRITE) !== 0;
  let type = wanted & PROT_ALL;
  let prot: Prot = override ? entry.maxProtection : entry.protection;
  if ((type & prot) !== type) return KERN_PROTECTION_FAILURE;
  // A user-wired private range was copied when it was wired: a copy now would leave the wired page behind.
  if (!override && (type & PROT_WRITE) !== 0 && refusesCopy(f, entry)) return KERN_PROTECTION_FAILURE;
  f.wired = entry.wiredCount !== 0;
  if (f.wired) {
    prot = entry.protection;
    type = prot;
  }
  if ((entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0) {
    if ((type & PROT_WRITE) !== 0) {
      if (!upgrade(f, map)) return LOOKUP_BLOCKED;
      const made = shadowEntry(f, entry);
      map.lock.downgrade(f.thread);
      if (!made) return LOOKUP_SHORT;
    } else {
      prot &= ~PROT_WRITE;
    }
  }
  if (entry.object === null && !map.systemMap) {
    if (!upgrade(f, map)) return LOOKUP_BLOCKED;
    const made = giveObject(f, entry);
    map.lock.downgrade(f.thread);
    if (!made) return LOOKUP_SHORT;
  }
  if (entry.object === null) return KERN_PROTECTION_FAILURE;
  f.firstObject = entry.object;
  f.firstPindex = f.vaddr - entry.start + entry.offset;
  f.prot = prot;
  return KERN_SUCCESS;
}

/**
 * vm_map_lock_upgrade. Answers false when it has given the lock up; the thread then sleeps for it, or has seen it free, and the look-up is
 * made again from the start.
 */
function upgrade(f: Fault, map: VmMap): boolean {
  const thread = f.thread;
  if (map.lock.tryUpgrade(thread)) {
    map.timestamp++;
    return true;
  }
  map.lock.releaseRead(thread);
  if (map.lock.acquireWrite(thread)) map.lock.releaseWrite(thread);
  return false;
}

/** The object of an anonymous range that has none yet. False: there is no memory for it. */
function giveObject(f: Fault, entry: MapEntry): boolean {
  if (f.vm.allocationFails?.('object') === true) return false;
  entry.object = objectAllocate(f.vm, OBJT_DEFAULT, entry.end - entry.start);
  entry.offset = 0;
  return true;
}

/** The object into which a range is copied page by page. False: there is no memory for it. */
function shadowEntry(f: Fault, entry: MapEntry): boolean {
  if (needsShadow(entry.object) && f.vm.allocationFails?.('object') === true) return false;
  const shadow = objectShadow(f.vm, entry.object, entry.offset, entry.end - entry.start);
  if (shadow !== entry.object) {
    entry.object = shadow;
    entry.offset = 0;
  }
  entry.eflags &= ~MAP_ENTRY_NEEDS_COPY;
  return true;
}

/**
 * As seeded a user-wired private range is never copied again, and one that was wired before it was made writable cannot be written (O27).
 * Mended, the wiring goes over to the copy.
 */
function refusesCopy(f: Fault, entry: MapEntry): boolean {
  const wiredCow = MAP_ENTRY_USER_WIRED | MAP_ENTRY_COW;
  return (entry.eflags & wiredCow) === wiredCow && !f.vm.mended;
}

/**
 * vm_map_lookup_locked: the same under a read lock that is already held, for the second look after I/O. What would have to wait fails with
 * KERN_FAILURE. Sets `retry` and leaves the map locked.
 */
export function mapLookupLocked(f: Fault, wanted: Prot, retry: { pindex: number; prot: Prot }): number {
  const map = f.map;
  const entry = map.lookup(f.vaddr);
  if (entry === null) return KERN_INVALID_ADDRESS;
  f.entry = entry;
  if ((entry.eflags & MAP_ENTRY_IS_SUB_MAP) !== 0) return KERN_FAILURE;
  let type = wanted & PROT_ALL;
  let prot = entry.protection;
  if ((type & prot) !== type) return KERN_PROTECTION_FAILURE;
  if ((type & PROT_WRITE) !== 0 && refusesCopy(f, entry)) return KERN_PROTECTION_FAILURE;
  f.wired = entry.wiredCount !== 0;
  if (f.wired) {
    prot = entry.protection;
    type = prot;
  }
  if ((entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0) {
    if ((type & PROT_WRITE) !== 0) return KERN_FAILURE;
    prot &= ~PROT_WRITE;
  }
  if (entry.object === null) return KERN_FAILURE;
  retry.pindex = f.vaddr - entry.start + entry.offset;
  retry.prot = prot;
  return KERN_SUCCESS;
}

/** vm_map_lookup_done. */
export function mapLookupDone(f: Fault): void {
  f.map.lock.releaseRead(f.thread);
}
