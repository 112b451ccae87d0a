/**
 * The links of doubly linked lists of frames: next and previous, side by side in one column.
 *
 * Whoever unlinks a frame wants both of its links, and the two are then in one line of the host's cache.
 */
import { int32Column } from '../machine/columns.js';

/** log2 of a pair: next and previous. A shift, unlike a product, needs no test for overflow. */
const PAIR_SHIFT = 1;

export class PageLinks {
  private readonly words: Int32Array;

  /** @param places frames, and what else takes part in the lists, such as sentinels; every link is 0 at first */
  constructor(places: number) {
    this.words = int32Column(places << PAIR_SHIFT);
  }

  next(at: number): number {
    return this.words[at << PAIR_SHIFT] as number;
  }

  previous(at: number): number {
    return this.words[(at << PAIR_SHIFT) + 1] as number;
  }

  setNext(at: number, next: number): void {
    this.words[at << PAIR_SHIFT] = next;
  }

  setPrevious(at: number, previous: number): void {
    this.words[(at << PAIR_SHIFT) + 1] = previous;
  }

  /** Both at once. */
  set(at: number, previous: number, next: number): void {
    this.words[at << PAIR_SHIFT] = next;
    this.words[(at << PAIR_SHIFT) + 1] = previous;
  }
}
