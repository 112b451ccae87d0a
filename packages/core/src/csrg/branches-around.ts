/** The branches around vm_fault, as data: its recovery macros, wiring and unwiring, and the copy of a wired entry. */
import type { BranchRow } from '../kernel/branch.js';

export const AROUND = {
  M1: {
    when: 'FREE_PAGE',
    effect: 'the page is woken and freed',
    lines: '95-100',
    say: 'A page that is not needed is freed.',
  },
  M2: {
    when: 'RELEASE_PAGE',
    effect: 'the page is woken and active',
    lines: '102-107',
    say: 'The page is let go, and stays active.',
  },
  M3: {
    when: 'UNLOCK_MAP, the look-up still valid',
    effect: 'the map is unlocked',
    lines: '109-114',
    say: 'The map is unlocked.',
  },
  M4: {
    when: 'UNLOCK_THINGS',
    effect: 'paging operations end; below the top the placeholder is freed',
    lines: '116-126',
    say: 'The objects are let go.',
  },
  M5: {
    when: 'UNLOCK_AND_DEALLOCATE',
    effect: 'the reference on the top object is dropped as well',
    lines: '128-131',
    say: 'The reference on the top object is dropped.',
  },
  W1: {
    when: 'vm_fault_wire',
    effect: 'the pmap is told that the range may not fault',
    lines: '871-887',
    say: 'A range is wired.',
  },
  W2: {
    when: 'each page of the range',
    effect: 'one fault for wiring; a failure is ignored',
    lines: '894-896',
    say: 'A page of the range is faulted in, to be wired.',
  },
  U1: {
    when: 'vm_fault_unwire, each page',
    effect: 'the pmap is asked for the frame',
    lines: '905-923',
    say: 'A page of the range is to be unwired.',
  },
  U2: {
    when: 'nothing is mapped there',
    effect: 'panic; mended in every setting: passed over',
    lines: '924-926',
    say: 'Nothing is mapped there: the kernel would panic; the page is passed over.',
  },
  U3: {
    when: 'something is mapped',
    effect: 'the mark of the translation goes, the page is unwired',
    lines: '927-928',
    say: 'The translation is not wired any more, nor is the page by it.',
  },
  U4: {
    when: 'the end of the range',
    effect: 'the pmap is told that the range may fault',
    lines: '938',
    say: 'The range may fault again.',
  },
  C1: {
    when: 'vm_fault_copy_entry',
    effect: 'a new object for the child, which shadows nothing',
    lines: '974-986',
    say: "A wired range is copied at once, into an object of the child's own.",
  },
  C2: {
    when: 'the permission of its translations',
    effect: "the entry's maximum; mended: its protection",
    lines: '988',
    say: "The child's translations allow what the entry might ever be allowed.",
  },
  C3: {
    when: 'each page',
    effect: "allocated in the child's object",
    lines: '1002-1010',
    say: "A frame is taken for the child's page.",
  },
  C4: {
    when: 'no free page',
    effect: 'one scan of the page daemon, then again',
    lines: '1006-1009',
    say: "No frame is free for the child's page; one scan of the page daemon is waited for.",
  },
  C5: {
    when: 'each page',
    effect: "looked for in the source entry's own object",
    lines: '1017-1018',
    say: "The parent's page is looked for in its top object.",
  },
  C6: {
    when: 'it is not there',
    effect: 'panic; mended in every setting: taken from below',
    lines: '1019-1020',
    say: "The parent's page lies below its top object: the kernel would panic; it is taken from there.",
  },
  C7: {
    when: 'found',
    effect: 'copied, mapped for the child, active',
    lines: '1022-1041',
    say: 'The page is copied and mapped for the child.',
  },
} as const satisfies Record<string, BranchRow>;
