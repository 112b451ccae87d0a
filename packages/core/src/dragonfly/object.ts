/**
 * vm_object: what a map entry maps. A collection of pages by index, the pager that stands behind it, and the object that it
 * shadows, if it is a private copy of another.
 *
 * This file holds the object itself, its birth, references, paging-in-progress and shadowing. Its end is in
 * `object-end.ts`, the joining of objects in `collapse.ts`, and what the calls do to ranges of pages in `object-pages.ts`.
 *
 * In this revision objects have no lock: page trees belong to the vm_token, references and shadows to the vmobj_token. What may sleep
 * in between looks again.
 */

import type { SwapBlocks } from '../vm/swap-blocks.js';
import type { DeviceHandle } from './pager-device.js';
import type { Vm } from './vm.js';
import type { VnodeHandle } from './vnode.js';

export const OBJT_DEFAULT = 0;
export const OBJT_SWAP = 1;
export const OBJT_VNODE = 2;
export const OBJT_DEVICE = 3;
export const OBJT_PHYS = 4;
export type ObjectType = 0 | 1 | 2 | 3 | 4;

/** The object is being torn down. */
export const OBJ_DEAD = 0x0008;
/** Pages may not be taken out by the end of one mapping. */
export const OBJ_NOSPLIT = 0x0010;
/** Somebody sleeps until paging in progress is over. */
export const OBJ_PIPWNT = 0x0040;
/** A writable mapping exists, and pages may be dirty. */
export const OBJ_WRITEABLE = 0x0080;
export const OBJ_MIGHTBEDIRTY = 0x0100;
/** Each page is mapped by at most one entry. */
export const OBJ_ONEMAPPING = 0x2000;
/** msync leaves the object alone. */
export const OBJ_NOMSYNC = 0x4000;

/** Pages of the object behind a virtual page table: as many as the table can name, near enough. */
export const VPAGETABLE_PAGES = 0x7fffffff;

export class VmObject {
  /** First of its resident pages, or -1. */
  firstPage = -1;
  residentCount = 0;
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

  constructor(
    readonly id: number,
    public type: ObjectType,
    /** Pages. */
    public size: number,
    /** How else the object can be found: the file or the device. */
    readonly handle: VnodeHandle | DeviceHandle | null,
    /** Colour of page 0. */
    public colour: number,
  ) {
    this.flags = type === OBJT_DEFAULT || type === OBJT_SWAP ? OBJ_ONEMAPPING : 0;
  }

  /** Memory without a file or device. */
  get defaultOrSwap(): boolean {
    return this.type === OBJT_DEFAULT || this.type === OBJT_SWAP;
  }

  /** Anonymous memory that nobody can look up: what collapse, split and the page move may touch. */
  get anonymous(): boolean {
    return this.handle === null && this.defaultOrSwap;
  }
}

/** PQ_L2_SIZE / 3 + PQ_PRIME1, for 64 colours: how far the next object's colour lies at most. */
export const COLOUR_STEP_MAX = 34;
const COLOUR_MASK = 63;

/** vm_object_allocate: a new object with one reference. `size` in pages. */
export function objectAllocate(
  vm: Vm,
  type: ObjectType,
  size: number,
  handle: VnodeHandle | DeviceHandle | null = null,
): VmObject {
  const id = vm.freeObjectIds.pop() ?? vm.objects.length;
  const object = new VmObject(id, type, size, handle, vm.nextColour);
  vm.nextColour = (vm.nextColour + Math.min(size, COLOUR_STEP_MAX)) & COLOUR_MASK;
  vm.objects[id] = object;
  return object;
}

/** Forgets an object that has neither pages nor references. */
export function objectForget(vm: Vm, object: VmObject): void {
  vm.objects[object.id] = null;
  vm.freeObjectIds.push(object.id);
}

/** The object that a page belongs to, or null. */
export function objectOfPage(vm: Vm, page: number): VmObject | null {
  const id = vm.pages.hash.object[page] as number;
  return id === 0 ? null : (vm.objects[id] as VmObject);
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
  object.backingOffset = Math.floor(offset);
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
  object.backing = null;
}

/** Whether `objectShadow` makes a new object. */
export function needsShadow(source: VmObject | null): boolean {
  return source === null || source.refCount !== 1 || !source.anonymous;
}

/**
 * vm_object_shadow: a new object in front of `source` that takes over the caller's reference, or `source` itself where
 * nobody else can see it. The caller's offset becomes 0 when a new object comes back. The shadow takes over the colours of what it
 * shadows, so that a copied page lies in the cache where its source did.
 */
export function objectShadow(vm: Vm, source: VmObject | null, offset: number, size: number): VmObject {
  if (source !== null && !needsShadow(source)) return source;
  const shadow = objectAllocate(vm, OBJT_DEFAULT, size);
  if (source === null) {
    shadow.backingOffset = offset;
  } else {
    linkShadow(shadow, source, offset);
    shadow.colour = (source.colour + offset) & COLOUR_MASK;
  }
  return shadow;
}

/** vm_object_set_writeable_dirty: a writable mapping of a page exists, or one was written. */
export function setWriteableDirty(object: VmObject): void {
  object.flags |= OBJ_WRITEABLE | OBJ_MIGHTBEDIRTY;
}
