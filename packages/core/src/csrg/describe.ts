/** Looking from outside: the dumps that scenarios and reports print. Nothing here changes anything. */
import { PTE_PROT, PTE_WIRED } from '../machine/pagetable.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { BackingLayer, EntryInfo, Inheritance, TranslationInfo } from '../vm/system.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { VM_INHERIT_NONE, VM_INHERIT_SHARE } from './map-entry.js';
import type { VmObject } from './object.js';
import { pageIndex } from './page.js';
import { PG_DEVICE, PG_VNODE } from './pager.js';
import type { CsrgProcess } from './process.js';
import { regionAt } from './syscalls.js';
import type { Vm } from './vm.js';

/** Valid translations, neighbours with equal protection (as told) and wiring in one. */
export function describeTranslations(vm: Vm, process: CsrgProcess): TranslationInfo[] {
  const { tables } = vm.machine;
  const { map, pmap } = process;
  const runs: { start: number; end: number; protection: number; wired: boolean }[] = [];
  let slot = tables.nextSlot(pmap, map.minPage, map.maxPage);
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
    slot = tables.nextSlot(pmap, vpn + 1, map.maxPage);
  }
  return runs;
}

function inheritanceName(entry: MapEntry): Inheritance {
  if (entry.inheritance === VM_INHERIT_SHARE) return 'share';
  return entry.inheritance === VM_INHERIT_NONE ? 'none' : 'copy';
}

/** A view of a sharing map shows no copy-on-write: those flags belong to the sharing map's entry. */
export function describeEntries(map: VmMap): EntryInfo[] {
  return map.index.map((entry) => ({
    start: entry.start * PAGE_SIZE,
    end: entry.end * PAGE_SIZE,
    protection: entry.protection,
    maximum: entry.maxProtection,
    inheritance: inheritanceName(entry),
    cow: entry.copyOnWrite && entry.shareMap === null,
    needsCopy: entry.needsCopy && entry.shareMap === null,
    wired: entry.wiredCount,
    advice: 'normal',
  }));
}

/** The kind of an object, as it prints. */
export function objectTypeName(object: VmObject): string {
  if (object.pager?.type === PG_VNODE) return `vnode:${object.pager.vnode.name}`;
  if (object.pager?.type === PG_DEVICE) return `device:${object.pager.device.name}`;
  return 'internal';
}

function residentIndexes(vm: Vm, object: VmObject): number[] {
  const indexes: number[] = [];
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    indexes.push(pageIndex(vm, page));
  }
  return indexes.sort((a, b) => a - b);
}

function describeObject(vm: Vm, object: VmObject): BackingLayer {
  return {
    kind: 'object',
    type: objectTypeName(object),
    size: object.size,
    ref: object.refCount,
    ...(object.shadow === null ? {} : { offset: object.shadowOffset }),
    resident: residentIndexes(vm, object),
    ...(object.copy === null ? {} : { copy: describeObject(vm, object.copy) }),
  };
}

/** The shadow chain behind a page, from the top, each object with its copy object; null when nothing is mapped there. */
export function describeBacking(vm: Vm, map: VmMap, vpn: number): BackingLayer[] | null {
  const region = regionAt(map, vpn);
  if (region === null) return null;
  const layers: BackingLayer[] = [];
  for (let object = region.object; object !== null; object = object.shadow) layers.push(describeObject(vm, object));
  return layers;
}

/** Objects of the shadow chain behind a page. */
export function chainLength(map: VmMap, vpn: number): number {
  let length = 0;
  for (let object = regionAt(map, vpn)?.object ?? null; object !== null; object = object.shadow) length++;
  return length;
}
