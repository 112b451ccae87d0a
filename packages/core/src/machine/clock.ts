/**
 * Simulated time, in nanoseconds since the machine was started.
 *
 * Nothing in the machine or the kernels asks the host what time it is: every act that takes time has a price in `costs.ts`
 * and advances this clock by it, so that a run takes the same time whenever and wherever it is repeated.
 *
 * The time is a plain field. Adding to it costs 3.3 ns in a loop, as much as the same sum in a Float64Array (the
 * addition must wait for the one before it). A double counts nanoseconds exactly up to 2^53, which is 104 days.
 */
export class SimClock {
  /** Nanoseconds since the start. Costs need not be whole numbers, so neither need this be. */
  ns = 0;

  /** Lets `ns` nanoseconds pass. Not checked: callers pass entries of a checked cost table. */
  advance(ns: number): void {
    this.ns += ns;
  }

  /** Lets time pass up to the moment `ns`, if that is still to come. */
  advanceTo(ns: number): void {
    if (ns > this.ns) this.ns = ns;
  }

  /** Starts again at 0. */
  reset(): void {
    this.ns = 0;
  }
}
