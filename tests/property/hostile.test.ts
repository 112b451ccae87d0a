/**
 * The contract of every finished system, called with everything that it should not be called with.
 *
 * The answer is a TypeError or RangeError that names the argument, or what the kernel would say; never another error, and never a
 * broken machine: afterwards every invariant holds and a program runs as before.
 */
import type { SystemName, SystemOptions, VmFile, VmProcess, VmSystem } from '@faultline/core';
import { bootSystem, failed, KernelHang, KernelPanic, MemoryStore, PAGE_SIZE } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { RULED } from './rules.js';
import { Dice } from './scenario-generator.js';

const GARBAGE: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -1,
  -PAGE_SIZE,
  1.5,
  -0.5,
  2 ** 31,
  2 ** 32,
  2 ** 47,
  2 ** 53,
  2 ** 64,
  1e300,
  '4096',
  '',
  'toString',
  '__proto__',
  true,
  [],
  {},
  () => 1,
  BigInt(1),
  Symbol('x'),
];

/** A machine with some life in it. */
class Rig {
  readonly system: VmSystem;
  readonly process: VmProcess;
  readonly file: VmFile;

  constructor(name: SystemName) {
    this.system = bootSystem(name, { memoryPages: 128, swapPages: 64, devicePages: 64, defects: 'mended' });
    this.process = this.system.spawn('victim');
    this.file = this.system.createFile('data', new MemoryStore(Uint8Array.from({ length: 9000 }, (_, k) => k % 251)));
    this.map(16, 12);
    this.map(64, 4, { kind: 'file', file: this.file, offset: 0 });
    for (let vpn = 16; vpn < 28; vpn++) this.touch(vpn, 1);
  }

  map(page: number, pages: number, backing: object = { kind: 'anon' }): unknown {
    return this.system.map(this.process, this.request(page, pages, backing) as never);
  }

  request(page: number, pages: number, backing: object): Record<string, unknown> {
    const range = { address: page * PAGE_SIZE, length: pages * PAGE_SIZE };
    return { ...range, protection: 3, sharing: 'private', fixed: true, backing };
  }

  touch(vpn: number, access: 0 | 1): Uint8Array {
    const { system, process } = this;
    for (let tries = 0; tries < 3; tries++) {
      const frame = system.translate(process, vpn, access);
      if (frame >= 0) return system.frameBytes(frame) as Uint8Array;
      expect(system.faultCodeName(system.fault(process, vpn, access))).toBe(system.faultCodeName(system.faultSuccess));
    }
    throw new Error('the page faults for ever');
  }

  /** The machine is whole and still does what it is for. */
  expectWell(): void {
    this.system.check();
    expect(failed(this.map(1000, 4) as never)).toBe(false);
    this.touch(1001, 1)[7] = 99;
    expect(this.touch(1001, 0)[7]).toBe(99);
    expect(this.system.unmap(this.process, 1000 * PAGE_SIZE, 4 * PAGE_SIZE)).toBe(0);
    this.system.check();
  }
}

interface Method {
  readonly name: keyof VmSystem;
  /** Names of the arguments, as the messages must say them. */
  readonly names: readonly string[];
  readonly good: (rig: Rig) => unknown[];
}

const call = (name: keyof VmSystem, last: string[] = [], ...more: unknown[]): Method => ({
  name,
  names: ['process', 'address', 'length', ...last],
  good: ({ process }) => [process, 16 * PAGE_SIZE, 2 * PAGE_SIZE, ...more],
});

const METHODS: readonly Method[] = [
  { name: 'createFile', names: ['name', 'store'], good: () => ['other', new MemoryStore(100)] },
  { name: 'createDevice', names: ['name', 'pages', 'fill'], good: () => ['device', 1, () => {}] },
  { name: 'spawn', names: ['name'], good: () => ['another'] },
  { name: 'fork', names: ['process', 'name'], good: ({ process }) => [process, 'child'] },
  { name: 'exit', names: ['process'], good: ({ system }) => [system.spawn('short-lived')] },
  {
    name: 'map',
    names: ['process', 'request', 'address'],
    good: (rig) => [rig.process, rig.request(40, 2, { kind: 'anon' })],
  },
  call('unmap'),
  call('protect', ['protection'], 3),
  call('advise', ['advice'], 'normal'),
  call('inherit', ['how'], 'copy'),
  call('wire'),
  call('unwire'),
  call('sync'),
  { name: 'brk', names: ['process', 'address'], good: ({ process }) => [process, 0x900000] },
  { name: 'translate', names: ['process', 'vpn', 'access'], good: ({ process }) => [process, 16, 0] },
  { name: 'fault', names: ['process', 'vpn', 'access'], good: ({ process }) => [process, 16, 0] },
  { name: 'addressSpaceNumber', names: ['process'], good: ({ process }) => [process] },
  { name: 'frameBytes', names: ['frame'], good: () => [0] },
  { name: 'pageout', names: ['pages'], good: () => [1] },
  { name: 'translations', names: ['process'], good: ({ process }) => [process] },
  { name: 'entries', names: ['process'], good: ({ process }) => [process] },
  { name: 'backing', names: ['process', 'address'], good: ({ process }) => [process, 16 * PAGE_SIZE] },
];

/** Calls it. A complaint must be a TypeError or RangeError and say which argument it means. */
function attempt(rig: Rig, name: keyof VmSystem, args: readonly unknown[], named: readonly string[]): unknown {
  const method = rig.system[name] as (...args: unknown[]) => unknown;
  try {
    return method.apply(rig.system, [...args]);
  } catch (error) {
    const good = error instanceof TypeError || error instanceof RangeError;
    const what = `${name}(${args.map((one) => describeValue(one)).join(', ')})`;
    if (!good) throw new Error(`${what} threw ${(error as Error).stack}`);
    const { message } = error;
    if (!named.some((word) => message.includes(word))) throw new Error(`${what}: '${message}' names no argument`);
    return error;
  }
}

function describeValue(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

describe.each(RULED)('%s', (system) => {
  it.each(METHODS)('$name: each argument in turn is garbage', ({ name, names, good }) => {
    const rig = new Rig(system);
    names.forEach((argument, at) => {
      if (at >= good(rig).length) return;
      for (const value of GARBAGE) {
        const args = good(rig);
        args[at] = value;
        attempt(rig, name, args, argument === 'request' ? ['request', 'address'] : [argument, 'device frames']);
      }
    });
    rig.expectWell();
  });

  it.each(METHODS.filter(({ names }) => names[0] === 'process'))(
    '$name: a process that is none of its own',
    (method) => {
      const rig = new Rig(system);
      const gone = rig.system.spawn('gone');
      rig.system.exit(gone);
      const foreign = new Rig(system).process;
      for (const process of [foreign, { id: 1, name: 'forged', alive: true, usage: {} }, rig.file, rig.system]) {
        const args = method.good(rig);
        args[0] = process;
        expect(attempt(rig, method.name, args, ['process'])).toBeInstanceOf(TypeError);
      }
      const args = method.good(rig);
      args[0] = gone;
      const answer = attempt(rig, method.name, args, ['exited']);
      // To end what has ended is no mistake.
      if (method.name !== 'exit') expect(answer).toBeInstanceOf(RangeError);
      rig.expectWell();
    },
  );

  it('map: each part of the request in turn is garbage', () => {
    const rig = new Rig(system);
    const device = rig.system.createDevice('device', 2);
    const backings = [
      { kind: 'anon' },
      { kind: 'file', file: rig.file, offset: 0 },
      { kind: 'device', device, offset: 0 },
    ];
    for (const backing of backings) {
      const request = rig.request(40, 2, backing);
      for (const part of Object.keys(request)) {
        for (const value of GARBAGE) attempt(rig, 'map', [rig.process, { ...request, [part]: value }], [part]);
      }
      for (const part of Object.keys(backing)) {
        for (const value of GARBAGE) {
          attempt(rig, 'map', [rig.process, { ...request, backing: { ...backing, [part]: value } }], ['backing']);
        }
      }
    }
    rig.expectWell();
  });

  it('map: files and devices of another machine, and one in the place of the other', () => {
    const rig = new Rig(system);
    const other = new Rig(system);
    const device = rig.system.createDevice('device', 2);
    for (const backing of [
      { kind: 'file', file: other.file, offset: 0 },
      { kind: 'device', device: other.system.createDevice('theirs', 2), offset: 0 },
    ]) {
      expect(attempt(rig, 'map', [rig.process, rig.request(40, 2, backing)], ['backing'])).toBeInstanceOf(TypeError);
    }
    for (const backing of [
      { kind: 'file', file: device, offset: 0 },
      { kind: 'device', device: rig.file, offset: 0 },
    ]) {
      expect(attempt(rig, 'map', [rig.process, rig.request(40, 2, backing)], ['backing'])).toBeInstanceOf(TypeError);
    }
    rig.expectWell();
  });

  it('protection bits that no kernel knows are ignored or refused, and never reach a page table', () => {
    const rig = new Rig(system);
    for (const protection of [8, 0x10, 0xff, 0xffff_fff8, 2 ** 40 + 3]) {
      rig.system.map(rig.process, { ...rig.request(40, 2, { kind: 'anon' }), protection } as never);
      rig.system.fault(rig.process, 40, 0);
      rig.system.protect(rig.process, 16 * PAGE_SIZE, PAGE_SIZE, protection);
      rig.system.check();
      for (const entry of rig.system.entries(rig.process)) expect(entry.protection).toBeLessThanOrEqual(7);
    }
    rig.expectWell();
  });

  it('huge ranges are answered at once', () => {
    const rig = new Rig(system);
    const anywhere = { ...rig.request(0, 2 ** 33, { kind: 'anon' }), fixed: false };
    const address = rig.system.map(rig.process, anywhere as never) as number;
    expect(failed(address as never)).toBe(false);
    const length = 2 ** 45;
    for (const advice of ['normal', 'willneed', 'dontneed', 'free'] as const) {
      rig.system.advise(rig.process, address, length, advice);
    }
    rig.system.protect(rig.process, address, length, 1);
    rig.system.inherit(rig.process, address, length, 'share');
    rig.system.sync(rig.process, address, length);
    expect(failed(rig.system.wire(rig.process, address, length))).toBe(true);
    // A system may have no room to share so much.
    const child = rig.system.fork(rig.process, 'child');
    if (typeof child === 'string') expect(child).toBe('ENOMEM');
    else rig.system.exit(child);
    expect(rig.system.unmap(rig.process, address, length)).toBe(0);
    rig.expectWell();
  });

  it('any arguments in any order, 20000 times', () => {
    const rig = new Rig(system);
    const dice = new Dice(7);
    for (let i = 0; i < 20_000; i++) {
      const { name, names, good } = dice.pick(METHODS);
      if (name === 'spawn' || name === 'fork') continue;
      const args = good(rig).map((value) => (dice.chance(3) ? dice.pick(GARBAGE) : value));
      try {
        attempt(rig, name, args, names);
      } catch (error) {
        if (error instanceof KernelPanic || error instanceof KernelHang) throw error;
        throw new Error(`call ${i}: ${(error as Error).message}`);
      }
    }
    rig.expectWell();
  });

  it('options: each in turn is garbage', () => {
    const words: Readonly<Record<keyof SystemOptions, RegExp>> = {
      memoryPages: /memoryPages|frames/,
      swapPages: /swapPages/,
      swapStore: /swapStore/,
      devicePages: /devicePages|frames/,
      contents: /contents|buffer/,
      tlb: /tlb|translation table/,
      cpus: /CPUs|cpus/,
      costs: /cost/,
      defects: /defects/,
    };
    for (const [option, named] of Object.entries(words)) {
      for (const value of GARBAGE) {
        if (value === undefined || (option === 'memoryPages' && typeof value === 'number' && value >= 2 ** 31))
          continue;
        try {
          bootSystem(system, { memoryPages: 96, [option]: value } as never).check();
        } catch (error) {
          expect(error instanceof TypeError || error instanceof RangeError, `${option}: ${error}`).toBe(true);
          expect((error as Error).message).toMatch(named);
        }
      }
    }
  });
});

it('bootSystem wants the name of a system', () => {
  for (const name of GARBAGE) expect(() => bootSystem(name as SystemName)).toThrow(RangeError);
});
