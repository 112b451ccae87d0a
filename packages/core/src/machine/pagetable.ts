/**
 * Page tables and reverse maps of all address spaces of a machine.
 *
 * An address space is four levels, as on amd64: 8 bits of a root, then three times 9. The last level is a *leaf* of 512
 * translations (2 MiB). All leaves live in one Int32Array, so a translation is named by one number, its *slot*
 * (leaf * 512 + index), and everything known of it stands in columns at that slot:
 *
 *     pte[slot]      frame << 8 | flags, 0 when there is no translation
 *     pv links       the other translations of the same frame (the kernel's pv entries), a list per frame
 *
 * A slot knows its address space and its page through its leaf, so a pv entry needs no memory of its own and is unlinked in
 * constant time. New pv entries go to the tail; a kernel that tests referenced bits moves what it has looked at there too.
 * A leaf that loses its last translation is freed: "is there a page-table page here" is a question that kernels ask.
 *
 * This is hardware and the bookkeeping that any pmap needs. Which protection a kernel enters, what it does with the bits that
 * it takes away, and when, is the `pmap.ts` of its room.
 */
import { int32Column } from './columns.js';
import { growFloat64, growInt32 } from './grow.js';
import { MAX_ASN } from './tlb.js';

/** Flags of a translation: the low three are the protection as in `vm/prot.ts`. */
export const PTE_READ = 1;
export const PTE_WRITE = 2;
export const PTE_EXECUTE = 4;
export const PTE_PROT = 7;
export const PTE_WIRED = 8;
export const PTE_REFERENCED = 16;
export const PTE_MODIFIED = 32;
export const PTE_VALID = 64;
/** The frame has a pv entry for this translation. */
export const PTE_MANAGED = 128;
export const PTE_FRAME_SHIFT = 8;

/** Translations of a leaf: one 2 MiB region. */
export const LEAF_PAGES = 512;
const LEAF_SHIFT = 9;
const INDEX_MASK = LEAF_PAGES - 1;
/** A page number times this is, truncated, its place in the root: that fits an int32, which a page number does not. */
const ROOT_SCALE = 1 / 2 ** 27;
/** log2 of a pair: first and last, or next and previous. A shift, unlike a product, needs no test for overflow. */
const PAIR_SHIFT = 1;
/** "No slot" and "end of list". */
export const NO_SLOT = -1;
/** A first page so low that no page is in its region. */
const NO_REGION = -LEAF_PAGES;

/** One address space: the root of its tables and its number in the translation buffers. */
export class Pmap {
  /** Node of the first level. */
  root = 0;
  /** Valid translations. */
  residentCount = 0;
  wiredCount = 0;
  /** Address-space number, valid while `asnGeneration` is the tables' own. */
  asn = 0;
  asnGeneration = 0;
  /** The leaf used last, and the first page of the region that it serves; NO_REGION when there is none. */
  cachedLeaf = 0;
  cachedFirst = NO_REGION;

  constructor(
    /** Index in `PageTables.pmaps`. */
    readonly id: number,
  ) {}
}

export class PageTables {
  pte = int32Column(LEAF_PAGES * 16);
  /** Two links a slot, side by side: what is used together stands in one line of the host's cache. */
  private pvLinks = int32Column((LEAF_PAGES * 16) << PAIR_SHIFT);
  /** Per leaf: first page, owner, valid translations. Leaf 0 is never used, so that 0 can mean "none". */
  leafBase = new Float64Array(16);
  leafPmap = new Int32Array(16);
  leafCount = new Int32Array(16);
  private leaves = 1;
  private readonly freeLeaves: number[] = [];
  /** Interior nodes of 512 children each; node 0 is never used. */
  private nodes = int32Column(LEAF_PAGES * 8);
  private nodeCount = new Int32Array(8);
  private nodesUsed = 1;
  private readonly freeNodes: number[] = [];
  /** Per frame, side by side: first and last translation that maps it. */
  private readonly pvEnds: Int32Array;

  readonly pmaps: (Pmap | null)[] = [];
  private readonly freePmaps: number[] = [];
  private nextAsn = 1;
  asnGeneration = 1;

  /**
   * @param frames frames of the machine, devices included
   * @param shootdown drops a page (or, with page -1, everything) from the translation buffers
   */
  constructor(
    frames: number,
    private readonly shootdown: { page(asn: number, vpn: number): void; all(): void },
  ) {
    this.pvEnds = int32Column(frames << PAIR_SHIFT).fill(NO_SLOT);
  }

  createPmap(): Pmap {
    const id = this.freePmaps.pop() ?? this.pmaps.length;
    const pmap = new Pmap(id);
    pmap.root = this.newNode();
    this.pmaps[id] = pmap;
    return pmap;
  }

  /** Gives up an address space that holds no translation any more. */
  destroyPmap(pmap: Pmap): void {
    this.freeNode(pmap.root);
    pmap.root = 0;
    this.pmaps[pmap.id] = null;
    this.freePmaps.push(pmap.id);
  }

  /** The number of an address space in the translation buffers; a new generation flushes them all. */
  asnOf(pmap: Pmap): number {
    if (pmap.asnGeneration !== this.asnGeneration) this.assignAsn(pmap);
    return pmap.asn;
  }

  private assignAsn(pmap: Pmap): void {
    if (this.nextAsn > MAX_ASN) {
      this.asnGeneration++;
      this.nextAsn = 1;
      this.shootdown.all();
    }
    pmap.asn = this.nextAsn++;
    pmap.asnGeneration = this.asnGeneration;
  }

  /** Drops a page of an address space from every translation buffer that may hold it. */
  invalidate(pmap: Pmap, vpn: number): void {
    if (pmap.asnGeneration === this.asnGeneration) this.shootdown.page(pmap.asn, vpn);
  }

  /** The leaf that serves `vpn`, or 0. */
  leafOf(pmap: Pmap, vpn: number): number {
    // Nearly always the leaf of the last time. A subtraction tells, without making a region number of the page number.
    const index = vpn - pmap.cachedFirst;
    return index >= 0 && index < LEAF_PAGES ? pmap.cachedLeaf : this.findLeaf(pmap, vpn);
  }

  private findLeaf(pmap: Pmap, vpn: number): number {
    const nodes = this.nodes;
    const second = nodes[(pmap.root << LEAF_SHIFT) + ((vpn * ROOT_SCALE) | 0)] as number;
    if (second === 0) return 0;
    const third = nodes[(second << LEAF_SHIFT) + ((vpn >>> 18) & INDEX_MASK)] as number;
    if (third === 0) return 0;
    const leaf = nodes[(third << LEAF_SHIFT) + ((vpn >>> 9) & INDEX_MASK)] as number;
    if (leaf !== 0) {
      pmap.cachedFirst = vpn - (vpn & INDEX_MASK);
      pmap.cachedLeaf = leaf;
    }
    return leaf;
  }

  /** Slot of the valid translation of `vpn`, or NO_SLOT. */
  slotOf(pmap: Pmap, vpn: number): number {
    const leaf = this.leafOf(pmap, vpn);
    if (leaf === 0) return NO_SLOT;
    const slot = (leaf << LEAF_SHIFT) + (vpn & INDEX_MASK);
    return this.pte[slot] === 0 ? NO_SLOT : slot;
  }

  /** The translation word of `vpn`, 0 when there is none. */
  pteOf(pmap: Pmap, vpn: number): number {
    const leaf = this.leafOf(pmap, vpn);
    return leaf === 0 ? 0 : (this.pte[(leaf << LEAF_SHIFT) + (vpn & INDEX_MASK)] as number);
  }

  /** Whether `vpn` has no translation but its 2 MiB region has: one could be made without a new leaf. */
  isGap(pmap: Pmap, vpn: number): boolean {
    const leaf = this.leafOf(pmap, vpn);
    return leaf !== 0 && this.pte[(leaf << LEAF_SHIFT) + (vpn & INDEX_MASK)] === 0;
  }

  /** First valid slot at or above page `from` and below `to`, or NO_SLOT; skips regions without a leaf. */
  nextSlot(pmap: Pmap, from: number, to: number): number {
    let vpn = from;
    while (vpn < to) {
      const leaf = this.leafOf(pmap, vpn);
      const regionEnd = vpn - (vpn & INDEX_MASK) + LEAF_PAGES;
      if (leaf === 0) {
        vpn = this.nextRegion(pmap, vpn, regionEnd);
        continue;
      }
      const end = Math.min(to, regionEnd);
      let slot = (leaf << LEAF_SHIFT) + (vpn & INDEX_MASK);
      for (; vpn < end; vpn++, slot++) {
        if (this.pte[slot] !== 0) return slot;
      }
    }
    return NO_SLOT;
  }

  /** Where to look on when the region of `vpn` has no leaf: over as large a gap as the upper levels show. */
  private nextRegion(pmap: Pmap, vpn: number, regionEnd: number): number {
    const second = this.nodes[(pmap.root << LEAF_SHIFT) + ((vpn * ROOT_SCALE) | 0)] as number;
    if (second === 0) return (Math.floor(vpn / 2 ** 27) + 1) * 2 ** 27;
    const third = this.nodes[(second << LEAF_SHIFT) + ((vpn >>> 18) & INDEX_MASK)] as number;
    return third === 0 ? (Math.floor(vpn / 2 ** 18) + 1) * 2 ** 18 : regionEnd;
  }

  /** Page number that a slot translates. */
  vpnOfSlot(slot: number): number {
    return (this.leafBase[slot >>> LEAF_SHIFT] as number) + (slot & INDEX_MASK);
  }

  /** Address space that a slot belongs to. */
  pmapOfSlot(slot: number): Pmap {
    return this.pmaps[this.leafPmap[slot >>> LEAF_SHIFT] as number] as Pmap;
  }

  /** Frame that a translation word names. */
  frameOf(pte: number): number {
    return pte >>> PTE_FRAME_SHIFT;
  }

  /**
   * Installs a translation where there is none, and its pv entry when `flags` has PTE_MANAGED.
   * Needs no invalidation: nothing remembers the absence of a translation.
   */
  insert(pmap: Pmap, vpn: number, frame: number, flags: number): number {
    let leaf = this.leafOf(pmap, vpn);
    if (leaf === 0) leaf = this.makeLeaf(pmap, vpn);
    const slot = (leaf << LEAF_SHIFT) + (vpn & INDEX_MASK);
    this.pte[slot] = (frame << PTE_FRAME_SHIFT) | flags | PTE_VALID;
    this.leafCount[leaf] = (this.leafCount[leaf] as number) + 1;
    pmap.residentCount++;
    if ((flags & PTE_WIRED) !== 0) pmap.wiredCount++;
    if ((flags & PTE_MANAGED) !== 0) this.pvInsert(frame, slot);
    return slot;
  }

  /** Removes a translation and answers its word as it stood. */
  remove(slot: number): number {
    const word = this.pte[slot] as number;
    const leaf = slot >>> LEAF_SHIFT;
    const pmap = this.pmaps[this.leafPmap[leaf] as number] as Pmap;
    if ((word & PTE_MANAGED) !== 0) this.pvRemove(word >>> PTE_FRAME_SHIFT, slot);
    this.pte[slot] = 0;
    this.invalidate(pmap, this.vpnOfSlot(slot));
    pmap.residentCount--;
    if ((word & PTE_WIRED) !== 0) pmap.wiredCount--;
    const count = (this.leafCount[leaf] as number) - 1;
    this.leafCount[leaf] = count;
    if (count === 0) this.freeLeaf(pmap, leaf);
    return word;
  }

  /** Changes the flags of a translation and drops it from the translation buffers. */
  setFlags(slot: number, flags: number): void {
    const word = this.pte[slot] as number;
    const changed = (word ^ flags) & PTE_WIRED;
    this.pte[slot] = (word & ~0xff) | flags | PTE_VALID;
    const pmap = this.pmapOfSlot(slot);
    if (changed !== 0) pmap.wiredCount += (flags & PTE_WIRED) !== 0 ? 1 : -1;
    this.invalidate(pmap, this.vpnOfSlot(slot));
  }

  /** Valid translations in the 2 MiB region around `vpn`. */
  regionCount(pmap: Pmap, vpn: number): number {
    const leaf = this.leafOf(pmap, vpn);
    return leaf === 0 ? 0 : (this.leafCount[leaf] as number);
  }

  /** First translation of a frame in its pv list, or NO_SLOT. */
  firstMapping(frame: number): number {
    return this.pvEnds[frame << PAIR_SHIFT] as number;
  }

  /** Last translation of a frame in its pv list, or NO_SLOT. */
  lastMapping(frame: number): number {
    return this.pvEnds[(frame << PAIR_SHIFT) + 1] as number;
  }

  /** The translation behind `slot` in the pv list of its frame, or NO_SLOT. */
  nextMapping(slot: number): number {
    return this.pvLinks[slot << PAIR_SHIFT] as number;
  }

  /** The translation before `slot` in the pv list of its frame, or NO_SLOT. */
  previousMapping(slot: number): number {
    return this.pvLinks[(slot << PAIR_SHIFT) + 1] as number;
  }

  /** Moves a slot to the tail of its frame's pv list. */
  pvRequeue(frame: number, slot: number): void {
    if (this.lastMapping(frame) === slot) return;
    this.pvRemove(frame, slot);
    this.pvInsert(frame, slot);
  }

  private pvInsert(frame: number, slot: number): void {
    const { pvEnds, pvLinks } = this;
    const tail = pvEnds[(frame << PAIR_SHIFT) + 1] as number;
    pvLinks[slot << PAIR_SHIFT] = NO_SLOT;
    pvLinks[(slot << PAIR_SHIFT) + 1] = tail;
    if (tail === NO_SLOT) pvEnds[frame << PAIR_SHIFT] = slot;
    else pvLinks[tail << PAIR_SHIFT] = slot;
    pvEnds[(frame << PAIR_SHIFT) + 1] = slot;
  }

  private pvRemove(frame: number, slot: number): void {
    const { pvEnds, pvLinks } = this;
    const next = pvLinks[slot << PAIR_SHIFT] as number;
    const previous = pvLinks[(slot << PAIR_SHIFT) + 1] as number;
    if (previous === NO_SLOT) pvEnds[frame << PAIR_SHIFT] = next;
    else pvLinks[previous << PAIR_SHIFT] = next;
    if (next === NO_SLOT) pvEnds[(frame << PAIR_SHIFT) + 1] = previous;
    else pvLinks[(next << PAIR_SHIFT) + 1] = previous;
  }

  private makeLeaf(pmap: Pmap, vpn: number): number {
    const second = this.child(pmap.root, (vpn * ROOT_SCALE) | 0);
    const third = this.child(second, (vpn >>> 18) & INDEX_MASK);
    const leaf = this.newLeaf();
    this.nodes[(third << LEAF_SHIFT) + ((vpn >>> 9) & INDEX_MASK)] = leaf;
    this.nodeCount[third] = (this.nodeCount[third] as number) + 1;
    this.leafBase[leaf] = vpn - (vpn & INDEX_MASK);
    this.leafPmap[leaf] = pmap.id;
    return leaf;
  }

  private child(node: number, index: number): number {
    const at = (node << LEAF_SHIFT) + index;
    let child = this.nodes[at] as number;
    if (child === 0) {
      child = this.newNode();
      this.nodes[at] = child;
      this.nodeCount[node] = (this.nodeCount[node] as number) + 1;
    }
    return child;
  }

  private newNode(): number {
    const node = this.freeNodes.pop();
    if (node !== undefined) return node;
    const fresh = this.nodesUsed++;
    if (fresh >= this.nodeCount.length) {
      this.nodeCount = growInt32(this.nodeCount, fresh + 1);
      this.nodes = growInt32(this.nodes, this.nodeCount.length << LEAF_SHIFT);
    }
    return fresh;
  }

  private freeNode(node: number): void {
    this.nodes.fill(0, node << LEAF_SHIFT, (node + 1) << LEAF_SHIFT);
    this.nodeCount[node] = 0;
    this.freeNodes.push(node);
  }

  private newLeaf(): number {
    const leaf = this.freeLeaves.pop();
    if (leaf !== undefined) return leaf;
    const fresh = this.leaves++;
    if (fresh >= this.leafCount.length) {
      this.leafCount = growInt32(this.leafCount, fresh + 1);
      this.leafPmap = growInt32(this.leafPmap, this.leafCount.length);
      this.leafBase = growFloat64(this.leafBase, this.leafCount.length);
      const slots = this.leafCount.length << LEAF_SHIFT;
      this.pte = growInt32(this.pte, slots);
      this.pvLinks = growInt32(this.pvLinks, slots << PAIR_SHIFT);
    }
    return fresh;
  }

  /** Frees an empty leaf and the interior nodes that it leaves empty. */
  private freeLeaf(pmap: Pmap, leaf: number): void {
    const vpn = this.leafBase[leaf] as number;
    const rootIndex = (pmap.root << LEAF_SHIFT) + ((vpn * ROOT_SCALE) | 0);
    const second = this.nodes[rootIndex] as number;
    const secondIndex = (second << LEAF_SHIFT) + ((vpn >>> 18) & INDEX_MASK);
    const third = this.nodes[secondIndex] as number;
    this.nodes[(third << LEAF_SHIFT) + ((vpn >>> 9) & INDEX_MASK)] = 0;
    this.freeLeaves.push(leaf);
    pmap.cachedFirst = NO_REGION;
    if (this.dropChild(third)) return;
    this.nodes[secondIndex] = 0;
    this.freeNode(third);
    if (this.dropChild(second)) return;
    this.nodes[rootIndex] = 0;
    this.freeNode(second);
    this.dropChild(pmap.root);
  }

  /** Counts a child less; true while the node has others. */
  private dropChild(node: number): boolean {
    const count = (this.nodeCount[node] as number) - 1;
    this.nodeCount[node] = count;
    return count > 0;
  }
}
