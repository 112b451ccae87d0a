/**
 * vm_object_collapse: keeps shadow chains short.
 *
 * An object whose backing object has no other user takes over its pages, swap and backing object: the two become one. Where
 * the backing object has other users but nothing in it can be seen through this one, this one is hung past it (a bypass).
 * A bypass leaves the other shadow where it is, which is what later lets a write fault move a page up instead of copying it.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { VmObject } from './object.js';
import {
  linkShadow,
  OBJ_DEAD,
  OBJT_DEFAULT,
  OBJT_SWAP,
  objectForget,
  objectReference,
  unlinkShadow,
} from './object.js';
import {
  PG_REFERENCED,
  pageIndex,
  pageIsBusy,
  pageLookup,
  pageRemove,
  pageRename,
  pageSetFlag,
  pageWanted,
} from './page.js';
import { cacheFree, pageFree } from './page-alloc.js';
import { swapCopy } from './pager-swap.js';
import type { Vm } from './vm.js';

/** Entered and left with `object` locked. */
export function* collapse(vm: Vm, thread: Thread, object: VmObject): Task<void> {
  for (;;) {
    const backing = object.backing;
    if (backing === null) return;
    while (!backing.lock.acquire(thread)) yield;
    const goOn = joinable(object, backing) && (yield* joinOnce(vm, thread, object, backing));
    backing.lock.release(thread);
    if (!goOn) return;
  }
}

function joinable(object: VmObject, backing: VmObject): boolean {
  return backing.anonymous && (backing.flags & OBJ_DEAD) === 0 && object.anonymous && (object.flags & OBJ_DEAD) === 0;
}

/** One level. Answers whether another try with the next backing object makes sense. Both objects are locked. */
function* joinOnce(vm: Vm, thread: Thread, object: VmObject, backing: VmObject): Task<boolean> {
  if (object.pagingInProgress !== 0 || backing.pagingInProgress !== 0) {
    quickCollapse(vm, object, backing);
    return false;
  }
  if (backing.refCount === 1) {
    yield* absorb(vm, thread, object, backing);
    return true;
  }
  if (object.residentCount !== object.size && !allShadowed(vm, object, backing)) return false;
  bypass(vm, object, backing);
  return true;
}

/** The backing object's only user takes everything over; the backing object is gone afterwards. */
function* absorb(vm: Vm, thread: Thread, object: VmObject, backing: VmObject): Task<void> {
  backing.flags |= OBJ_DEAD;
  yield* movePages(vm, thread, object, backing);
  if (backing.type === OBJT_SWAP) swapCopy(vm, backing, object, object.backingOffset, true);
  // The kernel looks only where there was swap: a split can have moved cached pages to an object without.
  cacheFree(vm, backing, 0, 0);
  const offset = object.backingOffset + backing.backingOffset;
  const next = backing.backing;
  unlinkShadow(object);
  object.backing = null;
  object.backingOffset = 0;
  if (next !== null) {
    unlinkShadow(backing);
    backing.backing = null;
    linkShadow(object, next, offset);
  }
  objectForget(vm, backing);
  vm.counters.object_collapses++;
}

/** vm_object_backing_scan(OBSC_COLLAPSE_WAIT): every page moves up or goes; waits for busy ones. */
function* movePages(vm: Vm, thread: Thread, object: VmObject, backing: VmObject): Task<void> {
  let page = backing.firstPage;
  while (page >= 0) {
    if (pageIsBusy(vm, page)) {
      pageSetFlag(vm, page, PG_REFERENCED);
      pageWanted(vm, page);
      object.lock.release(thread);
      backing.lock.release(thread);
      vm.kernel.sleep(thread, page, 'vmocol');
      yield;
      while (!object.lock.acquire(thread)) yield;
      while (!backing.lock.acquire(thread)) yield;
      page = backing.firstPage;
      continue;
    }
    const next = vm.pages.links.next(page);
    movePage(vm, page, object, backing);
    page = next;
  }
}

/** One page of the backing object: up into the object, unless it lies outside or the object has its own. */
function movePage(vm: Vm, page: number, object: VmObject, backing: VmObject): void {
  const oldIndex = pageIndex(vm, page);
  const pindex = oldIndex - object.backingOffset;
  backing.swap?.free(oldIndex);
  const outside = pindex < 0 || pindex >= object.size;
  if (outside || pageLookup(vm, object, pindex) >= 0 || object.swap?.has(pindex) === true) {
    if (vm.pages.wireCount[page] === 0) pageFree(vm, page);
    else pageRemove(vm, page);
    return;
  }
  // A cached page without a swap block (O21) must not become the second one in this place.
  if (object.cachedCount > 0) cacheFree(vm, object, pindex, pindex + 1);
  pageRename(vm, page, object, pindex);
}

/** vm_object_qcollapse: while paging is in progress, only what nobody works on moves up. */
function quickCollapse(vm: Vm, object: VmObject, backing: VmObject): void {
  if (backing.refCount !== 1) return;
  let page = backing.firstPage;
  while (page >= 0) {
    const next = vm.pages.links.next(page);
    if (!pageIsBusy(vm, page) && vm.pages.valid[page] !== 0) movePage(vm, page, object, backing);
    page = next;
  }
}

/**
 * vm_object_backing_scan(OBSC_TEST_ALL_SHADOWED): whether nothing of the backing object shows through. Its swap and cached pages would be too
 * costly to test, so only a default object qualifies.
 */
function allShadowed(vm: Vm, object: VmObject, backing: VmObject): boolean {
  if (backing.type !== OBJT_DEFAULT) return false;
  for (let page = backing.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = pageIndex(vm, page) - object.backingOffset;
    if (pindex < 0 || pindex >= object.size) continue;
    const own = pageLookup(vm, object, pindex);
    const hides = own >= 0 && vm.pages.valid[own] !== 0;
    if (!hides && object.swap?.has(pindex) !== true) return false;
  }
  return true;
}

/** Hangs the object past its backing object, which keeps its other users. */
function bypass(vm: Vm, object: VmObject, backing: VmObject): void {
  const next = backing.backing;
  const offset = object.backingOffset + backing.backingOffset;
  unlinkShadow(object);
  object.backing = null;
  if (next !== null) {
    linkShadow(object, next, offset);
    objectReference(next);
  } else {
    object.backingOffset = 0;
  }
  backing.refCount--;
  vm.counters.object_bypasses++;
}
