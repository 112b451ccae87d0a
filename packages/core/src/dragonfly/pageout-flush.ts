/** What became of a run of pages. */
export interface Flushed {
  written: number;
  failed: number;
}

/**
 * vm_pageout_flush and vm_pageout_clean: writing pages out, for the page daemon and for msync.
 *
 * The pages of a run are busy softly and write-protected while they are written: a store meanwhile faults and waits. Writing is counted
 * as paging in progress on the object.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { VM_PAGER_BAD, VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { objectOfPage, pipWakeup } from './object.js';
import { PQ_INACTIVE, pageIndex, pageIoFinish, pageIoStart, pageIsBusy, pageLookup, pageTestDirty } from './page.js';
import { pagerPutPages } from './pager.js';
import type { Vm } from './vm.js';

/** What became of a run of pages. */
export interface Flushed {
  written: number;
  failed: number;
}

/**
 * vm_pageout_flush: answers how many pages went out, and how many could not. Those beyond the end of their file are called clean; those that could not be
 * written stay dirty where they are.
 */
export function* flushPages(vm: Vm, thread: Thread, object: VmObject, run: readonly number[]): Task<Flushed> {
  for (const page of run) {
    pageIoStart(vm, page);
    vm.pmap.removeWrite(page);
  }
  object.pagingInProgress += run.length;
  const status: number[] = [];
  yield* pagerPutPages(vm, thread, object, run, status);
  const flushed = { written: 0, failed: 0 };
  run.forEach((page, i) => {
    if (status[i] === VM_PAGER_OK) {
      flushed.written++;
    } else if (status[i] === VM_PAGER_BAD) {
      vm.pmap.clearModify(page);
      vm.pages.dirty[page] = 0;
    } else {
      flushed.failed++;
    }
    pageIoFinish(vm, page);
    pipWakeup(vm, object);
  });
  return flushed;
}

/** vm_pageout_clean: writes a dirty inactive page with its neighbours of the same kind. */
export function* cleanAround(vm: Vm, thread: Thread, page: number): Task<number> {
  const object = objectOfPage(vm, page) as VmObject;
  if (vm.pages.holdCount[page] !== 0 || pageIsBusy(vm, page)) return 0;
  return (yield* flushPages(vm, thread, object, collectCluster(vm, object, page))).written;
}

/** Neighbours that may be written with a page: down to the cluster boundary first, then up, then further down. */
function collectCluster(vm: Vm, object: VmObject, page: number): number[] {
  const limit = vm.thresholds.pageoutCluster;
  const pindex = pageIndex(vm, page);
  const cluster = [page];
  let back = 1;
  let ahead = 1;
  let backOpen = true;
  do {
    while (backOpen && cluster.length < limit) {
      const neighbour = launderable(vm, object, pindex - back);
      if (neighbour < 0) {
        backOpen = false;
        break;
      }
      cluster.unshift(neighbour);
      back++;
      if ((pindex - (back - 1)) % limit === 0) break;
    }
    while (cluster.length < limit && pindex + ahead < object.size) {
      const neighbour = launderable(vm, object, pindex + ahead);
      if (neighbour < 0) break;
      cluster.push(neighbour);
      ahead++;
    }
  } while (backOpen && cluster.length < limit);
  return cluster;
}

/** The page at an index if it could be written with its neighbour, or -1. */
function launderable(vm: Vm, object: VmObject, pindex: number): number {
  if (pindex < 0) return -1;
  const page = pageLookup(vm, object, pindex);
  const pages = vm.pages;
  if (page < 0 || pageIsBusy(vm, page) || pages.queues.queue[page] !== PQ_INACTIVE) return -1;
  pageTestDirty(vm, page);
  if (((pages.dirty[page] as number) & (pages.valid[page] as number)) === 0) return -1;
  return pages.wireCount[page] === 0 && pages.holdCount[page] === 0 ? page : -1;
}
