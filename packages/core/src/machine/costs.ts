/**
 * What everything costs: one table, in nanoseconds.
 *
 * The defaults describe one machine, and each says where it comes from. "Measured" means on a 2-core x86-64 virtual
 * machine with nested paging, under Linux 6.18, as the median of rounds with the first one dropped; `bench/host-costs.c`
 * prints those that it names. They are prices for comparing systems with each other. A program on another machine wants another
 * table: `makeCosts({ diskSeek: 0, diskRotation: 0, diskBytesPerSecond: 2e9 })` is a solid-state disk.
 */

export interface Costs {
  /** Entering the kernel by a page fault and returning, without what the handler does. */
  readonly trap: number;
  /** Entering the kernel by a system call and returning. */
  readonly syscall: number;
  /** Making 4096 bytes zero. */
  readonly zeroPage: number;
  /** Copying 4096 bytes. */
  readonly copyPage: number;
  /** One level of a page-table walk after a TLB miss. */
  readonly pageWalkLevel: number;
  /** Taking and giving back a lock that nobody else wants. */
  readonly lockAcquire: number;
  /** Making one other CPU drop translations, and waiting until it has. */
  readonly tlbShootdown: number;
  /** From one thread to another on the same CPU. */
  readonly contextSwitch: number;
  /** One map entry looked at in the search for an address. */
  readonly mapLookupStep: number;
  /** One object of a chain, or one amap, asked for a page. */
  readonly objectStep: number;
  /** Making one translation, its reverse map included. */
  readonly pmapEnter: number;
  /** Taking one translation away. */
  readonly pmapRemove: number;
  /** Moving the head of a disk: the average of all distances. */
  readonly diskSeek: number;
  /** Waiting for the sector to come round: half a turn. */
  readonly diskRotation: number;
  /** Bytes a second, once the head is there. The one entry that is not a time. */
  readonly diskBytesPerSecond: number;
}

export const DEFAULT_COSTS: Costs = Object.freeze({
  // What remains of a measured read fault on untouched memory (742: nothing is zeroed, a shared page is mapped) after the
  // parts that this table charges apart: six map steps, an object, four locks and one translation.
  trap: 575,
  // Measured: getppid 139-167 (host-costs: syscall).
  syscall: 150,
  // Measured: memset of 4 KiB pages in order over 512 MiB, so that no cache helps: 183-253. Warm it is 40.
  zeroPage: 200,
  // Measured: memcpy likewise: 314-401.
  copyPage: 350,
  // Measured: a miss over 1 GiB adds 73-160 for its four levels (host-costs: walk).
  pageWalkLevel: 25,
  // Measured: an uncontended mutex, lock and unlock (host-costs: lock).
  lockAcquire: 6.5,
  // Measured: what mprotect costs more while another CPU runs in the same address space (host-costs: shootdown). The
  // interrupt passes through the hypervisor here; without one, expect a few microseconds.
  tlbShootdown: 17200,
  // Measured: a byte through a pipe to another process on the same CPU (host-costs: switch).
  contextSwitch: 1800,
  // Measured in JavaScript: a binary search among 64 entries takes 28-31, that is six steps.
  mapLookupStep: 5,
  // Measured in JavaScript: each further object of a shadow chain, found by hash, 2.3-2.6.
  objectStep: 2.5,
  // Measured: Linux's fork, for each resident page: 102-126. It copies the entry and counts a reference.
  pmapEnter: 110,
  // Measured: Linux's munmap, for each resident page: 316-323. The freeing of the frame is in it.
  pmapRemove: 320,
  // HGST Ultrastar 7K4000 specification (2012), 4.4.1.1: average seek for reading, typical, 8.2 ms.
  diskSeek: 8_200_000,
  // Seagate Barracuda XT (2009), 7200 turns a minute: average latency 4.16 ms.
  diskRotation: 4_160_000,
  // Seagate Barracuda XT (2009): 138 MB/s sustained on the outer tracks.
  diskBytesPerSecond: 138_000_000,
});

/** The names of the table, in its order. */
export const COST_NAMES = Object.keys(DEFAULT_COSTS) as (keyof Costs)[];

/**
 * The default table with `changes` made to it.
 *
 * Throws a RangeError for a cost that is negative or not finite, for a bandwidth of 0 (nothing would ever arrive), and for a
 * name that is not in the table, which is more likely a slip than a wish.
 */
export function makeCosts(changes: Partial<Costs> = {}): Costs {
  const costs: Record<string, number> = { ...DEFAULT_COSTS };
  for (const [name, value] of Object.entries(changes)) {
    if (!Object.hasOwn(DEFAULT_COSTS, name)) {
      throw new RangeError(`costs has no '${name}'; there are ${COST_NAMES.join(', ')}`);
    }
    if (value === undefined) continue;
    checkCost(name, value);
    costs[name] = value;
  }
  return Object.freeze(costs) as unknown as Costs;
}

function checkCost(name: string, value: number): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new RangeError(`cost '${name}' must be a finite number, 0 or more, not ${value}`);
  }
  if (name === 'diskBytesPerSecond' && value === 0) {
    throw new RangeError("cost 'diskBytesPerSecond' must be more than 0: it is a bandwidth, not a time");
  }
}
