/** Reading pages in: errors, what happens to the map or the page meanwhile, and the scan behind a sequential read. */
import { describe, expect, it } from 'vitest';
import { Gate } from '../machine/fault-store.js';
import { EIO } from '../machine/store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { PROT_READ } from '../vm/prot.js';
import { forkMap } from './fork.js';
import { protectRange } from './map-range.js';
import {
  PG_UNMANAGED,
  PQ_INACTIVE,
  pageBusy,
  pageDirty,
  pageHold,
  pageRemove,
  pageSetFlag,
  pageWakeup,
  VM_PAGE_BITS_ALL,
} from './page.js';
import { cacheLookup, pageAlloc, pageFree, pageUnhold, VM_ALLOC_NORMAL } from './page-alloc.js';
import type { FreebsdProcess } from './process.js';
import { sysMmap, sysMunmap } from './syscalls.js';
import { RW } from './testing.js';
import { FaultBench, FIRST, plannedStore } from './testing-faults.js';

const held = (gate: Gate) => [{ on: 'read', hold: gate }] as const;

/** The same process as another of its threads sees it: calls may be made while the first waits. */
function twin(bench: FaultBench): FreebsdProcess {
  return Object.assign(Object.create(bench.a), { thread: bench.thread() }) as FreebsdProcess;
}

describe('a pager that fails', () => {
  it('fails the fault, says so, and leaves nothing behind; the next one may succeed', () => {
    const bench = new FaultBench();
    bench.mapFile(4, { plan: [{ on: 'read', error: EIO }] });
    expect(bench.fault(FIRST)).toBe('KERN_FAILURE');
    expect(bench.taken).toEqual(expect.arrayContaining(['F37', 'F38']));
    expect(bench.vm.console).toEqual(['vnode_pager_getpages: I/O read error', 'vm_fault: pager read error, A']);
    expect(bench.object(FIRST).residentCount).toBe(0);
    expect(bench.a.usage).toEqual({ minor: 0, major: 0 });
    bench.system.check();
    expect(bench.read(FIRST)).toBe(1);
  });

  it('counts as one that has nothing in the map of the kernel', () => {
    const bench = new FaultBench();
    bench.vm.kernelMap = bench.a.map;
    bench.mapFile(4, { plan: [{ on: 'read', error: EIO }] });
    expect(bench.fault(FIRST)).toBe('KERN_SUCCESS');
    expect(bench.taken).toEqual(expect.arrayContaining(['F37', 'F40', 'F43']));
    expect(bench.read(FIRST)).toBe(0);
  });

  it('below the top gives the page kept there back', () => {
    const bench = new FaultBench();
    bench.mapFile(4, { plan: [{ on: 'read', nth: 2, error: EIO }] });
    bench.system.advise(bench.a, FIRST * PAGE_SIZE, 4 * PAGE_SIZE, 'random');
    bench.write(FIRST, 9);
    expect(bench.fault(FIRST + 2, ACCESS_WRITE)).toBe('KERN_FAILURE');
    expect(bench.chain(FIRST)).toEqual(['default/0', 'vnode:F/0']);
    bench.system.check();
  });
});

describe('while the read goes on', () => {
  /** A held read of the first page of a shared file mapping; `meanwhile` runs before it ends. */
  async function during(
    meanwhile: (bench: FaultBench) => void,
    access: 0 | 1 = ACCESS_READ,
    sharing: 'shared' | 'private' = 'shared',
  ): Promise<{ bench: FaultBench; answer: string }> {
    const gate = new Gate();
    const bench = new FaultBench();
    bench.mapFile(4, { plan: held(gate), sharing });
    const fault = bench.faultLater(FIRST, access);
    meanwhile(bench);
    gate.open();
    return { bench, answer: await fault };
  }

  it('the map may stay as it is', async () => {
    const { bench, answer } = await during(() => {});
    expect(answer).toBe('KERN_SUCCESS major');
    expect(bench.taken).toContain('F51');
    expect(bench.taken).not.toContain('F53');
    expect(bench.mapped(FIRST)).toBe('rw-');
  });

  it('the protection may shrink: the translation gets what is left', async () => {
    const { bench, answer } = await during((b) => {
      b.run((thread) => protectRange(b.vm, thread, b.a.map, FIRST, FIRST + 4, PROT_READ));
    });
    expect(answer).toBe('KERN_SUCCESS major');
    expect(bench.taken).toEqual(expect.arrayContaining(['F53', 'F56']));
    expect(bench.mapped(FIRST)).toBe('r--');
    bench.system.check();
  });

  it('the protection may go altogether', async () => {
    const { bench, answer } = await during((b) => {
      b.run((thread) => protectRange(b.vm, thread, b.a.map, FIRST, FIRST + 4, 0));
    });
    expect(answer).toBe('KERN_PROTECTION_FAILURE');
    expect(bench.taken).toContain('F54');
    const page = bench.page(bench.object(FIRST), 0);
    expect([bench.mapped(FIRST), bench.vm.pages.queues.queue[page]]).toEqual(['none', PQ_INACTIVE]);
    bench.system.check();
  });

  it('the range may be unmapped: the answer is that nothing is there, and the page stays in the file', async () => {
    const { bench, answer } = await during((b) => {
      const other = twin(b);
      b.vm.kernel.call(other.thread, sysMunmap(b.vm, other, FIRST * PAGE_SIZE, 4 * PAGE_SIZE));
    });
    expect(answer).toBe('KERN_INVALID_ADDRESS');
    expect(bench.taken).toContain('F54');
    bench.system.check();
  });

  it('another file may come in its place: the fault begins again and finds that', async () => {
    const { bench, answer } = await during((b) => {
      const other = twin(b);
      const file = b.file(plannedStore(8), 'G');
      const request = {
        address: FIRST * PAGE_SIZE,
        length: 4 * PAGE_SIZE,
        protection: RW,
        sharing: 'shared',
        backing: { kind: 'file', file, offset: 3 * PAGE_SIZE },
        fixed: true,
      } as const;
      b.vm.kernel.call(other.thread, sysMmap(b.vm, other, request));
    });
    expect(answer).toBe('KERN_SUCCESS major');
    expect(bench.taken).toContain('F55');
    expect(bench.chain(FIRST)[0]).toMatch(/^vnode:G/);
    expect(bench.read(FIRST)).toBe(4);
    bench.system.check();
  });

  it('fresh memory may come in its place, which has no object yet: the fault begins again and makes it', async () => {
    const { bench, answer } = await during((b) => {
      const other = twin(b);
      const request = {
        address: FIRST * PAGE_SIZE,
        length: 4 * PAGE_SIZE,
        protection: RW,
        sharing: 'private',
        backing: { kind: 'anon' },
        fixed: true,
      } as const;
      b.vm.kernel.call(other.thread, sysMmap(b.vm, other, request));
    });
    expect(answer).toBe('KERN_SUCCESS major');
    expect(bench.taken).toEqual(expect.arrayContaining(['F54', 'F42']));
    expect([bench.read(FIRST), bench.chain(FIRST)]).toEqual([0, ['default/0']]);
    bench.system.check();
  });

  it('a fork waits for the busy page with the map locked: the fault gives way, and both get their copy', async () => {
    const gate = new Gate();
    const bench = new FaultBench();
    bench.mapFile(4, { plan: held(gate) });
    const fault = bench.faultLater(FIRST, ACCESS_WRITE);
    const child = bench.system.spawn('B');
    const { vm } = bench;
    const forker = vm.kernel.startThread('forker', (thread) => forkMap(vm, thread, bench.a.map, child.map));
    vm.kernel.runDaemons();
    expect([forker.wmesg, bench.a.map.lock.writer]).toEqual(['spltwt', forker]);
    gate.open();
    expect(await fault).toBe('KERN_SUCCESS major');
    expect(bench.taken).toContain('F52');
    bench.write(FIRST, 77);
    expect([bench.read(FIRST), bench.read(FIRST, child)]).toEqual([77, 1]);
    bench.system.check();
  });

  it('somebody may hold the map for writing: the fault begins again, and stays a major one', async () => {
    const release = { channel: 'release' };
    const { bench, answer } = await during((b) => {
      const { kernel } = b.vm;
      const { lock } = b.a.map;
      kernel.startThread('writer', function* (thread) {
        lock.acquireWrite(thread);
        kernel.sleep(thread, release, 'hold');
        yield;
        lock.releaseWrite(thread);
      });
      kernel.runDaemons();
      b.at('F52', () => kernel.wakeup(release));
    });
    expect(answer).toBe('KERN_SUCCESS major');
    expect(bench.count('F52')).toBe(1);
    expect(bench.taken).toContain('F22');
    expect(bench.read(FIRST)).toBe(1);
    bench.system.check();
  });

  it('the page may vanish from its object: the fault begins again and reads once more', async () => {
    let gone = -1;
    const { bench, answer } = await during((b) => {
      gone = b.page(b.object(FIRST), 0);
      pageRemove(b.vm, gone);
    });
    expect(answer).toBe('KERN_SUCCESS major');
    expect(bench.taken).toContain('F36');
    expect(bench.vm.counters.v_vnodein).toBe(2);
    expect(bench.read(FIRST)).toBe(1);
    pageFree(bench.vm, gone);
    bench.system.check();
  });

  it('the page may be changed for one that is not whole: its rest is zeroed, with a warning', async () => {
    let gone = -1;
    let fresh = -1;
    const { bench, answer } = await during((b) => {
      const object = b.object(FIRST);
      gone = b.page(object, 0);
      pageRemove(b.vm, gone);
      fresh = pageAlloc(b.vm, object, 0, VM_ALLOC_NORMAL);
      b.vm.pages.valid[fresh] = 0x0f;
      b.vm.machine.memory.frameBytes(fresh)?.fill(8);
    });
    expect(answer).toBe('KERN_SUCCESS major');
    expect(bench.taken).toContain('F61');
    const bytes = bench.touch(FIRST);
    expect([bytes[0], bytes[2047], bytes[2048], bytes[4095]]).toEqual([8, 8, 0, 0]);
    expect(bench.vm.pages.valid[fresh]).toBe(VM_PAGE_BITS_ALL);
    expect(bench.vm.console).toEqual([`Warning: page ${fresh} partially invalid on fault`]);
    pageFree(bench.vm, gone);
    bench.system.check();
  });
});

describe('a sequential read', () => {
  it('lets clean pages behind go to the cache, dirty ones to the inactive queue, and passes over the others', () => {
    const bench = new FaultBench();
    bench.mapFile(40, { sharing: 'shared' });
    bench.system.advise(bench.a, FIRST * PAGE_SIZE, 40 * PAGE_SIZE, 'random');
    for (let page = 1; page < 10; page++) bench.read(FIRST + page);
    const object = bench.object(FIRST);
    const pages = Array.from({ length: 10 }, (_, index) => bench.page(object, index));
    const { vm } = bench;
    pageBusy(vm, pages[7] as number);
    pageHold(vm, pages[6] as number);
    pageSetFlag(vm, pages[5] as number, PG_UNMANAGED);
    pageDirty(vm, pages[4] as number);
    vm.pages.valid[pages[2] as number] = 0x01;
    bench.system.advise(bench.a, FIRST * PAGE_SIZE, 40 * PAGE_SIZE, 'sequential');
    bench.listen();
    bench.read(FIRST + 10);
    expect([bench.count('F31'), bench.count('F33'), bench.count('F34'), bench.count('F30')]).toEqual([3, 1, 3, 1]);
    expect([3, 8, 9].map((index) => cacheLookup(vm, object, index))).toEqual([pages[3], pages[8], pages[9]]);
    expect([1, 4, 5, 6, 7].map((index) => bench.mapped(FIRST + index))).toEqual(['rw-', 'none', 'rw-', 'rw-', 'rw-']);
    expect(vm.pages.queues.queue[pages[4] as number]).toBe(PQ_INACTIVE);
    expect(bench.entry(FIRST).lastr).toBe(10 + 16);
    // As it was.
    pageWakeup(vm, pages[7] as number);
    pageUnhold(vm, pages[6] as number);
  });

  it('as advised random reads one page', () => {
    const bench = new FaultBench();
    bench.mapFile(40);
    bench.system.advise(bench.a, FIRST * PAGE_SIZE, 40 * PAGE_SIZE, 'random');
    bench.read(FIRST + 20);
    expect(bench.taken).toContain('F27');
    expect(bench.vm.counters.v_vnodepgsin).toBe(1);
  });
});
