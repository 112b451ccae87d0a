/** Which page of a wired range is the one that its wiring counts, found without the translation. */
import type { MapEntry } from './map-entry.js';
import { pageLookup } from './page.js';
import type { Vm } from './vm.js';

/** Mended: the page that wiring has counted for a place, whether or not the translation still shows it; -1 where there is none. */
export function wiredPage(vm: Vm, entry: MapEntry, vpn: number, mapped: number): number {
  if (mapped >= 0 && vm.pages.wireCount[mapped] !== 0) return mapped;
  let pindex = Math.floor(vpn - entry.start + entry.offset);
  for (let object = entry.object; object !== null; object = object.backing) {
    const page = pageLookup(vm, object, pindex);
    if (page >= 0 && vm.pages.wireCount[page] !== 0) return page;
    pindex += object.backingOffset;
  }
  return -1;
}
