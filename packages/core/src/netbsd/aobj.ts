/**
 * uvm_aobj: anonymous memory as an object, what System V shared memory maps.
 *
 * A page of it is resident, or at its swap slot, or has never existed and is zeros. A locked get makes such pages on the spot, for every
 * place of the window; they belong to no queue until some fault activates them (oddity 23). A put never frees while it also cleans, which
 * is all that is ever asked of it from outside.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { PROT_WRITE } from '../vm/prot.js';
import { EBUSY, LOOP } from './codes.js';
import { NO_PAGE, PGO_CLEANIT, PGO_DEACTIVATE, PGO_FREE, pagesInPutOrder, UvmObject } from './object.js';
import {
  PG_BUSY,
  PG_CLEAN,
  PG_FAKE,
  PG_RELEASED,
  PG_WANTED,
  PQ_AOBJ,
  pageAlloc,
  pageDeactivate,
  pageFree,
  pageHas,
  pageIndex,
  pageLookup,
  pageObject,
  pageZero,
} from './page.js';
import { SWSLOT_BAD, swapGet } from './swap.js';
import type { Vm } from './vm.js';
import type { WaitAccount } from './wait.js';
import { waitForMemory, waitForPage } from './wait.js';

export class AnonObject extends UvmObject {
  readonly kind = 'aobj';
  /** Swap slot by page; a page that is not here has none. */
  readonly slots = new Map<number, number>();

  constructor(
    vm: Vm,
    readonly name: string,
    /** Length in pages. */
    readonly size: number,
  ) {
    super(vm, `aobj ${name}`);
  }

  /** uao_find_swslot. */
  slotOf(index: number): number {
    return this.slots.get(index) ?? 0;
  }

  /** uao_set_swslot: answers the old slot. */
  setSlot(index: number, slot: number): number {
    const old = this.slotOf(index);
    if (slot === 0) this.slots.delete(index);
    else this.slots.set(index, slot);
    return old;
  }

  /** uao_dropswap: frees the slot of a page; answers it. */
  dropSwap(index: number): number {
    const slot = this.setSlot(index, 0);
    if (slot > 0) this.vm.swap.free(slot, 1);
    return slot;
  }

  /** uao_detach: with the last reference go pages and slots. */
  override *detach(thread: Thread): Task<void> {
    while (!this.lock.acquire(thread)) yield;
    if (--this.refs > 0) {
      this.lock.release(thread);
      return;
    }
    const { vm } = this;
    while (this.first >= 0) {
      const page = this.first;
      vm.pmap.removePage(page);
      if (pageHas(vm, page, PG_BUSY)) {
        vm.pages.flags[page] |= PG_WANTED;
        this.lock.release(thread);
        yield* waitForPage(vm, thread, page, 'uao_det');
        while (!this.lock.acquire(thread)) yield;
        continue;
      }
      this.dropSwap(pageIndex(vm, page));
      pageFree(vm, page);
    }
    for (const slot of this.slots.values()) {
      if (slot <= 0) continue;
      vm.swap.free(slot, 1);
      vm.swap.only--;
    }
    this.slots.clear();
    this.lock.release(thread);
    this.retire();
  }

  /** uao_get, locked: pages that never existed are made now. */
  override getLocked(index: number, pages: Int32Array, npages: number, center: number): number {
    const { vm } = this;
    let done = true;
    for (let i = 0; i < npages; i++) {
      if (pages[i] !== NO_PAGE) continue;
      let page = pageLookup(vm, this, index + i);
      if (page < 0 && this.slotOf(index + i) === 0) {
        page = pageAlloc(vm, this, index + i, null, true);
        if (page >= 0) {
          vm.pages.flags[page] &= ~PG_FAKE;
          vm.pages.pqflags[page] |= PQ_AOBJ;
          pages[i] = page;
          continue;
        }
      }
      if (page < 0 || pageHas(vm, page, PG_BUSY)) {
        if (i === center) done = false;
        continue;
      }
      vm.pages.flags[page] |= PG_BUSY;
      pages[i] = page;
    }
    return done ? 0 : EBUSY;
  }

  /** uao_get, synchronous. */
  override *get(thread: Thread, index: number, access: Prot, _advice: number, waits: WaitAccount): Task<number> {
    const { vm } = this;
    for (;;) {
      const page = pageLookup(vm, this, index);
      if (page >= 0 && pageHas(vm, page, PG_BUSY)) {
        vm.pages.flags[page] |= PG_WANTED;
        this.lock.release(thread);
        yield* waitForPage(vm, thread, page, 'uao_get');
      } else if (page >= 0) {
        vm.pages.flags[page] |= PG_BUSY;
        this.lock.release(thread);
        return page;
      } else {
        const fresh = pageAlloc(vm, this, index, null, false);
        if (fresh >= 0) return yield* this.fill(thread, index, fresh, access);
        this.lock.release(thread);
        if (!(yield* waitForMemory(vm, thread, waits, 'uao_getpage'))) return -LOOP;
      }
      while (!this.lock.acquire(thread)) yield;
    }
  }

  /** Fills a new page from swap, or with zeros. The object is locked; it is not on return. */
  private *fill(thread: Thread, index: number, page: number, access: Prot): Task<number> {
    const { vm } = this;
    vm.pages.pqflags[page] |= PQ_AOBJ;
    const slot = this.slotOf(index);
    if (slot === 0) {
      pageZero(vm, page);
    } else {
      this.lock.release(thread);
      const error = yield* swapGet(vm, thread, page, slot);
      while (!this.lock.acquire(thread)) yield;
      if (error !== 0) {
        if (this.setSlot(index, SWSLOT_BAD) > 0) vm.swap.markBad(1, true);
        pageFree(vm, page);
        this.lock.release(thread);
        return -error;
      }
    }
    if ((access & PROT_WRITE) === 0) {
      vm.pages.flags[page] |= PG_CLEAN;
      vm.pmap.clearModify(page);
    }
    vm.pages.flags[page] &= ~PG_FAKE;
    this.lock.release(thread);
    return page;
  }

  /** uao_put. */
  override *put(thread: Thread, start: number, end: number, flags: number): Task<number> {
    const { vm } = this;
    if ((flags & (PGO_DEACTIVATE | PGO_FREE)) !== 0) {
      for (const page of pagesInPutOrder(vm, this, start, Math.min(end, this.size))) {
        yield* this.putPage(thread, page, flags);
      }
    }
    this.lock.release(thread);
    return 0;
  }

  private *putPage(thread: Thread, page: number, flags: number): Task<void> {
    const { vm } = this;
    while (pageObject(vm, page) === this && pageHas(vm, page, PG_BUSY)) {
      vm.pages.flags[page] |= PG_WANTED;
      this.lock.release(thread);
      yield* waitForPage(vm, thread, page, 'uao_put');
      while (!this.lock.acquire(thread)) yield;
    }
    if (pageObject(vm, page) !== this || pageHas(vm, page, PG_RELEASED)) return;
    if ((flags & (PGO_FREE | PGO_CLEANIT)) === PGO_FREE && this.refs === 1) {
      vm.pmap.removePage(page);
      this.dropSwap(pageIndex(vm, page));
      pageFree(vm, page);
    } else if (vm.pages.wireCount[page] === 0) {
      pageDeactivate(vm, page);
    }
  }
}
