/**
 * Copying memory by name: vm_map_copy_entry, vm_map_copy, and vmspace_fork.
 *
 * Nothing is copied but references. The source's pages are write-protected, both entries become copy-on-write, and whichever side must
 * shadow first is marked needs_copy. Only a wired range is copied at once, page by page (`fault-copy-entry`).
 *
 * fork goes by the inheritance of each entry. SHARE turns the parent's entry into a view of a sharing map, which the child views too.
 *
 * As seeded a range behind a sharing map that has one reference left is protected through the map's own pmap, and a sharing map has none: the
 * parent's translations stay writable, and what it stores through them later is seen by the child. In the same way nobody protects the
 * translations that other address spaces have of a file that is copied. Mended, the pages are protected everywhere.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import { faultCopyEntry } from './fault-wire.js';
import { KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import type { MapEntry } from './map-entry.js';
import { clipEnd, clipStart, lockMap, unlockMap, VM_INHERIT_NONE, VM_INHERIT_SHARE, VmMap } from './map-entry.js';
import { checkProtection, deleteLocked, entryUnwire, insertLocked } from './map-range.js';
import { objectCopy, objectPmapCopy, objectPmapRemove } from './object-copy.js';
import { deallocate } from './object-end.js';
import { forkNeeds } from './reserve.js';
import type { Vm } from './vm.js';

/** vm_map_copy_entry: what the source shows, the target shows from now on, as a copy. Both maps are write-locked, the entries equally long. */
export function* copyEntry(
  vm: Vm,
  thread: Thread,
  sourceMap: VmMap,
  targetMap: VmMap,
  source: MapEntry,
  target: MapEntry,
): Task<void> {
  if (source.subMap !== null || target.subMap !== null) return;
  const pages = target.end - target.start;
  if (target.wiredCount !== 0) entryUnwire(vm, targetMap, target);
  if (targetMap.pmap !== null) vm.pmap.remove(targetMap.pmap, target.start, target.end);
  else objectPmapRemove(vm, target.object, target.offset, target.offset + pages);
  if (source.wiredCount !== 0) {
    const old = target.object;
    yield* faultCopyEntry(vm, thread, targetMap, target, source);
    // As seeded the child's entry keeps the mark, though its pages are its own: a second copy (S18).
    if (vm.mended) target.needsCopy = false;
    yield* deallocate(vm, thread, old);
    return;
  }
  if (!source.needsCopy) protectSource(vm, sourceMap, source);
  const old = target.object;
  const copy = objectCopy(vm, source.object, source.offset, pages);
  target.object = copy.object;
  target.offset = copy.object === null ? 0 : source.offset;
  if (copy.sourceNeedsCopy) source.needsCopy = true;
  target.needsCopy = true;
  source.copyOnWrite = true;
  target.copyOnWrite = true;
  yield* deallocate(vm, thread, old);
}

/** From now on every store to the source must fault. */
function protectSource(vm: Vm, map: VmMap, source: MapEntry): void {
  const end = source.offset + (source.end - source.start);
  const alone = map.isMainMap || map.refCount === 1;
  if (!alone || (vm.mended && sharedUnseen(map, source))) {
    objectPmapCopy(vm, source.object, source.offset, end);
    return;
  }
  if (sharedUnseen(map, source)) vm.permissionsAstray = 'a copy was made of memory that others map too';
  vm.pmap.protect(map.pmap, source.start, source.end, source.protection & ~PROT_WRITE);
}

/** Whether translations of the source may exist that its map cannot name: behind a sharing map, and of a file or device. */
function sharedUnseen(map: VmMap, source: MapEntry): boolean {
  return !map.isMainMap || (source.object !== null && !source.object.internal);
}

/** vm_map_copy: the range at `from` in one map becomes a copy of the range at `start` in another. */
export function* copyRange(
  vm: Vm,
  thread: Thread,
  targetMap: VmMap,
  sourceMap: VmMap,
  from: number,
  pages: number,
  start: number,
): Task<number> {
  yield* lockMap(targetMap, thread);
  yield* lockMap(sourceMap, thread);
  const result = yield* copyRangeLocked(vm, thread, targetMap, sourceMap, from, pages, start);
  unlockMap(sourceMap, thread);
  unlockMap(targetMap, thread);
  return result;
}

function* copyRangeLocked(
  vm: Vm,
  thread: Thread,
  targetMap: VmMap,
  sourceMap: VmMap,
  targetStart: number,
  pages: number,
  sourceStart: number,
): Task<number> {
  const sourceEnd = sourceStart + pages;
  const targetEnd = targetStart + pages;
  if (sourceMap.isMainMap && targetMap.isMainMap) {
    if (!checkProtection(sourceMap, sourceStart, sourceEnd, PROT_READ)) return KERN_PROTECTION_FAILURE;
    if (!checkProtection(targetMap, targetStart, targetEnd, PROT_WRITE)) return KERN_PROTECTION_FAILURE;
  }
  clipStart(sourceMap, sourceMap.lookup(sourceStart) as MapEntry, sourceStart);
  let target = targetMap.lookup(targetStart) as MapEntry;
  clipStart(targetMap, target, targetStart);
  let source = sourceMap.lookup(sourceStart) as MapEntry;
  if (source === target) return KERN_SUCCESS;
  for (let at = sourceStart; at < sourceEnd; ) {
    clipEnd(sourceMap, source, sourceEnd);
    clipEnd(targetMap, target, targetEnd);
    clipEnd(sourceMap, source, source.start + (target.end - target.start));
    clipEnd(targetMap, target, target.start + (source.end - source.start));
    if (source.shareMap === null && target.shareMap === null) {
      yield* copyEntry(vm, thread, sourceMap, targetMap, source, target);
    } else {
      yield* followShareMaps(vm, thread, targetMap, sourceMap, target, source);
    }
    at = source.end;
    source = source.next;
    target = target.next;
  }
  return KERN_SUCCESS;
}

/** One side at least is a view of a sharing map: the copy is made there. */
function* followShareMaps(
  vm: Vm,
  thread: Thread,
  targetMap: VmMap,
  sourceMap: VmMap,
  target: MapEntry,
  source: MapEntry,
): Task<void> {
  const pages = target.end - target.start;
  const newSource = source.shareMap ?? sourceMap;
  const newTarget = target.shareMap ?? targetMap;
  const from = source.shareMap === null ? source.start : source.offset;
  const to = target.shareMap === null ? target.start : target.offset;
  if (target.shareMap !== null && newTarget !== newSource) {
    yield* lockMap(newTarget, thread);
    yield* deleteLocked(vm, thread, newTarget, to, to + pages);
    insertLocked(vm, newTarget, null, 0, to, to + pages);
    unlockMap(newTarget, thread);
  }
  yield* copyRange(vm, thread, newTarget, newSource, to, pages, from);
}

/** vmspace_fork: fills the child's empty map from the parent's. Answers false where there was no memory for its entries and objects or, mended only, for a wired page. */
export function* forkMap(vm: Vm, thread: Thread, parent: VmMap, child: VmMap): Task<boolean> {
  yield* lockMap(parent, thread);
  if (!reserves(vm, () => forkNeeds(parent))) {
    unlockMap(parent, thread);
    return false;
  }
  for (let entry = parent.header.next; !parent.isHead(entry); entry = entry.next) {
    if (entry.subMap !== null) vm.panic('vm_map_fork: encountered a submap');
    if (entry.inheritance === VM_INHERIT_NONE) continue;
    if (entry.inheritance === VM_INHERIT_SHARE) shareWithChild(vm, child, entry);
    else yield* copyToChild(vm, thread, parent, child, entry);
    if (child.incomplete) break;
  }
  unlockMap(parent, thread);
  return !child.incomplete;
}

/** The parent's entry becomes a view of a sharing map, if it is not one yet, and the child gets another. Neither copy counts as wired. */
function shareWithChild(vm: Vm, child: VmMap, entry: MapEntry): void {
  let share = entry.shareMap;
  if (share === null) {
    share = new VmMap(vm, null, entry.start, entry.end, false, 'sharing map');
    const inner = entry.clone();
    inner.wiredCount = 0;
    share.link(inner);
    entry.shareMap = share;
    entry.object = null;
    entry.offset = entry.start;
  }
  const copy = entry.clone();
  copy.wiredCount = 0;
  share.refCount++;
  child.link(copy);
}

function* copyToChild(vm: Vm, thread: Thread, parent: VmMap, child: VmMap, entry: MapEntry): Task<void> {
  const copy = entry.clone();
  copy.wiredCount = 0;
  copy.object = null;
  copy.shareMap = null;
  child.link(copy);
  if (entry.shareMap === null) {
    yield* copyEntry(vm, thread, parent, child, entry, copy);
    return;
  }
  const pages = copy.end - copy.start;
  const result = yield* copyRange(vm, thread, child, entry.shareMap, copy.start, pages, entry.offset);
  if (result !== KERN_SUCCESS) vm.printf('vm_map_fork: copy in share_map region failed');
}
