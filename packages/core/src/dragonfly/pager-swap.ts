/**
 * swap_pager: anonymous memory on the swap area.
 *
 * A block stays assigned until its page is dirtied by a fault, freed or moved, so a clean page can be dropped and read again. A read
 * brings in one page (reading neighbours is off by default in this revision, vm.swap_burst_read = 0); writes go out in
 * runs of up to 16, halved while the area is too broken up for them. The daemon's own writes complete later where the store
 * does, at most four at a time; everybody else waits for theirs.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { IoResult } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { buffersOf, whole } from '../vm/io.js';
import { SWAPBLK_NONE, SwapBlocks } from '../vm/swap-blocks.js';
import { VM_PAGER_ERROR, VM_PAGER_FAIL, VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJT_DEFAULT, OBJT_SWAP } from './object.js';
import {
  PG_SWAPINPROG,
  PG_SWAPPED,
  pageClearFlag,
  pageFullyValid,
  pageIndex,
  pageLookup,
  pageSetFlag,
  pageSetValid,
} from './page.js';
import { ioResult } from './pager.js';
import type { Vm } from './vm.js';

/** Pages of one write (nsw_cluster_max), and the run below which the search for space gives up halving. */
const CLUSTER_MAX = 16;
const RUN_MIN = 4;

/** The object's swap meta-data; makes the object one of swap type. */
function swapOf(vm: Vm, object: VmObject): SwapBlocks {
  object.swap ??= new SwapBlocks(vm.swapArea);
  object.type = OBJT_SWAP;
  return object.swap;
}

/** Whether the object has a block for the page (swap_pager_haspage). */
export function swapHas(object: VmObject, pindex: number): boolean {
  return object.swap?.has(pindex) === true;
}

/** swap_pager_getpage: reads the page if it has a block. It stays busy and on no queue. */
export function* swapGetPage(vm: Vm, thread: Thread, object: VmObject, page: number): Task<number> {
  if (pageFullyValid(vm, page)) return VM_PAGER_OK;
  const block = object.swap?.get(pageIndex(vm, page)) ?? SWAPBLK_NONE;
  if (block === SWAPBLK_NONE) return VM_PAGER_FAIL;
  pageSetFlag(vm, page, PG_SWAPINPROG);
  object.pagingInProgress++;
  vm.counters.v_swapin++;
  vm.counters.v_swappgsin++;
  const result = whole(yield* ioResult(vm, thread, readSwap(vm, page, block), 'swread'), PAGE_SIZE);
  object.pagingInProgress--;
  pageClearFlag(vm, page, PG_SWAPINPROG);
  if (result < PAGE_SIZE) {
    vm.pages.valid[page] = 0;
    vm.printf(`swap_pager: indefinite wait buffer or I/O error - pagein failed, blkno ${block}`);
    return VM_PAGER_ERROR;
  }
  pageSetValid(vm, page);
  vm.pages.dirty[page] = 0;
  pageSetFlag(vm, page, PG_SWAPPED);
  return VM_PAGER_OK;
}

const EIO = -5;

function readSwap(vm: Vm, page: number, block: number): IoResult | Promise<IoResult> {
  if (vm.badSwap) return EIO;
  vm.machine.disk.read(block, 1);
  const buffers = buffersOf(vm, [page], 0, 1);
  if (buffers === null || vm.swapStore === null) return PAGE_SIZE;
  return vm.swapStore.read(block * PAGE_SIZE, buffers);
}

/** swap_pager_putpages: writes pages in runs for which consecutive blocks can be had. Answers a status for each, in `status`. */
export function* swapPutPages(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  pages: readonly number[],
  status: number[],
): Task<void> {
  const swap = swapOf(vm, object);
  let at = 0;
  while (at < pages.length) {
    let count = Math.min(CLUSTER_MAX, pages.length - at);
    let block = swapSpace(vm, count);
    while (block === SWAPBLK_NONE && count > RUN_MIN) {
      count >>= 1;
      block = swapSpace(vm, count);
    }
    if (block === SWAPBLK_NONE) {
      for (let i = 0; i < count; i++) status[at + i] = VM_PAGER_FAIL;
    } else {
      const outcome = yield* writeRun(vm, thread, object, swap, pages.slice(at, at + count), block);
      for (let i = 0; i < count; i++) status[at + i] = outcome;
    }
    at += count;
  }
}

function swapSpace(vm: Vm, count: number): number {
  if (vm.allocationFails?.('swap') === true) return SWAPBLK_NONE;
  return vm.swapArea.alloc(count);
}

/** Writes one run to its new blocks; the pages are clean when it has arrived. */
function* writeRun(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  swap: SwapBlocks,
  run: readonly number[],
  block: number,
): Task<number> {
  run.forEach((page, i) => {
    swap.assign(pageIndex(vm, page), block + i);
    pageSetFlag(vm, page, PG_SWAPINPROG);
  });
  vm.counters.v_swapout++;
  vm.counters.v_swappgsout += run.length;
  vm.machine.disk.write(block, run.length);
  const buffers = buffersOf(vm, run, 0, run.length);
  const bytes = run.length * PAGE_SIZE;
  const io = buffers === null || vm.swapStore === null ? bytes : vm.swapStore.write(block * PAGE_SIZE, buffers);
  const result = whole(yield* ioResult(vm, thread, io, 'swwrt'), bytes);
  for (const page of run) pageClearFlag(vm, page, PG_SWAPINPROG);
  if (result >= 0) {
    for (const page of run) {
      vm.pages.dirty[page] = 0;
      pageSetFlag(vm, page, PG_SWAPPED);
    }
    return VM_PAGER_OK;
  }
  vm.printf(`swap_pager: I/O error - pageout failed; blkno ${block}, size ${bytes}, error ${-result}`);
  for (const page of run) {
    swap.free(pageIndex(vm, page));
    pageClearFlag(vm, page, PG_SWAPPED);
  }
  return object.type === OBJT_SWAP ? VM_PAGER_ERROR : VM_PAGER_FAIL;
}

/** swap_pager_freespace: the contents of these pages on swap are no longer wanted. */
export function swapFreespace(vm: Vm, object: VmObject, start: number, count: number): void {
  if (object.swap === null) return;
  object.swap.freeRange(start, count);
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    if (!swapHas(object, pageIndex(vm, page))) pageClearFlag(vm, page, PG_SWAPPED);
  }
}

/** The object ends: so do its blocks. */
export function swapFreeAll(_vm: Vm, object: VmObject): void {
  object.swap?.freeAll();
}

/** swap_pager_unswapped: a page was written; its block holds old data. */
export function pageUnswapped(vm: Vm, object: VmObject, page: number): void {
  pageClearFlag(vm, page, PG_SWAPPED);
  object.swap?.free(pageIndex(vm, page));
}

/**
 * swap_pager_copy: blocks of `source` at and above `offset` go to `target`, where it has none of its own. With `destroy` the source keeps
 * none and is of default type again.
 */
export function swapCopy(vm: Vm, source: VmObject, target: VmObject, offset: number, destroy: boolean): void {
  const blocks = source.swap as SwapBlocks;
  for (const [from] of [...blocks.entries()]) {
    const pindex = from - offset;
    if (pindex < 0 || pindex >= target.size) continue;
    if (swapHas(target, pindex)) {
      blocks.free(from);
      continue;
    }
    swapOf(vm, target).assign(pindex, blocks.pop(from));
    const page = pageLookup(vm, target, pindex);
    if (page >= 0) pageSetFlag(vm, page, PG_SWAPPED);
  }
  if (!destroy) return;
  blocks.freeAll();
  source.type = OBJT_DEFAULT;
}
