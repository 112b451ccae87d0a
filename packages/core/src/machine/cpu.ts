/**
 * CPUs: a translation buffer each, and the access path of loads, stores and fetches.
 *
 * A hit is one tag compare and one index (`Cpu.translate`). A miss walks the page tables, sets the referenced bit (and the
 * modified bit for a store), and fills the buffer. What permission a load needs is the platform's: on one a load needs the read
 * bit, on the others any valid translation can be read.
 *
 * A kernel that takes something away shoots the page down on every CPU. With one CPU this is a direct call. With several, the
 * machine can deliver at once or keep each request pending at its CPU until `deliverShootdowns`, so that an explorer can
 * run another CPU on its stale entry in between, as real CPUs do between the write of the page table and the interrupt.
 */
import type { PageTables, Pmap } from './pagetable.js';
import {
  PTE_EXECUTE,
  PTE_FRAME_SHIFT,
  PTE_MODIFIED,
  PTE_READ,
  PTE_REFERENCED,
  PTE_VALID,
  PTE_WRITE,
} from './pagetable.js';
import { Tlb } from './tlb.js';
import type { Access } from './units.js';
import { ACCESS_WRITE, NO_FRAME } from './units.js';

/** What a load needs: `read-bit` (freebsd, csrg) or `valid` (netbsd); `any` (dragonfly) lets a fetch do with a valid translation too. */
export type LoadRule = 'read-bit' | 'valid' | 'any';

/** Walks a page table on behalf of a CPU. */
export class Walker {
  /** Flags that an access needs, by access. */
  private readonly needed: Int32Array;

  constructor(
    private readonly tables: PageTables,
    rule: LoadRule,
  ) {
    const read = rule === 'read-bit' ? PTE_VALID | PTE_READ : PTE_VALID;
    this.needed = Int32Array.of(read, PTE_VALID | PTE_WRITE, rule === 'any' ? PTE_VALID : PTE_VALID | PTE_EXECUTE);
  }

  /** Frame behind a page if its translation allows the access, marking it used; else NO_FRAME. */
  walk(pmap: Pmap, vpn: number, access: Access): number {
    const tables = this.tables;
    const slot = tables.slotOf(pmap, vpn);
    if (slot < 0) return NO_FRAME;
    const word = tables.pte[slot] as number;
    const needed = this.needed[access] as number;
    if ((word & needed) !== needed) return NO_FRAME;
    tables.pte[slot] = word | (access === ACCESS_WRITE ? PTE_REFERENCED | PTE_MODIFIED : PTE_REFERENCED);
    return word >>> PTE_FRAME_SHIFT;
  }
}

export class Cpu {
  readonly tlb = new Tlb();
  /** Pages that other CPUs have asked this one to drop: pairs of address-space number and page; page -1 is everything. */
  private readonly pending: number[] = [];

  constructor(
    readonly id: number,
    private readonly tables: PageTables,
    private readonly walker: Walker,
  ) {}

  /** Frame behind a page if the access is allowed now, else NO_FRAME (a page fault). */
  translate(pmap: Pmap, vpn: number, access: Access): number {
    const asn = this.tables.asnOf(pmap);
    const frame = this.tlb.lookup(asn, vpn, access);
    return frame !== NO_FRAME ? frame : this.miss(pmap, asn, vpn, access);
  }

  private miss(pmap: Pmap, asn: number, vpn: number, access: Access): number {
    const frame = this.walker.walk(pmap, vpn, access);
    if (frame !== NO_FRAME) this.tlb.fill(asn, vpn, access, frame);
    return frame;
  }

  /** Shoot-downs that this CPU has not yet carried out. */
  get pendingShootdowns(): number {
    return this.pending.length / 2;
  }

  requestShootdown(asn: number, vpn: number): void {
    this.pending.push(asn, vpn);
  }

  /** Carries out every pending shoot-down: the interrupt arrives. */
  deliverShootdowns(): void {
    for (let i = 0; i < this.pending.length; i += 2) {
      const vpn = this.pending[i + 1] as number;
      if (vpn < 0) this.tlb.flush();
      else this.tlb.dropPage(this.pending[i] as number, vpn);
    }
    this.pending.length = 0;
  }
}
