/**
 * Garbage in the public API: whatever is passed, a call answers, or throws what its documentation says (a TypeError or RangeError that names something, a signal,
 * the error of a process that has ended), and every invariant of the kernel holds afterwards.
 *
 * A minute in all, a quarter of it a system; the seed is in the name of a failure. FAULTLINE_FUZZ_SECONDS changes how long.
 */
import {
  createMachine,
  KernelHang,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  type Machine,
  MemorySignal,
  PROT_READ,
  PROT_WRITE,
  type Process,
  SYSTEM_NAMES,
} from '@faultline/core';
import { describe, expect, it } from 'vitest';

const SECONDS = Number(process.env.FAULTLINE_FUZZ_SECONDS ?? 60) / SYSTEM_NAMES.length;
/** Calls between two looks at every invariant. */
const CHECK_EVERY = 50;

/** A small generator of pseudo-random numbers: below `most`. */
type Random = (most: number) => number;

function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}

const pick = <T>(random: Random, things: readonly T[]): T => things[random(things.length)] as T;

/** What nobody should pass. */
const GARBAGE: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  -4096,
  0.5,
  4096.5,
  2 ** 31,
  2 ** 32,
  2 ** 47,
  2 ** 52,
  2 ** 53,
  2 ** 63,
  -0,
  '4096',
  '',
  4096n,
  -1n,
  2n ** 64n,
  true,
  {},
  [],
  [4096],
  () => 4096,
  Symbol('address'),
  { valueOf: () => 4096 },
  new Uint8Array(3),
  new Float64Array(2),
  new ArrayBuffer(8),
  Object.create(null),
];

/** Numbers that a call may well be meant with. */
const PLAUSIBLE: readonly number[] = [
  0,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  16,
  0x1000,
  0x1012,
  0x1002,
  0x1001,
  0x1fff,
  0x10000,
  0x10800,
  0x11000,
  0x12ffe,
  0x8000000,
  0x8003000,
  0x800000000,
  0x7ffffffff000,
  0x7fffffffe000,
  8192,
  65536,
  2 ** 20,
];

const BUFFERS: readonly Uint8Array[] = [new Uint8Array(0), new Uint8Array(16), new Uint8Array(10_000)];
const PATHS: readonly string[] = ['/a', '/b', '/c', '/none'];

function argument(random: Random): unknown {
  switch (random(8)) {
    case 0:
      return pick(random, GARBAGE);
    case 1:
      return pick(random, BUFFERS);
    case 2:
      return pick(random, PATHS);
    default:
      return pick(random, PLAUSIBLE);
  }
}

const PROCESS_CALLS: readonly (keyof Process)[] = [
  'mmap',
  'munmap',
  'mprotect',
  'madvise',
  'minherit',
  'mlock',
  'munlock',
  'mlockall',
  'munlockall',
  'msync',
  'mincore',
  'brk',
  'sbrk',
  'open',
  'close',
  'read',
  'write',
  'pread',
  'pwrite',
  'ftruncate',
  'fsync',
  'unlink',
  'dup',
  'lseek',
  'copyin',
  'copyout',
  'touch',
  'load8',
  'load16',
  'load32',
  'load64',
  'store8',
  'store16',
  'store32',
  'store64',
  'fetch32',
  'compareAndSwap32',
  'compareAndSwap64',
  'fork',
  'vfork',
  'clone',
  'exec',
  'exit',
  'setLimits',
  'usage',
  'maps',
  'mapsText',
];
const MACHINE_CALLS: readonly (keyof Machine)[] = [
  'spawn',
  'createFile',
  'createPager',
  'exists',
  'status',
  'paths',
  'sync',
  'pageout',
  'restore',
];
/** Calls that would take long, or end what the others need, come seldom. */
const SELDOM: ReadonlySet<string> = new Set([
  'exit',
  'exec',
  'vfork',
  'restore',
  'createFile',
  'createPager',
  'setLimits',
]);

function expected(error: unknown): boolean {
  if (error instanceof MemorySignal || error instanceof RangeError || error instanceof TypeError) return true;
  // csrg waits for memory for ever when nothing can be freed: its documented end.
  if (error instanceof KernelHang) return false;
  return (
    error instanceof Error && /has exited|was killed|waits for its vfork child|after the snapshot/.test(error.message)
  );
}

function shown(value: unknown): string {
  if (typeof value === 'function' || typeof value === 'symbol') return typeof value;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'string'
    ? `'${value}'`
    : Object.prototype.toString.call(value) === '[object Object]'
      ? '{}'
      : String(value);
}

class Fuzz {
  readonly machine: Machine;
  private readonly log: string[] = [];

  constructor(
    system: Machine['system'],
    private readonly random: Random,
  ) {
    this.machine = createMachine({
      system,
      memory: 256 * 4096,
      swap: 1024 * 4096,
      files: { '/a': 9000, '/b': new Uint8Array(100) },
    });
  }

  /** A process that can be called; a new one with some memory when there are too few. */
  private process(): Process {
    const { machine, random } = this;
    const all = machine.processes;
    if (all.length > 6) this.tolerantly(() => pick(random, all).exit());
    if (all.length > 0 && random(20) !== 0) return pick(random, machine.processes.length > 0 ? machine.processes : all);
    const fresh = machine.spawn('fuzzed');
    fresh.mmap(0x10000, 4 * 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE | MAP_FIXED);
    return fresh;
  }

  step(): void {
    const { random } = this;
    const onMachine = random(15) === 0;
    const target = (onMachine ? this.machine : this.process()) as unknown as Record<
      string,
      (...args: unknown[]) => unknown
    >;
    const name = pick(random, onMachine ? MACHINE_CALLS : PROCESS_CALLS) as string;
    if (SELDOM.has(name) && random(10) !== 0) return;
    const args = Array.from({ length: random(6) }, () => argument(random));
    this.log.push(`${name}(${args.map(shown).join(', ')})`);
    if (this.log.length > 30) this.log.shift();
    this.tolerantly(() => (target[name] as (...args: unknown[]) => unknown)(...args));
  }

  private tolerantly(call: () => unknown): void {
    try {
      call();
    } catch (error) {
      if (!expected(error)) throw this.failure(error);
    }
  }

  check(): void {
    try {
      this.machine.check();
    } catch (error) {
      throw this.failure(error);
    }
  }

  private failure(error: unknown): Error {
    return new Error(`after\n  ${this.log.join('\n  ')}\n${(error as Error).stack}`);
  }
}

describe.each(SYSTEM_NAMES)('garbage on %s', (system) => {
  it('never breaks the machine', () => {
    const end = performance.now() + SECONDS * 1000;
    let calls = 0;
    for (let seed = 1; performance.now() < end; seed++) {
      const fuzz = new Fuzz(system, randomOf(seed * 7919));
      try {
        for (let i = 1; i <= 1000 && performance.now() < end; i++, calls++) {
          fuzz.step();
          if (i % CHECK_EVERY === 0) fuzz.check();
        }
        fuzz.check();
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`);
      }
    }
    expect(calls).toBeGreaterThan(1000);
  });
});
