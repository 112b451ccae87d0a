/**
 * vmspace_fork, and vm_object_split, which makes fork's copies small.
 *
 * Each entry goes to the child by its inheritance. A copied range is write-protected in the parent and becomes copy-on-write in both; no
 * shadow object is made until somebody writes. A wired range is copied at once. Translations are copied too.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_WRITE } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import { collapse } from './collapse.js';
import { faultCopyEntry } from './fault-wire.js';
import type { MapEntry, VmMap } from './map-entry.js';
import {
  MAP_ENTRY_COW,
  MAP_ENTRY_IN_TRANSITION,
  MAP_ENTRY_IS_SUB_MAP,
  MAP_ENTRY_NEEDS_COPY,
  MAP_ENTRY_NEEDS_WAKEUP,
  MAP_ENTRY_USER_WIRED,
  VM_INHERIT_COPY,
  VM_INHERIT_NONE,
  VM_INHERIT_SHARE,
} from './map-entry.js';
import { lockMap, unlockMapWrite } from './map-range.js';
import type { VmObject } from './object.js';
import {
  linkShadow,
  OBJ_DEAD,
  OBJ_ONEMAPPING,
  OBJT_DEFAULT,
  OBJT_SWAP,
  objectAllocate,
  objectReference,
  objectShadow,
} from './object.js';
import { deallocate } from './object-end.js';
import { pagesInRange, waitForPage } from './object-pages.js';
import { pageBusy, pageIndex, pageIsBusy, pageLookup, pageRename, pageWakeup } from './page.js';
import { cacheTransfer } from './page-alloc.js';
import { swapCopy } from './pager-swap.js';
import { forkNeeds } from './reserve.js';
import type { Vm } from './vm.js';

/**
 * Fills the child's empty map from the parent's. The child's entries are unwired. Answers false where there was no memory
 * for the child's entries and objects or, mended only, for the copy of a wired range: the parent is then as before, and the child has what
 * was made so far.
 */
export function* forkMap(vm: Vm, thread: Thread, parent: VmMap, child: VmMap): Task<boolean> {
  yield* lockMap(parent, thread);
  child.timestamp = 1;
  if (!reserves(vm, () => forkNeeds(parent))) {
    unlockMapWrite(parent, thread);
    return false;
  }
  // Mended, what can fail goes first, before anything of the parent's has become copy-on-write.
  const passes = vm.mended ? [copiedNow, (entry: MapEntry) => !copiedNow(entry)] : [() => true];
  let enough = true;
  for (const pass of passes) enough = enough && (yield* forkEntries(vm, thread, parent, child, pass));
  unlockMapWrite(parent, thread);
  return enough;
}

/** Whether a fork must copy the pages of the entry at once. */
function copiedNow(entry: MapEntry): boolean {
  return entry.inheritance === VM_INHERIT_COPY && entry.wiredCount !== 0;
}

function* forkEntries(
  vm: Vm,
  thread: Thread,
  parent: VmMap,
  child: VmMap,
  wanted: (entry: MapEntry) => boolean,
): Task<boolean> {
  for (let entry = parent.header.next; !parent.isHead(entry); entry = entry.next) {
    if ((entry.eflags & MAP_ENTRY_IS_SUB_MAP) !== 0) vm.panic('vm_map_fork: encountered a submap');
    if (entry.inheritance === VM_INHERIT_NONE || !wanted(entry)) continue;
    if (entry.inheritance === VM_INHERIT_SHARE) yield* shareEntry(vm, thread, parent, child, entry);
    else if (!(yield* copyEntry(vm, thread, parent, child, entry))) return false;
  }
  return true;
}

function cloneFor(child: VmMap, entry: MapEntry): MapEntry {
  const copy = entry.clone();
  copy.eflags &= ~(MAP_ENTRY_USER_WIRED | MAP_ENTRY_IN_TRANSITION | MAP_ENTRY_NEEDS_WAKEUP);
  copy.wiredCount = 0;
  child.link(copy);
  child.size += copy.end - copy.start;
  return copy;
}

/** Both look at one object from now on; what was to be copied at a write is put into a shadow that both then share. */
function* shareEntry(vm: Vm, thread: Thread, parent: VmMap, child: VmMap, entry: MapEntry): Task<void> {
  const size = entry.end - entry.start;
  if (entry.object === null) {
    entry.object = objectAllocate(vm, OBJT_DEFAULT, size);
    entry.offset = 0;
  }
  let object: VmObject = entry.object;
  objectReference(object);
  if ((entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0) {
    // The reference just added makes sure that a shadow is made.
    const shadow = objectShadow(vm, object, entry.offset, size);
    entry.object = shadow;
    entry.offset = 0;
    entry.eflags &= ~MAP_ENTRY_NEEDS_COPY;
    objectReference(shadow);
    yield* deallocate(vm, thread, object);
    object = shadow;
  }
  object.flags &= ~OBJ_ONEMAPPING;
  cloneFor(child, entry);
  vm.pmap.copy(child.pmap, parent.pmap, entry.start, entry.end);
}

/** vm_map_copy_entry. Answers false where there was no memory. */
function* copyEntry(vm: Vm, thread: Thread, parent: VmMap, child: VmMap, entry: MapEntry): Task<boolean> {
  const copy = cloneFor(child, entry);
  copy.object = null;
  if (entry.wiredCount !== 0) {
    // As seeded the copy stays marked as to be copied, and a fork of the child leaves its translations writable (O22).
    if (vm.mended) copy.eflags &= ~MAP_ENTRY_NEEDS_COPY;
    return yield* faultCopyEntry(vm, thread, child, copy, entry);
  }
  if ((entry.eflags & MAP_ENTRY_NEEDS_COPY) === 0) {
    vm.pmap.protect(parent.pmap, entry.start, entry.end, entry.protection & ~PROT_WRITE);
  }
  if (entry.object === null) {
    copy.offset = 0;
  } else {
    const object = yield* prepareForCopy(vm, thread, entry, entry.object);
    objectReference(object);
    object.flags &= ~OBJ_ONEMAPPING;
    object.lock.release(thread);
    copy.object = object;
    copy.offset = entry.offset;
    entry.eflags |= MAP_ENTRY_COW | MAP_ENTRY_NEEDS_COPY;
    copy.eflags |= MAP_ENTRY_COW | MAP_ENTRY_NEEDS_COPY;
  }
  vm.pmap.copy(child.pmap, parent.pmap, copy.start, copy.end);
  return true;
}

/** Shortens the chain and gives the entry an object of its own. Answers the entry's object, locked. */
function* prepareForCopy(vm: Vm, thread: Thread, entry: MapEntry, object: VmObject): Task<VmObject> {
  while (!object.lock.acquire(thread)) yield;
  if (!object.anonymous) return object;
  yield* collapse(vm, thread, object);
  if ((object.flags & OBJ_ONEMAPPING) === 0) return object;
  return yield* split(vm, thread, entry, object);
}

/**
 * vm_object_split: where several entries look at different parts of one object, takes this entry's part out into an object of its own.
 * Entered with the object locked; answers the entry's object, locked.
 */
function* split(vm: Vm, thread: Thread, entry: MapEntry, object: VmObject): Task<VmObject> {
  if ((object.type !== OBJT_DEFAULT && object.type !== OBJT_SWAP) || object.refCount <= 1) return object;
  const source = object.backing;
  if (source !== null && (source.flags & OBJ_DEAD) !== 0) return object;
  const size = entry.end - entry.start;
  const part = objectAllocate(vm, OBJT_DEFAULT, size);
  part.lock.acquire(thread);
  if (source !== null) {
    linkShadow(part, source, object.backingOffset + entry.offset);
    objectReference(source);
    source.flags &= ~OBJ_ONEMAPPING;
  }
  const moved = yield* movePages(vm, thread, object, part, entry.offset, size);
  if (object.type === OBJT_SWAP) {
    swapCopy(vm, object, part, entry.offset, false);
    cacheTransfer(vm, object, entry.offset, part);
  }
  object.lock.release(thread);
  for (const page of moved) pageWakeup(vm, page);
  entry.object = part;
  entry.offset = 0;
  part.lock.release(thread);
  yield* deallocate(vm, thread, object);
  while (!part.lock.acquire(thread)) yield;
  return part;
}

/** Renames the pages of the part, waiting for those that are busy. They stay busy until swap has been moved as well. */
function* movePages(
  vm: Vm,
  thread: Thread,
  from: VmObject,
  to: VmObject,
  offset: number,
  size: number,
): Task<number[]> {
  const moved: number[] = [];
  for (const page of pagesInRange(vm, from, offset, offset + size)) {
    const pindex = pageIndex(vm, page);
    while (pageLookup(vm, from, pindex) === page && pageIsBusy(vm, page)) {
      from.lock.release(thread);
      yield* waitForPage(vm, thread, page, 'spltwt');
      while (!from.lock.acquire(thread)) yield;
    }
    if (pageLookup(vm, from, pindex) !== page) continue;
    pageRename(vm, page, to, pindex - offset);
    pageBusy(vm, page);
    moved.push(page);
  }
  return moved;
}
