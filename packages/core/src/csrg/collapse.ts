/**
 * vm_object_collapse: joining an object with the one that it shadows, or passing that one over; and vm_object_coalesce.
 *
 *      before                    collapse (only we refer to B)     bypass (others refer to B, but nothing in it shows through A)
 *      A --> B --> C             A + B --> C                       A --> C,  B --> C
 *
 * It is tried after a copy in a fault, before a file is copied, before a page is written out, and before memory is coalesced; never when a
 * reference is dropped. A pager on A stops it for good; one on B is taken over by A in a collapse, and stops a bypass.
 *
 * As seeded a bypass looks at one page too many, and a pager that is taken over is placed wrongly (`takePager`).
 * Nothing here sleeps.
 */
import type { VmObject } from './object.js';
import { objectForget, objectReference, objectSetPager } from './object.js';
import { pageRemoveRange } from './object-end.js';
import { PG_FAKE, pageFree, pageHas, pageIndex, pageLookup, pageRename, pageWakeup } from './page.js';
import type { Vm } from './vm.js';

/** Joins and passes over as far as it goes. */
export function collapse(vm: Vm, object: VmObject): void {
  for (;;) {
    if (object.pagingInProgress !== 0 || object.pager !== null) return;
    const backing = object.shadow;
    if (backing === null || !backing.internal || backing.pagingInProgress !== 0) return;
    if (backing.shadow !== null && backing.shadow.copy !== null) return;
    if (backing.refCount === 1) join(vm, object, backing);
    else if (!passOver(vm, object, backing)) return;
  }
}

/** Takes everything that shows through from the backing object, which then vanishes. */
function join(vm: Vm, object: VmObject, backing: VmObject): void {
  let page = backing.firstPage;
  while (page >= 0) {
    const next = vm.pages.links.next(page);
    takePage(vm, object, page, pageIndex(vm, page) - object.shadowOffset);
    page = next;
  }
  takePager(vm, object, backing);
  object.shadow = backing.shadow;
  object.shadowOffset += backing.shadowOffset;
  if (object.shadow !== null && object.shadow.copy !== null)
    vm.panic('vm_object_collapse: we collapsed a copy-object!');
  objectForget(vm, backing);
  vm.counters.object_collapses++;
}

/**
 * The pager of the backing object, if it has one, with its pages where they show through. As seeded the offset is added also where there is no pager, and
 * the next collapse adds to that; the backing object's own offset is forgotten (S8).
 */
function takePager(vm: Vm, object: VmObject, { pager, pagingOffset }: VmObject): void {
  if (!vm.mended) objectSetPager(object, pager, object.pagingOffset + object.shadowOffset);
  else if (pager !== null) objectSetPager(object, pager, object.shadowOffset + pagingOffset);
}

/** One page of the backing object: moved up, unless it lies outside or the object has a page of its own there. */
function takePage(vm: Vm, object: VmObject, page: number, pindex: number): void {
  const above = pindex < 0 || pindex >= object.size ? page : pageLookup(vm, object, pindex);
  if (above === page || (above >= 0 && !pageHas(vm, above, PG_FAKE))) {
    pageFree(vm, page);
    return;
  }
  if (above >= 0) {
    pageWakeup(vm, above);
    pageFree(vm, above);
  }
  pageRename(vm, page, object, pindex);
}

/** Shadows the next object instead, if nothing of this one shows through. Answers whether it did. */
function passOver(vm: Vm, object: VmObject, backing: VmObject): boolean {
  if (backing.pager !== null) return false;
  const last = vm.mended ? object.size - 1 : object.size;
  for (let page = backing.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    const pindex = pageIndex(vm, page) - object.shadowOffset;
    if (pindex < 0 || pindex > last) continue;
    const above = pageLookup(vm, object, pindex);
    if (above < 0 || pageHas(vm, above, PG_FAKE)) return false;
  }
  object.shadow = backing.shadow;
  objectReference(object.shadow);
  object.shadowOffset += backing.shadowOffset;
  backing.refCount--;
  vm.counters.object_bypasses++;
  return true;
}

/**
 * vm_object_coalesce with nothing on the other side: whether memory behind `offset + pages` of the object can simply be more of it.
 * If so it has grown by `more` pages.
 */
export function coalesce(vm: Vm, object: VmObject | null, offset: number, pages: number, more: number): boolean {
  if (object === null) return true;
  collapse(vm, object);
  if (object.refCount > 1 || object.pager !== null || object.shadow !== null || object.copy !== null) return false;
  const end = offset + pages;
  pageRemoveRange(vm, object, end, end + more);
  if (end + more > object.size) object.size = end + more;
  return true;
}
