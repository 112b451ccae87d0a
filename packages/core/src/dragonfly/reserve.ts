/** How many map entries and objects the calls can need at most; see `vm/reserve.ts`. */
import { PROT_WRITE } from '../vm/prot.js';
import type { Needs } from '../vm/reserve.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { MAP_ENTRY_NEEDS_COPY, VM_INHERIT_NONE, VM_INHERIT_SHARE } from './map-entry.js';
import { needsShadow, OBJ_ONEMAPPING } from './object.js';

/** Whether a cut gives the entry an object first. */
function makesObject(map: VmMap, entry: MapEntry): boolean {
  return entry.object === null && entry.submap === null && !map.systemMap;
}

/** For cutting entries at pages `start` and `end`. The map is locked. */
export function clipNeeds(map: VmMap, start: number, end: number): Needs {
  const first = map.lookup(start);
  const last = end > start ? map.lookup(end - 1) : null;
  const front = first !== null && first.start < start ? first : null;
  const back = last !== null && last.end > end ? last : null;
  let objects = 0;
  if (front !== null && makesObject(map, front)) objects++;
  if (back !== null && back !== front && makesObject(map, back)) objects++;
  return { entries: (front === null ? 0 : 1) + (back === null ? 0 : 1), objects };
}

/** For wiring: the cuts, and what every entry must have before it is wired. */
export function wireNeeds(map: VmMap, start: number, end: number): Needs {
  let objects = 0;
  for (const entry of map.index) {
    if (entry.end <= start || entry.start >= end || entry.wiredCount !== 0) continue;
    if (entry.object === null || (copiesAtWrite(entry) && needsShadow(entry.object))) objects++;
  }
  return { entries: clipNeeds(map, start, end).entries, objects };
}

function copiesAtWrite(entry: MapEntry): boolean {
  return (entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0 && (entry.protection & PROT_WRITE) !== 0;
}

/** For a fork: an entry for each that the child gets, and what sharing, splitting and the copy of wired ranges make. */
export function forkNeeds(parent: VmMap): Needs {
  let entries = 0;
  let objects = 0;
  for (const entry of parent.index) {
    if (entry.inheritance === VM_INHERIT_NONE) continue;
    entries++;
    objects += entry.inheritance === VM_INHERIT_SHARE ? sharedNeeds(entry) : copiedNeeds(entry);
  }
  return { entries, objects };
}

function sharedNeeds(entry: MapEntry): number {
  return (entry.object === null ? 1 : 0) + ((entry.eflags & MAP_ENTRY_NEEDS_COPY) === 0 ? 0 : 1);
}

function copiedNeeds({ object, wiredCount }: MapEntry): number {
  if (wiredCount !== 0) return 1;
  if (object === null || !object.anonymous || object.refCount <= 1) return 0;
  return (object.flags & OBJ_ONEMAPPING) === 0 ? 0 : 1;
}
