/** What the simulated time of a machine is made of. */
import type { Costs } from '../machine/costs.js';

export interface CostOptions {
  /** Costs that differ from the defaults, in nanoseconds. */
  readonly costs?: Partial<Costs>;
}
