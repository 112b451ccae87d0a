/** NetBSD's port: what only this system has. What is common to all four is in tests/ports.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Task } from '../kernel/thread.js';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import type { PortMapRequest } from '../vm/port.js';
import { PROT_ALL, PROT_NONE, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { bootNetbsd } from './system.js';

const BASE = 0x1000;
const AT = BASE * PAGE_SIZE;
const RW = PROT_READ | PROT_WRITE;

function boot(memoryPages = 256) {
  const system = bootNetbsd({ memoryPages, defects: 'mended' });
  const a = system.spawn('A');
  const { port } = system;
  const run = <T>(task: Task<T>): T => port.kernel.call(a.thread, task);
  const mmap = (request: Partial<PortMapRequest>) =>
    run(
      port.mmap(a, {
        address: AT,
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
  const write = (vpn: number, value: number): void => {
    while (system.translate(a, vpn, ACCESS_WRITE) < 0) expect(run(port.fault(a, vpn, ACCESS_WRITE))).toBe(0);
    (system.frameBytes(system.translate(a, vpn, ACCESS_WRITE)) as Uint8Array)[0] = value;
  };
  return { system, a, port, run, mmap, write };
}

describe('MAP_WIRED', () => {
  it('wires at once, and is refused as a whole', () => {
    const { system, a, run, port, mmap } = boot();
    expect(mmap({ wired: true, length: 3 * PAGE_SIZE })).toBe(AT);
    expect([system.vm.wiredPages, port.sizes(a).wired]).toEqual([3, 3]);
    expect(mmap({ address: AT + 8 * PAGE_SIZE, wired: true, length: 90 * PAGE_SIZE })).toBe('ENOMEM');
    expect(port.sizes(a)).toEqual({ mapped: 3, wired: 3 });
    expect(mmap({ address: AT + 8 * PAGE_SIZE, wired: true, protection: PROT_NONE })).toBe(AT + 8 * PAGE_SIZE);
    expect(system.vm.wiredPages).toBe(3);
    expect(run(port.munmap(a, AT, 3 * PAGE_SIZE))).toBe(0);
    expect(system.vm.wiredPages).toBe(0);
    system.check();
  });
});

describe('advice "free"', () => {
  it('takes the page at once, and msync that invalidates does not', () => {
    const { system, a, run, port, mmap, write } = boot();
    mmap({});
    write(BASE, 5);
    expect(run(port.msync(a, AT, PAGE_SIZE, { invalidate: true }))).toBe(0);
    expect(system.frameBytes(system.translate(a, BASE, ACCESS_READ))?.[0]).toBe(5);
    const vector = new Uint8Array(1);
    expect(run(port.madvise(a, AT, PAGE_SIZE, 'free'))).toBe(0);
    run(port.mincore(a, AT, PAGE_SIZE, vector));
    expect(vector[0]).toBe(0);
    expect(run(port.fault(a, BASE, ACCESS_READ))).toBe(0);
    expect(system.frameBytes(system.translate(a, BASE, ACCESS_READ))?.[0]).toBe(0);
    system.check();
  });
});

describe('a shared mapping that may only be read', () => {
  it('does not mark its file as one that is written through mappings', () => {
    const { system, mmap } = boot();
    const file = system.createFile('F', new MemoryStore(PAGE_SIZE));
    const backing = { kind: 'file', file, offset: 0 } as const;
    mmap({ sharing: 'shared', protection: PROT_READ, maximum: PROT_READ, backing });
    expect(file).toMatchObject({ wrmap: false });
    mmap({ sharing: 'shared', protection: PROT_READ, backing });
    expect(file).toMatchObject({ wrmap: true });
  });
});

describe('a shared anonymous mapping larger than any amap', () => {
  it('is refused', () => {
    const { system, a, mmap, port } = boot();
    expect(mmap({ sharing: 'shared', length: 2 ** 37 })).toBe('ENOMEM');
    expect(port.sizes(a)).toEqual({ mapped: 0, wired: 0 });
    system.check();
  });
});

describe('brk under mlockall(MCL_FUTURE) without memory (oddity 31)', () => {
  it.each(['as-seeded', 'mended'] as const)('%s', (defects) => {
    const system = bootNetbsd({ memoryPages: 128, defects });
    const a = system.spawn('A');
    const { port } = system;
    const brk = (pages: number) => port.kernel.call(a.thread, port.brk(a, AT + pages * PAGE_SIZE));
    port.setDataStart(a, AT);
    expect(brk(2)).toBe(0);
    expect(port.kernel.call(a.thread, port.mlockall(a, false, true))).toBe(0);
    const before = port.sizes(a);
    // The first entry is for the growth itself, the second for wiring only that part of the heap.
    let asked = 0;
    system.vm.allocationFails = (kind) => kind === 'map entry' && ++asked === 2;
    expect(brk(4)).toBe('ENOMEM');
    system.vm.allocationFails = null;
    system.check();
    if (defects === 'mended') expect(port.sizes(a)).toEqual(before);
    expect(brk(4)).toBe(defects === 'mended' ? 0 : 'ENOMEM');
    system.check();
  });
});
