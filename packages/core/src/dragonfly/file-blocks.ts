/**
 * The buffer cache as far as it shows: getting a block of a file, filling blocks, and letting go of them.
 *
 * A buffer has no memory of its own: its pages are those of the file's object. Getting one allocates the pages that are missing and wires
 * all of them; it is *cached* when they were all there and valid. Releasing it puts each page at the tail of the inactive queue
 * (or the active one, if some page of the block was much used), with the activity of the block. A page that is busy, which is
 * the one that a fault or a page-out is about, keeps its activity but loses its translations.
 *
 * Where this departs from the kernel: there, buffers stay in the cache, their pages wired, until buffers are needed. Here they are let go
 * at once; only the read-ahead mark of each block is remembered. So no queue ever shows a buffer's pages as wired.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { IoResult } from '../machine/store.js';
import { EIO } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { buffersOf, whole } from '../vm/io.js';
import type { VmObject } from './object.js';
import {
  ACT_INIT,
  PG_BUSY,
  PG_RAM,
  PG_WANTED,
  PG_ZERO,
  pageBits,
  pageClearFlag,
  pageFullyValid,
  pageHasFlag,
  pageIsBusy,
  pageLookup,
  pageSetFlag,
  pageTryToCache,
  pageUnwire,
  pageWakeup,
  pageWire,
} from './page.js';
import { countSevere, pageAlloc, VM_ALLOC_INTERRUPT, VM_ALLOC_NORMAL, VM_ALLOC_SYSTEM } from './page-alloc.js';
import { ioResult } from './pager.js';
import type { Vm } from './vm.js';
import { BLOCK_BYTES, BLOCK_PAGES, blockBytes, type VnodeHandle } from './vnode.js';
import { waitForMemory } from './wait.js';

/** vm_cycle_point: a block this much used goes back to the active queue. */
const CYCLE_POINT = 40;

export interface Block {
  readonly number: number;
  readonly bytes: number;
  /** In index order. */
  readonly pages: number[];
  /** Every page was resident and valid over the block's bytes. */
  readonly cached: boolean;
  /** No page had anything valid. */
  readonly empty: boolean;
  /** b_act_count. */
  readonly activity: number;
}

function blockBits(bytes: number, page: number): number {
  return pageBits(0, Math.min(PAGE_SIZE, bytes - page * PAGE_SIZE));
}

/** findblk(FINDBLK_TEST): whether a block is wholly in memory. */
export function blockCached(vm: Vm, vnode: VnodeHandle, object: VmObject, block: number): boolean {
  const bytes = blockBytes(vnode.length, block);
  for (let i = 0; i * PAGE_SIZE < bytes; i++) {
    const page = pageLookup(vm, object, block * BLOCK_PAGES + i);
    if (page < 0) return false;
    const bits = blockBits(bytes, i);
    if (((vm.pages.valid[page] as number) & bits) !== bits) return false;
  }
  return bytes > 0;
}

/** getblk: the block with all its pages, wired. A block that is not cached loses its mark. */
export function* getBlock(vm: Vm, thread: Thread, vnode: VnodeHandle, object: VmObject, number: number): Task<Block> {
  const bytes = blockBytes(vnode.length, number);
  const count = Math.ceil(bytes / PAGE_SIZE);
  const pages: number[] = [];
  let cached = true;
  let empty = true;
  let activity = ACT_INIT;
  while (pages.length < count) {
    const pindex = number * BLOCK_PAGES + pages.length;
    const there = pageLookup(vm, object, pindex);
    if (there < 0) {
      cached = false;
      const page = yield* allocateBlockPage(vm, thread, object, pindex, count - pages.length);
      if (page < 0) continue;
      pageWire(vm, page);
      pageWakeup(vm, page);
      pages.push(page);
      continue;
    }
    if (pageHasFlag(vm, there, PG_BUSY)) {
      pageSetFlag(vm, there, PG_WANTED);
      vm.kernel.sleep(thread, there, 'pgtblk');
      yield;
      continue;
    }
    const bits = blockBits(bytes, pages.length);
    if (((vm.pages.valid[there] as number) & bits) !== bits) cached = false;
    if (vm.pages.valid[there] !== 0) empty = false;
    activity = Math.max(activity, vm.pages.actCount[there] as number);
    pageClearFlag(vm, there, PG_ZERO);
    pageWire(vm, there);
    pages.push(there);
  }
  if (!cached) vnode.markedBlocks.delete(number);
  return { number, bytes, pages, cached, empty, activity };
}

/** bio_page_alloc: deeper and deeper into the reserve. -1: look again, the page may be there now. */
function* allocateBlockPage(vm: Vm, thread: Thread, object: VmObject, pindex: number, deficit: number): Task<number> {
  let page = pageAlloc(vm, object, pindex, VM_ALLOC_NORMAL | VM_ALLOC_SYSTEM);
  if (page >= 0) return page;
  vm.pageoutDeficit += deficit;
  page = pageAlloc(vm, object, pindex, VM_ALLOC_NORMAL | VM_ALLOC_SYSTEM | VM_ALLOC_INTERRUPT);
  if (page >= 0) {
    if (countSevere(vm)) yield* waitForMemory(vm, thread);
    return page;
  }
  yield* waitForMemory(vm, thread);
  return -1;
}

/** cluster_setram: a reader that comes here should read on. */
export function markBlock(vm: Vm, vnode: VnodeHandle, block: Block): void {
  vnode.markedBlocks.add(block.number);
  const first = block.pages[0];
  if (first !== undefined) pageSetFlag(vm, first, PG_RAM);
}

/**
 * Reads neighbouring blocks in one transfer. Pages that are whole keep what they hold; the others become valid and clean as far as the
 * blocks reach. One failure fails them all: nothing in them is valid then. Answers false for a failure.
 */
export function* fillBlocks(vm: Vm, thread: Thread, vnode: VnodeHandle, blocks: readonly Block[]): Task<boolean> {
  const first = blocks[0] as Block;
  const pages = blocks.flatMap((block) => block.pages);
  vm.counters.v_vnodein++;
  vm.counters.v_vnodepgsin += pages.length;
  vm.machine.disk.read(vnode.diskPage + first.number * BLOCK_PAGES, pages.length);
  const bad = blocks.some((block) => vnode.badBlocks.has(block.number));
  const result = bad ? -EIO : yield* readMissing(vm, thread, vnode, first.number * BLOCK_PAGES, pages);
  for (const { pages, bytes } of blocks) {
    for (let i = 0; i < pages.length; i++) noteFilled(vm, pages[i] as number, blockBits(bytes, i), result);
  }
  return result >= 0;
}

function noteFilled(vm: Vm, page: number, bits: number, result: IoResult): void {
  if (result < 0) {
    // As seeded also pages that needed no reading, dirty ones included, are gone with the rest of their block (O37).
    if (vm.mended && pageFullyValid(vm, page)) return;
    vm.pages.valid[page] = 0;
    vm.pages.dirty[page] = 0;
  } else if (!pageFullyValid(vm, page)) {
    vm.pages.valid[page] = (vm.pages.valid[page] as number) | bits;
    vm.pages.dirty[page] = (vm.pages.dirty[page] as number) & ~bits;
  }
}

/** Reads the runs of pages that are not whole; past the end of the file they are zero. */
function* readMissing(
  vm: Vm,
  thread: Thread,
  vnode: VnodeHandle,
  first: number,
  pages: readonly number[],
): Task<IoResult> {
  let at = 0;
  while (at < pages.length) {
    let to = at;
    while (to < pages.length && !pageFullyValid(vm, pages[to] as number)) to++;
    if (to === at) {
      at++;
      continue;
    }
    for (let i = at; i < to; i++) vm.machine.memory.zeroFrame(pages[i] as number);
    const inside = Math.min(to, Math.ceil(vnode.length / PAGE_SIZE) - first);
    const buffers = inside > at ? buffersOf(vm, pages, at, inside) : null;
    if (buffers !== null) {
      const tail = vnode.length - (first + inside - 1) * PAGE_SIZE;
      if (tail < PAGE_SIZE) buffers.push((buffers.pop() as Uint8Array).subarray(0, tail));
      const wanted = (inside - at - 1) * PAGE_SIZE + Math.min(tail, PAGE_SIZE);
      const io = vnode.store.read((first + at) * PAGE_SIZE, buffers);
      const result = whole(yield* ioResult(vm, thread, io, 'biord'), wanted);
      if (result < 0) return result;
    }
    at = to;
  }
  return 0;
}

/** vfs_vmio_release: the block is nobody's any more; its pages go where the page daemon finds them. */
export function releaseBlock(vm: Vm, block: Block): void {
  for (const page of block.pages) {
    pageUnwire(vm, page, block.activity >= CYCLE_POINT);
    if (pageIsBusy(vm, page)) {
      // As seeded even a page that mlock has wired loses its translations, and munlock then does not find it.
      if (!vm.mended || vm.pages.wireCount[page] === 0) vm.pmap.removeAll(page);
      continue;
    }
    if (vm.pages.wireCount[page] !== 0) continue;
    pageClearFlag(vm, page, PG_ZERO);
    vm.pages.actCount[page] = block.activity;
    if (countSevere(vm)) pageTryToCache(vm, page);
  }
}

/** Blocks up to the end of the file. */
export function lastBlock(vnode: VnodeHandle): number {
  return Math.ceil(vnode.length / BLOCK_BYTES) - 1;
}
