/**
 * The pmap of DragonFly on pc64, over the machine's page tables.
 *
 * What is this platform's own: there is no read bit and no execute bit, so any valid translation can be read and executed, even one entered
 * with no permission at all; only the write bit counts. The letters of a protection are kept with each translation all the same,
 * as the pmap was told them, for whoever looks. Accessed and modified bits move to the page (PG_REFERENCED, dirty) when a translation goes
 * or loses a permission. Fork copies no translations. A page is worth prefaulting only where its 2 MiB region has a
 * page-table page already; page-table pages themselves are outside the frame pool.
 *
 * All of it is synchronous.
 */
import type { PageTables, Pmap } from '../machine/pagetable.js';
import {
  NO_SLOT,
  PTE_FRAME_SHIFT,
  PTE_MANAGED,
  PTE_MODIFIED,
  PTE_PROT,
  PTE_REFERENCED,
  PTE_WIRED,
  PTE_WRITE,
} from '../machine/pagetable.js';
import type { Prot } from '../vm/prot.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import {
  PG_FICTITIOUS,
  PG_REFERENCED,
  PG_UNMANAGED,
  PG_WRITEABLE,
  pageClearFlag,
  pageDirty,
  pageHasFlag,
  pageSetFlag,
} from './page.js';
import type { Vm } from './vm.js';

/** Accessed translations that one question counts at most. */
const TS_REFERENCED_MAX = 5;
/** One above the highest page number of a user. */
const PAGE_LIMIT = 2 ** 35;

export class DragonflyPmap {
  private readonly tables: PageTables;

  constructor(private readonly vm: Vm) {
    this.tables = vm.machine.tables;
  }

  /** Hands the bits of a translation that goes away to its page. */
  private keepBits(word: number): void {
    if ((word & PTE_MANAGED) === 0) return;
    const page = word >>> PTE_FRAME_SHIFT;
    if ((word & PTE_MODIFIED) !== 0) pageDirty(this.vm, page);
    if ((word & PTE_REFERENCED) !== 0) pageSetFlag(this.vm, page, PG_REFERENCED);
  }

  /** Removes a translation; the page is no longer writeable anywhere once the last is gone. */
  private drop(slot: number): void {
    const word = this.tables.remove(slot);
    this.keepBits(word);
    this.noteLast(word);
    this.vm.machine.clock.advance(this.vm.machine.costs.pmapRemove);
  }

  private noteLast(word: number): void {
    const page = word >>> PTE_FRAME_SHIFT;
    if (this.tables.firstMapping(page) === NO_SLOT) pageClearFlag(this.vm, page, PG_WRITEABLE);
  }

  /** Whether a test refuses a translation where there is none yet: no pv entry, or no page-table page. */
  refuses(pmap: Pmap, vpn: number): boolean {
    const { allocationFails } = this.vm;
    return allocationFails !== null && this.tables.pteOf(pmap, vpn) === 0 && allocationFails('translation');
  }

  /**
   * pmap_enter: makes or replaces the translation of a page. One that would be the same keeps its bits. Never fails: who can do something
   * about it asks `refuses` first.
   */
  enter(pmap: Pmap, vpn: number, page: number, prot: Prot, wired: boolean): void {
    const tables = this.tables;
    const managed = !pageHasFlag(this.vm, page, PG_FICTITIOUS | PG_UNMANAGED);
    const flags = prot | (wired ? PTE_WIRED : 0) | (managed ? PTE_MANAGED : 0);
    const slot = tables.slotOf(pmap, vpn);
    this.vm.machine.clock.advance(this.vm.machine.costs.pmapEnter);
    if (slot !== NO_SLOT && tables.frameOf(tables.pte[slot] as number) === page) {
      const word = tables.pte[slot] as number;
      if (managed && (word & PTE_MODIFIED) !== 0) pageDirty(this.vm, page);
      const hardware = PTE_WRITE | PTE_WIRED | PTE_MANAGED;
      const kept = ((word ^ flags) & hardware) === 0 ? word & (PTE_REFERENCED | PTE_MODIFIED) : PTE_REFERENCED;
      tables.setFlags(slot, flags | kept);
    } else {
      if (slot !== NO_SLOT) this.drop(slot);
      tables.insert(pmap, vpn, page, flags | PTE_REFERENCED);
    }
    if ((prot & PROT_WRITE) !== 0 && managed) pageSetFlag(this.vm, page, PG_WRITEABLE);
  }

  /** pmap_enter_quick: a read translation where there is none; no access is pretended. Without memory for it, nothing happens. */
  enterQuick(pmap: Pmap, vpn: number, page: number): void {
    if (this.tables.pteOf(pmap, vpn) !== 0 || this.refuses(pmap, vpn)) return;
    const managed = !pageHasFlag(this.vm, page, PG_FICTITIOUS | PG_UNMANAGED);
    this.tables.insert(pmap, vpn, page, PROT_READ | (managed ? PTE_MANAGED : 0));
    this.vm.machine.clock.advance(this.vm.machine.costs.pmapEnter);
  }

  /** pmap_prefault_ok: no translation here, but some in the same 2 MiB. */
  prefaultOk(pmap: Pmap, vpn: number): boolean {
    return this.tables.pteOf(pmap, vpn) === 0 && this.tables.regionCount(pmap, vpn) > 0;
  }

  /** pmap_extract: the frame behind a page, or -1. */
  extract(pmap: Pmap, vpn: number): number {
    const word = this.tables.pteOf(pmap, vpn);
    return word === 0 ? -1 : this.tables.frameOf(word);
  }

  /** pmap_change_wiring: sets or clears the wired mark. */
  changeWiring(pmap: Pmap, vpn: number, wired: boolean): void {
    const slot = this.tables.slotOf(pmap, vpn);
    if (slot === NO_SLOT) return;
    const flags = (this.tables.pte[slot] as number) & 0xff;
    this.tables.setFlags(slot, wired ? flags | PTE_WIRED : flags & ~PTE_WIRED);
  }

  /** pmap_remove: drops the translations of pages `start` to `end`. */
  remove(pmap: Pmap, start: number, end: number): void {
    const tables = this.tables;
    let at = start;
    while (pmap.residentCount > 0) {
      const slot = tables.nextSlot(pmap, at, end);
      if (slot === NO_SLOT) return;
      at = tables.vpnOfSlot(slot) + 1;
      this.drop(slot);
    }
  }

  /** pmap_protect: takes the write permission away from pages `start` to `end`, or everything; never gives any. */
  protect(pmap: Pmap, start: number, end: number, prot: Prot): void {
    if ((prot & PROT_READ) === 0) {
      this.remove(pmap, start, end);
      return;
    }
    if ((prot & PROT_WRITE) !== 0) return;
    const tables = this.tables;
    let slot = tables.nextSlot(pmap, start, end);
    while (slot !== NO_SLOT) {
      const word = tables.pte[slot] as number;
      this.keepBits(word);
      const kept = (word & 0xff & ~PTE_PROT) | (word & prot & PTE_PROT);
      tables.setFlags(slot, (word & PTE_MANAGED) !== 0 ? kept & ~(PTE_REFERENCED | PTE_MODIFIED) : kept);
      slot = tables.nextSlot(pmap, tables.vpnOfSlot(slot) + 1, end);
    }
  }

  /** vm_page_protect(VM_PROT_NONE): drops every translation of a page, in every address space. */
  removeAll(page: number): void {
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.firstMapping(page)) this.drop(slot);
    pageClearFlag(this.vm, page, PG_WRITEABLE);
  }

  /** vm_page_protect(VM_PROT_READ): takes the write permission from every translation of a page. */
  removeWrite(page: number): void {
    if (!pageHasFlag(this.vm, page, PG_WRITEABLE)) return;
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      const word = tables.pte[slot] as number;
      if ((word & PTE_WRITE) === 0) continue;
      if ((word & PTE_MODIFIED) !== 0) pageDirty(this.vm, page);
      tables.setFlags(slot, word & 0xff & ~(PTE_WRITE | PTE_MODIFIED));
    }
    pageClearFlag(this.vm, page, PG_WRITEABLE);
  }

  /** pmap_ts_referenced: counts and clears accessed bits, at most five; what was looked at goes to the end of the list. */
  tsReferenced(page: number): number {
    if (pageHasFlag(this.vm, page, PG_FICTITIOUS)) return 0;
    const tables = this.tables;
    const first = tables.firstMapping(page);
    let slot = first;
    let count = 0;
    while (slot !== NO_SLOT) {
      const next = tables.nextMapping(slot);
      tables.pvRequeue(page, slot);
      const flags = (tables.pte[slot] as number) & 0xff;
      if ((flags & PTE_REFERENCED) !== 0) {
        tables.setFlags(slot, flags & ~PTE_REFERENCED);
        if (++count === TS_REFERENCED_MAX) break;
      }
      slot = next === first ? NO_SLOT : next;
    }
    return count;
  }

  /** pmap_is_modified: whether some translation of the page has been written through. */
  isModified(page: number): boolean {
    return this.anyHas(page, PTE_MODIFIED);
  }

  /** Whether some translation of the page has been used. */
  isReferenced(page: number): boolean {
    return this.anyHas(page, PTE_REFERENCED);
  }

  private anyHas(page: number, bit: number): boolean {
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      if (((tables.pte[slot] as number) & bit) !== 0) return true;
    }
    return false;
  }

  /** pmap_clear_modify. */
  clearModify(page: number): void {
    this.clearBit(page, PTE_MODIFIED);
  }

  /** pmap_clear_reference. */
  clearReference(page: number): void {
    this.clearBit(page, PTE_REFERENCED);
  }

  private clearBit(page: number, bit: number): void {
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      const flags = (tables.pte[slot] as number) & 0xff;
      if ((flags & bit) !== 0) tables.setFlags(slot, flags & ~bit);
    }
  }

  /** Whether any address space translates to the page. */
  isMapped(page: number): boolean {
    return this.tables.firstMapping(page) !== NO_SLOT;
  }

  /** pmap_remove_pages: at exit, drops all translations that are not wired; of their bits only the modified one counts. */
  removePages(pmap: Pmap): void {
    const tables = this.tables;
    let slot = tables.nextSlot(pmap, 0, PAGE_LIMIT);
    while (slot !== NO_SLOT) {
      const next = tables.vpnOfSlot(slot) + 1;
      if (((tables.pte[slot] as number) & PTE_WIRED) === 0) {
        const word = tables.remove(slot);
        this.keepBits(word & ~PTE_REFERENCED);
        this.noteLast(word);
      }
      slot = tables.nextSlot(pmap, next, PAGE_LIMIT);
    }
  }

  /** pmap_mincore's question: the word of a translation, 0 when there is none. */
  word(pmap: Pmap, vpn: number): number {
    return this.tables.pteOf(pmap, vpn);
  }
}
