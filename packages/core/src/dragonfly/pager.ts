/**
 * vm_pager: what stands behind an object, by its type.
 *
 * The default pager has nothing and turns into the swap pager at the first page-out. Reads and writes are tasks: they sleep
 * while a store takes its time, and a file's read may sleep for memory. The page read is busy for the caller; of pages written each gets a status.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { BackingStore, IoResult } from '../machine/store.js';
import { ioResult as awaitResult } from '../vm/io.js';
import { SWAPBLK_NONE } from '../vm/swap-blocks.js';
import { VM_PAGER_FAIL, VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJT_DEFAULT, OBJT_DEVICE, OBJT_PHYS, OBJT_SWAP, OBJT_VNODE } from './object.js';
import { pageSetValid } from './page.js';
import { deviceGetPage } from './pager-device.js';
import { swapGetPage, swapHas, swapPutPages } from './pager-swap.js';
import { vnodeGetPage, vnodeHasPage, vnodePutPages } from './pager-vnode.js';
import type { Vm } from './vm.js';
import { BLOCK_PAGES, type VnodeHandle } from './vnode.js';

/** vm_pager_has_page. */
export function pagerHasPage(object: VmObject, pindex: number): boolean {
  if (object.type === OBJT_DEFAULT) return false;
  if (object.type === OBJT_SWAP) return swapHas(object, pindex);
  return object.type === OBJT_DEVICE || object.type === OBJT_PHYS || vnodeHasPage(object, pindex);
}

/**
 * vm_pager_get_page: fills a busy page. It is still busy afterwards; a device puts another in its place.
 * @param seqaccess 0 random, 1 sequential, -1 nothing known
 */
export function* pagerGetPage(vm: Vm, thread: Thread, object: VmObject, page: number, seqaccess: number): Task<number> {
  switch (object.type) {
    case OBJT_DEFAULT:
      return VM_PAGER_FAIL;
    case OBJT_SWAP:
      return yield* swapGetPage(vm, thread, object, page);
    case OBJT_DEVICE:
      return deviceGetPage(vm, object, page);
    case OBJT_PHYS:
      return physGetPage(vm, page);
    default:
      return yield* vnodeGetPage(vm, thread, object, page, seqaccess);
  }
}

/** phys_pager_getpage: memory that is zeroed when first used and never paged. */
function physGetPage(vm: Vm, page: number): number {
  if (vm.pages.valid[page] === 0) vm.zeroFrame(page);
  pageSetValid(vm, page);
  vm.pages.dirty[page] = 0;
  return VM_PAGER_OK;
}

/** vm_pager_put_pages: writes pages of consecutive indexes out. Answers a status for each, in `status`. */
export function* pagerPutPages(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  pages: readonly number[],
  status: number[],
): Task<void> {
  if (object.defaultOrSwap) yield* swapPutPages(vm, thread, object, pages, status);
  else yield* vnodePutPages(vm, thread, object, pages, status);
}

/** Where a run of pages begins, for who reads it in one transfer. */
export interface RunPlace {
  /** On the simulated disk. */
  readonly diskPage: number;
  /** In the store. */
  readonly storePage: number;
  readonly store: BackingStore | null;
  /** Counts a transfer of so many pages. */
  count(pages: number): void;
  /** Whether something in so many pages cannot be read. */
  broken(pages: number): boolean;
}

/** The place of a page that the pager of a file or of swap has; null for other pagers. */
export function runPlace(vm: Vm, object: VmObject, pindex: number): RunPlace | null {
  if (object.type === OBJT_SWAP) {
    const block = object.swap?.get(pindex) ?? SWAPBLK_NONE;
    const count = (pages: number): void => {
      vm.counters.v_swapin++;
      vm.counters.v_swappgsin += pages;
    };
    return { diskPage: block, storePage: block, store: vm.swapStore, count, broken: () => vm.badSwap };
  }
  if (object.type !== OBJT_VNODE) return null;
  const vnode = object.handle as VnodeHandle;
  const count = (pages: number): void => {
    vm.counters.v_vnodein++;
    vm.counters.v_vnodepgsin += pages;
  };
  const broken = (pages: number): boolean =>
    [...vnode.badBlocks].some((block) => block * BLOCK_PAGES < pindex + pages && (block + 1) * BLOCK_PAGES > pindex);
  return { diskPage: vnode.diskPage + pindex, storePage: pindex, store: vnode.store, count, broken };
}

/** Waits for an I/O result inside a task. Others run meanwhile, and they are not the page daemon. */
export function* ioResult(vm: Vm, thread: Thread, io: IoResult | Promise<IoResult>, wmesg: string): Task<IoResult> {
  if (typeof io === 'number') return io;
  const scans = vm.scanner === thread;
  if (scans) vm.pageDaemonRuns = false;
  const result = yield* awaitResult(vm, thread, io, wmesg);
  if (scans) vm.pageDaemonRuns = true;
  return result;
}
