/**
 * Copying an object without copying: vm_object_copy, and the protections that make it true.
 *
 * Anonymous memory is copied *symmetrically*: both sides refer to the same object, and each makes a shadow when it first writes. A file or a
 * device is copied *asymmetrically*: the file's object keeps its users and its identity, and whoever copies gets a *copy object* that shadows
 * it. Before a page of the file is then written, its old contents are pushed into the copy object (`fault-copy.ts`).
 *
 *      first copy                      second copy, after changes
 *      file <--shadow-- copy1          file <--shadow-- copy2 <--shadow-- copy1
 *           --copy-->                       --copy-->
 *
 * A copy object that has nothing yet serves the next copy as well.
 */
import { PROT_NONE, PROT_READ } from '../vm/prot.js';
import { collapse } from './collapse.js';
import type { VmObject } from './object.js';
import { objectAllocate } from './object.js';
import { PG_COPY_ON_WRITE, pageIndex, pageSet } from './page.js';
import type { Vm } from './vm.js';

/** What a copy begins from: the object to refer to (with a reference for the caller), and whether the source must shadow before it writes. */
export interface ObjectCopy {
  readonly object: VmObject | null;
  readonly sourceNeedsCopy: boolean;
}

function markCopyOnWrite(vm: Vm, object: VmObject, start: number, end: number): void {
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = pageIndex(vm, page);
    if (pindex >= start && pindex < end) pageSet(vm, page, PG_COPY_ON_WRITE);
  }
}

/** Whether a copy of the object makes a copy object. */
export function makesCopyObject(source: VmObject | null): boolean {
  if (source === null || source.pager === null || source.internal) return false;
  return source.copy === null || source.copy.residentCount !== 0 || source.copy.pager !== null;
}

/** vm_object_copy of pages `offset` to `offset + size`. The copy's offset is the source's. */
export function objectCopy(vm: Vm, source: VmObject | null, offset: number, size: number): ObjectCopy {
  if (source === null) return { object: null, sourceNeedsCopy: false };
  if (source.pager === null || source.internal) {
    source.refCount++;
    markCopyOnWrite(vm, source, offset, offset + size);
    return { object: source, sourceNeedsCopy: true };
  }
  collapse(vm, source);
  return { object: copyObjectOf(vm, source), sourceNeedsCopy: false };
}

/** The copy object for a new copy of a file or device, with a reference for the caller. */
function copyObjectOf(vm: Vm, source: VmObject): VmObject {
  const old = source.copy;
  if (old !== null && old.residentCount === 0 && old.pager === null) {
    old.refCount++;
    return old;
  }
  const fresh = objectAllocate(vm, source.size);
  if (old !== null) {
    source.refCount--;
    old.shadow = fresh;
    fresh.refCount++;
  }
  fresh.shadow = source;
  source.refCount++;
  source.copy = fresh;
  markCopyOnWrite(vm, source, 0, source.size);
  return fresh;
}

/** vm_object_pmap_copy: write-protects the resident pages of a range in every address space. */
export function objectPmapCopy(vm: Vm, object: VmObject | null, start: number, end: number): void {
  if (object === null) return;
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = pageIndex(vm, page);
    if (pindex < start || pindex >= end) continue;
    vm.pmap.pageProtect(page, PROT_READ);
    pageSet(vm, page, PG_COPY_ON_WRITE);
  }
}

/** vm_object_pmap_remove: takes the resident pages of a range out of every address space. */
export function objectPmapRemove(vm: Vm, object: VmObject | null, start: number, end: number): void {
  if (object === null) return;
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = pageIndex(vm, page);
    if (pindex >= start && pindex < end) vm.pmap.pageProtect(page, PROT_NONE);
  }
}
