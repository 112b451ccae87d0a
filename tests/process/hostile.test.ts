/**
 * Garbage in the public API: whatever is passed, a call answers, or throws what its documentation says (a TypeError or RangeError that begins with the name of
 * one of the call's arguments, a signal, the error of a process that has ended), and every invariant of the kernel holds afterwards.
 *
 * A minute in all, a quarter of it a system; the seed is in the name of a failure. FAULTLINE_FUZZ_SECONDS changes how long.
 */
import {
  createAsyncMachine,
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

/** Calls by name, with the names of their arguments. */
type Calls<T> = readonly (readonly [name: keyof T, ...names: string[]])[];

const PROCESS_CALLS: Calls<Process> = [
  ['mmap', 'address', 'length', 'protection', 'flags', 'fd', 'offset'],
  ['munmap', 'address', 'length'],
  ['mprotect', 'address', 'length', 'protection'],
  ['madvise', 'address', 'length', 'advice'],
  ['minherit', 'address', 'length', 'how'],
  ['mlock', 'address', 'length'],
  ['munlock', 'address', 'length'],
  ['mlockall', 'flags'],
  ['munlockall'],
  ['msync', 'address', 'length', 'flags'],
  ['mincore', 'address', 'length', 'vector'],
  ['brk', 'address'],
  ['sbrk', 'increment'],
  ['open', 'path', 'flags'],
  ['close', 'fd'],
  ['read', 'fd', 'address', 'length'],
  ['write', 'fd', 'address', 'length'],
  ['pread', 'fd', 'address', 'length', 'offset'],
  ['pwrite', 'fd', 'address', 'length', 'offset'],
  ['ftruncate', 'fd', 'length'],
  ['fsync', 'fd'],
  ['unlink', 'path'],
  ['dup', 'fd'],
  ['lseek', 'fd', 'offset'],
  ['copyin', 'address', 'into'],
  ['copyout', 'from', 'address'],
  ['touch', 'address', 'length', 'access'],
  ['load8', 'address'],
  ['load16', 'address'],
  ['load32', 'address'],
  ['load64', 'address'],
  ['store8', 'address', 'value'],
  ['store16', 'address', 'value'],
  ['store32', 'address', 'value'],
  ['store64', 'address', 'value'],
  ['fetch32', 'address'],
  ['compareAndSwap32', 'address', 'expected', 'replacement'],
  ['compareAndSwap64', 'address', 'expected', 'replacement'],
  ['fork', 'name'],
  ['vfork', 'name'],
  ['clone', 'name'],
  ['exec', 'image'],
  ['exit'],
  ['setLimits', 'limits'],
  ['usage'],
  ['maps'],
  ['mapsText'],
];
const MACHINE_CALLS: Calls<Machine> = [
  ['spawn', 'name'],
  ['createFile', 'path', 'contents'],
  ['createPager', 'path', 'pager'],
  ['exists', 'path'],
  ['status', 'path'],
  ['paths'],
  ['sync'],
  ['pageout', 'bytes'],
  ['restore', 'snapshot'],
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

/** Whether an error begins with the name of an argument: `address`, `limits.data`, `image.segments[0]`. */
function namesOne(message: string, names: readonly string[]): boolean {
  const first = /^[A-Za-z]+/.exec(message)?.[0];
  return first !== undefined && names.includes(first);
}

function expected(error: unknown, names: readonly string[]): boolean {
  if (error instanceof MemorySignal) return true;
  if (error instanceof RangeError || error instanceof TypeError) return namesOne(error.message, names);
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
    if (all.length > 6) this.tolerantly([], () => pick(random, all).exit());
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
    const calls: Calls<Record<string, unknown>> = onMachine ? MACHINE_CALLS : PROCESS_CALLS;
    const [name, ...names] = pick(random, calls);
    if (SELDOM.has(name) && random(10) !== 0) return;
    const args = Array.from({ length: random(6) }, () => argument(random));
    this.log.push(`${name}(${args.map(shown).join(', ')})`);
    if (this.log.length > 30) this.log.shift();
    this.tolerantly(names, () => (target[name] as (...args: unknown[]) => unknown)(...args));
  }

  private tolerantly(names: readonly string[], call: () => unknown): void {
    try {
      call();
    } catch (error) {
      if (!expected(error, names)) throw this.failure(error);
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

describe('garbage as an option of a machine', () => {
  const OPTIONS = ['system', 'memory', 'swap', 'buffer', 'defects', 'limits', 'files', 'swapStore', 'costs'];

  /** The message of the error with which an option is refused, or null. */
  function refusal(boot: () => unknown): string | null {
    try {
      boot();
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) return error.message;
      throw error;
    }
    return null;
  }

  it.each(OPTIONS)('%s is refused by its name, or taken', (option) => {
    let refused = 0;
    for (const value of GARBAGE) {
      for (const create of [createMachine, createAsyncMachine]) {
        const options = { system: 'freebsd', memory: 256 * 4096, [option]: value };
        const message = refusal(() => create(options as never));
        if (message === null) continue;
        refused++;
        expect(message, `${option}: ${shown(value)}`).toMatch(new RegExp(`\\b${option}\\b`));
      }
    }
    expect(refused).toBeGreaterThan(10);
  });

  it('is refused where all of them should be', () => {
    for (const value of [undefined, null, 1, 'freebsd', Symbol('options'), 1n]) {
      expect(refusal(() => createMachine(value as never))).toMatch(/^options must be an object/);
    }
  });
});
