/** What is known of a single page of an address space, found without touching anything. */
import { PAGE_DIRTY, PAGE_MAPPED, PAGE_RESIDENT, PAGE_SHARED, PAGE_SWAPPED, PAGE_WIRED } from '../vm/port.js';
import type { VmFile } from '../vm/system.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { OBJT_DEVICE, OBJT_VNODE, type VmObject } from './object.js';
import { pageLookup } from './page.js';
import type { VnodeHandle } from './pager-vnode.js';
import type { Vm } from './vm.js';

/** The bits of `vm/port.ts` for one page. The first object of the chain that has the page, resident or on swap, is the one that a look-up finds. */
export function inspect(vm: Vm, map: VmMap, vpn: number): number {
  const entry = map.lookup(vpn);
  if (entry === null || entry.submap !== null) return 0;
  const mapped = vm.pmap.extract(map.pmap, vpn) >= 0 ? PAGE_MAPPED : 0;
  return mapped | inspectChain(vm, entry, entry.offset + vpn - entry.start);
}

function inspectChain(vm: Vm, entry: MapEntry, index: number): number {
  let pindex = index;
  let shared = 0;
  for (let object = entry.object; object !== null; object = object.backing) {
    if (object.refCount > 1 || object.type === OBJT_VNODE || object.type === OBJT_DEVICE) shared = PAGE_SHARED;
    const bits = pageBits(vm, object, pindex);
    if (bits !== 0) return bits | shared;
    pindex += object.backingOffset;
  }
  return 0;
}

function pageBits(vm: Vm, object: VmObject, pindex: number): number {
  let bits = object.swap?.has(pindex) === true ? PAGE_SWAPPED : 0;
  const page = pageLookup(vm, object, pindex);
  if (page < 0 || vm.pages.valid[page] === 0) return bits;
  bits |= PAGE_RESIDENT;
  if (vm.pages.wireCount[page] !== 0) bits |= PAGE_WIRED;
  if (vm.pages.dirty[page] !== 0 || vm.pmap.isModified(page)) bits |= PAGE_DIRTY;
  return bits;
}

/** The file at the bottom of the shadow chain behind a page. */
export function fileAt(map: VmMap, vpn: number): VmFile | null {
  for (let object = map.lookup(vpn)?.object ?? null; object !== null; object = object.backing) {
    if (object.type === OBJT_VNODE) return object.handle as VnodeHandle;
  }
  return null;
}

/** Pages in entries, and pages in wired entries. */
export function sizesOf(map: VmMap): { mapped: number; wired: number } {
  let wired = 0;
  for (const entry of map.index) if (entry.wiredCount !== 0) wired += entry.end - entry.start;
  return { mapped: map.size, wired };
}
