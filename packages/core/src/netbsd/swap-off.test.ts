/** swapoff: what is on swap comes back with its contents, and nothing goes there any more; or it fails and all stays as it was. */
import { describe, expect, it } from 'vitest';
import { FaultInjectingStore } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { EIO } from '../machine/store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { AnonObject } from './aobj.js';
import { mapShared } from './own-commands.js';
import type { NetbsdProcess } from './process.js';
import { bootNetbsd, type NetbsdSystem } from './system.js';
import { BASE, fill, mapAt } from './testing.js';

const PAGES = 24;
const SEGMENT = 0x100;

/** A process with anonymous pages that a child shares, and a segment, all of it paged out. */
function away(options: { memoryPages?: number; swapStore?: FaultInjectingStore } = {}) {
  const system = bootNetbsd({ memoryPages: 96, swapPages: 96, ...options });
  const a = system.spawn('A');
  mapAt(system, a, PAGES);
  fill(system, a, PAGES, 7);
  const segment = new AnonObject(system.vm, 'S', 4);
  system.call(a, mapShared(system.vm, a, SEGMENT * PAGE_SIZE, 4, segment, 0, 'shared', 3));
  for (let i = 0; i < 4; i++) store(system, a, SEGMENT + i, 9);
  const b = system.fork(a, 'B') as NetbsdProcess;
  system.pageout(90);
  system.pageout(90);
  expect(system.vm.swap.only).toBe(PAGES + 4);
  return { system, a, b };
}

function store(system: NetbsdSystem, process: NetbsdProcess, vpn: number, value: number): void {
  if (system.translate(process, vpn, ACCESS_WRITE) < 0) expect(system.fault(process, vpn, ACCESS_WRITE)).toBe(0);
  (system.frameBytes(system.translate(process, vpn, ACCESS_WRITE)) as Uint8Array)[0] = value;
}

function load(system: NetbsdSystem, process: NetbsdProcess, vpn: number): number | string {
  if (system.translate(process, vpn, ACCESS_READ) < 0) {
    const code = system.fault(process, vpn, ACCESS_READ);
    if (code !== 0) return system.faultCodeName(code);
  }
  return system.frameBytes(system.translate(process, vpn, ACCESS_READ))?.[0] as number;
}

const each = (count: number, what: (i: number) => number | string) => Array.from({ length: count }, (_, i) => what(i));

describe('swapoff', () => {
  it('brings in anons, once for all who hold them, and segments; then nothing goes out any more', () => {
    const { system, a, b } = away();
    const readBefore = system.machine.disk.counts.pagesRead;
    expect(system.swapOff()).toBe(0);
    expect(system.machine.disk.counts.pagesRead - readBefore).toBe(PAGES + 4);
    expect(system.vm.swap).toMatchObject({ inUse: 0, only: 0 });
    system.check();
    for (const process of [a, b]) {
      expect(new Set(each(PAGES, (i) => load(system, process, BASE + i)))).toEqual(new Set([7]));
      expect(each(4, (i) => load(system, process, SEGMENT + i))).toEqual([9, 9, 9, 9]);
    }
    system.pageout(90);
    expect(system.vm.swap.inUse).toBe(0);
    expect(each(4, (i) => load(system, a, SEGMENT + i))).toEqual([9, 9, 9, 9]);
    system.check();
    system.exit(a);
    system.exit(b);
    system.check();
    expect(system.vm.liveAnons).toBe(0);
  });

  it('loses what cannot be read, as a fault would, and goes on', () => {
    const swapStore = new FaultInjectingStore(new MemoryStore(), [{ on: 'read', nth: 7, error: EIO }]);
    const { system, a } = away({ swapStore });
    expect(system.swapOff()).toBe(0);
    expect(system.vm.swap).toMatchObject({ inUse: 1, bad: 1 });
    system.check();
    const seen = each(PAGES, (i) => load(system, a, BASE + i));
    expect(seen.filter((value) => value === 'EIO')).toHaveLength(1);
    expect(seen.filter((value) => value === 7)).toHaveLength(PAGES - 1);
    system.check();
  });

  it('fails where there is no memory, and loses nothing; the area goes on being used', () => {
    const { system, a } = away({ memoryPages: 64 });
    let granted = 10;
    system.vm.allocationFails = (kind) => kind === 'frame' && granted-- <= 0;
    expect(system.swapOff()).toBe('ENOMEM');
    system.vm.allocationFails = null;
    system.check();
    expect(new Set(each(PAGES, (i) => load(system, a, BASE + i)))).toEqual(new Set([7]));
    expect(each(4, (i) => load(system, a, SEGMENT + i))).toEqual([9, 9, 9, 9]);
    const before = system.vm.swap.only;
    system.pageout(60);
    expect(system.vm.swap.only).toBeGreaterThan(before);
    system.check();
  });
});
