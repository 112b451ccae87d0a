/**
 * vmspace_fork, and vm_map_split, which makes fork's copies small.
 *
 * Each entry goes to the child by its inheritance. A copied range is write-protected in the parent and becomes copy-on-write in both; no
 * shadow object is made until somebody writes. A wired range is copied at once. Translations are not copied on this platform: the
 * child faults everything in.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_WRITE } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import { SwapBlocks } from '../vm/swap-blocks.js';
import { collapse } from './collapse.js';
import { faultCopyEntry } from './fault-wire.js';
import type { MapEntry, VmMap } from './map-entry.js';
import {
  allocateObject,
  MAP_ENTRY_COW,
  MAP_ENTRY_IN_TRANSITION,
  MAP_ENTRY_NEEDS_COPY,
  MAP_ENTRY_NEEDS_WAKEUP,
  MAP_ENTRY_USER_WIRED,
  shadowEntry,
  VM_INHERIT_NONE,
  VM_INHERIT_SHARE,
  VM_MAPTYPE_SUBMAP,
} from './map-entry.js';
import { lockMap, unlockMapWrite } from './map-lock.js';
import type { VmObject } from './object.js';
import { linkShadow, OBJ_DEAD, OBJ_ONEMAPPING, OBJT_SWAP, objectAllocate, objectReference } from './object.js';
import { deallocate } from './object-end.js';
import { pagesInRange, waitForPage } from './object-pages.js';
import { pageBusy, pageIndex, pageIsBusy, pageLookup, pageRename, pageWakeup } from './page.js';
import { swapCopy } from './pager-swap.js';
import { forkNeeds } from './reserve.js';
import { getToken } from './tokens.js';
import type { Vm } from './vm.js';

/**
 * Fills the child's empty map from the parent's. The child's entries are unwired. Answers false where there was no memory for
 * the child's entries and objects or, mended only, for the copy of a wired range: the child then has what was made so far.
 */
export function* forkMap(vm: Vm, thread: Thread, parent: VmMap, child: VmMap): Task<boolean> {
  yield* lockMap(parent, thread);
  yield* lockMap(child, thread);
  yield* getToken(vm.vmToken, thread);
  child.timestamp = 1;
  const enough = reserves(vm, () => forkNeeds(parent)) && (yield* forkEntries(vm, thread, parent, child));
  vm.vmToken.release(thread);
  unlockMapWrite(child, thread);
  unlockMapWrite(parent, thread);
  return enough;
}

function* forkEntries(vm: Vm, thread: Thread, parent: VmMap, child: VmMap): Task<boolean> {
  for (let entry = parent.header.next; !parent.isHead(entry); entry = entry.next) {
    if (entry.maptype === VM_MAPTYPE_SUBMAP) vm.panic('vm_map_fork: encountered a submap');
    if (entry.inheritance === VM_INHERIT_NONE) continue;
    if (entry.inheritance === VM_INHERIT_SHARE) yield* shareEntry(vm, thread, child, entry);
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
function* shareEntry(vm: Vm, thread: Thread, child: VmMap, entry: MapEntry): Task<void> {
  const object = entry.object ?? allocateObject(vm, entry);
  objectReference(object);
  if ((entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0) {
    // The reference just added makes sure that a shadow is made.
    shadowEntry(vm, entry);
    objectReference(entry.object as VmObject);
    yield* deallocate(vm, thread, object);
  }
  (entry.object as VmObject).flags &= ~OBJ_ONEMAPPING;
  cloneFor(child, entry);
}

/** vm_map_copy_entry. Answers false where there was no memory. */
function* copyEntry(vm: Vm, thread: Thread, parent: VmMap, child: VmMap, entry: MapEntry): Task<boolean> {
  const copy = cloneFor(child, entry);
  copy.object = null;
  if (entry.wiredCount !== 0) {
    const enough = yield* faultCopyEntry(vm, thread, child, copy, entry);
    // As seeded the copy stays marked as to be copied, and a fork of the child leaves its translations writable (O33).
    if (vm.mended) copy.eflags &= ~(MAP_ENTRY_COW | MAP_ENTRY_NEEDS_COPY);
    return enough;
  }
  if ((entry.eflags & MAP_ENTRY_NEEDS_COPY) === 0) {
    vm.pmap.protect(parent.pmap, Math.floor(entry.start), entry.end, entry.protection & ~PROT_WRITE);
  }
  if (entry.object === null) {
    copy.offset = 0;
    return true;
  }
  yield* prepareForCopy(vm, thread, entry, entry.object);
  const object = entry.object as VmObject;
  objectReference(object);
  object.flags &= ~OBJ_ONEMAPPING;
  copy.object = object;
  copy.offset = entry.offset;
  entry.eflags |= MAP_ENTRY_COW | MAP_ENTRY_NEEDS_COPY;
  copy.eflags |= MAP_ENTRY_COW | MAP_ENTRY_NEEDS_COPY;
  return true;
}

/** Shortens the chain and gives the entry an object of its own. */
function* prepareForCopy(vm: Vm, thread: Thread, entry: MapEntry, object: VmObject): Task<void> {
  if (!object.anonymous) return;
  yield* collapse(vm, thread, object);
  if ((object.flags & OBJ_ONEMAPPING) !== 0 && object.refCount > 1) yield* split(vm, thread, entry, object);
}

/**
 * vm_map_split: where several entries look at different parts of one object, takes this entry's part out into an object of its own. The pages
 * that move are dirty afterwards.
 */
function* split(vm: Vm, thread: Thread, entry: MapEntry, object: VmObject): Task<void> {
  const source = object.backing;
  if (source !== null && (source.flags & OBJ_DEAD) !== 0) return;
  const size = Math.floor(entry.end - entry.start);
  const offset = Math.floor(entry.offset);
  const part = objectAllocate(vm, object.type, size);
  if (object.type === OBJT_SWAP) part.swap = new SwapBlocks(vm.swapArea);
  if (source !== null) {
    linkShadow(part, source, object.backingOffset + offset);
    objectReference(source);
    source.flags &= ~OBJ_ONEMAPPING;
  }
  const moved = yield* movePages(vm, thread, object, part, offset, size);
  if (object.type === OBJT_SWAP) swapCopy(vm, object, part, offset, false);
  for (const page of moved) pageWakeup(vm, page);
  entry.object = part;
  entry.offset = 0;
  yield* deallocate(vm, thread, object);
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
    while (pageLookup(vm, from, pindex) === page && pageIsBusy(vm, page))
      yield* waitForPage(vm, thread, page, 'spltwt');
    if (pageLookup(vm, from, pindex) !== page) continue;
    pageBusy(vm, page);
    pageRename(vm, page, to, pindex - offset);
    pageBusy(vm, page);
    moved.push(page);
  }
  return moved;
}
