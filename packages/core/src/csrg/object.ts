/**
 * vm_object: what a map entry maps. A collection of pages by index, the pager that stands behind it, and two links to other objects:
 *
 *      shadow    the object that this one is a private copy of: what is not here is looked for there, shadow_offset further on
 *      copy      the other direction, for files and devices only: the object that must be given the old contents before a page of this
 *                one is written (the copy object shadows this one, offset 0)
 *
 * INTERNAL objects are anonymous memory; their changes are nobody else's business, so they are copied by sharing the object and shadowing it
 * later on both sides. A file's changes must reach the file, so it stays where it is, and who copied it gets the copy object.
 *
 * A persistent object (CANPERSIST) that loses its last reference goes to a cache of at most 100 and keeps its pages, until it is mapped
 * again or falls out at the old end. This file holds the object itself, its birth, references, shadowing, and the way from a pager
 * to its object; its end is in `object-end.ts`, copying in `object-copy.ts`, joining in `collapse.ts`.
 */
import type { Pager } from './pager.js';
import type { Vm } from './vm.js';

export const OBJ_CANPERSIST = 0x0001;
export const OBJ_INTERNAL = 0x0002;
export const OBJ_ACTIVE = 0x0004;

export class VmObject {
  /** First and last page on the list of resident pages, -1 when there is none. */
  firstPage = -1;
  lastPage = -1;
  residentCount = 0;
  refCount = 1;
  flags = OBJ_INTERNAL;
  pagingInProgress = 0;
  shadow: VmObject | null = null;
  /** Pages into the shadow. */
  shadowOffset = 0;
  copy: VmObject | null = null;
  pager: Pager | null = null;
  /** Pages into the pager. */
  pagingOffset = 0;
  /** Whether the object can be found by its pager (vm_object_enter). */
  hashed = false;
  /** Mended only: in the cache beyond its time, because its pages could not be written. */
  unwritten = false;
  /** Another processor has the object's simple lock. Never so on one processor; a test may pretend. */
  lockedElsewhere = false;

  constructor(
    readonly id: number,
    /** Pages. */
    public size: number,
  ) {}

  get internal(): boolean {
    return (this.flags & OBJ_INTERNAL) !== 0;
  }

  get persistent(): boolean {
    return (this.flags & OBJ_CANPERSIST) !== 0;
  }
}

/** vm_object_allocate: a new internal object with one reference. `size` in pages. */
export function objectAllocate(vm: Vm, size: number): VmObject {
  const id = vm.freeObjectIds.pop() ?? vm.objects.length;
  const object = new VmObject(id, size);
  vm.objects[id] = object;
  return object;
}

/** Forgets an object that has neither pages nor references. */
export function objectForget(vm: Vm, object: VmObject): void {
  vm.objects[object.id] = null;
  vm.freeObjectIds.push(object.id);
}

/** vm_object_reference; nothing for no object. */
export function objectReference(object: VmObject | null): void {
  if (object !== null) object.refCount++;
}

/** One paging operation less; whoever waits for the last one is woken. */
export function pagingDone(vm: Vm, object: VmObject): void {
  object.pagingInProgress--;
  if (object.pagingInProgress === 0) vm.kernel.wakeup(object);
}

/**
 * vm_object_shadow: a new object in front of `source`, `offset` pages into it; the caller's reference on `source` becomes the new object's.
 * The caller's own offset is 0 from now on.
 */
export function objectShadow(vm: Vm, source: VmObject | null, offset: number, size: number): VmObject {
  const shadow = objectAllocate(vm, size);
  shadow.shadow = source;
  shadow.shadowOffset = offset;
  return shadow;
}

/** vm_object_enter: the object can be found by its pager, and outlives its references. */
export function objectEnter(object: VmObject, pager: Pager): void {
  pager.object = object;
  object.hashed = true;
  object.flags |= OBJ_CANPERSIST;
}

/** vm_object_remove: it can be found no more. */
export function objectUnhash(object: VmObject): void {
  if (!object.hashed) return;
  object.hashed = false;
  if (object.pager !== null) object.pager.object = null;
}

/** vm_object_lookup: the object of a pager, with one more reference; a cached one comes back to life. */
export function objectLookup(vm: Vm, pager: Pager): VmObject | null {
  vm.counters.v_lookups++;
  const { object } = pager;
  if (object === null) return null;
  vm.counters.v_hits++;
  if (object.refCount === 0) vm.cachedObjects.splice(vm.cachedObjects.indexOf(object), 1);
  object.unwritten = false;
  object.refCount++;
  return object;
}

/** vm_object_setpager. */
export function objectSetPager(object: VmObject, pager: Pager | null, pagingOffset: number): void {
  object.pager = pager;
  object.pagingOffset = pagingOffset;
}
