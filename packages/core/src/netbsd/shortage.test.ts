/** Branches that need memory, translations or amaps to run out at the right moment, or a map that scripts cannot make. */
import { describe, expect, it } from 'vitest';
import { KernelPanic } from '../kernel/errors.js';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { PROT_NONE, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { UVM_AMAP_LARGE } from './amap.js';
import { EFAULT, ENOMEM, LOOP } from './codes.js';
import { unwirePages } from './fault-wire.js';
import { loanToKernel, orderFileErrors, reserve, unloanKernel } from './own-commands.js';
import { Q_INACTIVE } from './page.js';
import type { NetbsdProcess } from './process.js';
import type { NetbsdOptions, NetbsdSystem } from './system.js';
import { bootNetbsd } from './system.js';
import { BASE, byteAt, fill, hear, mapAt } from './testing.js';
import type { Allocation } from './vm.js';

const ADDRESS = BASE * PAGE_SIZE;
const READ_WRITE = PROT_READ | PROT_WRITE;
const PLENTY: NetbsdOptions = { memoryPages: 128, swapPages: 64 };
/** Nothing can be reclaimed on such a machine as soon as sixteen of its pages are in use. */
const NO_SWAP: NetbsdOptions = { memoryPages: 128 };

interface Scene {
  readonly system: NetbsdSystem;
  readonly a: NetbsdProcess;
  readonly ids: string[];
}

function anonymous(options: NetbsdOptions, pages: number): Scene {
  const system = bootNetbsd(options);
  const ids = hear(system);
  const a = system.spawn('A');
  mapAt(system, a, pages);
  fill(system, a, pages, 7);
  ids.length = 0;
  return { system, a, ids };
}

function filed(sharing: 'private' | 'shared', options: NetbsdOptions = PLENTY): Scene {
  const system = bootNetbsd(options);
  const ids = hear(system);
  const a = system.spawn('A');
  const file = system.createFile('F', new MemoryStore(new Uint8Array(8 * PAGE_SIZE).fill(3)));
  mapAt(system, a, 8, { kind: 'file', file, offset: 0 }, sharing);
  return { system, a, ids };
}

/** The next `times` allocations of a kind fail. */
function refuse(system: NetbsdSystem, kind: Allocation, times = 1): void {
  let left = times;
  system.vm.allocationFails = (asked) => asked === kind && left-- > 0;
}

describe('a page-in without a frame', () => {
  function lost(options: NetbsdOptions): Scene {
    const scene = anonymous(options, 24);
    scene.system.pageout(1);
    expect(scene.system.vm.swap.only).toBeGreaterThan(0);
    return scene;
  }
  const onSwap = ({ system, a }: Scene): number => {
    const anons = a.map.lookup(BASE)?.amap?.anons ?? [];
    expect(system.vm.liveAnons).toBe(24);
    return BASE + anons.findIndex((anon) => anon !== null && anon.page < 0);
  };

  it('waits for memory and begins again', () => {
    const scene = lost(PLENTY);
    const { system, a, ids } = scene;
    const vpn = onSwap(scene);
    refuse(system, 'frame');
    expect(system.fault(a, vpn, ACCESS_READ)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F16', 'F18', 'F33', 'F19']));
    expect(system.vm.counters).toMatchObject({ fltnoram: 1, pageins: 1 });
    expect(byteAt(system, a, vpn)).toBe(7);
    system.check();
  });

  it('ends when waiting has no sense, with the data still on swap', () => {
    const scene = lost({ memoryPages: 128, swapPages: 1 });
    const { system, a, ids } = scene;
    const vpn = onSwap(scene);
    refuse(system, 'frame');
    expect(system.fault(a, vpn, ACCESS_READ)).toBe(ENOMEM);
    expect(ids).toEqual(expect.arrayContaining(['F16', 'F17', 'F83']));
    expect(a.map.lock.holders()).toEqual([]);
    system.check();
    expect(system.fault(a, vpn, ACCESS_READ)).toBe(0);
    expect(byteAt(system, a, vpn)).toBe(7);
    system.check();
  });
});

describe('a fault in a large range without a map entry for the piece that it clips off', () => {
  function large(): Scene {
    const system = bootNetbsd(PLENTY);
    const ids = hear(system);
    const a = system.spawn('A');
    mapAt(system, a, 2 * UVM_AMAP_LARGE);
    return { system, a, ids };
  }

  it('waits for it', () => {
    for (const times of [1, 2, 5]) {
      const { system, a, ids } = large();
      refuse(system, 'map entry', times);
      expect(system.fault(a, BASE + 100, ACCESS_WRITE)).toBe(0);
      expect(ids.filter((id) => id === 'F7')).toHaveLength(times);
      expect(a.map.index).toHaveLength(3);
      system.check();
    }
  });

  it('ends when there is none for ever, with the entry as it was; memory is then waited for as ever', () => {
    const { system, a } = large();
    refuse(system, 'map entry', Number.POSITIVE_INFINITY);
    expect(system.fault(a, BASE + 100, ACCESS_WRITE)).toBe(LOOP);
    expect(a.map.index).toHaveLength(1);
    expect(system.vm.stillRefusing).toBe(true);
    system.vm.allocationFails = null;
    expect(system.vm.stillRefusing).toBe(false);
    system.check();
  });
});

describe('a copy without memory', () => {
  /** A parent and a child that see the same 24 anons. */
  function forked(options: NetbsdOptions): Scene & { b: NetbsdProcess } {
    const scene = anonymous(options, 24);
    const b = scene.system.fork(scene.a, 'B') as NetbsdProcess;
    scene.ids.length = 0;
    return { ...scene, b };
  }

  it('of an anon ends with ENOMEM, and the anon keeps its references', () => {
    const { system, a, b, ids } = forked(NO_SWAP);
    refuse(system, 'frame');
    expect(system.fault(b, BASE, ACCESS_WRITE)).toBe(ENOMEM);
    expect(ids).toEqual(expect.arrayContaining(['F90', 'F41', 'F42', 'F93', 'F135']));
    expect(system.vm.counters.fltnoanon).toBe(1);
    system.check();
    expect(system.fault(b, BASE, ACCESS_WRITE)).toBe(0);
    (system.frameBytes(system.translate(b, BASE, ACCESS_WRITE)) as Uint8Array)[0] = 9;
    expect([byteAt(system, a, BASE), byteAt(system, b, BASE)]).toEqual([7, 9]);
    system.check();
  });

  it('of an anon waits where memory can be had', () => {
    const { system, b, ids } = forked(PLENTY);
    refuse(system, 'frame');
    expect(system.fault(b, BASE, ACCESS_WRITE)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F43', 'F92', 'F37', 'F91']));
    expect(system.vm.counters).toMatchObject({ fltnoram: 1, flt_acow: 2 });
    system.check();
  });

  it('in the kernel map an anon is made with everything unlocked', () => {
    const system = bootNetbsd(PLENTY);
    const ids = hear(system);
    const a = system.spawn('A');
    mapAt(system, a, 4);
    system.vm.kernelMap = a.map;
    expect(system.fault(a, BASE, ACCESS_WRITE)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F39', 'F121', 'F37', 'F44']));
    expect(ids).not.toContain('F38');
    ids.length = 0;
    refuse(system, 'anon');
    expect(system.fault(a, BASE + 1, ACCESS_WRITE)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F39', 'F40', 'F43', 'F37']));
    expect(system.vm.liveAnons).toBe(2);
    system.check();
  });
});

describe('a loan that a write must end', () => {
  it('of an anon, without a frame: waits, and counts nothing unless mended', () => {
    for (const [defects, counted] of [
      ['as-seeded', 0],
      ['mended', 1],
    ] as const) {
      const { system, a, ids } = anonymous({ ...PLENTY, defects }, 1);
      const lent = system.call(a, loanToKernel(system.vm, a, ADDRESS, 1)) as number[];
      refuse(system, 'frame');
      expect(system.fault(a, BASE, ACCESS_WRITE)).toBe(0);
      expect(ids).toEqual(expect.arrayContaining(['F87', 'F86', 'F89']));
      expect(system.vm.counters.fltnoram).toBe(counted);
      (system.frameBytes(system.translate(a, BASE, ACCESS_WRITE)) as Uint8Array)[0] = 8;
      expect(system.frameBytes(lent[0])?.[0]).toBe(7);
      unloanKernel(system.vm, lent);
      system.check();
    }
  });

  it('of a page of a file, without a frame: waits, then the file has a copy', () => {
    const { system, a, ids } = filed('shared');
    const lent = system.call(a, loanToKernel(system.vm, a, ADDRESS, 1)) as number[];
    refuse(system, 'frame');
    expect(system.fault(a, BASE, ACCESS_WRITE)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F116', 'F117', 'F118']));
    expect(system.vm.counters).toMatchObject({ fltnoram: 1, loan_break: 1 });
    expect(system.translate(a, BASE, ACCESS_WRITE)).not.toBe(lent[0]);
    unloanKernel(system.vm, lent);
    system.check();
  });
});

describe('a translation that the pmap refuses', () => {
  it('ends with ENOMEM where nothing can be reclaimed: for an anon', () => {
    const { system, a, ids } = anonymous(NO_SWAP, 24);
    system.protect(a, ADDRESS, PAGE_SIZE, PROT_NONE);
    system.protect(a, ADDRESS, PAGE_SIZE, READ_WRITE);
    system.vm.pmap.failures = 1;
    expect(system.fault(a, BASE, ACCESS_READ)).toBe(ENOMEM);
    expect(ids).toEqual(expect.arrayContaining(['F96', 'F98']));
    expect(system.fault(a, BASE, ACCESS_READ)).toBe(0);
    expect(byteAt(system, a, BASE)).toBe(7);
    system.check();
  });

  it('and for a page of zeros, which stays in the amap', () => {
    const { system, a, ids } = anonymous(NO_SWAP, 24);
    system.advise(a, ADDRESS, PAGE_SIZE, 'free');
    expect(a.map.lookup(BASE)?.amap?.used).toBe(23);
    system.vm.pmap.failures = 1;
    expect(system.fault(a, BASE, ACCESS_WRITE)).toBe(ENOMEM);
    expect(ids).toEqual(expect.arrayContaining(['F125', 'F128', 'F129']));
    expect(a.map.lookup(BASE)?.amap?.used).toBe(24);
    system.check();
  });

  it('of a device is tried again when memory has been found', () => {
    const system = bootNetbsd({ ...PLENTY, devicePages: 4 });
    const ids = hear(system);
    const a = system.spawn('A');
    const device = system.createDevice('D', 4);
    mapAt(system, a, 4, { kind: 'device', device, offset: 0 }, 'shared', READ_WRITE);
    system.vm.pmap.failures = 1;
    expect(system.fault(a, BASE, ACCESS_READ)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F70', 'F71', 'F72']));
    expect(system.vm.counters.pdwoke).toBe(1);
    ids.length = 0;
    expect(system.wire(a, ADDRESS, PAGE_SIZE)).toBe(0);
    expect(system.unwire(a, ADDRESS, PAGE_SIZE)).toBe(0);
    expect(ids).toContain('F143');
    system.check();
  });
});

describe('neighbours', () => {
  /** Takes all translations away and leaves the rest, as protection back and forth does. */
  function forget({ system, a, ids }: Scene, pages: number): void {
    system.protect(a, ADDRESS, pages * PAGE_SIZE, PROT_NONE);
    system.protect(a, ADDRESS, pages * PAGE_SIZE, READ_WRITE);
    ids.length = 0;
  }

  it('behind a sequential reader become candidates for the page daemon, unless away or not there', () => {
    const scene = anonymous(PLENTY, 12);
    const { system, a, ids } = scene;
    const { queues } = system.vm.pages;
    system.pageout(1);
    system.advise(a, ADDRESS + 6 * PAGE_SIZE, PAGE_SIZE, 'free');
    system.advise(a, ADDRESS, 12 * PAGE_SIZE, 'sequential');
    forget(scene, 12);
    const anons = a.map.lookup(BASE)?.amap?.anons ?? [];
    expect([anons[0]?.page, anons[6]]).toEqual([-1, null]);
    expect(system.fault(a, BASE + 8, ACCESS_READ)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F60', 'F61', 'F1', 'F2', 'F4', 'F66']));
    expect(queues.queue[anons[7]?.page ?? -1]).toBe(Q_INACTIVE);
    expect(a.map.pmap.residentCount).toBe(4);
    system.check();
  });

  it('behind a sequential reader that are wired stay as they are', () => {
    const scene = anonymous(PLENTY, 12);
    const { system, a, ids } = scene;
    expect(system.wire(a, ADDRESS, 12 * PAGE_SIZE)).toBe(0);
    system.advise(a, ADDRESS, 12 * PAGE_SIZE, 'sequential');
    forget(scene, 12);
    expect(system.fault(a, BASE + 8, ACCESS_READ)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F61', 'F3']));
    expect(ids).not.toContain('F4');
    expect(system.vm.pages.inactive).toBe(0);
    system.check();
  });

  it('of a wired entry get wired translations, be they of anons or of a file', () => {
    for (const [scene, id] of [
      [anonymous(PLENTY, 8), 'F68'],
      [filed('shared'), 'F78'],
    ] as const) {
      const { system, a, ids } = scene;
      expect(system.wire(a, ADDRESS, 8 * PAGE_SIZE)).toBe(0);
      forget(scene, 8);
      expect(system.fault(a, BASE + 3, ACCESS_READ)).toBe(0);
      expect(ids).toContain(id);
      expect(a.map.pmap.residentCount).toBe(8);
      expect(system.translations(a).every(({ wired }) => wired)).toBe(true);
      system.check();
    }
  });
});

describe('files', () => {
  it('whose disk says "try again" are tried again a second later', () => {
    const { system, a, ids } = filed('shared');
    const file = a.map.lookup(BASE)?.object;
    orderFileErrors(file as never, 0, 1, true);
    const before = system.machine.clock.ns;
    expect(system.fault(a, BASE, ACCESS_READ)).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['F106', 'F113']));
    expect(system.machine.clock.ns - before).toBeGreaterThanOrEqual(1e9);
    expect(byteAt(system, a, BASE)).toBe(3);
    system.check();
  });

  it("copied into an amap that is shared lose everybody's translation of the file's page", () => {
    const { system, a, ids } = filed('private');
    system.fault(a, BASE + 7, ACCESS_WRITE);
    system.inherit(a, ADDRESS, 8 * PAGE_SIZE, 'share');
    const b = system.fork(a, 'B') as NetbsdProcess;
    system.fault(b, BASE, ACCESS_READ);
    expect(system.fault(a, BASE, ACCESS_WRITE)).toBe(0);
    expect(ids).toContain('F124');
    expect(system.translate(b, BASE, ACCESS_READ)).toBe(-1);
    (system.frameBytes(system.translate(a, BASE, ACCESS_WRITE)) as Uint8Array)[0] = 9;
    expect(system.fault(b, BASE, ACCESS_READ)).toBe(0);
    expect(byteAt(system, b, BASE)).toBe(9);
    system.check();
  });
});

describe('maps that nobody should fault in', () => {
  it('panic when they are not pageable, or when what was never mapped is unwired', () => {
    const { system, a, ids } = anonymous(PLENTY, 1);
    expect(() => unwirePages(system.vm, a.map, 0x9000, 0x9001)).toThrow(KernelPanic);
    expect(ids).toEqual(['F138']);
    a.map.pageable = false;
    expect(() => system.fault(a, BASE, ACCESS_READ)).toThrow('VM_MAP_PAGEABLE');
    expect(ids).toEqual(expect.arrayContaining(['F47']));
  });

  it('answer EFAULT where an entry has nothing behind it', () => {
    const system = bootNetbsd(PLENTY);
    const ids = hear(system);
    const a = system.spawn('A');
    system.call(a, reserve(system.vm, a, ADDRESS, 4));
    expect(system.fault(a, BASE, ACCESS_READ)).toBe(EFAULT);
    expect(ids).toContain('F55');
    expect(a.map.lock.holders()).toEqual([]);
    system.check();
  });
});
