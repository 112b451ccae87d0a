/**
 * Branches that need a second thread in the middle of a fault, a data manager that this kernel no longer has, or a slow disk: the handler is
 * run stage by stage, and something happens in between.
 */
import { describe, expect, test } from 'vitest';
import { map, SteppedFault, script, store } from '../../../../tests/csrg-tools.js';
import { KernelPanic } from '../kernel/errors.js';
import { WouldBlockError } from '../kernel/kernel.js';
import { FaultInjectingStore, Gate } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { faultStart } from './fault.js';
import { interruptFault } from './fault-release.js';
import { KERN_INVALID_ADDRESS, KERN_SUCCESS } from './kern.js';
import { VmMap } from './map-entry.js';
import { insertLocked, submapLocked } from './map-range.js';
import type { VmObject } from './object.js';
import { PG_ABSENT, PG_BUSY, pageAlloc, pageFree, pageHas, pageSet, pageWakeup, pageWire } from './page.js';
import type { CsrgProcess } from './process.js';
import { bootCsrg, type CsrgOptions, type CsrgSystem } from './system.js';

const VPN = 16;

/** A process with four written pages of anonymous memory. */
function started(options: CsrgOptions = {}): { system: CsrgSystem; a: CsrgProcess; frame: number } {
  const system = bootCsrg({ memoryPages: 64, swapPages: 64, ...options });
  const a = system.spawn('A');
  map(system, a, VPN, 4);
  store(system, a, VPN, 7);
  return { system, a, frame: system.translate(a, VPN, 0) };
}

/** A process that maps a file, and a child that has it by a copy object. */
function copied(options: CsrgOptions = {}): {
  system: CsrgSystem;
  a: CsrgProcess;
  b: CsrgProcess;
  file: VmObject;
  copy: VmObject;
} {
  const system = bootCsrg({ memoryPages: 64, swapPages: 64, ...options });
  const a = system.spawn('A');
  const file = system.createFile('F', new MemoryStore(8 * PAGE_SIZE));
  map(system, a, VPN, 4, { kind: 'file', file, offset: 0 }, 'shared');
  store(system, a, VPN, 1);
  system.inherit(a, VPN * PAGE_SIZE, 4 * PAGE_SIZE, 'copy');
  const b = system.fork(a, 'B') as CsrgProcess;
  const object = a.map.lookup(VPN)?.object as VmObject;
  return { system, a, b, file: object, copy: object.copy as VmObject };
}

describe('a busy page', () => {
  test('is waited for, and the fault begins again', () => {
    const { system, a, frame } = started();
    pageSet(system.vm, frame, PG_BUSY);
    const fault = new SteppedFault(system, a, VPN, false).run();
    expect(fault.branches).toContain('F6b');
    expect(fault.thread.state).toBe('sleeping');
    expect(a.map.lookup(VPN)?.object).toMatchObject({ pagingInProgress: 0, refCount: 2 });
    pageWakeup(system.vm, frame);
    fault.run();
    expect(fault.done && fault.fault.result).toBe(KERN_SUCCESS);
    system.check();
  });

  test('with interruptible waits, a signal ends the fault without a translation', () => {
    const { system, a, frame } = started({ waits: 'interruptible' });
    pageSet(system.vm, frame, PG_BUSY);
    const fault = new SteppedFault(system, a, VPN, false).run();
    expect(interruptFault(system.vm, fault.thread.id)).toBe(true);
    fault.run();
    expect(fault.done && fault.fault.result).toBe(KERN_SUCCESS);
    expect(fault.branches).toContain('F6a');
    expect(fault.branches).not.toContain('F44');
  });

  test('with plain waits, a signal only makes the fault begin again', () => {
    const { system, a, frame } = started();
    pageSet(system.vm, frame, PG_BUSY);
    const fault = new SteppedFault(system, a, VPN, false).run();
    expect(interruptFault(system.vm, fault.thread.id)).toBe(true);
    fault.run();
    expect(fault.thread.state).toBe('sleeping');
    pageWakeup(system.vm, frame);
    expect(fault.run().done).toBe(true);
  });

  test('a fault that wires is not interrupted', () => {
    const { system, a, frame } = started({ waits: 'interruptible' });
    pageSet(system.vm, frame, PG_BUSY);
    const fault = new SteppedFault(system, a, VPN, false, true).run();
    expect(interruptFault(system.vm, fault.thread.id)).toBe(false);
    pageWakeup(system.vm, frame);
  });
});

describe('a data manager', () => {
  test('an absent page is a panic', () => {
    const { system, a, frame } = started();
    pageSet(system.vm, frame, PG_ABSENT);
    expect(() => new SteppedFault(system, a, VPN, false).run()).toThrow('vm_fault: absent');
  });

  test('a locked page whose unlocking nobody asked for is a panic', () => {
    const { system, a, frame } = started();
    system.vm.pages.pageLock[frame] = PROT_WRITE;
    expect(() => new SteppedFault(system, a, VPN, true).run()).toThrow(KernelPanic);
  });

  test.each(['plain', 'interruptible'] as const)('a locked page is waited for (%s)', (waits) => {
    const { system, a, frame } = started({ waits });
    system.vm.pages.pageLock[frame] = PROT_WRITE;
    system.vm.pages.unlockRequest[frame] = PROT_READ | PROT_WRITE;
    const fault = new SteppedFault(system, a, VPN, true).run();
    expect(fault.branches).toContain(waits === 'plain' ? 'F8b' : 'F8a');
    system.vm.pages.pageLock[frame] = 0;
    pageWakeup(system.vm, frame);
    expect(fault.run().done && fault.fault.result).toBe(KERN_SUCCESS);
  });

  test('what is locked is left out of the translation', () => {
    const { system, a, frame } = started();
    system.vm.pages.pageLock[frame] = PROT_WRITE;
    new SteppedFault(system, a, VPN, false).run();
    expect(system.translations(a)[0]?.protection).toBe(PROT_READ);
  });
});

describe('a fault that unwires', () => {
  test('asks no pager and unwires the page', () => {
    const { system, a, frame } = started();
    system.vm.pmap.remove(a.pmap, VPN, VPN + 1);
    pageWire(system.vm, frame);
    const fault = new SteppedFault(system, a, VPN, false, true).run();
    expect(fault.branches).toContain('F46');
    expect(system.vm.pages.wireCount[frame]).toBe(0);
    system.check();
    const other = new SteppedFault(system, a, VPN + 1, false, true).run();
    expect(other.branches).toContain('F14n');
  });
});

describe('the copy object', () => {
  test('whose lock cannot be had is tried again', () => {
    const { system, a, copy } = copied();
    copy.lockedElsewhere = true;
    const fault = new SteppedFault(system, a, VPN, true).run('retryCopy');
    expect(fault.branches.at(-1)).toBe('F28');
    copy.lockedElsewhere = false;
    expect(fault.run().done).toBe(true);
    system.check();
  });

  test.each(['plain', 'interruptible'] as const)('whose page is being brought in is waited for (%s)', (waits) => {
    const { system, a, copy } = copied({ waits });
    const page = pageAlloc(system.vm, copy, 0);
    const fault = new SteppedFault(system, a, VPN, true).run();
    expect(fault.branches).toContain(waits === 'plain' ? 'F30b' : 'F30a');
    expect(copy.refCount).toBe(1);
    pageWakeup(system.vm, page);
    pageFree(system.vm, page);
    expect(fault.run().done && fault.fault.result).toBe(KERN_SUCCESS);
    expect(fault.branches).toContain('F37');
    system.check();
  });

  /** The copy has paged a page out, and a write fault has just asked its pager for another. */
  function asked(): ReturnType<typeof copied> & { fault: SteppedFault } {
    const all = copied();
    store(all.system, all.a, VPN + 1, 2);
    all.system.pageout(62);
    expect(all.copy.pager).not.toBeNull();
    const fault = new SteppedFault(all.system, all.a, VPN + 2, true).run('copyPagerAnswered');
    return { ...all, fault };
  }

  test('that lost its last user while its pager was asked ends, and nothing is copied', () => {
    const { system, b, file, fault } = asked();
    system.exit(b);
    fault.run();
    expect(fault.branches).toContain('F35');
    expect(fault.done && fault.fault.result).toBe(KERN_SUCCESS);
    expect(file.copy).toBeNull();
    system.check();
  });

  test('before which another was put while its pager was asked is left alone', () => {
    const { system, a, file, copy, fault } = asked();
    system.fork(a, 'C');
    fault.run();
    expect(fault.branches).toContain('F35');
    expect(file.copy).not.toBe(copy);
    expect(fault.done && fault.fault.result).toBe(KERN_SUCCESS);
    system.check();
  });
});

describe('the map, while a pager is asked', () => {
  test('may lose the range: its code is the answer', () => {
    const { system, a } = started();
    const fault = new SteppedFault(system, a, VPN + 1, true).run('paged');
    system.unmap(a, VPN * PAGE_SIZE, 4 * PAGE_SIZE);
    fault.run();
    expect(fault.branches).toContain('F42');
    expect(fault.fault.result).toBe(KERN_INVALID_ADDRESS);
    system.check();
  });

  test('may show something else: the fault begins again', () => {
    const { system, a } = started();
    const fault = new SteppedFault(system, a, VPN + 1, true).run('paged');
    map(system, a, VPN, 4);
    fault.run();
    expect(fault.branches).toContain('F43');
    expect(fault.done && fault.fault.result).toBe(KERN_SUCCESS);
    system.check();
  });

  test('may lose a permission: the translation has it no more', () => {
    const { system, a } = started();
    const fault = new SteppedFault(system, a, VPN + 1, true).run('paged');
    system.protect(a, VPN * PAGE_SIZE, 4 * PAGE_SIZE, PROT_READ);
    fault.run();
    expect(system.translations(a).at(-1)?.protection).toBe(PROT_READ);
    system.check();
  });
});

describe('locks of maps', () => {
  test('an upgrade waits for other readers, and the look-up begins again', () => {
    const { system, a } = started();
    system.fork(a, 'B');
    const reader = system.vm.kernel.createThread('reader');
    a.map.lock.acquireRead(reader);
    const fault = new SteppedFault(system, a, VPN, true).run();
    expect(fault.thread.state).toBe('sleeping');
    expect(a.map.lookup(VPN)?.needsCopy).toBe(true);
    a.map.lock.releaseRead(reader);
    expect(fault.run().done && fault.fault.result).toBe(KERN_SUCCESS);
    expect(a.map.lookup(VPN)?.needsCopy).toBe(false);
    system.check();
  });

  test('a sharing map that somebody changes is waited for with nothing held', () => {
    const system = bootCsrg({ memoryPages: 64 });
    const a = system.spawn('A');
    map(system, a, VPN, 1, undefined, 'shared');
    system.fork(a, 'B');
    const share = a.map.lookup(VPN)?.shareMap as VmMap;
    const writer = system.vm.kernel.createThread('writer');
    share.lock.acquireWrite(writer);
    const fault = new SteppedFault(system, a, VPN, true).run();
    expect(a.map.lock.holders()).toEqual([]);
    share.lock.releaseWrite(writer);
    expect(fault.run().done && fault.fault.result).toBe(KERN_SUCCESS);
  });

  test('a submap is entered, and its own pmap gets the translation', () => {
    const system = bootCsrg({ memoryPages: 64 });
    const { vm } = system;
    const a = system.spawn('A');
    const inner = new VmMap(vm, vm.machine.tables.createPmap(), VPN, VPN + 4, true, 'submap');
    insertLocked(vm, a.map, null, 0, VPN, VPN + 4);
    expect(submapLocked(a.map, VPN, VPN + 4, inner)).toBe(KERN_SUCCESS);
    insertLocked(vm, inner, null, 0, VPN, VPN + 4);
    const fault = new SteppedFault(system, a, VPN, true).run();
    expect(fault.fault.result).toBe(KERN_SUCCESS);
    expect(inner.pmap?.residentCount).toBe(1);
    expect(a.pmap.residentCount).toBe(0);
    expect(system.protect(a, VPN * PAGE_SIZE, PAGE_SIZE, PROT_READ)).toBe('EINVAL');
  });
});

describe('a slow disk', () => {
  test('a fault sleeps until the file has been read; a synchronous call cannot wait for it', async () => {
    const gate = new Gate();
    const system = bootCsrg({ memoryPages: 64 });
    const a = system.spawn('A');
    const slow = new FaultInjectingStore(new MemoryStore(new Uint8Array(PAGE_SIZE).fill(9)), [
      { on: 'read', hold: gate },
    ]);
    map(system, a, VPN, 1, { kind: 'file', file: system.createFile('F', slow), offset: 0 }, 'shared');
    const first = new SteppedFault(system, a, VPN, false);
    const done = system.vm.kernel.runRecordAsync(first.fault, faultStart);
    expect(() => system.fault(a, VPN, 0)).toThrow(WouldBlockError);
    gate.open();
    await done;
    expect(first.fault.result).toBe(KERN_SUCCESS);
    expect(system.frameBytes(system.translate(a, VPN, 0))?.[5]).toBe(9);
  });

  test('a page on its way to swap stays busy until a clean-up finds it written', async () => {
    const gate = new Gate();
    const swapStore = new FaultInjectingStore(new MemoryStore(), [{ on: 'write', hold: gate }]);
    const { system, frame } = started({ swapStore });
    // More can only be freed once the write is done: the rest is left to the background.
    expect(() => system.pageout(64)).toThrow(WouldBlockError);
    expect(pageHas(system.vm, frame, PG_BUSY)).toBe(true);
    expect(system.vm.swapWrites.length).toBe(1);
    system.check();
    gate.open();
    await gate.opened;
    await system.vm.kernel.whenQuiet();
    expect(system.vm.swapWrites.length).toBe(0);
    expect(pageHas(system.vm, frame, PG_BUSY)).toBe(false);
    system.check();
  });
});

test('memory that nobody can free ends the access, with nothing held', () => {
  const lines = script('memory 4\nproc A\nA map 0x10000 8 anon private rw-\nA write 0x10000 6\nqueues');
  expect(lines.slice(-3)).toEqual([
    'fault A w 0x14000 LOOP',
    'fault A w 0x15000 LOOP',
    'queues free=0 inactive=4 active=0 wired=0',
  ]);
});
