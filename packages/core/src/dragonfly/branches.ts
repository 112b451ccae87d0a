/**
 * The branches of DragonFly's fault handler, by the ids that the handler marks.
 *
 * The rows are in three tables, as the handler is in several files; this file joins them and names what cannot be reached.
 */
import type { Unreachable } from '../kernel/branch.js';
import { AROUND } from './branches-around.js';
import { ENTRANCES } from './branches-entrances.js';
import { OBJECT_WALK } from './branches-object.js';

export const BRANCHES = { ...ENTRANCES, ...OBJECT_WALK, ...AROUND } as const;

export type BranchId = keyof typeof BRANCHES;

/** What cannot happen on this machine, and why. */
export const UNREACHABLE: Unreachable<BranchId> = {
  F16: 'no caller of this system makes an entry that must not fault; only kernel maps have them',
  F18: 'only a kernel map may hold an entry without an object, and this system has no kernel map',
  F26: 'no caller of this revision takes a wiring fault on an entry that is not wired',
  F33: 'as F16',
  F34: 'as F18',
  F44: 'the protection of a fault on an object alone is the access that was asked for',
  F84: 'no pager of this machine answers BAD to a read: a file cannot lose its file system',
  F89: 'no frame of this machine is zeroed ahead of time',
  F99: 'every pager of this machine leaves the page wholly valid',
  F122: 'offsets are whole pages, so no object can begin within one',
};
