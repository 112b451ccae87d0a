/**
 * Branches that need a second thread, or a disk that is slow or fails: a fault stops between two stages, and something happens meanwhile.
 */
import { describe, expect, it } from 'vitest';
import { DeadlockError } from '../kernel/errors.js';
import { FaultInjectingStore, Gate } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { EFAULT, EIO } from './codes.js';
import { faultTask } from './fault-pool.js';
import { FAULT_NORMAL } from './fault-state.js';
import { loanToProcess, orderSwapErrors } from './own-commands.js';
import { PG_BUSY, PG_RELEASED, pageHas, pageSet } from './page.js';
import { pageoutPages } from './pdaemon.js';
import type { NetbsdProcess } from './process.js';
import { sysMsync } from './syscalls.js';
import type { NetbsdOptions, NetbsdSystem } from './system.js';
import { bootNetbsd } from './system.js';
import { BASE, byteAt, changeElsewhere, faultLater, fill, hear, mapAt, SteppedFault } from './testing.js';

const ADDRESS = BASE * PAGE_SIZE;

/** One page of anonymous memory, written with 7, which is on swap only. */
function swapped(options: NetbsdOptions = {}): { system: NetbsdSystem; a: NetbsdProcess; store: FaultInjectingStore } {
  const store = new FaultInjectingStore(new MemoryStore());
  const system = bootNetbsd({ memoryPages: 64, swapPages: 32, swapStore: store, ...options });
  const a = system.spawn('A');
  mapAt(system, a, 1);
  fill(system, a, 1, 7);
  system.pageout(1);
  expect(system.vm.swap.only).toBe(1);
  return { system, a, store };
}

/** A file of 16 pages, each filled with its number. */
function numbered(): MemoryStore {
  const bytes = new Uint8Array(16 * PAGE_SIZE);
  for (let page = 0; page < 16; page++) bytes.fill(page + 1, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  return new MemoryStore(bytes);
}

function withFile(sharing: 'private' | 'shared', options: NetbsdOptions = {}, store = numbered()) {
  const system = bootNetbsd({ memoryPages: 128, ...options });
  const a = system.spawn('A');
  const file = system.createFile('F', store);
  mapAt(system, a, 16, { kind: 'file', file, offset: 0 }, sharing);
  return { system, a };
}

describe('while a page comes from swap', () => {
  it('the map changes: the page stays, and the fault begins again', () => {
    const { system, a } = swapped();
    const fault = new SteppedFault(system, a, BASE, PROT_READ).run('lockAgain');
    changeElsewhere(system, a);
    expect(fault.end()).toBe(0);
    expect(fault.branches).toEqual(expect.arrayContaining(['F29', 'F30', 'F31', 'F81', 'F11']));
    expect(byteAt(system, a, BASE)).toBe(7);
    expect(system.vm.counters).toMatchObject({ pageins: 1, fltanget: 2, fltanretry: 0 });
    system.check();
  });

  it('the range is unmapped: the anon goes with its page and its slot, and there is nothing to find', () => {
    const { system, a } = swapped();
    const { vm } = system;
    const fault = new SteppedFault(system, a, BASE, PROT_READ).run('lockAgain');
    system.unmap(a, ADDRESS, PAGE_SIZE);
    expect(vm.liveAnons).toBe(1);
    expect(fault.end()).toBe(EFAULT);
    expect(fault.branches).toEqual(expect.arrayContaining(['F25', 'F28', 'F81', 'F46']));
    expect(fault.branches).not.toContain('F26');
    expect([vm.liveAnons, vm.swap.inUse, vm.swap.only, vm.pages.free]).toEqual([0, 0, 0, 64]);
    system.check();
  });

  it('the anon is thrown away by advice, which leaves the version alone: zeros', () => {
    const { system, a } = swapped();
    const { vm } = system;
    const fault = new SteppedFault(system, a, BASE, PROT_READ).run('lockAgain');
    system.advise(a, ADDRESS, PAGE_SIZE, 'free');
    expect(fault.end()).toBe(0);
    expect(fault.branches).toEqual(expect.arrayContaining(['F25', 'F26', 'F28', 'F81', 'F125']));
    expect(byteAt(system, a, BASE)).toBe(0);
    expect([vm.liveAnons, vm.swap.inUse, vm.swap.only]).toEqual([1, 0, 0]);
    system.check();
  });

  it('the same advice where a child holds the anon too: the parent has zeros, the child what there was', () => {
    const system = bootNetbsd({ memoryPages: 64, swapPages: 32 });
    const { vm } = system;
    const a = system.spawn('A');
    mapAt(system, a, 2);
    fill(system, a, 1, 7);
    const b = system.fork(a, 'B') as NetbsdProcess;
    // Its own amap now, with one reference; the anon of the first page is in both.
    system.fault(a, BASE + 1, ACCESS_WRITE);
    system.pageout(2);
    const anon = a.map.lookup(BASE)?.amap?.anons[0];
    expect(anon).toMatchObject({ ref: 2, page: -1 });
    const fault = new SteppedFault(system, a, BASE, PROT_READ).run('lockAgain');
    system.advise(a, ADDRESS, PAGE_SIZE, 'free');
    expect(fault.end()).toBe(0);
    expect(fault.branches).toEqual(expect.arrayContaining(['F29', 'F32', 'F81', 'F125']));
    expect(anon).toMatchObject({ ref: 1 });
    expect(system.fault(b, BASE, ACCESS_READ)).toBe(0);
    expect([byteAt(system, a, BASE), byteAt(system, b, BASE)]).toEqual([0, 7]);
    expect(vm.counters.pageins).toBe(1);
    system.check();
  });

  it('another thread wants it, sleeps, and is woken', () => {
    const { system, a } = swapped();
    const first = new SteppedFault(system, a, BASE, PROT_READ).run('lockAgain');
    const second = new SteppedFault(system, a, BASE, PROT_READ | PROT_WRITE).run();
    expect(second.asleep).toBe(true);
    expect(second.branches.slice(-2)).toEqual(['F12', 'F14']);
    expect(second.fault.thread.wmesg).toBe('anonget2');
    expect(first.end()).toBe(0);
    expect(first.branches).toContain('F20');
    expect(second.end()).toBe(0);
    expect(second.branches).toEqual(expect.arrayContaining(['F33', 'F94']));
    expect(system.vm.counters).toMatchObject({ pageins: 1, fltpgwait: 1, fltanretry: 2 });
    system.check();
  });
});

describe('when the swap disk fails', () => {
  it('and the range has gone meanwhile: the error is the answer, and the slot is lost', () => {
    const { system, a, store } = swapped();
    const { vm } = system;
    store.add({ on: 'read', error: EIO });
    const fault = new SteppedFault(system, a, BASE, PROT_READ).run('lockAgain');
    system.unmap(a, ADDRESS, PAGE_SIZE);
    expect(fault.end()).toBe(EIO);
    expect(fault.branches).toEqual(expect.arrayContaining(['F21', 'F22', 'F27', 'F83']));
    expect([vm.liveAnons, vm.swap.bad, vm.swap.inUse, vm.pages.free]).toEqual([0, 1, 1, 64]);
    system.check();
  });

  it('only for now, and the range has gone meanwhile: mended, the slot is given back, not lost', () => {
    for (const [defects, bad] of [
      ['as-seeded', 1],
      ['mended', 0],
    ] as const) {
      const { system, a } = swapped({ defects });
      const { vm } = system;
      orderSwapErrors(vm, 1, true);
      const fault = new SteppedFault(system, a, BASE, PROT_READ).run('lockAgain');
      system.unmap(a, ADDRESS, PAGE_SIZE);
      fault.run();
      expect(fault.branches.slice(-2)).toEqual(['F27', 'F82']);
      vm.kernel.wakeup(vm.lbolt);
      expect(fault.end()).toBe(EFAULT);
      expect([vm.liveAnons, vm.swap.bad, vm.swap.inUse, vm.swap.only]).toEqual([0, bad, bad, bad]);
      system.check();
    }
  });

  it('and the map has changed: the error is the answer all the same, for ever', () => {
    const { system, a, store } = swapped();
    store.add({ on: 'read', error: EIO });
    const fault = new SteppedFault(system, a, BASE, PROT_READ).run('lockAgain');
    changeElsewhere(system, a);
    expect(fault.end()).toBe(EIO);
    expect(fault.branches).toEqual(expect.arrayContaining(['F21', 'F24', 'F83']));
    expect(a.map.lock.holders()).toEqual([]);
    expect(system.fault(a, BASE, ACCESS_READ)).toBe(EIO);
    expect(store.counts.reads).toBe(1);
    system.check();
  });
});

describe('an amap that must be copied', () => {
  it('whose range is unmapped just before is no range any more', () => {
    const system = bootNetbsd({ memoryPages: 64 });
    const a = system.spawn('A');
    mapAt(system, a, 4);
    const fault = new SteppedFault(system, a, BASE, PROT_WRITE).run('copyAmap');
    system.unmap(a, ADDRESS, 4 * PAGE_SIZE);
    expect(fault.end()).toBe(EFAULT);
    expect(fault.branches).toEqual(expect.arrayContaining(['F53', 'F5', 'F46']));
    expect(system.vm.counters.fltamcopy).toBe(1);
    expect(a.map.lock.holders()).toEqual([]);
    system.check();
  });

  it('and that another thread copies first is copied once', () => {
    const system = bootNetbsd({ memoryPages: 64 });
    const a = system.spawn('A');
    mapAt(system, a, 4);
    const fault = new SteppedFault(system, a, BASE, PROT_WRITE).run('copyAmap');
    fill(system, a, 1, 5);
    const amap = a.map.lookup(BASE)?.amap;
    expect(fault.end()).toBe(0);
    expect(fault.branches).toContain('F9');
    expect(fault.branches).not.toContain('F6');
    expect(a.map.lookup(BASE)?.amap).toBe(amap);
    expect(byteAt(system, a, BASE)).toBe(5);
    system.check();
  });
});

describe('while a page of a file is read', () => {
  it('the map changes: the page is given back, and found at once the second time', () => {
    const { system, a } = withFile('shared');
    const fault = new SteppedFault(system, a, BASE + 1, PROT_READ).run('pageRead');
    const page = fault.fault.error;
    changeElsewhere(system, a);
    expect(pageHas(system.vm, page, PG_BUSY)).toBe(true);
    fault.run('lookup');
    expect(fault.branches.slice(-2)).toEqual(['F110', 'F112']);
    expect(pageHas(system.vm, page, PG_BUSY)).toBe(false);
    expect(fault.end()).toBe(0);
    expect(byteAt(system, a, BASE + 1)).toBe(2);
    expect(system.vm.counters).toMatchObject({ fltget: 1, fltlget: 2, fltpgrele: 0, vnode_reads: 1 });
    system.check();
  });

  it('another thread wants to write it privately: the one that waited finds the other anon', () => {
    const { system, a } = withFile('private');
    // The entry has its amap already: no write lock will tell one thread of the other.
    system.fault(a, BASE + 15, ACCESS_WRITE);
    const anons = system.vm.liveAnons;
    const first = new SteppedFault(system, a, BASE, PROT_WRITE).run('pageRead');
    const second = new SteppedFault(system, a, BASE, PROT_WRITE).run();
    expect(second.asleep).toBe(true);
    expect(second.fault.thread.wmesg).toBe('uvn_fp2');
    expect(first.end()).toBe(0);
    expect(second.end()).toBe(0);
    expect(second.branches).toEqual(expect.arrayContaining(['F109', 'F110', 'F112', 'F94']));
    expect(system.vm.liveAnons).toBe(anons + 1);
    expect(byteAt(system, a, BASE)).toBe(1);
    system.check();
  });

  /** A fault whose page somebody has marked as released; nobody in this room does that to a busy page of a file. */
  function releasedMeanwhile(options: NetbsdOptions) {
    const { system, a } = withFile('shared', options);
    const fault = new SteppedFault(system, a, BASE, PROT_READ).run('pageRead');
    pageSet(system.vm, fault.fault.error, PG_RELEASED);
    return { system, a, fault };
  }

  it('it is released: freed, counted, and read anew', () => {
    const { system, a, fault } = releasedMeanwhile({});
    expect(fault.end()).toBe(0);
    expect(fault.branches).toEqual(expect.arrayContaining(['F109', 'F110', 'F111']));
    expect(system.vm.counters).toMatchObject({ fltpgrele: 1, fltget: 2, vnode_reads: 2 });
    expect(byteAt(system, a, BASE)).toBe(1);
    system.check();
  });

  it('oddity 1: restored, the object stays locked, and the next look at it hangs', () => {
    const { fault } = releasedMeanwhile({ deadlyDefects: true });
    expect(() => fault.end()).toThrow(DeadlockError);
    expect(fault.fault.uobj?.lock.owner).toBe(fault.fault.thread);
  });
});

describe('a slow disk', () => {
  it('lets a second thread of the process wait for the page that the first one reads', async () => {
    const gate = new Gate();
    const inner = new MemoryStore();
    const store = new FaultInjectingStore(inner, [{ on: 'read', hold: gate }]);
    const system = bootNetbsd({ memoryPages: 64, swapPages: 32, swapStore: store });
    const { vm } = system;
    const a = system.spawn('A');
    mapAt(system, a, 1);
    fill(system, a, 1, 7);
    const out = vm.kernel.createThread('out');
    await vm.kernel.callAsync(out, pageoutPages(vm, out, 1));
    expect(vm.swap.only).toBe(1);
    const ids = hear(system);
    const first = faultLater(system, a, BASE, PROT_READ);
    const results: number[] = [];
    vm.kernel.startThread('second', function* (thread) {
      results.push(yield* faultTask(vm, thread, a.map, BASE, PROT_READ, FAULT_NORMAL, a.usage));
    });
    vm.kernel.runDaemons();
    expect(ids.slice(-2)).toEqual(['F12', 'F14']);
    expect(results).toEqual([]);
    gate.open();
    expect(await first).toBe(0);
    vm.kernel.runDaemons();
    expect(results).toEqual([0]);
    expect(ids).toContain('F20');
    expect(byteAt(system, a, BASE)).toBe(7);
    expect(vm.counters).toMatchObject({ nswget: 1, fltpgwait: 1 });
    system.check();
  });

  it('lets the borrower of a page wait until its lender has written it', async () => {
    const gate = new Gate();
    const store = new FaultInjectingStore(numbered(), [{ on: 'write', hold: gate }]);
    const system = bootNetbsd({ memoryPages: 128 });
    const { vm } = system;
    const a = system.spawn('A');
    const b = system.spawn('B');
    mapAt(system, a, 4, { kind: 'file', file: system.createFile('F', store), offset: 0 }, 'shared');
    expect(await faultLater(system, a, BASE, PROT_READ | PROT_WRITE)).toBe(0);
    (system.frameBytes(system.translate(a, BASE, ACCESS_WRITE)) as Uint8Array)[0] = 77;
    expect(system.call(a, loanToProcess(vm, a, ADDRESS, 1, b, ADDRESS))).toBe(0);
    const sync = vm.kernel.callAsync(a.thread, sysMsync(vm, a, ADDRESS, PAGE_SIZE));
    await Promise.resolve();
    expect(store.counts.held).toBe(1);
    const fault = new SteppedFault(system, b, BASE, PROT_READ).run();
    expect(fault.asleep).toBe(true);
    expect(fault.branches.slice(-3)).toEqual(['F10', 'F12', 'F13']);
    expect(fault.fault.thread.wmesg).toBe('anonget1');
    gate.open();
    expect(await sync).toBe(0);
    expect(fault.end()).toBe(0);
    expect(fault.branches).toContain('F84');
    expect(byteAt(system, b, BASE)).toBe(77);
    expect(vm.counters.fltpgwait).toBe(1);
    system.check();
  });
});
