/**
 * The pmap of the hp300, over the machine's page tables.
 *
 * What is this platform's own: hardware knows only "read" and "read and write". A translation told r--, r-x or --x can be read (and
 * executed), one told anything with w can be read and written, and one told nothing at all carries the code of read-write, so it allows
 * everything, until something write-protects it. The permission as told is kept beside it, since that is what a reader wants to see.
 *
 * Referenced and modified bits live in the translations; when one goes, its bits stay with the page (pmap_attributes). A child starts
 * without translations, and no translation is ever made that no fault asked for.
 */
import type { Machine } from '../machine/machine.js';
import type { PageTables, Pmap } from '../machine/pagetable.js';
import {
  NO_SLOT,
  PTE_FRAME_SHIFT,
  PTE_MANAGED,
  PTE_MODIFIED,
  PTE_PROT,
  PTE_REFERENCED,
  PTE_WIRED,
} from '../machine/pagetable.js';
import type { Access } from '../machine/units.js';
import { ACCESS_WRITE, NO_FRAME } from '../machine/units.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_EXECUTE, PROT_READ, PROT_WRITE } from '../vm/prot.js';

export class CsrgPmap {
  private readonly tables: PageTables;
  private readonly poolFrames: number;
  /** pmap_attributes: bits of translations that are gone, by frame. */
  private readonly saved: Uint8Array;
  /** Slots told nothing whose hardware permission has since become read-only. Rare: only wiring enters translations told nothing. */
  private readonly closed = new Set<number>();
  /** For the checker: a wired translation went without its page being unwired. */
  lostWired = false;

  constructor(
    private readonly machine: Machine,
    private readonly mended: boolean,
    private readonly vm: { readonly allocationFails: ((kind: 'translation') => boolean) | null },
  ) {
    this.tables = machine.tables;
    this.poolFrames = machine.memory.poolFrames;
    this.saved = new Uint8Array(machine.memory.poolFrames);
  }

  /** Whether translations of the frame are listed with it. A device's are not. */
  managed(page: number): boolean {
    return page < this.poolFrames;
  }

  /** Removes a translation; its bits stay with the page. */
  private drop(slot: number): void {
    const word = this.tables.remove(slot);
    if (this.closed.size > 0) this.closed.delete(slot);
    if ((word & PTE_MANAGED) === 0) return;
    if ((word & PTE_WIRED) !== 0) this.lostWired = true;
    const page = word >>> PTE_FRAME_SHIFT;
    this.saved[page] = (this.saved[page] as number) | (word & (PTE_REFERENCED | PTE_MODIFIED));
  }

  /** Whether a test refuses a translation where there is none yet: no pv entry, or no page-table page. */
  refuses(pmap: Pmap, vpn: number): boolean {
    const { allocationFails } = this.vm;
    return allocationFails !== null && this.tables.pteOf(pmap, vpn) === 0 && allocationFails('translation');
  }

  /**
   * pmap_enter: makes or changes the translation of a page. The same page keeps its bits. Never fails: who can do something about it asks
   * `refuses` first.
   */
  enter(pmap: Pmap, vpn: number, page: number, prot: Prot, wired: boolean): void {
    const { tables } = this;
    const flags = prot | (wired ? PTE_WIRED : 0) | (this.managed(page) ? PTE_MANAGED : 0);
    const slot = tables.slotOf(pmap, vpn);
    if (slot !== NO_SLOT && tables.frameOf(tables.pte[slot] as number) === page) {
      if (this.closed.size > 0) this.closed.delete(slot);
      tables.setFlags(slot, flags | ((tables.pte[slot] as number) & (PTE_REFERENCED | PTE_MODIFIED)));
    } else {
      if (slot !== NO_SLOT) this.drop(slot);
      tables.insert(pmap, vpn, page, flags);
    }
    this.machine.clock.advance(this.machine.costs.pmapEnter);
  }

  /**
   * The store that the page-table walk refuses and this hardware does not: through a translation told nothing.
   * Answers the frame, or NO_FRAME.
   */
  walkUntold(pmap: Pmap, vpn: number, access: Access): number {
    if (access !== ACCESS_WRITE || this.mended) return NO_FRAME;
    const slot = this.tables.slotOf(pmap, vpn);
    if (slot === NO_SLOT || !this.writable(slot)) return NO_FRAME;
    const word = this.tables.pte[slot] as number;
    this.tables.pte[slot] = word | PTE_REFERENCED | PTE_MODIFIED;
    return word >>> PTE_FRAME_SHIFT;
  }

  /** Whether hardware lets a store through this translation. */
  writable(slot: number): boolean {
    const told = (this.tables.pte[slot] as number) & PTE_PROT;
    return (told & PROT_WRITE) !== 0 || (told === 0 && !this.closed.has(slot));
  }

  /** pmap_extract: the frame behind a page, or -1. */
  extract(pmap: Pmap, vpn: number): number {
    const word = this.tables.pteOf(pmap, vpn);
    return word === 0 ? -1 : this.tables.frameOf(word);
  }

  /** pmap_change_wiring. */
  changeWiring(pmap: Pmap, vpn: number, wired: boolean): void {
    const slot = this.tables.slotOf(pmap, vpn);
    if (slot === NO_SLOT) return;
    const flags = (this.tables.pte[slot] as number) & 0xff;
    this.tables.setFlags(slot, wired ? flags | PTE_WIRED : flags & ~PTE_WIRED);
  }

  /** pmap_remove: drops the translations of pages `start` to `end`, wired or not. */
  remove(pmap: Pmap, start: number, end: number): void {
    let at = start;
    while (pmap.residentCount > 0) {
      const slot = this.tables.nextSlot(pmap, at, end);
      if (slot === NO_SLOT) return;
      at = this.tables.vpnOfSlot(slot) + 1;
      this.drop(slot);
      this.machine.clock.advance(this.machine.costs.pmapRemove);
    }
  }

  /** pmap_protect: without READ the range goes; with WRITE nothing happens at all; else it becomes read-only. */
  protect(pmap: Pmap | null, start: number, end: number, prot: Prot): void {
    if (pmap === null) return;
    if ((prot & PROT_READ) === 0) {
      this.remove(pmap, start, end);
      return;
    }
    if ((prot & PROT_WRITE) !== 0) return;
    let slot = this.tables.nextSlot(pmap, start, end);
    while (slot !== NO_SLOT) {
      this.restrict(slot, prot);
      slot = this.tables.nextSlot(pmap, this.tables.vpnOfSlot(slot) + 1, end);
    }
  }

  /** Makes a translation read-only, told no more than `prot`. */
  private restrict(slot: number, prot: Prot): void {
    const flags = (this.tables.pte[slot] as number) & 0xff;
    const told = flags & PTE_PROT & prot;
    if (told === 0) this.closed.add(slot);
    if (told !== (flags & PTE_PROT)) this.tables.setFlags(slot, (flags & ~PTE_PROT) | told);
  }

  /** pmap_page_protect: READ (or READ and EXECUTE) write-protects every translation of the page; anything less removes them all. */
  pageProtect(page: number, prot: Prot): void {
    if (!this.managed(page) || prot === PROT_ALL) return;
    const { tables } = this;
    if (prot === PROT_READ || prot === (PROT_READ | PROT_EXECUTE)) {
      for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
        this.restrict(slot, PROT_ALL & ~PROT_WRITE);
      }
      return;
    }
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.firstMapping(page)) {
      this.drop(slot);
      this.machine.clock.advance(this.machine.costs.pmapRemove);
    }
  }

  /** pmap_is_modified. */
  isModified(page: number): boolean {
    return this.testBit(page, PTE_MODIFIED);
  }

  /** pmap_is_referenced. */
  isReferenced(page: number): boolean {
    return this.testBit(page, PTE_REFERENCED);
  }

  private testBit(page: number, bit: number): boolean {
    if (!this.managed(page)) return false;
    if (((this.saved[page] as number) & bit) !== 0) return true;
    const { tables } = this;
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
    if (!this.managed(page)) return;
    this.saved[page] = (this.saved[page] as number) & ~bit;
    const { tables } = this;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      const flags = (tables.pte[slot] as number) & 0xff;
      if ((flags & bit) !== 0) tables.setFlags(slot, flags & ~bit);
    }
  }
}
