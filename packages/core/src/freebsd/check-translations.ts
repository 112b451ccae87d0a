/** The part of the invariants that concerns translations: page tables against maps and pages, reverse maps, CPUs against page tables. */
import type { Cpu } from '../machine/cpu.js';
import type { Pmap } from '../machine/pagetable.js';
import {
  NO_SLOT,
  PTE_EXECUTE,
  PTE_MANAGED,
  PTE_PROT,
  PTE_READ,
  PTE_VALID,
  PTE_WIRED,
  PTE_WRITE,
} from '../machine/pagetable.js';
import { TLB_ENTRIES, TLB_TAG_BITS } from '../machine/tlb.js';
import type { NamedMap } from './check.js';
import { insist } from './check.js';
import type { MapEntry } from './map-entry.js';
import { MAP_ENTRY_NEEDS_COPY } from './map-entry.js';
import type { VmObject } from './object.js';
import { pageLookup } from './page.js';
import type { Vm } from './vm.js';

/** Below, a prefault window can wrap. */
const LOWEST_SAFE_PAGE = 4;

export function checkTranslations(vm: Vm, maps: readonly NamedMap[]): void {
  for (const named of maps) checkAddressSpace(vm, named);
  checkReverseMaps(vm);
  for (const cpu of vm.machine.cpus) checkTlb(vm, maps, cpu);
}

function checkAddressSpace(vm: Vm, named: NamedMap): void {
  const { tables } = vm.machine;
  const { pmap } = named.map;
  let count = 0;
  let wired = 0;
  let slot = tables.nextSlot(pmap, 0, 2 ** 35);
  while (slot !== NO_SLOT) {
    const vpn = tables.vpnOfSlot(slot);
    const word = tables.pte[slot] as number;
    checkTranslation(vm, named, vpn, word);
    count++;
    if ((word & PTE_WIRED) !== 0) wired++;
    slot = tables.nextSlot(pmap, vpn + 1, 2 ** 35);
  }
  insist(
    count === pmap.residentCount,
    () => `${named.name} counts ${pmap.residentCount} translations and has ${count}`,
  );
  insist(
    wired === pmap.wiredCount,
    () => `${named.name} counts ${pmap.wiredCount} wired translations and has ${wired}`,
  );
}

/** One translation must show the page that a fault would find now, and allow no more than the fault would. */
function checkTranslation(vm: Vm, named: NamedMap, vpn: number, word: number): void {
  const here = (): string => `${named.name}'s translation of page 0x${vpn.toString(16)}`;
  const entry = named.map.lookup(vpn);
  // As seeded, a prefault near page 0 may map pages before its entry (O17).
  if (entry === null && !vm.mended && vpn < LOWEST_SAFE_PAGE) return;
  insist(entry !== null, () => `${here()} lies in no entry`);
  const found = findPage(vm, entry, vpn);
  const frame = vm.machine.tables.frameOf(word);
  insist(
    found !== null && found.page === frame,
    () => `${here()} shows frame ${frame}, a look-up finds ${found?.page ?? 'none'}`,
  );
  // As seeded, the child of a fork of a wired range gets the maximum protection (O5).
  const allowed = vm.mended ? entry.protection : entry.protection | entry.maxProtection;
  insist((word & PTE_PROT & ~allowed) === 0, () => `${here()} allows more than its entry`);
  if ((word & PTE_WRITE) === 0) return;
  // The child of a fork of a wired range has a copy of its own, and as seeded an entry that says it has not.
  const alone = !vm.mended && found.object.anonymous && found.object.refCount === 1;
  const shared = found.object !== entry.object || ((entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0 && !alone);
  insist(!shared, () => `${here()} can be written though the page is still to be copied`);
}

/** The first page down the chain, and the object that has it. */
function findPage(vm: Vm, entry: MapEntry, vpn: number): { page: number; object: VmObject } | null {
  let pindex = vpn - entry.start + entry.offset;
  for (let object = entry.object; object !== null; object = object.backing) {
    const page = pageLookup(vm, object, pindex);
    if (page >= 0) return { page, object };
    pindex += object.backingOffset;
  }
  return null;
}

/** Every pv entry is a managed translation of that frame, and the lists are closed. */
function checkReverseMaps(vm: Vm): void {
  const { tables } = vm.machine;
  for (let frame = 0; frame < vm.machine.memory.frames; frame++) {
    let before = NO_SLOT;
    for (let slot = tables.firstMapping(frame); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      const word = tables.pte[slot] as number;
      insist(
        (word & PTE_MANAGED) !== 0 && tables.frameOf(word) === frame,
        () => `the reverse map of frame ${frame} names a translation that shows another`,
      );
      insist(tables.previousMapping(slot) === before, () => `the reverse map of frame ${frame} is linked wrongly`);
      before = slot;
    }
    insist(tables.lastMapping(frame) === before, () => `the reverse map of frame ${frame} does not end where it says`);
  }
}

const NEEDED = [PTE_VALID | PTE_READ, PTE_VALID | PTE_WRITE, PTE_VALID | PTE_EXECUTE];

/** What the CPU remembers must still be in its page table. */
function checkTlb(vm: Vm, maps: readonly NamedMap[], cpu: Cpu): void {
  const { tables } = vm.machine;
  const byAsn = new Map<number, Pmap>();
  for (const { map } of maps) if (map.pmap.asnGeneration === tables.asnGeneration) byAsn.set(map.pmap.asn, map.pmap);
  cpu.tlb.tags.forEach((tag, slot) => {
    const pmap = byAsn.get(tag >>> TLB_TAG_BITS);
    if (tag === 0 || pmap === undefined) return;
    const vpn = (tag & ((1 << TLB_TAG_BITS) - 1)) * TLB_ENTRIES + (slot % TLB_ENTRIES);
    const needed = NEEDED[Math.floor(slot / TLB_ENTRIES)] as number;
    const word = tables.pteOf(pmap, vpn);
    const good = (word & needed) === needed && tables.frameOf(word) === cpu.tlb.frames[slot];
    insist(good, () => `CPU ${cpu.id} remembers page 0x${vpn.toString(16)}, which its page table no longer grants`);
  });
}
