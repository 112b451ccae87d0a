/**
 * uvm_vnode and genfs_getpages: files.
 *
 * A file has one object as long as the machine runs; its `refs` are the script's own hold and one for each mapping entry. Three marks say what
 * its pages may hide: *dirty list* (somebody has asked to write), WRMAP (it has been mapped shared and writable) and WRMAPDIRTY (and
 * written through such a mapping). An object whose marks say "clean" wants to hear of the first store.
 *
 * Reading is by whole 16 KB blocks of the file system: what the fault wants, widened to blocks, as far as the file goes. Pages that are
 * already valid are never read again. Read-ahead asks the same way but never waits for memory, nor for the disk.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { BackingStore } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { Prot } from '../vm/prot.js';
import { PROT_WRITE } from '../vm/prot.js';
import type { VmFile } from '../vm/system.js';
import { EBUSY, EINVAL, LOOP } from './codes.js';
import { immediately } from './io.js';
import { NO_PAGE, PGO_FREE, UvmObject } from './object.js';
import {
  PG_BUSY,
  PG_FAKE,
  PG_RDONLY,
  PG_RELEASED,
  PG_WANTED,
  pageActivate,
  pageAlloc,
  pageFree,
  pageHas,
  pageLookup,
  pageUnbusy,
  wakePage,
} from './page.js';
import { ReadAhead, raRequest } from './readahead.js';
import type { Vm } from './vm.js';
import type { OrderedFileErrors } from './vnode-io.js';
import { readRuns, startReadRuns } from './vnode-io.js';
import { putPages, WHOLE_FILE } from './vnode-put.js';
import type { WaitAccount } from './wait.js';
import { waitForMemory, waitForPage } from './wait.js';

/** Block and fragment of the file system, and the number of blocks from which on a file has whole blocks only. */
const BLOCK_BYTES = 16 * 1024;
const FRAGMENT_BYTES = 2 * 1024;
const DIRECT_BLOCKS = 12;
const BLOCK_PAGES = BLOCK_BYTES / PAGE_SIZE;

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** GOP_SIZE: a length as the file system rounds it, in bytes. */
export function fileSystemSize(bytes: number): number {
  return roundUp(bytes, Math.floor(bytes / BLOCK_BYTES) < DIRECT_BLOCKS ? FRAGMENT_BYTES : BLOCK_BYTES);
}

export class VnodeObject extends UvmObject implements VmFile {
  readonly kind = 'vnode';
  /** VI_ONWORKLST. */
  onDirtyList = false;
  /** VI_WRMAP and VI_WRMAPDIRTY. */
  wrmap = false;
  wrmapDirty = false;
  /** Write gets so far (g_dirtygen): a clean that overlapped with one proves nothing. */
  dirtyGeneration = 0;
  readonly readAhead = new ReadAhead();
  /** v_size: bytes, once somebody has said so. */
  size = Number.POSITIVE_INFINITY;
  /** Transfers that shall fail. */
  orderedError: OrderedFileErrors | null = null;

  constructor(
    vm: Vm,
    readonly name: string,
    readonly store: BackingStore,
    /** Where the file lies on the simulated disk, in pages. */
    readonly diskPage: number,
  ) {
    super(vm, `vnode ${name}`);
  }

  override get needsWriteFault(): boolean {
    return !this.onDirtyList || (this.wrmap && !this.wrmapDirty);
  }

  /** Bytes of the file. Where the store and the news of its new length (v_size) are apart, the nearer end holds. */
  get end(): number {
    return Math.min(this.size, this.store.size());
  }

  /** From now on the length is what `setSize` says. */
  noteSize(): void {
    if (this.size === Number.POSITIVE_INFINITY) this.size = this.store.size();
  }

  /** Pages up to the end of the file as the file system sees it. */
  private get endPage(): number {
    return Math.ceil(fileSystemSize(this.end) / PAGE_SIZE);
  }

  /** vn_markexec: its pages count as program text from now on. */
  markText(): void {
    if (this.isText) return;
    this.isText = true;
    this.vm.filepages -= this.npages;
    this.vm.execpages += this.npages;
  }

  /** vrele: the file itself stays. */
  override detach(): Task<void> {
    this.refs--;
    return immediately(undefined);
  }

  /** What every get does first: refuse what lies past the end, note a write. */
  private begin(index: number, access: Prot): number {
    if (index * PAGE_SIZE >= fileSystemSize(this.end)) return EINVAL;
    if ((access & PROT_WRITE) !== 0) {
      this.dirtyGeneration++;
      this.onDirtyList = true;
      if (this.wrmap) this.wrmapDirty = true;
    }
    return 0;
  }

  /** uvn_get, locked: what is resident and not busy. */
  override getLocked(index: number, pages: Int32Array, npages: number, center: number, access: Prot): number {
    const { vm } = this;
    const error = this.begin(index + center, access);
    if (error !== 0) return error;
    const write = (access & PROT_WRITE) !== 0;
    for (let i = 0; i < npages; i++) {
      if (pages[i] !== NO_PAGE) continue;
      const page = pageLookup(vm, this, index + i);
      if (page < 0 || pageHas(vm, page, PG_BUSY) || (write && pageHas(vm, page, PG_RDONLY))) continue;
      vm.pages.flags[page] |= PG_BUSY;
      pages[i] = page;
    }
    return pages[center] === NO_PAGE ? EBUSY : 0;
  }

  /** uvn_get, synchronous. */
  override *get(thread: Thread, index: number, access: Prot, advice: number, waits: WaitAccount): Task<number> {
    if ((access & PROT_WRITE) === 0) {
      raRequest(this.readAhead, thread, advice, index * PAGE_SIZE, PAGE_SIZE, (t, at, n) => this.startRead(t, at, n));
    }
    const error = this.begin(index, access);
    if (error !== 0) {
      this.lock.release(thread);
      return -error;
    }
    const found = yield* this.findPages(thread, index, 1, waits);
    if (found === null) return -LOOP;
    const page = found[0];
    if (!pageHas(this.vm, page, PG_FAKE)) {
      this.lock.release(thread);
      return page;
    }
    return yield* this.readBlocks(thread, index, page, waits);
  }

  /** Reads the whole blocks around a page that had to be made. The object is locked; it is not on return. */
  private *readBlocks(thread: Thread, index: number, page: number, waits: WaitAccount): Task<number> {
    const { vm } = this;
    const start = Math.floor(index / BLOCK_PAGES) * BLOCK_PAGES;
    const end = Math.min(start + BLOCK_PAGES, this.endPage);
    let pages: number[] | null = [page];
    if (end - start > 1) {
      // Pages are taken in ascending order, so what was taken out of order is given back first.
      this.releasePages([page]);
      pages = yield* this.findPages(thread, start, end - start, waits);
      if (pages === null) return -LOOP;
    }
    this.lock.release(thread);
    const error = yield* readRuns(vm, thread, this, start, pages);
    while (!this.lock.acquire(thread)) yield;
    if (error !== 0) {
      this.releasePages(pages);
      this.lock.release(thread);
      return -error;
    }
    for (const [i, each] of pages.entries()) this.finishRead(each, start + i !== index);
    this.lock.release(thread);
    return pages[index - start];
  }

  /** A page that has been read: valid now, and given up to the active queue unless it is the one asked for. */
  private finishRead(page: number, giveUp: boolean): void {
    const { vm } = this;
    if (pageHas(vm, page, PG_FAKE)) {
      vm.pages.flags[page] &= ~PG_FAKE;
      vm.pmap.clearModify(page);
    }
    if (!giveUp) return;
    wakePage(vm, page);
    if (pageHas(vm, page, PG_RELEASED)) {
      pageFree(vm, page);
      return;
    }
    pageActivate(vm, page);
    vm.pages.flags[page] &= ~(PG_WANTED | PG_BUSY);
  }

  /** genfs_rel_pages: gives busy pages back; those never filled are freed. */
  private releasePages(pages: readonly number[]): void {
    const { vm } = this;
    for (const page of pages) {
      if (pageHas(vm, page, PG_FAKE)) vm.pages.flags[page] |= PG_RELEASED;
      pageUnbusy(vm, page);
    }
  }

  /**
   * uvn_findpages, waiting: pages from `index` on, made where there are none, all busy for us. Null, with nothing held and the object
   * unlocked, when memory has been waited for too often.
   */
  private *findPages(thread: Thread, index: number, count: number, waits: WaitAccount): Task<number[] | null> {
    const { vm } = this;
    const found: number[] = [];
    while (found.length < count) {
      let page = pageLookup(vm, this, index + found.length);
      if (page < 0) {
        page = pageAlloc(vm, this, index + found.length, null, false);
        if (page < 0) {
          this.lock.release(thread);
          const more = yield* waitForMemory(vm, thread, waits, 'uvn_fp1');
          if (!more) {
            this.releasePages(found);
            return null;
          }
          while (!this.lock.acquire(thread)) yield;
          continue;
        }
      } else if (pageHas(vm, page, PG_BUSY)) {
        vm.pages.flags[page] |= PG_WANTED;
        this.lock.release(thread);
        yield* waitForPage(vm, thread, page, 'uvn_fp2');
        while (!this.lock.acquire(thread)) yield;
        continue;
      }
      vm.pages.flags[page] |= PG_BUSY;
      found.push(page);
    }
    return found;
  }

  /** uvn_findpages, not waiting: the same, or null with nothing held. */
  private findPagesNow(index: number, count: number): number[] | null {
    const { vm } = this;
    const found: number[] = [];
    for (let at = index; at < index + count; at++) {
      let page = pageLookup(vm, this, at);
      if (page < 0) page = pageAlloc(vm, this, at, null, false);
      else if (pageHas(vm, page, PG_BUSY)) page = -1;
      if (page < 0) {
        this.releasePages(found);
        return null;
      }
      vm.pages.flags[page] |= PG_BUSY;
      found.push(page);
    }
    return found;
  }

  /** genfs_getpages, asynchronous, for read-ahead: answers 0 when the read is on its way. */
  private startRead(thread: Thread, index: number, npages: number): number {
    const { vm } = this;
    const error = this.begin(index, 0);
    if (error !== 0) return error;
    const wanted = Math.min(npages, this.endPage - index);
    let pages = this.findPagesNow(index, wanted);
    if (pages === null) return EBUSY;
    if (pages.every((page) => !pageHas(vm, page, PG_FAKE))) {
      for (const page of pages) this.finishRead(page, true);
      return 0;
    }
    const start = Math.floor(index / BLOCK_PAGES) * BLOCK_PAGES;
    const end = Math.min(roundUp(index + wanted, BLOCK_PAGES), this.endPage);
    if (end - start !== wanted) {
      this.releasePages(pages);
      pages = this.findPagesNow(start, end - start);
      if (pages === null) return EBUSY;
    }
    const busy = pages;
    vm.counters.ra_issued++;
    startReadRuns(vm, this, start, busy, (failed) => this.readArrived(busy, failed));
    void thread;
    return 0;
  }

  /** uvm_aio_aiodone of a read: new pages become valid and active, others are just given back. */
  private readArrived(pages: readonly number[], error: number): void {
    if (error !== 0) {
      this.releasePages(pages);
      return;
    }
    for (const page of pages) {
      if (pageHas(this.vm, page, PG_FAKE)) this.finishRead(page, true);
      else pageUnbusy(this.vm, page);
    }
  }

  /**
   * uvm_vnp_setsize, and the zeroing that the file system does with it: pages past the end go, whoever maps them, and what lies behind the
   * end within a page is zero, also what a mapping has stored behind the old end of a file that now grows.
   */
  *setSize(thread: Thread, bytes: number): Task<void> {
    const { vm } = this;
    const kept = Math.min(bytes, this.end);
    const past = Math.ceil(kept / PAGE_SIZE);
    if (bytes < this.size) this.size = bytes;
    while (!this.lock.acquire(thread)) yield;
    yield* this.put(thread, past, WHOLE_FILE, PGO_FREE, false);
    while (!this.lock.acquire(thread)) yield;
    let page = this.tailPage(kept);
    while (page >= 0 && pageHas(vm, page, PG_BUSY)) {
      vm.pages.flags[page] |= PG_WANTED;
      this.lock.release(thread);
      yield* waitForPage(vm, thread, page, 'vnsize');
      while (!this.lock.acquire(thread)) yield;
      page = this.tailPage(kept);
    }
    if (page >= 0) vm.machine.memory.zeroPart(page, kept % PAGE_SIZE, PAGE_SIZE);
    this.size = bytes;
    this.lock.release(thread);
  }

  /** The page that an end lies within, or -1. */
  private tailPage(end: number): number {
    return end % PAGE_SIZE === 0 ? -1 : pageLookup(this.vm, this, Math.floor(end / PAGE_SIZE));
  }

  /** vclean, for a file that nobody can reach any more: its pages go unwritten, and so does it. */
  *revoke(thread: Thread): Task<void> {
    const { vm } = this;
    while (!this.lock.acquire(thread)) yield;
    this.size = 0;
    while (this.npages > 0) {
      yield* this.put(thread, 0, WHOLE_FILE, PGO_FREE, false);
      while (!this.lock.acquire(thread)) yield;
      if (this.npages === 0) break;
      // The page daemon writes it.
      vm.pages.flags[this.first] |= PG_WANTED;
      const busy = this.first;
      this.lock.release(thread);
      yield* waitForPage(vm, thread, busy, 'vclean');
      while (!this.lock.acquire(thread)) yield;
    }
    this.lock.release(thread);
    this.retire();
  }

  override put(thread: Thread, start: number, end: number, flags: number, daemon: boolean): Task<number> {
    return putPages(this.vm, thread, this, start, end, flags, daemon);
  }
}
