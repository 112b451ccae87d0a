/** The counters of FreeBSD 7's vmmeter that this kernel keeps, under their own names. */
export class FreebsdCounters {
  /** Address memory faults. */
  v_vm_faults = 0;
  /** Copy-on-write faults, moved pages included. */
  v_cow_faults = 0;
  /** Copy-on-write faults that moved a page instead of copying it. */
  v_cow_optim = 0;
  /** Pages zero-filled on demand. */
  v_zfod = 0;
  /** Of these, pages that were zeroed ahead of time. */
  v_ozfod = 0;
  /** Faults that met a page in transit. */
  v_intrans = 0;
  /** Cached pages taken back into use. */
  v_reactivated = 0;
  /** Read operations and pages of the swap pager. */
  v_swapin = 0;
  v_swappgsin = 0;
  /** Write operations and pages of the swap pager. */
  v_swapout = 0;
  v_swappgsout = 0;
  /** The same of the vnode pager. */
  v_vnodein = 0;
  v_vnodepgsin = 0;
  v_vnodeout = 0;
  v_vnodepgsout = 0;
  /** Wake-ups of the page daemon, pages that it looked at, pages that it freed. */
  v_pdwakeups = 0;
  v_pdpages = 0;
  v_dfree = 0;
  /** Pages freed by exiting processes. */
  v_pfree = 0;
  /** fork calls. */
  v_forks = 0;
  /** Objects joined with, or passed over, by vm_object_collapse. */
  object_collapses = 0;
  object_bypasses = 0;
}

/** The counters that the fault handler and its page allocation keep: what `counters` prints in a scenario. */
export const FAULT_COUNTERS = [
  'v_cow_faults',
  'v_cow_optim',
  'v_intrans',
  'v_ozfod',
  'v_reactivated',
  'v_vm_faults',
  'v_zfod',
] as const satisfies readonly (keyof FreebsdCounters)[];
