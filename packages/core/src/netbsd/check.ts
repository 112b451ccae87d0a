/**
 * Invariants of the whole system, walked from the maps, the frames and the swap area, each against the others.
 *
 * What is exact: the state of each frame; lists, hash and counts of objects; references on objects, amaps, slots and anons; swap slots, each
 * owned once or bad; entries in order and inside their amaps. What the seed itself bends is allowed exactly as far as it bends it: a
 * translation may outlive its place after advice "free" on an anon that others hold (CAVEATS.md), and wire counts may stay behind
 * after unwiring went by missing translations (oddities 4, 6 and 17), so a page may be wired without an entry to show for it, but an entry never
 * lowers the count of a page below zero.
 */
import { InvariantError } from '../kernel/errors.js';
import type { Amap } from './amap.js';
import type { Anon } from './anon.js';
import type { AnonObject } from './aobj.js';
import { checkTranslations } from './check-translations.js';
import type { MapEntry, VmMap } from './map.js';
import { UVM_ET_NEEDSCOPY } from './map.js';
import type { UvmObject } from './object.js';
import { PG_BUSY, PG_RELEASED, PG_TABLED, pageHas, Q_FREE, Q_NONE } from './page.js';
import type { Vm } from './vm.js';

export interface NamedMap {
  readonly name: string;
  readonly map: VmMap;
}

/** Throws with the rule that does not hold, and where. */
export function must(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new InvariantError(rule);
}

/** @throws InvariantError naming the first rule that does not hold */
export function checkInvariants(vm: Vm, maps: readonly NamedMap[]): void {
  const amaps = new Map<Amap, MapEntry[]>();
  const objects = new Map<UvmObject, number>();
  for (const { name, map } of maps) checkMap(name, map, amaps, objects);
  for (const [amap, entries] of amaps) checkAmap(amap, entries);
  checkAnons(vm, amaps);
  checkObjects(vm, objects);
  checkFrames(vm);
  checkSwap(vm);
  checkTranslations(vm, maps);
}

/** Entries lie in order, apart from each other, and inside their amaps; what they refer to is collected. */
function checkMap(name: string, map: VmMap, amaps: Map<Amap, MapEntry[]>, objects: Map<UvmObject, number>): void {
  let end = map.minPage;
  let linked = map.header.next;
  for (const entry of map.index) {
    const where = `${name} entry ${entry.start.toString(16)}`;
    must(entry === linked, `${where}: list and index agree`);
    must(entry.start >= end && entry.end > entry.start, `${where}: entries are in order and apart`);
    must(entry.wiredCount >= 0, `${where}: wired count`);
    if (entry.object !== null) objects.set(entry.object, (objects.get(entry.object) ?? 0) + 1);
    if (entry.amap !== null) {
      const last = entry.pageoff + entry.end - entry.start;
      must(entry.pageoff >= 0 && last <= entry.amap.nslot, `${where}: lies within its amap`);
      const users = amaps.get(entry.amap);
      if (users === undefined) amaps.set(entry.amap, [entry]);
      else users.push(entry);
    }
    end = entry.end;
    linked = entry.next;
  }
  must(end <= map.maxPage && linked === map.header, `${name}: the list ends where the index does`);
}

/** Whether an entry shows a slot of its amap. */
function shows(entry: MapEntry, slot: number): boolean {
  return slot >= entry.pageoff && slot < entry.pageoff + entry.end - entry.start;
}

function checkAmap(amap: Amap, users: readonly MapEntry[]): void {
  must(amap.ref === users.length, `an amap with ${amap.ref} references has ${users.length} entries`);
  must(!amap.shared || amap.ref > 1, 'a shared amap has more than one entry');
  must(amap.nslot <= amap.maxslot && amap.anons.length === amap.maxslot, 'an amap has room for its slots');
  let used = 0;
  for (let slot = 0; slot < amap.maxslot; slot++) {
    if (amap.anons[slot] === null) continue;
    used++;
    must(amap.slots[amap.bckptr[slot]] === slot, `slot ${slot} is listed as used`);
    const seen = users.filter((entry) => shows(entry, slot)).length;
    must(seen > 0, `the anon in slot ${slot} is seen by some entry`);
    if (amap.ppref !== null)
      must(amap.ppref[slot] === seen, `slot ${slot} counts its entries: ${amap.ppref[slot]}, ${seen}`);
  }
  must(used === amap.slots.length, 'the list of used slots has no others');
  // Two entries that may both change the amap without having copied it would see each other's writes.
  const writers = users.filter((entry) => (entry.etype & UVM_ET_NEEDSCOPY) === 0);
  for (let i = 1; i < writers.length && !amap.shared; i++) {
    const apart = !shows(writers[i - 1], writers[i].pageoff) && !shows(writers[i], writers[i - 1].pageoff);
    must(apart, 'entries that see the same slots of an amap share it or must copy it');
  }
}

/** An anon is held as often as it says, and its page knows it. */
function checkAnons(vm: Vm, amaps: ReadonlyMap<Amap, MapEntry[]>): void {
  const held = new Map<Anon, number>();
  for (const amap of amaps.keys()) {
    for (const slot of amap.slots) {
      const anon = amap.anons[slot] as Anon;
      held.set(anon, (held.get(anon) ?? 0) + 1);
    }
  }
  for (const [anon, count] of held)
    must(anon.ref === count, `anon ${anon.id} has ${anon.ref} references, found ${count}`);
  const free = new Set(vm.freeAnons);
  let live = 0;
  for (const anon of vm.anons) {
    if (anon === null || free.has(anon.id)) continue;
    live++;
    const leaving = anon.ref === 0 && anon.page >= 0 && pageHas(vm, anon.page, PG_RELEASED);
    must(held.has(anon) || leaving, `anon ${anon.id} is held by some amap`);
    if (anon.page >= 0) must(vm.pages.anon[anon.page] === anon.id, `the page of anon ${anon.id} knows it`);
  }
  must(live === vm.liveAnons, 'anons are free or in use');
}

/** References that an object has besides its mappings. */
function ownReferences(object: UvmObject): number {
  return object.kind === 'device' ? 0 : 1;
}

function checkObjects(vm: Vm, mapped: ReadonlyMap<UvmObject, number>): void {
  let filePages = 0;
  for (const object of vm.objects) {
    if (object === null) continue;
    const refs = ownReferences(object) + (mapped.get(object) ?? 0);
    must(object.refs === refs, `${object.lock.name} has ${object.refs} references, found ${refs}`);
    let count = 0;
    let before = -1;
    for (let page = object.first; page >= 0; page = vm.pages.links.next(page)) {
      must(vm.pages.hash.object[page] === object.id, `${object.lock.name}: its pages are its own`);
      must(vm.pages.links.previous(page) === before, `${object.lock.name}: its list runs both ways`);
      must(
        vm.pages.hash.lookup(object.id, vm.pages.hash.pindex[page]) === page,
        `${object.lock.name}: its pages are found`,
      );
      before = page;
      count++;
    }
    must(object.last === before && object.npages === count, `${object.lock.name}: has as many pages as it says`);
    if (object.kind === 'vnode') filePages += count;
  }
  must(filePages === vm.filepages + vm.execpages, 'pages of files are counted as file or text');
}

/** Each frame is free, or owned, or lent without an owner; and on the queue that goes with it. */
function checkFrames(vm: Vm): void {
  const { pages } = vm;
  let wired = 0;
  for (let page = 0; page < pages.poolFrames; page++) {
    const where = `frame ${page}`;
    const queue = pages.queues.queue[page];
    const owned = pages.hash.object[page] !== 0 || pages.anon[page] !== 0;
    must(
      ((pages.flags[page] & PG_TABLED) !== 0) === (pages.hash.object[page] !== 0),
      `${where}: tabled means in an object`,
    );
    if (pages.wireCount[page] !== 0) wired++;
    if (queue === Q_FREE) {
      must(!owned && pages.loanCount[page] === 0 && pages.wireCount[page] === 0, `${where}: a free page is nobody's`);
      must(vm.machine.tables.firstMapping(page) < 0, `${where}: a free page has no translations`);
      continue;
    }
    must(
      owned || pages.loanCount[page] > 0 || pageHas(vm, page, PG_BUSY),
      `${where}: a page that is not free belongs to somebody`,
    );
    if (queue !== Q_NONE) {
      must(owned, `${where}: a queued page has an owner`);
      must(pages.wireCount[page] === 0, `${where}: a queued page is not wired`);
    }
  }
  must(wired === vm.wiredPages, `pages with a wire count: ${wired}, counted ${vm.wiredPages}`);
}

/** Each slot is free, or owned once, or bad; and pages that are only on swap are counted. */
function checkSwap(vm: Vm): void {
  const owners = new Map<number, boolean>();
  const own = (slot: number, resident: boolean): void => {
    if (slot <= 0) return;
    must(!owners.has(slot), `swap slot ${slot} has one owner`);
    must(vm.swap.taken[slot] !== 0, `swap slot ${slot} is taken`);
    owners.set(slot, resident);
  };
  const free = new Set(vm.freeAnons);
  for (const anon of vm.anons) if (anon !== null && !free.has(anon.id)) own(anon.swslot, anon.page >= 0);
  for (const object of vm.objects) {
    if (object?.kind !== 'aobj') continue;
    for (const [index, slot] of (object as AnonObject).slots) {
      own(slot, vm.pages.hash.lookup(object.id, index) >= 0);
    }
  }
  let taken = 0;
  for (const slot of vm.swap.taken) taken += slot;
  must(taken === vm.swap.inUse, 'swap slots in use are counted');
  must(
    vm.swap.inUse === owners.size + vm.swap.bad,
    `swap slots: ${owners.size} owned, ${vm.swap.bad} bad, ${taken} taken`,
  );
  const away = [...owners.values()].filter((resident) => !resident).length;
  must(
    vm.swap.only === away + vm.swap.badOnly,
    `pages only on swap: ${away} and ${vm.swap.badOnly} lost, counted ${vm.swap.only}`,
  );
}
