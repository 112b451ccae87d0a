/** FreeBSD's port: what only this system has, and what its CAVEATS.md says about processes. Calls common to all four are in tests/ports.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Task } from '../kernel/thread.js';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import type { PortMapRequest } from '../vm/port.js';
import { PROT_ALL, PROT_NONE, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { KERN_FAILURE, KERN_NO_SPACE, KERN_PROTECTION_FAILURE, KERN_SUCCESS } from './kern.js';
import { VPO_NOSYNC } from './page.js';
import { Bench, RW } from './testing.js';

const BASE = 0x1000;
const STEP = 32;

class PortBench extends Bench {
  constructor(swapPages = 0) {
    super({ defects: 'mended', swapPages });
  }

  get port() {
    return this.system.port;
  }

  run<T>(task: Task<T>): T {
    return this.vm.kernel.call(this.a.thread, task);
  }

  mmap(request: Partial<PortMapRequest>) {
    return this.run(
      this.port.mmap(this.a, {
        address: BASE * PAGE_SIZE,
        length: PAGE_SIZE,
        protection: RW,
        maximum: PROT_ALL,
        sharing: 'private',
        backing: { kind: 'anon' },
        fixed: true,
        nosync: false,
        stack: false,
        wired: false,
        vpagetable: false,
        ...request,
      }),
    );
  }

  fault(vpn: number, access = ACCESS_WRITE as typeof ACCESS_READ | typeof ACCESS_WRITE) {
    return this.run(this.port.fault(this.a, vpn, access));
  }
}

describe('a stack', () => {
  it('grows at a fault below it, up to its range and the limit, and never into a neighbour', () => {
    const bench = new PortBench();
    bench.map(BASE, 1);
    bench.mmap({ address: (BASE + 1) * PAGE_SIZE, length: 200 * PAGE_SIZE, stack: true });
    const bottom = BASE + 201 - STEP;
    expect(bench.port.sizes(bench.a).mapped).toBe(1 + STEP);
    expect(bench.fault(bottom - 1)).toBe(KERN_SUCCESS);
    expect(bench.port.sizes(bench.a).mapped).toBe(1 + 2 * STEP);
    bench.port.setStackLimit(bench.a, 80 * PAGE_SIZE);
    expect(bench.fault(BASE + 201 - 81)).toBe(KERN_NO_SPACE);
    expect(bench.port.signalOf(KERN_NO_SPACE)).toEqual({ signal: 'SIGSEGV', code: 'SEGV_MAPERR' });
    expect(bench.fault(BASE + 201 - 80)).toBe(KERN_SUCCESS);
    bench.port.setStackLimit(bench.a, 1000 * PAGE_SIZE);
    expect(bench.fault(BASE + 1)).toBe(KERN_SUCCESS);
    expect(bench.port.sizes(bench.a).mapped).toBe(201);
    bench.system.check();
  });

  it('is anonymous, readable and writable', () => {
    const bench = new PortBench();
    expect(bench.mmap({ stack: true, protection: PROT_READ })).toBe('EINVAL');
    const file = bench.file(new MemoryStore(PAGE_SIZE));
    expect(bench.mmap({ stack: true, backing: { kind: 'file', file, offset: 0 } })).toBe('EINVAL');
  });

  it('has its limit inherited by fork', () => {
    const bench = new PortBench();
    bench.mmap({ length: 200 * PAGE_SIZE, stack: true });
    bench.port.setStackLimit(bench.a, STEP * PAGE_SIZE);
    const child = bench.run(bench.port.fork(bench.a, 'B'));
    if (typeof child === 'string') throw new Error(child);
    expect(bench.run(bench.port.fault(child, BASE + 100, ACCESS_WRITE))).toBe(KERN_NO_SPACE);
  });
});

describe('wiring', () => {
  it('of a read-only private range moves to the copy once it is made writable', () => {
    const bench = new PortBench();
    const file = bench.file(new MemoryStore(new Uint8Array(PAGE_SIZE).fill(7)));
    bench.mmap({ protection: PROT_READ, backing: { kind: 'file', file, offset: 0 } });
    expect(bench.run(bench.port.mlock(bench.a, BASE * PAGE_SIZE, PAGE_SIZE))).toBe(0);
    expect(bench.run(bench.port.mprotect(bench.a, BASE * PAGE_SIZE, PAGE_SIZE, RW))).toBe(0);
    bench.write(BASE, 9);
    expect(bench.vm.wiredPages).toBe(1);
    expect(file.store.read(0, [new Uint8Array(1)])).toBe(1);
    bench.system.check();
    bench.run(bench.port.munlock(bench.a, BASE * PAGE_SIZE, PAGE_SIZE));
    expect(bench.vm.wiredPages).toBe(0);
    bench.system.check();
  });

  it('refuses a range that nobody may access, and mlockall passes it over', () => {
    const bench = new PortBench();
    bench.map(BASE, 1);
    bench.map(BASE + 1, 1, { kind: 'anon' }, 'private', PROT_NONE);
    expect(bench.run(bench.port.mlock(bench.a, BASE * PAGE_SIZE, 2 * PAGE_SIZE))).toBe('ENOMEM');
    expect(bench.vm.wiredPages).toBe(0);
    expect(bench.run(bench.port.mlockall(bench.a, true, true))).toBe(0);
    expect(bench.vm.wiredPages).toBe(1);
    expect(bench.run(bench.port.mprotect(bench.a, (BASE + 1) * PAGE_SIZE, PAGE_SIZE, RW))).toBe(0);
    expect(bench.mmap({ address: (BASE + 8) * PAGE_SIZE, length: 2 * PAGE_SIZE })).toBe((BASE + 8) * PAGE_SIZE);
    expect(bench.vm.wiredPages).toBe(3);
    expect(bench.run(bench.port.munlockall(bench.a))).toBe(0);
    expect(bench.vm.wiredPages).toBe(0);
    bench.system.check();
  });

  it('under MCL_FUTURE that fails takes the mapping away again', () => {
    const bench = new PortBench();
    bench.run(bench.port.mlockall(bench.a, false, true));
    expect(bench.mmap({ length: 2000 * PAGE_SIZE })).toBe('EAGAIN');
    expect(bench.port.sizes(bench.a)).toEqual({ mapped: 0, wired: 0 });
    bench.system.check();
  });
});

describe('a file cut off', () => {
  it('refuses a wired page past its end, and shows zeros there when it has grown again', () => {
    const bench = new PortBench();
    const store = new MemoryStore(new Uint8Array(PAGE_SIZE).fill(7));
    const file = bench.file(store);
    bench.mmap({ sharing: 'shared', backing: { kind: 'file', file, offset: 0 } });
    bench.write(BASE, 9);
    bench.run(bench.port.mlock(bench.a, BASE * PAGE_SIZE, PAGE_SIZE));
    bench.run(bench.port.fileResized(bench.a.thread, file, 0));
    store.truncate(0);
    expect(bench.fault(BASE)).toBe(KERN_PROTECTION_FAILURE);
    store.truncate(PAGE_SIZE);
    bench.run(bench.port.fileResized(bench.a.thread, file, PAGE_SIZE));
    expect(bench.read(BASE)).toBe(0);
    bench.run(bench.port.munlock(bench.a, BASE * PAGE_SIZE, PAGE_SIZE));
    expect(bench.vm.wiredPages).toBe(0);
    bench.system.check();
  });
});

describe('MAP_NOSYNC', () => {
  it('marks the pages that are written through it', () => {
    const bench = new PortBench();
    const file = bench.file(new MemoryStore(PAGE_SIZE));
    bench.mmap({ sharing: 'shared', nosync: true, backing: { kind: 'file', file, offset: 0 } });
    bench.write(BASE, 1);
    const frame = bench.system.translate(bench.a, BASE, ACCESS_READ);
    expect((bench.vm.pages.oflags[frame] as number) & VPO_NOSYNC).toBe(VPO_NOSYNC);
  });
});

describe('signals', () => {
  it('tell protection, addresses, I/O and memory apart', () => {
    const bench = new PortBench();
    expect(bench.port.signalOf(KERN_FAILURE)).toEqual({ signal: 'SIGBUS', code: 'BUS_OBJERR' });
    bench.map(BASE, 1, { kind: 'anon' }, 'private', PROT_READ);
    expect(bench.port.signalOf(bench.fault(BASE))).toEqual({ signal: 'SIGBUS', code: 'BUS_ADRERR' });
    expect(bench.port.signalOf(bench.fault(BASE + 1))).toEqual({ signal: 'SIGSEGV', code: 'SEGV_MAPERR' });
    bench.map(BASE, 400, { kind: 'anon' }, 'private', PROT_WRITE | PROT_READ);
    let code = KERN_SUCCESS;
    for (let vpn = BASE; code === KERN_SUCCESS; vpn++) code = bench.fault(vpn);
    expect(bench.port.signalOf(code)).toEqual({ signal: 'SIGKILL', code: 'NOMEM' });
    bench.system.check();
  });
});
