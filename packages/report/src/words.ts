/**
 * Plain words for what a kernel counts, and the names of the kernels.
 *
 * The words of a counter are those of the kernel's own documentation (FreeBSD's `sysctl -d vm.stats.vm`) where it has any.
 */
import type { FaultKinds } from '@faultline/trace';

type SystemName = 'csrg' | 'freebsd' | 'dragonfly' | 'netbsd';

/** The state of each kernel that is reproduced here. */
export const SYSTEM_TITLES: Readonly<Record<SystemName, string>> = {
  csrg: "CSRG's VM, from Mach (4.3BSD-Reno to 4.4BSD, 1992)",
  freebsd: 'FreeBSD (2007)',
  dragonfly: 'DragonFly BSD (2011)',
  netbsd: 'NetBSD, UVM (2008)',
};

/** The same in a word. */
export const SYSTEM_SHORT: Readonly<Record<SystemName, string>> = {
  csrg: '4.4BSD',
  freebsd: 'FreeBSD',
  dragonfly: 'DragonFly BSD',
  netbsd: 'NetBSD',
};

export interface KindWords {
  readonly key: keyof FaultKinds;
  readonly label: string;
  readonly note: string;
}

/** Kinds of faults in the order of every table and plot. */
export const KINDS: readonly KindWords[] = [
  { key: 'zeroFill', label: 'zero-fill', note: 'a new page of zeros' },
  { key: 'copied', label: 'copied', note: 'a private copy of a page that is shared' },
  { key: 'copyAvoided', label: 'copy avoided', note: 'nobody else could reach the page, so it was moved' },
  { key: 'pagedIn', label: 'page-in', note: 'a page read from a file or from swap' },
  { key: 'mappedOnly', label: 'mapped only', note: 'the page was in memory and only had to be mapped' },
];

const FREEBSD_COUNTERS: Readonly<Record<string, string>> = {
  v_vm_faults: 'address memory faults',
  v_cow_faults: 'copy-on-write faults',
  v_cow_optim: 'of these, optimized: page moved, not copied',
  v_zfod: 'pages zero-filled on demand',
  v_ozfod: 'of these, optimized: zeroed ahead of time',
  v_intrans: 'in-transit page faults',
  v_reactivated: 'cached pages taken back into use',
  v_swapin: 'swap pager: reads',
  v_swappgsin: 'swap pager: pages read',
  v_swapout: 'swap pager: writes',
  v_swappgsout: 'swap pager: pages written',
  v_vnodein: 'vnode pager: reads',
  v_vnodepgsin: 'vnode pager: pages read',
  v_vnodeout: 'vnode pager: writes',
  v_vnodepgsout: 'vnode pager: pages written',
  v_pdwakeups: 'page daemon wake-ups',
  v_pdpages: 'pages looked at by the page daemon',
  v_dfree: 'pages freed by the page daemon',
  v_pfree: 'pages freed by exiting processes',
  v_forks: 'fork calls',
  object_collapses: 'objects joined with the one they shadow',
  object_bypasses: 'objects passed over by vm_object_collapse',
};

const DRAGONFLY_COUNTERS: Readonly<Record<string, string>> = {
  ...FREEBSD_COUNTERS,
  v_intrans_coll: 'in-transit map entries waited for',
  v_intrans_wait: 'waits for map entries in transit',
  prefault_mapped: 'neighbours mapped by the burst',
  prefault_zeroed: 'neighbours zero-filled by the burst',
};

const CSRG_COUNTERS: Readonly<Record<string, string>> = {
  v_vm_faults: 'address memory faults',
  v_cow_faults: 'copy-on-write faults',
  v_zfod: 'pages zero-filled on demand',
  v_pageins: 'pages read by pagers',
  v_pageouts: 'pages written by the page daemon',
  v_reactivated: 'inactive pages taken back into use',
  v_lookups: 'look-ups in the object cache',
  v_hits: 'of these, objects found',
  v_scan: 'pages looked at by the page daemon',
  v_dfree: 'pages freed by the page daemon',
  v_pfree: 'pages freed by exiting processes',
  v_forks: 'fork calls',
  object_collapses: 'objects joined with the one they shadow',
  object_bypasses: 'objects passed over by vm_object_collapse',
};

/** As `vmstat -s` of NetBSD has them; the vnode counters are ours. */
const NETBSD_COUNTERS: Readonly<Record<string, string>> = {
  faults: 'total faults taken',
  fltamcopy: 'amap copy faults',
  fltanget: 'anon page faults',
  fltanretry: 'anon retry faults',
  fltnamap: 'neighbour anon pages mapped',
  fltnomap: 'neighbour object pages mapped',
  fltlget: 'locked pager gets',
  fltget: 'unlocked pager gets',
  flt_anon: 'anon faults (case 1A)',
  flt_acow: 'anon copy-on-write faults (case 1B)',
  flt_obj: 'object faults (case 2A)',
  flt_prcopy: 'promote copy faults (case 2B)',
  flt_przero: 'promote zero fill faults (case 2B)',
  fltnoram: 'faults with no memory',
  fltnoanon: 'faults with no anons',
  fltpgwait: 'faults that had to wait on pages',
  fltpgrele: 'faults that found a released page',
  pageins: 'pages read from swap',
  pdpageouts: 'page-out requests',
  pgswapout: 'pages written to swap',
  pdwoke: 'page daemon wake-ups',
  pdrevs: 'revolutions of the clock hand',
  pdscans: 'pages looked at by the page daemon',
  pdfreed: 'pages freed by the page daemon',
  pdreact: 'pages reactivated by the page daemon',
  pddeact: 'pages deactivated',
  vnode_reads: 'file reads',
  vnode_pages_read: 'pages read from files',
  vnode_writes: 'file writes',
  vnode_pages_written: 'pages written to files',
  ra_issued: 'read-aheads begun',
  forks: 'fork calls',
};

const COUNTER_WORDS: Readonly<Partial<Record<string, Readonly<Record<string, string>>>>> = {
  csrg: CSRG_COUNTERS,
  freebsd: FREEBSD_COUNTERS,
  dragonfly: DRAGONFLY_COUNTERS,
  netbsd: NETBSD_COUNTERS,
};

/** What a counter of a system counts; empty where there are no words for it yet. */
export function counterWords(system: string, counter: string): string {
  return COUNTER_WORDS[system]?.[counter] ?? '';
}
