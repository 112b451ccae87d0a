/**
 * A hundred thousand random operations against models in plain code: a guest's page tables walked by hand, and private memory under fork.
 *
 * The seed of the run is in the name of the test; the models know nothing of objects, pagers or the page daemon, which runs in between.
 */
import { describe, expect, it } from 'vitest';
import { PatternStore } from '../scenario/pattern.js';
import { adviseWith, mapWith, setMap } from './commands.js';
import { VPTE_M, VPTE_R, VPTE_V, VPTE_W } from './fault-vpagetable.js';
import type { DragonflyProcess } from './process.js';
import { bootDragonfly, type DragonflySystem } from './system.js';

const PAGE = 4096;
const RAM = 0x800000;
const USER = 0x400000;
const ANON = 0x2000000;
const RAM_PAGES = 64;
const USER_PAGES = 16;
const FIRST_DATA = 8;
const OPERATIONS = 100_000;
const CHECK_EVERY = 250;

/** xorshift32: the same run again from the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** One access as a program makes it: the frame, or the name of the handler's refusal. */
function access(system: DragonflySystem, process: DragonflyProcess, vpn: number, store: boolean): number | string {
  for (let tries = 0; tries < 8; tries++) {
    const frame = system.translate(process, vpn, store ? 1 : 0);
    if (frame >= 0) return frame;
    const code = system.fault(process, vpn, store ? 1 : 0);
    if (code !== system.faultSuccess) return system.faultCodeName(code);
  }
  return 'LOOP';
}

function reach(system: DragonflySystem, process: DragonflyProcess, address: number, store: boolean): DataView {
  const frame = access(system, process, Math.floor(address / PAGE), store);
  if (typeof frame === 'string') throw new Error(`${address.toString(16)}: ${frame}`);
  const bytes = system.frameBytes(frame) as Uint8Array;
  return new DataView(bytes.buffer, bytes.byteOffset + (address % PAGE));
}

/** A guest whose tables take the first four frames of its memory, and the model that walks them. */
class Guest {
  private readonly process: DragonflyProcess;
  private readonly bytes: number[];
  private readonly entries = new Array<number>(USER_PAGES).fill(0);
  private readonly stored = new Set<number>();

  constructor(
    private readonly system: DragonflySystem,
    private readonly random: (below: number) => number,
  ) {
    const process = system.spawn('guest');
    this.process = process;
    const file = system.createFile('M', new PatternStore(RAM_PAGES * PAGE));
    const backing = { kind: 'file', file, offset: 0 } as const;
    const common = { protection: 3, sharing: 'shared', backing, fixed: true } as const;
    system.map(process, { ...common, address: RAM, length: RAM_PAGES * PAGE });
    mapWith(system, process, { ...common, address: USER, length: USER_PAGES * PAGE }, { vpagetable: true });
    this.bytes = Array.from({ length: RAM_PAGES }, (_, i) => reach(system, process, RAM + i * PAGE, false).getUint8(0));
    const all = VPTE_V | VPTE_R | VPTE_W;
    // The window lies at page 0 of its own index space: entry 0 of each directory names the next table.
    for (let level = 0; level < 3; level++) this.poke(level, 0, (level + 1) * PAGE + all);
    for (let i = 0; i < USER_PAGES; i++) this.poke(3, i, 0);
    setMap(system, process, USER, USER_PAGES * PAGE, { high: 0, low: all });
  }

  private poke(table: number, index: number, low: number): void {
    const view = reach(this.system, this.process, RAM + table * PAGE + index * 8, true);
    view.setUint32(0, low, true);
    view.setUint32(4, 0, true);
  }

  step(): void {
    const page = this.random(USER_PAGES);
    const kind = this.random(4);
    if (kind === 0) this.change(page);
    else if (kind === 1) this.store(page);
    else if (kind === 2) this.load(page);
    else this.throughRam();
  }

  private change(page: number): void {
    const flags = [0, VPTE_V, VPTE_V | VPTE_R, VPTE_V | VPTE_R | VPTE_W][this.random(4)] as number;
    const entry = (FIRST_DATA + this.random(RAM_PAGES - FIRST_DATA)) * PAGE + flags;
    this.poke(3, page, entry);
    adviseWith(this.system, this.process, USER + page * PAGE, PAGE, 'inval');
    this.entries[page] = entry;
    this.stored.delete(page);
  }

  private store(page: number): void {
    const entry = this.entries[page] as number;
    const frame = access(this.system, this.process, USER / PAGE + page, true);
    if ((entry & (VPTE_V | VPTE_W)) !== (VPTE_V | VPTE_W)) {
      expect(frame).toBe('KERN_FAILURE');
      return;
    }
    const value = this.random(256);
    (this.system.frameBytes(frame as number) as Uint8Array)[0] = value;
    this.bytes[entry >>> 12] = value;
    this.stored.add(page);
  }

  private load(page: number): void {
    const entry = this.entries[page] as number;
    const frame = access(this.system, this.process, USER / PAGE + page, false);
    if ((entry & (VPTE_V | VPTE_R)) !== (VPTE_V | VPTE_R)) {
      expect(frame).toBe('KERN_FAILURE');
      return;
    }
    expect((this.system.frameBytes(frame as number) as Uint8Array)[0]).toBe(this.bytes[entry >>> 12]);
    const word = reach(this.system, this.process, RAM + 3 * PAGE + page * 8, false).getUint32(0, true);
    expect((word & VPTE_M) !== 0).toBe(this.stored.has(page));
  }

  private throughRam(): void {
    const frame = FIRST_DATA + this.random(RAM_PAGES - FIRST_DATA);
    const value = this.random(256);
    reach(this.system, this.process, RAM + frame * PAGE, true).setUint8(0, value);
    this.bytes[frame] = value;
  }
}

/** Processes with private memory that fork, write, read and exit. */
class Families {
  private readonly living: { process: DragonflyProcess; bytes: number[] }[] = [];

  constructor(
    private readonly system: DragonflySystem,
    private readonly random: (below: number) => number,
  ) {}

  step(): void {
    if (this.living.length === 0) this.begin();
    const at = this.random(this.living.length);
    const { process, bytes } = this.living[at] as { process: DragonflyProcess; bytes: number[] };
    const page = this.random(bytes.length);
    const kind = this.random(64);
    if (kind === 0 && this.living.length < 6) {
      const child = this.system.fork(process, 'child') as DragonflyProcess;
      this.living.push({ process: child, bytes: [...bytes] });
    } else if (kind === 1) {
      this.system.exit(process);
      this.living.splice(at, 1);
    } else if (kind < 32) {
      const value = this.random(256);
      reach(this.system, process, ANON + page * PAGE, true).setUint8(0, value);
      bytes[page] = value;
    } else {
      expect(reach(this.system, process, ANON + page * PAGE, false).getUint8(0)).toBe(bytes[page]);
    }
  }

  private begin(): void {
    const process = this.system.spawn('first');
    const backing = { kind: 'anon' } as const;
    const request = {
      address: ANON,
      length: 24 * PAGE,
      protection: 3,
      sharing: 'private',
      backing,
      fixed: true,
    } as const;
    this.system.map(process, request);
    this.living.push({ process, bytes: new Array<number>(24).fill(0) });
  }
}

describe.each(['as-seeded', 'mended'] as const)('%s', (defects) => {
  it('100,000 operations from seed 20110119 agree with the models', () => {
    const random = randomFrom(20110119);
    const system = bootDragonfly({ memoryPages: 512, swapPages: 1024, defects });
    const guest = new Guest(system, random);
    const families = new Families(system, random);
    for (let i = 0; i < OPERATIONS; i++) {
      if (random(2) === 0) guest.step();
      else families.step();
      if (random(500) === 0) system.pageout(random(64));
      if (i % CHECK_EVERY === 0) system.check();
    }
    system.check();
  });
});
