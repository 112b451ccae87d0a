/**
 * Snapshots where the machine meets the outside: stores, buffers, hooks, processes that came and went, and what cannot be kept.
 */
import { describe, expect, it } from 'vitest';
import { digest } from '../../../../tests/snapshot-tools.js';
import { KernelHang } from '../kernel/errors.js';
import { WouldBlockError } from '../kernel/kernel.js';
import { FaultInjectingStore, Gate } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import type { BackingStore } from '../machine/store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { bootSystem } from '../systems.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { MapBacking, SystemOptions, VmProcess, VmSystem } from '../vm/system.js';
import { SYSTEM_NAMES } from '../vm/system.js';
import { captureState, restoreState, SnapshotError } from './capture.js';

const FIRST = 0x100;

/** A store as a user makes one: nobody can look inside. */
class WorldStore implements BackingStore {
  readonly synchronous = true;
  readonly #inner = new MemoryStore();
  onRead: (() => void) | null = null;
  failing = false;

  size(): number {
    return this.#inner.size();
  }
  read(offset: number, buffers: readonly Uint8Array[]): number {
    this.onRead?.();
    return this.failing ? -5 : (this.#inner.read(offset, buffers) as number);
  }
  write(offset: number, buffers: readonly Uint8Array[]): number {
    return this.failing ? -5 : (this.#inner.write(offset, buffers) as number);
  }
  truncate(bytes: number): number {
    return this.#inner.truncate(bytes) as number;
  }
  sync(): number {
    return 0;
  }
  close(): void {}
}

function map(system: VmSystem, process: VmProcess, pages: number, backing: MapBacking = { kind: 'anon' }): void {
  const sharing = backing.kind === 'anon' ? 'private' : 'shared';
  const request = { address: FIRST * PAGE_SIZE, length: pages * PAGE_SIZE, sharing, backing, fixed: true } as const;
  expect(system.map(process, { ...request, protection: PROT_READ | PROT_WRITE })).toBe(FIRST * PAGE_SIZE);
}

function frame(system: VmSystem, process: VmProcess, page: number, access: 0 | 1): Uint8Array {
  for (let tries = 0; tries < 8; tries++) {
    const at = system.translate(process, FIRST + page, access);
    if (at >= 0) return system.frameBytes(at) as Uint8Array;
    expect(system.fault(process, FIRST + page, access)).toBe(system.faultSuccess);
  }
  throw new Error('the page does not come');
}

const store = (system: VmSystem, process: VmProcess, page: number, value: number): void => {
  frame(system, process, page, ACCESS_WRITE)[7] = value;
};
const load = (system: VmSystem, process: VmProcess, page: number): number =>
  frame(system, process, page, ACCESS_READ)[7] as number;

describe.each(SYSTEM_NAMES)('%s', (name) => {
  const boot = (options: SystemOptions = {}): VmSystem =>
    bootSystem(name, { memoryPages: 240, swapPages: 1024, defects: 'mended', ...options });

  it('brings back a process that has exited, and forgets one that was made since', () => {
    const system = boot();
    const old = system.spawn('old');
    map(system, old, 4);
    store(system, old, 2, 42);
    const state = captureState([system]);
    store(system, old, 2, 43);
    const child = system.fork(old, 'child') as VmProcess;
    system.exit(old);
    const young = system.spawn('young');
    expect(old.alive).toBe(false);
    restoreState(state);
    expect([old.alive, child.alive, young.alive]).toEqual([true, false, false]);
    expect(load(system, old, 2)).toBe(42);
    system.check();
    // Numbers are given out again as if nothing had been.
    expect(system.spawn('next').id).toBe(child.id);
  });

  it('brings back columns that have been replaced by larger ones', () => {
    const system = boot({ memoryPages: 600 });
    const process = system.spawn('wide');
    map(system, process, 1);
    store(system, process, 0, 1);
    const state = captureState([system]);
    const before = digest(system);
    const { pte } = system.machine.tables;
    for (let region = 1; region < 40; region++) {
      const address = (FIRST + region * 512) * PAGE_SIZE;
      const backing = { kind: 'anon' } as const;
      const request = { address, length: PAGE_SIZE, protection: PROT_READ | PROT_WRITE, backing, fixed: true };
      system.map(process, { ...request, sharing: 'private' });
      store(system, process, region * 512, 1);
    }
    expect(system.machine.tables.pte).not.toBe(pte);
    restoreState(state);
    expect(system.machine.tables.pte).toBe(pte);
    expect(digest(system)).toBe(before);
    system.check();
  });

  it.each([true, false])('takes swap along that lies on a store of the outer world: %s', (world) => {
    const swapStore = world ? new WorldStore() : new FaultInjectingStore(new MemoryStore());
    const system = boot({ swapStore });
    const process = system.spawn('big');
    map(system, process, 400);
    for (let page = 0; page < 400; page++) store(system, process, page, page % 251);
    expect(swapStore.size()).toBeGreaterThan(0);
    const state = captureState([system]);
    for (let round = 0; round < 2; round++) {
      for (let page = 0; page < 400; page++) store(system, process, page, 252 + round);
      restoreState(state);
      for (let page = 0; page < 400; page++) expect(load(system, process, page)).toBe(page % 251);
      restoreState(state);
    }
    system.check();
  });

  it('leaves the contents of a file of the outer world, and takes those in memory along', () => {
    const system = boot();
    const [outer, inner] = [new WorldStore(), new MemoryStore(PAGE_SIZE)];
    outer.truncate(PAGE_SIZE);
    const byte = (of: BackingStore): number => {
      const buffer = new Uint8Array(8);
      of.read(0, [buffer]);
      return buffer[7] as number;
    };
    const files = [outer, inner].map((one, i) => system.createFile(`f${i}`, one));
    const processes = files.map((file, i) => {
      const process = system.spawn(`p${i}`);
      map(system, process, 1, { kind: 'file', file, offset: 0 });
      return process;
    });
    const state = captureState([system]);
    for (const process of processes) {
      store(system, process, 0, 9);
      system.sync(process, FIRST * PAGE_SIZE, PAGE_SIZE);
    }
    expect([byte(outer), byte(inner)]).toEqual([9, 9]);
    restoreState(state);
    expect([byte(outer), byte(inner)]).toEqual([9, 0]);
  });

  it('is refused while a store has not answered, and good again when it has', async () => {
    const gate = new Gate();
    const slow = new FaultInjectingStore(new MemoryStore(8 * PAGE_SIZE), [{ on: 'read', hold: gate }]);
    const system = boot();
    const process = system.spawn('waits');
    map(system, process, 8, { kind: 'file', file: system.createFile('slow', slow), offset: 0 });
    const state = captureState([system]);
    expect(() => system.fault(process, FIRST, ACCESS_READ)).toThrow(WouldBlockError);
    expect(() => captureState([system])).toThrow(SnapshotError);
    expect(() => captureState([system])).toThrow(/whenIdle/);
    expect(() => restoreState(state)).toThrow(/whenIdle/);
    gate.open();
    await kernelOf(system).whenIdle();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(captureState([system]).bytes).toBeGreaterThan(0);
    restoreState(state);
    expect(system.translate(process, FIRST, ACCESS_READ)).toBe(-1);
    system.check();
  });

  it('is refused from within a call', () => {
    const file = new WorldStore();
    file.truncate(PAGE_SIZE);
    const system = boot();
    const process = system.spawn('reads');
    map(system, process, 1, { kind: 'file', file: system.createFile('f', file), offset: 0 });
    const state = captureState([system]);
    const refused: unknown[] = [];
    file.onRead = () => {
      for (const act of [() => captureState([system]), () => restoreState(state)]) {
        try {
          act();
        } catch (error) {
          refused.push((error as Error).message);
        }
      }
    };
    expect(load(system, process, 0)).toBe(0);
    expect(refused).toEqual([
      'a snapshot cannot be taken now: a call is in progress',
      'a snapshot cannot be put back now: a call is in progress',
    ]);
  });

  it('leads back from a wait without end', () => {
    const system = boot({ swapPages: 0 });
    const process = system.spawn('greedy');
    map(system, process, 400);
    store(system, process, 0, 5);
    const state = captureState([system]);
    const before = digest(system);
    try {
      system.wire(process, FIRST * PAGE_SIZE, 400 * PAGE_SIZE);
      for (let page = 0; page < 400; page++)
        if (system.translate(process, FIRST + page, 1) < 0) fault(system, process, page);
    } catch (error) {
      expect(error).toBeInstanceOf(KernelHang);
    }
    expect(digest(system)).not.toBe(before);
    restoreState(state);
    expect(digest(system)).toBe(before);
    expect(load(system, process, 0)).toBe(5);
    system.check();
  });

  it('leaves what lies beyond the frames in a buffer of the user', () => {
    for (const buffer of [new ArrayBuffer(260 * PAGE_SIZE), new SharedArrayBuffer(260 * PAGE_SIZE)]) {
      const system = boot({ contents: buffer });
      const process = system.spawn('p');
      map(system, process, 2);
      store(system, process, 1, 5);
      const beyond = new Uint8Array(buffer, 240 * PAGE_SIZE);
      beyond[3] = 1;
      const state = captureState([system]);
      beyond[3] = 2;
      store(system, process, 0, 6);
      store(system, process, 1, 6);
      restoreState(state);
      expect(beyond[3]).toBe(2);
      expect([load(system, process, 0), load(system, process, 1)]).toEqual([0, 5]);
    }
  });

  it('leaves hooks as they are', () => {
    const system = boot();
    const state = captureState([system]);
    const hear = (): void => {};
    system.onKill = hear;
    restoreState(state);
    expect(system.onKill).toBe(hear);
  });

  it('takes no room for memory that was never used', () => {
    const system = boot({ memoryPages: 16384 });
    const process = system.spawn('p');
    map(system, process, 64);
    const small = captureState([system]).bytes;
    for (let page = 0; page < 64; page++) store(system, process, page, 1);
    const more = captureState([system]).bytes - small;
    expect(small).toBeLessThan(8 * 2 ** 20);
    expect(more).toBeGreaterThanOrEqual(64 * PAGE_SIZE);
    expect(more).toBeLessThan(128 * PAGE_SIZE);
  });
});

function fault(system: VmSystem, process: VmProcess, page: number): void {
  system.fault(process, FIRST + page, ACCESS_WRITE);
}

function kernelOf(system: VmSystem): { whenIdle(): Promise<void> } {
  return (system as unknown as { vm: { kernel: { whenIdle(): Promise<void> } } }).vm.kernel;
}

describe('what cannot be kept', () => {
  it('is named by the way to it', () => {
    const box = (thing: unknown): object[] => [{ list: [0, { thing }] }];
    const inside = /cannot take Object\.list\[1\]\.thing along|cannot take Object\.list\[1\]\.thing \((\w+)\) along/;
    for (const thing of [Promise.resolve(1), new WeakMap(), (function* () {})(), new Date(0)]) {
      expect(() => captureState(box(thing))).toThrow(inside);
    }
  });

  it('is a swap store that answers later, or that fails', () => {
    const swapStore = new WorldStore();
    const system = bootSystem('freebsd', { memoryPages: 240, swapPages: 1024, swapStore });
    const process = system.spawn('big');
    map(system, process, 400);
    for (let page = 0; page < 400; page++) store(system, process, page, 1);
    const state = captureState([system]);
    swapStore.failing = true;
    expect(() => captureState([system])).toThrow(/swap cannot be read/);
    const before = digest(system);
    expect(() => restoreState(state)).toThrow(/swap cannot be written/);
    expect(digest(system)).toBe(before);
  });

  it('is an argument that is none', () => {
    expect(() => captureState([1 as unknown as object])).toThrow(TypeError);
    expect(() => captureState(null as unknown as object[])).toThrow(/roots/);
    expect(() => restoreState({} as never)).toThrow(/state must be/);
  });
});

describe('what is kept of any objects', () => {
  it('comes back: properties, elements, entries and bytes, in their order', () => {
    const view = new Uint8Array(200_001).fill(3, 70_000, 70_010);
    view[200_000] = 8;
    const part = new Uint16Array(new ArrayBuffer(64), 8, 4).fill(7);
    const root: Record<string, unknown> = {
      nan: Number.NaN,
      zero: -0,
      list: [1, 2, 3],
      map: new Map<unknown, unknown>([
        ['a', 1],
        ['b', { deep: 1 }],
      ]),
      set: new Set([3, 1]),
      view,
      part,
    };
    root.self = root;
    const { map: table, set } = root as { map: Map<string, unknown>; set: Set<number> };
    const list = root.list as number[];
    const before = digest(root);
    const state = captureState([root]);
    root.zero = 0;
    root.new = 1;
    delete root.nan;
    list.push(4);
    list[0] = 9;
    table.delete('a');
    table.set('a', 1);
    (table.get('b') as { deep: number }).deep = 2;
    set.clear();
    set.add(1).add(3);
    view.fill(255);
    part.fill(1);
    const around = new Uint8Array(part.buffer);
    around[0] = 77;
    root.view = new Uint8Array(3);
    restoreState(state);
    expect(Object.keys(root).sort()).toEqual(['list', 'map', 'nan', 'part', 'self', 'set', 'view', 'zero']);
    root.nan = Number.NaN;
    expect(root.view).toBe(view);
    expect([view[69_999], view[70_000], view[70_009], view[70_010], view[200_000]]).toEqual([0, 3, 3, 0, 8]);
    expect([...table.keys()]).toEqual(['a', 'b']);
    expect([...set]).toEqual([3, 1]);
    expect(around[0]).toBe(77);
    expect(Object.is(root.zero, -0)).toBe(true);
    list.length = 0;
    restoreState(state);
    expect(list).toEqual([1, 2, 3]);
    expect(before).toHaveLength(40);
  });
});
