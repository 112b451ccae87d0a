/** How many map entries and objects the calls can need at most; see `vm/reserve.ts`. A sharing map itself is not counted, only its entries. */
import { PROT_WRITE } from '../vm/prot.js';
import type { Needs } from '../vm/reserve.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { VM_INHERIT_NONE, VM_INHERIT_SHARE, within } from './map-entry.js';
import { makesCopyObject } from './object-copy.js';

/** For cutting entries at pages `start` and `end`. */
export function clipNeeds(map: VmMap, start: number, end: number): Needs {
  const from = map.clampStart(start);
  const to = map.clampEnd(end);
  const first = map.lookup(from);
  const last = to > from ? map.lookup(to - 1) : null;
  const front = first !== null && first.start < from ? 1 : 0;
  return { entries: front + (last !== null && last.end > to ? 1 : 0), objects: 0 };
}

/** For wiring: the cuts, and what a fault could not make under the read lock. */
export function wireNeeds(map: VmMap, start: number, end: number): Needs {
  let objects = 0;
  let entry = map.lookup(map.clampStart(start)) ?? map.before(map.clampStart(start)).next;
  for (; within(map, entry, map.clampEnd(end)); entry = entry.next) {
    if (entry.wiredCount !== 0 || entry.shareMap !== null) continue;
    if (entry.object === null || (entry.needsCopy && (entry.protection & PROT_WRITE) !== 0)) objects++;
  }
  return { entries: clipNeeds(map, start, end).entries, objects };
}

/** For a fork: an entry for each that the child gets, those that sharing adds, and the objects of copies. */
export function forkNeeds(parent: VmMap): Needs {
  let entries = 0;
  let objects = 0;
  for (const entry of parent.index) {
    if (entry.inheritance === VM_INHERIT_NONE) continue;
    entries++;
    if (entry.inheritance === VM_INHERIT_SHARE) {
      if (entry.shareMap === null) entries++;
    } else if (entry.shareMap === null) {
      objects += copyNeeds(entry);
    } else {
      const inner = sharedCopyNeeds(entry, entry.shareMap);
      entries += inner.entries;
      objects += inner.objects;
    }
  }
  return { entries, objects };
}

function copyNeeds(entry: MapEntry): number {
  return entry.wiredCount !== 0 || makesCopyObject(entry.object) ? 1 : 0;
}

/** A copy out of a sharing map has as many pieces as there are entries in it, and cuts the outer two of them. */
function sharedCopyNeeds(entry: MapEntry, share: VmMap): Needs {
  const end = entry.offset + entry.end - entry.start;
  let { entries, objects } = clipNeeds(share, entry.offset, end);
  let pieces = 0;
  for (let inner = share.lookup(entry.offset); inner !== null && within(share, inner, end); inner = inner.next) {
    pieces++;
    objects += copyNeeds(inner);
  }
  if (pieces > 1) entries += pieces - 1;
  return { entries, objects };
}
