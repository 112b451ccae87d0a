/**
 * vm_pageout_init: the free-page thresholds, from the number of frames. All divisions truncate.
 */

export interface Thresholds {
  /** Only the page daemon and interrupts go below. */
  readonly freeReserved: number;
  /** Below: faults wait before they even try (vm_page_count_severe). */
  readonly freeSevere: number;
  /** Below: who waits goes on waiting (vm_page_count_min). */
  readonly freeMin: number;
  /** What the page daemon works towards. */
  freeTarget: number;
  /** Cached pages on top of that. */
  cacheMin: number;
  readonly inactiveTarget: number;
  readonly interruptFreeMin: number;
  /** Pages that one write of the page daemon may take. */
  readonly pageoutCluster: number;
}

const INTERRUPT_FREE_MIN = 2;
/** (2 * MAXBSIZE) / PAGE_SIZE + interrupt minimum. */
const PAGEOUT_FREE_MIN = 34;

/** @param frames page frames of the pool */
export function computeThresholds(frames: number): Thresholds {
  const pageoutCluster = frames < 2000 ? 8 : 16;
  const base = frames > 1024 ? 4 + Math.trunc((frames - 1024) / 200) : 4;
  const freeReserved = pageoutCluster + PAGEOUT_FREE_MIN + Math.trunc(frames / 768);
  const freeMin = freeReserved + base;
  const freeTarget = (frames > 6144 ? 4 : 2) * freeMin + freeReserved;
  const inactiveTarget = frames <= 2048 ? Math.trunc(frames / 4) : Math.trunc((freeTarget * 3) / 2);
  return {
    freeReserved,
    freeSevere: freeReserved + Math.trunc(base / 2),
    freeMin,
    freeTarget,
    cacheMin: frames > 2048 ? freeTarget : 0,
    inactiveTarget: Math.min(inactiveTarget, Math.trunc(frames / 3)),
    interruptFreeMin: INTERRUPT_FREE_MIN,
    pageoutCluster,
  };
}
