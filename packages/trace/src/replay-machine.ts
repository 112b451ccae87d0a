/** What a replay would have cost: the clock and the disk of the machine under a system. */
import type { VmSystem } from '@faultline/core';

/** What the replay took on the simulated clock, all in nanoseconds: in the kernel and its disk; memory references are free. */
export interface SimulatedTime {
  readonly ns: number;
  /** Of it, transfers of the disk with their seeks. */
  readonly diskNs: number;
  readonly diskReads: number;
  readonly diskWrites: number;
  readonly diskSeeks: number;
}

/** The time on a system's clock now. */
export function simulatedTime({ machine }: VmSystem): SimulatedTime {
  const { busyNs, reads, writes, seeks } = machine.disk.counts;
  return {
    ns: Math.round(machine.clock.ns),
    diskNs: Math.round(busyNs),
    diskReads: reads,
    diskWrites: writes,
    diskSeeks: seeks,
  };
}
