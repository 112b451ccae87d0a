/**
 * swap_pager: anonymous memory on the swap area.
 *
 * A block stays assigned until its page is dirtied by a fault, freed or moved, so a clean page can be dropped and read again. Reads
 * take the whole run of consecutive blocks that the fault asked for; writes go out in runs of up to 16, halved while
 * the area is too broken up for them.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { IoResult } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { buffersOf, ioResult, whenIoDone, whole } from '../vm/io.js';
import { SWAPBLK_NONE, SwapBlocks } from '../vm/swap-blocks.js';
import { VM_PAGER_ERROR, VM_PAGER_FAIL, VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJT_DEFAULT, OBJT_SWAP } from './object.js';
import {
  pageActivate,
  pageDeactivate,
  pageDirty,
  pageFlash,
  pageIndex,
  pageSetValid,
  pageWakeup,
  VPO_SWAPINPROG,
} from './page.js';
import { pageFree } from './page-alloc.js';
import type { PageRun } from './pager.js';
import type { Vm } from './vm.js';

/** Neighbours that a page-in may take along on each side (SWB_NPAGES / 2 - 1). */
const NEIGHBOURS_MAX = 7;
/** Pages of one write (nsw_cluster_max), and the run below which the search for space gives up halving. */
const CLUSTER_MAX = 16;
const RUN_MIN = 4;

/** The object's swap meta-data; makes the object one of swap type. */
function swapOf(vm: Vm, object: VmObject): SwapBlocks {
  object.swap ??= new SwapBlocks(vm.swapArea);
  object.type = OBJT_SWAP;
  return object.swap;
}

/** swap_pager_haspage: whether the page has a block, and how many neighbours on each side have consecutive ones. */
export function swapHasPage(object: VmObject, pindex: number, run: PageRun): boolean {
  const swap = object.swap as SwapBlocks;
  const block = swap.get(pindex);
  if (block === SWAPBLK_NONE) return false;
  // Never below block 0: "no block" is -1, and a page that has none is not its neighbour.
  const before = Math.min(NEIGHBOURS_MAX, block);
  while (run.before < before && swap.get(pindex - run.before - 1) === block - run.before - 1) run.before++;
  while (run.after < NEIGHBOURS_MAX && swap.get(pindex + run.after + 1) === block + run.after + 1) run.after++;
  return true;
}

/** swap_pager_getpages: reads the run of consecutive blocks around the requested page; the other pages are freed. */
export function swapGetPages(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  pages: Int32Array,
  count: number,
  requested: number,
  done: (status: number) => void,
): void {
  const swap = object.swap as SwapBlocks;
  const blockOf = (i: number): number => swap.get(pageIndex(vm, pages[i] as number));
  const block = blockOf(requested);
  let from = requested;
  let to = requested + 1;
  if (block !== SWAPBLK_NONE) {
    const lowest = Math.max(0, requested - block);
    while (from > lowest && blockOf(from - 1) === block - (requested - from) - 1) from--;
    while (to < count && blockOf(to) === block + (to - requested)) to++;
  }
  for (let i = 0; i < count; i++) if (i < from || i >= to) pageFree(vm, pages[i] as number);
  if (block === SWAPBLK_NONE) {
    done(VM_PAGER_FAIL);
    return;
  }
  const first = block - (requested - from);
  vm.counters.v_swapin++;
  vm.counters.v_swappgsin += to - from;
  for (let i = from; i < to; i++) setSwapInProgress(vm, pages[i] as number, true);
  // The array belongs to the fault; with a late answer it may serve another meanwhile.
  const run = pages.slice(from, to);
  whenIoDone(vm, thread, readSwap(vm, run, first), 'swread', (result) =>
    done(finishRead(vm, run, requested - from, whole(result, run.length * PAGE_SIZE))),
  );
}

function readSwap(vm: Vm, run: Int32Array, firstBlock: number): IoResult | Promise<IoResult> {
  vm.machine.disk.read(firstBlock, run.length);
  const buffers = buffersOf(vm, run, 0, run.length);
  if (buffers === null || vm.swapStore === null) return run.length * PAGE_SIZE;
  return vm.swapStore.read(firstBlock * PAGE_SIZE, buffers);
}

/** swp_pager_async_iodone of a read. */
function finishRead(vm: Vm, run: Int32Array, requested: number, result: IoResult): number {
  for (let i = 0; i < run.length; i++) {
    const page = run[i] as number;
    setSwapInProgress(vm, page, false);
    if (result < 0) {
      vm.pages.valid[page] = 0;
      if (i !== requested) pageFree(vm, page);
      else pageFlash(vm, page);
      continue;
    }
    pageSetValid(vm, page);
    vm.pages.dirty[page] = 0;
    if (i === requested) {
      pageFlash(vm, page);
    } else {
      pageDeactivate(vm, page);
      pageWakeup(vm, page);
    }
  }
  if (result >= 0) return VM_PAGER_OK;
  vm.printf(`swap_pager: I/O error - pagein failed; size ${run.length * PAGE_SIZE}, error ${-result}`);
  return VM_PAGER_ERROR;
}

function setSwapInProgress(vm: Vm, page: number, on: boolean): void {
  const oflags = vm.pages.oflags[page] as number;
  vm.pages.oflags[page] = on ? oflags | VPO_SWAPINPROG : oflags & ~VPO_SWAPINPROG;
}

/** swap_pager_putpages: writes pages in runs for which consecutive blocks can be had. */
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
      const run = pages.slice(at, at + count);
      const outcome = yield* writeRun(vm, thread, swap, run, block);
      for (let i = 0; i < count; i++) status[at + i] = outcome;
    }
    at += count;
  }
}

function swapSpace(vm: Vm, count: number): number {
  if (vm.allocationFails?.('swap')) return SWAPBLK_NONE;
  return vm.swapArea.alloc(count);
}

/** Writes one run to its new blocks; the pages are clean when it has arrived. */
function* writeRun(vm: Vm, thread: Thread, swap: SwapBlocks, run: number[], block: number): Task<number> {
  run.forEach((page, i) => {
    swap.assign(pageIndex(vm, page), block + i);
    pageDirty(vm, page);
  });
  vm.counters.v_swapout++;
  vm.counters.v_swappgsout += run.length;
  vm.machine.disk.write(block, run.length);
  const buffers = buffersOf(vm, run, 0, run.length);
  const bytes = run.length * PAGE_SIZE;
  const io = buffers === null || vm.swapStore === null ? bytes : vm.swapStore.write(block * PAGE_SIZE, buffers);
  const result = whole(yield* ioResult(vm, thread, io, 'swwrt'), bytes);
  if (result >= 0) {
    for (const page of run) vm.pages.dirty[page] = 0;
    return VM_PAGER_OK;
  }
  vm.printf(`swap_pager: I/O error - pageout failed; blkno ${block}, size ${run.length * PAGE_SIZE}, error ${-result}`);
  for (const page of run) {
    swap.free(pageIndex(vm, page));
    pageDirty(vm, page);
    pageActivate(vm, page);
  }
  return VM_PAGER_ERROR;
}

/** swap_pager_freespace: the contents of these pages on swap are no longer wanted. */
export function swapFreespace(object: VmObject, start: number, count: number): void {
  object.swap?.freeRange(start, count);
}

/** swap_pager_unswapped: a page was written; its block holds old data. */
export function pageUnswapped(object: VmObject, pindex: number): void {
  if (object.type === OBJT_SWAP) (object.swap as SwapBlocks).free(pindex);
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
    if (target.swap?.has(pindex) === true) blocks.free(from);
    else swapOf(vm, target).assign(pindex, blocks.pop(from));
  }
  if (!destroy) return;
  blocks.freeAll();
  source.type = OBJT_DEFAULT;
}
