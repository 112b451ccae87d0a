/**
 * vm_fault_additional_pages: the run of pages that is read together with the one that faulted.
 *
 * The window is what the caller wants, trimmed to what the pager offers, to the nearest resident pages on both sides and to the end of the
 * object; each page is allocated busy, and a side ends where memory or a cached page says so. It never fails the fault.
 */
import type { Fault } from './fault-state.js';
import { branch } from './fault-state.js';
import { pageLookup } from './page.js';
import { pageAlloc, VM_ALLOC_IFNOTCACHED, VM_ALLOC_NORMAL } from './page-alloc.js';
import type { PageRun } from './pager.js';
import { pagerHasPage } from './pager.js';

const offered: PageRun = { before: 0, after: 0 };
const REQUEST = VM_ALLOC_NORMAL | VM_ALLOC_IFNOTCACHED;

/** Fills `marray` and `reqpage`, and answers the number of pages: 0 when the pager has not got even the one asked for. */
export function additionalPages(f: Fault, wantedBehind: number, wantedAhead: number): number {
  const { vm, object, pindex, marray } = f;
  if (!pagerHasPage(vm, object, pindex, offered)) {
    branch(f, 'F88');
    return 0;
  }
  if (offered.before === 0 && offered.after === 0) {
    branch(f, 'F89');
    f.reqpage = 0;
    marray[0] = f.m;
    return 1;
  }
  let ahead = wantedAhead;
  let behind = wantedBehind;
  if (ahead > offered.after) {
    branch(f, 'F90');
    ahead = offered.after;
  }
  if (behind > offered.before) {
    branch(f, 'F91');
    behind = offered.before;
  }
  let count = 0;
  if (pindex > 0) count = pagesBehind(f, behind);
  else branch(f, 'F92');
  marray[count] = f.m;
  f.reqpage = count;
  return pagesAhead(f, count + 1, ahead);
}

/** Allocates downwards from the page below; answers how many stand at the front of `marray`, in index order. */
function pagesBehind(f: Fault, behind: number): number {
  const { vm, object, pindex, marray } = f;
  if (behind > pindex) branch(f, 'F93');
  const wanted = Math.max(0, pindex - behind);
  const start = aboveResident(f, wanted);
  for (let index = pindex - 1; index >= start; index--) {
    const page = pageAlloc(vm, object, index, REQUEST);
    if (page < 0) {
      branch(f, 'F95');
      const count = pindex - 1 - index;
      marray.copyWithin(0, index + 1 - start, index + 1 - start + count);
      return count;
    }
    marray[index - start] = page;
  }
  return pindex - start;
}

/** Lowest index of the window that leaves out the nearest resident page below. */
function aboveResident(f: Fault, from: number): number {
  for (let index = f.pindex - 1; index >= from; index--) {
    if (pageLookup(f.vm, f.object, index) < 0) continue;
    branch(f, 'F94');
    return index + 1;
  }
  return from;
}

function pagesAhead(f: Fault, filled: number, ahead: number): number {
  const { vm, object, pindex, marray } = f;
  let end = belowResident(f, pindex + 1 + ahead);
  if (end > object.size) {
    branch(f, 'F97');
    end = object.size;
  }
  let count = filled;
  for (let index = pindex + 1; index < end; index++) {
    const page = pageAlloc(vm, object, index, REQUEST);
    if (page < 0) {
      branch(f, 'F98');
      break;
    }
    marray[count++] = page;
  }
  return count;
}

/** End of the window that leaves out the nearest resident page above. */
function belowResident(f: Fault, to: number): number {
  for (let index = f.pindex + 1; index < to; index++) {
    if (pageLookup(f.vm, f.object, index) < 0) continue;
    branch(f, 'F96');
    return index;
  }
  return to;
}
