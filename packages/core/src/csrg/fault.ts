/**
 * vm_fault: a page fault in the CSRG kernel of June 1992.
 *
 * A word on page faults. A fault names an address and a permission. The map says which object the address shows, and at which index.
 * From there the handler walks *down* the shadow chain until it finds the page or the chain ends:
 *
 *      top object        first_m kept busy here, so that nobody else puts a page in this place meanwhile
 *          |
 *      next object       page resident?  take it, busy.    has a pager?  allocate a page, ask it.    else on down
 *          |
 *      end of chain      nobody has it: zero the page of the top object
 *
 * Then, on the way *up* (`fault-copy.ts`): a page found below and wanted for writing is copied into first_m; a page of a file that somebody has
 * copied is pushed into the copy object before it is written. Then the map is looked at once more, if it was let go, and the translation
 * is made (`fault-enter.ts`). A *retry* begins again at the look-up and assumes nothing.
 *
 * Four invariants hold all the way. (1) No simple lock is held over a pager call or a wait; then a busy page in the place that is being
 * worked on keeps others out. (2) A page made busy leaves its queue at once, so the page daemon cannot take it. (3) On the way
 * down, the busy page in the top object stays, so nobody overtakes us there. (4) Every object in which we have a busy page has paging in
 * progress raised, so collapse leaves it alone.
 *
 * A stage ends where the kernel could lose the CPU: at the look-up, a pager call, a wait, the translation. In between it holds simple
 * locks only. What is held between stages: the map (and sharing map) read-locked until a pager is called; one reference on the top object.
 */
import { found } from './fault-copy.js';
import {
  assertWait,
  awake,
  block,
  freePage,
  unlockAndDeallocate,
  unlockMap,
  unlockThings,
  waitForMemory,
  waitForRoom,
} from './fault-release.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import {
  KERN_FAILURE,
  KERN_PROTECTION_FAILURE,
  KERN_SUCCESS,
  VM_PAGER_BAD,
  VM_PAGER_ERROR,
  VM_PAGER_OK,
} from './kern.js';
import { LOOKUP_BLOCKED, LOOKUP_SHORT, mapLookup } from './map-lookup.js';
import { pagingDone } from './object.js';
import {
  PG_ABSENT,
  PG_BUSY,
  PG_CLEAN,
  PG_FAKE,
  PQ_ACTIVE,
  PQ_INACTIVE,
  pageAlloc,
  pageClear,
  pageHas,
  pageLookup,
  pageSet,
  pageUnqueue,
  pageZeroFill,
} from './page.js';
import { pagerGet } from './pager.js';

/** Where every fault begins: counts it once, however often it is retried. */
export function faultStart(f: Fault): FaultStage | null {
  branch(f, 'F1');
  f.vm.counters.v_vm_faults++;
  f.vm.machine.clock.advance(f.vm.machine.costs.trap);
  return lookup;
}

/** RetryFault: from the address to the top object. A wired entry always faults for all that it allows. */
export function lookup(f: Fault): FaultStage | null {
  const result = mapLookup(f, f.faultType);
  if (result === LOOKUP_BLOCKED) return lookup;
  f.vm.machine.clock.advance(f.vm.machine.costs.mapLookupStep);
  if (result === LOOKUP_SHORT) return waitForRoom(f);
  if (result !== KERN_SUCCESS) {
    f.result = result;
    branch(f, 'F2');
    return null;
  }
  f.lookupStillValid = true;
  f.firstObject = f.foundObject;
  f.firstOffset = f.foundOffset;
  f.prot = f.foundProt;
  if (f.wired) {
    branch(f, 'F3');
    f.faultType = f.prot;
  }
  branch(f, 'F4');
  f.firstM = -1;
  f.firstObject.refCount++;
  f.firstObject.pagingInProgress++;
  f.object = f.firstObject;
  f.offset = f.firstOffset;
  return search(f);
}

/** Whether the pager of the object in hand may be asked. A fault that unwires asks nobody. */
function tryPager(f: Fault): boolean {
  return f.object.pager !== null && (!f.changeWiring || f.wired);
}

/** One object of the chain: is the page here, or might its pager have it? */
export function search(f: Fault): FaultStage | null {
  const { vm, object } = f;
  vm.machine.clock.advance(vm.machine.costs.objectStep);
  branch(f, 'F5');
  f.m = pageLookup(vm, object, f.offset);
  if (f.m >= 0) return resident(f);
  if (tryPager(f) || object === f.firstObject) {
    f.m = pageAlloc(vm, object, f.offset);
    if (f.m < 0) {
      branch(f, 'F13');
      return unlockAndDeallocate(f, waitForMemory);
    }
    branch(f, 'F12');
  } else {
    branch(f, 'F12n');
  }
  if (!tryPager(f)) {
    if (object.pager !== null) branch(f, 'F14n');
    return nextObject(f);
  }
  branch(f, 'F14');
  unlockMap(f);
  return pagein;
}

/** The page is resident: ours, unless somebody else works on it or a data manager has locked this access out. */
function resident(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (pageHas(vm, m, PG_BUSY)) {
    branch(f, vm.interruptible ? 'F6a' : 'F6b');
    return waitForPage(f);
  }
  if (pageHas(vm, m, PG_ABSENT)) {
    branch(f, 'F7');
    vm.panic('vm_fault: absent');
  }
  if ((f.faultType & (vm.pages.pageLock[m] as number)) !== 0) {
    branch(f, vm.interruptible ? 'F8a' : 'F8b');
    if ((f.faultType & ~(vm.pages.unlockRequest[m] as number)) !== 0) vm.panic('vm_fault: pager_data_unlock');
    return waitForPage(f);
  }
  const queue = vm.pages.queues.queue[m];
  if (queue === PQ_INACTIVE) {
    branch(f, 'F9');
    pageUnqueue(vm, m);
    vm.counters.v_reactivated++;
  } else if (queue === PQ_ACTIVE) {
    branch(f, 'F10');
    pageUnqueue(vm, m);
  } else {
    branch(f, 'F10n');
  }
  branch(f, 'F11');
  pageSet(vm, m, PG_BUSY);
  pageClear(vm, m, PG_ABSENT);
  return pageInHand(f);
}

function waitForPage(f: Fault): FaultStage {
  const { m } = f;
  assertWait(f, m);
  unlockThings(f);
  return block(f, m, awake);
}

/** vm_pager_get. Nothing is locked; the busy page keeps the place. */
function pagein(f: Fault): FaultStage | null {
  pagerGet(f.vm, f.thread, f.object, f.m, f.answered);
  return paged;
}

/** What the pager has answered. */
export function paged(f: Fault): FaultStage | null {
  const { vm, object } = f;
  if (f.rv === VM_PAGER_OK) {
    branch(f, 'F15');
    f.m = pageLookup(vm, object, f.offset);
    if (f.m < 0) vm.panic('vm_fault: the pager took the page away');
    vm.counters.v_pageins++;
    f.pageins++;
    pageClear(vm, f.m, PG_FAKE);
    pageSet(vm, f.m, PG_CLEAN);
    vm.pmap.clearModify(f.m);
    return pageInHand(f);
  }
  if (f.rv === VM_PAGER_BAD || f.rv === VM_PAGER_ERROR) {
    f.result = f.rv === VM_PAGER_BAD ? KERN_PROTECTION_FAILURE : KERN_FAILURE;
    branch(f, object === f.firstObject ? 'F16a' : 'F16b');
    freePage(f, f.m);
    return unlockAndDeallocate(f, null);
  }
  if (object === f.firstObject) {
    branch(f, 'F17n');
  } else {
    branch(f, 'F17');
    freePage(f, f.m);
    f.m = -1;
  }
  return nextObject(f);
}

/** No pager, or it has nothing: on to the next object of the chain, or to the end of it. */
function nextObject(f: Fault): FaultStage | null {
  const { vm, object } = f;
  if (object === f.firstObject) {
    branch(f, 'F18');
    f.firstM = f.m;
  }
  branch(f, 'F19');
  f.offset += object.shadowOffset;
  const next = object.shadow;
  if (next === null) return endOfChain(f);
  branch(f, 'F21');
  if (object !== f.firstObject) pagingDone(vm, object);
  f.object = next;
  next.pagingInProgress++;
  return search(f);
}

/** Nobody has the page: the top object gets one full of zeros. */
function endOfChain(f: Fault): FaultStage | null {
  const { vm } = f;
  if (f.object === f.firstObject) {
    branch(f, 'F20b');
  } else {
    branch(f, 'F20a');
    pagingDone(vm, f.object);
    f.object = f.firstObject;
    f.offset = f.firstOffset;
    f.m = f.firstM;
  }
  f.firstM = -1;
  pageZeroFill(vm, f.m);
  vm.counters.v_zfod++;
  pageClear(vm, f.m, PG_FAKE | PG_ABSENT);
  return pageInHand(f);
}

/** The page has been found. */
function pageInHand(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (pageHas(vm, m, PG_ABSENT) || vm.pages.queues.queue[m] !== 0 || !pageHas(vm, m, PG_BUSY)) {
    branch(f, 'F22');
    vm.panic('vm_fault: absent or active or inactive or not busy after main loop');
  }
  return found(f);
}
