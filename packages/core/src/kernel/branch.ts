/**
 * Branches by name.
 *
 * Each branch of a handler has an id, and stands in the table of its room as data: when it is taken, what it does, the lines of the
 * seed that it comes from, and a sentence for a reader with the deciding values left open in braces. The handler marks the
 * place: `branch(f, 'F17')`. A mark is a null test while nobody listens. Coverage, explanations and race stories are all written
 * from the same table.
 */

export interface BranchRow {
  /** The condition, in a few words. */
  readonly when: string;
  /** What the kernel then does. */
  readonly effect: string;
  /** Lines of the seed. */
  readonly lines: string;
  /** One plain sentence; `{name}` stands for a value of the record at that moment. */
  readonly say: string;
}

/** Why a branch cannot be taken in this machine. */
export type Unreachable<Id extends string> = Partial<Record<Id, string>>;

/** Hears of each branch that is taken. */
export interface BranchListener<Id extends string, R> {
  branch(id: Id, record: R): void;
}

/** Branch ids taken since the process started, by system: what the coverage check reads. */
export class BranchCoverage {
  private readonly taken = new Map<string, Set<string>>();

  note(system: string, id: string): void {
    let ids = this.taken.get(system);
    if (ids === undefined) {
      ids = new Set();
      this.taken.set(system, ids);
    }
    ids.add(id);
  }

  /** Plain data for a file. */
  toJSON(): Record<string, string[]> {
    return Object.fromEntries([...this.taken].map(([system, ids]) => [system, [...ids].sort()]));
  }
}

/** Where a newly started system reports its branches, or null. Tests set it once, before they start systems. */
export const coverage: { current: BranchCoverage | null } = { current: null };
