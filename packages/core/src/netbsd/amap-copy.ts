/**
 * amap_copy and amap_cow_now: an entry gets an amap of its own.
 *
 * Copying an amap copies no data: the new amap holds the same anons, each with one reference more, and the first write to one of them copies that
 * page. Only where the old owner may not fault, because its entry is wired, are the pages copied at once.
 *
 * A range without any amap gets an empty one. If it is large, only the 16-page pieces around the address do; and if a neighbour that is otherwise
 * equal has an amap for itself, the two become one entry and the neighbour's amap is extended.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Amap } from './amap.js';
import { adjustPpref, amapAlloc, fillSlot, UVM_AMAP_CHUNK, UVM_AMAP_LARGE } from './amap.js';
import type { Anon } from './anon.js';
import { anonAlloc, anonUnref } from './anon.js';
import type { MapEntry, VmMap } from './map.js';
import { clipEnd, clipStart, UVM_ET_NEEDSCOPY } from './map.js';
import { tryMerge } from './map-merge.js';
import { PG_BUSY, PG_FAKE, PG_WANTED, pageActivate, pageAlloc, pageCopy, pageHas } from './page.js';
import type { Vm } from './vm.js';
import { callAccount, waitForMemory, waitForPage } from './wait.js';

/**
 * amap_copy: gives the entry an amap of its own, and clears needs_copy; no memory for it, or for the entries that are clipped off: nothing changes. With `chunk` a large entry is clipped
 * around pages `start` to `end`.
 */
export function amapCopy(vm: Vm, map: VmMap, entry: MapEntry, chunk: boolean, start: number, end: number): void {
  const source = entry.amap;
  if (source === null) {
    firstAmap(vm, map, entry, chunk, start, end);
    return;
  }
  if (source.ref === 1) {
    entry.etype &= ~UVM_ET_NEEDSCOPY;
    return;
  }
  const slots = entry.end - entry.start;
  const amap = amapAlloc(vm, slots);
  if (amap === null) return;
  for (let i = 0; i < slots; i++) {
    const anon = source.anons[entry.pageoff + i];
    if (anon === null) continue;
    anon.ref++;
    fillSlot(amap, i, anon);
  }
  source.ref--;
  if (source.ref === 1) source.shared = false;
  if (source.ppref !== null) adjustPpref(vm, source, entry.pageoff, slots, -1);
  entry.pageoff = 0;
  entry.amap = amap;
  entry.etype &= ~UVM_ET_NEEDSCOPY;
}

function firstAmap(vm: Vm, map: VmMap, entry: MapEntry, chunk: boolean, start: number, end: number): void {
  if (chunk && entry.end - entry.start >= UVM_AMAP_LARGE) {
    const from = Math.floor(start / UVM_AMAP_CHUNK) * UVM_AMAP_CHUNK;
    const to = Math.ceil(end / UVM_AMAP_CHUNK) * UVM_AMAP_CHUNK;
    if (from > entry.start && vm.refuses('map entry')) return;
    if (to < entry.end && vm.refuses('map entry')) return;
    clipStart(map, entry, from);
    clipEnd(map, entry, to);
  }
  if (tryMerge(vm, map, entry)) return;
  const amap = amapAlloc(vm, entry.end - entry.start);
  if (amap === null) return;
  entry.pageoff = 0;
  entry.amap = amap;
  entry.etype &= ~UVM_ET_NEEDSCOPY;
}

/**
 * amap_cow_now: copies every page of the entry's amap that another amap holds too. The old owner is wired, so the pages are there; those on
 * loan are left alone, since nobody may write them anyway. Waits for memory; false when it gives up. `wiredOnly`: only pages that are wired.
 */
export function* amapCowNow(vm: Vm, thread: Thread, entry: MapEntry, wiredOnly = false): Task<boolean> {
  const amap = entry.amap as Amap;
  const account = callAccount(vm);
  for (let at = 0; at < amap.slots.length; at++) {
    const slot = amap.slots[at];
    const anon = amap.anons[slot] as Anon;
    if (anon.ref === 1) continue;
    const { page } = anon;
    if (wiredOnly && (page < 0 || vm.pages.wireCount[page] === 0)) continue;
    if (page < 0) vm.panic('amap_cow_now: page of a wired entry is not resident');
    if (vm.pages.loanCount[page] !== 0) continue;
    if (pageHas(vm, page, PG_BUSY)) {
      vm.pages.flags[page] |= PG_WANTED;
      yield* waitForPage(vm, thread, page, 'cownow');
      at = -1;
    } else if (!copyNow(vm, amap, slot, anon)) {
      if (!(yield* waitForMemory(vm, thread, account, 'cownowpage'))) return false;
      at = -1;
    }
  }
  return true;
}

/** Replaces an anon by a copy; false without memory. */
function copyNow(vm: Vm, amap: Amap, slot: number, anon: Anon): boolean {
  const copy = anonAlloc(vm);
  const page = copy === null ? -1 : pageAlloc(vm, null, 0, copy, false);
  if (copy === null || page < 0) {
    if (copy !== null) anonUnref(vm, copy);
    return false;
  }
  pageCopy(vm, anon.page, page);
  anon.ref--;
  amap.anons[slot] = copy;
  pageActivate(vm, page);
  vm.pages.flags[page] &= ~(PG_BUSY | PG_FAKE);
  return true;
}
