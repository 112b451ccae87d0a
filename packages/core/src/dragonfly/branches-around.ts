/**
 * Branches of wiring, copying, the rate limit and prefaulting.
 *
 * Data: when a branch is taken, what it does, its lines in the seed, and a sentence for a reader.
 */
import type { BranchRow } from '../kernel/branch.js';

export const AROUND = {
  F100: {
    when: 'KSTACK',
    effect: 'first page left out',
    lines: '1591-1592, 1647-1648',
    say: 'The guard page of a kernel stack is left out.',
  },
  F101: {
    when: 'user wire',
    effect: 'READ, USER_WIRE',
    lines: '1602-1604',
    say: 'A page is wired for a user: it is asked for reading.',
  },
  F102: {
    when: 'kernel wire',
    effect: 'READ|WRITE, CHANGE_WIRING',
    lines: '1605-1608',
    say: 'A page is wired for the kernel: it is asked for writing.',
  },
  F103: {
    when: 'failure half-way',
    effect: 'unwound (fictitious: no unwire)',
    lines: '1609-1621',
    say: 'A page could not be wired; those before it are unwired again.',
  },
  F104: {
    when: 'unwire with / without translation',
    effect: 'unwired / passed over',
    lines: '1655-1662',
    say: 'A page is unwired, if a translation still shows it.',
  },
  F105: {
    when: 'limiter off',
    effect: '0',
    lines: '1682-1683',
    say: 'The limiter is off.',
  },
  F106: {
    when: 'supply',
    effect: '- 1, 0',
    lines: '1684-1687',
    say: 'The process still has a supply of pages.',
  },
  F107: {
    when: 'empty',
    effect: 'refilled, ticks',
    lines: '1696-1697',
    say: 'The supply of pages is refilled: the higher the load, the less.',
  },
  F108: {
    when: 'no page for the copy',
    effect: 'vm_wait',
    lines: '1750-1756',
    say: 'There is no page for the copy of a wired range; fork waits.',
  },
  F109: {
    when: 'source page missing',
    effect: 'panic',
    lines: '1763-1766',
    say: 'The wired page is not in the top object: the kernel panics.',
  },
  F110: {
    when: 'copied',
    effect: 'maximum protection entered',
    lines: '1768-1782',
    say: 'The child gets its copy of a wired page, with the maximum protection.',
  },
  F111: {
    when: '#if 0 read-ahead',
    effect: 'dead',
    lines: '1786-1931',
    say: 'The pages around are read too, as the disabled code of the handler would.',
  },
  F112: {
    when: 'NOSYNC, clean',
    effect: 'PG_NOSYNC set',
    lines: '1978-1980',
    say: 'The mapping does not want to be synced, and the page is clean: it need not be.',
  },
  F113: {
    when: 'not NOSYNC',
    effect: 'cleared',
    lines: '1981-1983',
    say: 'The mapping wants its data synced.',
  },
  F114: {
    when: 'vpagetable',
    effect: 'no prefault',
    lines: '2003-2004',
    say: 'Behind a virtual page table nothing is prefaulted.',
  },
  F115: {
    when: 'foreign pmap or no lwp',
    effect: 'no prefault',
    lines: '2005-2007',
    say: "The address space is not the running process's: nothing is prefaulted.",
  },
  F116: {
    when: 'start below entry / wraps',
    effect: 'entry start / 0',
    lines: '2011-2015',
    say: 'Prefaulting begins at the start of the entry.',
  },
  F117: {
    when: 'outside',
    effect: 'next',
    lines: '2022-2027',
    say: 'A neighbour lies outside the entry.',
  },
  F118: {
    when: 'mapped, or no table page',
    effect: 'next',
    lines: '2029-2030',
    say: 'A neighbour is mapped already, or has no page-table page.',
  },
  F119: {
    when: 'absent in non-DEFAULT',
    effect: 'ends',
    lines: '2051-2052, 2093-2094',
    say: 'A neighbour is not in memory, and a pager would have to be asked.',
  },
  F120: {
    when: 'fast_fault off, behind, read-only, count_min',
    effect: 'ends',
    lines: '2053-2060',
    say: 'A neighbour is nowhere, and no zero page is made for it.',
  },
  F121: {
    when: 'zero-fill burst',
    effect: 'page in the top object, v_zfod',
    lines: '2061-2079',
    say: 'A zero page is made for a neighbour ahead.',
  },
  F122: {
    when: 'odd offset',
    effect: 'ends',
    lines: '2081-2082',
    say: 'An object begins within a page: prefaulting ends.',
  },
  F123: {
    when: 'one object down',
    effect: 'WRITE dropped',
    lines: '2083-2085',
    say: 'A neighbour is looked for one object further down, read-only.',
  },
  F124: {
    when: 'empty-handed',
    effect: 'whole prefault ends',
    lines: '2093-2094',
    say: 'A neighbour is nowhere: prefaulting ends.',
  },
  F125: {
    when: 'new page',
    effect: 'entered, inactive',
    lines: '2118-2123',
    say: 'The new zero page is mapped and waits on the inactive queue.',
  },
  F126: {
    when: 'from PQ_CACHE',
    effect: 'deactivated, v_reactivated',
    lines: '2129-2131',
    say: 'The neighbour was in the cache and is put back into use.',
  },
  F127: {
    when: 'resident',
    effect: 'entered',
    lines: '2124-2135',
    say: 'A neighbour that is in memory is mapped.',
  },
  F128: {
    when: 'invalid, busy, fictitious',
    effect: 'skipped',
    lines: '2124-2126',
    say: "A neighbour is not fit to be mapped: not valid, busy or a device's.",
  },
} as const satisfies Record<string, BranchRow>;
