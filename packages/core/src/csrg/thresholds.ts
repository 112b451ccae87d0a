/**
 * When the page daemon begins, and how much it wants: from the number of free frames at the start. Kernel data costs no frames here.
 */
export interface Thresholds {
  /** Below this the daemon is poked at every allocation. */
  readonly freeMin: number;
  /** A scan stops here. `pageout` raises it for its time. */
  freeTarget: number;
  /** Pages that the daemon wants on the inactive queue. */
  readonly inactiveTarget: number;
}

/** vm_pageout's first lines. 4096 frames: 40, 53, 80. 64 frames: 3, 4, 6. */
export function computeThresholds(frames: number): Thresholds {
  const freeMin = Math.min(Math.max(Math.floor(frames / 20), 3), 40);
  const freeTarget = Math.max(Math.floor((freeMin * 4) / 3), freeMin + 1);
  const inactiveTarget = Math.max(freeMin * 2, freeTarget + 1);
  return { freeMin, freeTarget, inactiveTarget };
}
