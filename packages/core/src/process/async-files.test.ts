/**
 * Calls that are at work on one file at the same time, each at a moment when the store has not answered the other yet.
 *
 * A gate holds one call; another, or two, are made meanwhile; then the gate opens, and both must have done what they would have done alone.
 */
import { describe, expect, it } from 'vitest';
import { GatedStore, type Held, settled, turns, untilHeld } from '../../../../tests/checklist/late.js';
import type { Task, Thread } from '../kernel/thread.js';
import { MemoryStore } from '../machine/memory-store.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { CallResult } from '../vm/errno.js';
import { SYSTEM_NAMES, type SystemName } from '../vm/system.js';
import type { AsyncProcess } from './api.js';
import { createAsyncMachine, LateMachine } from './async-machine.js';
import { addStore, bootCore } from './boot.js';
import type { MachineCore } from './core.js';
import { MAP_ANON, MAP_PRIVATE, MAP_SHARED, O_APPEND, O_RDWR, O_TRUNC, PROT_READ, PROT_WRITE } from './index.js';

const RW = PROT_READ | PROT_WRITE;
/** A window is at least so long (`window.ts`). */
const LEAST_WINDOW = 2 ** 20;

/** A machine with one file that answers when the test likes, and a process with a buffer. */
class Stage {
  readonly core: MachineCore;
  readonly machine: LateMachine;
  readonly inner: MemoryStore;
  readonly store: GatedStore;
  readonly p: AsyncProcess;
  buffer = 0;

  private constructor(system: SystemName, contents: Uint8Array) {
    this.core = bootCore({ system, memory: 2048 * PAGE_SIZE });
    this.machine = new LateMachine(this.core);
    this.inner = new MemoryStore(contents);
    this.store = new GatedStore(this.inner);
    addStore(this.core, '/f', this.store);
    this.p = this.machine.spawn('p');
  }

  static async of(system: SystemName, contents: Uint8Array): Promise<Stage> {
    const stage = new Stage(system, contents);
    stage.buffer = number(await stage.p.mmap(0, 64 * PAGE_SIZE, RW, MAP_ANON | MAP_PRIVATE));
    expect(await stage.p.touch(stage.buffer, 64 * PAGE_SIZE, 1)).toBe(null);
    return stage;
  }

  async open(flags = O_RDWR): Promise<number> {
    return number(await this.p.open('/f', flags));
  }

  /** Holds calls of a kind until `calls` have been made, all of them in progress. */
  async during<T>(kind: Held, first: () => Promise<T>, meanwhile: () => Promise<unknown>): Promise<T> {
    this.store.hold(kind);
    const work = first();
    await untilHeld(this.store);
    const other = meanwhile();
    await turns();
    this.store.release();
    await other;
    return await work;
  }

  byte(at: number): number {
    const one = new Uint8Array(1);
    this.inner.read(at, [one]);
    return one[0] as number;
  }

  /** The mappings of the hidden process. */
  get windows(): number {
    return this.core.system.entries(this.core.io).length;
  }

  /** A thread sleeps for some turns of the event loop, as for I/O. It may not run before. */
  *pause(thread: Thread, long = 3): Task<void> {
    let over = false;
    const io = turns(long).then(() => 0);
    this.core.kernel.awaitIo(thread, io, 'pause', () => {
      over = true;
    });
    yield;
    expect(over, 'the thread ran while it slept').toBe(true);
  }

  async finish(): Promise<void> {
    await this.machine.whenIdle();
    this.machine.check();
    if (this.p.alive) await this.p.exit();
    this.machine.check();
  }
}

function number(result: CallResult): number {
  if (typeof result === 'string') throw new Error(result);
  return result;
}

function filled(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (Math.floor(i / PAGE_SIZE) % 250) + 1);
}

describe.each(SYSTEM_NAMES)('at the same time, on one file of %s', (system) => {
  it('a read, and a write that makes the window longer', async () => {
    const s = await Stage.of(system, filled(4 * PAGE_SIZE));
    const fd = await s.open();
    const read = await s.during(
      'read',
      () => s.p.pread(fd, s.buffer, 4 * PAGE_SIZE, 0),
      async () => expect(await s.p.pwrite(fd, s.buffer + 8 * PAGE_SIZE, 10, 3 * LEAST_WINDOW)).toBe(10),
    );
    expect(read).toBe(4 * PAGE_SIZE);
    for (const page of [0, 1, 2, 3]) expect(await s.p.load8(s.buffer + page * PAGE_SIZE)).toBe(page + 1);
    expect(s.windows).toBe(1);
    await s.finish();
  });

  it('a read, and a cut of the file', async () => {
    const s = await Stage.of(system, filled(40 * PAGE_SIZE));
    const fd = await s.open();
    let cut = false;
    const read = await s.during(
      'read',
      () => s.p.pread(fd, s.buffer, 40 * PAGE_SIZE, 0),
      async () => {
        const cutting = s.p.ftruncate(fd, 10);
        expect(await settled(cutting)).toBe(false);
        s.store.release();
        cut = (await cutting) === 0;
      },
    );
    expect([read, cut]).toEqual([40 * PAGE_SIZE, true]);
    expect(s.machine.status('/f').size).toBe(10);
    await s.finish();
  });

  it('two that append', async () => {
    const s = await Stage.of(system, new Uint8Array(100));
    const fds = [await s.open(O_RDWR | O_APPEND), await s.open(O_RDWR | O_APPEND)];
    for (const [i, fd] of fds.entries()) await s.p.store8(s.buffer + i * PAGE_SIZE, 71 + fd);
    s.store.hold('truncate');
    const writes = fds.map((fd, i) => s.p.write(fd, s.buffer + i * PAGE_SIZE, 1));
    await untilHeld(s.store);
    s.store.release();
    expect(await Promise.all(writes)).toEqual([1, 1]);
    expect(s.machine.status('/f').size).toBe(102);
    expect(await s.p.fsync(fds[0] as number)).toBe(0);
    expect([s.byte(100), s.byte(101)].sort()).toEqual(fds.map((fd) => 71 + fd).sort());
    await s.finish();
  });

  it('a read, and the end of the file: its last descriptor and its name', async () => {
    const s = await Stage.of(system, filled(40 * PAGE_SIZE));
    const fd = await s.open();
    const read = await s.during(
      'read',
      () => s.p.read(fd, s.buffer, 40 * PAGE_SIZE),
      async () => {
        expect(await s.p.close(fd)).toBe(0);
        expect(await s.p.unlink('/f')).toBe(0);
        expect(await s.p.read(fd, s.buffer, 1)).toBe('EBADF');
      },
    );
    expect(read).toBe(40 * PAGE_SIZE);
    expect(await s.p.load8(s.buffer + 39 * PAGE_SIZE)).toBe(40);
    // Whoever was the last to need it has let it go.
    expect([s.windows, s.core.files.known.size]).toEqual([0, 0]);
    await s.finish();
  });

  it('fsync, and the end of the file', async () => {
    const s = await Stage.of(system, new Uint8Array(4 * PAGE_SIZE));
    const fd = await s.open();
    await s.p.store8(s.buffer, 77);
    expect(await s.p.pwrite(fd, s.buffer, 1, PAGE_SIZE)).toBe(1);
    const synced = await s.during(
      'write',
      () => s.p.fsync(fd),
      async () => {
        expect(await s.p.close(fd)).toBe(0);
        expect(await s.p.unlink('/f')).toBe(0);
        expect(s.core.files.known.size).toBe(1);
      },
    );
    expect([synced, s.byte(PAGE_SIZE)]).toEqual([0, 77]);
    expect([s.windows, s.core.files.known.size]).toEqual([0, 0]);
    await s.finish();
  });

  it('an open that cuts, and an unlink', async () => {
    const s = await Stage.of(system, filled(4 * PAGE_SIZE));
    const opened = await s.during(
      'truncate',
      () => s.p.open('/f', O_RDWR | O_TRUNC),
      async () => expect(await s.p.unlink('/f')).toBe(0),
    );
    const fd = number(opened);
    expect(s.core.files.known.size).toBe(1);
    expect(await s.p.pwrite(fd, s.buffer, 10, 0)).toBe(10);
    expect(typeof (await s.p.mmap(0, PAGE_SIZE, RW, MAP_SHARED, fd, 0))).toBe('number');
    await s.finish();
    expect(s.core.files.known.size).toBe(0);
  });

  it('the operator writes everything, and the file ends', async () => {
    const s = await Stage.of(system, new Uint8Array(4 * PAGE_SIZE));
    const fd = await s.open();
    await s.p.store8(s.buffer, 78);
    expect(await s.p.pwrite(fd, s.buffer, 1, 0)).toBe(1);
    const synced = await s.during(
      'write',
      () => s.machine.sync(),
      async () => {
        expect(await s.p.close(fd)).toBe(0);
        expect(await s.p.unlink('/f')).toBe(0);
      },
    );
    expect([synced, s.byte(0)]).toEqual([0, 78]);
    expect([s.windows, s.core.files.known.size]).toEqual([0, 0]);
    await s.finish();
  });

  it('the last close and the last munmap: it is released once', async () => {
    const s = await Stage.of(system, filled(2 * PAGE_SIZE));
    const fd = await s.open();
    expect(await s.p.pread(fd, s.buffer, 1, 0)).toBe(1);
    const at = number(await s.p.mmap(0, PAGE_SIZE, RW, MAP_SHARED, fd, 0));
    await s.p.unlink('/f');
    const { port } = s.core;
    const [unmap, release] = [port.munmap.bind(port), port.releaseFile.bind(port)];
    let released = 0;
    port.munmap = function* (process, address, length) {
      // The window takes longer to go.
      const result = yield* unmap(process, address, length);
      yield* s.pause(port.threadOf(process), address === at ? 1 : 10);
      return result;
    };
    port.releaseFile = function* (thread, file) {
      released++;
      yield* s.pause(thread);
      yield* release(thread, file);
    };
    expect(await Promise.all([s.p.close(fd), s.p.munmap(at, PAGE_SIZE)])).toEqual([0, 0]);
    expect([released, s.core.files.known.size]).toEqual([1, 0]);
    await s.finish();
  });

  it('many reads and writes of a file without a window yet make one', async () => {
    const s = await Stage.of(system, filled(8 * PAGE_SIZE));
    const fd = await s.open();
    const { port } = s.core;
    const map = port.mmap.bind(port);
    port.mmap = function* (process, request) {
      yield* s.pause(port.threadOf(process));
      return yield* map(process, request);
    };
    const pages = [0, 1, 2, 3, 4, 5, 6, 7];
    const transfers = pages.map((page) =>
      page % 2 === 0
        ? s.p.pread(fd, s.buffer + page * PAGE_SIZE, 100, page * PAGE_SIZE)
        : s.p.pwrite(fd, s.buffer + page * PAGE_SIZE, 100, page * PAGE_SIZE),
    );
    expect(await Promise.all(transfers)).toEqual(pages.map(() => 100));
    expect(s.windows).toBe(1);
    await s.finish();
  });
});

describe.each(SYSTEM_NAMES)('at the same time, in one process of %s', (system) => {
  it('two exits, and a load that is on its way', async () => {
    const s = await Stage.of(system, filled(PAGE_SIZE));
    const at = number(await s.p.mmap(0, PAGE_SIZE, RW, MAP_SHARED, await s.open(), 0));
    const load = await s.during(
      'read',
      () => s.p.load8(at),
      async () => {
        const exits = [s.p.exit(), s.p.exit()];
        expect(await settled(Promise.all(exits))).toBe(false);
        s.store.release();
        await Promise.all(exits);
      },
    );
    expect([load, s.p.alive]).toEqual([1, false]);
    await s.p.exit();
    await s.finish();
  });

  it('a vfork waits for whatever has begun before it, however shortly', async () => {
    for (let microtasks = 0; microtasks < 16; microtasks++) {
      const s = await Stage.of(system, filled(PAGE_SIZE));
      const at = number(await s.p.mmap(0, PAGE_SIZE, RW, MAP_SHARED, await s.open(), 0));
      s.store.hold('read');
      const before = s.p.load8(s.buffer);
      const vfork = s.p.vfork('child');
      for (let i = 0; i < microtasks; i++) await null;
      const load = s.p.load8(at).catch((error: Error) => error.message);
      const tooLate = await settled(load);
      expect(await settled(vfork), `${microtasks}`).toBe(tooLate);
      s.store.release();
      expect([await before, await load]).toEqual([0, tooLate ? expect.stringContaining('vfork child') : 1]);
      const child = await vfork;
      if (typeof child === 'string') throw new Error(child);
      await child.exit();
      expect(await s.p.load8(at)).toBe(1);
      await s.finish();
    }
  });

  it('the parent of a vfork runs again only when the child has gone entirely', async () => {
    const s = await Stage.of(system, filled(PAGE_SIZE));
    const child = await s.p.vfork('child');
    if (typeof child === 'string') throw new Error(child);
    await child.open('/f', O_RDWR);
    await child.unlink('/f');
    const { port } = s.core;
    const release = port.releaseFile.bind(port);
    port.releaseFile = function* (thread, file) {
      yield* s.pause(thread);
      yield* release(thread, file);
    };
    const exit = child.exit();
    while (child.alive) await null;
    await expect(s.p.brk(s.p.dataEnd)).rejects.toThrow('waits for its vfork child');
    await exit;
    expect(s.core.files.known.size).toBe(0);
    expect(await s.p.brk(s.p.dataEnd + PAGE_SIZE)).toBe(0);
    await s.finish();
  });

  it('an exec that sleeps in the new address space, and an unlink of what it maps', async () => {
    const s = await Stage.of(system, filled(4 * PAGE_SIZE));
    const { port } = s.core;
    const map = port.mmap.bind(port);
    port.mmap = function* (process, request) {
      yield* s.pause(port.threadOf(process));
      return yield* map(process, request);
    };
    const other = s.machine.spawn('other');
    const segments = [{ address: 0x400000, length: 2 * PAGE_SIZE, protection: PROT_READ, path: '/f' }];
    const exec = s.p.exec({ segments, stack: 16 * PAGE_SIZE });
    await null;
    expect([await other.unlink('/f'), await exec]).toEqual([0, 0]);
    expect(await s.p.load8(0x400000 + PAGE_SIZE)).toBe(2);
    await other.exit();
    await s.finish();
    expect(s.core.files.known.size).toBe(0);
  });

  it('the limit of the stack changes while the first thread waits for the disk', async () => {
    const s = await Stage.of(system, filled(PAGE_SIZE));
    expect(await s.p.exec({ segments: [], stack: 256 * PAGE_SIZE })).toBe(0);
    const at = number(await s.p.mmap(0, PAGE_SIZE, RW, MAP_SHARED, await s.open(), 0));
    s.store.hold('read');
    const load = s.p.load8(at);
    await untilHeld(s.store);
    s.p.setLimits({ stack: 8 * PAGE_SIZE });
    s.store.release();
    expect(await load).toBe(1);
    const top = 0x7ffffffff000;
    expect(await s.p.touch(top - 8 * PAGE_SIZE, PAGE_SIZE, 1)).toBe(null);
    const signal = await s.p.touch(top - 200 * PAGE_SIZE, PAGE_SIZE, 1);
    // netbsd maps all of the stack at exec.
    expect(signal === null).toBe(system === 'netbsd');
    await s.finish();
  });
});

describe.each(SYSTEM_NAMES)('at the same time, by the operator of %s', (system) => {
  it('two pageouts free as much as one after the other', async () => {
    const freed: number[] = [];
    for (const together of [true, false]) {
      const swap = new GatedStore(new MemoryStore());
      const machine = createAsyncMachine({ system, memory: 1024 * PAGE_SIZE, swap: 4096 * PAGE_SIZE, swapStore: swap });
      const p = machine.spawn();
      const at = number(await p.mmap(0, 900 * PAGE_SIZE, RW, MAP_ANON | MAP_PRIVATE));
      expect(await p.touch(at, 900 * PAGE_SIZE, 1)).toBe(null);
      const resident = (): number => p.maps().reduce((sum, each) => sum + each.resident, 0) / PAGE_SIZE;
      const before = resident();
      const first = machine.pageout(200 * PAGE_SIZE);
      if (!together) await first;
      await Promise.all([first, machine.pageout(200 * PAGE_SIZE)]);
      freed.push(before - resident());
      machine.check();
    }
    expect(freed[0]).toBeGreaterThan(0);
    expect(freed[0]).toBe(freed[1]);
  });
});
