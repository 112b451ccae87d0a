/**
 * vm_fault_object: finds or makes one page of an object, looking down the shadow chain.
 *
 * It is called for the page of a fault and for each page of a virtual page table on the way there. Entered with the top object referenced and
 * under a paging operation; on success everything stays so, the page in hand is busy, and `resolved` follows; on failure everything
 * is let go and `failed` or `retry` follows. The vm_token is held throughout, and lost wherever the thread sleeps: in the pager and in waits.
 */

import type { Prot } from '../vm/prot.js';
import { PROT_WRITE } from '../vm/prot.js';
import { additionalPages } from './fault-additional.js';
import {
  refuse,
  releaseThenUnlock,
  sleepOnPage,
  tokenThenFailed,
  unlockAndDeallocate,
  waitThenRetry,
  waitWithToken,
} from './fault-cleanup.js';
import { found } from './fault-cow.js';
import { askPager } from './fault-read.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, VM_FAULT_WIRE_MASK } from './fault-state.js';
import { KERN_PROTECTION_FAILURE } from './kern.js';
import { VM_MAPTYPE_VPAGETABLE } from './map-entry.js';
import { OBJ_DEAD, OBJT_DEFAULT, pipWakeup } from './object.js';
import {
  PG_RAM,
  PG_ZERO,
  pageActivate,
  pageBusy,
  pageClearFlag,
  pageFullyValid,
  pageHasFlag,
  pageIsBusy,
  pageLookup,
  pageSetValid,
  pageUnqueueNoWakeup,
} from './page.js';
import { countSevere, pageAlloc, VM_ALLOC_NORMAL, VM_ALLOC_ZERO } from './page-alloc.js';
import type { DragonflyProcess } from './process.js';
import { NS_PER_TICK, type Vm } from './vm.js';

/** vm_fault_object(fs, first_pindex, fault_type). */
export function faultObject(f: Fault, pindex: number, type: Prot): FaultStage | null {
  f.firstPindex = pindex;
  f.objectType = type;
  f.prot = f.firstProt;
  f.object = f.firstObject;
  f.pindex = pindex;
  // A virtual page table must see the first write, so a read maps it without the permission.
  if (f.entry.maptype === VM_MAPTYPE_VPAGETABLE && (type & PROT_WRITE) === 0) {
    branch(f, 'F60');
    f.prot &= ~PROT_WRITE;
  }
  return takeToken;
}

function takeToken(f: Fault): FaultStage | null {
  return f.vm.vmToken.acquire(f.thread) ? search : takeToken;
}

/** TRYPAGER: whether the pager of the object in hand might have the page, and may be asked. */
function tryPager(f: Fault): boolean {
  branch(f, 'F6');
  return f.object.type !== OBJT_DEFAULT && ((f.flags & VM_FAULT_WIRE_MASK) === 0 || f.wired);
}

/** One object of the chain: is the page here, or might its pager have it? */
export function search(f: Fault): FaultStage | null {
  const { vm, object } = f;
  vm.machine.clock.advance(vm.machine.costs.objectStep);
  f.hadMark = false;
  if ((object.flags & OBJ_DEAD) !== 0) {
    branch(f, 'F61');
    f.result = KERN_PROTECTION_FAILURE;
    return unlockAndDeallocate(f, tokenThenFailed);
  }
  f.m = pageLookup(vm, object, f.pindex);
  if (f.m >= 0) return resident(f);
  if (!tryPager(f) && object !== f.firstObject) return readRest(f);
  branch(f, 'F67');
  if (f.pindex >= object.size) {
    branch(f, 'F68');
    return refuse(f, KERN_PROTECTION_FAILURE);
  }
  return limitRate(f);
}

/** The page is resident: ours if nobody else works on it. */
function resident(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (pageIsBusy(vm, m)) {
    branch(f, 'F62');
    return sleepOnPage(f);
  }
  const cached = pageUnqueueNoWakeup(vm, m);
  if (cached && countSevere(vm)) {
    branch(f, 'F63');
    pageActivate(vm, m);
    return unlockAndDeallocate(f, waitWithToken);
  }
  pageBusy(vm, m);
  if (!pageFullyValid(vm, m)) {
    branch(f, 'F64');
    f.hadMark = pageHasFlag(vm, m, PG_RAM);
    return readRest(f);
  }
  if (pageHasFlag(vm, m, PG_RAM)) {
    branch(f, 'F65');
    pageClearFlag(vm, m, PG_RAM);
    // As seeded the mark is forgotten with its clearing, before the scan behind the reader asks for it.
    f.hadMark = vm.mended;
    return readRest(f);
  }
  branch(f, 'F66');
  return found(f);
}

/** A process that allocates a lot while the system is loaded sleeps now and then; once in a fault is enough. */
function limitRate(f: Fault): FaultStage | null {
  if (f.didlimit || f.process === null) return allocate(f);
  const ticks = rateLimit(f, f.process);
  if (ticks === 0) return allocate(f);
  branch(f, 'F69');
  f.sleepUntil = f.vm.ticks + ticks;
  return releaseThenUnlock(f, sleepForRate);
}

function sleepForRate(f: Fault): FaultStage | null {
  const { vm } = f;
  vm.kernel.sleep(f.thread, f.process as DragonflyProcess, 'vmrate', (f.sleepUntil - vm.ticks) * NS_PER_TICK);
  return sleptForRate;
}

function sleptForRate(f: Fault): FaultStage | null {
  if (f.vm.ticks < f.sleepUntil) f.vm.passTicks(f.sleepUntil - f.vm.ticks);
  f.didlimit = true;
  return f.retry;
}

/** vm_fault_ratelimit: ticks to sleep. Each space has a supply of allocations, refilled to less the higher the load. */
function rateLimit(f: Fault, process: DragonflyProcess): number {
  const vm: Vm = f.vm;
  if (!vm.loadEnabled) {
    branch(f, 'F105');
    return 0;
  }
  if (process.pagesupply > 0) {
    branch(f, 'F106');
    process.pagesupply--;
    return 0;
  }
  branch(f, 'F107');
  process.pagesupply = Math.trunc((1000 - vm.load) / 10);
  return Math.trunc((vm.load * 100) / 10000);
}

/** A new page for the place, unless memory is so short that even trying is unfair to the page daemon. */
function allocate(f: Fault): FaultStage | null {
  const { vm, object } = f;
  f.m = -1;
  if (!countSevere(vm)) {
    branch(f, 'F70');
    const request = f.vp !== null || object.backing !== null ? VM_ALLOC_NORMAL : VM_ALLOC_NORMAL | VM_ALLOC_ZERO;
    f.m = pageAlloc(vm, object, f.pindex, request);
  }
  if (f.m < 0) {
    branch(f, 'F71');
    return releaseThenUnlock(f, waitThenRetry);
  }
  return readRest(f);
}

/** readrest: the page is not here, or not whole, or the reader should go on reading. Ask the pager if there is one to ask. */
function readRest(f: Fault): FaultStage | null {
  if (!tryPager(f)) return nextObject(f);
  return f.vm.clusterRead === 'additional-pages' ? additionalPages(f, askPager) : askPager(f);
}

/** The pager has nothing, or there is none: on to the next object of the chain, or to the end of it. */
export function nextObject(f: Fault): FaultStage | null {
  const { vm, object } = f;
  if (object === f.firstObject) {
    branch(f, 'F87');
    f.firstM = f.m;
  }
  const next = object.backing;
  if (next === null) return zeroFill(f);
  branch(f, 'F91');
  f.pindex += object.backingOffset;
  if (object !== f.firstObject) pipWakeup(vm, object);
  f.object = next;
  next.pagingInProgress++;
  return search;
}

/** Nobody has the page: the one kept at the top is filled with zeros. It stays clean until somebody writes. */
function zeroFill(f: Fault): FaultStage | null {
  const { vm } = f;
  if (f.object !== f.firstObject) {
    branch(f, 'F88');
    pipWakeup(vm, f.object);
    f.object = f.firstObject;
    f.pindex = f.firstPindex;
    f.m = f.firstM;
  }
  f.firstM = -1;
  if (pageHasFlag(vm, f.m, PG_ZERO)) {
    branch(f, 'F89');
    pageClearFlag(vm, f.m, PG_ZERO);
    vm.counters.v_ozfod++;
  } else {
    vm.zeroFrame(f.m);
  }
  branch(f, 'F90');
  vm.counters.v_zfod++;
  pageSetValid(vm, f.m);
  return found(f);
}
