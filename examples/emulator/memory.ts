/**
 * The two memories that the CPU can be built on: a bare buffer, and a process of faultline.
 *
 * `ProcessMemory` is what an emulator's author copies: the look-up of the inline table, one compare and one index, and `miss` for everything else
 * (page faults, words across pages, pages above the table's reach). A signal comes out of `miss` as a MemorySignal.
 */
import type { Process } from '@faultline/core';

/** 32-bit addresses; words are little-endian. */
export interface GuestMemory {
  fetch(address: number): number;
  load8(address: number): number;
  load32(address: number): number;
  store8(address: number, value: number): void;
  store32(address: number, value: number): void;
}

const PAGE_SHIFT = 12;
const PAGE_MASK = 4095;
const SLOT_MASK = 4095;
/** The parts of the table: reads, writes. Fetches are where the table says. */
const READ = 0;
const WRITE = 1;
const WRITE_PART = 1 << 12;

export class BareMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  private readonly words: Int32Array;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.words = new Int32Array(this.bytes.buffer);
  }

  fetch(address: number): number {
    return this.words[address >>> 2] as number;
  }

  load8(address: number): number {
    return this.bytes[address] as number;
  }

  load32(address: number): number {
    return this.words[address >>> 2] as number;
  }

  store8(address: number, value: number): void {
    this.bytes[address] = value;
  }

  store32(address: number, value: number): void {
    this.words[address >>> 2] = value;
  }
}

export class ProcessMemory implements GuestMemory {
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly tags: Int32Array;
  private readonly frames: Int32Array;
  private readonly fetchPart: number;
  private tagBase = 0;

  constructor(
    readonly process: Process,
    bytes: Uint8Array,
  ) {
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.tags = process.table.tags;
    this.frames = process.table.frames;
    this.fetchPart = process.table.fetchAccess << PAGE_SHIFT;
    this.refresh();
  }

  /** To be called whenever the kernel has run for another reason than a miss. */
  refresh(): void {
    this.tagBase = this.process.table.tagBase;
  }

  fetch(address: number): number {
    const page = address >>> PAGE_SHIFT;
    const slot = this.fetchPart + (page & SLOT_MASK);
    const frame = this.tags[slot] === (this.tagBase | (page >>> 12)) ? (this.frames[slot] as number) : -1;
    if (frame < 0 || (address & 3) !== 0) return this.fetchSlowly(address >>> 0);
    return this.words[(frame << 10) | ((address & PAGE_MASK) >>> 2)] as number;
  }

  load8(address: number): number {
    const page = address >>> PAGE_SHIFT;
    const slot = page & SLOT_MASK;
    if (this.tags[slot] !== (this.tagBase | (page >>> 12))) return this.bytes[this.miss(address, READ)] as number;
    return this.bytes[(this.frames[slot] as number) * 4096 + (address & PAGE_MASK)] as number;
  }

  load32(address: number): number {
    const page = address >>> PAGE_SHIFT;
    const slot = page & SLOT_MASK;
    const hit = this.tags[slot] === (this.tagBase | (page >>> 12));
    if (!hit || (address & 3) !== 0) return this.loadSlowly(address >>> 0);
    return this.words[((this.frames[slot] as number) << 10) | ((address & PAGE_MASK) >>> 2)] as number;
  }

  store8(address: number, value: number): void {
    const page = address >>> PAGE_SHIFT;
    const slot = WRITE_PART + (page & SLOT_MASK);
    const hit = this.tags[slot] === (this.tagBase | (page >>> 12));
    const place = hit ? (this.frames[slot] as number) * 4096 + (address & PAGE_MASK) : this.miss(address, WRITE);
    this.bytes[place] = value;
  }

  store32(address: number, value: number): void {
    const page = address >>> PAGE_SHIFT;
    const slot = WRITE_PART + (page & SLOT_MASK);
    const hit = this.tags[slot] === (this.tagBase | (page >>> 12));
    if (!hit || (address & 3) !== 0) this.storeSlowly(address >>> 0, value);
    else this.words[((this.frames[slot] as number) << 10) | ((address & PAGE_MASK) >>> 2)] = value;
  }

  /** Brings the page in; the byte's place in the buffer. */
  private miss(address: number, access: 0 | 1): number {
    const unsigned = address >>> 0;
    const page = this.process.table.miss(unsigned, access);
    this.refresh();
    return page + (unsigned & PAGE_MASK);
  }

  // What is not aligned, or not there yet: the process itself knows how.

  private fetchSlowly(address: number): number {
    const value = this.process.fetch32(address) | 0;
    this.refresh();
    return value;
  }

  private loadSlowly(address: number): number {
    const value = this.process.load32(address) | 0;
    this.refresh();
    return value;
  }

  private storeSlowly(address: number, value: number): void {
    this.process.store32(address, value | 0);
    this.refresh();
  }
}
