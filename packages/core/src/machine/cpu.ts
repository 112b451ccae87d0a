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
import type { PhysicalMemory } from './memory.js';
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
import { Tlb, type TlbPlace } from './tlb.js';
import type { Access } from './units.js';
import { ACCESS_READ, ACCESS_WRITE, NO_FRAME, PAGE_MASK, PAGE_SIZE, pageOf } from './units.js';

/**
 * What a load needs: `read-bit` (freebsd), `valid` (netbsd), or `any` (csrg, dragonfly), where what can be read can be executed too.
 */
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
    const fetch = rule === 'any' ? PTE_VALID : PTE_VALID | PTE_EXECUTE;
    this.needed = Int32Array.of(read, PTE_VALID | PTE_WRITE, fetch);
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

const WORDS_PER_PAGE = PAGE_SIZE / 4;

export class Cpu {
  readonly tlb: Tlb;
  /** The machine's contents as words; null without contents, and then there is nothing to load. */
  private readonly words: Int32Array | null;
  /** Pages that other CPUs have asked this one to drop: pairs of address-space number and page; page -1 is everything. */
  private readonly pending: number[] = [];

  constructor(
    readonly id: number,
    private readonly tables: PageTables,
    private readonly walker: Walker,
    private readonly memory: PhysicalMemory,
    place?: TlbPlace,
  ) {
    this.tlb = new Tlb(place);
    const { bytes } = memory;
    this.words = bytes === null ? null : new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  }

  /**
   * Loads the byte at an address, or answers NO_FRAME (-1) where the access faults.
   * @param address bytes
   */
  load8(pmap: Pmap, address: number): number {
    const frame = this.translate(pmap, pageOf(address), ACCESS_READ);
    if (frame === NO_FRAME) return NO_FRAME;
    return (this.memory.bytes as Uint8Array)[frame * PAGE_SIZE + (address & PAGE_MASK)] as number;
  }

  /** Stores a byte; false where the access faults, and then nothing is stored. */
  store8(pmap: Pmap, address: number, value: number): boolean {
    const frame = this.translate(pmap, pageOf(address), ACCESS_WRITE);
    if (frame === NO_FRAME) return false;
    (this.memory.bytes as Uint8Array)[frame * PAGE_SIZE + (address & PAGE_MASK)] = value;
    return true;
  }

  /**
   * Loads the aligned 32-bit word at an address as a signed number; NaN where the access faults.
   * @param address bytes, a multiple of 4
   */
  load32(pmap: Pmap, address: number): number {
    const frame = this.translate(pmap, pageOf(address), ACCESS_READ);
    if (frame === NO_FRAME) return Number.NaN;
    return (this.words as Int32Array)[frame * WORDS_PER_PAGE + ((address & PAGE_MASK) >>> 2)] as number;
  }

  /** Stores an aligned 32-bit word; false where the access faults. */
  store32(pmap: Pmap, address: number, value: number): boolean {
    const frame = this.translate(pmap, pageOf(address), ACCESS_WRITE);
    if (frame === NO_FRAME) return false;
    (this.words as Int32Array)[frame * WORDS_PER_PAGE + ((address & PAGE_MASK) >>> 2)] = value;
    return true;
  }

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
