/**
 * vm_prefault: what lies around the fault is probably wanted soon. Neighbours that are in memory get a translation without a fault of
 * their own, nearest first; and ahead of a fault on writable fresh memory zero pages are made for them, the *burst*.
 *
 * The first neighbour that is nowhere ends it all, and neighbours behind are asked first: so a burst happens only where everything behind
 * the fault (within the entry, and within its page-table page) is mapped or resident, as in the first page of a fresh entry.
 * Neither the pages mapped nor those made count as faults; read-ahead marks are passed over.
 */
import type { Prot } from '../vm/prot.js';
import { PROT_WRITE } from '../vm/prot.js';
import { setNosync } from './fault-cow.js';
import type { Fault } from './fault-state.js';
import { branch } from './fault-state.js';
import { VM_MAPTYPE_VPAGETABLE } from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJT_DEFAULT, objectOfPage, setWriteableDirty } from './object.js';
import {
  isCached,
  PG_BUSY,
  PG_FICTITIOUS,
  PG_ZERO,
  pageBusy,
  pageClearFlag,
  pageDeactivate,
  pageFullyValid,
  pageHasFlag,
  pageLookup,
  pageSetValid,
  pageWakeup,
} from './page.js';
import { countMin, pageAlloc, VM_ALLOC_NORMAL, VM_ALLOC_ZERO } from './page-alloc.js';

/** Pages before and behind the fault. */
const PFBAK = 4;
/** vm_prefault_pageorder: candidates in the order in which they are tried. */
const PAGE_ORDER = [-1, 1, -2, 2, -3, 3, -4, 4] as const;

/** What the walk for one neighbour found; one record serves all. */
const walk = { page: -1, prot: 0 as Prot, allocated: false };

/** Answers false while the token is somebody else's: the thread then sleeps, and the caller comes back. */
export function prefault(f: Fault): boolean {
  const { vm, entry, vaddr } = f;
  if (entry.maptype === VM_MAPTYPE_VPAGETABLE) {
    branch(f, 'F114');
    return true;
  }
  if (f.process === null || f.process.map.pmap !== f.map.pmap) {
    branch(f, 'F115');
    return true;
  }
  if (entry.object === null) return true;
  if (!vm.vmToken.acquire(f.thread)) return false;
  let start = vaddr - PFBAK;
  if (start < entry.start) {
    branch(f, 'F116');
    start = entry.start;
  }
  for (let i = 0; i < PAGE_ORDER.length; i++) {
    const step = PAGE_ORDER[i] as number;
    const vpn = vaddr + step;
    if (vpn < start || vpn >= entry.end) {
      branch(f, 'F117');
      continue;
    }
    if (!vm.pmap.prefaultOk(f.map.pmap, vpn)) {
      branch(f, 'F118');
      continue;
    }
    findNeighbour(f, entry.object, vpn, step < 0);
    if (walk.page < 0) {
      branch(f, 'F124');
      break;
    }
    enterNeighbour(f, vpn);
  }
  vm.vmToken.release(f.thread);
  return true;
}

/** Follows the chain for one neighbour into `walk`. */
function findNeighbour(f: Fault, top: VmObject, vpn: number, behind: boolean): void {
  const { vm } = f;
  const index = Math.floor(vpn - f.entry.start + f.entry.offset);
  let object = top;
  let pindex = index;
  walk.prot = f.prot;
  walk.allocated = false;
  walk.page = pageLookup(vm, object, pindex);
  while (walk.page < 0) {
    if (object.type !== OBJT_DEFAULT) {
      branch(f, 'F119');
      return;
    }
    if (object.backing === null) {
      burst(f, top, index, behind);
      return;
    }
    if (!Number.isInteger(object.backingOffset)) {
      branch(f, 'F122');
      return;
    }
    branch(f, 'F123');
    pindex += object.backingOffset;
    object = object.backing;
    walk.prot &= ~PROT_WRITE;
    walk.page = pageLookup(vm, object, pindex);
  }
}

/** The bottom is reached and the page is nowhere: makes a zero page in the top object if that may be. */
function burst(f: Fault, top: VmObject, index: number, behind: boolean): void {
  const { vm } = f;
  if (!vm.fastFault || behind || (f.prot & PROT_WRITE) === 0 || countMin(vm)) {
    branch(f, 'F120');
    return;
  }
  const page = pageAlloc(vm, top, index, VM_ALLOC_NORMAL | VM_ALLOC_ZERO);
  // The kernel would follow a null pointer here.
  if (page < 0) return;
  branch(f, 'F121');
  if (pageHasFlag(vm, page, PG_ZERO)) {
    pageClearFlag(vm, page, PG_ZERO);
    vm.counters.v_ozfod++;
  } else {
    vm.zeroFrame(page);
  }
  vm.counters.v_zfod++;
  vm.counters.prefault_zeroed++;
  pageSetValid(vm, page);
  walk.page = page;
  walk.prot = f.prot as Prot;
  walk.allocated = true;
}

/** A neighbour for which no translation is to be had is not missed. */
function enterQuietly(f: Fault, vpn: number, page: number, prot: Prot): void {
  const { pmap } = f.map;
  if (!f.vm.pmap.refuses(pmap, vpn)) f.vm.pmap.enter(pmap, vpn, page, prot, false);
}

/** The translation, if the page is fit for it. */
function enterNeighbour(f: Fault, vpn: number): void {
  const { vm } = f;
  const { page, prot, allocated } = walk;
  const writable = (prot & PROT_WRITE) !== 0;
  if (writable) setWriteableDirty(objectOfPage(vm, page) as VmObject);
  if (allocated) {
    branch(f, 'F125');
    if (writable) setNosync(f, page, f.entry);
    enterQuietly(f, vpn, page, prot);
    pageDeactivate(vm, page);
    pageWakeup(vm, page);
  } else {
    const engaged = vm.pages.busy[page] !== 0 || pageHasFlag(vm, page, PG_BUSY | PG_FICTITIOUS);
    if (engaged || !pageFullyValid(vm, page)) {
      branch(f, 'F128');
      return;
    }
    pageBusy(vm, page);
    if (isCached(vm, page)) {
      branch(f, 'F126');
      pageDeactivate(vm, page);
    }
    branch(f, 'F127');
    if (writable) setNosync(f, page, f.entry);
    enterQuietly(f, vpn, page, prot);
    pageWakeup(vm, page);
  }
  vm.counters.prefault_mapped++;
}
