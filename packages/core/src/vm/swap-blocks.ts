/**
 * The swap area and who owns which block of it, on the two kernels that share the pager of 1998 (freebsd, dragonfly).
 *
 * `SwapArea` is the kernel's radix bitmap (blist) as far as it shows: a request for n blocks gets the lowest place where n free blocks
 * lie inside one aligned group of 32, and nothing when there is none, however many blocks are free elsewhere.
 * `SwapBlocks` is one object's swap meta-data: block by page index.
 */

const GROUP = 32;
const GROUP_SHIFT = 5;
/** "No block". */
export const SWAPBLK_NONE = -1;

export class SwapArea {
  /** A set bit is a free block. */
  private readonly free: Int32Array;
  /** No group below this one has a free block. */
  private firstWithFree = 0;
  freeBlocks: number;

  /** @param blocks size of the area in pages */
  constructor(readonly blocks: number) {
    this.free = new Int32Array((blocks + GROUP - 1) >> GROUP_SHIFT);
    for (let block = 0; block < blocks; block++) this.setFree(block);
    this.freeBlocks = blocks;
  }

  /** Takes `count` (1 to 32) consecutive blocks and answers the first, or SWAPBLK_NONE. */
  alloc(count: number): number {
    if (count > this.freeBlocks) return SWAPBLK_NONE;
    while (this.free[this.firstWithFree] === 0) this.firstWithFree++;
    for (let group = this.firstWithFree; group < this.free.length; group++) {
      const at = lowestRun(this.free[group] as number, count);
      if (at < 0) continue;
      const first = (group << GROUP_SHIFT) + at;
      for (let i = 0; i < count; i++) this.free[group] = (this.free[group] as number) & ~(1 << (at + i));
      this.freeBlocks -= count;
      return first;
    }
    return SWAPBLK_NONE;
  }

  /** Gives one block back. */
  release(block: number): void {
    this.checkTaken(block);
    this.setFree(block);
    this.freeBlocks++;
    this.firstWithFree = Math.min(this.firstWithFree, block >> GROUP_SHIFT);
  }

  /** @throws Error for a block that nobody has */
  protected checkTaken(block: number): void {
    if (this.isFree(block)) throw new Error(`swap block ${block} is freed twice`);
  }

  isFree(block: number): boolean {
    return ((this.free[block >> GROUP_SHIFT] as number) & (1 << (block & (GROUP - 1)))) !== 0;
  }

  private setFree(block: number): void {
    const group = block >> GROUP_SHIFT;
    this.free[group] = (this.free[group] as number) | (1 << (block & (GROUP - 1)));
  }
}

/** Lowest bit position at which `count` set bits follow each other, or -1. */
function lowestRun(bits: number, count: number): number {
  // After k rounds a bit is set where k + 1 set bits start.
  let starts = bits;
  for (let i = 1; i < count && starts !== 0; i++) starts &= bits >>> i;
  return starts === 0 ? -1 : 31 - Math.clz32(starts & -starts);
}

export class SwapBlocks {
  private readonly blocks = new Map<number, number>();

  constructor(private readonly area: SwapArea) {}

  /** Blocks held. */
  get count(): number {
    return this.blocks.size;
  }

  has(pindex: number): boolean {
    return this.blocks.has(pindex);
  }

  /** Block of a page, or SWAPBLK_NONE. */
  get(pindex: number): number {
    return this.blocks.get(pindex) ?? SWAPBLK_NONE;
  }

  /** swp_pager_meta_build: gives a page a block; the one that it had is freed. */
  assign(pindex: number, block: number): void {
    this.free(pindex);
    this.blocks.set(pindex, block);
  }

  /** swp_pager_meta_ctl(SWM_POP): takes the block away without freeing it. */
  pop(pindex: number): number {
    const block = this.get(pindex);
    if (block !== SWAPBLK_NONE) this.blocks.delete(pindex);
    return block;
  }

  /** swp_pager_meta_ctl(SWM_FREE). */
  free(pindex: number): void {
    const block = this.pop(pindex);
    if (block !== SWAPBLK_NONE) this.area.release(block);
  }

  /** swp_pager_meta_free: frees the blocks of pages `start` to `start + count`. */
  freeRange(start: number, count: number): void {
    if (count > this.blocks.size) {
      for (const pindex of [...this.blocks.keys()]) if (pindex >= start && pindex < start + count) this.free(pindex);
      return;
    }
    for (let pindex = start; pindex < start + count; pindex++) this.free(pindex);
  }

  /** swp_pager_meta_free_all. */
  freeAll(): void {
    for (const block of this.blocks.values()) this.area.release(block);
    this.blocks.clear();
  }

  /** Page and block pairs, for the invariants. */
  entries(): IterableIterator<[number, number]> {
    return this.blocks.entries();
  }
}
