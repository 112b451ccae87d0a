/**
 * vm_object: what a map entry maps. A collection of pages by index, the pager that stands behind it, and the object that it
 * shadows, if it is a private copy of another.
 *
 * This file holds the object itself, its birth, references, paging-in-progress and shadowing. Its end is in
 * `object-end.ts`, the joining of objects in `collapse.ts`, and what the calls do to ranges of pages in `object-pages.ts`.
 *
 * Lock order: map, vnode, object (from the top of a shadow chain down), page queues. The page queue lock is taken and dropped
 * within one stage everywhere, so it never contends and is not modelled.
 */
import { Mutex } from '../kernel/locks.js';
import type { SwapBlocks } from '../vm/swap-blocks.js';
import type { DeviceHandle } from './pager-device.js';
import type { VnodeHandle } from './pager-vnode.js';
import type { Vm } from './vm.js';

export const OBJT_DEFAULT = 0;
export const OBJT_SWAP = 1;
export const OBJT_VNODE = 2;
export const OBJT_DEVICE = 3;
export const OBJT_PHYS = 4;
export type ObjectType = 0 | 1 | 2 | 3 | 4;

/** The object is being torn down. */
export const OBJ_DEAD = 0x0008;
/** Its pages exist for writers behind our back: wants Giant. */
export const OBJ_NEEDGIANT = 0x0040;
/** A writable mapping may have dirtied pages. */
export const OBJ_MIGHTBEDIRTY = 0x0100;
/** Somebody sleeps until paging in progress is over. */
export const OBJ_PIPWNT = 0x0400;
/** Each page is mapped by at most one entry. */
export const OBJ_ONEMAPPING = 0x2000;

export class VmObject {
  /** First and last of its resident pages, in the order in which they came, or -1. */
  firstPage = -1;
  lastPage = -1;
  residentCount = 0;
  /** First of its cached pages, or -1. */
  firstCached = -1;
  cachedCount = 0;
  refCount = 1;
  /** Objects that shadow this one. */
  readonly shadows = new Set<VmObject>();
  shadowCount = 0;
  backing: VmObject | null = null;
  /** Pages into the backing object. */
  backingOffset = 0;
  pagingInProgress = 0;
  flags: number;
  generation = 0;
  /** Where pages live in the swap area; null until the object has become one of swap type. */
  swap: SwapBlocks | null = null;
  readonly lock: Mutex;

  constructor(
    /** Even; its cached pages are known to the page hash under the number plus one. */
    readonly id: number,
    public type: ObjectType,
    /** Pages. */
    public size: number,
    /** How else the object can be found: the file or the device. */
    readonly handle: VnodeHandle | DeviceHandle | null,
    vm: Vm,
  ) {
    this.flags = type === OBJT_DEFAULT || type === OBJT_SWAP ? OBJ_ONEMAPPING : 0;
    this.lock = new Mutex(vm.kernel, 'vm object');
  }

  /** Anonymous memory that nobody can look up: what collapse, split and the page move may touch. */
  get anonymous(): boolean {
    return this.handle === null && (this.type === OBJT_DEFAULT || this.type === OBJT_SWAP);
  }
}

/** vm_object_allocate: a new object with one reference. `size` in pages. */
export function objectAllocate(
  vm: Vm,
  type: ObjectType,
  size: number,
  handle: VnodeHandle | DeviceHandle | null = null,
): VmObject {
  const id = vm.freeObjectIds.pop() ?? vm.nextObjectId++ * 2;
  const object = new VmObject(id, type, size, handle, vm);
  vm.objects[id >> 1] = object;
  return object;
}

/** Forgets an object that has neither pages nor references. */
export function objectForget(vm: Vm, object: VmObject): void {
  vm.objects[object.id >> 1] = null;
  vm.freeObjectIds.push(object.id);
}

/** The object that a page belongs to (resident or cached), or null. */
export function objectOfPage(vm: Vm, page: number): VmObject | null {
  const id = vm.pages.hash.object[page] as number;
  return id === 0 ? null : (vm.objects[id >> 1] as VmObject);
}

/** vm_object_reference. */
export function objectReference(object: VmObject): void {
  object.refCount++;
}

/** vm_object_pip_wakeup: one paging operation less. */
export function pipWakeup(vm: Vm, object: VmObject): void {
  object.pagingInProgress--;
  if (object.pagingInProgress === 0 && (object.flags & OBJ_PIPWNT) !== 0) {
    object.flags &= ~OBJ_PIPWNT;
    vm.kernel.wakeup(object);
  }
}

/** Enters `object` as a shadow of `backing`, `offset` pages into it. The reference is the caller's business. */
export function linkShadow(object: VmObject, backing: VmObject, offset: number): void {
  object.backing = backing;
  object.backingOffset = offset;
  backing.shadows.add(object);
  backing.shadowCount++;
  backing.generation++;
}

/** Takes `object` off its backing object's list of shadows. */
export function unlinkShadow(object: VmObject): void {
  const backing = object.backing as VmObject;
  backing.shadows.delete(object);
  backing.shadowCount--;
  backing.generation++;
}

/** Whether `objectShadow` makes a new object. */
export function needsShadow(source: VmObject | null): boolean {
  return source === null || source.refCount !== 1 || !source.anonymous;
}

/**
 * vm_object_shadow: a new object in front of `source` that takes over the caller's reference, or `source` itself where
 * nobody else can see it. The caller's offset becomes 0 when a new object comes back.
 */
export function objectShadow(vm: Vm, source: VmObject | null, offset: number, size: number): VmObject {
  if (source !== null && !needsShadow(source)) return source;
  const shadow = objectAllocate(vm, OBJT_DEFAULT, size);
  if (source !== null) linkShadow(shadow, source, offset);
  return shadow;
}

/** vm_object_set_writeable_dirty: a writable mapping of a file's page exists from now on. */
export function setWriteableDirty(object: VmObject): void {
  if (object.type === OBJT_VNODE) object.flags |= OBJ_MIGHTBEDIRTY;
}
