/**
 * The swap area with what this kernel knows of it beyond which blocks are free: whether it counts as full, and whether its device is being
 * removed.
 */
import { SWAPBLK_NONE, SwapArea, type SwapBlocks } from '../vm/swap-blocks.js';

/** nswap_lowat. */
const LOW_WATER = 128;
/** log2 of the pages that one structure of meta-data holds, for the count of them. */
const META_SHIFT = 4;

export class DragonflySwapArea extends SwapArea {
  /** swap_pager_full: 2 from the first request that could not be met until enough is free again. */
  full = 0;
  /** The device is being removed: nothing is given out, and what comes back is not used again. */
  closing = false;

  override alloc(count: number): number {
    const first = this.closing ? SWAPBLK_NONE : super.alloc(count);
    if (first === SWAPBLK_NONE) this.full = 2;
    else this.sizeCheck();
    return first;
  }

  override release(block: number): void {
    if (this.closing) {
      this.checkTaken(block);
    } else {
      super.release(block);
      this.sizeCheck();
    }
  }

  /** swp_sizecheck: with enough free blocks the area no longer counts as full. */
  private sizeCheck(): void {
    if (this.freeBlocks >= LOW_WATER) this.full = 0;
  }
}

/** swblock_count: structures of meta-data that an object's blocks take. */
export function structuresOf(blocks: SwapBlocks): number {
  const used = new Set<number>();
  for (const [pindex] of blocks.entries()) used.add(Math.floor(pindex / 2 ** META_SHIFT));
  return used.size;
}
