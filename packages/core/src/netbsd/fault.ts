/**
 * uvm_fault: a page fault in NetBSD 5.
 *
 * A word on page faults. An entry has at most two layers: an amap of anons, over an object. A fault looks at the place in the upper layer first,
 * and if nothing is there at the lower one; there is no third place to look.
 *
 *     case 0    neither layer: an error
 *     case 1A   an anon is there, and may be mapped as it is
 *     case 1B   an anon is there that others hold too, and this is a write: it is copied into a new anon
 *     case 2A   no anon; the object's page may be mapped as it is
 *     case 2B   no anon, and a write that must not reach the object (or no object at all): a new anon with a copy, or with zeros
 *
 * The stages: lookup, copyAmap (for entries that still share their amap for copying), layers (window and neighbours in the amap), lower (the
 * object is asked for what is resident), then anonget and case 1, or case 2 with its I/O. A *refault* begins again at the look-up and looks
 * at the faulting page only.
 *
 * What is held: the map for reading from the look-up on, then the amap, then the object. For I/O all of it is dropped, and the page that
 * is filled stays busy. Afterwards the map's version says whether what was looked up still holds (the second of the three ways that
 * the seed's own essay weighs). Lock order: map, amap, object, anon, page queues.
 */
import { PROT_WRITE } from '../vm/prot.js';
import { amapCopy } from './amap-copy.js';
import { EACCES, EFAULT } from './codes.js';
import { fail } from './fault-finish.js';
import { LOOKUP_BLOCKED, LOOKUP_FAILED, lookupEntry, unlockMaps, waitForRam } from './fault-lock.js';
import { layers } from './fault-near.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch, FAULT_NORMAL, UVM_FAULT_WIREMAX } from './fault-state.js';
import { UVM_ET_NEEDSCOPY } from './map.js';

/** uvmadvice: pages before and after the faulting one, by advice (normal, random, sequential). */
const NBACK = [3, 0, 8];
const NFORW = [4, 0, 7];

/** Where every fault begins: counts it once, however often it is taken again. */
export function faultStart(f: Fault): FaultStage | null {
  const { vm } = f;
  vm.counters.faults++;
  vm.machine.clock.advance(vm.machine.costs.trap);
  f.majorBefore = f.usage === null ? 0 : f.usage.major;
  f.wireFault = f.flag !== FAULT_NORMAL;
  f.narrow = f.wireFault;
  if (f.narrow) branch(f, 'F45');
  return lookup;
}

/** ReFault: everything from the start. */
export function lookup(f: Fault): FaultStage | null {
  const found = lookupEntry(f, false);
  if (found === LOOKUP_BLOCKED) return lookup;
  f.vm.machine.clock.advance(f.vm.machine.costs.mapLookupStep);
  if (found === LOOKUP_FAILED) {
    branch(f, 'F46');
    return fail(f, EFAULT);
  }
  if (!f.map.pageable) {
    branch(f, 'F47');
    f.vm.panic('uvm_fault: (ufi.map->flags & VM_MAP_PAGEABLE) == 0');
  }
  return protection(f);
}

/** What may be done here, and what therefore will be entered. */
function protection(f: Fault): FaultStage | null {
  const { entry } = f;
  if (f.flag === UVM_FAULT_WIREMAX) {
    f.checkProt = entry.maxProtection;
    branch(f, 'F48');
  } else {
    f.checkProt = entry.protection;
    branch(f, 'F49');
  }
  f.accessType = f.askedType;
  if ((f.checkProt & f.accessType) !== f.accessType) {
    branch(f, 'F50');
    unlockMaps(f, false);
    return fail(f, EACCES);
  }
  f.enterProt = entry.protection;
  f.wired = entry.wiredCount > 0 || f.wireFault;
  if (f.wired) {
    // A wired page is entered with all that it may ever be used for: it must not fault later.
    branch(f, 'F51');
    f.accessType = f.enterProt;
    f.cowNow = (f.checkProt & PROT_WRITE) !== 0;
  } else {
    branch(f, 'F52');
    f.cowNow = (f.accessType & PROT_WRITE) !== 0;
  }
  return needsCopy(f);
}

function needsCopy(f: Fault): FaultStage | null {
  const { entry } = f;
  if ((entry.etype & UVM_ET_NEEDSCOPY) !== 0) {
    if (f.cowNow || entry.object === null) {
      branch(f, 'F53');
      unlockMaps(f, false);
      return copyAmap;
    }
    branch(f, 'F54');
    f.enterProt &= ~PROT_WRITE;
  }
  f.amap = entry.amap;
  f.uobj = entry.object;
  if (f.amap === null && f.uobj === null) {
    branch(f, 'F55');
    unlockMaps(f, false);
    return fail(f, EFAULT);
  }
  chooseWindow(f);
  return layers;
}

/** uvmfault_amapcopy: needs_copy is cleared under the write lock; then everything from the start. */
function copyAmap(f: Fault): FaultStage | null {
  const { vm } = f;
  const found = lookupEntry(f, true);
  if (found === LOOKUP_BLOCKED) return copyAmap;
  if (found === LOOKUP_FAILED) {
    branch(f, 'F5');
    return amapCopied(f);
  }
  if ((f.entry.etype & UVM_ET_NEEDSCOPY) === 0) {
    branch(f, 'F9');
  } else {
    branch(f, 'F6');
    amapCopy(vm, f.map, f.entry, true, f.vaddr, f.vaddr + 1);
    if ((f.entry.etype & UVM_ET_NEEDSCOPY) !== 0) {
      branch(f, 'F7');
      unlockMaps(f, true);
      return waitForRam(f, 'fltamapcopy', copyAmap);
    }
    branch(f, 'F8');
  }
  unlockMaps(f, true);
  return amapCopied(f);
}

function amapCopied(f: Fault): FaultStage {
  f.vm.counters.fltamcopy++;
  return lookup;
}

/** Which neighbours to look at: by advice, within the entry, and only the first time round. */
function chooseWindow(f: Fault): void {
  const { entry, vaddr } = f;
  const wide = !f.narrow;
  if (f.narrow) {
    f.nback = 0;
    f.nforw = 0;
  } else {
    f.nback = Math.min(NBACK[entry.advice], vaddr - entry.start);
    f.nforw = Math.min(NFORW[entry.advice], entry.end - vaddr - 1);
    f.narrow = true;
  }
  f.startva = vaddr - f.nback;
  f.npages = f.nback + f.nforw + 1;
  f.center = f.nback;
  branch(f, wide ? 'F56' : 'F57');
}
