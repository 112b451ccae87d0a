/**
 * The end of an object: references dropped, the cache of persistent objects, termination; and what is done to its pages on the way, cleaning
 * and removing a range.
 *
 * All of it may sleep (for paging in progress, for writes), so these are tasks. Dropping a reference that is not the last is not, and that is
 * what a fault does every time: `dropReference`.
 *
 * Departs from the kernel: a page that cannot be written (I/O error, or beyond the end of its file) would be cleaned again and again for ever
 * (`goto again`); here it counts as written, as the tree had it a few months later, and the caller hears of it.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PROT_NONE } from '../vm/prot.js';
import { VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJ_CANPERSIST, objectForget, objectLookup, objectUnhash, pagingDone } from './object.js';
import {
  PG_BUSY,
  PG_CLEAN,
  PG_WANTED,
  PQ_ACTIVE,
  PQ_NONE,
  pageActivate,
  pageClear,
  pageDeactivate,
  pageFree,
  pageHas,
  pageIndex,
  pageSet,
  pageUnqueue,
  pageWakeup,
} from './page.js';
import { PG_VNODE, pagerDeallocate, pagerPut } from './pager.js';
import type { Vm } from './vm.js';
import { VM_CACHE_MAX } from './vm.js';

/** Drops a reference if it is not the last; answers whether that was all. */
export function dropReference(object: VmObject): boolean {
  if (object.refCount === 1) return false;
  object.refCount--;
  return true;
}

/**
 * vm_object_deallocate: drops a reference. The last one caches the object or ends it, and then drops its own on the shadow in turn.
 *
 * As seeded a file's pages that cannot be written at its object's end are lost (S22). Mended they are written before, while the last
 * reference still holds the object, and an object of which some cannot be written goes to the cache, where the next who opens the file finds it.
 */
export function* deallocate(vm: Vm, thread: Thread, first: VmObject | null): Task<void> {
  let object = first;
  while (object !== null) {
    if (dropReference(object)) return;
    if (vm.mended && !object.persistent && object.pager?.type === PG_VNODE) {
      const whole = yield* pageClean(vm, thread, object, 0, 0, false);
      // Writing may have slept: somebody may have found the object.
      if (dropReference(object)) return;
      if (!whole) {
        keepUnwritten(vm, object);
        return;
      }
    }
    object.refCount = 0;
    if (object.persistent) {
      yield* cacheObject(vm, thread, object);
      return;
    }
    objectUnhash(object);
    const { shadow } = object;
    yield* terminate(vm, thread, object);
    object = shadow;
  }
}

/** The object waits in the cache, its pages where the page daemon finds them first. */
function enterCache(vm: Vm, object: VmObject): void {
  vm.cachedObjects.push(object);
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) pageDeactivate(vm, page);
}

/** What falls out at the old end. An object that cannot be written stays and counts no more, so the loop ends. */
function* cacheObject(vm: Vm, thread: Thread, object: VmObject): Task<void> {
  enterCache(vm, object);
  while (cachedCount(vm) > VM_CACHE_MAX) {
    const oldest = vm.cachedObjects.find(({ unwritten }) => !unwritten) as VmObject;
    yield* uncache(vm, thread, oldest);
  }
}

/** Objects in the cache that are there by choice. */
export function cachedCount(vm: Vm): number {
  let count = 0;
  for (const { unwritten } of vm.cachedObjects) if (!unwritten) count++;
  return count;
}

/** The last reference goes, and the object waits for a store that works again. */
function keepUnwritten(vm: Vm, object: VmObject): void {
  object.refCount = 0;
  object.flags |= OBJ_CANPERSIST;
  object.unwritten = true;
  enterCache(vm, object);
}

/** vm_object_lookup and pager_cache(FALSE): the object no longer outlives its references. One without any ends here. */
export function* uncache(vm: Vm, thread: Thread, object: VmObject): Task<void> {
  if (object.pager === null || objectLookup(vm, object.pager) === null) return;
  object.flags &= ~OBJ_CANPERSIST;
  yield* deallocate(vm, thread, object);
}

/** vm_object_terminate. The object has no reference and cannot be found. */
function* terminate(vm: Vm, thread: Thread, object: VmObject): Task<void> {
  if (object.shadow !== null && object.shadow.copy === object) object.shadow.copy = null;
  while (object.pagingInProgress !== 0) {
    vm.kernel.sleep(thread, object, 'vmoterm');
    yield;
  }
  if (!object.internal) yield* pageClean(vm, thread, object, 0, 0, true);
  while (object.firstPage >= 0) {
    const page = object.firstPage;
    pageWakeup(vm, page);
    pageFree(vm, page);
    vm.counters.v_pfree++;
  }
  if (object.pager !== null) yield* pagerDeallocate(vm, thread, object.pager);
  objectForget(vm, object);
}

/**
 * vm_object_page_clean: writes the dirty pages of a range (the whole object where start equals end) and takes away all translations of
 * the range. As seeded an inactive page that is written is not put back on its queue. Answers whether everything could be written.
 */
export function* pageClean(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  start: number,
  end: number,
  dequeue: boolean,
): Task<boolean> {
  if (object.pager === null) return true;
  const failed = new Set<number>();
  let page = object.firstPage;
  while (page >= 0) {
    const pindex = pageIndex(vm, page);
    const next = vm.pages.links.next(page);
    if (start !== end && (pindex < start || pindex >= end)) {
      page = next;
      continue;
    }
    if (pageHas(vm, page, PG_CLEAN) && vm.pmap.isModified(page)) pageClear(vm, page, PG_CLEAN);
    const dirty = !pageHas(vm, page, PG_CLEAN) && !failed.has(pindex);
    if (dirty && vm.mended && pageHas(vm, page, PG_BUSY)) {
      // As seeded it is written a second time while somebody else works on it (S17).
      pageSet(vm, page, PG_WANTED);
      vm.kernel.sleep(thread, page, 'vmopgc');
      yield;
      page = object.firstPage;
      continue;
    }
    const queue = vm.pages.queues.queue[page] as number;
    if (dequeue || dirty) pageUnqueue(vm, page);
    vm.pmap.pageProtect(page, PROT_NONE);
    if (dirty) {
      if (!(yield* writePage(vm, thread, object, page))) failed.add(pindex);
      if (!dequeue) backToQueue(vm, page, queue);
      pageWakeup(vm, page);
    }
    // Writing may have slept: what is on the list now is looked at from its beginning.
    page = dirty ? object.firstPage : next;
  }
  return failed.size === 0;
}

/** Writes one page, busy for the time. Answers whether it could be written. */
function* writePage(vm: Vm, thread: Thread, object: VmObject, page: number): Task<boolean> {
  pageSet(vm, page, PG_BUSY);
  object.pagingInProgress++;
  const status = yield* pagerPut(vm, thread, object, page, true);
  pagingDone(vm, object);
  if (status === VM_PAGER_OK) return true;
  vm.printf('vm_object_page_clean: pager_put error');
  // As seeded it counts as written (S16).
  if (vm.mended) return false;
  pageSet(vm, page, PG_CLEAN);
  vm.pmap.clearModify(page);
  return false;
}

/** Only a page that is active can be deactivated, so one that was inactive stays on no queue: as seeded. */
function backToQueue(vm: Vm, page: number, queue: number): void {
  if (queue === PQ_NONE) return;
  if (queue === PQ_ACTIVE) {
    pageActivate(vm, page);
  } else if (vm.mended) {
    pageActivate(vm, page);
    pageDeactivate(vm, page);
  } else {
    pageDeactivate(vm, page);
  }
}

/** vm_object_page_remove: frees the resident pages of a range, and their translations with them. Mended, a wired page stays. */
export function pageRemoveRange(vm: Vm, object: VmObject | null, start: number, end: number): void {
  if (object === null) return;
  let page = object.firstPage;
  while (page >= 0) {
    const next = vm.pages.links.next(page);
    const pindex = pageIndex(vm, page);
    if (pindex >= start && pindex < end && !(vm.mended && vm.pages.wireCount[page] !== 0)) {
      vm.pmap.pageProtect(page, PROT_NONE);
      pageWakeup(vm, page);
      pageFree(vm, page);
    }
    page = next;
  }
}
