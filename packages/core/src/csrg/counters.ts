/** The counters that this kernel keeps, under their own names. */
export class CsrgCounters {
  /** Calls of vm_fault, those that wire a range included. */
  v_vm_faults = 0;
  /** Pages copied from below into the top object. */
  v_cow_faults = 0;
  /** Pages that a pager brought in for a fault. */
  v_pageins = 0;
  /** Pages taken back from the inactive queue, by a fault or by the page daemon. */
  v_reactivated = 0;
  /** Pages zero-filled on demand. */
  v_zfod = 0;
  /** Pages that the page daemon began to write. */
  v_pageouts = 0;
  /** Pages freed by the page daemon, and by the end of an object. */
  v_dfree = 0;
  v_pfree = 0;
  /** Objects looked up by their pager, and found. */
  v_lookups = 0;
  v_hits = 0;
  /** Scans of the page daemon. */
  v_scan = 0;
  /** fork calls. */
  v_forks = 0;
  /** Objects joined with, or passed over, by vm_object_collapse. */
  object_collapses = 0;
  object_bypasses = 0;
}

/** What `counters` prints in a scenario. */
export const FAULT_COUNTERS = [
  'v_cow_faults',
  'v_pageins',
  'v_reactivated',
  'v_vm_faults',
  'v_zfod',
] as const satisfies readonly (keyof CsrgCounters)[];
