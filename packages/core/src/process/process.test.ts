/** A process on each system, end to end: forks, files, signals, exec and vfork, snapshots. */
import { describe, expect, it } from 'vitest';
import { SYSTEM_NAMES } from '../vm/system.js';
import type { Process } from './api.js';
import { MAP_ANON, MAP_PRIVATE, MAP_SHARED, MemorySignal, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE } from './index.js';
import { createMachine } from './machine.js';

const RW = PROT_READ | PROT_WRITE;

describe.each(SYSTEM_NAMES)('%s', (system) => {
  const text = new TextEncoder().encode('hello, kernel');

  it('forks with copy-on-write', () => {
    const machine = createMachine({ system });
    const parent = machine.spawn('sh');
    const at = parent.mmap(0, 8192, RW, MAP_ANON | MAP_PRIVATE) as number;
    parent.store32(at + 4094, 0xdeadbeef);
    const child = parent.fork() as Process;
    child.store8(at + 4094, 1);
    expect(parent.load32(at + 4094)).toBe(0xdeadbeef);
    expect(child.load32(at + 4094)).toBe(0xdeadbe01);
    child.exit();
    expect(parent.load64(at + 4094)).toBe(0xdeadbeefn);
    parent.exit();
    machine.check();
  });

  it('maps and reads files', () => {
    const machine = createMachine({ system, files: { '/motd': text } });
    const p = machine.spawn();
    const fd = p.open('/motd', O_RDWR) as number;
    const at = p.mmap(0, 100, RW, MAP_SHARED, fd, 0) as number;
    expect(p.load8(at)).toBe(0x68);
    const buffer = p.mmap(0, 4096, RW, MAP_ANON | MAP_PRIVATE) as number;
    expect(p.read(fd, buffer, 100)).toBe(text.length);
    const copy = new Uint8Array(text.length);
    expect(p.copyin(buffer, copy)).toBe(text.length);
    expect(copy).toEqual(text);
    p.store8(at, 0x48);
    expect(p.pread(fd, buffer, 1, 0)).toBe(1);
    expect(p.load8(buffer)).toBe(0x48);
    expect(p.pwrite(fd, buffer, 1, 5000)).toBe(1);
    expect(machine.status('/motd').size).toBe(5001);
    expect(p.fsync(fd)).toBe(0);
    expect(p.close(fd)).toBe(0);
    expect(p.unlink('/motd')).toBe(0);
    expect(p.load8(at)).toBe(0x48);
    machine.check();
    p.exit();
    machine.check();
  });

  it('raises signals', () => {
    const p = createMachine({ system }).spawn();
    expect(() => p.load8(0)).toThrow(MemorySignal);
    expect(p.open('/new', O_RDWR | O_CREAT)).toBe(0);
    expect(() => p.load8(0.5)).toThrow(RangeError);
    let asked = 0;
    p.onSignal = (signal) => {
      asked++;
      expect(p.mmap(Math.floor(signal.address / 4096) * 4096, 4096, RW, MAP_ANON | MAP_PRIVATE | 0x10)).toBe(0x10000);
      return 'retry';
    };
    p.store16(0x10ffe, 0x1234);
    expect(asked).toBe(1);
    expect(p.load16(0x10ffe)).toBe(0x1234);
  });

  it('execs, and lends its memory to a vfork child', () => {
    const machine = createMachine({ system, files: { '/bin/ls': text } });
    const p = machine.spawn();
    const at = p.mmap(0, 4096, RW, MAP_ANON | MAP_PRIVATE) as number;
    const child = p.vfork() as Process;
    child.store8(at, 7);
    expect(() => p.load8(at)).toThrow(/vfork/);
    expect(
      child.exec({ segments: [{ address: 0x400000, length: 4096, protection: PROT_READ, path: '/bin/ls' }] }),
    ).toBe(0);
    expect(p.load8(at)).toBe(7);
    expect(child.load8(0x400001)).toBe(0x65);
    expect(child.mapsText()).toContain('/bin/ls');
    expect(child.brk(child.dataEnd + 5000)).toBe(0);
    child.store8(child.dataEnd - 1, 1);
    machine.check();
    // Nobody counts faults in 1992.
    if (system !== 'csrg') expect(p.usage().ru_minflt).toBeGreaterThan(0);
  });

  it('goes back to a snapshot', () => {
    const machine = createMachine({ system, memory: 128 * 4096, swap: 512 * 4096, files: { '/f': text } });
    const p = machine.spawn();
    const at = p.mmap(0, 200 * 4096, RW, MAP_ANON | MAP_PRIVATE) as number;
    for (let i = 0; i < 200; i++) p.store32(at + i * 4096, i);
    const fd = p.open('/f', O_RDWR) as number;
    const snapshot = machine.snapshot();
    expect(snapshot.bytes).toBeGreaterThan(128 * 4096 * 0.5);
    for (let round = 0; round < 2; round++) {
      const child = p.fork() as Process;
      for (let i = 0; i < 200; i += 3) p.store32(at + i * 4096, 1000 + i);
      expect(p.write(fd, at, 4)).toBe(4);
      p.close(fd);
      p.munmap(at, 4096);
      child.exit();
      const late = machine.spawn('late');
      machine.restore(snapshot);
      machine.check();
      expect(() => late.load8(0)).toThrow(/after the snapshot/);
      expect(machine.processes).toEqual([p]);
      for (let i = 0; i < 200; i++) expect(p.load32(at + i * 4096)).toBe(i);
      const bytes = p.mmap(0, 4096, RW, MAP_ANON | MAP_PRIVATE) as number;
      expect(p.read(fd, bytes, 100)).toBe(text.length);
      expect(p.load8(bytes)).toBe(0x68);
    }
    expect(() => createMachine({ system }).restore(snapshot)).toThrow(RangeError);
  });

  it('ends a vfork child with the address space that it runs in, when there is no memory', () => {
    const machine = createMachine({ system, memory: 128 * 4096 });
    const parent = machine.spawn('parent');
    const child = parent.vfork('child') as Process;
    const at = child.mmap(0, 4096 * 4096, RW, MAP_ANON | MAP_PRIVATE) as number;
    expect(child.touch(at, 4096 * 4096, 1)?.signal).toBe('SIGKILL');
    // Either the kernel has killed the address space, and with it both, or it has refused the page, and the child can be ended.
    expect(parent.alive).toBe(child.alive);
    if (child.alive) expect(() => child.store8(at + 4095 * 4096, 1)).toThrow(MemorySignal);
    expect(child.alive).toBe(false);
    if (parent.alive) expect(parent.munmap(at, 4096 * 4096)).toBe(0);
    machine.check();
    for (const process of machine.processes) process.exit();
    machine.check();
  });

  it('refuses to write where no window reaches, and leaves the file as it was', () => {
    const machine = createMachine({ system, files: { '/f': text } });
    const p = machine.spawn();
    const fd = p.open('/f', O_RDWR) as number;
    const at = p.mmap(0, 4096, RW, MAP_ANON | MAP_PRIVATE) as number;
    expect(p.pwrite(fd, at, 10, 2 ** 46)).toBe('EFBIG');
    expect(machine.status('/f').size).toBe(text.length);
    expect(p.pread(fd, at, 5, 0)).toBe(5);
    machine.check();
  });

  it('takes a pager that cannot say what it has for a disk that fails', () => {
    const machine = createMachine({ system });
    const pager = {
      size: 4096,
      getPages: () => {},
      hasPage: () => {
        throw new Error('no index');
      },
    };
    machine.createPager('/p', pager);
    const p = machine.spawn();
    const at = p.mmap(0, 4096, PROT_READ, MAP_SHARED, p.open('/p', 0) as number, 0) as number;
    expect(p.touch(at, 1)?.signal).toBe('SIGBUS');
    machine.check();
  });

  it('gives the parent of a vfork its own limit of the stack back', () => {
    const machine = createMachine({ system });
    const parent = machine.spawn();
    expect(parent.exec({ segments: [], stack: 2 ** 20 })).toBe(0);
    const top = 0x7ffffffff000;
    const child = parent.vfork() as Process;
    child.setLimits({ stack: 8192 });
    child.exit();
    expect(parent.limits.stack).toBeGreaterThan(2 ** 20);
    for (let at = top - 4; at > top - 2 ** 19; at -= 4096) parent.store32(at, at >>> 3);
    machine.check();
  });

  it('keeps nothing of a file that has gone', () => {
    const machine = createMachine({ system, files: { '/f': text } });
    const p = machine.spawn();
    const fd = p.open('/f', O_RDWR) as number;
    const at = p.mmap(0, 4096, RW, MAP_SHARED, fd, 0) as number;
    p.store8(at, 1);
    p.unlink('/f');
    p.close(fd);
    expect(p.load8(at)).toBe(1);
    const before = machine.snapshot().bytes;
    expect(p.munmap(at, 4096)).toBe(0);
    expect(machine.snapshot().bytes).toBeLessThan(before);
    expect(p.open('/f', O_RDWR)).toBe('ENOENT');
    machine.check();
  });
});
