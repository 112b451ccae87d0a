/** msync(MS_ASYNC) with a disk that takes its time: what comes after it, and what becomes of its errors. */
import { describe, expect, it } from 'vitest';
import { GatedStore, settled, turns, untilHeld } from '../../../../tests/checklist/late.js';
import { FaultInjectingStore } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { EIO } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { SYSTEM_NAMES, type SystemName } from '../vm/system.js';
import type { AsyncMachine, AsyncProcess, SyncBackingStore } from './api.js';
import { createAsyncMachine } from './async-machine.js';
import {
  MAP_SHARED,
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
  MS_SYNC_NETBSD,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from './index.js';
import { createMachine } from './machine.js';

const RW = PROT_READ | PROT_WRITE;
const PAGES = 8;
/** Whose call does not wait. */
const STARTERS: readonly SystemName[] = ['freebsd', 'dragonfly'];

class Scene {
  readonly inner = new MemoryStore(PAGES * PAGE_SIZE);
  readonly faulty = new FaultInjectingStore(this.inner);
  readonly store = new GatedStore(this.faulty);
  readonly machine: AsyncMachine;
  readonly p: AsyncProcess;
  fd = 0;
  at = 0;

  private constructor(system: SystemName) {
    this.machine = createAsyncMachine({ system, memory: 1024 * PAGE_SIZE, files: { '/f': this.store } });
    this.p = this.machine.spawn('p');
  }

  /** A file that is mapped, with 7 in its first byte, in memory only, and msync(MS_ASYNC) on its way to a disk that does not answer. */
  static async of(system: SystemName): Promise<Scene> {
    const scene = new Scene(system);
    const { p, store } = scene;
    scene.fd = (await p.open('/f', O_RDWR)) as number;
    scene.at = (await p.mmap(0, PAGES * PAGE_SIZE, RW, MAP_SHARED, scene.fd, 0)) as number;
    await p.store8(scene.at, 7);
    store.hold('write');
    expect(await p.msync(scene.at, PAGES * PAGE_SIZE, MS_ASYNC)).toBe(0);
    await untilHeld(store);
    expect(scene.byte(0)).toBe(0);
    return scene;
  }

  byte(at: number): number {
    const one = new Uint8Array(1);
    this.inner.read(at, [one]);
    return one[0] as number;
  }
}

describe.each(STARTERS)('while msync(MS_ASYNC) of %s writes', (system) => {
  it.each(['msync', 'fsync', 'sync'] as const)('%s waits for it', async (call) => {
    const s = await Scene.of(system);
    const calls = {
      msync: () => s.p.msync(s.at, PAGES * PAGE_SIZE, MS_SYNC),
      fsync: () => s.p.fsync(s.fd),
      sync: () => s.machine.sync(),
    };
    const next = calls[call]();
    expect(await settled(next)).toBe(false);
    s.store.release();
    expect(await next).toBe(0);
    expect(s.byte(0)).toBe(7);
  });

  it('the machine is not idle', async () => {
    const s = await Scene.of(system);
    const idle = s.machine.whenIdle();
    expect(await settled(idle)).toBe(false);
    s.store.release();
    await idle;
    expect(s.byte(0)).toBe(7);
    s.machine.check();
  });

  it('another msync(MS_ASYNC) does not wait either, and writes what has been stored since', async () => {
    const s = await Scene.of(system);
    const more = s.p.store8(s.at + 1, 8);
    expect(await s.p.msync(s.at, PAGE_SIZE, MS_ASYNC)).toBe(0);
    s.store.release();
    await more;
    await s.machine.whenIdle();
    await s.p.msync(s.at, PAGE_SIZE, MS_SYNC);
    expect([s.byte(0), s.byte(1)]).toEqual([7, 8]);
  });

  it('munmap, close, unlink and exit go on, and the file has the bytes in the end', async () => {
    const s = await Scene.of(system);
    expect(await s.p.munmap(s.at, PAGES * PAGE_SIZE)).toBe(0);
    expect(await s.p.close(s.fd)).toBe(0);
    expect(await s.p.unlink('/f')).toBe(0);
    await s.p.exit();
    expect(s.byte(0)).toBe(0);
    s.store.release();
    await s.machine.whenIdle();
    expect(s.byte(0)).toBe(7);
    s.machine.check();
  });

  it('a cut of the file waits for it', async () => {
    const s = await Scene.of(system);
    const cut = s.p.ftruncate(s.fd, 0);
    expect(await settled(cut)).toBe(false);
    s.store.release();
    expect(await cut).toBe(0);
    await s.machine.whenIdle();
    expect(s.inner.size()).toBe(0);
    s.machine.check();
  });

  it('the disk refuses: nobody is told, and the page is still dirty', async () => {
    const s = await Scene.of(system);
    s.faulty.add({ on: 'write', error: EIO, times: Number.POSITIVE_INFINITY });
    s.store.release();
    await s.machine.whenIdle();
    expect(s.faulty.counts.struck).toBeGreaterThan(0);
    expect(s.byte(0)).toBe(0);
    expect(s.p.maps().map(({ dirty }) => dirty)).toEqual([PAGE_SIZE]);
    s.faulty.heal();
    expect(await s.p.msync(s.at, PAGES * PAGE_SIZE, MS_SYNC)).toBe(0);
    expect(s.byte(0)).toBe(7);
  });

  it('its arguments are looked at before it answers', async () => {
    const s = await Scene.of(system);
    expect(await s.p.msync(s.at, 0, MS_ASYNC | MS_INVALIDATE)).toBe('EINVAL');
    expect(await s.p.munmap(s.at + PAGE_SIZE, PAGE_SIZE)).toBe(0);
    expect(await s.p.msync(s.at, 3 * PAGE_SIZE, MS_ASYNC)).toBe('EINVAL');
    s.store.release();
    await turns();
    await s.machine.whenIdle();
  });
});

describe.each(SYSTEM_NAMES)('with a disk that answers at once, msync(MS_ASYNC) of %s', (system) => {
  it('has written when it returns, and answers the error', () => {
    const inner = new MemoryStore(PAGES * PAGE_SIZE);
    const store = new FaultInjectingStore(inner, [{ on: 'write', error: EIO }]);
    const machine = createMachine({ system, files: { '/f': store as FaultInjectingStore & SyncBackingStore } });
    const p = machine.spawn();
    const at = p.mmap(0, PAGES * PAGE_SIZE, RW, MAP_SHARED, p.open('/f', O_RDWR) as number, 0) as number;
    p.store8(at, 7);
    expect(p.msync(at, PAGES * PAGE_SIZE, MS_ASYNC)).toBe('EIO');
    expect(p.msync(at, PAGES * PAGE_SIZE, MS_ASYNC)).toBe(0);
    const one = new Uint8Array(1);
    inner.read(0, [one]);
    expect(one[0]).toBe(7);
    const { writes } = store.counts;
    expect(p.msync(at, PAGES * PAGE_SIZE, system === 'netbsd' ? MS_SYNC_NETBSD : MS_SYNC)).toBe(0);
    expect(store.counts.writes).toBe(writes);
  });
});
