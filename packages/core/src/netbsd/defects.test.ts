/** Defects of CAVEATS.md under their numbers there: as seeded and mended, or repaired and restored where the kernel would not survive them. */
import { describe, expect, it } from 'vitest';
import { KernelHang } from '../kernel/errors.js';
import { FaultInjectingStore } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { EIO } from '../machine/store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { parseScenario, runScenario } from '../scenario/index.js';
import { netbsdCommands } from '../scenario/netbsd-commands.js';
import { ENOMEM, LOOP } from './codes.js';
import { loanToKernel } from './own-commands.js';
import type { NetbsdOptions } from './system.js';
import { bootNetbsd, type NetbsdSystem } from './system.js';
import { BASE, fill, mapAt } from './testing.js';

const ADDRESS = BASE * PAGE_SIZE;

/** What a script prints; every invariant holds after each command. */
function script(text: string, options: NetbsdOptions): string[] {
  const parsed = parseScenario(text, 'netbsd');
  if (!parsed.ok) throw new Error(parsed.errors.map(({ message }) => message).join('; '));
  const lines: string[] = [];
  let system: NetbsdSystem | null = null;
  runScenario(parsed.script, {
    boot: (machine) => {
      system = bootNetbsd({ ...machine, ...options });
      return system;
    },
    write: (line) => lines.push(line),
    extension: netbsdCommands,
    onCommand: () => {
      if (options.deadlyDefects !== true) system?.check();
    },
  });
  return lines;
}

describe.each(['as-seeded', 'mended'] as const)('%s', (defects) => {
  const mended = defects === 'mended';
  const run = (text: string): string[] => script(text, { defects });

  it('2: to end a loan it waits for memory that nobody can have; mended it asks first', () => {
    const system = bootNetbsd({ memoryPages: 300, defects });
    const a = system.spawn('A');
    mapAt(system, a, 200);
    fill(system, a, 200, 7);
    const file = system.createFile('F', new MemoryStore(new Uint8Array(PAGE_SIZE)));
    const backing = { kind: 'file', file, offset: 0 } as const;
    const place = { address: 0x800000, length: PAGE_SIZE, protection: 3, sharing: 'shared', fixed: true } as const;
    system.map(a, { ...place, backing });
    system.fault(a, 0x800, ACCESS_READ);
    system.call(a, loanToKernel(system.vm, a, ADDRESS, 1));
    system.call(a, loanToKernel(system.vm, a, place.address, 1));
    system.vm.allocationFails = (kind) => kind === 'frame';
    expect(system.fault(a, BASE, ACCESS_WRITE)).toBe(mended ? ENOMEM : LOOP);
    expect(system.fault(a, 0x800, ACCESS_WRITE)).toBe(mended ? ENOMEM : LOOP);
    system.check();
  });

  it('4: pages wired before one that cannot be stay marked in the page table; mended the mark goes', () => {
    expect(run('file F 4096\nproc A\nA map 0x10000 2 file F 0 shared rw-\nA wire 0x10000 2\nA pmap\nqueues')).toEqual([
      'error A wire EINVAL',
      'pmap A',
      `  0x10000-0x11000 rw-${mended ? '' : ' wired'}`,
      expect.stringMatching(/ wired=0$/),
    ]);
  });

  it('14: who forks a copy of shared memory shares no more, and others write into the copy; mended neither', () => {
    const lines = run(
      'proc A\nA map 0x10000 1 anon shared rw-\nA write 0x10000 1 = 0x01\nfork A B\nB write 0x10000 1 = 0x02\n' +
        'A inherit 0x10000 1 copy\nfork A C\nB write 0x10000 1 = 0x03\nC byte 0x10000\nA write 0x10000 1 = 0x04\nB byte 0x10000',
    );
    const bytes = lines.filter((line) => line.startsWith('byte'));
    expect(bytes.map((line) => line.split(' ').at(-1))).toEqual(mended ? ['0x02', '0x04'] : ['0x03', '0x03']);
  });

  it('17: a wired page of a file stays wired for ever when its translation goes before it is unwired; mended it is found', () => {
    const lines = run('file F 4096\nproc A\nA map 0x10000 1 file F 0 shared rw-\nA wire 0x10000 1\nexit A\nqueues');
    expect(lines.at(-1)).toMatch(mended ? / wired=0$/ : / wired=1$/);
  });

  it('18: advice to free asks the first entry whether it is wired, for all; mended each', () => {
    const begin = 'proc A\nA map 0x10000 4 anon private rw-\nA write 0x10000 4\n';
    const free = '\nA advise 0x10000 4 free';
    const error = (text: string): string[] => run(text).filter((line) => line.startsWith('error'));
    expect(error(`${begin}A wire 0x12000 2${free}`)).toEqual(mended ? ['error A advise EBUSY'] : []);
    expect(error(`${begin}A wire 0x10000 2${free}`)).toEqual(['error A advise EBUSY']);
  });

  it('20: a wired device is mapped as if it were not; mended the mark is there', () => {
    const lines = run('device D 2\nproc A\nA map 0x10000 2 device D 0 shared rw-\nA wire 0x10000 1\nA pmap');
    expect(lines).toEqual(['pmap A', `  0x10000-0x11000 rw-${mended ? ' wired' : ''}`]);
  });

  it('23: a page that a segment has just made is on no queue when it is copied at once; mended it is active', () => {
    const lines = run('shm S 2\nproc A\nA map 0x10000 2 shm S 0 private rw-\nA write 0x10000\nqueues');
    expect(lines.at(-1)).toContain(mended ? ' active=2 ' : ' active=1 ');
  });

  it('24: msync forgets the error of all objects but the last; mended the first error is the answer', () => {
    const { system, sync } = twoFiles(defects);
    expect(sync(2)).toBe(mended ? 'EIO' : 0);
    system.check();
  });

  it('25: what msync could not write is never written again; mended it stays dirty', () => {
    const { sync, broken } = twoFiles(defects);
    expect(sync(1)).toBe('EIO');
    broken.heal();
    expect(sync(1)).toBe(0);
    const stored = new Uint8Array(1);
    broken.read(0, [stored]);
    expect(stored[0]).toBe(mended ? 9 : 0);
  });

  it('25: what could not be written to swap is lost; mended it stays in memory', () => {
    const swapStore = new FaultInjectingStore(new MemoryStore(), [{ on: 'write', error: EIO }]);
    const system = bootNetbsd({ memoryPages: 64, swapPages: 64, swapStore, defects });
    const a = system.spawn('A');
    mapAt(system, a, 4);
    fill(system, a, 4, 9);
    system.pageout(4);
    for (let vpn = BASE; vpn < BASE + 4; vpn++) system.fault(a, vpn, ACCESS_READ);
    const seen = [0, 1, 2, 3].map((page) => system.translate(a, BASE + page, ACCESS_READ));
    if (mended) expect(seen.map((frame) => system.frameBytes(frame)?.[0])).toEqual([9, 9, 9, 9]);
    else expect(seen).toContain(-1);
    system.check();
    system.exit(a);
    expect(system.vm.swap.inUse).toBe(system.vm.swap.bad);
    expect(system.vm.swap.bad > 0).toBe(!mended);
  });

  it('26: who has given up a page goes on seeing it as the other side of a fork writes it; mended it is gone', () => {
    const lines = run(
      'proc A\nA map 0x10000 2 anon private rw-\nA write 0x10000 2 = 0x01\nfork A B\nA write 0x10000\nA read 0x11000\n' +
        'A advise 0x11000 1 free\nB write 0x11000 1 = 0x02\nA byte 0x11000',
    );
    expect(lines.at(-1)?.split(' ').at(-1)).toBe(mended ? '0x00' : '0x02');
  });

  it('27: a fork of wired memory waits for ever for a page; mended it fails and leaves nothing behind', () => {
    const system = bootNetbsd({ memoryPages: 64, defects });
    const a = system.spawn('A');
    mapAt(system, a, 4);
    fill(system, a, 4, 9);
    system.wire(a, ADDRESS, 4 * PAGE_SIZE);
    system.vm.allocationFails = (kind) => kind === 'frame';
    if (!mended) {
      expect(() => system.fork(a, 'B')).toThrow(KernelHang);
      return;
    }
    expect(system.fork(a, 'B')).toBe('ENOMEM');
    system.check();
    expect(system.vm.liveAnons).toBe(4);
    system.vm.allocationFails = null;
    expect(system.fork(a, 'C')).toBeTypeOf('object');
  });
});

/** Two files, mapped one after the other and written, of which the first refuses its first write. */
function twoFiles(defects: 'as-seeded' | 'mended') {
  const system = bootNetbsd({ memoryPages: 64, defects });
  const a = system.spawn('A');
  const broken = new FaultInjectingStore(new MemoryStore(new Uint8Array(PAGE_SIZE)), [{ on: 'write', error: EIO }]);
  for (const [i, store] of [broken, new MemoryStore(new Uint8Array(PAGE_SIZE))].entries()) {
    const backing = { kind: 'file', file: system.createFile(`F${i}`, store), offset: 0 } as const;
    const address = ADDRESS + i * PAGE_SIZE;
    system.map(a, { address, length: PAGE_SIZE, protection: 3, sharing: 'shared', backing, fixed: true });
  }
  fill(system, a, 2, 9);
  return { system, broken, sync: (pages: number) => system.sync(a, ADDRESS, pages * PAGE_SIZE) };
}

describe.each([false, true])('deadly defects restored: %s', (deadlyDefects) => {
  const run = (text: string): string[] => script(text, { deadlyDefects });

  it('15: a borrower keeps its pointer to the page of an object, and its end panics', () => {
    const lines = run(
      'file F 4096\nproc A\nA map 0x10000 1 file F 0 shared rw-\nA read 0x10000\nproc Q\nloan A 0x10000 1 anon Q 0x20000\nexit Q\nqueues',
    );
    if (deadlyDefects) expect(lines.at(-1)).toMatch(/^panic .*an_page/);
    else expect(lines.at(-1)).toMatch(/^queues .* active=1 /);
  });

  it('21: cleaning a device keeps its lock, and whoever wants it next hangs', () => {
    const text =
      'device D 1\nproc A\nA map 0x10000 1 device D 0 shared rw-\nA sync 0x10000 1\nfork A B\nB read 0x10000';
    if (deadlyDefects) expect(run(text).at(-1)).toMatch(/^hang /);
    else expect(run(text).at(-1)).toMatch(/^fault B r 0x10000 0 /);
  });

  it('22: the page that a borrower keeps counts as clean, and is dropped', () => {
    const lines = run(
      'swap 64\nfile F 4096\nproc A\nA map 0x10000 1 file F 0 shared rw-\nA read 0x10000\nproc Q\n' +
        'loan A 0x10000 1 anon Q 0x20000\nQ byte 0x20000\nA write 0x10000 1 = 0x77\npageout 9\nQ byte 0x20000\nA byte 0x10000',
    );
    if (deadlyDefects) {
      expect(lines.at(-1)).toMatch(/^panic .*an_swslot/);
      return;
    }
    const [before, after, lender] = lines
      .filter((line) => line.startsWith('byte'))
      .map((line) => line.split(' ').at(-1));
    expect(after).toBe(before);
    expect(before).not.toBe('0x77');
    expect(lender).toBe('0x77');
  });
});
