/** Faults that scripts cannot show: exhausted memory, defects both ways, and the checker itself. */
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import { EIO, ENOMEM } from './codes.js';
import { loanToKernel, orderSwapErrors } from './own-commands.js';
import type { NetbsdOptions, NetbsdSystem } from './system.js';
import { bootNetbsd } from './system.js';

const BASE = 0x10;

function anonymous(options: NetbsdOptions, pages: number) {
  const system = bootNetbsd(options);
  const process = system.spawn('A');
  system.map(process, {
    address: BASE * PAGE_SIZE,
    length: pages * PAGE_SIZE,
    protection: PROT_READ | PROT_WRITE,
    sharing: 'private',
    backing: { kind: 'anon' },
    fixed: true,
  });
  return { system, process };
}

function deviceWith(options: NetbsdOptions): { system: NetbsdSystem; touch: () => number } {
  const system = bootNetbsd({ ...options, devicePages: 16 });
  const process = system.spawn('A');
  const device = system.createDevice('D', 16);
  const address = BASE * PAGE_SIZE;
  const length = 16 * PAGE_SIZE;
  const backing = { kind: 'device', device, offset: 0 } as const;
  system.map(process, { address, length, protection: PROT_READ, sharing: 'shared', backing, fixed: true });
  system.advise(process, address, length, 'sequential');
  return { system, touch: () => system.fault(process, BASE + 8, ACCESS_READ) };
}

describe('a fault', () => {
  it('ends with ENOMEM when there is neither memory nor swap, and leaks nothing', () => {
    const { system, process } = anonymous({ memoryPages: 40 }, 64);
    let code = 0;
    for (let page = 0; page < 64 && code === 0; page++) code = system.fault(process, BASE + page, ACCESS_WRITE);
    expect(code).toBe(ENOMEM);
    system.check();
    system.exit(process);
    system.check();
    expect(system.vm.pages.free).toBe(40);
    expect(system.vm.liveAnons).toBe(0);
  });

  it('fails, never hangs, when any allocation of frames or anons is refused', () => {
    for (const kind of ['frame', 'anon', 'amap'] as const) {
      const { system, process } = anonymous({ swapPages: 32 }, 4);
      let refused = 0;
      system.vm.allocationFails = (asked) => asked === kind && refused++ < 3;
      expect(system.fault(process, BASE, ACCESS_WRITE)).toBe(0);
      expect(refused).toBeGreaterThan(3);
      system.check();
    }
  });
});

describe('defects', () => {
  it('oddity 3: sequential advice over a device panics only when restored', () => {
    expect(deviceWith({}).touch()).toBe(0);
    expect(() => deviceWith({ deadlyDefects: true }).touch()).toThrow('null pgo_put');
  });

  it('oddity 7: "try again" from swap loses the data as seeded, not mended', () => {
    for (const [defects, code] of [
      ['as-seeded', EIO],
      ['mended', 0],
    ] as const) {
      const { system, process } = anonymous(
        { memoryPages: 64, swapPages: 32, swapStore: new MemoryStore(), defects },
        1,
      );
      expect(system.fault(process, BASE, ACCESS_WRITE)).toBe(0);
      system.pageout(1);
      orderSwapErrors(system.vm, 1, true);
      expect(system.fault(process, BASE, ACCESS_READ)).toBe(code);
      system.check();
    }
  });
});

describe('a page on loan', () => {
  it('is seen by its borrower unchanged after the lender writes', () => {
    const { system, process } = anonymous({}, 1);
    system.fault(process, BASE, ACCESS_WRITE);
    const before = system.translate(process, BASE, ACCESS_WRITE);
    (system.frameBytes(before) as Uint8Array)[0] = 7;
    const lent = system.call(process, loanToKernel(system.vm, process, BASE * PAGE_SIZE, 1)) as number[];
    expect(system.translate(process, BASE, ACCESS_WRITE)).toBe(-1);
    system.fault(process, BASE, ACCESS_WRITE);
    (system.frameBytes(system.translate(process, BASE, ACCESS_WRITE)) as Uint8Array)[0] = 9;
    expect(system.frameBytes(lent[0])?.[0]).toBe(7);
    system.check();
  });
});

describe('the checker', () => {
  it('finds a reference too many', () => {
    const { system, process } = anonymous({}, 1);
    system.fault(process, BASE, ACCESS_WRITE);
    const anon = system.vm.anons[1];
    if (anon !== null) anon.ref++;
    expect(() => system.check()).toThrow('references');
  });
});
