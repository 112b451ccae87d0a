/**
 * vm_object_collapse: keeps shadow chains short.
 *
 * An object whose backing object has no other user takes over its pages, swap and backing object: the two become one. Where
 * the backing object has other users but nothing in it can be seen through this one, this one is hung past it (a bypass).
 * It runs when references fall, at fork, when an entry is extended or deleted; never from the fault handler.
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
import { waitForPage } from './object-pages.js';
import {
  isCached,
  pageBusy,
  pageDeactivate,
  pageIndex,
  pageIsBusy,
  pageLookup,
  pageRemove,
  pageRename,
  pageWakeup,
} from './page.js';
import { pageFree } from './page-alloc.js';
import { swapCopy, swapHas } from './pager-swap.js';
import type { Vm } from './vm.js';

export function* collapse(vm: Vm, thread: Thread, object: VmObject): Task<void> {
  if (!vm.collapseEnabled) return;
  for (;;) {
    const backing = object.backing;
    if (backing === null || !joinable(backing) || !joinable(object)) return;
    if (object.pagingInProgress !== 0 || backing.pagingInProgress !== 0) {
      quickCollapse(vm, object, backing);
      return;
    }
    if (backing.refCount === 1) {
      yield* absorb(vm, thread, object, backing);
    } else {
      if (!allShadowed(vm, object, backing)) return;
      bypass(vm, object, backing);
    }
  }
}

function joinable(object: VmObject): boolean {
  return object.anonymous && (object.flags & OBJ_DEAD) === 0;
}

/** The backing object's only user takes everything over; the backing object is gone afterwards. */
function* absorb(vm: Vm, thread: Thread, object: VmObject, backing: VmObject): Task<void> {
  backing.flags |= OBJ_DEAD;
  yield* movePages(vm, thread, object, backing);
  if (backing.type === OBJT_SWAP) swapCopy(vm, backing, object, object.backingOffset, true);
  const offset = object.backingOffset + backing.backingOffset;
  const next = backing.backing;
  unlinkShadow(object);
  object.backingOffset = offset;
  if (next !== null) {
    unlinkShadow(backing);
    linkShadow(object, next, offset);
  }
  objectForget(vm, backing);
  vm.counters.object_collapses++;
}

/** vm_object_backing_scan(OBSC_COLLAPSE_WAIT): every page moves up or goes; waits for busy ones and then begins again. */
function* movePages(vm: Vm, thread: Thread, object: VmObject, backing: VmObject): Task<void> {
  let page = backing.firstPage;
  while (page >= 0) {
    if (pageIsBusy(vm, page)) {
      yield* waitForPage(vm, thread, page, 'vmocol');
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
  pageBusy(vm, page);
  backing.swap?.free(oldIndex);
  const outside = pindex < 0 || pindex >= object.size;
  if (outside || pageLookup(vm, object, pindex) >= 0 || swapHas(object, pindex)) {
    vm.pmap.removeAll(page);
    if (vm.pages.wireCount[page] === 0) {
      pageFree(vm, page);
    } else {
      pageRemove(vm, page);
      pageWakeup(vm, page);
    }
    return;
  }
  if (isCached(vm, page)) pageDeactivate(vm, page);
  pageRename(vm, page, object, pindex);
}

/** vm_object_qcollapse: while paging is in progress, only what nobody works on moves up. */
function quickCollapse(vm: Vm, object: VmObject, backing: VmObject): void {
  if (backing.refCount !== 1) return;
  const pages = vm.pages;
  let page = backing.firstPage;
  while (page >= 0) {
    const next = pages.links.next(page);
    const engaged = pages.holdCount[page] !== 0 || pages.wireCount[page] !== 0 || pages.valid[page] === 0;
    if (!pageIsBusy(vm, page) && !engaged) movePage(vm, page, object, backing);
    page = next;
  }
}

/**
 * vm_object_backing_scan(OBSC_TEST_ALL_SHADOWED): whether nothing of the backing object shows through. Its swap would be too costly to
 * test, so only a default object qualifies.
 */
function allShadowed(vm: Vm, object: VmObject, backing: VmObject): boolean {
  if (backing.type !== OBJT_DEFAULT) return false;
  for (let page = backing.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = pageIndex(vm, page) - object.backingOffset;
    if (pindex < 0 || pindex >= object.size) continue;
    const own = pageLookup(vm, object, pindex);
    const hides = own >= 0 && vm.pages.valid[own] !== 0;
    if (!hides && !swapHas(object, pindex)) return false;
  }
  return true;
}

/** Hangs the object past its backing object, which keeps its other users. */
function bypass(vm: Vm, object: VmObject, backing: VmObject): void {
  const next = backing.backing;
  const offset = object.backingOffset + backing.backingOffset;
  unlinkShadow(object);
  if (next !== null) {
    linkShadow(object, next, offset);
    objectReference(next);
  }
  object.backingOffset = offset;
  backing.refCount--;
  vm.counters.object_bypasses++;
}
