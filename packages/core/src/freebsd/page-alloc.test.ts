/** Frames and their states: allocation classes, the page cache, holds, zeroing ahead, thresholds. */
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../machine/memory-store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { OBJT_DEFAULT, OBJT_PHYS, objectAllocate } from './object.js';
import {
  PG_UNMANAGED,
  PG_ZERO,
  PQ_FREE,
  PQ_HOLD,
  pageActivate,
  pageHasFlag,
  pageHold,
  pageIndex,
  pageSetValid,
  pageWakeup,
} from './page.js';
import {
  availablePages,
  cacheLookup,
  pageAlloc,
  pageCache,
  pageFree,
  pageTryToCache,
  pageUnhold,
  queueCounts,
  VM_ALLOC_IFCACHED,
  VM_ALLOC_IFNOTCACHED,
  VM_ALLOC_INTERRUPT,
  VM_ALLOC_NORMAL,
  VM_ALLOC_SYSTEM,
  VM_ALLOC_ZERO,
  zeroIdlePages,
} from './page-alloc.js';
import { type VnodeHandle, vnodeObject } from './pager-vnode.js';
import { Bench } from './testing.js';
import { computeThresholds } from './thresholds.js';

describe('the thresholds', () => {
  it('are those of the kernel for small and large machines', () => {
    expect(computeThresholds(4096)).toMatchObject({ freeReserved: 55, freeSevere: 64, freeMin: 74, freeTarget: 203 });
    expect(computeThresholds(128)).toMatchObject({ freeReserved: 42, freeSevere: 44, freeMin: 46, pageoutCluster: 8 });
    expect(computeThresholds(4096).cacheMin).toBe(203);
    expect(computeThresholds(2048).cacheMin).toBe(0);
  });
});

describe('allocation', () => {
  it('stops at the reserve, deeper for the system, and deepest for interrupts', () => {
    const { vm } = new Bench({ memoryPages: 64 });
    const object = objectAllocate(vm, OBJT_DEFAULT, 1000);
    const drain = (request: number): number => {
      let taken = 0;
      while (pageAlloc(vm, object, object.residentCount, request) >= 0) taken++;
      return taken;
    };
    drain(VM_ALLOC_NORMAL);
    expect(availablePages(vm)).toBe(vm.thresholds.freeReserved);
    drain(VM_ALLOC_SYSTEM);
    expect(availablePages(vm)).toBe(vm.thresholds.interruptFreeMin);
    drain(VM_ALLOC_INTERRUPT);
    expect(availablePages(vm)).toBe(0);
    expect(vm.pageoutDeficit).toBe(3);
  });

  it('gives pages of a physical object that no queue ever sees', () => {
    const { vm } = new Bench();
    const page = pageAlloc(vm, objectAllocate(vm, OBJT_PHYS, 4), 0, VM_ALLOC_NORMAL);
    expect(pageHasFlag(vm, page, PG_UNMANAGED)).toBe(true);
    pageActivate(vm, page);
    expect(queueCounts(vm).active).toBe(0);
  });

  it('hands out pages zeroed ahead only to who can use them', () => {
    const { vm } = new Bench();
    expect(zeroIdlePages(vm, 2)).toBe(2);
    expect(vm.zeroedPages).toBe(2);
    const object = objectAllocate(vm, OBJT_DEFAULT, 8);
    const wanted = pageAlloc(vm, object, 0, VM_ALLOC_NORMAL | VM_ALLOC_ZERO);
    expect(pageHasFlag(vm, wanted, PG_ZERO)).toBe(true);
    const unwanted = pageAlloc(vm, object, 1, VM_ALLOC_NORMAL);
    expect(pageHasFlag(vm, unwanted, PG_ZERO)).toBe(false);
    expect(vm.zeroedPages).toBe(0);
  });
});

describe('the page cache', () => {
  const cached = () => {
    const bench = new Bench({ memoryPages: 64 });
    const { vm } = bench;
    const object = vnodeObject(vm, bench.file(new MemoryStore(32 * PAGE_SIZE)) as VnodeHandle);
    const page = pageAlloc(vm, object, 3, VM_ALLOC_NORMAL);
    pageSetValid(vm, page);
    pageWakeup(vm, page);
    pageCache(vm, page);
    return { bench, vm, object, page };
  };

  it('keeps a page for its place until the frame is wanted elsewhere', () => {
    const { vm, object, page } = cached();
    expect(queueCounts(vm)).toMatchObject({ free: 63, cache: 1 });
    expect(cacheLookup(vm, object, 3)).toBe(page);
    expect(pageAlloc(vm, object, 3, VM_ALLOC_NORMAL | VM_ALLOC_IFNOTCACHED)).toBe(-1);
    expect(pageAlloc(vm, object, 4, VM_ALLOC_NORMAL | VM_ALLOC_IFCACHED)).toBe(-1);
    expect(pageAlloc(vm, object, 3, VM_ALLOC_NORMAL)).toBe(page);
    expect(vm.counters.v_reactivated).toBe(1);
    expect(vm.pages.valid[page]).toBe(0xff);
    expect(pageIndex(vm, page)).toBe(3);
  });

  it('gives its oldest frame when no other is free', () => {
    const { vm, object, page } = cached();
    const other = objectAllocate(vm, OBJT_DEFAULT, 100);
    const request = VM_ALLOC_INTERRUPT;
    let last = -1;
    for (let i = 0; i < 64; i++) last = pageAlloc(vm, other, i, request);
    expect(last).toBe(page);
    expect(vm.pages.valid[page]).toBe(0);
    expect(object.cachedCount).toBe(0);
  });

  it('frees what its object could not get back', () => {
    const { vm } = new Bench();
    const page = pageAlloc(vm, objectAllocate(vm, OBJT_DEFAULT, 1), 0, VM_ALLOC_NORMAL);
    pageSetValid(vm, page);
    pageWakeup(vm, page);
    pageCache(vm, page);
    expect(vm.pages.queues.queue[page]).toBe(PQ_FREE);
  });

  it('refuses what is busy, held, wired or dirty', () => {
    const { vm } = new Bench();
    const page = pageAlloc(vm, objectAllocate(vm, OBJT_DEFAULT, 1), 0, VM_ALLOC_NORMAL);
    expect(pageTryToCache(vm, page)).toBe(false);
    expect(() => pageCache(vm, page)).toThrow('attempting to cache busy page');
    pageWakeup(vm, page);
    pageHold(vm, page);
    expect(pageTryToCache(vm, page)).toBe(false);
    pageUnhold(vm, page);
    vm.pages.dirty[page] = 1;
    expect(pageTryToCache(vm, page)).toBe(false);
  });
});

describe('a held page', () => {
  it('is not reused before the last hold goes', () => {
    const { vm } = new Bench();
    const page = pageAlloc(vm, objectAllocate(vm, OBJT_DEFAULT, 1), 0, VM_ALLOC_NORMAL);
    pageHold(vm, page);
    pageHold(vm, page);
    pageFree(vm, page);
    expect(vm.pages.queues.queue[page]).toBe(PQ_HOLD);
    pageUnhold(vm, page);
    expect(vm.pages.queues.queue[page]).toBe(PQ_HOLD);
    pageUnhold(vm, page);
    expect(vm.pages.queues.queue[page]).toBe(PQ_FREE);
  });
});

describe('bookkeeping', () => {
  it('panics as the kernel would where a page is freed that is in use', () => {
    const { vm } = new Bench();
    const page = pageAlloc(vm, objectAllocate(vm, OBJT_DEFAULT, 1), 0, VM_ALLOC_NORMAL);
    vm.pages.busy[page] = 1;
    expect(() => pageFree(vm, page)).toThrow('freeing busy page');
    vm.pages.busy[page] = 0;
    vm.pages.wireCount[page] = 1;
    expect(() => pageFree(vm, page)).toThrow('freeing wired page');
  });
});
