/**
 * The last part of a fault: the map looked at once more, and the translation.
 *
 * If a pager was asked, the map has been unlocked, and anything may have happened to it. The second look-up never asks for writing: that could
 * need the map's write lock, which a thread that wires pages keeps others from. So memory that must be shadowed first comes back
 * read-only, and a store to it faults once more.
 */
import { PROT_WRITE } from '../vm/prot.js';
import { lookup } from './fault.js';
import { releasePage, unlockAndDeallocate, waitForRoom } from './fault-release.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { KERN_SUCCESS } from './kern.js';
import { LOOKUP_BLOCKED, LOOKUP_SHORT, mapLookup } from './map-lookup.js';
import {
  PG_COPY_ON_WRITE,
  PQ_NONE,
  pageActivate,
  pageClear,
  pageHas,
  pageUnwire,
  pageWakeup,
  pageWire,
} from './page.js';

/** Must the map be looked at again? */
export function verify(f: Fault): FaultStage | null {
  if (f.vm.pages.queues.queue[f.m] !== PQ_NONE) {
    branch(f, 'F40');
    f.vm.panic('vm_fault: active or inactive before retrying lookup');
  }
  return f.lookupStillValid ? permit(f) : relookup;
}

/** The second look-up must give the same answer as the first. */
function relookup(f: Fault): FaultStage | null {
  const result = mapLookup(f, f.faultType & ~PROT_WRITE);
  if (result === LOOKUP_BLOCKED) return relookup;
  branch(f, 'F41');
  if (result === LOOKUP_SHORT) return letGo(f);
  if (result !== KERN_SUCCESS) {
    f.result = result;
    branch(f, 'F42');
    releasePage(f, f.m);
    return unlockAndDeallocate(f, null);
  }
  f.lookupStillValid = true;
  if (f.foundObject !== f.firstObject || f.foundOffset !== f.firstOffset) {
    branch(f, 'F43');
    releasePage(f, f.m);
    return unlockAndDeallocate(f, lookup);
  }
  f.prot &= f.foundProt;
  if (pageHas(f.vm, f.m, PG_COPY_ON_WRITE)) {
    branch(f, 'F43c');
    f.prot &= ~PROT_WRITE;
  }
  return permit(f);
}

function permit(f: Fault): FaultStage | null {
  if ((f.prot & PROT_WRITE) !== 0) pageClear(f.vm, f.m, PG_COPY_ON_WRITE);
  if (f.vm.pages.queues.queue[f.m] !== PQ_NONE) {
    branch(f, 'F44p');
    f.vm.panic('vm_fault: active or inactive before pmap_enter');
  }
  return enter;
}

/** The translation; no object is locked. The map's own pmap, which is the submap's where there is one. */
function enter(f: Fault): FaultStage | null {
  branch(f, 'F44');
  const { vm, m, map } = f;
  if (vm.allocationFails !== null && map.pmap !== null && vm.pmap.refuses(map.pmap, f.vaddr)) return letGo(f);
  if (map.pmap !== null) vm.pmap.enter(map.pmap, f.vaddr, m, f.prot & ~(vm.pages.pageLock[m] as number), f.wired);
  return finish(f);
}

/** There is no object, or no translation: the page stays where it is, for the fault to find when it has waited. */
function letGo(f: Fault): FaultStage | null {
  releasePage(f, f.m);
  return unlockAndDeallocate(f, waitForRoom);
}

/** Back under the object's lock: the page goes where the page daemon finds it, unless it is wired. */
function finish(f: Fault): FaultStage | null {
  const { vm, m } = f;
  if (!f.changeWiring) {
    branch(f, 'F47');
    pageActivate(vm, m);
  } else if (f.wired) {
    branch(f, 'F45');
    pageWire(vm, m);
  } else {
    branch(f, 'F46');
    pageUnwire(vm, m);
  }
  branch(f, 'F48');
  pageWakeup(vm, m);
  f.result = KERN_SUCCESS;
  return unlockAndDeallocate(f, null);
}
