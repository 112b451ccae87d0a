/**
 * vm_fault_vpagetable: the walk of a page table that a user-space kernel keeps in ordinary memory.
 *
 *      entry.aux = master entry --> directory page --> ... --> table page --> frame         48 - 12 = 36 bits of index,
 *                                     9 bits             9 bits                              9 a level, at most four levels
 *
 * The table lies in the very object that the mapping shows, and its frames are indexes into that object. Any level may end the walk with PS:
 * what remains of the index is then added, so a master entry with PS is a linear mapping. Each entry is checked for the access
 * *before* it is followed, so directories restrict too. On the way back A and M are written into every entry met, through a fault of the
 * table page for writing, even where a later level refuses.
 *
 * The walk may have lost the map to a pager; it then takes the lock again and goes on as if nothing had happened. Mended, a
 * map that changed meanwhile makes the whole fault begin again.
 */
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { cleanupBelow, unlockAndDeallocate } from './fault-cleanup.js';
import { faultObject } from './fault-object.js';
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import { KERN_FAILURE } from './kern.js';
import { PG_REFERENCED, pageActivate, pageDirty, pageSetFlag, pageWakeup } from './page.js';

export const VPTE_V = 0x001;
export const VPTE_PS = 0x002;
export const VPTE_R = 0x004;
export const VPTE_W = 0x008;
export const VPTE_X = 0x010;
export const VPTE_A = 0x020;
export const VPTE_M = 0x040;
export const VPTE_U = 0x080;
export const VPTE_MANAGED = 0x100;
export const VPTE_G = 0x200;
export const VPTE_WIRED = 0x400;
export const VPTE_FRAME_END = 48;
export const VPTE_PAGE_BITS = 9;
const PAGE_SHIFT = 12;
const VPTE_PAGE_MASK = (1 << VPTE_PAGE_BITS) - 1;
/** The bits of a frame that lie in the high half of an entry. */
const FRAME_HIGH = 0xfffff;

/** VPTE_FRAME of an entry in two halves, as a page index. */
export function vpteFrame(high: number, low: number): number {
  return (high & FRAME_HIGH) * 2 ** 20 + (low >>> PAGE_SHIFT);
}

/** Starts the walk; `then` follows with the index translated. */
export function beginWalk(f: Fault, then: FaultStage): FaultStage | null {
  f.vshift = VPTE_FRAME_END - PAGE_SHIFT;
  f.vpteHigh = f.entry.auxHigh;
  f.vpteLow = f.entry.auxLow;
  f.afterWalk = then;
  f.afterAll = f.resolved;
  return checkEntry(f);
}

/** One entry: does it allow the access, and does it end the walk? */
function checkEntry(f: Fault): FaultStage | null {
  const low = f.vpteLow;
  if ((low & VPTE_V) === 0) {
    branch(f, 'F50');
    return refused(f);
  }
  if ((f.faultType & PROT_READ) !== 0 && (low & VPTE_R) === 0) {
    branch(f, 'F51');
    return refused(f);
  }
  if ((f.faultType & PROT_WRITE) !== 0 && (low & VPTE_W) === 0) {
    branch(f, 'F52');
    return refused(f);
  }
  const frame = vpteFrame(f.vpteHigh, low);
  if ((low & VPTE_PS) !== 0 || f.vshift === 0) {
    branch(f, 'F53');
    f.mapPindex = frame + (f.mapPindex % 2 ** f.vshift);
    f.vshift = -1;
    f.resolved = f.afterAll;
    return f.afterWalk(f);
  }
  f.resolved = tablePage;
  if (f.failed !== tableFailed) f.afterFail = f.failed;
  f.failed = tableFailed;
  return faultObject(f, frame, PROT_READ | PROT_WRITE);
}

/** A page of the table itself cannot be had. */
function tableFailed(f: Fault): FaultStage | null {
  branch(f, 'F54');
  f.failed = f.afterFail;
  return f.failed(f);
}

function refused(f: Fault): FaultStage | null {
  f.result = KERN_FAILURE;
  return unlockAndDeallocate(f, f.failed);
}

/** The table page is there, busy: takes the entry and writes back what the access does to it. */
function tablePage(f: Fault): FaultStage | null {
  const { vm, m } = f;
  f.failed = f.afterFail;
  f.vshift -= VPTE_PAGE_BITS;
  const index = Math.floor(f.mapPindex / 2 ** f.vshift) & VPTE_PAGE_MASK;
  const at = m * 1024 + index * 2;
  const words = vm.words;
  f.vpteLow = words === null ? 0 : (words[at] as number);
  f.vpteHigh = words === null ? 0 : (words[at + 1] as number);
  writeBack(f, at);
  pageSetFlag(vm, m, PG_REFERENCED);
  pageActivate(vm, m);
  pageWakeup(vm, m);
  f.m = -1;
  cleanupBelow(f);
  return relock(f);
}

/** The entry in hand keeps the bits that it had; the one in memory gets the new ones. */
function writeBack(f: Fault, at: number): void {
  const words = f.vm.words;
  if (words === null) return;
  const low = f.vpteLow;
  if ((f.faultType & PROT_WRITE) !== 0 && (low & (VPTE_V | VPTE_W)) === (VPTE_V | VPTE_W)) {
    if ((low & (VPTE_M | VPTE_A)) !== (VPTE_M | VPTE_A)) {
      branch(f, 'F55');
      words[at] = (words[at] as number) | VPTE_M | VPTE_A;
      pageDirty(f.vm, f.m);
    }
  }
  if ((f.faultType & PROT_READ) !== 0 && (low & (VPTE_V | VPTE_R)) === (VPTE_V | VPTE_R)) {
    if ((low & VPTE_A) === 0) {
      branch(f, 'F56');
      words[at] = (words[at] as number) | VPTE_A;
      pageDirty(f.vm, f.m);
    }
  }
}

/** cleanup_successful_fault with its relock: the map again, unchecked. */
function relock(f: Fault): FaultStage | null {
  if (f.lookupStillValid) return checkEntry(f);
  if (!f.map.lock.acquireRead(f.thread)) return relock;
  branch(f, 'F3');
  f.lookupStillValid = true;
  if (f.vm.mended && f.map.timestamp !== f.mapGeneration) return unlockAndDeallocate(f, f.retry);
  return checkEntry(f);
}
