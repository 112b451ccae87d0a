/** DragonFly's port: what only this system has. What is common to all four is in tests/ports.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Task } from '../kernel/thread.js';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import type { PortMapRequest } from '../vm/port.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { VmProcess } from '../vm/system.js';
import { KERN_NO_SPACE, KERN_SUCCESS } from './kern.js';
import { MAP_ENTRY_NOSYNC, VM_MAPTYPE_VPAGETABLE } from './map-entry.js';
import { bootDragonfly } from './system.js';

const BASE = 0x1000;
const AT = BASE * PAGE_SIZE;
const RW = PROT_READ | PROT_WRITE;
const STEP = 32;

function boot(options = {}) {
  const system = bootDragonfly({ memoryPages: 256, defects: 'mended', ...options });
  const a = system.spawn('A');
  const { port } = system;
  const run = <T>(task: Task<T>, process: VmProcess = a): T => port.kernel.call(port.threadOf(process), task);
  const mmap = (request: Partial<PortMapRequest>, process: VmProcess = a) =>
    run(
      port.mmap(process, {
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
      process,
    );
  const fault = (vpn: number, process: VmProcess = a) => run(port.fault(process, vpn, ACCESS_WRITE), process);
  return { system, a, port, run, mmap, fault };
}

describe('a stack', () => {
  it('grows at a fault below it, up to its range and the limit', () => {
    const { system, a, port, mmap, fault } = boot();
    mmap({ length: 200 * PAGE_SIZE, stack: true });
    expect(port.sizes(a).mapped).toBe(STEP);
    expect(fault(BASE + 200 - STEP - 1)).toBe(KERN_SUCCESS);
    expect(port.sizes(a).mapped).toBe(2 * STEP);
    port.setStackLimit(a, 80 * PAGE_SIZE);
    expect(fault(BASE + 200 - 81)).toBe(KERN_NO_SPACE);
    expect(port.signalOf(KERN_NO_SPACE)).toEqual({ signal: 'SIGSEGV', code: 'SEGV_MAPERR' });
    expect(fault(BASE + 200 - 80)).toBe(KERN_SUCCESS);
    expect(port.sizes(a).mapped).toBe(80);
    port.setStackLimit(a, 1000 * PAGE_SIZE);
    expect(fault(BASE)).toBe(KERN_SUCCESS);
    expect(port.sizes(a).mapped).toBe(200);
    system.check();
  });

  it('is anonymous, readable and writable', () => {
    const { system, mmap } = boot();
    expect(mmap({ stack: true, protection: PROT_READ })).toBe('EINVAL');
    const file = system.createFile('F', new MemoryStore(PAGE_SIZE));
    expect(mmap({ stack: true, backing: { kind: 'file', file, offset: 0 } })).toBe('EINVAL');
  });
});

describe('flags of a mapping', () => {
  it('reach its entry', () => {
    const { a, mmap } = boot();
    mmap({ nosync: true });
    expect(a.map.lookup(BASE)?.eflags).toSatisfy((eflags: number) => (eflags & MAP_ENTRY_NOSYNC) !== 0);
    expect(mmap({ vpagetable: true, protection: PROT_READ })).toBe('EINVAL');
    mmap({ vpagetable: true });
    expect(a.map.lookup(BASE)?.maptype).toBe(VM_MAPTYPE_VPAGETABLE);
  });
});

describe('mlockall for what will be mapped', () => {
  it('wires it, or refuses it as a whole', () => {
    const { system, a, port, run, mmap } = boot();
    expect(run(port.mlockall(a, false, true))).toBe(0);
    mmap({ length: 2 * PAGE_SIZE });
    expect(system.vm.wiredPages).toBe(2);
    expect(mmap({ address: AT + 8 * PAGE_SIZE, length: 2000 * PAGE_SIZE })).toBe('EAGAIN');
    expect(port.sizes(a)).toEqual({ mapped: 2, wired: 2 });
    expect(run(port.munlockall(a))).toBe(0);
    expect(system.vm.wiredPages).toBe(0);
    system.check();
  });
});

describe('who is killed for want of memory', () => {
  it('is the largest, unless one of its threads is in the kernel', () => {
    for (const busy of [false, true]) {
      const { system, a, mmap, fault } = boot({ swapPages: 8 });
      const killed: string[] = [];
      system.onKill = (process) => killed.push(process.name);
      const b = system.spawn('B');
      mmap({ length: 150 * PAGE_SIZE });
      for (let page = 0; page < 150; page++) expect(fault(BASE + page)).toBe(KERN_SUCCESS);
      if (busy) a.inKernel++;
      mmap({ length: 200 * PAGE_SIZE }, b);
      let code = KERN_SUCCESS;
      for (let page = 0; page < 130 && code === KERN_SUCCESS; page++) code = fault(BASE + page, b);
      expect(killed).toEqual(busy ? [] : ['A']);
      expect(code === KERN_SUCCESS).toBe(!busy);
      expect(a.alive).toBe(busy);
      system.check();
    }
  });
});

describe('reading a file when memory is short', () => {
  it('ends', () => {
    const { system, a, port, run, mmap, fault } = boot({ memoryPages: 128 });
    const file = system.createFile('F', new MemoryStore(64 * PAGE_SIZE));
    mmap({ length: 200 * PAGE_SIZE });
    mmap({ address: AT + 300 * PAGE_SIZE, length: 64 * PAGE_SIZE, backing: { kind: 'file', file, offset: 0 } });
    let code = KERN_SUCCESS;
    for (let page = 0; page < 200 && code === KERN_SUCCESS; page++) code = fault(BASE + page);
    expect(code).not.toBe(KERN_SUCCESS);
    const read = run(port.fault(a, BASE + 300, ACCESS_READ));
    expect(port.signalOf(read)).toEqual({ signal: 'SIGKILL', code: 'NOMEM' });
    system.check();
  });
});
