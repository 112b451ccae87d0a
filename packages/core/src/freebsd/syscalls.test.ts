/** The memory calls beyond what scenarios can say: places, mincore, brk, mlockall, msync with invalidation, stacks. */
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { PROT_NONE, PROT_READ } from '../vm/prot.js';
import {
  MINCORE_INCORE,
  MINCORE_MODIFIED,
  MINCORE_REFERENCED,
  MINCORE_REFERENCED_OTHER,
  sysMincore,
  sysMlockall,
  sysMmap,
  sysMsync,
  sysMunlockall,
} from './syscalls.js';
import { Bench, RW } from './testing.js';

const anon = { kind: 'anon' } as const;

describe('mmap without a fixed place', () => {
  const request = {
    address: 0,
    length: 3 * PAGE_SIZE,
    protection: RW,
    sharing: 'private',
    backing: anon,
    fixed: false,
  } as const;

  it('finds a gap above the data segment, and another for the next', () => {
    const { system, a } = new Bench();
    const first = system.map(a, request);
    expect(first).toBe(0x800000000);
    expect(system.map(a, request)).toBe(0x800000000 + 3 * PAGE_SIZE);
  });

  it('honours a hint that is free, rounds one that is not aligned, and passes over what is taken', () => {
    const { system, a } = new Bench();
    expect(system.map(a, { ...request, address: 0x500000 })).toBe(0x500000);
    expect(system.map(a, { ...request, address: 0x500000 })).toBe(0x503000);
    expect(system.map(a, { ...request, address: 0x600001 })).toBe(0x601000);
  });

  it('has no room for more than the address space', () => {
    const { system, a } = new Bench();
    expect(system.map(a, { ...request, length: 2 ** 47 })).toBe('ENOMEM');
    expect(system.entries(a)).toEqual([]);
  });
});

describe('mincore', () => {
  it('tells what is in memory, used and written, without faulting anything in', () => {
    const { system, vm, a } = new Bench();
    const bench = new Bench();
    bench.map(16, 4);
    bench.write(16, 1);
    bench.read(17);
    const vector = new Uint8Array(6).fill(0xff);
    const result = bench.vm.kernel.call(
      bench.a.thread,
      sysMincore(bench.vm, bench.a, 16 * PAGE_SIZE, 6 * PAGE_SIZE, vector),
    );
    expect(result).toBe(0);
    expect((vector[0] as number) & (MINCORE_INCORE | MINCORE_MODIFIED)).toBe(MINCORE_INCORE | MINCORE_MODIFIED);
    expect((vector[1] as number) & (MINCORE_INCORE | MINCORE_REFERENCED | MINCORE_MODIFIED)).toBe(
      MINCORE_INCORE | MINCORE_REFERENCED,
    );
    expect([...vector.subarray(2)]).toEqual([0, 0, 0, 0]);
    expect(bench.system.counters().v_vm_faults).toBe(2);
    expect(vm.kernel.call(a.thread, sysMincore(vm, a, 2 ** 47, PAGE_SIZE, vector))).toBe('EINVAL');
    expect(vm.kernel.call(a.thread, sysMincore(vm, a, 0x10000, 9 * PAGE_SIZE, vector))).toBe('EFAULT');
    system.check();
  });

  it('counts a page that only another process has used', () => {
    const bench = new Bench();
    bench.map(16, 1, anon, 'shared');
    const child = bench.system.fork(bench.a, 'B');
    if (typeof child === 'string') throw new Error(child);
    bench.write(16, 7, child);
    const vector = new Uint8Array(1);
    bench.vm.kernel.call(bench.a.thread, sysMincore(bench.vm, bench.a, 16 * PAGE_SIZE, PAGE_SIZE, vector));
    expect((vector[0] as number) & (MINCORE_INCORE | MINCORE_REFERENCED_OTHER)).toBe(
      MINCORE_INCORE | MINCORE_REFERENCED_OTHER,
    );
  });
});

describe('brk', () => {
  it('grows with zeros, shrinks, and grows with zeros again', () => {
    const bench = new Bench();
    const { system, a } = bench;
    const start = 0x600000;
    expect(system.brk(a, start)).toBe(0);
    expect(system.brk(a, start + 5000)).toBe(0);
    bench.write(0x601, 9);
    expect(system.brk(a, start + 100)).toBe(0);
    expect(() => bench.read(0x601)).toThrow('KERN_INVALID_ADDRESS');
    expect(system.brk(a, start + 3 * PAGE_SIZE)).toBe(0);
    expect(bench.read(0x601)).toBe(0);
    expect(system.brk(a, start - 1)).toBe('EINVAL');
    system.check();
  });

  it('does not grow into what is mapped', () => {
    const bench = new Bench();
    const { system, a } = bench;
    system.brk(a, 0x600000);
    bench.map(0x602, 1);
    expect(system.brk(a, 0x600000 + 2 * PAGE_SIZE)).toBe(0);
    expect(system.brk(a, 0x600000 + 3 * PAGE_SIZE)).toBe('ENOMEM');
    expect(a.dataEnd).toBe(0x600000 + 2 * PAGE_SIZE);
  });
});

describe('mlockall and munlockall', () => {
  it('wire what is there over holes, and what comes if asked', () => {
    const bench = new Bench();
    const { system, vm, a } = bench;
    bench.map(16, 2);
    bench.map(32, 2);
    expect(vm.kernel.call(a.thread, sysMlockall(vm, a, false, false))).toBe('EINVAL');
    expect(vm.kernel.call(a.thread, sysMlockall(vm, a, true, true))).toBe(0);
    expect(vm.wiredPages).toBe(4);
    bench.map(48, 3);
    expect(vm.wiredPages).toBe(7);
    expect(vm.kernel.call(a.thread, sysMunlockall(vm, a))).toBe(0);
    expect(vm.wiredPages).toBe(0);
    bench.map(64, 1);
    expect(vm.wiredPages).toBe(0);
    system.check();
  });
});

describe('msync', () => {
  it('writes what a shared mapping changed, once, and nothing of a private one', () => {
    const bench = new Bench();
    const store = new MemoryStore(3 * PAGE_SIZE);
    const file = bench.file(store);
    bench.map(16, 3, { kind: 'file', file, offset: 0 }, 'shared');
    bench.map(32, 3, { kind: 'file', file, offset: 0 }, 'private');
    bench.write(17, 0x11);
    bench.write(32, 0x22);
    expect(bench.system.sync(bench.a, 16 * PAGE_SIZE, 3 * PAGE_SIZE)).toBe(0);
    expect(bench.system.sync(bench.a, 32 * PAGE_SIZE, 3 * PAGE_SIZE)).toBe(0);
    const bytes = new Uint8Array(3 * PAGE_SIZE);
    store.read(0, [bytes]);
    expect([bytes[0], bytes[PAGE_SIZE]]).toEqual([0, 0x11]);
    expect(bench.system.statistics().v_vnodepgsout).toBe(1);
    bench.system.check();
  });

  it('means the whole entry when the length is 0, and refuses holes', () => {
    const bench = new Bench();
    const store = new MemoryStore(4 * PAGE_SIZE);
    bench.map(16, 4, { kind: 'file', file: bench.file(store), offset: 0 }, 'shared');
    bench.write(19, 5);
    expect(bench.system.sync(bench.a, 17 * PAGE_SIZE, 0)).toBe(0);
    expect(bench.system.statistics().v_vnodepgsout).toBe(1);
    expect(bench.system.sync(bench.a, 64 * PAGE_SIZE, 0)).toBe('EINVAL');
    expect(bench.system.sync(bench.a, 16 * PAGE_SIZE, 5 * PAGE_SIZE)).toBe('EINVAL');
  });

  it('drops clean pages when asked to invalidate, and refuses wired ones', () => {
    const bench = new Bench();
    const { vm, a, system } = bench;
    const store = new MemoryStore(2 * PAGE_SIZE);
    bench.map(16, 2, { kind: 'file', file: bench.file(store), offset: 0 }, 'shared');
    expect(bench.read(16)).toBe(0);
    store.write(0, [Uint8Array.of(0x77)]);
    expect(bench.read(16)).toBe(0);
    expect(vm.kernel.call(a.thread, sysMsync(vm, a, 16 * PAGE_SIZE, 2 * PAGE_SIZE, true))).toBe(0);
    expect(bench.read(16)).toBe(0x77);
    system.wire(a, 16 * PAGE_SIZE, PAGE_SIZE);
    expect(vm.kernel.call(a.thread, sysMsync(vm, a, 16 * PAGE_SIZE, PAGE_SIZE, true))).toBe('EBUSY');
    system.check();
  });
});

describe('a growing stack', () => {
  const stack = (bench: Bench, at: number, pages: number) =>
    bench.vm.kernel.call(
      bench.a.thread,
      sysMmap(
        bench.vm,
        bench.a,
        {
          address: at * PAGE_SIZE,
          length: pages * PAGE_SIZE,
          protection: RW,
          sharing: 'private',
          backing: anon,
          fixed: true,
        },
        { stack: true },
      ),
    );

  it('grows down by 128 KiB at the touch, to its limit and no further', () => {
    const bench = new Bench();
    expect(stack(bench, 0x1000, 100)).toBe(0x1000 * PAGE_SIZE);
    expect(bench.a.map.size).toBe(32);
    bench.write(0x1000 + 100 - 33, 1);
    expect(bench.a.map.size).toBe(64);
    bench.write(0x1000 + 2, 1);
    expect(bench.a.map.size).toBe(100);
    expect(() => bench.write(0xfff, 1)).toThrow('KERN_FAILURE');
    bench.system.check();
  });

  it('stops at a neighbour', () => {
    const bench = new Bench();
    stack(bench, 0x1000, 100);
    bench.map(0x1000 + 60, 1, anon, 'shared');
    bench.write(0x1000 + 61, 1);
    expect(bench.a.map.size).toBe(32 + 1 + 7);
    expect(() => bench.touch(0x1000 + 59, ACCESS_WRITE)).toThrow('KERN_');
    bench.system.check();
  });
});

describe('protection', () => {
  it('taken away hides the data, given back shows it', () => {
    const bench = new Bench();
    bench.map(16, 1);
    bench.write(16, 42);
    expect(bench.system.protect(bench.a, 16 * PAGE_SIZE, PAGE_SIZE, PROT_NONE)).toBe(0);
    expect(() => bench.read(16)).toThrow('KERN_PROTECTION_FAILURE');
    expect(bench.system.protect(bench.a, 16 * PAGE_SIZE, PAGE_SIZE, PROT_READ)).toBe(0);
    expect(bench.read(16)).toBe(42);
  });
});
