/**
 * How many map entries the calls can need at most: uvm_mapent_reserve, for every call that may need one; see `vm/reserve.ts`.
 *
 * Objects come with their files, and a device's with its first mapping. What a fault or a wiring clips around an amap (`amap-copy.ts`) is asked for
 * there: for want of it there is no amap yet, and who wants one waits.
 */
import type { Needs } from '../vm/reserve.js';
import type { VmMap } from './map.js';
import { clampRange, INHERIT_NONE } from './map.js';

/** For clipping entries at pages `from` and `to`. */
export function clipNeeds(map: VmMap, from: number, to: number): Needs {
  const { start, end } = clampRange(map, from, to);
  const first = map.lookup(start);
  const last = end > start ? map.lookup(end - 1) : null;
  const front = first !== null && first.start < start ? 1 : 0;
  return { entries: front + (last !== null && last.end > end ? 1 : 0), objects: 0 };
}

/** For a fork: an entry for each that the child gets. */
export function forkNeeds(parent: VmMap): Needs {
  let entries = 0;
  for (const { inheritance } of parent.index) if (inheritance !== INHERIT_NONE) entries++;
  return { entries, objects: 0 };
}
