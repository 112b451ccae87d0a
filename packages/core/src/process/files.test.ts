/** Files that have lost their names, and others that have taken them over. */
import { describe, expect, it } from 'vitest';
import { FaultInjectingStore } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { SYSTEM_NAMES } from '../vm/system.js';
import type { SyncBackingStore } from './api.js';
import { MAP_ANON, MAP_PRIVATE, MAP_SHARED, MS_SYNC, MS_SYNC_NETBSD, O_RDWR, PROT_READ, PROT_WRITE } from './index.js';
import { createMachine } from './machine.js';

const RW = PROT_READ | PROT_WRITE;

/** Counts its calls, and answers at once since its plan has no gate. */
function counted(inner: MemoryStore): FaultInjectingStore & SyncBackingStore {
  return new FaultInjectingStore(inner) as FaultInjectingStore & SyncBackingStore;
}

function byteOf(store: FaultInjectingStore, at: number): number {
  const byte = new Uint8Array(1);
  store.read(at, [byte]);
  return byte[0] as number;
}

describe.each(SYSTEM_NAMES)('%s', (system) => {
  const sync = system === 'netbsd' ? MS_SYNC_NETBSD : MS_SYNC;

  it('msync of a mapping whose file has lost its name to another file writes and settles its own', () => {
    const [old, young] = [0, 1].map(() => counted(new MemoryStore(2 * PAGE_SIZE)));
    if (old === undefined || young === undefined) throw new Error('two stores');
    const machine = createMachine({ system, files: { '/f': old } });
    const p = machine.spawn();
    const map = (sharing: number): number =>
      p.mmap(0, PAGE_SIZE, RW, sharing, p.open('/f', O_RDWR) as number, 0) as number;
    const before = map(MAP_SHARED);
    p.unlink('/f');
    machine.createFile('/f', young);
    const after = map(MAP_SHARED);
    p.store8(before, 11);
    p.store8(after, 22);
    expect(p.msync(before, PAGE_SIZE, sync)).toBe(0);
    expect([byteOf(old, 0), byteOf(young, 0)]).toEqual([11, 0]);
    expect([old.counts.syncs, young.counts.syncs]).toEqual([1, 0]);
    expect(p.msync(after, PAGE_SIZE, sync)).toBe(0);
    expect(byteOf(young, 0)).toBe(22);
    expect([old.counts.syncs, young.counts.syncs]).toEqual([1, 1]);
  });

  it('shows the file behind shared, private and copied memory, and nothing behind the rest', () => {
    const machine = createMachine({ system, files: { anon: 2 * PAGE_SIZE } });
    const p = machine.spawn();
    const fd = p.open('anon', O_RDWR) as number;
    const shared = p.mmap(0, PAGE_SIZE, RW, MAP_SHARED, fd, 0) as number;
    const copied = p.mmap(0, PAGE_SIZE, RW, MAP_PRIVATE, fd, PAGE_SIZE) as number;
    p.store8(copied, 1);
    const memory = p.mmap(0, PAGE_SIZE, RW, MAP_ANON | MAP_PRIVATE) as number;
    p.store8(memory, 1);
    // A file may have the name that memory without a file is shown by; the text tells them apart.
    expect(p.maps().map(({ name }) => name)).toEqual(['anon', 'anon', 'anon']);
    const lines = p.mapsText().split('\n');
    const ofFile = lines.filter((line) => line.endsWith(' anon'));
    expect(ofFile.length).toBe(2);
    for (const [i, at] of [shared, copied].entries()) expect(ofFile[i]).toContain(at.toString(16));
    p.unlink('anon');
    expect(p.mapsText().split('\n')).toEqual(lines);
  });
});
