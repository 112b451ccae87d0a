/**
 * vm_map_lookup: from an address and a permission to an object, an index in it, and what the translation may allow.
 *
 * It leaves the map read-locked, and the sharing map too where the entry looks into one. What a first write needs before it can be looked
 * for, a shadow for an entry that has only been copied in name, or an object where there is none yet, is made here, with the lock upgraded
 * for the moment. When the upgrade cannot be had at once, everything is let go and the look-up begins again.
 *
 * The permission is the main map's entry's in every case; `copy_on_write` alone does not restrict it.
 */
import type { Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_WRITE } from '../vm/prot.js';
import type { Fault } from './fault-state.js';
import { KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import type { MapEntry, VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import { objectAllocate, objectShadow } from './object.js';
import type { Vm } from './vm.js';

/** The thread now sleeps for a lock and holds none; look up again. */
export const LOOKUP_BLOCKED = -2;
/** There is no memory for an object that the look-up has to make: wait, and try again. */
export const LOOKUP_SHORT = -3;

/**
 * Looks `f.vaddr` up in `f.map` (which becomes the submap where it leads into one). Sets `entry`, `wired` and the `found` fields.
 * On any answer but KERN_SUCCESS nothing is held.
 */
export function mapLookup(f: Fault, wanted: Prot): number {
  const { thread, vaddr } = f;
  if (!f.map.lock.acquireRead(thread)) return LOOKUP_BLOCKED;
  let entry = f.map.lookup(vaddr);
  while (entry !== null && entry.subMap !== null) {
    const inner: VmMap = entry.subMap;
    f.map.lock.releaseRead(thread);
    f.map = inner;
    if (!inner.lock.acquireRead(thread)) return LOOKUP_BLOCKED;
    entry = inner.lookup(vaddr);
  }
  if (entry === null) return leave(f, KERN_INVALID_ADDRESS);
  if ((wanted & ~entry.protection) !== 0) return leave(f, KERN_PROTECTION_FAILURE);
  f.entry = entry;
  f.wired = entry.wiredCount !== 0;
  f.foundProt = entry.protection;
  const type = f.wired ? entry.protection : wanted;
  const share = entry.shareMap;
  return share === null ? resolve(f, f.map, entry, vaddr, type) : lookupShared(f, share, type);
}

/** The same in the sharing map that the entry looks into. */
function lookupShared(f: Fault, share: VmMap, type: Prot): number {
  if (!share.lock.tryRead(f.thread)) {
    f.map.lock.releaseRead(f.thread);
    share.lock.acquireRead(f.thread);
    return LOOKUP_BLOCKED;
  }
  const address = f.vaddr - f.entry.start + f.entry.offset;
  const inner = share.lookup(address);
  if (inner === null) {
    share.lock.releaseRead(f.thread);
    return leave(f, KERN_INVALID_ADDRESS);
  }
  return resolve(f, share, inner, address, type);
}

function leave(f: Fault, code: number): number {
  f.map.lock.releaseRead(f.thread);
  return code;
}

/** The object behind the entry that counts, made if it must be. `map` is the one that the entry is in. */
function resolve(f: Fault, map: VmMap, entry: MapEntry, address: number, type: Prot): number {
  const shadow = entry.needsCopy && (type & PROT_WRITE) !== 0;
  if (shadow || entry.object === null) {
    if (!map.lock.tryUpgrade(f.thread)) return waitForReaders(f, map);
    const enough = f.vm.allocationFails?.('object') !== true;
    if (enough && shadow) shadowEntry(f.vm, entry);
    if (enough && entry.object === null) giveObject(f.vm, entry);
    map.lock.downgrade(f.thread);
    if (!enough) {
      mapLookupDone(f.map, f.entry, f.thread);
      return LOOKUP_SHORT;
    }
  }
  if (entry.needsCopy) f.foundProt &= ~PROT_WRITE;
  f.foundObject = entry.object as VmObject;
  f.foundOffset = address - entry.start + entry.offset;
  return KERN_SUCCESS;
}

/** Others read the map: lets everything go and waits until they have gone. */
function waitForReaders(f: Fault, map: VmMap): number {
  mapLookupDone(f.map, f.entry, f.thread);
  if (map.lock.acquireWrite(f.thread)) map.lock.releaseWrite(f.thread);
  return LOOKUP_BLOCKED;
}

/** The entry's own object in front of the one that it shares: from now on it may be written. */
export function shadowEntry(vm: Vm, entry: MapEntry): void {
  entry.object = objectShadow(vm, entry.object, entry.offset, entry.end - entry.start);
  entry.offset = 0;
  entry.needsCopy = false;
}

/** The first use of memory that had no object yet. */
export function giveObject(vm: Vm, entry: MapEntry): void {
  entry.object = objectAllocate(vm, entry.end - entry.start);
  entry.offset = 0;
}

/** vm_map_lookup_done. */
export function mapLookupDone(map: VmMap, entry: MapEntry, thread: Thread): void {
  if (entry.shareMap !== null) entry.shareMap.lock.releaseRead(thread);
  map.lock.releaseRead(thread);
}
