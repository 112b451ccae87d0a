/** The access path: hits, misses, permission, used and written bits, and shoot-downs with several CPUs. */
import { describe, expect, it } from 'vitest';
import { Machine } from './machine.js';
import { PTE_MODIFIED, PTE_READ, PTE_REFERENCED, PTE_VALID, PTE_WRITE } from './pagetable.js';
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, NO_FRAME, PAGE_SIZE } from './units.js';

const FAR_PAGE = 0x7ffffffef;

function machine(options: { cpus?: number; shootdowns?: 'at-once' | 'stepped'; loadRule?: 'read-bit' | 'valid' } = {}) {
  const made = new Machine({ poolFrames: 8, loadRule: 'read-bit', ...options });
  return { made, cpu: made.cpus[0]!, tables: made.tables, pmap: made.tables.createPmap() };
}

describe('the access path', () => {
  it('faults without a translation, and hits with one, near and far', () => {
    const { cpu, tables, pmap } = machine();
    for (const vpn of [1, 4097, FAR_PAGE]) {
      expect(cpu.translate(pmap, vpn, ACCESS_READ)).toBe(NO_FRAME);
      tables.insert(pmap, vpn, 3, PTE_READ);
      expect(cpu.translate(pmap, vpn, ACCESS_READ)).toBe(3);
      expect(cpu.tlb.lookup(tables.asnOf(pmap), vpn, ACCESS_READ)).toBe(3);
    }
  });

  it('marks a translation used by a load, and written only by a store', () => {
    const { cpu, tables, pmap } = machine();
    const slot = tables.insert(pmap, 1, 3, PTE_READ | PTE_WRITE);
    cpu.translate(pmap, 1, ACCESS_READ);
    expect((tables.pte[slot] as number) & (PTE_REFERENCED | PTE_MODIFIED)).toBe(PTE_REFERENCED);
    cpu.translate(pmap, 1, ACCESS_WRITE);
    expect((tables.pte[slot] as number) & PTE_MODIFIED).toBe(PTE_MODIFIED);
  });

  it('sees a cleared written bit again at the next store', () => {
    const { cpu, tables, pmap } = machine();
    const slot = tables.insert(pmap, 1, 3, PTE_READ | PTE_WRITE);
    cpu.translate(pmap, 1, ACCESS_WRITE);
    tables.setFlags(slot, PTE_READ | PTE_WRITE);
    expect(tables.pte[slot]).toBe((3 << 8) | PTE_READ | PTE_WRITE | PTE_VALID);
    cpu.translate(pmap, 1, ACCESS_WRITE);
    expect((tables.pte[slot] as number) & PTE_MODIFIED).toBe(PTE_MODIFIED);
  });

  it('lets any valid translation be read only where the platform does', () => {
    for (const loadRule of ['read-bit', 'valid'] as const) {
      const { cpu, tables, pmap } = machine({ loadRule });
      tables.insert(pmap, 1, 3, PTE_WRITE);
      expect(cpu.translate(pmap, 1, ACCESS_READ)).toBe(loadRule === 'valid' ? 3 : NO_FRAME);
      expect(cpu.translate(pmap, 1, ACCESS_EXECUTE)).toBe(NO_FRAME);
    }
  });

  it('keeps address spaces apart in one buffer', () => {
    const { cpu, tables, pmap } = machine();
    const other = tables.createPmap();
    tables.insert(pmap, 1, 3, PTE_READ);
    tables.insert(other, 1, 5, PTE_READ);
    expect([cpu.translate(pmap, 1, ACCESS_READ), cpu.translate(other, 1, ACCESS_READ)]).toEqual([3, 5]);
    expect([cpu.translate(pmap, 1, ACCESS_READ), cpu.translate(other, 1, ACCESS_READ)]).toEqual([3, 5]);
  });

  it('loads and stores bytes and words in the frame', () => {
    const { made, cpu, tables, pmap } = machine();
    tables.insert(pmap, 2, 4, PTE_READ | PTE_WRITE);
    expect(cpu.store8(pmap, 2 * PAGE_SIZE + 5, 0x7f)).toBe(true);
    expect(cpu.load8(pmap, 2 * PAGE_SIZE + 5)).toBe(0x7f);
    expect(cpu.store32(pmap, 2 * PAGE_SIZE + 8, -2)).toBe(true);
    expect(cpu.load32(pmap, 2 * PAGE_SIZE + 8)).toBe(-2);
    expect(made.memory.frameBytes(4)!.subarray(5, 12)).toEqual(Uint8Array.of(0x7f, 0, 0, 0xfe, 0xff, 0xff, 0xff));
    expect(cpu.load8(pmap, PAGE_SIZE)).toBe(NO_FRAME);
    expect(cpu.store8(pmap, PAGE_SIZE, 1)).toBe(false);
    expect(cpu.load32(pmap, PAGE_SIZE)).toBeNaN();
  });
});

describe('shoot-downs', () => {
  it('reach every CPU at once by default', () => {
    const { made, tables, pmap } = machine({ cpus: 2 });
    const slot = tables.insert(pmap, 1, 3, PTE_READ);
    for (const cpu of made.cpus) expect(cpu.translate(pmap, 1, ACCESS_READ)).toBe(3);
    tables.remove(slot);
    for (const cpu of made.cpus) expect(cpu.translate(pmap, 1, ACCESS_READ)).toBe(NO_FRAME);
    expect(made.clock.ns).toBe(made.costs.tlbShootdown);
  });

  it('leave a stale entry on the other CPU until it is delivered, when stepped', () => {
    const { made, tables, pmap } = machine({ cpus: 2, shootdowns: 'stepped' });
    const slot = tables.insert(pmap, 1, 3, PTE_READ);
    const [here, there] = [made.cpus[0]!, made.cpus[1]!];
    here.translate(pmap, 1, ACCESS_READ);
    there.translate(pmap, 1, ACCESS_READ);
    tables.remove(slot);
    expect(here.translate(pmap, 1, ACCESS_READ)).toBe(NO_FRAME);
    expect(there.translate(pmap, 1, ACCESS_READ)).toBe(3);
    expect(there.pendingShootdowns).toBe(1);
    there.deliverShootdowns();
    expect(there.translate(pmap, 1, ACCESS_READ)).toBe(NO_FRAME);
    expect(there.pendingShootdowns).toBe(0);
  });
});

describe('a machine', () => {
  it('refuses impossible sizes and says what is possible', () => {
    const make = (options: object) => () => new Machine({ poolFrames: 8, loadRule: 'read-bit', ...options });
    expect(make({ poolFrames: 0 })).toThrow('at least 1, not 0');
    expect(make({ poolFrames: 1.5 })).toThrow('not 1.5');
    expect(make({ poolFrames: Number.NaN })).toThrow('not NaN');
    expect(make({ poolFrames: 2 ** 21 })).toThrow('contents: false');
    expect(make({ poolFrames: 2 ** 25, contents: false })).toThrow('64 GiB');
    expect(make({ contents: new ArrayBuffer(4096) })).toThrow('8 frames need 32768');
    expect(make({ cpus: 0 })).toThrow('1 to 64 CPUs, not 0');
    expect(() => new Machine({ poolFrames: 8, loadRule: 'read-bit' }).memory.takeDeviceFrames(1)).toThrow(
      '0 device frames',
    );
  });

  it('keeps contents in a buffer that it is given, shared or of a WebAssembly memory', () => {
    for (const contents of [new ArrayBuffer(8 * PAGE_SIZE), new SharedArrayBuffer(8 * PAGE_SIZE)]) {
      const made = new Machine({ poolFrames: 8, loadRule: 'read-bit', contents });
      made.memory.frameBytes(2)!.fill(9);
      expect(new Uint8Array(contents)[2 * PAGE_SIZE]).toBe(9);
      made.memory.copyFrame(2, 3);
      expect(new Uint8Array(contents)[3 * PAGE_SIZE + 4095]).toBe(9);
      made.memory.zeroFrame(2);
      expect(new Uint8Array(contents)[2 * PAGE_SIZE]).toBe(0);
    }
  });
});
