/** The vnode pager on real files: clusters, the end of the file, writing back, growing and shrinking, errors. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FaultInjectingStore } from '../machine/fault-store.js';
import { FileStore } from '../machine/file-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { EIO } from '../machine/store.js';
import { ACCESS_READ, PAGE_SIZE } from '../machine/units.js';
import { PROT_READ } from '../vm/prot.js';
import type { VmFile } from '../vm/system.js';
import { type VnodeHandle, vnodeSetSize } from './pager-vnode.js';
import { Bench } from './testing.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'faultline-vnode-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A real file of `bytes` bytes, byte k holding k mod 251, open for reading and writing. */
function realFile(bytes: number): { path: string; store: FileStore } {
  const path = join(folder, 'data');
  writeFileSync(
    path,
    Uint8Array.from({ length: bytes }, (_, k) => k % 251),
  );
  return { path, store: FileStore.open(path, 'write') };
}

function mapFile(bench: Bench, file: VmFile, pages: number, sharing: 'private' | 'shared' = 'shared'): void {
  bench.map(16, pages, { kind: 'file', file, offset: 0 }, sharing);
}

describe('reading', () => {
  it('shows the bytes of a real file and reads in clusters', () => {
    const bench = new Bench();
    const { store } = realFile(40 * PAGE_SIZE);
    mapFile(bench, bench.file(store), 40);
    for (let page = 0; page < 40; page++) expect(bench.read(16 + page)).toBe((page * PAGE_SIZE) % 251);
    const { v_vnodein, v_vnodepgsin } = bench.system.statistics();
    expect(v_vnodepgsin).toBe(40);
    expect(v_vnodein).toBeLessThanOrEqual(5);
    store.close();
    bench.system.check();
  });

  it('zeroes what lies behind the end in the last page, and refuses the page after it', () => {
    const bench = new Bench();
    const { store } = realFile(PAGE_SIZE + 700);
    mapFile(bench, bench.file(store), 3);
    const tail = bench.touch(17, ACCESS_READ);
    expect(tail[699]).toBe((PAGE_SIZE + 699) % 251);
    expect(tail.subarray(700).every((byte) => byte === 0)).toBe(true);
    expect(() => bench.read(18)).toThrow('KERN_PROTECTION_FAILURE');
    store.close();
  });

  it('fails the fault when the disk fails, and succeeds when it works again', () => {
    const bench = new Bench();
    const disk = new FaultInjectingStore(new MemoryStore(8 * PAGE_SIZE));
    disk.add({ on: 'read', error: EIO });
    mapFile(bench, bench.file(disk), 8);
    expect(() => bench.read(18)).toThrow('KERN_FAILURE');
    expect(bench.vm.console).toContain('vnode_pager_getpages: I/O read error');
    bench.system.check();
    expect(bench.read(18)).toBe(0);
    bench.system.check();
  });
});

describe('a disk that moves less than it was asked for', () => {
  it('fails the fault rather than show what was in the frame before', () => {
    const bench = new Bench();
    const disk = new FaultInjectingStore(new MemoryStore(8 * PAGE_SIZE));
    disk.add({ on: 'read', short: 5000 });
    mapFile(bench, bench.file(disk), 8);
    expect(() => bench.read(20)).toThrow('KERN_FAILURE');
    expect(bench.read(20)).toBe(0);
    bench.system.check();
  });
});

describe('writing', () => {
  it('reaches the file with msync, up to its end and not beyond', () => {
    const bench = new Bench();
    const { path, store } = realFile(PAGE_SIZE + 10);
    mapFile(bench, bench.file(store), 2);
    const last = bench.touch(17, 1);
    last[9] = 0xaa;
    last[10] = 0xbb;
    expect(bench.system.sync(bench.a, 16 * PAGE_SIZE, 2 * PAGE_SIZE)).toBe(0);
    expect(statSync(path).size).toBe(PAGE_SIZE + 10);
    expect(readFileSync(path)[PAGE_SIZE + 9]).toBe(0xaa);
    store.close();
  });

  it('says EIO when it cannot, and keeps the page dirty for the next time', () => {
    const bench = new Bench();
    const inner = new MemoryStore(2 * PAGE_SIZE);
    const disk = new FaultInjectingStore(inner);
    disk.add({ on: 'write', error: EIO });
    mapFile(bench, bench.file(disk), 2);
    bench.write(16, 0x5a);
    expect(bench.system.sync(bench.a, 16 * PAGE_SIZE, PAGE_SIZE)).toBe('EIO');
    expect(bench.system.sync(bench.a, 16 * PAGE_SIZE, PAGE_SIZE)).toBe(0);
    const byte = new Uint8Array(1);
    inner.read(0, [byte]);
    expect(byte[0]).toBe(0x5a);
    bench.system.check();
  });

  it('does not happen through a file opened for reading only', () => {
    const bench = new Bench();
    const { path, store } = realFile(PAGE_SIZE);
    store.close();
    const reader = FileStore.open(path);
    bench.map(16, 1, { kind: 'file', file: bench.file(reader), offset: 0 }, 'private', PROT_READ);
    expect(bench.read(16)).toBe(0);
    reader.close();
  });
});

describe('a file whose length changes', () => {
  it('loses its pages beyond the new end, and shows zeros when it grows again', () => {
    const bench = new Bench();
    const store = new MemoryStore(3 * PAGE_SIZE);
    store.write(0, [new Uint8Array(3 * PAGE_SIZE).fill(7)]);
    const file = bench.file(store) as VnodeHandle;
    mapFile(bench, file, 3);
    for (let page = 16; page < 19; page++) expect(bench.read(page)).toBe(7);
    const resize = (bytes: number): void => {
      store.truncate(bytes);
      bench.vm.kernel.call(bench.a.thread, vnodeSetSize(bench.vm, bench.a.thread, file, bytes));
    };
    resize(PAGE_SIZE + 100);
    expect(() => bench.read(18)).toThrow('KERN_PROTECTION_FAILURE');
    resize(3 * PAGE_SIZE);
    const middle = bench.touch(17, ACCESS_READ);
    expect([middle[99], middle[100]]).toEqual([7, 0]);
    expect(bench.read(18)).toBe(0);
    bench.system.check();
  });
});
