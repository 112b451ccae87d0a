/**
 * vnode_pager: files, through the file system's read and write.
 *
 * Reading page p means reading its block of four pages, and unless the advice is against it up to 127 blocks ahead, in clusters of eight
 * (cluster_read). Nothing is read behind. *Marks* are left on the way: on the second and last block of each cluster, and on the
 * first of every cluster after the first. A reader that meets one comes back here and starts the next read-ahead, long before it would have to wait.
 *
 * Writing goes block by block too, so a page-out of one page cleans its three neighbours.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PAGE_SIZE } from '../machine/units.js';
import { whole } from '../vm/io.js';
import { type Block, blockCached, fillBlocks, getBlock, lastBlock, markBlock, releaseBlock } from './file-blocks.js';
import { VM_PAGER_BAD, VM_PAGER_ERROR, VM_PAGER_OK } from './kern.js';
import { setWriteableDirty, type VmObject } from './object.js';
import {
  PG_BUSY,
  PG_SWAPPED,
  PG_WANTED,
  pageBusy,
  pageClearFlag,
  pageFullyValid,
  pageHasFlag,
  pageIndex,
  pageIoFinish,
  pageIoStart,
  pageSetFlag,
  pageWakeup,
  pageZeroInvalid,
} from './page.js';
import { ioResult } from './pager.js';
import type { Vm } from './vm.js';
import { BLOCK_BYTES, BLOCK_PAGES, type VnodeHandle } from './vnode.js';

/** IO_SEQMAX: blocks read ahead at most, the asked one included. */
const READ_AHEAD_BLOCKS = 127;
/** Blocks of one transfer (vmaxiosize / block size). */
const CLUSTER_BLOCKS = 8;

function vnodeOf(object: VmObject): VnodeHandle {
  return object.handle as VnodeHandle;
}

/** vnode_pager_haspage. */
export function vnodeHasPage(object: VmObject, pindex: number): boolean {
  return pindex * PAGE_SIZE < vnodeOf(object).length;
}

/**
 * vnode_pager_generic_getpages, for one busy page. While the file system works on the page it is busy only softly, since the buffer cache would
 * wait for a page that is busy the hard way.
 */
export function* vnodeGetPage(vm: Vm, thread: Thread, object: VmObject, page: number, seqaccess: number): Task<number> {
  const vnode = vnodeOf(object);
  const pindex = pageIndex(vm, page);
  if (pindex * PAGE_SIZE >= vnode.length) return VM_PAGER_ERROR;
  pageIoStart(vm, page);
  pageWakeup(vm, page);
  const ok = yield* readBlocks(vm, thread, vnode, object, pindex, seqaccess === 0 ? 1 : READ_AHEAD_BLOCKS);
  while (pageHasFlag(vm, page, PG_BUSY)) {
    pageSetFlag(vm, page, PG_WANTED);
    vm.kernel.sleep(thread, page, 'getpgs');
    yield;
  }
  pageBusy(vm, page);
  pageIoFinish(vm, page);
  // Mended: a page that was whole all along, and is here for the sake of what lies ahead, does not suffer by the failure (O37).
  if ((ok || (vm.mended && pageFullyValid(vm, page))) && vm.pages.valid[page] !== 0) {
    if (!pageFullyValid(vm, page)) pageZeroInvalid(vm, page, true);
    return VM_PAGER_OK;
  }
  vm.printf('vnode_pager_getpage: I/O read error');
  return VM_PAGER_ERROR;
}

/** cluster_read. Answers false when the block of the asked page could not be read. */
function* readBlocks(
  vm: Vm,
  thread: Thread,
  vnode: VnodeHandle,
  object: VmObject,
  pindex: number,
  limit: number,
): Task<boolean> {
  const number = Math.floor(pindex / BLOCK_PAGES);
  const block = yield* getBlock(vm, thread, vnode, object, number);
  let ok = true;
  if (number >= lastBlock(vnode)) {
    if (!block.cached) ok = yield* fillBlocks(vm, thread, vnode, [block]);
  } else {
    let left = Math.min(limit, Math.floor(vnode.length / BLOCK_BYTES) - number);
    let next = number;
    if (block.cached) {
      const done = alreadyAhead(vm, vnode, object, number, left);
      next += done;
      left -= done;
    } else {
      const run = Math.min(left, CLUSTER_BLOCKS);
      if (run <= 1) markBlock(vm, vnode, block);
      const cluster = yield* readCluster(vm, thread, vnode, object, block, run);
      ok = cluster.ok;
      releaseAll(vm, cluster.blocks.slice(1));
      next += cluster.blocks.length;
      left -= cluster.blocks.length;
    }
    yield* readAhead(vm, thread, vnode, object, next, left);
  }
  releaseBlock(vm, block);
  vnode.markedBlocks.delete(number);
  return ok;
}

/** The asked block is in memory: how many blocks from it on need no reading. All of them, unless it carries a mark. */
function alreadyAhead(vm: Vm, vnode: VnodeHandle, object: VmObject, number: number, limit: number): number {
  if (limit <= 1 || !vnode.markedBlocks.has(number)) return limit;
  vnode.markedBlocks.delete(number);
  let ahead = blockCached(vm, vnode, object, number + limit - 2) ? limit - 1 : 1;
  while (ahead < limit && blockCached(vm, vnode, object, number + ahead)) ahead++;
  return ahead;
}

/** Clusters until nothing is left to read ahead or a block is met that is there already. */
function* readAhead(
  vm: Vm,
  thread: Thread,
  vnode: VnodeHandle,
  object: VmObject,
  first: number,
  count: number,
): Task<void> {
  let next = first;
  let left = count;
  while (left > 0) {
    const block = yield* getBlock(vm, thread, vnode, object, next);
    if (block.cached) {
      releaseBlock(vm, block);
      return;
    }
    markBlock(vm, vnode, block);
    const cluster = yield* readCluster(vm, thread, vnode, object, block, Math.min(left, CLUSTER_BLOCKS));
    releaseAll(vm, cluster.blocks);
    next += cluster.blocks.length;
    left -= cluster.blocks.length;
  }
}

/** cluster_rbuild: further blocks join as long as nothing of them is in memory; then all are read at once. */
function* readCluster(
  vm: Vm,
  thread: Thread,
  vnode: VnodeHandle,
  object: VmObject,
  first: Block,
  run: number,
): Task<{ blocks: Block[]; ok: boolean }> {
  const blocks = [first];
  for (let i = 1; i < run && (first.number + i + 1) * BLOCK_BYTES <= vnode.length; i++) {
    const block = yield* getBlock(vm, thread, vnode, object, first.number + i);
    if (!block.empty) {
      releaseBlock(vm, block);
      break;
    }
    if (i === 1 || i === run - 1) markBlock(vm, vnode, block);
    blocks.push(block);
  }
  const ok = yield* fillBlocks(vm, thread, vnode, blocks);
  return { blocks, ok };
}

function releaseAll(vm: Vm, blocks: readonly Block[]): void {
  for (const block of blocks) releaseBlock(vm, block);
}

/** vnode_pager_putpages: writes pages of consecutive indexes; those wholly past the end of the file are BAD. */
export function* vnodePutPages(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  pages: readonly number[],
  status: number[],
): Task<void> {
  const vnode = vnodeOf(object);
  const first = pageIndex(vm, pages[0] as number);
  const inside = Math.max(0, Math.min(pages.length, Math.ceil(vnode.length / PAGE_SIZE) - first));
  for (let i = inside; i < pages.length; i++) status[i] = VM_PAGER_BAD;
  let at = 0;
  while (at < inside) {
    const block = Math.floor((first + at) / BLOCK_PAGES);
    const to = Math.min(inside, (block + 1) * BLOCK_PAGES - first);
    const outcome = yield* writeBlock(vm, thread, vnode, object, block);
    for (; at < to; at++) {
      status[at] = outcome;
      if (outcome === VM_PAGER_OK) vm.pages.dirty[pages[at] as number] = 0;
    }
  }
}

/** One block: what is missing is read, every page of it is write-protected and clean, and the whole goes to the store. */
function* writeBlock(vm: Vm, thread: Thread, vnode: VnodeHandle, object: VmObject, number: number): Task<number> {
  const block = yield* getBlock(vm, thread, vnode, object, number);
  let ok = block.cached || (yield* fillBlocks(vm, thread, vnode, [block]));
  if (ok) {
    const dirty = block.pages.map((page) => {
      vm.pmap.removeWrite(page);
      const was = vm.pages.dirty[page] as number;
      vm.pages.dirty[page] = 0;
      pageClearFlag(vm, page, PG_SWAPPED);
      return was;
    });
    ok = yield* storeBlock(vm, thread, vnode, block);
    if (!ok) stillDirty(vm, object, block, dirty);
  }
  releaseBlock(vm, block);
  return ok ? VM_PAGER_OK : VM_PAGER_ERROR;
}

/** What could not be written is dirty again, and the object has something to write: the next msync must find it. */
function stillDirty(vm: Vm, object: VmObject, block: Block, dirty: readonly number[]): void {
  block.pages.forEach((page, i) => {
    vm.pages.dirty[page] = (vm.pages.dirty[page] as number) | (dirty[i] as number);
  });
  setWriteableDirty(object);
}

function* storeBlock(vm: Vm, thread: Thread, vnode: VnodeHandle, block: Block): Task<boolean> {
  const offset = block.number * BLOCK_BYTES;
  let bytes = Math.min(block.bytes, vnode.length - offset);
  vm.counters.v_vnodeout++;
  vm.counters.v_vnodepgsout += block.pages.length;
  vm.machine.disk.write(vnode.diskPage + block.number * BLOCK_PAGES, block.pages.length);
  const buffers: Uint8Array[] = [];
  for (const page of block.pages) {
    const frame = vm.machine.memory.frameBytes(page);
    if (frame === null || bytes <= 0) break;
    buffers.push(bytes < PAGE_SIZE ? frame.subarray(0, bytes) : frame);
    bytes -= PAGE_SIZE;
  }
  if (buffers.length === 0) return true;
  const length = buffers.reduce((sum, { length }) => sum + length, 0);
  const result = whole(yield* ioResult(vm, thread, vnode.store.write(offset, buffers), 'biowr'), length);
  if (result < 0) vm.printf(`vnode_pager_putpages: I/O error ${-result}`);
  return result >= 0;
}
