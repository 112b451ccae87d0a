/**
 * vm_pager: what stands behind an object, by its type.
 *
 * The default pager has nothing and turns into the swap pager at the first page-out. A read answers through `done`, at once or, with
 * an asynchronous store, after the thread has slept; a write is a task. Both get pages that are busy for the caller, and say what
 * became of each.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJT_DEFAULT, OBJT_DEVICE, OBJT_PHYS, OBJT_SWAP } from './object.js';
import { pageFullyValid, pageSetValid, pageZeroInvalid } from './page.js';
import { deviceGetPages } from './pager-device.js';
import { swapGetPages, swapHasPage, swapPutPages } from './pager-swap.js';
import { vnodeGetPages, vnodeHasPage, vnodePutPages } from './pager-vnode.js';
import type { Vm } from './vm.js';

/** How many pages before and after the asked one the pager could deliver with it. */
export interface PageRun {
  before: number;
  after: number;
}

/** vm_pager_has_page: whether the pager has the page, and what lies contiguously around it. */
export function pagerHasPage(vm: Vm, object: VmObject, pindex: number, run: PageRun): boolean {
  run.before = 0;
  run.after = 0;
  switch (object.type) {
    case OBJT_DEFAULT:
      return false;
    case OBJT_SWAP:
      return swapHasPage(object, pindex, run);
    case OBJT_DEVICE:
      return true;
    case OBJT_PHYS:
      run.before = pindex;
      run.after = object.size - pindex - 1;
      return true;
    default:
      return vnodeHasPage(vm, object, pindex, run);
  }
}

/**
 * vm_pager_get_pages: fills `count` busy pages of consecutive indexes. On success the requested one is whole and still busy; the others
 * have been put on the inactive queue or freed, as the pager saw fit.
 */
export function pagerGetPages(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  pages: Int32Array,
  count: number,
  requested: number,
  done: (status: number) => void,
): void {
  const page = pages[requested] as number;
  const finish = (status: number): void => {
    const answer = pageOfRequest(object, page);
    if (status === VM_PAGER_OK && answer >= 0 && !pageFullyValid(vm, answer)) pageZeroInvalid(vm, answer, true);
    done(status);
  };
  switch (object.type) {
    case OBJT_SWAP:
      swapGetPages(vm, thread, object, pages, count, requested, finish);
      return;
    case OBJT_DEVICE:
      finish(deviceGetPages(vm, object, pages, count, requested));
      return;
    case OBJT_PHYS:
      finish(physGetPages(vm, pages, count));
      return;
    default:
      vnodeGetPages(vm, thread, object, pages, count, requested, finish);
  }
}

/** A device replaces the requested page by one of its own, which is always whole. */
function pageOfRequest(object: VmObject, page: number): number {
  return object.type === OBJT_DEVICE ? -1 : page;
}

/** phys_pager_getpages: memory that is zeroed when first used and never paged. */
function physGetPages(vm: Vm, pages: Int32Array, count: number): number {
  for (let i = 0; i < count; i++) {
    const page = pages[i] as number;
    if (vm.pages.valid[page] === 0) vm.zeroFrame(page);
    pageSetValid(vm, page);
    vm.pages.dirty[page] = 0;
  }
  return VM_PAGER_OK;
}

/** vm_pager_put_pages: writes pages out. Answers a status for each, in `status`. */
export function* pagerPutPages(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  pages: readonly number[],
  status: number[],
): Task<void> {
  if (object.type === OBJT_DEFAULT || object.type === OBJT_SWAP) {
    yield* swapPutPages(vm, thread, object, pages, status);
  } else {
    yield* vnodePutPages(vm, thread, object, pages, status);
  }
}
