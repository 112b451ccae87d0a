/**
 * Invariants of frames and translations: each frame in exactly one state, wire counts equal to what the entries imply, and every translation
 * what a fresh look-up would allow.
 */
import { NO_SLOT, PTE_PROT } from '../machine/pagetable.js';
import { PROT_READ, PROT_WRITE, protName } from '../vm/prot.js';
import { must } from './check.js';
import type { MapEntry, VmMap } from './map-entry.js';
import type { VmObject } from './object.js';
import { objectOfPage, PG_ABSENT, PG_BUSY, PG_FAKE, PG_WANTED, PQ_FREE, PQ_NONE, pageHas, pageLookup } from './page.js';
import { pagerHasPage } from './pager.js';
import type { CsrgProcess } from './process.js';
import { regionAt } from './syscalls.js';
import type { Vm } from './vm.js';

/** Frames of the pool, and what is wired. */
export function checkPages(vm: Vm, processes: readonly CsrgProcess[]): void {
  const { poolFrames, wireCount } = vm.pages;
  let wired = 0;
  for (let page = 0; page < poolFrames; page++) {
    if (vm.pages.queues.queue[page] === PQ_FREE) checkFree(vm, page);
    else checkUsed(vm, page);
    if (vm.pages.queues.queue[page] !== PQ_FREE && wireCount[page] !== 0) wired++;
  }
  if (vm.wiringAstray !== '' || (vm.pmap.lostWired && !vm.mended)) return;
  must(wired === vm.wiredPages, () => `${vm.wiredPages} pages count as wired, ${wired} are`);
  checkWireCounts(vm, processes);
}

function checkFree(vm: Vm, page: number): void {
  must(objectOfPage(vm, page) === null, () => `frame ${page} is free, and in an object`);
  must(vm.machine.tables.firstMapping(page) === NO_SLOT, () => `frame ${page} is free, and mapped`);
}

/** A frame that is not free belongs to an object, and is on a queue unless it is wired or its write has been begun. */
function checkUsed(vm: Vm, page: number): void {
  const { queues, wireCount } = vm.pages;
  const object = objectOfPage(vm, page);
  must(object !== null, () => `frame ${page} is neither free nor in an object`);
  const writing = vm.swapWrites.some((write) => write.page === page);
  must(pageHas(vm, page, PG_BUSY) === writing, () => `frame ${page} is busy without a reason`);
  must(!pageHas(vm, page, PG_ABSENT) && !pageHas(vm, page, PG_WANTED), () => `frame ${page} is absent or wanted`);
  // vm_fault_copy_entry leaves the mark; it means nothing there, since that object shadows nothing.
  must(!pageHas(vm, page, PG_FAKE) || object?.shadow === null, () => `frame ${page} is still a placeholder`);
  const queued = queues.queue[page] !== PQ_NONE;
  if (vm.wiringAstray !== '' || vm.pmap.lostWired) return;
  must(
    queued === (wireCount[page] === 0),
    () => `frame ${page}: wire count ${wireCount[page]}, queue ${queues.queue[page]}`,
  );
}

/** Each page is wired once for each wired entry that shows it. */
function checkWireCounts(vm: Vm, processes: readonly CsrgProcess[]): void {
  const implied = new Uint16Array(vm.pages.poolFrames);
  for (const process of processes) {
    for (const entry of process.map.index) {
      if (entry.wiredCount === 0 || entry.subMap !== null) continue;
      for (let vpn = entry.start; vpn < entry.end; vpn++) {
        const page = pageShown(vm, process.map, vpn);
        must(page >= 0, () => `${process.name}: page ${vpn} is wired, but not in memory`);
        if (page < implied.length) implied[page] = (implied[page] as number) + 1;
      }
    }
  }
  implied.forEach((expected, page) => {
    if (vm.pages.queues.queue[page] === PQ_FREE) return;
    const is = vm.pages.wireCount[page] as number;
    must(is === expected, () => `frame ${page}: wire count ${is}, entries imply ${expected}`);
  });
}

/** The page that an address shows without asking a pager, or -1. */
function pageShown(vm: Vm, map: VmMap, vpn: number): number {
  const region = regionAt(map, vpn);
  if (region === null) return -1;
  let pindex = region.offset;
  for (let object = region.object; object !== null; object = object.shadow) {
    const page = pageLookup(vm, object, pindex);
    if (page >= 0) return page;
    pindex += object.shadowOffset;
  }
  return -1;
}

/** Every translation of a process shows the page that a look-up would find, and allows no more than it would. */
export function checkTranslations(vm: Vm, process: CsrgProcess, all: readonly CsrgProcess[]): void {
  const { tables } = vm.machine;
  const { pmap } = process;
  let slot = tables.nextSlot(pmap, 0, 2 ** 35);
  while (slot !== NO_SLOT) {
    const vpn = tables.vpnOfSlot(slot);
    checkTranslation(vm, process, all, vpn, slot);
    slot = tables.nextSlot(pmap, vpn + 1, 2 ** 35);
  }
}

function checkTranslation(vm: Vm, process: CsrgProcess, all: readonly CsrgProcess[], vpn: number, slot: number): void {
  const { map } = process;
  const word = vm.machine.tables.pte[slot] as number;
  const frame = vm.machine.tables.frameOf(word);
  const name = (): string =>
    `${process.name}: translation of page ${vpn} (${protName(word & PTE_PROT)}) to frame ${frame}`;
  const entry = map.lookup(vpn);
  must(entry !== null, () => `${name()}: nothing is mapped there`);
  if (entry === null || entry.subMap !== null) return;
  // Translations of a device's page are on no list, so nobody can take them away when the page has been copied (CAVEATS, S14).
  if (!vm.pmap.managed(frame)) return;
  const shown = pageShown(vm, map, vpn);
  must(shown === frame, () => `${name()}: a look-up finds frame ${shown}`);
  if (vm.permissionsAstray !== '') return;
  // Wiring enters translations told nothing or -w-, which stay behind; this hardware allows more than they say (CAVEATS, S9).
  if ((word & PROT_READ) === 0) return;
  must((entry.protection & PROT_READ) !== 0, () => `${name()}: the entry may not be read`);
  if (!vm.pmap.writable(slot)) return;
  must((entry.protection & PROT_WRITE) !== 0, () => `${name()}: the entry may not be written`);
  checkWritable(vm, all, map, vpn, entry, name);
}

/** A store needs a page of the top object, no copy still to be made, and what is there already in the copy object. */
function checkWritable(
  vm: Vm,
  all: readonly CsrgProcess[],
  map: VmMap,
  vpn: number,
  entry: MapEntry,
  name: () => string,
): void {
  const region = regionAt(map, vpn);
  const inner = entry.shareMap === null ? entry : entry.shareMap.lookup(vpn - entry.start + entry.offset);
  if (region === null || region.object === null || inner === null) return;
  const { object, offset } = region;
  must(!inner.needsCopy, () => `${name()}: a copy must be made first`);
  must(pageLookup(vm, object, offset) >= 0, () => `${name()}: its page is not the top object's`);
  must(pushed(vm, all, object, offset), () => `${name()}: the copy object has not been given the page`);
}

/** Whether the copy object has the page, or nobody looks at the page through it. */
function pushed(vm: Vm, all: readonly CsrgProcess[], object: VmObject, pindex: number): boolean {
  const { copy } = object;
  if (copy === null) return true;
  const place = pindex - copy.shadowOffset;
  if (has(vm, copy, place)) return true;
  return !all.some((process) => process.map.index.some((entry) => shows(vm, entry, copy, place)));
}

/** Whether an entry looks at that page of an object that it shadows, no object above having one of its own. */
function shows(vm: Vm, entry: MapEntry, wanted: VmObject, pindex: number): boolean {
  if (entry.shareMap !== null) return entry.shareMap.index.some((inner) => shows(vm, inner, wanted, pindex));
  let depth = 0;
  let object = entry.object;
  for (; object !== null && object !== wanted; object = object.shadow) depth += object.shadowOffset;
  if (object === null) return false;
  let index = pindex - depth;
  if (index < entry.offset || index >= entry.offset + (entry.end - entry.start)) return false;
  for (let above = entry.object as VmObject; above !== wanted; above = above.shadow as VmObject) {
    if (has(vm, above, index)) return false;
    index += above.shadowOffset;
  }
  return true;
}

/** Whether an object has a page, in memory or with its pager. */
function has(vm: Vm, object: VmObject, pindex: number): boolean {
  if (pageLookup(vm, object, pindex) >= 0) return true;
  return object.pager !== null && pagerHasPage(object.pager, pindex + object.pagingOffset);
}
