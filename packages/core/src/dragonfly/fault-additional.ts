/**
 * vm_fault_additional_pages, which stands in the seed within `#if 0`: the read-ahead of the fault handler itself, before the file
 * system and the marks took it over. With the option `clusterRead: 'additional-pages'` it runs before the live path.
 *
 * It brackets the asked page with absent neighbours in the same object, up to 7 before it and 8 behind it within the entry, as far as the
 * pager has them beside each other: in consecutive blocks of swap, or up to the end of a file. All are read in one transfer. Nothing
 * for devices, under random advice, or while memory is severe. Allocations may go down to the system's reserve; a failure before the page
 * leaves only the page itself, one behind it ends the run there.
 *
 * What the dead text no longer says: a run that cannot be read is freed but for the asked page, which the live path then asks for
 * alone. That path follows in any case and finds the page whole after a run.
 */
import type { Task } from '../kernel/thread.js';
import { EIO } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { buffersOf, whole } from '../vm/io.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, runTask } from './fault-state.js';
import { entryBehavior, MAP_ENTRY_BEHAV_RANDOM } from './map-entry.js';
import { OBJT_DEVICE } from './object.js';
import { pageDeactivate, pageLookup, pageSetValid, pageWakeup } from './page.js';
import { countSevere, pageAlloc, pageForget, VM_ALLOC_SYSTEM } from './page-alloc.js';
import { ioResult, pagerHasPage, type RunPlace, runPlace } from './pager.js';

/** VM_FAULT_READ_BEHIND and VM_FAULT_READ_AHEAD: pages of a run besides the asked one. */
const READ_BEHIND = 7;
const READ_AHEAD = 8;

/** Reads what lies around the page in hand together with it, then `then` for the page itself. */
export function additionalPages(f: Fault, then: FaultStage): FaultStage | null {
  if (f.object.type === OBJT_DEVICE || entryBehavior(f.entry) === MAP_ENTRY_BEHAV_RANDOM) return then(f);
  if (!pagerHasPage(f.object, f.pindex) || f.vm.pages.valid[f.m] !== 0 || countSevere(f.vm)) return then(f);
  const run = collectRun(f);
  if (run.length === 1) return then(f);
  branch(f, 'F111');
  return runTask(f, readRun(f, run), then);
}

/** The asked page and its neighbours in index order, all busy. */
function collectRun(f: Fault): number[] {
  const inEntry = f.hasMap ? Math.floor(f.vaddr - f.entry.start) : 0;
  const behindEntry = f.hasMap ? Math.ceil(f.entry.end - f.vaddr) - 1 : 0;
  const run = pagesBefore(f, Math.min(READ_BEHIND, inEntry, f.pindex));
  run.push(f.m);
  const end = Math.min(f.object.size, f.pindex + 1 + Math.min(READ_AHEAD, behindEntry));
  for (let at = f.pindex + 1; at < end && joins(f, at); at++) {
    const page = pageAlloc(f.vm, f.object, at, VM_ALLOC_SYSTEM);
    if (page < 0) break;
    run.push(page);
  }
  return run;
}

/** Up to `most` pages before the asked one, or none of them when one cannot be had. */
function pagesBefore(f: Fault, most: number): number[] {
  let first = f.pindex;
  while (first > f.pindex - most && joins(f, first - 1)) first--;
  const pages: number[] = [];
  for (let at = first; at < f.pindex; at++) {
    const page = pageAlloc(f.vm, f.object, at, VM_ALLOC_SYSTEM);
    if (page < 0) {
      for (const taken of pages) pageForget(f.vm, taken);
      return [];
    }
    pages.push(page);
  }
  return pages;
}

/** Whether a page is absent and lies, for the pager, where its distance from the asked one says. */
function joins(f: Fault, pindex: number): boolean {
  if (pageLookup(f.vm, f.object, pindex) >= 0 || !pagerHasPage(f.object, pindex)) return false;
  const asked = runPlace(f.vm, f.object, f.pindex) as RunPlace;
  const place = runPlace(f.vm, f.object, pindex) as RunPlace;
  return place.diskPage - asked.diskPage === pindex - f.pindex;
}

/** One transfer for all. Afterwards the asked page is busy still, and whole if it went well; its neighbours are inactive, or gone. */
function* readRun(f: Fault, run: readonly number[]): Task<number> {
  const { vm, object } = f;
  const place = runPlace(vm, object, f.pindex - run.indexOf(f.m)) as RunPlace;
  place.count(run.length);
  vm.machine.disk.read(place.diskPage, run.length);
  for (const page of run) vm.machine.memory.zeroFrame(page);
  const buffers = buffersOf(vm, run, 0, run.length);
  const unread = buffers === null || place.store === null;
  const bytes = unread ? 0 : Math.min(run.length * PAGE_SIZE, place.store.size() - place.storePage * PAGE_SIZE);
  const io = place.broken(run.length) ? -EIO : unread ? 0 : place.store.read(place.storePage * PAGE_SIZE, buffers);
  object.pagingInProgress++;
  const result = whole(yield* ioResult(vm, f.thread, io, 'swread'), bytes);
  object.pagingInProgress--;
  for (const page of run) {
    if (result >= 0) pageSetValid(vm, page);
    vm.pages.dirty[page] = 0;
    if (page === f.m) continue;
    if (result < 0) {
      pageForget(vm, page);
    } else {
      pageDeactivate(vm, page);
      pageWakeup(vm, page);
    }
  }
  return 0;
}
