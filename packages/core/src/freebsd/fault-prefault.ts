/**
 * vm_fault_prefault: what lies around the fault is probably wanted soon. Pages that are already in memory get a translation without
 * a fault of their own, nearest first, for reading only. Nothing is read, no queue and no reference bit changes.
 *
 * It goes down through default objects only, and the first page that is not in memory ends it: a neighbourhood with a hole is not worth
 * the time.
 *
 * As seeded, the arithmetic of the first three pages of the address space wraps. The window then begins at page 0 instead of the
 * entry's start, and a candidate below page 0 becomes page 0; what is looked up for either lies before the entry's part of
 * the object. Usually nothing is there, which ends the prefault. Where the entry begins further into its object, a page
 * before its part is mapped at an address that is not the entry's. Mended, the window begins at the entry.
 */
import type { Fault, FaultStage } from './fault-state.js';
import { branch } from './fault-state.js';
import type { VmObject } from './object.js';
import { OBJT_DEFAULT } from './object.js';
import { PG_FICTITIOUS, pageFullyValid, pageHasFlag, pageLookup, VPO_BUSY } from './page.js';

/** Pages before and behind the fault. */
const PFBAK = 4;
/** prefault_pageorder: candidates in the order in which they are tried. */
const PAGE_ORDER = [-1, 1, -2, 2, -3, 3, -4, 4] as const;

/** Tries the candidates from `f.candidate` on; `then` follows. May sleep for an object that somebody has locked. */
export function prefault(f: Fault, then: FaultStage): FaultStage | null {
  if (!f.currentPmap) {
    branch(f, 'F68');
    return then;
  }
  f.following = then;
  return f.entry.object === null ? then : prefaultRest(f);
}

/** The lowest page that is tried. */
function windowStart(f: Fault): number {
  const start = f.vaddr - PFBAK;
  if (start < 0 && !f.vm.mended) {
    if (f.candidate === 0) branch(f, 'F70');
    return 0;
  }
  if (start >= f.entry.start) return start;
  if (f.candidate === 0) branch(f, 'F69');
  return f.entry.start;
}

/** The page that a candidate stands for. */
export function candidatePage(f: Fault): number {
  return Math.max(0, f.vaddr + (PAGE_ORDER[f.candidate] as number));
}

function prefaultRest(f: Fault): FaultStage | null {
  const { vm, entry, vaddr } = f;
  const start = windowStart(f);
  for (; f.candidate < PAGE_ORDER.length; f.candidate++) {
    const vpn = candidatePage(f);
    if (vaddr + (PAGE_ORDER[f.candidate] as number) < 0) branch(f, 'F71');
    if (vpn < start || vpn >= entry.end) {
      branch(f, 'F72');
      continue;
    }
    if (!vm.pmap.isPrefaultable(f.map.pmap, vpn)) {
      branch(f, 'F73');
      continue;
    }
    const outcome = tryCandidate(f, vpn);
    if (outcome === 'blocked') return prefaultRest;
    if (outcome === 'absent') {
      branch(f, 'F76');
      break;
    }
  }
  return f.following;
}

/** One candidate: looks for its page from the entry's object down, hand over hand. */
function tryCandidate(f: Fault, vpn: number): 'blocked' | 'absent' | 'done' {
  const { vm, entry, thread } = f;
  let object = entry.object as VmObject;
  let pindex = vpn - entry.start + entry.offset;
  // Before the object's first page: nothing is found however far one goes down.
  if (pindex < 0) return 'absent';
  if (!object.lock.acquire(thread)) return 'blocked';
  let page = pageLookup(vm, object, pindex);
  while (page < 0 && object.type === OBJT_DEFAULT && object.backing !== null) {
    branch(f, 'F74');
    const backing: VmObject = object.backing;
    pindex += object.backingOffset;
    if (!backing.lock.acquire(thread)) {
      object.lock.release(thread);
      return 'blocked';
    }
    object.lock.release(thread);
    object = backing;
    page = pageLookup(vm, object, pindex);
  }
  if (page >= 0) mapIfGood(f, vpn, page);
  object.lock.release(thread);
  return page < 0 ? 'absent' : 'done';
}

function mapIfGood(f: Fault, vpn: number, page: number): void {
  const { vm } = f;
  const busy = vm.pages.busy[page] !== 0 || exclusivelyBusy(f, page);
  if (!pageFullyValid(vm, page) || busy || pageHasFlag(vm, page, PG_FICTITIOUS)) {
    branch(f, 'F78');
    return;
  }
  branch(f, 'F77');
  vm.pmap.enterQuick(f.map.pmap, vpn, page, f.entry.protection);
}

/** As seeded only `busy` is tested, not VPO_BUSY: a page that another fault is just filling would be mapped. Mended tests both. */
function exclusivelyBusy(f: Fault, page: number): boolean {
  return f.vm.mended && ((f.vm.pages.oflags[page] as number) & VPO_BUSY) !== 0;
}
