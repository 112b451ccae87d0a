/** The counters of DragonFly's vmmeter that this kernel keeps, under their own names. */
export class DragonflyCounters {
  /** Address memory faults. */
  v_vm_faults = 0;
  /** Copy-on-write faults, moved pages included. */
  v_cow_faults = 0;
  /** Copy-on-write faults that moved a page instead of copying it. */
  v_cow_optim = 0;
  /** Pages zero-filled on demand, by the fault itself or by its burst. */
  v_zfod = 0;
  /** Of these, pages that were zero already. */
  v_ozfod = 0;
  /** Faults that met a page in transit. */
  v_intrans = 0;
  /** Cached pages taken back into use by activation or deactivation. */
  v_reactivated = 0;
  /** Meetings with map entries in transition, and waits for them. */
  v_intrans_coll = 0;
  v_intrans_wait = 0;
  /** Read operations and pages of the swap pager; writes likewise. */
  v_swapin = 0;
  v_swappgsin = 0;
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
  /** Pages freed by ending objects. */
  v_pfree = 0;
  v_forks = 0;
  /** Objects joined with, or passed over, by vm_object_collapse. */
  object_collapses = 0;
  object_bypasses = 0;
  /** Pages that prefaulting mapped, and of these new zero pages (no counters of the kernel's; what the burst is measured by). */
  prefault_mapped = 0;
  prefault_zeroed = 0;
}

/** What `counters` prints in a scenario. */
export const FAULT_COUNTERS = [
  'v_cow_faults',
  'v_cow_optim',
  'v_intrans',
  'v_ozfod',
  'v_reactivated',
  'v_vm_faults',
  'v_zfod',
] as const satisfies readonly (keyof DragonflyCounters)[];
