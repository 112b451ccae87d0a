/**
 * vm_fault_additional_pages, which stands in the seed within `#if 0`: the read-ahead of the fault handler itself, before the file
 * system and the marks took it over. With the option `clusterRead: 'additional-pages'` it runs beside the live path.
 *
 * It brackets the asked page with absent neighbours in the same object, as far as the pager has them: up to 7 before it and 8 behind
 * it, within the entry, none under random advice. Nothing for devices, nothing while memory is severe; allocations may go down to the
 * system's reserve and the first failure ends them. Where this departs from the dead text: the pager of this revision takes one page a
 * call, so the neighbours are read one by one, and a neighbour that cannot be read is freed.
 */
import type { Task } from '../kernel/thread.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, runTask } from './fault-state.js';
import { VM_PAGER_OK } from './kern.js';
import { entryBehavior, MAP_ENTRY_BEHAV_RANDOM } from './map-entry.js';
import { OBJT_DEVICE } from './object.js';
import { waitForPage } from './object-pages.js';
import {
  PG_BUSY,
  pageBusy,
  pageDeactivate,
  pageHasFlag,
  pageIoFinish,
  pageIoStart,
  pageLookup,
  pageWakeup,
} from './page.js';
import { countSevere, pageAlloc, pageForget, VM_ALLOC_SYSTEM } from './page-alloc.js';
import { pagerGetPage, pagerHasPage } from './pager.js';

const READ_BEHIND = 7;
const READ_AHEAD = 8;

/** Reads what lies around the page in hand, then `then` for the page itself. */
export function additionalPages(f: Fault, then: FaultStage): FaultStage | null {
  if (f.object.type === OBJT_DEVICE || entryBehavior(f.entry) === MAP_ENTRY_BEHAV_RANDOM) return then(f);
  if (!pagerHasPage(f.object, f.pindex) || countSevere(f.vm)) return then(f);
  branch(f, 'F111');
  return runTask(f, readAround(f), then);
}

function* readAround(f: Fault): Task<number> {
  const { vm, m } = f;
  // The file system reads whole blocks and would wait for the page in hand: it is busy only softly meanwhile.
  pageIoStart(vm, m);
  pageWakeup(vm, m);
  yield* readNeighbours(f);
  while (pageHasFlag(vm, m, PG_BUSY)) yield* waitForPage(vm, f.thread, m, 'getpgs');
  pageBusy(vm, m);
  pageIoFinish(vm, m);
  return 0;
}

function* readNeighbours(f: Fault): Task<void> {
  const { vm, object, pindex } = f;
  const inEntry = f.hasMap ? Math.floor(f.vaddr - f.entry.start) : 0;
  const ahead = f.hasMap ? Math.ceil(f.entry.end - f.vaddr) - 1 : 0;
  let first = pindex;
  const lowest = Math.max(0, pindex - Math.min(READ_BEHIND, inEntry));
  while (first > lowest && absent(f, first - 1)) first--;
  for (let at = first; at < pindex; at++) yield* readNeighbour(f, at);
  const end = Math.min(object.size, pindex + 1 + Math.min(READ_AHEAD, ahead));
  for (let at = pindex + 1; at < end && absent(f, at) && pageLookup(vm, object, at) < 0; at++) {
    if (!(yield* readNeighbour(f, at))) break;
  }
}

function absent(f: Fault, pindex: number): boolean {
  return pageLookup(f.vm, f.object, pindex) < 0 && pagerHasPage(f.object, pindex);
}

/** One neighbour; false when no page may be had for it. */
function* readNeighbour(f: Fault, pindex: number): Task<boolean> {
  const { vm, object } = f;
  if (pageLookup(vm, object, pindex) >= 0) return true;
  const page = pageAlloc(vm, object, pindex, VM_ALLOC_SYSTEM);
  if (page < 0) return false;
  if ((yield* pagerGetPage(vm, f.thread, object, page, 0)) === VM_PAGER_OK) {
    pageDeactivate(vm, page);
    pageWakeup(vm, page);
  } else {
    pageForget(vm, page);
  }
  return true;
}
