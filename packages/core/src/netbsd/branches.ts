/** The branches of NetBSD's fault handler, as data. */
import type { Unreachable } from '../kernel/branch.js';
import { CASE_BRANCHES } from './branches-cases.js';
import { WINDOW_BRANCHES } from './branches-window.js';

export const BRANCHES = { ...WINDOW_BRANCHES, ...CASE_BRANCHES } as const;

export type BranchId = keyof typeof BRANCHES;

/** What cannot happen in this machine, and why. */
export const UNREACHABLE: Unreachable<BranchId> = {
  F15: 'the kernel is built with swap',
  F126: 'an entry that promotes over an object is copy-on-write and gets its amap before',
  F127: 'no file has holes, so only the page of zeros is read-only, and no entry maps that from an object',
  F136: 'no caller passes a start beyond the end',
  F140: 'callers unwire one entry at a time',
};
