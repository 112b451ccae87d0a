/**
 * The page has been found: copy-on-write, the look at the map's timestamp, and what a writable page means for its object.
 *
 * A page found below the top and wanted for writing is copied into the page kept at the top; or moved there, when the map has not changed, and
 * the object below is anonymous, directly below, and has no other reference and no other shadow: then nobody can ever see it in its old
 * place again. A move leaves the page's old swap block behind, which nobody can see either.
 *
 * The vm_token is held on entry and given back at the end.
 */
import { PROT_WRITE } from '../vm/prot.js';
import { releasePage, releaseThenUnlock } from './fault-cleanup.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, VM_FAULT_DIRTY } from './fault-state.js';
import type { MapEntry } from './map-entry.js';
import { MAP_ENTRY_NOSYNC } from './map-entry.js';
import type { VmObject } from './object.js';
import { objectOfPage, pipWakeup, setWriteableDirty } from './object.js';
import {
  PG_NOSYNC,
  PG_ZERO,
  pageBusy,
  pageClearFlag,
  pageDirty,
  pageFullyValid,
  pageRename,
  pageSetFlag,
  pageSetValid,
  pageZeroInvalid,
} from './page.js';
import { pageFree } from './page-alloc.js';
import { pageUnswapped } from './pager-swap.js';
import type { Vm } from './vm.js';

/** Copy-on-write, if the page lies below the top. */
export function found(f: Fault): FaultStage | null {
  if (f.object === f.firstObject) return checkMap(f);
  if ((f.objectType & PROT_WRITE) === 0) {
    branch(f, 'F96');
    f.prot &= ~PROT_WRITE;
    return checkMap(f);
  }
  if (mayMove(f)) moveUp(f);
  else copyUp(f);
  branch(f, 'F95');
  pipWakeup(f.vm, f.object);
  f.vm.counters.v_cow_faults++;
  f.m = f.firstM;
  f.object = f.firstObject;
  f.pindex = f.firstPindex;
  return checkMap(f);
}

/** Copy-avoidance: nobody else can see the page, or ever will; and the map is ours, or can be had alone without waiting. */
function mayMove(f: Fault): boolean {
  branch(f, 'F92');
  const { object } = f;
  if (f.hasMap && f.mapGeneration !== f.map.timestamp) return false;
  if (object.shadowCount !== 1 || object.refCount !== 1 || !object.anonymous) return false;
  if (object !== f.firstObject.backing) return false;
  return f.lookupStillValid || !f.hasMap || f.map.lock.tryWrite(f.thread);
}

function moveUp(f: Fault): void {
  const { vm } = f;
  branch(f, 'F93');
  f.lookupStillValid = true;
  vm.pmap.removeAll(f.firstM);
  pageFree(vm, f.firstM);
  pageRename(vm, f.m, f.firstObject, f.firstPindex);
  f.firstM = f.m;
  pageBusy(vm, f.m);
  vm.counters.v_cow_optim++;
}

function copyUp(f: Fault): void {
  branch(f, 'F94');
  copyPage(f.vm, f.m, f.firstM);
  pageEvent(f.vm, f.m);
  // As seeded others who share the top object go on seeing the old page through their translations (O32).
  if (f.vm.mended && f.firstObject.refCount > 1) f.vm.pmap.removeAll(f.m);
  releasePage(f);
}

/** vm_page_copy: the copy is whole and dirty. */
export function copyPage(vm: Vm, from: number, to: number): void {
  vm.copyFrame(from, to);
  pageSetValid(vm, to);
  pageDirty(vm, to);
}

/** vm_page_event(VMEVENT_COW): tells who sleeps on a user's mutex in this page that the page it knows is no longer the one it sees. */
export function pageEvent(vm: Vm, page: number): void {
  vm.pageEvents.get(page)?.();
}

/** The map was let go for a pager, and has changed: nothing found so far means anything. */
function checkMap(f: Fault): FaultStage | null {
  if (!f.lookupStillValid && f.hasMap && f.map.timestamp !== f.mapGeneration) {
    branch(f, 'F97');
    releasePage(f);
    return releaseThenUnlock(f, f.retry);
  }
  return permit(f);
}

/** A writable page: its object may get dirty; with a store it is dirty now and its swap block out of date. */
function permit(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if ((f.prot & PROT_WRITE) !== 0) {
    branch(f, 'F98');
    const object = objectOfPage(vm, m) as VmObject;
    setWriteableDirty(object);
    setNosync(f, m, f.entry);
    if ((f.flags & VM_FAULT_DIRTY) !== 0) {
      pageDirty(vm, m);
      pageUnswapped(vm, object, m);
    }
  }
  vm.vmToken.release(f.thread);
  if (!pageFullyValid(vm, m)) {
    branch(f, 'F99');
    pageZeroInvalid(vm, m, true);
    vm.printf(`Warning: page ${m} partially invalid on fault`);
  }
  pageClearFlag(vm, m, PG_ZERO);
  return f.resolved;
}

/** vm_set_nosync: data written through a NOSYNC mapping need not be flushed by the syncer, unless the page was dirty for another reason. */
export function setNosync(f: Fault, page: number, entry: MapEntry): void {
  if ((entry.eflags & MAP_ENTRY_NOSYNC) === 0) {
    branch(f, 'F113');
    pageClearFlag(f.vm, page, PG_NOSYNC);
  } else if (f.vm.pages.dirty[page] === 0) {
    branch(f, 'F112');
    pageSetFlag(f.vm, page, PG_NOSYNC);
  }
}
