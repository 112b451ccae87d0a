/**
 * vm_pager: what stands behind an object.
 *
 * A pager moves one page a call. There is no clustering and no read-ahead in this kernel, and no advice to give. Three kinds:
 * swap (also the default pager: anonymous memory has one from its mmap, other internal objects get one at their first page-out), vnode (files)
 * and device. Each answers with the few codes of `kern.ts`; an I/O error has none of its own.
 *
 * A read answers through `done`, at once or, with an asynchronous store, after the thread has slept; a write is a task.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { VmObject } from './object.js';
import { pageIndex } from './page.js';
import { type DevicePager, deviceDeallocate, deviceGet, devicePut } from './pager-device.js';
import { type SwapPager, swapDeallocate, swapGet, swapHasPage, swapPut } from './pager-swap.js';
import { type VnodePager, vnodeDeallocate, vnodeGet, vnodeHasPage, vnodePut } from './pager-vnode.js';
import type { Vm } from './vm.js';

export const PG_SWAP = 0;
export const PG_VNODE = 1;
export const PG_DEVICE = 2;

export type Pager = SwapPager | VnodePager | DevicePager;

/** vm_pager_get: fills the busy page from its place in the pager, and says what came of it. */
export function pagerGet(vm: Vm, thread: Thread, object: VmObject, page: number, done: (status: number) => void): void {
  const pager = object.pager as Pager;
  const place = pageIndex(vm, page) + object.pagingOffset;
  switch (pager.type) {
    case PG_SWAP:
      swapGet(vm, thread, pager, place, page, done);
      return;
    case PG_VNODE:
      vnodeGet(vm, thread, pager, place, page, done);
      return;
    default:
      done(deviceGet());
  }
}

/** vm_pager_put: writes the busy page. Without `sync` the swap pager may answer PEND. */
export function* pagerPut(vm: Vm, thread: Thread, object: VmObject, page: number, sync: boolean): Task<number> {
  const pager = object.pager as Pager;
  const place = pageIndex(vm, page) + object.pagingOffset;
  switch (pager.type) {
    case PG_SWAP:
      return yield* swapPut(vm, thread, pager, object, place, page, sync);
    case PG_VNODE:
      return yield* vnodePut(vm, thread, pager, place, page);
    default:
      return devicePut(vm);
  }
}

/** vm_pager_has_page: whether the pager has the page at that place (the paging offset is the caller's to add). */
export function pagerHasPage(pager: Pager, place: number): boolean {
  switch (pager.type) {
    case PG_SWAP:
      return swapHasPage(pager, place);
    case PG_VNODE:
      return vnodeHasPage(pager, place);
    default:
      return true;
  }
}

/** vm_pager_deallocate: its object is at its end. */
export function* pagerDeallocate(vm: Vm, thread: Thread, pager: Pager): Task<void> {
  switch (pager.type) {
    case PG_SWAP:
      yield* swapDeallocate(vm, thread, pager);
      return;
    case PG_VNODE:
      vnodeDeallocate(pager);
      return;
    default:
      deviceDeallocate(pager);
  }
}
