/**
 * Page queues: doubly linked lists through columns over frame numbers. A frame is on one queue at most.
 *
 * Each queue has a sentinel behind the last frame, so that an insertion or removal is four stores and no test.
 */
import { uint8Column } from '../machine/columns.js';
import { PageLinks } from './page-links.js';

/** Queue 0 is no queue. */
export const PQ_NONE = 0;

export class PageQueues {
  /** Queue number by frame. */
  readonly queue: Uint8Array;
  private readonly links: PageLinks;
  /** Pages by queue number. */
  readonly count: Int32Array;
  private readonly frames: number;

  /** @param queues number of queues, PQ_NONE included */
  constructor(frames: number, queues: number) {
    this.frames = frames;
    this.queue = uint8Column(frames);
    this.links = new PageLinks(frames + queues);
    this.count = new Int32Array(queues);
    for (let q = 0; q < queues; q++) this.links.set(frames + q, frames + q, frames + q);
  }

  /** First frame of a queue, or -1. */
  first(queue: number): number {
    const frame = this.links.next(this.frames + queue);
    return frame < this.frames ? frame : -1;
  }

  /** The frame behind `frame` on its queue, or -1. */
  after(frame: number): number {
    const next = this.links.next(frame);
    return next < this.frames ? next : -1;
  }

  insertTail(queue: number, frame: number): void {
    this.link(frame, this.links.previous(this.frames + queue), this.frames + queue, queue);
  }

  insertHead(queue: number, frame: number): void {
    this.link(frame, this.frames + queue, this.links.next(this.frames + queue), queue);
  }

  /** Puts a frame that is on no queue right behind one that is on one: how a scan marks its place. */
  insertBehind(before: number, frame: number): void {
    this.link(frame, before, this.links.next(before), this.queue[before] as number);
  }

  private link(frame: number, before: number, behind: number, queue: number): void {
    const { links } = this;
    links.setNext(before, frame);
    links.set(frame, before, behind);
    links.setPrevious(behind, frame);
    this.queue[frame] = queue;
    this.count[queue] = (this.count[queue] as number) + 1;
  }

  /** Takes a frame off its queue; one that is on none stays as it is. */
  remove(frame: number): void {
    const queue = this.queue[frame] as number;
    if (queue === PQ_NONE) return;
    const { links } = this;
    const before = links.previous(frame);
    const behind = links.next(frame);
    links.setNext(before, behind);
    links.setPrevious(behind, before);
    this.queue[frame] = PQ_NONE;
    this.count[queue] = (this.count[queue] as number) - 1;
  }

  /** Moves a frame to the tail of the queue that it is on. */
  requeue(frame: number): void {
    const queue = this.queue[frame] as number;
    this.remove(frame);
    this.insertTail(queue, frame);
  }
}
