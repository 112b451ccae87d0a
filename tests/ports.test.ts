/**
 * The ports of the four systems: each call in its plain form, files that change their length, what is written back and what is lost, one page
 * looked at, and faults as tasks. What the calls refuse is in ports-errors.test.ts.
 */
import type { Access, BackingStore, IoResult, SystemName, VmFile } from '@faultline/core';
import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  bootSystem,
  MemoryStore,
  PAGE_DIRTY,
  PAGE_MAPPED,
  PAGE_RESIDENT,
  PAGE_SHARED,
  PAGE_SIZE,
  PAGE_SWAPPED,
  PAGE_WIRED,
  PROT_READ,
} from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { AT, BASE, type FailingStore, numbered, PortBench, RW } from './port-bench.js';

const NAMES: readonly SystemName[] = ['csrg', 'freebsd', 'dragonfly', 'netbsd'];
const P = PAGE_SIZE;

describe.each(NAMES)('%s', (name) => {
  describe('calls in their plain form', () => {
    it('map, unmap, protect, inherit, and sum up', () => {
      const bench = new PortBench(name);
      expect(bench.mmap({ length: 4 * P })).toBe(AT);
      bench.write(BASE, 7);
      expect(bench.run(bench.port.mprotect(bench.a, AT, P, PROT_READ))).toBe(0);
      expect(() => bench.write(BASE, 8)).toThrow(name === 'netbsd' ? 'SIGSEGV SEGV_ACCERR' : 'SIGBUS BUS_ADRERR');
      expect(bench.read(BASE)).toBe(7);
      expect(bench.run(bench.port.minherit(bench.a, AT + P, P, 'none'))).toBe(0);
      const child = bench.fork();
      expect([bench.read(BASE, 0, child), bench.read(BASE + 1, 0, child)]).toEqual([7, 'SIGSEGV SEGV_MAPERR']);
      expect(bench.port.sizes(bench.a)).toEqual({ mapped: 4, wired: 0 });
      expect(bench.run(bench.port.munmap(bench.a, AT, 2 * P))).toBe(0);
      expect(bench.read(BASE)).toBe('SIGSEGV SEGV_MAPERR');
      bench.run(bench.port.exit(child), child);
      expect(child.alive).toBe(false);
      bench.system.check();
    });

    it('wire, unwire, and fill a heap', () => {
      const bench = new PortBench(name);
      bench.mmap({ length: 4 * P });
      expect(bench.run(bench.port.mlock(bench.a, AT, 2 * P))).toBe(0);
      expect([bench.wired(), bench.port.sizes(bench.a).wired]).toEqual([2, 2]);
      expect(bench.run(bench.port.munlock(bench.a, AT, 2 * P))).toBe(0);
      expect([bench.wired(), bench.port.sizes(bench.a).wired]).toEqual([0, 0]);
      bench.port.setDataStart(bench.a, AT + 64 * P);
      expect(bench.run(bench.port.brk(bench.a, AT + 66 * P))).toBe(0);
      bench.write(BASE + 65, 3);
      expect(bench.run(bench.port.brk(bench.a, AT + 65 * P))).toBe(0);
      expect(bench.read(BASE + 65)).toBe('SIGSEGV SEGV_MAPERR');
      expect(bench.run(bench.port.brk(bench.a, AT + 66 * P))).toBe(0);
      expect(bench.read(BASE + 65)).toBe(0);
      bench.system.check();
    });

    it('map at an offset within a page', () => {
      const bench = new PortBench(name);
      const file = bench.system.createFile('F', numbered(3));
      const backing = { kind: 'file', file, offset: P + 100 } as const;
      const address = name === 'csrg' ? AT : AT + 100;
      expect(bench.mmap({ address, backing, length: P })).toBe(address);
      expect(bench.read(BASE)).toBe(2);
      const free = bench.mmap({ address: 0, fixed: false, backing, length: P });
      expect(typeof free === 'number' ? free % P : free).toBe(name === 'csrg' ? 0 : 100);
      bench.system.check();
    });

    it('leave a process that another thread of it has called', () => {
      const bench = new PortBench(name);
      const thread = bench.port.createThread('second');
      const view = bench.port.withThread(bench.a, thread);
      expect([
        bench.port.threadOf(view) === thread,
        view.id,
        bench.port.pmapOf(view) === bench.port.pmapOf(bench.a),
      ]).toEqual([true, bench.a.id, true]);
      bench.mmap({ length: 2 * P }, view);
      bench.write(BASE, 5, 0, view);
      expect(bench.read(BASE)).toBe(5);
      expect(bench.a.usage).toEqual(view.usage);
      bench.system.check();
    });
  });

  describe('a file that changes its length', () => {
    const signal = name === 'netbsd' ? 'SIGSEGV SEGV_MAPERR' : 'SIGBUS BUS_ADRERR';

    it('loses its pages past the end, and shows zeros when it grows again', () => {
      const bench = new PortBench(name);
      const { file, store } = bench.file(3);
      for (const page of [0, 1, 2]) bench.write(BASE + page, 50 + page);
      bench.resize(file, 100);
      expect([bench.read(BASE), bench.read(BASE + 2)]).toEqual([50, signal]);
      expect([bench.read(BASE, 99), bench.read(BASE, 100)]).toEqual([1, 0]);
      bench.resize(file, 3 * P);
      expect([0, 99, 100, 4095].map((at) => bench.read(BASE, at))).toEqual([50, 1, 0, 0]);
      expect([bench.read(BASE + 1), bench.read(BASE + 2)]).toEqual([0, 0]);
      expect(bench.flush(file)).toBe(0);
      expect([store.byte(0), store.byte(99), store.byte(100), store.byte(P)]).toEqual([50, 1, 0, 0]);
      bench.system.check();
    });

    it('does not take over what a mapping has stored behind its end', () => {
      const bench = new PortBench(name);
      const { file, store } = bench.file(2);
      bench.resize(file, P + 100);
      bench.write(BASE + 1, 66, 200);
      expect(bench.flush(file)).toBe(0);
      expect(store.size()).toBe(P + 100);
      bench.resize(file, 2 * P);
      expect(bench.read(BASE + 1, 200)).toBe(0);
      bench.write(BASE + 1, 67, 201);
      expect(bench.flush(file)).toBe(0);
      expect([store.byte(P + 200), store.byte(P + 201)]).toEqual([0, 67]);
      bench.system.check();
    });

    it('leaves wired pages that read as zeros when it grows again, and can be unwired', () => {
      const bench = new PortBench(name);
      const { file } = bench.file(2);
      bench.write(BASE + 1, 9);
      expect(bench.run(bench.port.mlock(bench.a, AT, 2 * P))).toBe(0);
      bench.resize(file, 0);
      expect(bench.read(BASE + 1)).toBe(signal);
      bench.resize(file, 2 * P);
      expect([bench.read(BASE), bench.read(BASE + 1)]).toEqual([0, 0]);
      expect(bench.run(bench.port.munlock(bench.a, AT, 2 * P))).toBe(0);
      bench.system.check();
      expect(bench.run(bench.port.munmap(bench.a, AT, 2 * P))).toBe(0);
      expect(bench.wired()).toBe(0);
      bench.system.check();
    });

    it('grows under its mapping', () => {
      const bench = new PortBench(name);
      const { file } = bench.file(1);
      bench.mmap({ length: 2 * P, sharing: 'shared', backing: { kind: 'file', file, offset: 0 } });
      expect(bench.read(BASE + 1)).toBe(signal);
      bench.resize(file, 2 * P);
      bench.write(BASE + 1, 4);
      expect(bench.flush(file)).toBe(0);
      expect((file.store as FailingStore).byte(P)).toBe(4);
      bench.system.check();
    });
  });

  describe('a file that is written back', () => {
    it('gets what only a translation knows to be modified', () => {
      const bench = new PortBench(name);
      const { file, store } = bench.file(3);
      for (const page of [0, 2]) bench.write(BASE + page, 90 + page);
      expect(bench.flush(file)).toBe(0);
      expect([store.byte(0), store.byte(P), store.byte(2 * P)]).toEqual([90, 2, 92]);
      bench.write(BASE, 91);
      expect(bench.flush(file)).toBe(0);
      expect(store.byte(0)).toBe(91);
      const { writes } = store;
      expect(bench.flush(file)).toBe(0);
      expect(store.writes).toBe(writes);
      bench.system.check();
    });

    it('keeps its pages dirty when that fails', () => {
      const bench = new PortBench(name);
      const { file, store } = bench.file(3);
      bench.write(BASE + 1, 77);
      store.fails = true;
      expect(bench.flush(file)).toBe('EIO');
      expect(bench.run(bench.port.msync(bench.a, AT, 3 * P, { invalidate: false }))).toBe('EIO');
      expect(bench.port.inspectPage(bench.a, BASE + 1) & PAGE_DIRTY).toBe(PAGE_DIRTY);
      store.fails = false;
      expect(bench.run(bench.port.msync(bench.a, AT, 3 * P, { invalidate: false }))).toBe(0);
      expect(store.byte(P)).toBe(77);
      bench.system.check();
    });

    it('keeps them dirty when the page daemon fails too', () => {
      const bench = new PortBench(name);
      const { file, store } = bench.file(3);
      bench.write(BASE + 1, 77);
      store.fails = true;
      bench.system.pageout(300);
      store.fails = false;
      expect(bench.read(BASE + 1)).toBe(77);
      expect(bench.flush(file)).toBe(0);
      expect(store.byte(P)).toBe(77);
      bench.system.check();
    });

    it('shows what a private mapping has not written itself', () => {
      const bench = new PortBench(name);
      const { file } = bench.file(2);
      const at = BASE + 16;
      bench.mmap({ address: at * P, length: 2 * P, backing: { kind: 'file', file, offset: 0 } });
      bench.write(at, 33);
      expect(bench.read(at + 1)).toBe(2);
      bench.write(BASE, 44);
      bench.write(BASE + 1, 45);
      expect([bench.read(at), bench.read(at + 1)]).toEqual([33, 45]);
      bench.system.check();
    });
  });

  describe('a file that nobody can reach', () => {
    it('is let go without being written', () => {
      const bench = new PortBench(name);
      const { file, store } = bench.file(3);
      expect(bench.port.fileHolds(file)).toBeGreaterThan(0);
      bench.write(BASE, 1);
      expect(bench.run(bench.port.munmap(bench.a, AT, 3 * P))).toBe(0);
      expect(bench.port.fileHolds(file)).toBe(0);
      const { writes } = store;
      bench.run(bench.port.releaseFile(bench.port.threadOf(bench.a), file));
      expect(store.writes).toBe(writes);
      bench.system.check();
      bench.run(bench.port.exit(bench.a));
      const fresh = new PortBench(name);
      fresh.run(fresh.port.exit(fresh.a));
      const free = (system: typeof bench.system) => system.queues().find((queue) => queue.name === 'free')?.pages;
      expect(free(bench.system)).toBe(free(fresh.system));
    });

    it('is held by a private copy', () => {
      const bench = new PortBench(name);
      const file: VmFile = bench.system.createFile('F', numbered(2));
      bench.mmap({ length: 2 * P, backing: { kind: 'file', file, offset: 0 } });
      bench.write(BASE, 1);
      const child = bench.fork();
      bench.run(bench.port.exit(bench.a));
      expect(bench.port.fileHolds(file)).toBeGreaterThan(0);
      expect(bench.read(BASE + 1, 0, child)).toBe(2);
      bench.run(bench.port.exit(child), child);
      expect(bench.port.fileHolds(file)).toBe(0);
    });
  });

  describe('one page', () => {
    it('is resident, mapped and dirty, shared after a fork, wired, or on swap', () => {
      const bench = new PortBench(name);
      const look = (vpn = BASE): number => bench.port.inspectPage(bench.a, vpn);
      expect(look()).toBe(0);
      bench.mmap({ length: 64 * P });
      expect(look()).toBe(0);
      bench.write(BASE, 1);
      expect(look()).toBe(PAGE_RESIDENT | PAGE_MAPPED | PAGE_DIRTY);
      expect(look(BASE + 60)).toBe(0);
      const child = bench.fork();
      expect(look() & (PAGE_SHARED | PAGE_RESIDENT)).toBe(PAGE_SHARED | PAGE_RESIDENT);
      expect(bench.port.inspectPage(child, BASE) & (PAGE_SHARED | PAGE_RESIDENT)).toBe(PAGE_SHARED | PAGE_RESIDENT);
      bench.run(bench.port.exit(child), child);
      bench.write(BASE, 2);
      expect(look()).toBe(PAGE_RESIDENT | PAGE_MAPPED | PAGE_DIRTY);
      bench.run(bench.port.mlock(bench.a, AT, P));
      expect(look() & PAGE_WIRED).toBe(PAGE_WIRED);
      bench.run(bench.port.munlock(bench.a, AT, P));
      bench.system.pageout(300);
      bench.system.pageout(300);
      // DragonFly's cached pages are still in their objects.
      const where = name === 'dragonfly' ? PAGE_SWAPPED | PAGE_RESIDENT : PAGE_SWAPPED;
      expect(look() & (PAGE_SWAPPED | PAGE_RESIDENT | PAGE_MAPPED)).toBe(where);
      expect(bench.read(BASE)).toBe(2);
      expect(look() & (PAGE_RESIDENT | PAGE_MAPPED)).toBe(PAGE_RESIDENT | PAGE_MAPPED);
    });

    it("of a file is everybody's", () => {
      const bench = new PortBench(name);
      bench.file(2);
      bench.read(BASE);
      expect(bench.port.inspectPage(bench.a, BASE)).toBe(PAGE_RESIDENT | PAGE_MAPPED | PAGE_SHARED);
    });
  });

  describe('a fault as a task', () => {
    it("is the system's own", () => {
      const viaTask = new PortBench(name);
      const direct = new PortBench(name);
      for (const bench of [viaTask, direct]) {
        bench.file(4);
        bench.mmap({ address: AT + 8 * P, length: 4 * P });
        bench.mmap({ address: AT + 16 * P, protection: PROT_READ });
      }
      const accesses: [number, Access][] = [
        [BASE, ACCESS_READ],
        [BASE + 1, ACCESS_WRITE],
        [BASE + 3, ACCESS_EXECUTE],
        [BASE + 8, ACCESS_WRITE],
        [BASE + 9, ACCESS_READ],
        [BASE + 16, ACCESS_WRITE],
        [BASE + 40, ACCESS_READ],
      ];
      for (const [vpn, access] of accesses) {
        expect(viaTask.fault(vpn, access)).toBe(direct.system.fault(direct.a, vpn, access));
        expect(viaTask.system.lastFaultMajor).toBe(direct.system.lastFaultMajor);
      }
      expect(viaTask.a.usage).toEqual(direct.a.usage);
      expect(viaTask.system.statistics()).toEqual(direct.system.statistics());
      expect(viaTask.system.translations(viaTask.a)).toEqual(direct.system.translations(direct.a));
      expect(viaTask.system.machine.clock.ns).toBe(direct.system.machine.clock.ns);
    });

    it('of two threads on one page of a late store reads it once', async () => {
      const store = new LateStore(numbered(4));
      const bench = new PortBench(name);
      const file = bench.system.createFile('F', store);
      bench.mmap({ length: 4 * P, sharing: 'shared', backing: { kind: 'file', file, offset: 0 } });
      const second = bench.port.withThread(bench.a, bench.port.createThread('second'));
      const fault = (process: typeof bench.a, vpn: number) =>
        bench.port.kernel.callAsync(bench.port.threadOf(process), bench.port.fault(process, vpn, ACCESS_READ));
      const codes = await Promise.all([fault(bench.a, BASE), fault(second, BASE)]);
      expect(codes).toEqual([bench.system.faultSuccess, bench.system.faultSuccess]);
      expect(bench.read(BASE)).toBe(1);
      expect(store.asked.filter((offset) => offset === 0)).toHaveLength(1);
      bench.system.check();
    });

    it('of a page that cannot be read is an I/O error, and works once it can', () => {
      const bench = new PortBench(name);
      const { store } = bench.file(2);
      store.fails = true;
      expect(bench.read(BASE)).toBe('SIGBUS BUS_OBJERR');
      store.fails = false;
      expect(bench.read(BASE)).toBe(1);
      bench.system.check();
    });
  });

  describe('without memory', () => {
    it('an access ends, and what is freed can be used', () => {
      const bench = new PortBench(name, { memoryPages: 128, swapPages: 0 });
      bench.mmap({ length: 200 * P });
      let answer: Uint8Array | string = '';
      for (let page = 0; typeof answer !== 'string' || answer === ''; page++)
        answer = bench.touch(BASE + page, ACCESS_WRITE);
      expect(answer).toBe('SIGKILL NOMEM');
      expect(bench.run(bench.port.munmap(bench.a, AT, 200 * P))).toBe(0);
      bench.mmap({ length: P });
      bench.write(BASE, 1);
      bench.system.check();
    });

    it('a fork is refused and leaves nothing behind', () => {
      const bench = new PortBench(name, { swapPages: 0 });
      bench.mmap({ length: 60 * P });
      for (let page = 0; page < 60; page++) bench.write(BASE + page, page);
      expect(bench.run(bench.port.mlock(bench.a, AT, 60 * P))).toBe(0);
      bench.mmap({ address: AT + 64 * P, length: 200 * P });
      let full = false;
      for (let page = 0; page < 200 && !full; page++)
        full = typeof bench.touch(BASE + 64 + page, ACCESS_WRITE) === 'string';
      const before = bench.system.queues();
      expect(bench.run(bench.port.fork(bench.a, 'B'))).toBe('ENOMEM');
      expect(bench.system.queues().find(({ name: queue }) => queue === 'wired')).toEqual(
        before.find(({ name: queue }) => queue === 'wired'),
      );
      for (let page = 0; page < 60; page++) expect(bench.read(BASE + page)).toBe(page);
      bench.system.check();
      bench.run(bench.port.exit(bench.a));
      bench.system.check();
    });

    it('mlock is refused and undone', () => {
      const bench = new PortBench(name, { memoryPages: 128, swapPages: 0 });
      bench.mmap({ length: 120 * P });
      let pages = 0;
      while (typeof bench.touch(BASE + pages, ACCESS_WRITE) !== 'string') pages++;
      expect(bench.run(bench.port.mlock(bench.a, AT + pages * P, 10 * P))).toBe('ENOMEM');
      expect([bench.wired(), bench.port.sizes(bench.a).wired]).toEqual([0, 0]);
      bench.system.check();
    });
  });

  describe('what is no argument', () => {
    it('is thrown', () => {
      const bench = new PortBench(name);
      const other = new PortBench(name);
      const { system, a } = bench;
      expect(() => system.unmap(other.a, AT, P)).toThrow(TypeError);
      expect(() => system.unmap(null as never, AT, P)).toThrow(TypeError);
      expect(() => system.unmap(a, Number.NaN, P)).toThrow(RangeError);
      expect(() => system.protect(a, AT, P, '7' as never)).toThrow(TypeError);
      expect(() => system.advise(a, AT, P, 'soon' as never)).toThrow(RangeError);
      expect(() => system.fault(a, 0.5, ACCESS_READ)).toThrow(RangeError);
      expect(() => system.translate(a, 1, 9 as never)).toThrow(RangeError);
      expect(() => system.createFile('F', {} as never)).toThrow(TypeError);
      const file = other.system.createFile('F', new MemoryStore(P));
      const backing = { kind: 'file', file, offset: 0 } as const;
      const request = { address: AT, length: P, protection: RW, sharing: 'private', backing, fixed: true } as const;
      expect(() => system.map(a, request)).toThrow(/file of this machine/);
      system.exit(a);
      system.exit(a);
      expect(() => system.unmap(a, AT, P)).toThrow(/exited/);
      expect(() => bootSystem(name, { swapPages: -1 })).toThrow(RangeError);
    });
  });
});

/** Every read answers some turns later. */
class LateStore implements BackingStore {
  readonly synchronous = false;
  readonly asked: number[] = [];
  constructor(private readonly inner: MemoryStore) {}
  size(): number {
    return this.inner.size();
  }
  async read(offset: number, buffers: readonly Uint8Array[]): Promise<IoResult> {
    this.asked.push(offset);
    await new Promise((resolve) => setImmediate(resolve));
    return this.inner.read(offset, buffers);
  }
  async write(offset: number, buffers: readonly Uint8Array[]): Promise<IoResult> {
    return this.inner.write(offset, buffers);
  }
  truncate(bytes: number): IoResult {
    return this.inner.truncate(bytes);
  }
  sync(): IoResult {
    return 0;
  }
  close(): void {}
}
