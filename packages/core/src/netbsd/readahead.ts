/**
 * uvm_readahead: guessing what of a file will be wanted next.
 *
 * Each vnode has one context: a window behind the last request. A request that falls into it means that the guess was right: pages are read up to
 * the window's far end, and the window grows by the request. One that does not starts again, except for one that ends just where the
 * window begins, which is the same place read once more. Sequential advice asks nothing and always reads with the largest window.
 * I/O is asked in pieces that end at 64 KB boundaries, and only when two such pieces are missing. All numbers here are bytes.
 */
import type { Thread } from '../kernel/thread.js';
import { PAGE_SIZE } from '../machine/units.js';
import { EBUSY } from './codes.js';
import { ADVICE_RANDOM, ADVICE_SEQUENTIAL } from './map.js';

const WINSIZE_INIT = 64 * 1024;
const WINSIZE_MAX = WINSIZE_INIT * 8;
/** Less than this is not worth starting I/O for. */
const MINSIZE = WINSIZE_INIT * 2;
const IOCHUNK = WINSIZE_INIT;

/** uvm_ractx. */
export class ReadAhead {
  valid = false;
  winstart = 0;
  winsize = 0;
  /** Up to here it has been asked for. */
  next = 0;
}

/** Starts a read of `npages` pages from a byte offset; 0 or an errno. Does not wait for memory. */
export type StartRead = (thread: Thread, index: number, npages: number) => number;

/** ra_startio: answers where it stopped. */
function startIo(thread: Thread, offset: number, size: number, read: StartRead): number {
  const end = offset + size;
  let at = Math.floor(offset / PAGE_SIZE) * PAGE_SIZE;
  while (at < end) {
    const bytes = (Math.floor(at / IOCHUNK) + 1) * IOCHUNK - at;
    const error = read(thread, at / PAGE_SIZE, bytes / PAGE_SIZE);
    if (error !== 0 && error !== EBUSY) break;
    at += bytes;
  }
  return at;
}

/** uvm_ra_request. */
export function raRequest(
  ra: ReadAhead,
  thread: Thread,
  advice: number,
  offset: number,
  size: number,
  read: StartRead,
): void {
  if (advice === ADVICE_RANDOM) return;
  if (advice === ADVICE_SEQUENTIAL) {
    if (!ra.valid) {
      ra.winstart = 0;
      ra.next = 0;
      ra.valid = true;
    }
    if (offset < ra.winstart) ra.next = offset;
    ra.winsize = WINSIZE_MAX;
  } else if (!ra.valid || offset < ra.winstart || ra.winstart + ra.winsize < offset) {
    if (!ra.valid || offset + size !== ra.winstart) startAnew(ra, offset + size);
    return;
  }
  readToWindow(ra, thread, offset, read);
  ra.winstart = offset + size;
  if (ra.winsize < WINSIZE_MAX) ra.winsize = Math.min(WINSIZE_MAX, ra.winsize + size);
}

function startAnew(ra: ReadAhead, end: number): void {
  ra.winstart = end;
  ra.next = end;
  ra.winsize = WINSIZE_INIT;
  ra.valid = true;
}

function readToWindow(ra: ReadAhead, thread: Thread, offset: number, read: StartRead): void {
  if (offset > ra.next) ra.next = offset;
  const missing = offset + ra.winsize - ra.next;
  if (missing < MINSIZE) return;
  ra.next = startIo(thread, Math.max(offset, ra.next), missing, read);
}
