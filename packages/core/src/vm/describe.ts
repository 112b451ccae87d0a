/** Looking from outside, where it is the same for all kernels. Nothing here changes anything. */
import { type PageTables, type Pmap, PTE_PROT, PTE_WIRED } from '../machine/pagetable.js';
import { PAGE_SIZE, USER_MAX_PAGE, USER_MIN_PAGE } from '../machine/units.js';
import type { PageHash } from './page-hash.js';
import type { PageLinks } from './page-links.js';
import type { Prot } from './prot.js';
import type { Advice, EntryInfo, Inheritance, TranslationInfo } from './system.js';

/** Valid translations of user space, neighbours with equal protection and wiring in one. */
export function describeTranslations(tables: PageTables, pmap: Pmap): TranslationInfo[] {
  const runs: { start: number; end: number; protection: number; wired: boolean }[] = [];
  let slot = tables.nextSlot(pmap, USER_MIN_PAGE, USER_MAX_PAGE);
  while (slot >= 0) {
    const vpn = tables.vpnOfSlot(slot);
    const word = tables.pte[slot] as number;
    const protection = word & PTE_PROT;
    const wired = (word & PTE_WIRED) !== 0;
    const last = runs.at(-1);
    if (last !== undefined && last.end === vpn * PAGE_SIZE && last.protection === protection && last.wired === wired) {
      last.end += PAGE_SIZE;
    } else {
      runs.push({ start: vpn * PAGE_SIZE, end: (vpn + 1) * PAGE_SIZE, protection, wired });
    }
    slot = tables.nextSlot(pmap, vpn + 1, USER_MAX_PAGE);
  }
  return runs;
}

/** A map entry, as far as all kernels have the same. */
interface PlainEntry {
  /** Page numbers. */
  readonly start: number;
  readonly end: number;
  readonly protection: Prot;
  readonly maxProtection: Prot;
  /** VM_INHERIT_SHARE, VM_INHERIT_COPY, VM_INHERIT_NONE: the numbers of minherit(2), which are the same everywhere. */
  readonly inheritance: number;
  readonly wiredCount: number;
}

const INHERITANCES: readonly Inheritance[] = ['share', 'copy', 'none'];

/** A map entry as `entries` prints it. */
export function entryInfo(entry: PlainEntry, cow: boolean, needsCopy: boolean, advice: Advice): EntryInfo {
  return {
    start: entry.start * PAGE_SIZE,
    end: entry.end * PAGE_SIZE,
    protection: entry.protection,
    maximum: entry.maxProtection,
    inheritance: INHERITANCES[entry.inheritance] as Inheritance,
    cow,
    needsCopy,
    wired: entry.wiredCount,
    advice,
  };
}

/** The columns of a room's pages in which the pages of an object are linked and know their place. */
export interface PagesOfObjects {
  readonly links: PageLinks;
  readonly hash: PageHash;
}

/** Indexes of an object's pages, ascending. `first` begins the list of its pages, -1 for none. */
export function residentIndexes({ links, hash }: PagesOfObjects, first: number): number[] {
  const indexes: number[] = [];
  for (let page = first; page >= 0; page = links.next(page)) indexes.push(hash.pindex[page] as number);
  return indexes.sort((a, b) => a - b);
}
