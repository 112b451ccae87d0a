/**
 * A disk as far as time is concerned: one arm, one queue, no cache.
 *
 * A transfer that begins where the last one ended, reading or writing, goes on at the disk's bandwidth. Any other pays a seek and
 * half a turn first. Distance does not matter: the average is charged. That is coarse, but it is what decides whether clustering pays:
 * sixteen pages in one transfer cost one seek, sixteen transfers of a page cost sixteen.
 *
 * The disk moves no bytes (stores do); it only lets time pass and counts. It is given pages of its own numbering: who keeps
 * several files on one disk decides where each begins.
 */
import type { SimClock } from './clock.js';
import type { Costs } from './costs.js';
import { PAGE_SIZE } from './units.js';

const NS_PER_SECOND = 1e9;

/** What a disk has done since it was made. */
export interface DiskCounts {
  reads: number;
  writes: number;
  seeks: number;
  pagesRead: number;
  pagesWritten: number;
  /** Simulated nanoseconds spent in transfers, seeks included. */
  busyNs: number;
}

export class Disk {
  readonly counts: DiskCounts = { reads: 0, writes: 0, seeks: 0, pagesRead: 0, pagesWritten: 0, busyNs: 0 };
  private readonly clock: SimClock;
  private readonly seekNs: number;
  private readonly pageNs: number;
  /** Page under the head. -1 at first: the first transfer always seeks. */
  private head = -1;

  constructor(clock: SimClock, costs: Costs) {
    this.clock = clock;
    this.seekNs = costs.diskSeek + costs.diskRotation;
    this.pageNs = (PAGE_SIZE * NS_PER_SECOND) / costs.diskBytesPerSecond;
  }

  /** Reads `pages` pages from `page` on. Advances the clock and answers by how many nanoseconds. */
  read(page: number, pages: number): number {
    const ns = this.transfer(page, pages);
    this.counts.reads++;
    this.counts.pagesRead += pages;
    return ns;
  }

  /** Writes `pages` pages from `page` on. Advances the clock and answers by how many nanoseconds. */
  write(page: number, pages: number): number {
    const ns = this.transfer(page, pages);
    this.counts.writes++;
    this.counts.pagesWritten += pages;
    return ns;
  }

  private transfer(page: number, pages: number): number {
    if (!Number.isSafeInteger(page) || page < 0) {
      throw new RangeError(`disk page must be a whole number, 0 or more, not ${page}`);
    }
    if (!Number.isSafeInteger(pages) || pages < 1) {
      throw new RangeError(`a disk transfer has 1 page or more, not ${pages}`);
    }
    let ns = pages * this.pageNs;
    if (page !== this.head) {
      ns += this.seekNs;
      this.counts.seeks++;
    }
    this.head = page + pages;
    this.counts.busyNs += ns;
    this.clock.advance(ns);
    return ns;
  }
}
