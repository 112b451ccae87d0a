/**
 * What a fault did to translations: all page tables before and after, and the difference in words.
 *
 * Those of the process that faulted are listed by address; of the others' only the number is told. Referenced and modified bits do
 * not count as a change.
 */
import type { PageTables, Pmap } from '../machine/pagetable.js';
import { LEAF_PAGES, PTE_PROT, PTE_VALID, PTE_WIRED } from '../machine/pagetable.js';
import { protName } from '../vm/prot.js';
import { rangeName } from './explain-words.js';

/** What counts as a change of a translation: the page, the protection, the wired mark. */
const SEEN = ~0xff | PTE_VALID | PTE_PROT | PTE_WIRED;
/** Runs that are listed; what is more is counted. */
const RUNS_SHOWN = 16;

/** One changed translation; 0 for none. */
interface Change {
  readonly vpn: number;
  before: number;
  now: number;
}

function permission(word: number): string {
  return `${protName(word & PTE_PROT)}${(word & PTE_WIRED) !== 0 ? ' wired' : ''}`;
}

function describe({ before, now }: Change, tables: PageTables): string {
  if (before === 0) return `${permission(now)} added`;
  if (now === 0) return `${permission(before)} removed`;
  const other = tables.frameOf(before) === tables.frameOf(now) ? '' : ', another page';
  const same = permission(before) === permission(now);
  return `${permission(before)}${same ? '' : ` now ${permission(now)}`}${other}`;
}

export class MappingChanges {
  private pte = new Int32Array(0);
  private leafBase = new Float64Array(0);
  private leafPmap = new Int32Array(0);

  constructor(private readonly tables: PageTables) {}

  /** Remembers how everything is. */
  take(): void {
    const { tables } = this;
    if (this.pte.length !== tables.pte.length) {
      this.pte = tables.pte.slice();
      this.leafBase = tables.leafBase.slice();
      this.leafPmap = tables.leafPmap.slice();
      return;
    }
    this.pte.set(tables.pte);
    this.leafBase.set(tables.leafBase);
    this.leafPmap.set(tables.leafPmap);
  }

  /** What has changed since `take`: a line a run for one address space, a line for all others. */
  lines(pmap: Pmap): string[] {
    const own = new Map<number, Change>();
    const others = { added: 0, removed: 0, changed: 0 };
    const { tables } = this;
    for (const slot of this.changedSlots()) {
      const before = ((this.pte[slot] as number | undefined) ?? 0) & SEEN;
      const now = (tables.pte[slot] as number) & SEEN;
      const leaf = Math.floor(slot / LEAF_PAGES);
      const index = slot % LEAF_PAGES;
      if (before !== 0 && this.leafPmap[leaf] === pmap.id) {
        changeOf(own, (this.leafBase[leaf] as number) + index).before = before;
      }
      if (now !== 0 && tables.leafPmap[leaf] === pmap.id) {
        changeOf(own, (tables.leafBase[leaf] as number) + index).now = now;
      }
      const ownerBefore = before !== 0 && this.leafPmap[leaf] !== pmap.id;
      const ownerNow = now !== 0 && tables.leafPmap[leaf] !== pmap.id;
      if (ownerBefore && ownerNow) others.changed++;
      else if (ownerBefore) others.removed++;
      else if (ownerNow) others.added++;
    }
    return [...this.ownLines(own), ...otherLines(others)];
  }

  private changedSlots(): number[] {
    const now = this.tables.pte;
    const before = this.pte;
    const changed: number[] = [];
    for (let slot = 0; slot < before.length; slot++) {
      if (now[slot] !== before[slot] && (((now[slot] as number) ^ (before[slot] as number)) & SEEN) !== 0)
        changed.push(slot);
    }
    // The tables have grown since: what is new is there at all.
    for (let slot = before.length; slot < now.length; slot++) if (now[slot] !== 0) changed.push(slot);
    return changed;
  }

  private ownLines(own: ReadonlyMap<number, Change>): string[] {
    const changes = [...own.values()].filter(({ before, now }) => before !== now).sort((a, b) => a.vpn - b.vpn);
    const lines: string[] = [];
    for (let i = 0; i < changes.length; ) {
      const first = changes[i] as Change;
      const what = describe(first, this.tables);
      let j = i + 1;
      while (changes[j]?.vpn === first.vpn + j - i && describe(changes[j] as Change, this.tables) === what) j++;
      lines.push(`${rangeName(first.vpn, first.vpn + j - i)} ${what}`);
      i = j;
    }
    if (lines.length <= RUNS_SHOWN) return lines;
    return [...lines.slice(0, RUNS_SHOWN), `and ${lines.length - RUNS_SHOWN} more runs`];
  }
}

function changeOf(changes: Map<number, Change>, vpn: number): Change {
  let change = changes.get(vpn);
  if (change === undefined) {
    change = { vpn, before: 0, now: 0 };
    changes.set(vpn, change);
  }
  return change;
}

function otherLines(counts: Readonly<Record<'added' | 'removed' | 'changed', number>>): string[] {
  const words = Object.entries(counts).flatMap(([what, count]) => (count === 0 ? [] : [`${count} ${what}`]));
  return words.length === 0 ? [] : [`of other processes: ${words.join(', ')}`];
}
