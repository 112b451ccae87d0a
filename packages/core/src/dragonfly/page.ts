/**
 * vm_page: the columns that describe every frame, and what is done to one page.
 *
 * A page is a frame number. It is on the free queue of its colour; or resident in an object, and then on the cache queue of its colour
 * (clean, unmapped, ready to be taken), on the inactive or active queue, or on none while it is wired, busy in a fault, or
 * fictitious; or held after it was freed. A cached page is still found in its object: the fault that wants it back just takes it
 * off the queue. Validity and dirt are kept in eight bits, one for each 512 bytes.
 *
 * Everything here belongs to the vm_token; none of it sleeps. 53 bytes a frame, with the hash and the reverse maps.
 */
import { uint8Column, uint16Column } from '../machine/columns.js';
import { PageHash } from '../vm/page-hash.js';
import { PageLinks } from '../vm/page-links.js';
import { PageQueues } from '../vm/page-queues.js';
import type { VmObject } from './object.js';
import { objectOfPage, setWriteableDirty } from './object.js';
import type { Vm } from './vm.js';
import { freeWakeup, pagedaemonWakeup } from './wait.js';

/** Colours of the free and cache queues. */
export const PQ_COLOURS = 64;
export const PQ_COLOUR_MASK = PQ_COLOURS - 1;
export const PQ_NONE = 0;
/** First of the free queues, one a colour; likewise the cache queues. */
export const PQ_FREE = 1;
export const PQ_CACHE = PQ_FREE + PQ_COLOURS;
export const PQ_INACTIVE = PQ_CACHE + PQ_COLOURS;
export const PQ_ACTIVE = PQ_INACTIVE + 1;
/** Freed while held: off every list until the last hold goes. */
export const PQ_HOLD = PQ_ACTIVE + 1;
const QUEUES = PQ_HOLD + 1;

export const PG_BUSY = 0x0001;
export const PG_WANTED = 0x0002;
/** Met dirty by the page daemon once already. */
export const PG_WINATCFLS = 0x0004;
export const PG_FICTITIOUS = 0x0008;
/** Some translation may write. */
export const PG_WRITEABLE = 0x0010;
export const PG_ZERO = 0x0040;
export const PG_REFERENCED = 0x0080;
export const PG_SWAPINPROG = 0x0200;
export const PG_NOSYNC = 0x0400;
export const PG_UNMANAGED = 0x0800;
/** The read-ahead mark: whoever faults here should start reading ahead again. */
export const PG_RAM = 0x2000;
/** The object has a swap block for the page. */
export const PG_SWAPPED = 0x4000;
/** Chosen by the cleaning of a file. */
export const PG_CLEANCHK = 0x1000;

/** All eight 512-byte pieces. */
export const VM_PAGE_BITS_ALL = 0xff;
/** Bytes that one bit of `valid` and `dirty` stands for. */
export const PIECE_BYTES = 512;

/** act_count of a page that just became active, its step, and its ceiling. */
export const ACT_INIT = 5;
export const ACT_ADVANCE = 3;
export const ACT_MAX = 64;

export class Pages {
  readonly hash: PageHash;
  readonly queues: PageQueues;
  /** No frame: what the page daemon leaves in a queue to find its place again. */
  readonly marker: number;
  /** The object's list of its pages. */
  readonly links: PageLinks;
  readonly wireCount: Uint16Array;
  readonly holdCount: Uint16Array;
  /** I/O operations on the page: "soft busy". */
  readonly busy: Uint8Array;
  readonly flags: Uint16Array;
  readonly valid: Uint8Array;
  readonly dirty: Uint8Array;
  readonly actCount: Uint8Array;
  /** Pages on the free queues, and on the cache queues. */
  freeCount = 0;
  cacheCount = 0;

  constructor(poolFrames: number, frames: number) {
    this.hash = new PageHash(frames);
    this.queues = new PageQueues(frames + 1, QUEUES);
    this.marker = frames;
    this.links = new PageLinks(frames);
    this.wireCount = uint16Column(frames);
    this.holdCount = uint16Column(frames);
    this.busy = uint8Column(frames);
    this.flags = uint16Column(frames);
    this.valid = uint8Column(frames);
    this.dirty = uint8Column(frames);
    this.actCount = uint8Column(frames);
    for (let frame = 0; frame < poolFrames; frame++) this.queues.insertTail(PQ_FREE + (frame & PQ_COLOUR_MASK), frame);
    this.freeCount = poolFrames;
  }
}

/** vm_page_lookup: the resident page of an object at an index, or -1. */
export function pageLookup(vm: Vm, object: VmObject, pindex: number): number {
  return vm.pages.hash.lookup(object.id, pindex);
}

/** Index of a page in its object. */
export function pageIndex(vm: Vm, page: number): number {
  return vm.pages.hash.pindex[page] as number;
}

/** vm_page_insert: makes the page resident in an object. */
export function pageInsert(vm: Vm, page: number, object: VmObject, pindex: number): void {
  const pages = vm.pages;
  pages.hash.insert(page, object.id, pindex);
  pages.links.set(page, -1, object.firstPage);
  if (object.firstPage >= 0) pages.links.setPrevious(object.firstPage, page);
  object.firstPage = page;
  object.residentCount++;
  object.generation++;
  if (pageHasFlag(vm, page, PG_WRITEABLE)) setWriteableDirty(object);
  if (object.swap?.has(pindex)) pageSetFlag(vm, page, PG_SWAPPED);
}

/** vm_page_remove: takes a page out of its object. */
export function pageRemove(vm: Vm, page: number): void {
  const pages = vm.pages;
  const object = objectOfPage(vm, page);
  if (object === null) return;
  pages.hash.remove(page);
  const next = pages.links.next(page);
  const prev = pages.links.previous(page);
  if (prev >= 0) pages.links.setNext(prev, next);
  else object.firstPage = next;
  if (next >= 0) pages.links.setPrevious(next, prev);
  object.residentCount--;
  object.generation++;
}

/** vm_page_rename: moves a busy page to another object and index. It is dirty there, and busy no longer. */
export function pageRename(vm: Vm, page: number, object: VmObject, pindex: number): void {
  pageRemove(vm, page);
  pageClearFlag(vm, page, PG_SWAPPED);
  pageInsert(vm, page, object, pindex);
  if (isCached(vm, page)) pageDeactivate(vm, page);
  pageDirty(vm, page);
  pageWakeup(vm, page);
}

// ---- busy --------------------------------------------------------------------------------------------------------

/** True when the page is busy either way: under somebody's exclusive hand, or under I/O. */
export function pageIsBusy(vm: Vm, page: number): boolean {
  return ((vm.pages.flags[page] as number) & PG_BUSY) !== 0 || vm.pages.busy[page] !== 0;
}

/** vm_page_busy. */
export function pageBusy(vm: Vm, page: number): void {
  vm.pages.flags[page] = (vm.pages.flags[page] as number) | PG_BUSY;
}

/** vm_page_wakeup: no longer busy; wakes who waits. */
export function pageWakeup(vm: Vm, page: number): void {
  vm.pages.flags[page] = (vm.pages.flags[page] as number) & ~PG_BUSY;
  pageFlash(vm, page);
}

/** vm_page_flash: wakes who waits for the page. */
export function pageFlash(vm: Vm, page: number): void {
  const flags = vm.pages.flags[page] as number;
  if ((flags & PG_WANTED) === 0) return;
  vm.pages.flags[page] = flags & ~PG_WANTED;
  vm.kernel.wakeup(page);
}

/** vm_page_io_start: one I/O more. */
export function pageIoStart(vm: Vm, page: number): void {
  vm.pages.busy[page] = (vm.pages.busy[page] as number) + 1;
}

/** vm_page_io_finish: one I/O less. */
export function pageIoFinish(vm: Vm, page: number): void {
  const busy = (vm.pages.busy[page] as number) - 1;
  vm.pages.busy[page] = busy;
  if (busy === 0) pageFlash(vm, page);
}

/** vm_page_hold: keeps the frame from being reused. */
export function pageHold(vm: Vm, page: number): void {
  vm.pages.holdCount[page] = (vm.pages.holdCount[page] as number) + 1;
}

// ---- flags, validity and dirt --------------------------------------------------------------------------------------

export function pageHasFlag(vm: Vm, page: number, flag: number): boolean {
  return ((vm.pages.flags[page] as number) & flag) !== 0;
}

export function pageSetFlag(vm: Vm, page: number, flag: number): void {
  vm.pages.flags[page] = (vm.pages.flags[page] as number) | flag;
}

export function pageClearFlag(vm: Vm, page: number, flag: number): void {
  vm.pages.flags[page] = (vm.pages.flags[page] as number) & ~flag;
}

export function pageFullyValid(vm: Vm, page: number): boolean {
  return vm.pages.valid[page] === VM_PAGE_BITS_ALL;
}

/** vm_page_dirty: the whole page, and its object has something to write. */
export function pageDirty(vm: Vm, page: number): void {
  vm.pages.dirty[page] = VM_PAGE_BITS_ALL;
  const object = objectOfPage(vm, page);
  if (object !== null) setWriteableDirty(object);
}

/** vm_page_test_dirty: a page written through some translation is dirty. */
export function pageTestDirty(vm: Vm, page: number): void {
  if (vm.pages.dirty[page] !== VM_PAGE_BITS_ALL && vm.pmap.isModified(page)) pageDirty(vm, page);
}

/** Marks a page whole. */
export function pageSetValid(vm: Vm, page: number): void {
  vm.pages.valid[page] = VM_PAGE_BITS_ALL;
}

/** vm_page_bits: the bits of the pieces that bytes `base` to `base + size` touch. */
export function pageBits(base: number, size: number): number {
  if (size === 0) return 0;
  const first = base >> 9;
  const last = (base + size - 1) >> 9;
  return (2 << last) - (1 << first);
}

/** vm_page_zero_invalid: zeros what is not valid; with `setValid` the page is whole afterwards. */
export function pageZeroInvalid(vm: Vm, page: number, setValid: boolean): void {
  const valid = vm.pages.valid[page] as number;
  for (let piece = 0; piece < 8; piece++) {
    if ((valid & (1 << piece)) === 0) vm.machine.memory.zeroPart(page, piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
  }
  if (setValid) pageSetValid(vm, page);
}

// ---- queues --------------------------------------------------------------------------------------------------------

/** Whether the page is on a cache queue. */
export function isCached(vm: Vm, page: number): boolean {
  const queue = vm.pages.queues.queue[page] as number;
  return queue >= PQ_CACHE && queue < PQ_INACTIVE;
}

export function isFree(vm: Vm, page: number): boolean {
  const queue = vm.pages.queues.queue[page] as number;
  return queue >= PQ_FREE && queue < PQ_CACHE;
}

/** vm_page_unqueue_nowakeup: off whatever queue. Answers whether it was a cache queue. */
export function pageUnqueueNoWakeup(vm: Vm, page: number): boolean {
  const pages = vm.pages;
  const queue = pages.queues.queue[page] as number;
  if (queue === PQ_NONE) return false;
  pages.queues.remove(page);
  if (queue >= PQ_INACTIVE) return false;
  if (queue < PQ_CACHE) {
    pages.freeCount--;
    return false;
  }
  pages.cacheCount--;
  return true;
}

/** vm_page_unqueue: the same; a page that leaves the cache may make the page daemon wanted. */
export function pageUnqueue(vm: Vm, page: number): void {
  if (pageUnqueueNoWakeup(vm, page)) pagedaemonWakeup(vm);
}

/** Puts a page that is on no queue at the tail of its colour's cache queue: the oldest is taken first. */
export function enqueueCache(vm: Vm, page: number): void {
  vm.pages.queues.insertTail(PQ_CACHE + (page & PQ_COLOUR_MASK), page);
  vm.pages.cacheCount++;
}

/** Puts a page that is on no queue at the head of its colour's free queue. (Only zeroed ones would go to the tail.) */
export function enqueueFree(vm: Vm, page: number): void {
  vm.pages.queues.insertHead(PQ_FREE + (page & PQ_COLOUR_MASK), page);
  vm.pages.freeCount++;
}

/** vm_page_activate: to the tail of the active queue, unless wired or unmanaged. */
export function pageActivate(vm: Vm, page: number): void {
  const pages = vm.pages;
  if (pages.queues.queue[page] !== PQ_ACTIVE) {
    if (isCached(vm, page)) vm.counters.v_reactivated++;
    pageUnqueue(vm, page);
    if (pages.wireCount[page] !== 0 || pageHasFlag(vm, page, PG_UNMANAGED)) return;
    pages.queues.insertTail(PQ_ACTIVE, page);
  }
  if ((pages.actCount[page] as number) < ACT_INIT) pages.actCount[page] = ACT_INIT;
}

/** vm_page_deactivate: to the inactive queue, unless it is there, wired or unmanaged. */
export function pageDeactivate(vm: Vm, page: number, atHead = false): void {
  const pages = vm.pages;
  if (pages.queues.queue[page] === PQ_INACTIVE) return;
  if (pages.wireCount[page] !== 0 || pageHasFlag(vm, page, PG_UNMANAGED)) return;
  if (isCached(vm, page)) vm.counters.v_reactivated++;
  pageClearFlag(vm, page, PG_WINATCFLS);
  pageUnqueue(vm, page);
  if (atHead) pages.queues.insertHead(PQ_INACTIVE, page);
  else pages.queues.insertTail(PQ_INACTIVE, page);
}

/** vm_page_wire: off all queues; a fictitious page is wired from birth and never counted. */
export function pageWire(vm: Vm, page: number): void {
  const pages = vm.pages;
  if (pageHasFlag(vm, page, PG_FICTITIOUS)) return;
  const count = pages.wireCount[page] as number;
  if (count === 0) {
    if (!pageHasFlag(vm, page, PG_UNMANAGED)) pageUnqueue(vm, page);
    vm.wiredPages++;
  }
  pages.wireCount[page] = count + 1;
}

/** vm_page_unwire: at zero to the tail of the active or inactive queue, its activity count as it was. */
export function pageUnwire(vm: Vm, page: number, activate: boolean): void {
  const pages = vm.pages;
  if (pageHasFlag(vm, page, PG_FICTITIOUS)) return;
  const count = pages.wireCount[page] as number;
  if (count === 0) vm.panic('vm_page_unwire: invalid wire count: 0');
  pages.wireCount[page] = count - 1;
  if (count > 1) return;
  vm.wiredPages--;
  if (pageHasFlag(vm, page, PG_UNMANAGED)) return;
  if (!activate) pageClearFlag(vm, page, PG_WINATCFLS);
  // A page that lost its object while it was wired has nowhere to go back to.
  if (pages.hash.object[page] === 0) return;
  pages.queues.insertTail(activate ? PQ_ACTIVE : PQ_INACTIVE, page);
}

/** vm_page_cache: a busy, clean page nobody maps is ready to be taken; busy no longer. */
export function pageCache(vm: Vm, page: number): void {
  const pages = vm.pages;
  if (pageHasFlag(vm, page, PG_UNMANAGED) || engaged(vm, page)) {
    vm.printf('vm_page_cache: attempting to cache busy/held page');
    pageWakeup(vm, page);
    return;
  }
  if (isCached(vm, page)) {
    pageWakeup(vm, page);
    return;
  }
  if (pages.dirty[page] !== 0) vm.panic(`vm_page_cache: caching a dirty page, pindex: ${pageIndex(vm, page)}`);
  vm.pmap.removeAll(page);
  if (pages.dirty[page] !== 0) {
    pageDeactivate(vm, page);
    pageWakeup(vm, page);
    return;
  }
  pageUnqueueNoWakeup(vm, page);
  enqueueCache(vm, page);
  pageWakeup(vm, page);
  freeWakeup(vm);
}

function engaged(vm: Vm, page: number): boolean {
  const pages = vm.pages;
  return pages.busy[page] !== 0 || pages.wireCount[page] !== 0 || pages.holdCount[page] !== 0;
}

/**
 * vm_page_try_to_cache: caches a page if nothing speaks against it. One that proves dirty only when the pmap is asked stays busy as
 * seeded, and nobody will ever wake it; mended it is let go.
 */
export function pageTryToCache(vm: Vm, page: number): boolean {
  const pages = vm.pages;
  if (pages.dirty[page] !== 0 || engaged(vm, page) || pageHasFlag(vm, page, PG_BUSY | PG_UNMANAGED)) return false;
  pageBusy(vm, page);
  pageTestDirty(vm, page);
  if (pages.dirty[page] !== 0) {
    if (vm.mended) pageWakeup(vm, page);
    return false;
  }
  pageCache(vm, page);
  return true;
}

/** Requests between two looks at a page's own history, and the bits that vary the place in the queue. */
const DONTNEED_SKIP = 0x1f0;
const DONTNEED_HEAD = 0x70;

/**
 * vm_page_dontneed: the owner expects not to use the page for a while. Most requests deactivate it; dirty pages and one in eight go to
 * the tail of the inactive queue, the rest to its head; now and then only its activity count falls.
 */
export function pageDontneed(vm: Vm, page: number): void {
  const pages = vm.pages;
  const dnw = ++vm.dontneedCount;
  if ((dnw & DONTNEED_SKIP) === 0 || pages.queues.queue[page] === PQ_INACTIVE || isCached(vm, page)) {
    const act = pages.actCount[page] as number;
    if (act >= ACT_INIT) pages.actCount[page] = act - 1;
    return;
  }
  pageTestDirty(vm, page);
  pageDeactivate(vm, page, pages.dirty[page] === 0 && (dnw & DONTNEED_HEAD) !== 0);
}
