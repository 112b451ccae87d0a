/**
 * swap_pager: anonymous memory on the swap area.
 *
 * A pager divides its object into chunks of 4 to 32 pages by the object's size. A chunk of the swap area is taken at the first write
 * into it and kept until the pager dies; a mask says which of its pages have been written. A page that comes back in keeps its place on swap,
 * and a later write goes over it.
 *
 * A write without `sync` is only begun (PEND): the page stays busy, and its object's paging in progress raised, until a *clean-up* finds the
 * write done. Every swap operation begins with a clean-up of all pagers, and the page daemon makes one after each scan. With a store that
 * answers at once the write is done as soon as it is begun, but the clean-up is still later.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { IoResult } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { ioResult, whenIoDone } from '../vm/io.js';
import { VM_PAGER_ERROR, VM_PAGER_FAIL, VM_PAGER_OK, VM_PAGER_PEND } from './kern.js';
import type { VmObject } from './object.js';
import { pagingDone } from './object.js';
import { PG_CLEAN, PG_LAUNDRY, pageSet, pageWakeup } from './page.js';
import { PG_SWAP } from './pager.js';
import type { Vm } from './vm.js';

/** swtab: objects up to so many pages are given chunks of so many. */
const CHUNKS: readonly (readonly [objectPages: number, chunkPages: number])[] = [
  [256, 4],
  [512, 8],
  [1024, 16],
  [Number.POSITIVE_INFINITY, 32],
];
const NO_BLOCK = -1;

export class SwapPager {
  readonly type = PG_SWAP;
  /** Anonymous memory is never found by its pager. */
  object: VmObject | null = null;
  readonly chunkPages: number;
  /** First page on the swap area by chunk, and the pages of it that have been written. */
  readonly blocks: Int32Array;
  readonly masks: Int32Array;
  /** Writes begun and not cleaned up (sw_poip). */
  writesInProgress = 0;

  /** @param pages of the object */
  constructor(pages: number) {
    this.chunkPages = (CHUNKS.find(([most]) => pages <= most) as readonly [number, number])[1];
    const chunks = Math.ceil(pages / this.chunkPages);
    this.blocks = new Int32Array(chunks).fill(NO_BLOCK);
    this.masks = new Int32Array(chunks);
  }
}

/** A write that has been begun. */
export interface SwapWrite {
  readonly pager: SwapPager;
  readonly object: VmObject;
  readonly page: number;
  done: boolean;
  failed: boolean;
}

/** Objects of more pages have tables that no kernel memory holds. */
const OBJECT_PAGES_MOST = 2 ** 28;

/** vm_pager_allocate(PG_DFLT): null when none can be had. */
export function swapAllocate(vm: Vm, pages: number): SwapPager | null {
  if (pages > OBJECT_PAGES_MOST) return null;
  return vm.allocationFails?.('pager') === true ? null : new SwapPager(pages);
}

/** The page of the swap area that holds a place, or -1 when nothing was written there. */
function blockOf(pager: SwapPager, place: number): number {
  const chunk = Math.floor(place / pager.chunkPages);
  if (chunk < 0 || chunk >= pager.blocks.length) return NO_BLOCK;
  const within = place % pager.chunkPages;
  if (((pager.masks[chunk] as number) & (1 << within)) === 0) return NO_BLOCK;
  return (pager.blocks[chunk] as number) + within;
}

/** swap_pager_haspage. */
export function swapHasPage(pager: SwapPager, place: number): boolean {
  return blockOf(pager, place) !== NO_BLOCK;
}

/** swap_pager_getpage. */
export function swapGet(
  vm: Vm,
  thread: Thread,
  pager: SwapPager,
  place: number,
  page: number,
  done: (status: number) => void,
): void {
  swapClean(vm);
  const block = blockOf(pager, place);
  if (block === NO_BLOCK) {
    done(VM_PAGER_FAIL);
    return;
  }
  vm.machine.disk.read(block, 1);
  const bytes = vm.machine.memory.frameBytes(page);
  const io = bytes === null || vm.swapStore === null ? PAGE_SIZE : vm.swapStore.read(block * PAGE_SIZE, [bytes]);
  whenIoDone(vm, thread, io, 'swread', (result) => done(result < PAGE_SIZE ? readFailed(vm, page) : VM_PAGER_OK));
}

/** As seeded an error of the disk looks like "nothing was ever written here". */
function readFailed(vm: Vm, page: number): number {
  vm.printf(`swap_pager_io: I/O error - pagein failed; page ${page}`);
  return vm.mended ? VM_PAGER_ERROR : VM_PAGER_FAIL;
}

/** swap_pager_putpage. */
export function* swapPut(
  vm: Vm,
  thread: Thread,
  pager: SwapPager,
  object: VmObject,
  place: number,
  page: number,
  sync: boolean,
): Task<number> {
  swapClean(vm);
  const chunk = Math.floor(place / pager.chunkPages);
  if (chunk < 0 || chunk >= pager.blocks.length) return VM_PAGER_FAIL;
  if (pager.blocks[chunk] === NO_BLOCK) {
    const first = vm.allocationFails?.('swap') === true ? NO_BLOCK : vm.swapArea.allocate(pager.chunkPages);
    if (first === NO_BLOCK) return VM_PAGER_FAIL;
    pager.blocks[chunk] = first;
  }
  const within = place % pager.chunkPages;
  const block = (pager.blocks[chunk] as number) + within;
  vm.machine.disk.write(block, 1);
  const bytes = vm.machine.memory.frameBytes(page);
  const io = bytes === null || vm.swapStore === null ? PAGE_SIZE : vm.swapStore.write(block * PAGE_SIZE, [bytes]);
  pager.masks[chunk] = (pager.masks[chunk] as number) | (1 << within);
  if (!sync) return beginWrite(vm, pager, object, page, io);
  const result = yield* ioResult(vm, thread, io, 'swwrt');
  if (result < PAGE_SIZE) return VM_PAGER_FAIL;
  pageSet(vm, page, PG_CLEAN);
  vm.pmap.clearModify(page);
  return VM_PAGER_OK;
}

/** Notes a write for the clean-up. One that answers later wakes the page daemon, which then looks. */
function beginWrite(
  vm: Vm,
  pager: SwapPager,
  object: VmObject,
  page: number,
  io: IoResult | Promise<IoResult>,
): number {
  const write: SwapWrite = { pager, object, page, done: false, failed: false };
  vm.swapWrites.push(write);
  pager.writesInProgress++;
  const finish = (result: IoResult): void => {
    write.done = true;
    // A store that took only a part of the page has not got it.
    write.failed = result < PAGE_SIZE;
  };
  if (typeof io === 'number') {
    finish(io);
  } else {
    vm.kernel.awaitIo(vm.kernel.createThread('swap write'), io, 'swwrt', (result) => {
      finish(result);
      vm.kernel.wakeup(vm.daemonChannel);
      vm.kernel.wakeup(pager);
    });
  }
  return VM_PAGER_PEND;
}

/** swap_pager_clean: finishes every write that is done. A page that could not be written stays dirty, in the laundry. */
export function swapClean(vm: Vm): void {
  const { swapWrites } = vm;
  for (let i = 0; i < swapWrites.length; ) {
    const write = swapWrites[i] as SwapWrite;
    if (!write.done) {
      i++;
      continue;
    }
    swapWrites.splice(i, 1);
    write.pager.writesInProgress--;
    pagingDone(vm, write.object);
    if (write.failed) {
      vm.printf(`swap_pager_finish: clean of page ${write.page} failed`);
      pageSet(vm, write.page, PG_LAUNDRY);
    } else {
      pageSet(vm, write.page, PG_CLEAN);
      vm.pmap.clearModify(write.page);
    }
    pageWakeup(vm, write.page);
  }
}

/** swap_pager_dealloc: waits for writes in progress, then gives every chunk back. */
export function* swapDeallocate(vm: Vm, thread: Thread, pager: SwapPager): Task<void> {
  swapClean(vm);
  while (pager.writesInProgress > 0) {
    vm.kernel.sleep(thread, pager, 'swpgd');
    yield;
    swapClean(vm);
  }
  pager.blocks.forEach((first, chunk) => {
    if (first === NO_BLOCK) return;
    vm.swapArea.release(first, pager.chunkPages);
    pager.blocks[chunk] = NO_BLOCK;
    pager.masks[chunk] = 0;
  });
}
