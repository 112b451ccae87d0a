/**
 * Random operations on a small machine with files, a device, swap and too little memory; every invariant after each. A failing run names
 * its seed, and is repeated by it.
 */
import { describe, expect, test } from 'vitest';
import { KernelHang, KernelPanic } from '../kernel/errors.js';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import type { Inheritance, MapBacking, Sharing, VmProcess } from '../vm/system.js';
import { bootCsrg, type CsrgSystem } from './system.js';

/** mulberry32. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below) | 0;
  };
}

const FIRST_PAGE = 16;
const PAGES = 48;
const PROCESSES_MAX = 5;

class Run {
  readonly system: CsrgSystem;
  readonly random: (below: number) => number;
  readonly processes: VmProcess[] = [];
  readonly backings: readonly MapBacking[];
  private born = 0;
  log: string[] = [];

  constructor(seed: number, defects: 'as-seeded' | 'mended') {
    this.random = randomFrom(seed);
    this.system = bootCsrg({ memoryPages: 40, swapPages: 64 * this.random(3), devicePages: 8, defects });
    const file = this.system.createFile('F', new MemoryStore(16 * PAGE_SIZE - 100));
    const small = this.system.createFile('G', new MemoryStore(3 * PAGE_SIZE));
    const device = this.system.createDevice('D', 8);
    this.backings = [
      { kind: 'anon' },
      { kind: 'anon' },
      { kind: 'file', file, offset: 0 },
      { kind: 'file', file, offset: 4 * PAGE_SIZE },
      { kind: 'file', file: small, offset: 0 },
      { kind: 'device', device, offset: 0 },
    ];
    this.spawn();
  }

  private spawn(): void {
    this.processes.push(this.system.spawn(`P${this.born++}`));
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random(list.length)] as T;
  }

  /** One access, faulting as often as the hardware would. */
  private access(process: VmProcess, vpn: number): void {
    const access = this.random(2) === 0 ? ACCESS_READ : ACCESS_WRITE;
    for (let faults = 0; faults < 8; faults++) {
      if (this.system.translate(process, vpn, access) >= 0) return;
      if (this.system.fault(process, vpn, access) !== this.system.faultSuccess) return;
    }
    throw new Error('an access faults for ever');
  }

  step(): void {
    const { system } = this;
    const process = this.pick(this.processes);
    const vpn = FIRST_PAGE + this.random(PAGES);
    const pages = 1 + this.random(8);
    const address = vpn * PAGE_SIZE;
    const length = pages * PAGE_SIZE;
    const what = this.random(100);
    this.log.push(`${what} ${process.name} ${vpn} ${pages}`);
    if (what < 50) this.access(process, vpn);
    else if (what < 62) this.map(process, address, length);
    else if (what < 67) system.protect(process, address, length, this.random(8));
    else if (what < 71) system.unmap(process, address, length);
    else if (what < 75) system.inherit(process, address, length, this.pick<Inheritance>(['share', 'copy', 'none']));
    else if (what < 78) system.wire(process, address, this.random(3) * PAGE_SIZE);
    else if (what < 82) system.unwire(process, address, length);
    else if (what < 85) system.sync(process, address, length);
    else if (what < 89) system.pageout(this.random(6));
    else if (what < 93) this.fork(process);
    else if (what < 96) this.exit(process);
    else if (what < 98) system.brk(process, (FIRST_PAGE + PAGES + this.random(8)) * PAGE_SIZE);
    else this.access(process, FIRST_PAGE + PAGES + this.random(8));
  }

  private map(process: VmProcess, address: number, length: number): void {
    const request = { address, length, protection: this.pick([7, 3, 3, 1, 5, 0]), fixed: true };
    const sharing = this.pick<Sharing>(['private', 'shared']);
    this.system.map(process, { ...request, sharing, backing: this.pick(this.backings) });
  }

  private fork(process: VmProcess): void {
    if (this.processes.length === PROCESSES_MAX) return;
    const child = this.system.fork(process, `P${this.born++}`);
    if (typeof child !== 'string') this.processes.push(child);
  }

  private exit(process: VmProcess): void {
    this.processes.splice(this.processes.indexOf(process), 1);
    this.system.exit(process);
    if (this.processes.length === 0) this.spawn();
  }
}

/** Runs to the end, or until the kernel panics or hangs, which is an end like any other. Answers the operations made. */
function run(seed: number, operations: number, defects: 'as-seeded' | 'mended'): number {
  const it = new Run(seed, defects);
  let done = 0;
  try {
    for (; done < operations; done++) {
      it.step();
      it.system.check();
    }
  } catch (error) {
    if (error instanceof KernelHang || error instanceof KernelPanic) return done;
    throw new Error(`seed ${seed}, ${defects}, operation ${done} (${it.log.slice(-1)}): ${error}`, { cause: error });
  }
  return done;
}

describe.each(['as-seeded', 'mended'] as const)('random operations, %s', (defects) => {
  test('leave every invariant standing', () => {
    let done = 0;
    for (let seed = 1; done < OPERATIONS; seed++) done += run(seed, 400, defects);
    expect(done).toBeGreaterThanOrEqual(OPERATIONS);
  });
});

const OPERATIONS = Number(process.env.FAULTLINE_OPERATIONS ?? 100_000);
