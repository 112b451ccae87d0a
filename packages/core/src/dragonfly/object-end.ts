/**
 * The end of objects: vm_object_deallocate and vm_object_terminate.
 *
 * Dropping a reference is usually a subtraction, and `dropReference` does just that when it is; what is left (the last
 * reference, or an object that could now be joined with its only shadow) may have to wait for paging in progress and is a
 * task. The file behind a file's object keeps it: it lives on with no reference.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { collapse } from './collapse.js';
import type { VmObject } from './object.js';
import { OBJ_DEAD, OBJ_ONEMAPPING, OBJ_PIPWNT, OBJT_VNODE, objectForget, unlinkShadow } from './object.js';
import { pageBusy, pageIsBusy, pageRemove, pageWakeup } from './page.js';
import { pageFree } from './page-alloc.js';
import { swapFreeAll } from './pager-swap.js';
import type { Vm } from './vm.js';

/** Drops a reference where that is all there is to do; answers false, with nothing done, where `deallocate` is needed. */
export function dropReference(object: VmObject): boolean {
  if (object.type === OBJT_VNODE || object.refCount > 2) {
    object.refCount--;
    return true;
  }
  if (object.refCount !== 2) return false;
  if (object.shadowCount === 0) object.flags |= OBJ_ONEMAPPING;
  else if (object.shadowCount === 1 && couldJoin(object) !== null) return false;
  object.refCount--;
  return true;
}

/** The only shadow of an object, if the two might become one. */
function couldJoin(object: VmObject): VmObject | null {
  if (!object.anonymous) return null;
  const [shadow] = object.shadows;
  return shadow?.anonymous ? shadow : null;
}

/** vm_object_deallocate: drops a reference; joins or ends objects as that allows, down the chain. */
export function* deallocate(vm: Vm, thread: Thread, first: VmObject): Task<void> {
  let object: VmObject | null = first;
  while (object !== null) {
    if (object.refCount === 0 && object.type !== OBJT_VNODE) {
      vm.panic('vm_object_deallocate: object deallocated too many times');
    }
    if (dropReference(object)) return;
    object.refCount--;
    if (object.refCount === 1) object = yield* joinShadow(vm, thread, object);
    else object = yield* endObject(vm, thread, object);
  }
}

/**
 * The last reference left is that of the only shadow: joins the two. The shadow is held by a reference of ours meanwhile, which the
 * caller's loop then drops.
 */
function* joinShadow(vm: Vm, thread: Thread, object: VmObject): Task<VmObject | null> {
  const shadow = couldJoin(object) as VmObject;
  shadow.refCount++;
  for (;;) {
    if (shadow.pagingInProgress > 0) yield* pipWait(vm, thread, shadow, 'objde1');
    else if (shadow.backing === object && object.pagingInProgress > 0) yield* pipWait(vm, thread, object, 'objde2');
    else break;
  }
  if (shadow.refCount === 1) {
    shadow.refCount--;
    return yield* endObject(vm, thread, shadow);
  }
  yield* collapse(vm, thread, shadow);
  return shadow;
}

/** No reference is left: takes the object off its backing object and ends it. Answers the backing object, whose reference goes next. */
function* endObject(vm: Vm, thread: Thread, object: VmObject): Task<VmObject | null> {
  const backing = object.backing;
  if (backing !== null) unlinkShadow(object);
  if ((object.flags & OBJ_DEAD) === 0) yield* terminate(vm, thread, object);
  return backing;
}

/** vm_object_terminate: frees pages and swap. Wired pages are only detached. */
export function* terminate(vm: Vm, thread: Thread, object: VmObject): Task<void> {
  object.flags |= OBJ_DEAD;
  yield* pipWait(vm, thread, object, 'objtrm');
  for (let page = object.firstPage; page >= 0; page = object.firstPage) {
    if (pageIsBusy(vm, page)) vm.printf(`vm_object_terminate: freeing busy page ${page}`);
    if (vm.pages.wireCount[page] === 0 || object.handle !== null) {
      pageBusy(vm, page);
      pageFree(vm, page);
      vm.counters.v_pfree++;
    } else {
      pageRemove(vm, page);
      pageWakeup(vm, page);
    }
  }
  swapFreeAll(vm, object);
  if (object.handle !== null) object.handle.object = null;
  objectForget(vm, object);
}

/** vm_object_pip_wait: sleeps until nobody pages on the object. */
export function* pipWait(vm: Vm, thread: Thread, object: VmObject, wmesg: string): Task<void> {
  while (object.pagingInProgress > 0) {
    object.flags |= OBJ_PIPWNT;
    vm.kernel.sleep(thread, object, wmesg);
    yield;
  }
}
