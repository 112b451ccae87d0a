/** The counters of uvmexp that this kernel keeps, under their own names. */
export class NetbsdCounters {
  /** Calls of the fault handler, wiring faults included. */
  faults = 0;
  /** Entries given an amap of their own by a fault. */
  fltamcopy = 0;
  /** Calls of anonget, and times that it went round. */
  fltanget = 0;
  fltanretry = 0;
  /** Neighbours mapped: anons, and pages of the object. */
  fltnamap = 0;
  fltnomap = 0;
  /** Objects asked with everything locked, and asked to do I/O. */
  fltlget = 0;
  fltget = 0;
  /** Case 1B, case 1A, case 2A. */
  flt_acow = 0;
  flt_anon = 0;
  flt_obj = 0;
  /** Case 2B: copied from the object, zero-filled. */
  flt_prcopy = 0;
  flt_przero = 0;
  /** No frame: waited; no frame and nothing to wait for. */
  fltnoram = 0;
  fltnoanon = 0;
  /** Slept for a busy page; met a page that had been released. */
  fltpgwait = 0;
  fltpgrele = 0;
  /** Pages of anons read from swap. */
  pageins = 0;
  /** Reads from swap, writes to it, pages written. */
  nswget = 0;
  pdpageouts = 0;
  pgswapout = 0;
  /** Page daemon: passes, scans, pages looked at, freed, busy. */
  pdwoke = 0;
  pdrevs = 0;
  pdscans = 0;
  pdfreed = 0;
  pdbusy = 0;
  /** Pages of anons and of objects that the scan took in hand. */
  pdanscan = 0;
  pdobscan = 0;
  /** Pages made active again: in use, executable, file, anonymous. */
  pdreact = 0;
  pdreexec = 0;
  pdrefile = 0;
  pdreanon = 0;
  /** Pages made inactive by the balance. */
  pddeact = 0;
  /** Transfers of files. */
  vnode_reads = 0;
  vnode_pages_read = 0;
  vnode_writes = 0;
  vnode_pages_written = 0;
  /** Read-ahead: requests issued. */
  ra_issued = 0;
  /** Loans made and broken. */
  loan_ak = 0;
  loan_aa = 0;
  loan_ok = 0;
  loan_oa = 0;
  loan_break = 0;
  forks = 0;
}

/** What the handler itself counts, and what a scenario's `counters` prints. */
export const FAULT_COUNTERS = [
  'faults',
  'fltanget',
  'fltanretry',
  'fltamcopy',
  'fltnamap',
  'fltnomap',
  'fltlget',
  'fltget',
  'flt_acow',
  'flt_anon',
  'flt_obj',
  'flt_prcopy',
  'flt_przero',
  'fltnoram',
  'fltnoanon',
  'fltpgwait',
  'fltpgrele',
  'pageins',
] as const satisfies readonly (keyof NetbsdCounters)[];
