/** The look-up, the reference and the search of a fault: every way in, and every way to go on. */
import { describe, expect, it } from 'vitest';
import { KernelPanic } from '../kernel/errors.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { PROT_NONE, PROT_READ } from '../vm/prot.js';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import { VM_FAULT_CHANGE_WIRING, VM_FAULT_USER_WIRE } from './fault-state.js';
import { MAP_ENTRY_NOFAULT, VmMap } from './map-entry.js';
import { mapInsert, mapSubmap } from './map-insert.js';
import { OBJ_DEAD, OBJ_NEEDGIANT } from './object.js';
import { PQ_ACTIVE, PQ_NONE, pageUnwire, pageWire } from './page.js';
import { pageFree, zeroIdlePages } from './page-alloc.js';
import { sysMmap } from './syscalls.js';
import { RW } from './testing.js';
import { FaultBench, FIRST } from './testing-faults.js';

describe('the look-up', () => {
  it('answers that nothing is mapped, after asking whether a stack wants to grow', () => {
    const bench = new FaultBench();
    expect(bench.fault(FIRST)).toBe('KERN_INVALID_ADDRESS');
    expect(bench.taken).toEqual(['F5', 'F6', 'F8', 'F5', 'F9']);
    expect(bench.vm.counters.v_vm_faults).toBe(1);
  });

  it('does not ask about stacks where no process is concerned, nor in the map of the kernel', () => {
    const bench = new FaultBench();
    bench.vm.kernelMap = bench.a.map;
    expect(bench.fault(FIRST)).toBe('KERN_INVALID_ADDRESS');
    expect(bench.taken).toEqual(['F5', 'F9']);
  });

  it('panics on an entry that must never fault', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1);
    bench.entry(FIRST).eflags |= MAP_ENTRY_NOFAULT;
    expect(() => bench.fault(FIRST)).toThrow(new KernelPanic('vm_fault: fault on nofault entry, addr: 10000'));
  });

  it('goes on into a submap', () => {
    const bench = new FaultBench();
    const { vm } = bench;
    const inner = new VmMap(vm, bench.a.map.pmap, 1, 1000, false, 'inner');
    const request = { object: null, offset: 0, start: FIRST, end: FIRST + 4, protection: RW, maximum: RW, flags: 0 };
    bench.run((thread) => mapInsert(vm, thread, inner, request));
    bench.map(FIRST, 4);
    expect(bench.run((thread) => mapSubmap(vm, thread, bench.a.map, FIRST, FIRST + 4, inner))).toBe(0);
    expect(bench.fault(FIRST, ACCESS_WRITE)).toBe('KERN_SUCCESS');
    expect(inner.lookup(FIRST)?.object?.residentCount).toBe(1);
  });
});

describe('a stack', () => {
  /** 64 pages at most, 32 at first, ending at page 200. */
  function withStack(): FaultBench {
    const bench = new FaultBench();
    const request = {
      address: 136 * PAGE_SIZE,
      length: 64 * PAGE_SIZE,
      protection: RW,
      sharing: 'private',
      backing: { kind: 'anon' },
      fixed: true,
    } as const;
    const result = bench.vm.kernel.call(bench.a.thread, sysMmap(bench.vm, bench.a, request, { stack: true }));
    expect(result).toBe(136 * PAGE_SIZE);
    return bench;
  }

  it('grows by 32 pages for a fault below it', () => {
    const bench = withStack();
    bench.write(160, 7);
    expect(bench.count('F8')).toBe(1);
    expect(bench.read(160)).toBe(7);
    expect(bench.system.entries(bench.a).map(({ start, end }) => [start / PAGE_SIZE, end / PAGE_SIZE])).toEqual([
      [136, 168],
      [168, 200],
    ]);
    bench.system.check();
  });

  it('does not grow beyond its limit: KERN_FAILURE', () => {
    const bench = withStack();
    expect(bench.fault(130)).toBe('KERN_FAILURE');
    expect(bench.taken).toEqual(['F5', 'F6', 'F7']);
    expect(bench.a.map.size).toBe(32);
  });

  it('does not grow over its neighbour', () => {
    const bench = withStack();
    bench.map(164, 1);
    expect(bench.fault(160)).toBe('KERN_INVALID_ADDRESS');
    expect(bench.fault(166, ACCESS_WRITE)).toBe('KERN_SUCCESS');
    expect(bench.entry(166).start).toBe(165);
  });
});

describe('wiring what cannot be read', () => {
  const wired = (bench: FaultBench, pages: number) => bench.system.wire(bench.a, FIRST * PAGE_SIZE, pages * PAGE_SIZE);

  it('asks the maximum protection, and takes write from it', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1, { kind: 'anon' }, 'private', PROT_NONE);
    expect(wired(bench, 1)).toBe(0);
    expect(bench.taken).toEqual(expect.arrayContaining(['F10', 'F12', 'F15', 'F63']));
    expect(bench.entry(FIRST).maxProtection & 2).toBe(0);
    expect(bench.vm.wiredPages).toBe(1);
  });

  it('as seeded fails at the second page and has lost write for good (O2)', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 2, { kind: 'anon' }, 'private', PROT_NONE);
    expect(wired(bench, 2)).toBe('ENOMEM');
    expect(bench.taken).toEqual(expect.arrayContaining(['F11', 'F80', 'F81']));
    expect(bench.system.protect(bench.a, FIRST * PAGE_SIZE, PAGE_SIZE, RW)).toBe('EACCES');
    expect(bench.vm.wiredPages).toBe(0);
    bench.system.check();
  });

  it('mended wires any number of pages', () => {
    const bench = new FaultBench({ defects: 'mended' });
    bench.map(FIRST, 3, { kind: 'anon' }, 'private', PROT_NONE);
    expect(wired(bench, 3)).toBe(0);
    expect(bench.vm.wiredPages).toBe(3);
    bench.system.check();
  });
});

describe('the reference', () => {
  it('waits for Giant where the object needs it', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 2);
    bench.write(FIRST, 1);
    bench.object(FIRST).flags |= OBJ_NEEDGIANT;
    const { kernel, giant } = bench.vm;
    kernel.startThread('holder', function* (thread) {
      giant.acquire(thread);
      kernel.sleep(thread, {}, 'pause', 1e6);
      yield;
      giant.release(thread);
    });
    kernel.runDaemons();
    expect(bench.fault(FIRST + 1, ACCESS_WRITE)).toBe('KERN_SUCCESS');
    expect(bench.count('F14')).toBe(1);
    expect(giant.owner).toBeNull();
    expect(bench.object(FIRST).refCount).toBe(1);
    expect(bench.vm.machine.clock.ns).toBeGreaterThan(1e6);
  });

  it('panics when a system map holds such an object', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1);
    bench.write(FIRST, 1);
    bench.object(FIRST).flags |= OBJ_NEEDGIANT;
    const system = new VmMap(bench.vm, bench.a.map.pmap, 1, 1000, true, 'system');
    system.link(bench.entry(FIRST).clone());
    const f = beginFault(bench.vm);
    Object.assign(f, { thread: bench.thread(), originalMap: system, vaddr: FIRST, askedType: PROT_READ, flags: 0 });
    expect(() => bench.vm.kernel.runRecord(f, faultStart)).toThrow('Object requiring giant mapped by system map');
    endFault(f);
  });
});

describe('the search', () => {
  it('refuses an object that is being torn down', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 2);
    bench.write(FIRST, 1);
    const object = bench.object(FIRST);
    object.flags |= OBJ_DEAD;
    expect(bench.fault(FIRST + 1)).toBe('KERN_PROTECTION_FAILURE');
    expect(bench.taken.slice(-2)).toEqual(['F16', 'F1']);
    object.flags &= ~OBJ_DEAD;
    expect([object.refCount, object.pagingInProgress]).toEqual([1, 0]);
    bench.system.check();
  });

  it('takes a frame that was zeroed ahead of time as it is', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 2);
    expect(zeroIdlePages(bench.vm, 1)).toBe(1);
    expect(bench.read(FIRST)).toBe(0);
    expect(bench.taken).toContain('F44');
    bench.write(FIRST + 1, 9);
    expect(bench.taken).toContain('F43');
    const { v_zfod, v_ozfod } = bench.vm.counters;
    expect({ v_zfod, v_ozfod }).toEqual({ v_zfod: 2, v_ozfod: 1 });
    bench.system.check();
  });

  it('keeps what zero-copy I/O still reads, and gives the writer a copy', () => {
    const bench = new FaultBench();
    const { vm } = bench;
    bench.map(FIRST, 1);
    bench.write(FIRST, 1);
    const object = bench.object(FIRST);
    const lent = lend(bench);
    bench.listen();
    bench.write(FIRST, 2);
    expect(bench.taken.slice(0, 4)).toEqual(['F4', 'F17', 'F1', 'F4']);
    const copy = bench.page(object, 0);
    expect(copy).not.toBe(lent);
    expect([vm.machine.memory.frameBytes(lent)?.[0], bench.read(FIRST)]).toEqual([1, 2]);
    expect([vm.pages.hash.object[lent], vm.pages.wireCount[lent], vm.pages.queues.queue[lent]]).toEqual([
      0,
      1,
      PQ_NONE,
    ]);
    expect([vm.pages.dirty[copy], vm.pages.queues.queue[copy]]).toEqual([0xff, PQ_ACTIVE]);
    // The I/O is over.
    pageUnwire(vm, lent, true);
    pageFree(vm, lent);
    bench.system.check();
  });

  it('waits for memory when there is none for that copy', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1);
    bench.write(FIRST, 1);
    const lent = lend(bench);
    let refusals = 1;
    bench.vm.allocationFails = (kind) => kind === 'frame' && refusals-- > 0;
    bench.listen();
    bench.write(FIRST, 2);
    expect(bench.count('F17')).toBe(2);
    expect(bench.vm.counters.v_pdwakeups).toBe(1);
    expect([bench.vm.machine.memory.frameBytes(lent)?.[0], bench.read(FIRST)]).toEqual([1, 2]);
  });

  it('as seeded dies of an allocation that fails (O1), mended waits', () => {
    const seeded = new FaultBench();
    seeded.map(FIRST, 1);
    seeded.vm.allocationFails = (kind) => kind === 'frame';
    expect(() => seeded.fault(FIRST)).toThrow(KernelPanic);

    const mended = new FaultBench({ defects: 'mended' });
    mended.map(FIRST, 1);
    let refusals = 2;
    mended.vm.allocationFails = (kind) => kind === 'frame' && refusals-- > 0;
    mended.write(FIRST, 3);
    expect(mended.count('F26')).toBe(2);
    expect(mended.vm.counters).toMatchObject({ v_vm_faults: 1, v_pdwakeups: 2, v_zfod: 1 });
    mended.system.check();
  });

  it('gives up when the page daemon can free nothing more', () => {
    const bench = new FaultBench({ memoryPages: 64 });
    bench.map(FIRST, 64);
    const codes = new Set<string>();
    for (let page = FIRST; page < FIRST + 64; page++) codes.add(bench.fault(page, ACCESS_WRITE));
    expect([...codes]).toEqual(['KERN_SUCCESS', 'KERN_RESOURCE_SHORTAGE']);
    expect(bench.taken).toContain('F26');
    bench.system.check();
  });
});

describe('a fault that wires or unwires', () => {
  it('unwires the page of an entry that is no longer wired', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1);
    bench.write(FIRST, 1);
    const page = bench.page(bench.object(FIRST), 0);
    pageWire(bench.vm, page);
    bench.listen();
    expect(bench.faultWith(FIRST, RW, VM_FAULT_CHANGE_WIRING)).toBe('KERN_SUCCESS');
    expect(bench.taken).toContain('F64');
    expect(bench.taken).not.toContain('F62');
    expect([bench.vm.wiredPages, bench.vm.pages.queues.queue[page]]).toEqual([0, PQ_ACTIVE]);
    bench.system.check();
  });

  it('keeps asking for all that a wired entry allows when it begins again', async () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1);
    bench.write(FIRST, 1);
    const entry = bench.entry(FIRST);
    entry.wiredCount = 1;
    // The page is lent, so the fault, which only asks to read, asks to write once it knows of the wiring, and begins again.
    lend(bench);
    bench.at('F17', () => {
      entry.protection = PROT_READ;
    });
    expect(bench.faultWith(FIRST, PROT_READ, VM_FAULT_USER_WIRE)).toBe('KERN_SUCCESS');
    expect(bench.taken).toEqual(expect.arrayContaining(['F15', 'F17', 'F10', 'F12']));
    expect(entry.maxProtection & 2).toBe(0);
  });

  it('touches nothing when it only reads', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1);
    expect(bench.fault(FIRST, ACCESS_READ)).toBe('KERN_SUCCESS');
    expect(bench.vm.pages.dirty[bench.page(bench.object(FIRST), 0)]).toBe(0);
  });
});

/** vm_page_cowsetup: the first page is lent to I/O that reads it without a copy. Answers the page. */
function lend(bench: FaultBench): number {
  const { vm } = bench;
  const page = bench.page(bench.object(FIRST), 0);
  pageWire(vm, page);
  vm.pages.cow[page] = 1;
  vm.pmap.removeWrite(page);
  return page;
}
