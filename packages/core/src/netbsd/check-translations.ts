/** The part of the invariants that speaks of translations: each shows what a fresh look-up finds, and allows no more than it would. */
import { PTE_FRAME_SHIFT, PTE_WRITE } from '../machine/pagetable.js';
import { PROT_WRITE } from '../vm/prot.js';
import { must, type NamedMap } from './check.js';
import type { DeviceObject } from './device.js';
import type { MapEntry, VmMap } from './map.js';
import { UVM_ET_COPYONWRITE, UVM_ET_NEEDSCOPY } from './map.js';
import { pageLookup } from './page.js';
import type { Vm } from './vm.js';

export function checkTranslations(vm: Vm, maps: readonly NamedMap[]): void {
  const { tables } = vm.machine;
  for (const { name, map } of maps) {
    let count = 0;
    let slot = tables.nextSlot(map.pmap, map.minPage, map.maxPage);
    while (slot >= 0) {
      const vpn = tables.vpnOfSlot(slot);
      checkOne(vm, name, map, vpn, tables.pte[slot]);
      count++;
      slot = tables.nextSlot(map.pmap, vpn + 1, map.maxPage);
    }
    must(count === map.pmap.residentCount, `${name}: translations are counted`);
  }
}

/** The entry that a fault at the page would find, through submaps. */
function entryAt(map: VmMap, vpn: number): MapEntry | null {
  let entry = map.lookup(vpn);
  while (entry !== null && entry.submap !== null) entry = entry.submap.lookup(vpn);
  return entry;
}

function checkOne(vm: Vm, name: string, map: VmMap, vpn: number, word: number): void {
  const where = `${name} page ${vpn.toString(16)}`;
  const frame = word >>> PTE_FRAME_SHIFT;
  const writable = (word & PTE_WRITE) !== 0;
  const entry = entryAt(map, vpn);
  if (entry === null) {
    // What is unmapped in a submap, or a submap itself, leaves its translations behind in the outer map.
    must(vm.everSubmap, `${where}: translated without an entry`);
    return;
  }
  if (writable) must((entry.protection & PROT_WRITE) !== 0, `${where}: writable though the entry is not`);
  const anon = entry.amap === null ? null : entry.amap.anons[entry.pageoff + vpn - entry.start];
  if (anon !== null) {
    must(anon.page === frame, `${where}: shows another frame than its anon has`);
    if (!writable) return;
    // A copy of an amap that third parties share leaves their translations writable (oddity 14).
    must(anon.ref === 1 || vm.everCopiedShared, `${where}: writable though ${anon.ref} amaps hold the anon`);
    must(vm.pages.loanCount[frame] === 0, `${where}: writable though on loan`);
    must((entry.etype & UVM_ET_NEEDSCOPY) === 0, `${where}: writable though the amap must be copied`);
    return;
  }
  checkLower(vm, where, entry, vpn, frame, writable);
}

function checkLower(vm: Vm, where: string, entry: MapEntry, vpn: number, frame: number, writable: boolean): void {
  const { object } = entry;
  const index = entry.offset + vpn - entry.start;
  // As seeded advice "free" takes an anon out of the amap but not out of the translations while others hold it.
  const left = !vm.mended && frame < vm.pages.poolFrames && vm.pages.anon[frame] !== 0 && !writable;
  if (object === null) {
    must(left, `${where}: translated though there is neither anon nor object`);
  } else if (object.kind === 'device') {
    must(frame === (object as DeviceObject).device.frameOf(index), `${where}: shows another frame than the device's`);
  } else {
    must(left || pageLookup(vm, object, index) === frame, `${where}: shows another frame than the object has`);
    if (!writable) return;
    must((entry.etype & UVM_ET_COPYONWRITE) === 0, `${where}: a copy-on-write range writes into its object`);
    must(vm.pages.loanCount[frame] === 0, `${where}: writable though on loan`);
  }
}
