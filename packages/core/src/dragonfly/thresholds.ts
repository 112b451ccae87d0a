/**
 * The free-page thresholds, from the number of frames, as the page daemon computes them when it starts. All divisions truncate.
 *
 *     0 ... reserved ... severe ... min .................. target        of free + cached pages
 *
 * Below `min` the daemon is urgently wanted; below `severe` a fault does not even try to allocate; at `reserved` free pages an
 * ordinary allocation takes a cached page or fails; the daemon works towards `target` (and `cacheMin` cached pages on top).
 */

export interface Thresholds {
  readonly freeReserved: number;
  readonly freeSevere: number;
  readonly freeMin: number;
  readonly freeTarget: number;
  readonly cacheMin: number;
  readonly cacheMax: number;
  readonly inactiveTarget: number;
  readonly interruptFreeMin: number;
  /** Pages that one write of the page daemon may take. */
  readonly pageoutCluster: number;
  /** vm_page_max_wired. */
  readonly maxWired: number;
}

const INTERRUPT_FREE_MIN = 2;
/** (2 * MAXBSIZE) / PAGE_SIZE + the interrupt minimum. */
const PAGEOUT_FREE_MIN = 34;
/** One for each colour of the free queues. */
const COLOUR_RESERVE = 64;

/** @param frames page frames of the pool */
export function computeThresholds(frames: number): Thresholds {
  const pageoutCluster = frames < 2000 ? 8 : 16;
  const freeReserved = pageoutCluster + PAGEOUT_FREE_MIN + Math.trunc(frames / 768) + COLOUR_RESERVE;
  const base = frames > 1024 ? 4 + Math.trunc((frames - 1024) / 200) : 4;
  const freeMin = base + freeReserved;
  const freeTarget = (frames > 6144 ? 4 : 2) * freeMin + freeReserved;
  const cacheMin = frames > 2048 ? freeTarget : 0;
  return {
    freeReserved,
    freeSevere: Math.trunc(base / 2) + freeReserved,
    freeMin,
    freeTarget,
    cacheMin,
    cacheMax: 2 * cacheMin,
    inactiveTarget: Math.trunc(frames / 4),
    interruptFreeMin: INTERRUPT_FREE_MIN,
    pageoutCluster,
    maxWired: Math.trunc(frames / 3),
  };
}
