/** The part of the invariants that concerns one map: order, links, sizes, and nothing left in transition. */
import { insist } from './check.js';
import type { MapEntry, VmMap } from './map-entry.js';
import { MAP_ENTRY_IN_TRANSITION, MAP_ENTRY_NEEDS_WAKEUP, MAP_ENTRY_USER_WIRED } from './map-entry.js';

function at(name: string, entry: MapEntry): string {
  return `the entry of ${name} at page 0x${entry.start.toString(16)}`;
}

export function checkMaps(name: string, map: VmMap): void {
  let size = 0;
  let previous: MapEntry = map.header;
  for (const entry of map.index) {
    insist(previous.next === entry && entry.prev === previous, () => `${at(name, entry)} is linked out of order`);
    insist(entry.start < entry.end, () => `${at(name, entry)} is empty`);
    insist(map.isHead(previous) || previous.end <= entry.start, () => `${at(name, entry)} overlaps the one before`);
    insist(entry.start >= map.minPage && entry.end <= map.maxPage, () => `${at(name, entry)} lies outside the map`);
    checkEntry(name, entry);
    size += entry.end - entry.start;
    previous = entry;
  }
  insist(map.header.prev === previous, () => `the entry list of ${name} does not close`);
  insist(size === map.size, () => `the map of ${name} counts ${map.size} pages, its entries have ${size}`);
  insist(map.lock.holders().length === 0, () => `the map of ${name} is locked at rest`);
}

function checkEntry(name: string, entry: MapEntry): void {
  const transient = MAP_ENTRY_IN_TRANSITION | MAP_ENTRY_NEEDS_WAKEUP;
  insist((entry.eflags & transient) === 0, () => `${at(name, entry)} is in transition at rest`);
  const user = (entry.eflags & MAP_ENTRY_USER_WIRED) !== 0;
  insist(
    entry.wiredCount >= (user ? 1 : 0),
    () => `${at(name, entry)} is user-wired with a count of ${entry.wiredCount}`,
  );
  insist(entry.object === null || entry.submap === null, () => `${at(name, entry)} has an object and a submap`);
}
