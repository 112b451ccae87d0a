/**
 * The pmap of FreeBSD on amd64, over the machine's page tables.
 *
 * What is this platform's own: a translation can be made without permission to write and raised by the next fault; `enterQuick` never
 * gives the write permission; referenced and modified bits move to the page (PG_REFERENCED, dirty) whenever a translation
 * goes or changes; fork copies translations, 2 MiB at a time, and gives a piece up as soon as the child has as many as the
 * parent; a page is worth prefaulting only where its 2 MiB region has a page-table page already.
 *
 * All of it is synchronous: on this platform nothing here sleeps while other locks are held.
 */
import type { Machine } from '../machine/machine.js';
import type { PageTables, Pmap } from '../machine/pagetable.js';
import {
  LEAF_PAGES,
  NO_SLOT,
  PTE_EXECUTE,
  PTE_FRAME_SHIFT,
  PTE_MANAGED,
  PTE_MODIFIED,
  PTE_PROT,
  PTE_READ,
  PTE_REFERENCED,
  PTE_WIRED,
  PTE_WRITE,
} from '../machine/pagetable.js';
import type { Prot } from '../vm/prot.js';
import { PROT_EXECUTE, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { Pages } from './page.js';
import { PG_FICTITIOUS, PG_REFERENCED, PG_UNMANAGED, PG_WRITEABLE, VM_PAGE_BITS_ALL } from './page.js';

/** Referenced translations that one question counts at most. */
const TS_REFERENCED_MAX = 5;

export class FreebsdPmap {
  private readonly tables: PageTables;

  constructor(
    private readonly machine: Machine,
    private readonly pages: Pages,
    private readonly vm: { readonly allocationFails: ((kind: 'translation') => boolean) | null },
  ) {
    this.tables = machine.tables;
  }

  /** Whether translations of the page have pv entries. */
  private managed(page: number): boolean {
    return ((this.pages.flags[page] as number) & (PG_FICTITIOUS | PG_UNMANAGED)) === 0;
  }

  /** Hands the bits of a translation that goes away to its page. */
  private keepBits(word: number): void {
    if ((word & PTE_MANAGED) === 0) return;
    const page = word >>> PTE_FRAME_SHIFT;
    if ((word & PTE_MODIFIED) !== 0) this.pages.dirty[page] = VM_PAGE_BITS_ALL;
    if ((word & PTE_REFERENCED) !== 0) this.pages.flags[page] = (this.pages.flags[page] as number) | PG_REFERENCED;
  }

  /** Removes a translation; its bits go to the page, which is no longer writeable anywhere once the last is gone. */
  private drop(slot: number): void {
    const word = this.tables.remove(slot);
    this.keepBits(word);
    this.noteLast(word);
  }

  private noteLast(word: number): void {
    const page = word >>> PTE_FRAME_SHIFT;
    if (this.tables.firstMapping(page) !== NO_SLOT) return;
    this.pages.flags[page] = (this.pages.flags[page] as number) & ~PG_WRITEABLE;
  }

  /** Whether a test refuses a translation where there is none yet: no pv entry, or no page-table page. */
  refuses(pmap: Pmap, vpn: number): boolean {
    const { allocationFails } = this.vm;
    return allocationFails !== null && this.tables.pteOf(pmap, vpn) === 0 && allocationFails('translation');
  }

  /** pmap_enter: makes or replaces the translation of a page. Never fails: who can do something about it asks `refuses` first. */
  enter(pmap: Pmap, vpn: number, page: number, prot: Prot, wired: boolean): void {
    const tables = this.tables;
    const managed = this.managed(page);
    const flags = prot | PTE_REFERENCED | (wired ? PTE_WIRED : 0) | (managed ? PTE_MANAGED : 0);
    const slot = tables.slotOf(pmap, vpn);
    if (slot !== NO_SLOT && tables.frameOf(tables.pte[slot] as number) === page) {
      if ((prot & PROT_WRITE) !== 0 && managed) this.setWriteable(page);
      this.keepBits(tables.pte[slot] as number);
      tables.setFlags(slot, flags);
    } else {
      if (slot !== NO_SLOT) this.drop(slot);
      if ((prot & PROT_WRITE) !== 0 && managed) this.setWriteable(page);
      tables.insert(pmap, vpn, page, flags);
    }
    this.machine.clock.advance(this.machine.costs.pmapEnter);
  }

  private setWriteable(page: number): void {
    this.pages.flags[page] = (this.pages.flags[page] as number) | PG_WRITEABLE;
  }

  /** pmap_enter_quick: a read translation where there is none; no access is pretended. Without memory for it, nothing happens. */
  enterQuick(pmap: Pmap, vpn: number, page: number, prot: Prot): void {
    if (this.tables.pteOf(pmap, vpn) !== 0 || this.refuses(pmap, vpn)) return;
    const flags = (prot & (PROT_READ | PROT_EXECUTE)) | (this.managed(page) ? PTE_MANAGED : 0);
    this.tables.insert(pmap, vpn, page, flags);
    this.machine.clock.advance(this.machine.costs.pmapEnter);
  }

  /** pmap_is_prefaultable: no translation here, but some in the same 2 MiB, so that entering one allocates nothing. */
  isPrefaultable(pmap: Pmap, vpn: number): boolean {
    return this.tables.isGap(pmap, vpn);
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
      this.machine.clock.advance(this.machine.costs.pmapRemove);
    }
  }

  /** pmap_protect: takes permissions away from pages `start` to `end`; never gives any. */
  protect(pmap: Pmap, start: number, end: number, prot: Prot): void {
    if ((prot & PROT_READ) === 0) {
      this.remove(pmap, start, end);
      return;
    }
    const both = PROT_WRITE | PROT_EXECUTE;
    if ((prot & both) === both) return;
    const tables = this.tables;
    let slot = tables.nextSlot(pmap, start, end);
    while (slot !== NO_SLOT) {
      this.restrict(slot, prot);
      slot = tables.nextSlot(pmap, tables.vpnOfSlot(slot) + 1, end);
    }
  }

  private restrict(slot: number, prot: Prot): void {
    const word = this.tables.pte[slot] as number;
    let flags = word & 0xff;
    if ((flags & PTE_MANAGED) !== 0) {
      this.keepBits(word);
      flags &= ~PTE_REFERENCED;
    }
    if ((prot & PROT_WRITE) === 0) flags &= ~(PTE_WRITE | PTE_MODIFIED);
    if ((prot & PROT_EXECUTE) === 0) flags &= ~PTE_EXECUTE;
    if (flags !== (word & 0xff)) this.tables.setFlags(slot, flags);
  }

  /** pmap_remove_all: drops every translation of a page, in every address space. */
  removeAll(page: number): void {
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.firstMapping(page)) {
      this.keepBits(tables.remove(slot));
      this.machine.clock.advance(this.machine.costs.pmapRemove);
    }
    this.pages.flags[page] = (this.pages.flags[page] as number) & ~PG_WRITEABLE;
  }

  /** pmap_remove_write: takes the write permission from every translation of a page. */
  removeWrite(page: number): void {
    if (((this.pages.flags[page] as number) & PG_WRITEABLE) === 0) return;
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      const word = tables.pte[slot] as number;
      if ((word & PTE_WRITE) === 0) continue;
      if ((word & PTE_MODIFIED) !== 0) this.pages.dirty[page] = VM_PAGE_BITS_ALL;
      tables.setFlags(slot, word & 0xff & ~(PTE_WRITE | PTE_MODIFIED));
    }
    this.pages.flags[page] = (this.pages.flags[page] as number) & ~PG_WRITEABLE;
  }

  /** pmap_ts_referenced: counts and clears referenced bits, at most five; what was looked at goes to the end of the list. */
  tsReferenced(page: number): number {
    if (((this.pages.flags[page] as number) & PG_FICTITIOUS) !== 0) return 0;
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
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      if (((tables.pte[slot] as number) & PTE_MODIFIED) !== 0) return true;
    }
    return false;
  }

  /** vm_page_test_dirty: a page written through some translation is dirty. */
  testDirty(page: number): void {
    if (this.pages.dirty[page] !== VM_PAGE_BITS_ALL && this.isModified(page)) this.pages.dirty[page] = VM_PAGE_BITS_ALL;
  }

  /** pmap_clear_modify: forgets that the page was written. */
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

  /**
   * pmap_copy: gives the child what the parent has of pages `start` to `end`, unused and unwired. A 2 MiB piece is left as soon as
   * the child has as many translations in it as the parent. One that cannot be had is left to a fault of the child.
   */
  copy(to: Pmap, from: Pmap, start: number, end: number): void {
    const tables = this.tables;
    let slot = tables.nextSlot(from, start, end);
    while (slot !== NO_SLOT) {
      const vpn = tables.vpnOfSlot(slot);
      const word = tables.pte[slot] as number;
      let next = vpn + 1;
      if ((word & PTE_MANAGED) !== 0) {
        if (tables.pteOf(to, vpn) === 0 && !this.refuses(to, vpn)) {
          tables.insert(to, vpn, word >>> PTE_FRAME_SHIFT, (word & PTE_PROT) | PTE_MANAGED);
        }
        if (tables.regionCount(to, vpn) >= tables.regionCount(from, vpn)) {
          next = (Math.floor(vpn / LEAF_PAGES) + 1) * LEAF_PAGES;
        }
      }
      slot = tables.nextSlot(from, next, end);
    }
  }

  /** pmap_remove_pages: at exit, drops all managed translations that are not wired; of their bits only the modified one counts. */
  removePages(pmap: Pmap): void {
    const tables = this.tables;
    let slot = tables.nextSlot(pmap, 0, 2 ** 35);
    while (slot !== NO_SLOT) {
      const next = tables.vpnOfSlot(slot) + 1;
      const word = tables.pte[slot] as number;
      if ((word & PTE_WIRED) === 0 && (word & PTE_MANAGED) !== 0) {
        this.keepBits(tables.remove(slot) & ~PTE_REFERENCED);
        this.noteLast(word);
      }
      slot = tables.nextSlot(pmap, next, 2 ** 35);
    }
  }

  /** pmap_mincore's question: the word of a translation, 0 when there is none. */
  word(pmap: Pmap, vpn: number): number {
    return this.tables.pteOf(pmap, vpn);
  }

  /** Whether a load may use the translation; for the dumps. */
  static readable(word: number): boolean {
    return (word & PTE_READ) !== 0;
  }
}
