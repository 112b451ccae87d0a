/**
 * The swap area as a resource map (rmalloc): free runs of pages in order of place, taken first-fit.
 */
interface FreeRun {
  start: number;
  pages: number;
}

export class SwapArea {
  private readonly free: FreeRun[] = [];

  constructor(readonly pages: number) {
    if (pages > 0) this.free.push({ start: 0, pages });
  }

  /** First page of a run of that length, or -1. */
  allocate(pages: number): number {
    const at = this.free.findIndex((run) => run.pages >= pages);
    if (at < 0) return -1;
    const run = this.free[at] as FreeRun;
    const { start } = run;
    run.start += pages;
    run.pages -= pages;
    if (run.pages === 0) this.free.splice(at, 1);
    return start;
  }

  /** Gives a run back; it joins its neighbours. */
  release(start: number, pages: number): void {
    let at = this.free.findIndex((run) => run.start > start);
    if (at < 0) at = this.free.length;
    const before = this.free[at - 1];
    const behind = this.free[at];
    const joinsBefore = before !== undefined && before.start + before.pages === start;
    const joinsBehind = behind !== undefined && start + pages === behind.start;
    if (joinsBefore && joinsBehind) {
      before.pages += pages + behind.pages;
      this.free.splice(at, 1);
    } else if (joinsBefore) {
      before.pages += pages;
    } else if (joinsBehind) {
      behind.start = start;
      behind.pages += pages;
    } else {
      this.free.splice(at, 0, { start, pages });
    }
  }

  /** Pages that are free. */
  get freePages(): number {
    return this.free.reduce((sum, run) => sum + run.pages, 0);
  }
}
