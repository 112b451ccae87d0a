/**
 * The end of objects: vm_object_deallocate and vm_object_terminate.
 *
 * Dropping a reference is usually a subtraction, and `dropReference` does just that when it is; what is left (the last
 * reference, or an object that could now be joined with its only shadow) may have to wait for paging in progress and is a
 * task.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { collapse } from './collapse.js';
import type { VmObject } from './object.js';
import { OBJ_DEAD, OBJ_ONEMAPPING, OBJ_PIPWNT, OBJT_VNODE, objectForget, unlinkShadow } from './object.js';
import { pageRemove } from './page.js';
import { cacheFree, pageFree } from './page-alloc.js';
import type { Vm } from './vm.js';

/** A file's object and its pages stay when nobody maps it: files are never reclaimed here. */
function outlivesMappings(object: VmObject): boolean {
  return object.type === OBJT_VNODE;
}

/**
 * Drops a reference where that is all there is to do; answers false, with nothing done, where `deallocate` is needed.
 */
export function dropReference(object: VmObject): boolean {
  if (outlivesMappings(object)) {
    object.refCount--;
    return true;
  }
  if (object.refCount > 2) {
    object.refCount--;
    return true;
  }
  if (object.refCount < 2 || object.shadowCount === 1) return false;
  object.refCount--;
  if (object.shadowCount === 0) object.flags |= OBJ_ONEMAPPING;
  return true;
}

/** vm_object_deallocate: drops a reference; joins or ends objects as that allows, down the chain. */
export function* deallocate(vm: Vm, thread: Thread, first: VmObject): Task<void> {
  let object: VmObject | null = first;
  while (object !== null) {
    while (!object.lock.acquire(thread)) yield;
    if (outlivesMappings(object) || object.refCount > 1) {
      const next: VmObject | null = yield* dropShared(vm, thread, object);
      object = next;
    } else {
      object.refCount--;
      object = yield* endObject(vm, thread, object);
    }
  }
}

/** One of several references goes. Answers the object with which to go on, or null. Entered with the object locked. */
function* dropShared(vm: Vm, thread: Thread, object: VmObject): Task<VmObject | null> {
  object.refCount--;
  if (outlivesMappings(object) || object.refCount > 1) {
    object.lock.release(thread);
    return null;
  }
  if (object.shadowCount === 0) object.flags |= OBJ_ONEMAPPING;
  const shadow = object.shadowCount === 1 && object.anonymous ? onlyShadow(object) : null;
  if (shadow === null || (shadow.flags & OBJ_DEAD) !== 0 || !shadow.anonymous) {
    object.lock.release(thread);
    return null;
  }
  return yield* collapseIntoShadow(vm, thread, object, shadow);
}

function onlyShadow(object: VmObject): VmObject {
  const [shadow] = object.shadows;
  return shadow as VmObject;
}

/**
 * The last reference left is that of the only shadow: joins the two. The shadow is held by a reference of ours meanwhile, which the
 * caller's loop then drops.
 */
function* collapseIntoShadow(vm: Vm, thread: Thread, object: VmObject, shadow: VmObject): Task<VmObject | null> {
  if (!shadow.lock.tryAcquire(thread)) {
    // The order is shadow before object: give up, let the holder go on, and come back with the reference still ours.
    object.refCount++;
    object.lock.release(thread);
    vm.kernel.sleep(thread, shadow, 'vmo_de', PAUSE_NS);
    yield;
    return object;
  }
  shadow.refCount++;
  object.lock.release(thread);
  while (shadow.pagingInProgress > 0 || (shadow.backing === object && object.pagingInProgress > 0)) {
    const busy = shadow.pagingInProgress > 0 ? shadow : object;
    shadow.lock.release(thread);
    yield* pipWait(vm, thread, busy, 'objde1');
    while (!shadow.lock.acquire(thread)) yield;
  }
  if (shadow.refCount === 1) {
    shadow.refCount--;
    return yield* endObject(vm, thread, shadow);
  }
  yield* collapse(vm, thread, shadow);
  shadow.lock.release(thread);
  return shadow;
}

/** One clock tick: how long a thread that could not have a lock stands aside. */
const PAUSE_NS = 1_000_000;

/** No reference is left: takes the object off its backing object and ends it. Answers the backing object, whose reference goes next. */
function* endObject(vm: Vm, thread: Thread, object: VmObject): Task<VmObject | null> {
  const backing = object.backing;
  if (backing !== null) {
    unlinkShadow(object);
    object.backing = null;
  }
  if ((object.flags & OBJ_DEAD) === 0) yield* terminate(vm, thread, object);
  object.lock.release(thread);
  return backing;
}

/** vm_object_terminate: frees pages, cached pages and swap. Wired pages are only detached. Entered and left with the object locked. */
export function* terminate(vm: Vm, thread: Thread, object: VmObject): Task<void> {
  object.flags |= OBJ_DEAD;
  while (object.pagingInProgress > 0) {
    object.lock.release(thread);
    yield* pipWait(vm, thread, object, 'objtrm');
    while (!object.lock.acquire(thread)) yield;
  }
  freeResident(vm, object);
  cacheFree(vm, object, 0, 0);
  object.swap?.freeAll();
  if (object.handle !== null) object.handle.object = null;
  objectForget(vm, object);
}

/** Frees all resident pages; wired ones only leave the object. */
function freeResident(vm: Vm, object: VmObject): void {
  for (let page = object.firstPage; page >= 0; page = object.firstPage) {
    if (vm.pages.wireCount[page] === 0) {
      pageFree(vm, page);
      vm.counters.v_pfree++;
    } else {
      pageRemove(vm, page);
    }
  }
}

/** vm_object_pip_wait: sleeps until nobody pages on the object. Entered and left without its lock. */
export function* pipWait(vm: Vm, thread: Thread, object: VmObject, wmesg: string): Task<void> {
  while (object.pagingInProgress > 0) {
    object.flags |= OBJ_PIPWNT;
    vm.kernel.sleep(thread, object, wmesg);
    yield;
  }
}
