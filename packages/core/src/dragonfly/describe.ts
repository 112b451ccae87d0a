/** Looking from outside: the dumps that scenarios and reports print. Nothing here changes anything. */
import { PAGE_SIZE } from '../machine/units.js';
import { entryInfo, residentIndexes } from '../vm/describe.js';
import type { Advice, BackingLayer, EntryInfo } from '../vm/system.js';
import type { MapEntry, VmMap } from './map-entry.js';
import {
  entryBehavior,
  MAP_ENTRY_BEHAV_RANDOM,
  MAP_ENTRY_BEHAV_SEQUENTIAL,
  MAP_ENTRY_COW,
  MAP_ENTRY_NEEDS_COPY,
  MAP_ENTRY_NOSYNC,
  VM_MAPTYPE_VPAGETABLE,
} from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJT_DEVICE, OBJT_PHYS, OBJT_SWAP, OBJT_VNODE } from './object.js';
import type { DragonflyProcess } from './process.js';
import type { Vm } from './vm.js';

function adviceName(entry: MapEntry): Advice {
  const behavior = entryBehavior(entry);
  if (behavior === MAP_ENTRY_BEHAV_SEQUENTIAL) return 'sequential';
  return behavior === MAP_ENTRY_BEHAV_RANDOM ? 'random' : 'normal';
}

export function describeEntries({ map }: DragonflyProcess): EntryInfo[] {
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
export function describeBacking(vm: Vm, { map }: DragonflyProcess, vpn: number): BackingLayer[] | null {
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

/** What only this system's entries have: the words at the end of an `entries` line. `start` in bytes. */
export function entryWords(map: VmMap, start: number): string[] {
  const entry = map.index.find((candidate) => candidate.start * PAGE_SIZE === start);
  if (entry === undefined) return [];
  const words: string[] = [];
  if ((entry.eflags & MAP_ENTRY_NOSYNC) !== 0) words.push('nosync');
  if (entry.maptype === VM_MAPTYPE_VPAGETABLE) words.push(`vpagetable=${hex64(entry.auxHigh, entry.auxLow)}`);
  return words;
}

/** A 64-bit word from its halves, as `0x...` without padding. */
export function hex64(high: number, low: number): string {
  const upper = high >>> 0;
  const lower = (low >>> 0).toString(16);
  return upper === 0 ? `0x${lower}` : `0x${upper.toString(16)}${lower.padStart(8, '0')}`;
}

/** Objects of the shadow chain behind a page. */
export function chainLength({ map }: DragonflyProcess, vpn: number): number {
  let length = 0;
  for (let object = map.lookup(vpn)?.object ?? null; object !== null; object = object.backing) length++;
  return length;
}
