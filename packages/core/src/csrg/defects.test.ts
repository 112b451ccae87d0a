/** Every defect of CAVEATS.md, as seeded and mended, under its name there. */
import { describe, expect, test } from 'vitest';
import { load, map, script, store } from '../../../../tests/csrg-tools.js';
import { KernelHang } from '../kernel/errors.js';
import { FaultInjectingStore } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { EIO } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { VmMap } from './map-entry.js';
import { submapLocked } from './map-range.js';
import type { CsrgProcess } from './process.js';
import { bootCsrg, type CsrgSystem } from './system.js';
import { VM_CACHE_MAX } from './vm.js';

const SETTINGS = ['as-seeded', 'mended'] as const;
type Defects = (typeof SETTINGS)[number];
const VPN = 16;
const AT = VPN * PAGE_SIZE;

function boot(defects: Defects): { system: CsrgSystem; a: CsrgProcess } {
  const system = bootCsrg({ memoryPages: 64, swapPages: 64, devicePages: 4, defects });
  return { system, a: system.spawn('A') };
}

function file(system: CsrgSystem, pages: number, name = 'F') {
  const contents = new Uint8Array(pages * PAGE_SIZE).map((_, at) => 1 + (at >> 12));
  return { kind: 'file', file: system.createFile(name, new MemoryStore(contents)), offset: 0 } as const;
}

describe.each(SETTINGS)('%s', (defects) => {
  const mended = defects === 'mended';
  const run = (text: string): string[] => script(text, { defects });

  test('O1 wiring ignores a page that cannot be had', () => {
    const text = 'file F 4096\nproc A\nA map 0x10000 2 file F 0 shared r--\nA wire 0x10000 2\nA entries\nqueues';
    expect(run(text)).toEqual(
      mended
        ? [
            'error A wire ENOMEM',
            'entries A',
            '  0x10000-0x12000 r--/rwx inherit=share',
            'queues free=4095 inactive=0 active=1 wired=0',
          ]
        : [
            'entries A',
            '  0x10000-0x12000 r--/rwx inherit=share wired=1',
            'queues free=4095 inactive=0 active=0 wired=1',
          ],
    );
  });

  test('O2 a wired page that is not mapped any more is passed over by unwiring; mended it is found', () => {
    const text = `proc A\nA map 0x10000 1 anon private rw-\nA wire 0x10000 1\nA protect 0x10000 1 ---\nA unwire 0x10000 1\nqueues`;
    expect(run(text).at(-1)).toBe(`queues free=4095 inactive=0 active=${mended ? 1 : 0} wired=${mended ? 0 : 1}`);
  });

  test('O3 an I/O error becomes a zero page; mended it is KERN_FAILURE', () => {
    const { system, a } = boot(defects);
    const broken = new FaultInjectingStore(new MemoryStore(PAGE_SIZE), [{ on: 'read', error: EIO }]);
    map(system, a, VPN, 1, { kind: 'file', file: system.createFile('F', broken), offset: 0 }, 'shared');
    expect(system.faultCodeName(system.fault(a, VPN, 0))).toBe(mended ? 'KERN_FAILURE' : 'KERN_SUCCESS');
    expect(system.counters().v_zfod).toBe(mended ? 0 : 1);
    expect(system.faultCodeName(system.fault(a, VPN, 0))).toBe('KERN_SUCCESS');
    system.check();
  });

  test('O3 the same for swap', () => {
    const swapStore = new FaultInjectingStore(new MemoryStore(), [{ on: 'read', error: EIO }]);
    const system = bootCsrg({ memoryPages: 64, swapPages: 64, swapStore, defects });
    const a = system.spawn('A');
    map(system, a, VPN, 1);
    store(system, a, VPN, 9);
    system.pageout(64);
    const code = system.faultCodeName(system.fault(a, VPN, 0));
    expect(code).toBe(mended ? 'KERN_FAILURE' : 'KERN_SUCCESS');
    expect(load(system, a, VPN)).toBe(mended ? 9 : 0);
  });

  test('O7 the child of a wired read-only entry can write without a fault; mended it cannot', () => {
    const text = `proc A\nA map 0x10000 1 anon private rw-\nA write 0x10000\nA protect 0x10000 1 r--
A wire 0x10000 1\nfork A B\nB pmap\nB write 0x10000`;
    expect(run(text).slice(-2)).toEqual(
      mended
        ? ['  0x10000-0x11000 r--', 'fault B w 0x10000 KERN_PROTECTION_FAILURE']
        : ['pmap B', '  0x10000-0x11000 rwx'],
    );
  });

  test('O8 a wired page below the top object is found by fork', () => {
    const text =
      'file F 4096\nproc A\nA map 0x10000 1 file F 0 private r--\nA wire 0x10000 1\nfork A B\nB byte 0x10000';
    expect(run(text)).toEqual(['byte B 0x10000 = 0x01']);
  });

  test('O10 a wired page that is copied on write leaves its wiring behind; mended it takes it along', () => {
    const text = `file F 4096\nproc A\nA map 0x10000 1 file F 0 private r--\nA wire 0x10000 1
A protect 0x10000 1 rw-\nA write 0x10000\nA unwire 0x10000 1\nqueues`;
    expect(run(text).at(-1)).toBe(`queues free=4094 inactive=0 active=${mended ? 2 : 1} wired=${mended ? 0 : 1}`);
  });

  test('O15 a copy takes the translation of a page that another process has wired', () => {
    const text = `file F 4096\nproc A\nproc B\nA map 0x10000 1 file F 0 shared r--\nA wire 0x10000 1
B map 0x10000 1 file F 0 private rw-\nB write 0x10000\nA pmap\nA unwire 0x10000 1\nqueues`;
    const lines = run(text);
    expect(lines.slice(-2, -1)).toEqual(['pmap A']);
    expect(lines.at(-1)).toBe(`queues free=4094 inactive=0 active=${mended ? 2 : 1} wired=${mended ? 0 : 1}`);
  });

  test('S4 a copy out of a sharing map with one reference shows later stores; mended it does not', () => {
    const text = `proc A\nA map 0x10000 1 anon shared rw-\nA write 0x10000 = 1\nfork A B\nexit A\nB write 0x10000 = 1
B inherit 0x10000 1 copy\nfork B C\nB write 0x10000 = 2\nC byte 0x10000`;
    expect(run(text).at(-1)).toBe(`byte C 0x10000 = ${mended ? '0x01' : '0x02'}`);
  });

  test('S5 and S6 msync takes wired pages out of memory; mended it leaves them', () => {
    const text = `file F 4096\nproc A\nA map 0x10000 1 file F 0 shared rw-\nA wire 0x10000 1\nA sync 0x10000 1\nqueues`;
    expect(run(text).at(-1)).toBe(`queues free=${mended ? 4095 : 4096} inactive=0 active=0 wired=1`);
  });

  test('S7 writing the last dirty page of a cached file waits for itself; mended it is written', () => {
    const { system, a } = boot(defects);
    map(system, a, VPN, 1, file(system, 1), 'shared', 1);
    system.protect(a, AT, PAGE_SIZE, 3);
    store(system, a, VPN, 9);
    system.unmap(a, AT, PAGE_SIZE);
    if (mended) {
      system.pageout(64);
      expect(system.queues()[0]?.pages).toBe(64);
      system.check();
    } else {
      expect(() => system.pageout(64)).toThrow(KernelHang);
    }
  });

  test('S8 a pager that is taken over twice is placed wrongly; mended the places add up', () => {
    const { system, a } = boot(defects);
    map(system, a, VPN, 8);
    for (let page = 0; page < 8; page++) store(system, a, VPN + page, page + 1);
    system.pageout(64);
    const first = a.map.lookup(VPN)?.object;
    if (first == null) throw new Error('no object');
    first.pagingOffset = 2;
    system.unmap(a, AT, 4 * PAGE_SIZE);
    const b = system.fork(a, 'B') as CsrgProcess;
    system.exit(b);
    store(system, a, VPN + 4, 9);
    expect(a.map.lookup(VPN + 4)?.object?.pagingOffset).toBe(mended ? 6 : 4);
  });

  test('S8 a pager that is taken over after an object without one is placed wrongly; mended its pages are found', () => {
    const { system, a } = boot(defects);
    map(system, a, VPN, 8);
    store(system, a, VPN + 4, 8);
    store(system, a, VPN + 6, 32);
    system.exit(system.fork(a, 'B') as CsrgProcess);
    system.pageout(64);
    store(system, a, VPN + 1, 7);
    system.unmap(a, AT, 3 * PAGE_SIZE);
    system.exit(system.fork(a, 'C') as CsrgProcess);
    store(system, a, VPN + 4, 9);
    expect(system.backing(a, AT + 4 * PAGE_SIZE)?.length).toBe(1);
    expect(load(system, a, VPN + 6)).toBe(mended ? 32 : 0);
  });

  test('S9 a translation told nothing allows everything; mended it allows nothing', () => {
    const text = 'proc A\nA map 0x10000 1 anon private ---\nA wire 0x10000 1\nA write 0x10000 = 7\nA byte 0x10000';
    expect(run(text)).toEqual(
      mended
        ? ['fault A w 0x10000 KERN_PROTECTION_FAILURE', 'fault A r 0x10000 KERN_PROTECTION_FAILURE']
        : ['byte A 0x10000 = 0x07'],
    );
  });

  test('S10 msync of an entry that may not be written loses what was stored; mended it is written', () => {
    const text = `file F 4096\nproc A\nA map 0x10000 1 file F 0 shared rw-\nA write 0x10000 = 9\nA protect 0x10000 1 r--
A sync 0x10000 1\nA byte 0x10000`;
    expect(run(text).at(-1)).toBe(`byte A 0x10000 = ${mended ? '0x09' : '0x01'}`);
  });

  test('S13 one page-out of a shadow freezes its chain', () => {
    const { system, a } = boot(defects);
    map(system, a, VPN, 2);
    store(system, a, VPN, 1);
    const b = system.fork(a, 'B') as CsrgProcess;
    store(system, a, VPN, 2);
    system.pageout(64);
    system.exit(b);
    store(system, a, VPN + 1, 3);
    expect(system.backing(a, AT)?.length).toBe(2);
  });

  test('S14 a file that another process maps writable is copied without it noticing; mended it notices', () => {
    const text = `file F 4096\nproc A\nproc B\nA map 0x10000 1 file F 0 shared rw-\nB map 0x10000 1 file F 0 shared rw-
B write 0x10000 = 1\nA inherit 0x10000 1 copy\nfork A C\nB write 0x10000 = 2\nC byte 0x10000`;
    expect(run(text).at(-1)).toBe(`byte C 0x10000 = ${mended ? '0x01' : '0x02'}`);
  });

  test('S15 protecting a range with a submap in it leaves the map locked; mended it does not', () => {
    const { system, a } = boot(defects);
    system.brk(a, AT);
    system.brk(a, AT + PAGE_SIZE);
    submapLocked(a.map, VPN, VPN + 1, { refCount: 0 } as unknown as VmMap);
    expect(system.protect(a, AT, PAGE_SIZE, 1)).toBe('EINVAL');
    expect(a.map.lock.holders().length).toBe(mended ? 0 : 1);
  });

  test('S16 a page that cannot be written does not keep its writer for ever; msync says EIO', () => {
    const { system, a } = boot(defects);
    const broken = new FaultInjectingStore(new MemoryStore(PAGE_SIZE), [{ on: 'write', error: EIO, times: 9 }]);
    map(system, a, VPN, 1, { kind: 'file', file: system.createFile('F', broken), offset: 0 }, 'shared');
    store(system, a, VPN, 9);
    expect(system.sync(a, AT, PAGE_SIZE)).toBe('EIO');
    system.check();
  });
});

describe('S22 what a store refuses at the end of the last reference', () => {
  /** Stores 9 into the first page of a file whose writes fail, and unmaps it. */
  function lastReference(system: CsrgSystem, a: CsrgProcess, name: string) {
    const broken = new FaultInjectingStore(new MemoryStore(PAGE_SIZE), [{ on: 'write', error: EIO, times: Infinity }]);
    const handle = system.createFile(name, broken);
    const again = (): void => map(system, a, VPN, 1, { kind: 'file', file: handle, offset: 0 }, 'shared');
    again();
    store(system, a, VPN, 9);
    expect(system.unmap(a, AT, PAGE_SIZE)).toBe(0);
    system.check();
    return { broken, again };
  }

  test.each(SETTINGS)('%s', (defects) => {
    const { system, a } = boot(defects);
    const { broken, again } = lastReference(system, a, 'F');
    again();
    expect(load(system, a, VPN)).toBe(defects === 'mended' ? 9 : 0);
    expect(system.sync(a, AT, PAGE_SIZE)).toBe(defects === 'mended' ? 'EIO' : 0);
    broken.heal();
    expect(system.sync(a, AT, PAGE_SIZE)).toBe(0);
    const found = new Uint8Array(1);
    broken.read(0, [found]);
    expect(found[0]).toBe(defects === 'mended' ? 9 : 0);
    system.check();
  });

  test('mended, more of them than the cache holds stay, and leave it when they are written', () => {
    const system = bootCsrg({ memoryPages: 512, defects: 'mended' });
    const a = system.spawn('A');
    const files = Array.from({ length: VM_CACHE_MAX + 5 }, (_, i) => lastReference(system, a, `F${i}`));
    expect(system.vm.cachedObjects.length).toBe(VM_CACHE_MAX + 5);
    for (const { broken, again } of files) {
      broken.heal();
      again();
      expect(load(system, a, VPN)).toBe(9);
      expect(system.unmap(a, AT, PAGE_SIZE)).toBe(0);
      system.check();
    }
    expect(system.vm.cachedObjects.length).toBe(0);
  });
});

describe('in both settings', () => {
  test('O4 past the end of a file is a protection failure', () => {
    expect(script('file F 1\nproc A\nA map 0x10000 2 file F 0 shared r--\nA read 0x11000')).toEqual([
      'fault A r 0x11000 KERN_PROTECTION_FAILURE',
    ]);
  });

  test('O5 a copy takes the page from everybody, and O6 a read below needs a free frame', () => {
    const text =
      'memory 3\nproc A\nA map 0x10000 3 anon private rw-\nA write 0x10000\nfork A B\nA read 0x10000\nB write 0x10000\nA read 0x10000';
    expect(script(text)).toEqual([
      'fault A w 0x10000 KERN_SUCCESS minor',
      'fault B w 0x10000 KERN_SUCCESS minor',
      'fault A r 0x10000 KERN_SUCCESS minor',
    ]);
  });

  test('S12 a dirty page is laundered although it was used', () => {
    const text =
      'swap 16\nproc A\nA map 0x10000 1 anon private rw-\nA write 0x10000\npageout 1\nqueues\nA byte 0x10000';
    expect(script(text)).toEqual([
      'fault A w 0x10000 KERN_SUCCESS minor',
      'queues free=4096 inactive=0 active=0 wired=0',
      'fault A r 0x10000 KERN_SUCCESS major',
      'byte A 0x10000 = 0x5a',
    ]);
  });
});
