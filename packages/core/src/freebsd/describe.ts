/** Looking from outside: the dumps that scenarios and reports print. Nothing here changes anything. */
import { entryInfo, residentIndexes } from '../vm/describe.js';
import type { Advice, BackingLayer, EntryInfo } from '../vm/system.js';
import type { MapEntry } from './map-entry.js';
import {
  entryBehavior,
  MAP_ENTRY_BEHAV_RANDOM,
  MAP_ENTRY_BEHAV_SEQUENTIAL,
  MAP_ENTRY_COW,
  MAP_ENTRY_NEEDS_COPY,
} from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJT_DEVICE, OBJT_PHYS, OBJT_SWAP, OBJT_VNODE } from './object.js';
import type { FreebsdProcess } from './process.js';
import type { Vm } from './vm.js';

function adviceName(entry: MapEntry): Advice {
  const behavior = entryBehavior(entry);
  if (behavior === MAP_ENTRY_BEHAV_SEQUENTIAL) return 'sequential';
  return behavior === MAP_ENTRY_BEHAV_RANDOM ? 'random' : 'normal';
}

export function describeEntries({ map }: FreebsdProcess): EntryInfo[] {
  return map.index.map((entry) =>
    entryInfo(
      entry,
      (entry.eflags & MAP_ENTRY_COW) !== 0,
      (entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0,
      adviceName(entry),
    ),
  );
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

/** The shadow chain behind a page, from the top, a layer an object; null when nothing is mapped there. */
export function describeBacking(vm: Vm, { map }: FreebsdProcess, vpn: number): BackingLayer[] | null {
  const entry = map.lookup(vpn);
  if (entry === null) return null;
  const layers: BackingLayer[] = [];
  for (let { object } = entry; object !== null; object = object.backing) {
    layers.push({
      kind: 'object',
      type: objectTypeName(object),
      size: object.size,
      ref: object.refCount,
      shadows: object.shadowCount,
      ...(object.backing === null ? {} : { offset: object.backingOffset }),
      resident: residentIndexes(vm.pages, object.firstPage),
    });
  }
  return layers;
}

/** Objects of the shadow chain behind a page. */
export function chainLength({ map }: FreebsdProcess, vpn: number): number {
  let length = 0;
  for (let object = map.lookup(vpn)?.object ?? null; object !== null; object = object.backing) length++;
  return length;
}
