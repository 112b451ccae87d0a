/**
 * The branches of FreeBSD's fault handler, as data: 98, numbered as they come in the seed.
 *
 *     F1-F3     letting go: unlock_map, unlock_and_deallocate
 *     F4-F15    vm_fault: the look-up and the reference              branches-search.ts
 *     F16-F45   vm_fault: the search down the chain, and the pager
 *     F46-F67   vm_fault: copy-on-write, the second look, the translation
 *     F68-F78   vm_fault_prefault                                    branches-found.ts
 *     F79-F87   vm_fault_quick, _wire, _unwire, _copy_entry
 *     F88-F98   vm_fault_additional_pages
 *
 * What may stand in braces in a sentence is listed in `explain-values.ts`.
 */
import type { BranchRow, Unreachable } from '../kernel/branch.js';
import { FOUND_BRANCHES } from './branches-found.js';
import { SEARCH_BRANCHES } from './branches-search.js';

export const BRANCHES = { ...SEARCH_BRANCHES, ...FOUND_BRANCHES } as const satisfies Record<string, BranchRow>;

export type BranchId = keyof typeof BRANCHES;

/** Branches that this machine cannot take. The coverage check fails when one of them is taken after all. */
export const UNREACHABLE: Unreachable<BranchId> = {
  F75: 'offsets of backing objects are kept in whole pages, so none can be unaligned',
  F93: 'no pager offers more pages before a page than its index, and what is wanted is cut to the offer first',
};
