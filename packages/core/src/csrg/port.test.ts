/** csrg's port: what only this system has. What is common to all four is in tests/ports.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Task } from '../kernel/thread.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE, USER_MAX_ADDRESS, USER_MAX_PAGE } from '../machine/units.js';
import type { PortMapRequest } from '../vm/port.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { KERN_INVALID_ADDRESS, KERN_SUCCESS } from './kern.js';
import { bootCsrg } from './system.js';

function boot() {
  const system = bootCsrg({ memoryPages: 256, defects: 'mended' });
  const a = system.spawn('A');
  const { port } = system;
  const run = <T>(task: Task<T>): T => port.kernel.call(a.thread, task);
  const mmap = (request: Partial<PortMapRequest>) =>
    run(
      port.mmap(a, {
        address: 0,
        length: PAGE_SIZE,
        protection: PROT_READ | PROT_WRITE,
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
  return { system, a, port, run, mmap };
}

describe('the stack region', () => {
  it('can be used as far as the limit goes, and the limit can be moved', () => {
    const { system, a, port, run, mmap } = boot();
    const length = 16 * PAGE_SIZE;
    port.setStackLimit(a, 4 * PAGE_SIZE);
    expect(mmap({ address: USER_MAX_ADDRESS - length, length, stack: true })).toBe(USER_MAX_ADDRESS - length);
    const touch = (below: number): number => run(port.fault(a, USER_MAX_PAGE - below, ACCESS_WRITE));
    expect([touch(4), touch(5)]).toEqual([KERN_SUCCESS, KERN_INVALID_ADDRESS]);
    port.setStackLimit(a, 8 * PAGE_SIZE);
    expect([touch(8), touch(9)]).toEqual([KERN_SUCCESS, KERN_INVALID_ADDRESS]);
    port.setStackLimit(a, 2 * PAGE_SIZE);
    expect([touch(2), touch(4)]).toEqual([KERN_SUCCESS, KERN_INVALID_ADDRESS]);
    system.check();
  });

  it('alone may have the last page', () => {
    const { mmap } = boot();
    expect(mmap({ address: USER_MAX_ADDRESS - PAGE_SIZE })).toBe('EINVAL');
    expect(mmap({ address: USER_MAX_ADDRESS - 2 * PAGE_SIZE })).toBe(USER_MAX_ADDRESS - 2 * PAGE_SIZE);
  });
});

describe('mlock', () => {
  it('counts', () => {
    const { system, a, port, run, mmap } = boot();
    const at = mmap({ address: 0x1000000 }) as number;
    for (let i = 0; i < 3; i++) expect(run(port.mlock(a, at, PAGE_SIZE))).toBe(0);
    for (const wired of [1, 1, 0]) {
      expect(run(port.munlock(a, at, PAGE_SIZE))).toBe(0);
      expect(system.vm.wiredPages).toBe(wired);
    }
    expect(run(port.munlock(a, at, PAGE_SIZE))).toBe('ENOMEM');
    expect(run(port.fault(a, at / PAGE_SIZE, ACCESS_READ))).toBe(KERN_SUCCESS);
    system.check();
  });
});

describe('an anonymous mapping larger than any pager', () => {
  it('is refused', () => {
    const { mmap } = boot();
    expect(mmap({ fixed: false, length: 2 ** 41 })).toBe('ENOMEM');
  });
});
