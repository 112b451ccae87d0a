/**
 * The branches of vm_fault, as data. The rows of the routines around it are in `branches-around.ts`. A name in braces is a value of the
 * fault's record at the moment when the branch is taken (`explain.ts` fills them in).
 */
import type { BranchRow, Unreachable } from '../kernel/branch.js';
import { AROUND } from './branches-around.js';

const FAULT = {
  F1: {
    when: 'every call',
    effect: 'v_vm_faults is counted, once however often the fault is retried',
    lines: '91',
    say: 'A fault at {address}: counted once, whatever comes.',
  },
  F2: {
    when: 'the look-up fails',
    effect: 'its code is returned and nothing has changed',
    lines: '140-144',
    say: 'The map refuses {address}: {code}.',
  },
  F3: {
    when: 'the entry is wired',
    effect: 'the fault asks for everything that the entry allows',
    lines: '147-148',
    say: 'The entry is wired, so the fault asks for all that it allows: {type}.',
  },
  F4: {
    when: 'the look-up succeeds',
    effect: 'one reference and one paging operation on the top object',
    lines: '150-163',
    say: 'The address shows page {firstOffset} of object {firstObject}, which is held from now on.',
  },
  F5: {
    when: 'an object of the chain',
    effect: 'the page is looked for in it',
    lines: '211',
    say: 'Is page {offset} of object {object} in memory?',
  },
  F6a: {
    when: 'page busy, waits interruptible',
    effect: 'everything is let go, the fault sleeps; an interruption ends it',
    lines: '217-228',
    say: 'Frame {page} is busy with somebody else; the fault sleeps, and a signal may end it.',
  },
  F6b: {
    when: 'page busy',
    effect: 'everything is let go, the fault sleeps and begins again',
    lines: '230-234',
    say: 'Frame {page} is busy with somebody else; the fault sleeps and then begins again.',
  },
  F7: {
    when: 'page absent',
    effect: 'panic',
    lines: '238-239',
    say: 'Frame {page} is marked absent, which nothing in this kernel does: panic.',
  },
  F8a: {
    when: 'access locked out, waits interruptible',
    effect: 'panic unless the unlocking was asked for, else as F6a',
    lines: '246-260',
    say: 'A data manager has locked this access to frame {page}; the fault waits, and a signal may end it.',
  },
  F8b: {
    when: 'access locked out',
    effect: 'panic unless the unlocking was asked for, else as F6b',
    lines: '262-269',
    say: 'A data manager has locked this access to frame {page}; the fault waits and then begins again.',
  },
  F9: {
    when: 'page on the inactive queue',
    effect: 'taken off, v_reactivated is counted',
    lines: '279-285',
    say: 'Frame {page} was inactive; it is in use again.',
  },
  F10: {
    when: 'page on the active queue',
    effect: 'taken off until the end of the fault',
    lines: '287-292',
    say: 'Frame {page} is active; it leaves its queue for the time.',
  },
  F10n: {
    when: 'page on no queue',
    effect: 'nothing to take off',
    lines: '279-292',
    say: "Frame {page} is on no queue: it is wired, or a device's.",
  },
  F11: {
    when: 'page found',
    effect: 'it is busy for others',
    lines: '298-300',
    say: 'Frame {page} is ours: busy for everybody else.',
  },
  F12: {
    when: 'not resident, and the object has a pager or is the top',
    effect: 'a page is allocated for the place',
    lines: '303-312',
    say: 'Page {offset} of object {object} is not in memory; frame {page} is taken for it.',
  },
  F12n: {
    when: 'a lower object without a pager',
    effect: 'it gets no page',
    lines: '303-305',
    say: 'Object {object} has no pager and is not the top one: it gets no page.',
  },
  F13: {
    when: 'no free page',
    effect: 'everything is let go, one scan of the page daemon, the fault begins again',
    lines: '314-318',
    say: 'No frame is free; the fault lets everything go and waits for one scan of the page daemon.',
  },
  F14: {
    when: 'the object has a pager',
    effect: 'the map is unlocked and the pager asked',
    lines: '321-337',
    say: 'The pager of object {object} is asked for the page; the map is unlocked meanwhile.',
  },
  F14n: {
    when: 'a pager, but the fault unwires',
    effect: 'the pager is not asked',
    lines: '321-322',
    say: 'The fault unwires, so the pager of object {object} is not asked.',
  },
  F15: {
    when: 'the pager has the page',
    effect: 'v_pageins is counted, the page is clean',
    lines: '338-357',
    say: 'The pager brings the page in.',
  },
  F16a: {
    when: 'BAD or error at the top',
    effect: 'the page is freed, the fault ends',
    lines: '379-383',
    say: 'The place lies outside what the pager holds: {code}.',
  },
  F16b: {
    when: 'BAD or error below the top',
    effect: 'the page and the placeholder are freed, the fault ends',
    lines: '379-383',
    say: 'The place lies outside what the pager of object {object} holds: {code}.',
  },
  F17: {
    when: 'the pager has nothing, below the top',
    effect: 'the page is freed, on to the shadow',
    lines: '384-390',
    say: 'The pager of object {object} has nothing there; its page is freed.',
  },
  F17n: {
    when: 'the pager has nothing, at the top',
    effect: 'the busy page stays as placeholder',
    lines: '384',
    say: 'The pager has nothing there; the busy page stays as a placeholder.',
  },
  F18: {
    when: 'the top object has not the page',
    effect: 'first_m is set',
    lines: '397-398',
    say: 'The placeholder at the top keeps others out: frame {page}.',
  },
  F19: {
    when: 'on to the next object',
    effect: 'the index moves by the shadow offset',
    lines: '405',
    say: 'One object further down.',
  },
  F20a: {
    when: 'the chain ends below the top',
    effect: 'the placeholder at the top is zero-filled',
    lines: '407-427',
    say: 'Nobody in the chain has the page: the top object gets one full of zeros.',
  },
  F20b: {
    when: 'the top object shadows nothing',
    effect: 'its page is zero-filled',
    lines: '407-427',
    say: 'The page has never been used: it is filled with zeros.',
  },
  F21: {
    when: 'there is a next object',
    effect: 'paging in progress moves down; the top object keeps its own',
    lines: '429-436',
    say: 'The search goes on in the object below, at page {offset}.',
  },
  F22: {
    when: 'the page found is absent, queued or not busy',
    effect: 'panic',
    lines: '439-440',
    say: 'The page that was found is in no proper state: panic.',
  },
  F23: {
    when: 'found below, to be written',
    effect: 'copied to the top, every translation of the old page goes, the top object is collapsed',
    lines: '457-536',
    say: 'Frame {page} belongs to object {object} below and is to be written: it is copied to the top.',
  },
  F24: {
    when: 'found below, to be read',
    effect: 'mapped without permission to write',
    lines: '537-540',
    say: 'Frame {page} belongs to object {object} below: it is mapped without permission to write.',
  },
  F25: {
    when: 'the page is on a queue',
    effect: 'panic',
    lines: '543-544',
    say: 'The page is on a queue before its copies are seen to: panic.',
  },
  F26: {
    when: 'the top object has no copy object',
    effect: 'nothing to push',
    lines: '551',
    say: 'Nobody has copied object {firstObject} by a copy object.',
  },
  F27: {
    when: 'a copy object, the fault reads',
    effect: 'mapped without permission to write',
    lines: '559-562',
    say: 'Object {firstObject} has a copy object: the page is mapped without permission to write.',
  },
  F28: {
    when: "the copy object's lock cannot be had",
    effect: 'tried again',
    lines: '567-572',
    say: "Another processor has the copy object's lock; the fault tries again.",
  },
  F29: {
    when: 'a copy object, the fault writes',
    effect: 'it is held for the time, the page is looked for in it',
    lines: '579-587',
    say: 'Before the write, the copy object must have the page.',
  },
  F30a: {
    when: "the copy's page is busy, waits interruptible",
    effect: 'everything is let go, as F6a',
    lines: '589-606',
    say: "Somebody brings the copy's page in; the fault sleeps, and a signal may end it.",
  },
  F30b: {
    when: "the copy's page is busy",
    effect: 'everything is let go, as F6b',
    lines: '607-620',
    say: "Somebody brings the copy's page in; the fault sleeps and then begins again.",
  },
  F31: {
    when: "the copy's page is resident",
    effect: 'nothing is copied',
    lines: '587, 699',
    say: 'The copy object has the page already.',
  },
  F32: {
    when: "the copy's page is not resident",
    effect: 'a page is allocated there first',
    lines: '642-643',
    say: 'Frame {copyPage} is taken for the copy object.',
  },
  F33: {
    when: 'no page for the copy',
    effect: 'everything is let go, one scan, the fault begins again',
    lines: '644-653',
    say: 'No frame is free for the copy; the fault waits for one scan of the page daemon.',
  },
  F34: {
    when: 'the copy object has a pager',
    effect: 'the map is unlocked, the pager is asked whether it has the page',
    lines: '656-665',
    say: 'Has the copy object paged it out? Its pager is asked.',
  },
  F35: {
    when: 'the copy object has another place, or no other user',
    effect: 'its page is freed, everything about it begins again',
    lines: '677-688',
    say: 'Meanwhile the copy object was replaced, or nobody wants it any more: that part begins again.',
  },
  F36: {
    when: 'the pager has the page',
    effect: 'the blank page is freed',
    lines: '691-696',
    say: 'The copy object has the page on its pager; the blank frame is freed.',
  },
  F36n: {
    when: 'the pager has not the page',
    effect: 'on to the copy',
    lines: '691',
    say: 'The copy object has not paged it out either.',
  },
  F37: {
    when: 'the copy lacks the page',
    effect: 'the old contents go there, dirty',
    lines: '699-725',
    say: 'The old contents go to the copy object.',
  },
  F38: {
    when: 'the same',
    effect: 'every translation of the old page goes',
    lines: '717-720',
    say: 'Whoever mapped the page must look again.',
  },
  F39: {
    when: 'the copy object is settled',
    effect: 'its reference is dropped, copy_on_write is off',
    lines: '733-735',
    say: 'The copy object is settled; the write may go on.',
  },
  F40: {
    when: 'the page is on a queue',
    effect: 'panic',
    lines: '739-740',
    say: 'The page is on a queue before the map is looked at again: panic.',
  },
  F41: {
    when: 'the map was unlocked',
    effect: 'looked up again, never asking to write',
    lines: '747-772',
    say: 'The map was let go meanwhile and is looked at again, for reading only.',
  },
  F42: {
    when: 'the second look-up fails',
    effect: 'the page becomes active, its code is returned',
    lines: '780-784',
    say: 'The range is gone or forbidden by now: {code}.',
  },
  F43: {
    when: 'it gives another place',
    effect: 'the page becomes active, the fault begins again',
    lines: '788-793',
    say: 'The address shows something else by now; the fault begins again.',
  },
  F43c: {
    when: 'the page is copy-on-write',
    effect: 'mapped without permission to write',
    lines: '803-805',
    say: 'The page is marked copy-on-write: it is mapped without permission to write.',
  },
  F44: {
    when: 'the page is ours',
    effect: 'the translation is made',
    lines: '815-837',
    say: 'Frame {page} is mapped at {address}: {allowed}.',
  },
  F44p: {
    when: 'the page is on a queue',
    effect: 'panic',
    lines: '823-824',
    say: 'The page is on a queue before it is mapped: panic.',
  },
  F45: {
    when: 'wiring',
    effect: 'the page is wired',
    lines: '845-847',
    say: 'Frame {page} is wired.',
  },
  F46: {
    when: 'unwiring',
    effect: 'the page is unwired',
    lines: '848-849',
    say: 'Frame {page} is unwired.',
  },
  F47: {
    when: 'a plain fault',
    effect: 'the page goes to the end of the active queue',
    lines: '851-852',
    say: 'Frame {page} is active.',
  },
  F48: {
    when: 'the end',
    effect: 'the page is free for others; a placeholder goes',
    lines: '859-862',
    say: 'Done.',
  },
} as const satisfies Record<string, BranchRow>;

/** Every row, by the id under which it is marked. */
export const BRANCHES = { ...FAULT, ...AROUND } as const satisfies Record<string, BranchRow>;

export type BranchId = keyof typeof BRANCHES;

/** Rows that no run of this machine can take, and why. */
export const UNREACHABLE: Unreachable<BranchId> = {
  F22: 'a sanity check: every way out of the search leaves the page busy, off its queue and not absent',
  F25: 'a sanity check: the page in hand is on no queue from the moment that it is busy',
  F40: 'a sanity check, as F25',
  F44p: 'a sanity check, as F25',
};
