/**
 * Page queues: doubly linked lists through columns over frame numbers. A frame is on one queue at most.
 *
 * Each queue has a sentinel behind the last frame, so that an insertion or removal is four stores and no test.
 */
import { int32Column, uint8Column } from '../machine/columns.js';

/** Queue 0 is no queue. */
export const PQ_NONE = 0;
/** Links of a frame: next and previous. */
const LINKS = 2;

export class PageQueues {
  /** Queue number by frame. */
  readonly queue: Uint8Array;
  /** Two links a frame, side by side so that one line of the host's cache holds both: the frame behind it, and the one before. */
  private readonly links: Int32Array;
  /** Pages by queue number. */
  readonly count: Int32Array;
  private readonly frames: number;

  /** @param queues number of queues, PQ_NONE included */
  constructor(frames: number, queues: number) {
    this.frames = frames;
    this.queue = uint8Column(frames);
    this.links = int32Column((frames + queues) * LINKS);
    this.count = new Int32Array(queues);
    for (let q = 0; q < queues; q++) {
      this.setNext(frames + q, frames + q);
      this.setPrev(frames + q, frames + q);
    }
  }

  // Of a frame, or of the sentinel of a queue.

  private nextOf(at: number): number {
    return this.links[at * LINKS] as number;
  }

  private prevOf(at: number): number {
    return this.links[at * LINKS + 1] as number;
  }

  private setNext(at: number, next: number): void {
    this.links[at * LINKS] = next;
  }

  private setPrev(at: number, prev: number): void {
    this.links[at * LINKS + 1] = prev;
  }

  /** First frame of a queue, or -1. */
  first(queue: number): number {
    const frame = this.nextOf(this.frames + queue);
    return frame < this.frames ? frame : -1;
  }

  /** The frame behind `frame` on its queue, or -1. */
  after(frame: number): number {
    const next = this.nextOf(frame);
    return next < this.frames ? next : -1;
  }

  insertTail(queue: number, frame: number): void {
    this.link(frame, this.prevOf(this.frames + queue), this.frames + queue, queue);
  }

  insertHead(queue: number, frame: number): void {
    this.link(frame, this.frames + queue, this.nextOf(this.frames + queue), queue);
  }

  /** Puts a frame that is on no queue right behind one that is on one: how a scan marks its place. */
  insertBehind(before: number, frame: number): void {
    this.link(frame, before, this.nextOf(before), this.queue[before] as number);
  }

  private link(frame: number, before: number, behind: number, queue: number): void {
    this.setNext(before, frame);
    this.setPrev(frame, before);
    this.setNext(frame, behind);
    this.setPrev(behind, frame);
    this.queue[frame] = queue;
    this.count[queue] = (this.count[queue] as number) + 1;
  }

  /** Takes a frame off its queue; one that is on none stays as it is. */
  remove(frame: number): void {
    const queue = this.queue[frame] as number;
    if (queue === PQ_NONE) return;
    const before = this.prevOf(frame);
    const behind = this.nextOf(frame);
    this.setNext(before, behind);
    this.setPrev(behind, before);
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
