/** What is known of a single page of an address space, found without touching anything. */
import { PAGE_DIRTY, PAGE_MAPPED, PAGE_RESIDENT, PAGE_SHARED, PAGE_SWAPPED, PAGE_WIRED } from '../vm/port.js';
import type { VmFile } from '../vm/system.js';
import type { VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import { PG_BUSY, PG_CLEAN, PG_FAKE, pageHas, pageLookup } from './page.js';
import { PG_SWAP, PG_VNODE, pagerHasPage } from './pager.js';
import type { CsrgProcess } from './process.js';
import { regionAt } from './syscalls.js';
import type { Vm } from './vm.js';

/** The bits of `vm/port.ts` for one page. The first object of the chain that has the page, resident or on swap, is the one that a look-up finds. */
export function inspect(vm: Vm, process: CsrgProcess, vpn: number): number {
  const region = regionAt(process.map, vpn);
  if (region === null) return 0;
  const mapped = vm.pmap.extract(process.pmap, vpn) >= 0 ? PAGE_MAPPED : 0;
  let shared = (region.entry.shareMap?.refCount ?? 1) > 1 ? PAGE_SHARED : 0;
  let pindex = region.offset;
  for (let object = region.object; object !== null; object = object.shadow) {
    if (object.refCount > 1 || !object.internal) shared = PAGE_SHARED;
    const bits = pageBits(vm, object, pindex);
    if (bits !== 0) return mapped | bits | shared;
    pindex += object.shadowOffset;
  }
  return mapped;
}

function pageBits(vm: Vm, object: VmObject, pindex: number): number {
  const { pager } = object;
  const stored = pager?.type === PG_SWAP && pagerHasPage(pager, pindex + object.pagingOffset);
  const bits = stored ? PAGE_SWAPPED : 0;
  const page = pageLookup(vm, object, pindex);
  // A fork's copies of wired pages stay marked as fake (O9); what is not filled yet is busy besides.
  if (page < 0 || (pageHas(vm, page, PG_FAKE) && pageHas(vm, page, PG_BUSY))) return bits;
  const wired = vm.pages.wireCount[page] !== 0 ? PAGE_WIRED : 0;
  const dirty = !pageHas(vm, page, PG_CLEAN) || vm.pmap.isModified(page) ? PAGE_DIRTY : 0;
  return bits | PAGE_RESIDENT | wired | dirty;
}

/** The file at the bottom of the shadow chain behind a page. */
export function fileAt(map: VmMap, vpn: number): VmFile | null {
  for (let object = regionAt(map, vpn)?.object ?? null; object !== null; object = object.shadow) {
    if (object.pager?.type === PG_VNODE) return object.pager.vnode;
  }
  return null;
}

/** Pages in entries, and pages in wired entries. */
export function sizesOf(map: VmMap): { mapped: number; wired: number } {
  let mapped = 0;
  let wired = 0;
  for (const entry of map.index) {
    const pages = entry.end - entry.start;
    mapped += pages;
    if (entry.wiredCount !== 0) wired += pages;
  }
  return { mapped, wired };
}
