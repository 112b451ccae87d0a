/** What is known of a single page of an address space, found without touching anything. */
import { PAGE_DIRTY, PAGE_MAPPED, PAGE_RESIDENT, PAGE_SHARED, PAGE_SWAPPED, PAGE_WIRED } from '../vm/port.js';
import type { VmFile } from '../vm/system.js';
import type { Amap } from './amap.js';
import type { AnonObject } from './aobj.js';
import type { MapEntry, VmMap } from './map.js';
import type { UvmObject } from './object.js';
import { PG_CLEAN, PG_FAKE, pageHas, pageLookup } from './page.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';

/** The bits of `vm/port.ts` for one page: the anon's if there is one, else the object's. */
export function inspect(vm: Vm, map: VmMap, vpn: number): number {
  const entry = map.lookup(vpn);
  if (entry === null || entry.submap !== null) return 0;
  const mapped = vm.pmap.extract(map.pmap, vpn) >= 0 ? PAGE_MAPPED : 0;
  const upper = entry.amap === null ? 0 : anonBits(vm, entry, entry.amap, vpn);
  if (upper !== 0 || entry.object === null) return mapped | upper;
  return mapped | objectBits(vm, entry.object, entry.offset + vpn - entry.start);
}

function anonBits(vm: Vm, entry: MapEntry, amap: Amap, vpn: number): number {
  const slot = entry.pageoff + vpn - entry.start;
  const anon = amap.anons[slot] ?? null;
  if (anon === null) return 0;
  // A shared amap is one anon behind several entries; a copied one, an anon in several amaps.
  const seen = amap.ppref === null ? amap.ref : amap.ppref[slot];
  let bits = anon.ref > 1 || seen > 1 ? PAGE_SHARED : 0;
  if (anon.swslot !== 0) bits |= PAGE_SWAPPED;
  return anon.page < 0 ? bits : bits | pageBits(vm, anon.page);
}

function objectBits(vm: Vm, object: UvmObject, index: number): number {
  if (object.kind === 'device') return PAGE_RESIDENT | PAGE_SHARED;
  const page = pageLookup(vm, object, index);
  const resident = page >= 0 && !pageHas(vm, page, PG_FAKE);
  const swapped = object.kind === 'aobj' && (object as AnonObject).slotOf(index) !== 0;
  if (!resident && !swapped) return 0;
  return PAGE_SHARED | (swapped ? PAGE_SWAPPED : 0) | (resident ? pageBits(vm, page) : 0);
}

function pageBits(vm: Vm, page: number): number {
  let bits = PAGE_RESIDENT;
  if (vm.pages.wireCount[page] !== 0) bits |= PAGE_WIRED;
  if (!pageHas(vm, page, PG_CLEAN) || vm.pmap.isModified(page)) bits |= PAGE_DIRTY;
  return bits;
}

/** The file of the lower layer behind a page. */
export function fileAt(map: VmMap, vpn: number): VmFile | null {
  const object = map.lookup(vpn)?.object ?? null;
  return object?.kind === 'vnode' ? (object as VnodeObject) : null;
}

/** Pages in entries, and pages in wired entries. */
export function sizesOf(map: VmMap): { mapped: number; wired: number } {
  let mapped = 0;
  let wired = 0;
  for (const entry of map.index) {
    const pages = entry.end - entry.start;
    mapped += pages;
    if (entry.wiredCount > 0) wired += pages;
  }
  return { mapped, wired };
}
