/** Looking from outside: the dumps that scenarios and reports print. Nothing here changes anything. */
import { PTE_PROT, PTE_WIRED } from '../machine/pagetable.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { Advice, BackingLayer, EntryInfo, Inheritance, TranslationInfo } from '../vm/system.js';
import type { MapEntry, VmMap } from './map-entry.js';
import {
  entryBehavior,
  MAP_ENTRY_BEHAV_RANDOM,
  MAP_ENTRY_BEHAV_SEQUENTIAL,
  MAP_ENTRY_COW,
  MAP_ENTRY_NEEDS_COPY,
  VM_INHERIT_NONE,
  VM_INHERIT_SHARE,
} from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJT_DEVICE, OBJT_PHYS, OBJT_SWAP, OBJT_VNODE } from './object.js';
import { pageIndex } from './page.js';
import type { Vm } from './vm.js';

/** Valid translations of a map, neighbours with equal protection and wiring in one. */
export function describeTranslations(vm: Vm, map: VmMap): TranslationInfo[] {
  const { tables } = vm.machine;
  const runs: { start: number; end: number; protection: number; wired: boolean }[] = [];
  let slot = tables.nextSlot(map.pmap, map.minPage, map.maxPage);
  while (slot >= 0) {
    const vpn = tables.vpnOfSlot(slot);
    const word = tables.pte[slot] as number;
    const protection = word & PTE_PROT;
    const wired = (word & PTE_WIRED) !== 0;
    const last = runs[runs.length - 1];
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
  if (entry.inheritance === VM_INHERIT_SHARE) return 'share';
  return entry.inheritance === VM_INHERIT_NONE ? 'none' : 'copy';
}

function adviceName(entry: MapEntry): Advice {
  const behavior = entryBehavior(entry);
  if (behavior === MAP_ENTRY_BEHAV_SEQUENTIAL) return 'sequential';
  return behavior === MAP_ENTRY_BEHAV_RANDOM ? 'random' : 'normal';
}

export function describeEntries(map: VmMap): EntryInfo[] {
  return map.index.map((entry) => ({
    start: entry.start * PAGE_SIZE,
    end: entry.end * PAGE_SIZE,
    protection: entry.protection,
    maximum: entry.maxProtection,
    inheritance: inheritanceName(entry),
    cow: (entry.eflags & MAP_ENTRY_COW) !== 0,
    needsCopy: (entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0,
    wired: entry.wiredCount,
    advice: adviceName(entry),
  }));
}

/** The kind of an object, as it prints. */
export function objectTypeName(object: VmObject): string {
  switch (object.type) {
    case OBJT_SWAP:
      return 'swap';
    case OBJT_VNODE:
      return `vnode:${object.handle?.name}`;
    case OBJT_DEVICE:
      return `device:${object.handle?.name}`;
    case OBJT_PHYS:
      return 'phys';
    default:
      return 'default';
  }
}

function residentIndexes(vm: Vm, object: VmObject): number[] {
  const indexes: number[] = [];
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    indexes.push(pageIndex(vm, page));
  }
  return indexes.sort((a, b) => a - b);
}

/** The shadow chain from the top, a layer an object. */
export function describeChain(vm: Vm, top: VmObject | null): BackingLayer[] {
  const layers: BackingLayer[] = [];
  for (let object = top; object !== null; object = object.backing) {
    layers.push({
      kind: 'object',
      type: objectTypeName(object),
      size: object.size,
      ref: object.refCount,
      shadows: object.shadowCount,
      ...(object.backing === null ? {} : { offset: object.backingOffset }),
      resident: residentIndexes(vm, object),
    });
  }
  return layers;
}

/** Objects of a shadow chain. */
export function chainLength(top: VmObject | null): number {
  let length = 0;
  for (let object = top; object !== null; object = object.backing) length++;
  return length;
}
