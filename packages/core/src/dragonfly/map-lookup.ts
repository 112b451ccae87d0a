/**
 * vm_map_lookup: from an address to an object and an index, for a fault.
 *
 * Besides finding, it settles what can only be settled with the map locked: the permission, whether the page is wired, the shadow object
 * that a write to a copy-on-write range needs, and the object of a range that has none yet. For the last two the shared lock
 * is upgraded; where that fails it is given up and the look-up begins again with the exclusive lock. It always ends shared.
 */
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_WRITE } from '../vm/prot.js';
import type { Fault } from './fault-state.js';
import { KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import {
  allocateObject,
  MAP_ENTRY_COW,
  MAP_ENTRY_NEEDS_COPY,
  MAP_ENTRY_USER_WIRED,
  shadowEntry,
  VM_MAPTYPE_SUBMAP,
  VM_MAPTYPE_VPAGETABLE,
} from './map-entry.js';
import { needsShadow } from './object.js';

/** Asks `maxProtection` instead of `protection`: what a debugger may force, and wiring uses. */
export const VM_PROT_OVERRIDE_WRITE = 0x8;
/** The look-up sleeps for the map lock: try again. */
export const LOOKUP_BLOCKED = -2;
/** There is no memory for an object that the look-up has to make: wait, and try again. */
export const LOOKUP_SHORT = -4;

/**
 * vm_map_lookup. On success the map is read-locked and `map`, `entry`, `firstObject`, `mapPindex`, `firstProt` and `wired` of the fault are
 * set; on failure nothing is locked. LOOKUP_BLOCKED: the thread sleeps, and the caller leaves the CPU and calls again.
 * LOOKUP_SHORT: the caller waits for memory first.
 */
export function mapLookup(f: Fault, wanted: number): number {
  const thread = f.thread;
  let map = f.originalMap;
  let exclusive = false;
  for (;;) {
    if (exclusive) {
      if (!map.lock.acquireWrite(thread)) return LOOKUP_BLOCKED;
      map.timestamp++;
    } else if (!map.lock.acquireRead(thread)) {
      return LOOKUP_BLOCKED;
    }
    const entry = map.lookup(f.vaddr);
    if (entry !== null && entry.maptype === VM_MAPTYPE_SUBMAP) {
      unlock(f, map, exclusive);
      map = entry.submap as VmMap;
      exclusive = false;
      continue;
    }
    if (entry === null) {
      unlock(f, map, exclusive);
      return KERN_INVALID_ADDRESS;
    }
    f.map = map;
    f.entry = entry;
    const answer = settle(f, map, entry, wanted, exclusive);
    if (answer === WANTS_EXCLUSIVE) {
      exclusive = true;
      continue;
    }
    if (answer === KERN_PROTECTION_FAILURE || answer === LOOKUP_SHORT) unlock(f, map, exclusive);
    else if (exclusive) map.lock.downgrade(thread);
    return answer;
  }
}

/** The upgrade failed and the lock is gone. */
const WANTS_EXCLUSIVE = -3;

function unlock(f: Fault, map: VmMap, exclusive: boolean): void {
  if (exclusive) map.lock.releaseWrite(f.thread);
  else map.lock.releaseRead(f.thread);
}

/**
 * A user-wired private range was copied when it was wired: a copy now would leave the wired page behind. As seeded one that was wired before
 * it was made writable can therefore not be written (O39). Mended, the wiring goes over to the copy.
 */
function refusesCopy(f: Fault, entry: MapEntry): boolean {
  const wiredCow = MAP_ENTRY_USER_WIRED | MAP_ENTRY_COW;
  return (entry.eflags & wiredCow) === wiredCow && !f.vm.mended;
}

/** Permission, wiring, shadow and object of the entry found. */
function settle(f: Fault, map: VmMap, entry: MapEntry, wanted: number, exclusive: boolean): number {
  const override = (wanted & VM_PROT_OVERRIDE_WRITE) !== 0;
  let type = wanted & PROT_ALL;
  let prot: Prot = override ? entry.maxProtection : entry.protection;
  if ((type & prot) !== type) return KERN_PROTECTION_FAILURE;
  if (!override && (type & PROT_WRITE) !== 0 && refusesCopy(f, entry)) return KERN_PROTECTION_FAILURE;
  f.wired = entry.wiredCount !== 0;
  if (f.wired) {
    prot = entry.protection;
    type = prot;
  }
  // The walk of a virtual page table writes accessed bits into the backing object even for a read.
  if (entry.maptype === VM_MAPTYPE_VPAGETABLE && (prot & PROT_WRITE) !== 0) type |= PROT_WRITE;
  const copies = (entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0;
  const makes = entry.object === null && !map.systemMap;
  const shadows = copies && (type & PROT_WRITE) !== 0;
  if ((makes || (shadows && needsShadow(entry.object))) && f.vm.allocationFails?.('object') === true)
    return LOOKUP_SHORT;
  if ((makes || shadows) && !exclusive) {
    if (!map.lock.tryUpgrade(f.thread)) {
      map.lock.releaseRead(f.thread);
      return WANTS_EXCLUSIVE;
    }
    map.timestamp++;
    exclusive = true;
    prot = change(f, entry, type, prot, copies);
    map.lock.downgrade(f.thread);
  } else {
    prot = change(f, entry, type, prot, copies && (exclusive || (type & PROT_WRITE) === 0));
  }
  if (entry.object !== null) f.firstObject = entry.object;
  f.hasObject = entry.object !== null;
  f.mapPindex = Math.floor(f.vaddr - entry.start + entry.offset);
  f.firstProt = prot;
  return KERN_SUCCESS;
}

/** The part that may need the map alone. Answers the protection that remains. */
function change(f: Fault, entry: MapEntry, type: Prot, prot: Prot, copies: boolean): Prot {
  let left = prot;
  if (copies) {
    if ((type & PROT_WRITE) !== 0) shadowEntry(f.vm, entry);
    else left &= ~PROT_WRITE;
  }
  if (entry.object === null && !f.map.systemMap) allocateObject(f.vm, entry);
  return left;
}

/** vm_map_lookup_done: gives the map back, however it is held. */
export function mapLookupDone(f: Fault): void {
  if (f.map.lock.heldForWriteBy(f.thread)) f.map.lock.releaseWrite(f.thread);
  else f.map.lock.releaseRead(f.thread);
}
