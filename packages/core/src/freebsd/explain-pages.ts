/**
 * What a fault did to objects and pages: the columns of all frames before and after, and the difference in words.
 *
 * A frame is followed by its place: resident at an index of an object, cached for one, or nowhere. From the two places, and from what the
 * branches told of a frame's contents on the way, comes what happened to the page; neighbours of which the same is to be said make a
 * run. Comparing is by machine words: a fault in a machine of 262,144 frames takes 2 ms.
 */
import { indexName, objectName } from './explain-values.js';
import type { VmObject } from './object.js';
import { PQ_ACTIVE, PQ_INACTIVE, VM_PAGE_BITS_ALL, VPO_NOSYNC } from './page.js';
import type { Vm } from './vm.js';

type Cells = Int32Array | Float64Array | Uint8Array | Uint16Array;

/** Bytes of the words by which columns are compared. All have the same, so that the loop is compiled for one kind of array. */
const WORD = 4;

function asWords(cells: Cells): Int32Array {
  return new Int32Array(cells.buffer, cells.byteOffset, Math.floor(cells.byteLength / WORD));
}

/** Places at which two arrays of equal length differ. */
function differences(now: Int32Array, before: Int32Array): number[] {
  const found: number[] = [];
  const { length } = now;
  for (let i = 0; i < length; i++) if (now[i] !== before[i]) found.push(i);
  return found;
}

/** One column of the page table and its copy. */
class Column {
  readonly before: Cells;
  private readonly liveWords: Int32Array;
  private readonly oldWords: Int32Array;

  constructor(readonly now: Cells) {
    this.before = now.slice();
    this.liveWords = asWords(now);
    this.oldWords = asWords(this.before);
  }

  take(): void {
    this.before.set(this.now);
  }

  /** Adds the frames whose cells have changed. */
  addChanged(frames: Set<number>): void {
    const bytes = this.now.BYTES_PER_ELEMENT;
    for (const word of differences(this.liveWords, this.oldWords)) {
      this.addCells(frames, Math.floor((word * WORD) / bytes), Math.ceil(((word + 1) * WORD) / bytes));
    }
    this.addCells(frames, Math.floor((this.liveWords.length * WORD) / bytes), this.now.length);
  }

  private addCells(frames: Set<number>, from: number, to: number): void {
    for (let frame = from; frame < to; frame++) if (this.now[frame] !== this.before[frame]) frames.add(frame);
  }
}

/** Where a frame is. */
interface Place {
  readonly object: VmObject;
  readonly pindex: number;
  readonly cached: boolean;
}

/** One thing to say of one page. */
interface Change {
  readonly object: VmObject;
  readonly pindex: number;
  readonly what: string;
}

/** Runs that are listed; what is more is counted. */
const RUNS_SHOWN = 16;

export class PageChanges {
  private readonly object: Column;
  private readonly pindex: Column;
  private readonly queue: Column;
  private readonly valid: Column;
  private readonly dirty: Column;
  private readonly wired: Column;
  private readonly oflags: Column;
  private readonly columns: readonly Column[];
  private objects: (VmObject | null)[] = [];
  /** What the branches told of the contents of frames. */
  private readonly contents = new Map<number, string>();

  constructor(private readonly vm: Vm) {
    const { pages } = vm;
    this.object = new Column(pages.hash.object);
    this.pindex = new Column(pages.hash.pindex);
    this.queue = new Column(pages.queues.queue);
    this.valid = new Column(pages.valid);
    this.dirty = new Column(pages.dirty);
    this.wired = new Column(pages.wireCount);
    this.oflags = new Column(pages.oflags);
    this.columns = [this.object, this.pindex, this.queue, this.valid, this.dirty, this.wired, this.oflags];
  }

  /** Remembers how everything is. */
  take(): void {
    for (const column of this.columns) column.take();
    this.objects = this.vm.objects.slice();
    this.contents.clear();
  }

  /** A frame gets contents. */
  note(frame: number, what: string): void {
    this.contents.set(frame, what);
  }

  /** What has changed since `take`, a line a run. */
  lines(): string[] {
    const frames = new Set<number>();
    for (const column of this.columns) column.addChanged(frames);
    const changes = [...frames].flatMap((frame) => this.changesOf(frame));
    const runs = joinRuns(changes);
    if (runs.length <= RUNS_SHOWN) return runs;
    return [...runs.slice(0, RUNS_SHOWN), `and ${runs.length - RUNS_SHOWN} more runs of pages`];
  }

  /** Objects that were made or have ended since `take`. */
  objectLines(): string[] {
    const lines: string[] = [];
    const { objects } = this.vm;
    for (let i = 0; i < Math.max(objects.length, this.objects.length); i++) {
      const before = this.objects[i] ?? null;
      const now = objects[i] ?? null;
      if (before === now) continue;
      if (before !== null) lines.push(`${objectName(before)} ended`);
      if (now === null) continue;
      const { backing, backingOffset } = now;
      const shadows = backing === null ? '' : `, shadows ${objectName(backing)} from page ${backingOffset} on`;
      lines.push(`${objectName(now)} made: size ${now.size}${shadows}`);
    }
    return lines;
  }

  private placeBefore(frame: number): Place | null {
    return this.place(this.objects, this.object.before[frame] as number, this.pindex.before[frame] as number);
  }

  private placeNow(frame: number): Place | null {
    return this.place(this.vm.objects, this.object.now[frame] as number, this.pindex.now[frame] as number);
  }

  private place(objects: readonly (VmObject | null)[], id: number, pindex: number): Place | null {
    const object = id === 0 ? null : (objects[id >> 1] ?? null);
    return object === null ? null : { object, pindex, cached: (id & 1) !== 0 };
  }

  private changesOf(frame: number): Change[] {
    const before = this.placeBefore(frame);
    const now = this.placeNow(frame);
    const changes: Change[] = [];
    const arrival = this.arrival(frame, before, now);
    if (before !== null && (now === null || arrival === 'reused')) {
      changes.push({ ...before, what: before.cached ? 'dropped from the cache' : 'freed' });
    }
    if (now === null) return changes;
    const first = arrival === 'reused' ? (this.contents.get(frame) ?? 'new') : arrival;
    const words = [first, ...this.attributes(frame, now)].filter((word) => word !== null);
    if (words.length > 0) changes.push({ ...now, what: words.join(', ') });
    return changes;
  }

  /** How the frame came to its place: null when it was there already, 'reused' when it served another page before. */
  private arrival(frame: number, before: Place | null, now: Place | null): string | null {
    if (now === null) return null;
    const contents = this.contents.get(frame);
    if (before === null) return contents ?? 'new';
    const samePlace = before.object === now.object && before.pindex === now.pindex;
    if (samePlace) {
      if (before.cached && !now.cached) return 'taken back from the cache';
      return now.cached && !before.cached ? 'cached' : (contents ?? null);
    }
    if (before.cached || now.cached || contents !== undefined) return 'reused';
    return `moved from ${indexName(before.pindex, before.pindex)} of ${objectName(before.object)}`;
  }

  /** What else has changed of a page in its place. */
  private attributes(frame: number, now: Place): string[] {
    if (now.cached) return [];
    const words: string[] = [];
    const queue = this.queue.now[frame];
    if (queue !== this.queue.before[frame]) {
      if (queue === PQ_ACTIVE) words.push('active');
      else if (queue === PQ_INACTIVE) words.push('inactive');
    }
    const wired = this.wired.now[frame] as number;
    const wiredBefore = this.wired.before[frame] as number;
    if (wired > 0 && wiredBefore === 0) words.push('wired');
    else if (wired === 0 && wiredBefore > 0) words.push('unwired');
    else if (wired !== wiredBefore) words.push(`wired ${wired} times`);
    const valid = this.valid.before[frame] as number;
    if (valid !== 0 && valid !== VM_PAGE_BITS_ALL && this.valid.now[frame] === VM_PAGE_BITS_ALL)
      words.push('completed');
    const dirty = this.dirty.now[frame] !== 0;
    if (dirty !== (this.dirty.before[frame] !== 0)) words.push(dirty ? 'dirty' : 'clean');
    const nosync = (this.oflags.now[frame] as number) & VPO_NOSYNC;
    if (nosync !== ((this.oflags.before[frame] as number) & VPO_NOSYNC)) words.push(nosync !== 0 ? 'nosync' : 'sync');
    return words;
  }
}

/** One line for neighbours of which the same is said. */
function joinRuns(changes: Change[]): string[] {
  changes.sort((a, b) => a.object.id - b.object.id || a.pindex - b.pindex);
  const lines: string[] = [];
  for (let i = 0; i < changes.length; ) {
    const first = changes[i] as Change;
    let j = i;
    while (continues(changes[j] as Change, changes[j + 1])) j++;
    const last = changes[j] as Change;
    lines.push(`${indexName(first.pindex, last.pindex)} of ${objectName(first.object)}: ${first.what}`);
    i = j + 1;
  }
  return lines;
}

function continues(change: Change, next: Change | undefined): boolean {
  return (
    next !== undefined &&
    next.object === change.object &&
    next.pindex === change.pindex + 1 &&
    next.what === change.what
  );
}
