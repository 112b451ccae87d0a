/** Looking from outside: the dumps that scenarios and reports print. Nothing here changes anything. */
import { PTE_PROT, PTE_WIRED } from '../machine/pagetable.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { Advice, BackingLayer, EntryInfo, Inheritance, TranslationInfo } from '../vm/system.js';
import type { Amap } from './amap.js';
import type { AnonObject } from './aobj.js';
import type { DeviceObject } from './device.js';
import type { MapEntry, VmMap } from './map.js';
import {
  ADVICE_RANDOM,
  ADVICE_SEQUENTIAL,
  INHERIT_NONE,
  INHERIT_SHARE,
  UVM_ET_COPYONWRITE,
  UVM_ET_NEEDSCOPY,
} from './map.js';
import type { UvmObject } from './object.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';

/** Valid translations of a map, neighbours with equal protection and wiring in one. */
export function describeTranslations(vm: Vm, map: VmMap): TranslationInfo[] {
  const { tables } = vm.machine;
  const runs: { start: number; end: number; protection: number; wired: boolean }[] = [];
  let slot = tables.nextSlot(map.pmap, map.minPage, map.maxPage);
  while (slot >= 0) {
    const vpn = tables.vpnOfSlot(slot);
    const word = tables.pte[slot];
    const protection = word & PTE_PROT;
    const wired = (word & PTE_WIRED) !== 0;
    const last = runs.at(-1);
    if (last !== undefined && last.end === vpn * PAGE_SIZE && last.protection === protection && last.wired === wired) {
      last.end += PAGE_SIZE;
    } else {
      runs.push({ start: vpn * PAGE_SIZE, end: (vpn + 1) * PAGE_SIZE, protection, wired });
    }
    slot = tables.nextSlot(map.pmap, vpn + 1, map.maxPage);
  }
  return runs;
}

function inheritanceName(entry: MapEntry): Inheritance {
  if (entry.inheritance === INHERIT_SHARE) return 'share';
  return entry.inheritance === INHERIT_NONE ? 'none' : 'copy';
}

export function adviceName(entry: MapEntry): Advice {
  if (entry.advice === ADVICE_SEQUENTIAL) return 'sequential';
  return entry.advice === ADVICE_RANDOM ? 'random' : 'normal';
}

export function describeEntries(map: VmMap): EntryInfo[] {
  return map.index.map((entry) => ({
    start: entry.start * PAGE_SIZE,
    end: entry.end * PAGE_SIZE,
    protection: entry.protection,
    maximum: entry.maxProtection,
    inheritance: inheritanceName(entry),
    cow: (entry.etype & UVM_ET_COPYONWRITE) !== 0,
    needsCopy: (entry.etype & UVM_ET_NEEDSCOPY) !== 0,
    wired: entry.wiredCount,
    advice: adviceName(entry),
  }));
}

/** `vnode:F`, `aobj:S`, `device:D`. */
export function objectTypeName(object: UvmObject): string {
  switch (object.kind) {
    case 'vnode':
      return `vnode:${(object as VnodeObject).name}`;
    case 'aobj':
      return `aobj:${(object as AnonObject).name}`;
    case 'device':
      return `device:${(object as DeviceObject).device.name}`;
    default:
      return object.kind;
  }
}

/** Indexes of an object's pages, ascending. */
export function residentIndexes(vm: Vm, object: UvmObject): number[] {
  const indexes: number[] = [];
  for (let page = object.first; page >= 0; page = vm.pages.links.next(page)) indexes.push(vm.pages.hash.pindex[page]);
  return indexes.sort((a, b) => a - b);
}

function amapLayer(entry: MapEntry, amap: Amap): BackingLayer {
  const anons: { slot: number; ref: number }[] = [];
  for (let slot = 0; slot < entry.end - entry.start; slot++) {
    const anon = amap.anons[entry.pageoff + slot];
    if (anon !== null) anons.push({ slot, ref: anon.ref });
  }
  return { kind: 'amap', slots: amap.nslot, used: amap.used, ref: amap.ref, shared: amap.shared, anons };
}

/** The two layers of an entry; a missing one is left out. */
export function describeBacking(vm: Vm, entry: MapEntry): BackingLayer[] {
  const layers: BackingLayer[] = [];
  if (entry.amap !== null) layers.push(amapLayer(entry, entry.amap));
  const { object } = entry;
  if (object !== null) {
    layers.push({
      kind: 'uobj',
      type: objectTypeName(object),
      ref: object.refs,
      resident: residentIndexes(vm, object),
    });
  }
  return layers;
}

/** How many of the two layers an entry has. */
export function layersOf(entry: MapEntry): number {
  return (entry.amap === null ? 0 : 1) + (entry.object === null ? 0 : 1);
}
