/**
 * genfs_putpages: deactivating, cleaning and freeing the pages of a file.
 *
 * Cleaning tests and clears the modified bit of each page; a dirty one is written together with its dirty neighbours, at most 16 pages, at
 * most 8 of them before it. Neighbours outside the range are written and become clean, but are neither deactivated nor freed. A whole-file
 * clean that finds nothing dirty takes the vnode off the dirty list, having write-protected every page on its way.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PGO_CLEANIT, PGO_DEACTIVATE, PGO_FREE, pagesInPutOrder } from './object.js';
import {
  PG_BUSY,
  PG_CLEAN,
  PG_PAGEOUT,
  PG_RELEASED,
  PG_WANTED,
  pageActivate,
  pageDeactivate,
  pageFree,
  pageHas,
  pageIndex,
  pageLookup,
  pageObject,
  pageUnbusy,
} from './page.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';
import { writeRun } from './vnode-io.js';
import { waitForPage } from './wait.js';

/** Pages of one write, and of these before the page that started it. */
const CLUSTER_PAGES = 16;
const CLUSTER_BACK = CLUSTER_PAGES / 2;

/** End of a put that means the whole file. */
export const WHOLE_FILE = Number.POSITIVE_INFINITY;

/** One put on its way. */
interface Put {
  readonly vm: Vm;
  readonly thread: Thread;
  readonly vnode: VnodeObject;
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  readonly daemon: boolean;
  /** The whole file is cleaned, and so far nothing speaks against calling it clean. */
  cleanall: boolean;
  wasclean: boolean;
  readonly dirtyGeneration: number;
}

/** Entered with the object locked, left with it unlocked. Answers 0 or an errno. */
export function* putPages(
  vm: Vm,
  thread: Thread,
  vnode: VnodeObject,
  start: number,
  end: number,
  asked: number,
  daemon: boolean,
): Task<number> {
  if (vnode.npages === 0) {
    vnode.wrmapDirty = false;
    vnode.onDirtyList = false;
    vnode.lock.release(thread);
    return 0;
  }
  const flags = vnode.onDirtyList ? asked : asked & ~PGO_CLEANIT;
  const whole = start === 0 && end === WHOLE_FILE;
  const put: Put = {
    vm,
    thread,
    vnode,
    start,
    end,
    flags,
    daemon,
    cleanall: (flags & PGO_CLEANIT) !== 0 && whole,
    wasclean: true,
    dirtyGeneration: vnode.dirtyGeneration,
  };
  let error = 0;
  if (flags !== 0) {
    for (const page of pagesInPutOrder(vm, vnode, start, end)) {
      error = yield* putOne(put, page);
      if (error !== 0) break;
    }
  }
  if (put.cleanall && put.wasclean && unwritten(put) && error === 0) {
    vnode.wrmapDirty = false;
    vnode.onDirtyList = false;
  }
  vnode.lock.release(thread);
  return error;
}

/** No write get has come in between. */
function unwritten(put: Put): boolean {
  return put.vnode.dirtyGeneration === put.dirtyGeneration;
}

/** Whether the page still belongs to this file and nobody is about to free it. */
function stillThere(put: Put, page: number): boolean {
  return pageObject(put.vm, page) === put.vnode && !pageHas(put.vm, page, PG_RELEASED | PG_PAGEOUT);
}

function* putOne(put: Put, page: number): Task<number> {
  const { vm, vnode, thread, flags } = put;
  while (stillThere(put, page) && pageHas(vm, page, PG_BUSY)) {
    if (put.daemon) return 0;
    vm.pages.flags[page] |= PG_WANTED;
    vnode.lock.release(thread);
    yield* waitForPage(vm, thread, page, 'genput');
    while (!vnode.lock.acquire(thread)) yield;
  }
  if (!stillThere(put, page)) return 0;
  const free = frees(vm, flags, page);
  if (free) vm.pmap.removePage(page);
  else if ((flags & PGO_CLEANIT) !== 0) writeProtect(put, page);
  if ((flags & PGO_CLEANIT) !== 0 && takeDirt(vm, page)) return yield* putDirty(put, page);
  if ((flags & PGO_DEACTIVATE) !== 0) {
    if (vm.pages.wireCount[page] === 0) pageDeactivate(vm, page);
  } else if (free) {
    pageFree(vm, page);
    if (put.daemon) vm.counters.pdfreed++;
  }
  return 0;
}

/** Whether the page goes. Mended, one that somebody has wired is only cleaned, unless the file ends before it (30). */
function frees(vm: Vm, flags: number, page: number): boolean {
  if ((flags & PGO_FREE) === 0) return false;
  return !vm.mended || (flags & PGO_CLEANIT) === 0 || vm.pages.wireCount[page] === 0;
}

/** While the file may still turn out clean, its pages must not be dirtied behind our back. */
function writeProtect(put: Put, page: number): void {
  if (!put.cleanall || !put.wasclean || !unwritten(put)) return;
  if (put.vm.pages.wireCount[page] === 0) put.vm.pmap.protectPage(page);
  else put.cleanall = false;
}

/** Marks a page clean; true when it was dirty. */
function takeDirt(vm: Vm, page: number): boolean {
  const dirty = vm.pmap.clearModify(page) || !pageHas(vm, page, PG_CLEAN);
  vm.pages.flags[page] |= PG_CLEAN;
  return dirty;
}

/** Takes the neighbour at `index` into a cluster if it is resident, idle and dirty: its frame, else -1. */
function dirtyNeighbour(put: Put, index: number): number {
  const { vm } = put;
  const page = pageLookup(vm, put.vnode, index);
  if (page < 0 || pageHas(vm, page, PG_BUSY) || !takeDirt(vm, page)) return -1;
  vm.pages.flags[page] |= PG_BUSY;
  return page;
}

/** Writes a dirty page with its dirty neighbours, then deactivates or frees those of them that lie in the range. */
function* putDirty(put: Put, page: number): Task<number> {
  const { vm, vnode, thread } = put;
  put.wasclean = false;
  const index = pageIndex(vm, page);
  vm.pages.flags[page] |= PG_BUSY;
  const cluster = [page];
  while (cluster.length <= Math.min(CLUSTER_BACK, index)) {
    const neighbour = dirtyNeighbour(put, index - cluster.length);
    if (neighbour < 0) break;
    cluster.unshift(neighbour);
  }
  const first = index - (cluster.length - 1);
  while (cluster.length < CLUSTER_PAGES) {
    const neighbour = dirtyNeighbour(put, first + cluster.length);
    if (neighbour < 0) break;
    cluster.push(neighbour);
  }
  for (const each of cluster) markWritten(put, each);
  vnode.lock.release(thread);
  const error = yield* writeRun(vm, thread, vnode, first, cluster);
  while (!vnode.lock.acquire(thread)) yield;
  for (const each of cluster) {
    // As seeded what could not be written is lost: the page counts as clean (oddity 25).
    if (error !== 0 && vm.mended) keepDirty(vm, each);
    if (pageHas(vm, each, PG_PAGEOUT)) {
      vm.pages.flags[each] = (vm.pages.flags[each] & ~PG_PAGEOUT) | PG_RELEASED;
      vm.counters.pdfreed++;
    }
    pageUnbusy(vm, each);
  }
  return error;
}

/** It is as if nobody had tried to write it. */
function keepDirty(vm: Vm, page: number): void {
  vm.pages.flags[page] &= ~(PG_CLEAN | PG_PAGEOUT | PG_RELEASED);
  pageActivate(vm, page);
}

/** What becomes of a page of the cluster once it is written. */
function markWritten(put: Put, page: number): void {
  const { vm, flags } = put;
  const index = pageIndex(vm, page);
  if (index < put.start || index >= put.end) return;
  if ((flags & PGO_DEACTIVATE) !== 0) {
    if (vm.pages.wireCount[page] === 0) pageDeactivate(vm, page);
  } else if (frees(vm, flags, page)) {
    vm.pmap.removePage(page);
    vm.pages.flags[page] |= put.daemon ? PG_PAGEOUT : PG_RELEASED;
    if (put.daemon) vm.pages.queues.remove(page);
  }
}
