/**
 * The pmap of NetBSD 5 on amd64, over the machine's page tables.
 *
 * What is this platform's own: any valid translation can be read, whatever protection it was told; used and modified bits move to the frame
 * when a translation goes, and stay there; taking permissions away only ever takes the write permission, or the whole translation; fork
 * copies nothing; a translation may be refused for want of memory when the caller can bear it, which here happens only on order.
 */
import type { Machine } from '../machine/machine.js';
import type { PageTables, Pmap } from '../machine/pagetable.js';
import {
  NO_SLOT,
  PTE_FRAME_SHIFT,
  PTE_MANAGED,
  PTE_MODIFIED,
  PTE_REFERENCED,
  PTE_WIRED,
} from '../machine/pagetable.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_EXECUTE, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { Pages } from './page.js';
import { PP_MODIFIED, PP_USED } from './page.js';

const LAST_PAGE = 2 ** 35;

export class NetbsdPmap {
  /** Entries that may fail and shall: counted down by each that does. */
  failures = 0;
  private readonly tables: PageTables;

  constructor(
    private readonly machine: Machine,
    private readonly pages: Pages,
    private readonly mended: boolean,
    private readonly vm: {
      readonly allocationFails: unknown;
      refuses(kind: 'translation'): boolean;
    },
  ) {
    this.tables = machine.tables;
  }

  private managed(page: number): boolean {
    return page < this.pages.poolFrames;
  }

  /** The frame keeps the bits of a translation that goes. */
  private keepBits(word: number): void {
    if ((word & PTE_MANAGED) === 0) return;
    const page = word >>> PTE_FRAME_SHIFT;
    if ((word & PTE_REFERENCED) !== 0) this.pages.attrs[page] |= PP_USED;
    if ((word & PTE_MODIFIED) !== 0) this.pages.attrs[page] |= PP_MODIFIED;
  }

  private drop(slot: number): void {
    this.keepBits(this.tables.remove(slot));
    this.machine.clock.advance(this.machine.costs.pmapRemove);
  }

  /**
   * pmap_enter with PMAP_CANFAIL: makes or replaces a translation. `access` are the access bits: they mark it used, and for a
   * store modified. False: refused, nothing changed.
   */
  enter(pmap: Pmap, vpn: number, page: number, prot: Prot, access: Prot, wired: boolean): boolean {
    if (this.failures > 0) {
      this.failures--;
      return false;
    }
    if (this.vm.allocationFails !== null && this.vm.refuses('translation')) return false;
    const tables = this.tables;
    const managed = this.managed(page);
    let flags = prot | (wired ? PTE_WIRED : 0) | (managed ? PTE_MANAGED : 0);
    if (access !== 0) flags |= PTE_REFERENCED;
    if ((access & PROT_WRITE) !== 0) flags |= PTE_MODIFIED;
    const slot = tables.slotOf(pmap, vpn);
    if (slot !== NO_SLOT && tables.frameOf(tables.pte[slot]) === page) {
      tables.setFlags(slot, flags | (tables.pte[slot] & (PTE_REFERENCED | PTE_MODIFIED)));
    } else {
      if (slot !== NO_SLOT) this.drop(slot);
      tables.insert(pmap, vpn, page, flags);
    }
    this.machine.clock.advance(this.machine.costs.pmapEnter);
    return true;
  }

  /** pmap_extract: the frame behind a page, or -1. */
  extract(pmap: Pmap, vpn: number): number {
    const word = this.tables.pteOf(pmap, vpn);
    return word === 0 ? -1 : this.tables.frameOf(word);
  }

  /** pmap_unwire. */
  unwire(pmap: Pmap, vpn: number): void {
    const slot = this.tables.slotOf(pmap, vpn);
    if (slot !== NO_SLOT) this.tables.setFlags(slot, this.tables.pte[slot] & 0xff & ~PTE_WIRED);
  }

  /** pmap_remove: drops the translations of pages `start` to `end`. */
  remove(pmap: Pmap, start: number, end: number): void {
    let at = start;
    while (pmap.residentCount > 0) {
      const slot = this.tables.nextSlot(pmap, at, end);
      if (slot === NO_SLOT) return;
      at = this.tables.vpnOfSlot(slot) + 1;
      this.drop(slot);
    }
  }

  /** pmap_remove_all: at exit. */
  removeAll(pmap: Pmap): void {
    this.remove(pmap, 0, LAST_PAGE);
  }

  /**
   * pmap_protect: takes permissions of pages `start` to `end`, or their translations; never gives any. As seeded nothing is taken from a range that
   * may be written, and what could be executed still can (29).
   */
  protect(pmap: Pmap, start: number, end: number, prot: Prot): void {
    if ((prot & PROT_WRITE) !== 0 && !this.mended) return;
    const nothing = this.mended ? (prot & PROT_ALL) === 0 : (prot & (PROT_READ | PROT_EXECUTE)) === 0;
    if (nothing) {
      this.remove(pmap, start, end);
      return;
    }
    const lost = ~prot & (this.mended ? PROT_WRITE | PROT_EXECUTE : PROT_WRITE);
    const tables = this.tables;
    let slot = lost === 0 ? NO_SLOT : tables.nextSlot(pmap, start, end);
    while (slot !== NO_SLOT) {
      this.take(slot, lost);
      slot = tables.nextSlot(pmap, tables.vpnOfSlot(slot) + 1, end);
    }
  }

  private take(slot: number, lost: Prot): void {
    const word = this.tables.pte[slot];
    if ((word & lost) !== 0) this.tables.setFlags(slot, word & 0xff & ~lost);
  }

  /** pmap_page_protect(VM_PROT_READ): nobody may write the page. */
  protectPage(page: number): void {
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot))
      this.take(slot, PROT_WRITE);
  }

  /** pmap_page_protect(VM_PROT_NONE): nobody translates to the page any more. */
  removePage(page: number): void {
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.firstMapping(page)) this.drop(slot);
  }

  /** pmap_clear_modify: forgets that the page was written; true when it was. */
  clearModify(page: number): boolean {
    return this.clearBit(page, PP_MODIFIED, PTE_MODIFIED);
  }

  /** pmap_clear_reference: forgets that the page was used; true when it was. */
  clearReference(page: number): boolean {
    return this.clearBit(page, PP_USED, PTE_REFERENCED);
  }

  private clearBit(page: number, attr: number, bit: number): boolean {
    const { attrs } = this.pages;
    let was = (attrs[page] & attr) !== 0;
    attrs[page] &= ~attr;
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      const word = tables.pte[slot];
      if ((word & bit) === 0) continue;
      was = true;
      tables.setFlags(slot, word & 0xff & ~bit);
    }
    return was;
  }

  /** pmap_is_modified. */
  isModified(page: number): boolean {
    if ((this.pages.attrs[page] & PP_MODIFIED) !== 0) return true;
    const tables = this.tables;
    for (let slot = tables.firstMapping(page); slot !== NO_SLOT; slot = tables.nextMapping(slot)) {
      if ((tables.pte[slot] & PTE_MODIFIED) !== 0) return true;
    }
    return false;
  }
}
