/** Pages that somebody else has busy: the fault lets everything go, sleeps, and begins again. */
import { describe, expect, it } from 'vitest';
import { Gate } from '../machine/fault-store.js';
import { ACCESS_READ, ACCESS_WRITE } from '../machine/units.js';
import { PROT_READ } from '../vm/prot.js';
import { PG_REFERENCED, pageBusy, pageHasFlag, pageIoFinish, pageIoStart, pageWakeup } from './page.js';
import { pageFree } from './page-alloc.js';
import { FaultBench, FIRST } from './testing-faults.js';

const heldRead = (gate: Gate) => ({ plan: [{ on: 'read', hold: gate }] as const });

describe('a page that is busy', () => {
  it('is waited for, and then found: one read for two faults', async () => {
    const gate = new Gate();
    const bench = new FaultBench();
    const { store } = bench.mapFile(4, { ...heldRead(gate), protection: PROT_READ });
    const reader = bench.faultLater(FIRST);
    const waiter = bench.faultLater(FIRST);
    expect(bench.taken.slice(-2)).toEqual(['F3', 'F20']);
    expect(bench.vm.counters.v_intrans).toBe(0);
    gate.open();
    expect(await Promise.all([reader, waiter])).toEqual(['KERN_SUCCESS major', 'KERN_SUCCESS minor']);
    expect([store.counts.reads, bench.vm.counters.v_intrans, bench.vm.counters.v_vm_faults]).toEqual([1, 1, 2]);
    expect(bench.read(FIRST)).toBe(1);
    bench.system.check();
  });

  it('below the top: the page kept there is given back before the wait', async () => {
    const gate = new Gate();
    const bench = new FaultBench();
    const { vnode, backing } = bench.mapFile(4, { plan: [{ on: 'read', nth: 2, hold: gate }] });
    // A second process whose private copy has a shadow already; the advice keeps the first read to one page.
    const other = bench.system.spawn('B');
    bench.map(FIRST, 4, backing, 'private', 3, other);
    bench.system.advise(other, FIRST * 4096, 4 * 4096, 'random');
    expect(await bench.faultLater(FIRST, ACCESS_WRITE, other)).toBe('KERN_SUCCESS major');
    const shadow = bench.object(FIRST, other);
    const reader = bench.faultLater(FIRST + 2);
    bench.listen();
    const waiter = bench.faultLater(FIRST + 2, ACCESS_WRITE, other);
    expect(bench.taken.slice(-5)).toEqual(['F18', 'F19', 'F1', 'F3', 'F20']);
    expect([shadow.residentCount, shadow.pagingInProgress, shadow.refCount]).toEqual([1, 0, 2]);
    expect(bench.page(vnode.object as never, 2)).toBeGreaterThanOrEqual(0);
    gate.open();
    expect(await Promise.all([reader, waiter])).toEqual(['KERN_SUCCESS major', 'KERN_SUCCESS minor']);
    expect(bench.chain(FIRST, other)[0]).toBe('default/0,2');
    expect(bench.read(FIRST + 2, other)).toBe(3);
    bench.system.check();
  });

  it('under I/O counts as busy too, and the wait leaves it marked as referenced', async () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1);
    bench.write(FIRST, 5);
    const page = bench.page(bench.object(FIRST), 0);
    pageIoStart(bench.vm, page);
    bench.vm.pmap.removeAll(page);
    const { kernel } = bench.vm;
    kernel.startThread('laundry', function* (thread) {
      kernel.sleep(thread, {}, 'swwrt', 5e6);
      yield;
      expect(pageHasFlag(bench.vm, page, PG_REFERENCED)).toBe(true);
      pageIoFinish(bench.vm, page);
    });
    kernel.runDaemons();
    bench.listen();
    expect(bench.fault(FIRST)).toBe('KERN_SUCCESS');
    expect(bench.taken.slice(0, 5)).toEqual(['F4', 'F18', 'F1', 'F20', 'F4']);
    expect(bench.read(FIRST)).toBe(5);
    bench.system.check();
  });

  it('may be gone after the wait: the place is filled anew', () => {
    const bench = new FaultBench();
    bench.map(FIRST, 1);
    bench.write(FIRST, 5);
    const page = bench.page(bench.object(FIRST), 0);
    bench.vm.pmap.removeAll(page);
    pageBusy(bench.vm, page);
    bench.vm.kernel.startThread('remover', function* (thread) {
      bench.vm.kernel.sleep(thread, {}, 'pause', 1e6);
      yield;
      pageWakeup(bench.vm, page);
      pageFree(bench.vm, page);
    });
    bench.vm.kernel.runDaemons();
    expect(bench.fault(FIRST, ACCESS_READ)).toBe('KERN_SUCCESS');
    expect(bench.read(FIRST)).toBe(0);
    bench.system.check();
  });
});
