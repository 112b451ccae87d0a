/**
 * Memory calls for which there are no map entries or objects: each is refused with everything as it was, and succeeds when there are some again.
 *
 * Every call is made on a fresh machine once for each entry and each object that it asks for.
 */
import type { CallResult, Errno, Machine, MachineOptions, Process, SystemName } from '@faultline/core';
import {
  createMachine,
  INHERIT_NONE,
  INHERIT_SHARE,
  MADV_RANDOM,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MemorySignal,
  O_RDWR,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  SYSTEM_NAMES,
  USER_MAX_ADDRESS,
} from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { Refusals } from './troubles.js';

const RW = PROT_READ | PROT_WRITE;
const ANON = 0x10000000;
const FILE = 0x20000000;
const PRIVATE_FILE = 0x30000000;
const EMPTY = 0x40000000;
const PAGES = 9;
const PART = 3 * PAGE_SIZE;

/** A process with a little of everything, each mapping nine pages long. */
function started(system: SystemName): { machine: Machine; p: Process } {
  const options: MachineOptions = {
    system,
    memory: 256 * PAGE_SIZE,
    swap: 256 * PAGE_SIZE,
    files: { file: new Uint8Array(PAGES * PAGE_SIZE).fill(7) },
  };
  const machine = createMachine(options);
  const p = machine.spawn('first');
  const fd = p.open('file', O_RDWR) as number;
  const length = PAGES * PAGE_SIZE;
  expect(p.mmap(ANON, length, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED)).toBe(ANON);
  expect(p.mmap(FILE, length, RW, MAP_SHARED | MAP_FIXED, fd)).toBe(FILE);
  expect(p.mmap(PRIVATE_FILE, length, RW, MAP_PRIVATE | MAP_FIXED, fd)).toBe(PRIVATE_FILE);
  expect(p.mmap(EMPTY, length, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED)).toBe(EMPTY);
  for (const at of [ANON, FILE, PRIVATE_FILE]) p.store8(at + PART, 1);
  expect(p.brk(p.dataEnd + 6 * PAGE_SIZE)).toBe(0);
  return { machine, p };
}

type Answer = CallResult | Process | Errno;
type Call = (p: Process) => Answer;

/** Each call on the middle of something, so that entries must be cut. */
const CALLS: Readonly<Record<string, Call>> = {
  'mmap, anywhere': (p) => p.mmap(0, PART, RW, MAP_ANON | MAP_PRIVATE),
  'mmap, shared': (p) => p.mmap(0, PART, RW, MAP_ANON | MAP_SHARED),
  'mmap, over anonymous memory': (p) => p.mmap(ANON + PART, PART, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED),
  'mmap, over memory never touched': (p) => p.mmap(EMPTY + PART, PART, RW, MAP_ANON | MAP_SHARED | MAP_FIXED),
  'mmap of a file, over a file': (p) => {
    const fd = p.open('file', O_RDWR) as number;
    const result = p.mmap(FILE + PART, PART, RW, MAP_PRIVATE | MAP_FIXED, fd);
    p.close(fd);
    return result;
  },
  munmap: (p) => p.munmap(ANON + PART, PART),
  'munmap of a file': (p) => p.munmap(FILE + PART, PART),
  'munmap of memory never touched': (p) => p.munmap(EMPTY + PART, PART),
  mprotect: (p) => p.mprotect(PRIVATE_FILE + PART, PART, PROT_READ),
  'mprotect of memory never touched': (p) => p.mprotect(EMPTY + PART, PART, PROT_READ),
  minherit: (p) => p.minherit(ANON + PART, PART, INHERIT_NONE),
  madvise: (p) => p.madvise(ANON + PART, PART, MADV_RANDOM),
  mlock: (p) => p.mlock(ANON + PART, PART),
  'mlock of memory never touched': (p) => p.mlock(EMPTY + PART, PART),
  'brk, up': (p) => p.brk(p.dataEnd + 3 * PAGE_SIZE),
  'brk, down': (p) => p.brk(p.dataEnd - 3 * PAGE_SIZE),
  fork: (p) => p.fork(),
};

/** What nothing may have changed in. */
function state(machine: Machine, p: Process): string {
  const { kernel } = machine;
  const entries = p.maps().map((entry) => ({ ...entry }));
  return JSON.stringify({ entries, queues: kernel.queues(), processes: machine.processes.length, end: p.dataEnd });
}

const isErrno = (answer: Answer): answer is Errno => typeof answer === 'string';

/** The call, with something refused. Answers whether it was: null when there are not so many. */
function refuse(system: SystemName, call: Call, trouble: Refusals, prepare: (p: Process) => void): boolean | null {
  const { machine, p } = started(system);
  prepare(p);
  const before = state(machine, p);
  trouble.begin(machine.kernel);
  const answer = call(p);
  trouble.end(machine.kernel);
  machine.check();
  if (trouble.struck && isErrno(answer)) {
    expect(answer).toBe('ENOMEM');
    expect(state(machine, p)).toBe(before);
    expect(isErrno(call(p))).toBe(false);
    machine.check();
  } else {
    expect(isErrno(answer)).toBe(false);
  }
  for (const at of [FILE, PRIVATE_FILE]) expect(p.load8(at)).toBe(7);
  for (const process of [...machine.processes]) process.exit();
  machine.check();
  return trouble.struck ? isErrno(answer) : null;
}

/** How many of the allocations of a kind that a call makes refuse it. */
function refusedOf(system: SystemName, call: Call, kind: string, prepare: (p: Process) => void = () => {}): number {
  let refused = 0;
  for (let nth = 1; ; nth++) {
    const answer = refuse(system, call, new Refusals(kind, nth, 1), prepare);
    if (answer === null) return refused;
    if (answer) refused++;
  }
}

/** A store; the signal that it ended in, or null. */
function storeAt(p: Process, address: number): string | null {
  try {
    p.store8(address, 1);
    return null;
  } catch (error) {
    if (!(error instanceof MemorySignal)) throw error;
    return `${error.signal} ${error.code}`;
  }
}

describe.each(SYSTEM_NAMES)('%s', (system) => {
  const unknown = system === 'csrg' ? ['madvise'] : [];
  const calls = Object.entries(CALLS).filter(([name]) => !unknown.includes(name));

  it.each(calls)('%s', (_name, call) => {
    expect(refusedOf(system, call, 'map entry')).toBeGreaterThan(0);
    refusedOf(system, call, 'object');
  });

  it('fork of what is inherited otherwise', () => {
    const prepare = (p: Process): void => {
      const length = PAGES * PAGE_SIZE;
      for (const at of [ANON, EMPTY]) expect(p.minherit(at, length, INHERIT_SHARE)).toBe(0);
      expect(p.mlock(PRIVATE_FILE, length)).toBe(0);
    };
    expect(refusedOf(system, (p) => p.fork(), 'map entry', prepare)).toBeGreaterThan(1);
    refusedOf(system, (p) => p.fork(), 'object', prepare);
  });

  it.each(['map entry', 'object', 'translation'])('a stack grows and is used without any %s but later', (kind) => {
    for (const times of [1, 3, Number.POSITIVE_INFINITY]) {
      const { machine, p } = started(system);
      expect(p.exec({ segments: [], stack: 64 * PAGE_SIZE })).toBe(0);
      const trouble = new Refusals(kind, 1, times);
      trouble.begin(machine.kernel);
      const signal = storeAt(p, USER_MAX_ADDRESS - 40 * PAGE_SIZE);
      trouble.end(machine.kernel);
      machine.check();
      const ever = trouble.struck && times === Number.POSITIVE_INFINITY;
      expect(signal).toBe(ever ? 'SIGKILL NOMEM' : null);
      expect(p.alive).toBe(!ever);
    }
  });
});
