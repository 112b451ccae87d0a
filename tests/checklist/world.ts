/**
 * What a check works with: a machine of one system, its first process, its files, and short words for what checks do often.
 *
 * The machine is small (512 frames, 2048 pages of swap) and made when it is first asked for, so that a check may choose its own. When the check
 * is over every invariant must hold; then all processes exit, nothing may be wired any more, and every invariant must hold again.
 */
import assert from 'node:assert/strict';
import type {
  Access,
  AsyncMachine,
  AsyncMachineOptions,
  AsyncProcess,
  BackingStore,
  CallResult,
  Errno,
  Machine,
  MachineOptions,
  MappingInfo,
  Process,
  SignalValue,
  SyncBackingStore,
  SystemName,
} from '@faultline/core';
import * as flags from '@faultline/core';
import { createAsyncMachine, createMachine, MemoryStore, PAGE_SIZE } from '@faultline/core';
import { EXPECTED, type Row } from './expected.js';

export const PAGE = PAGE_SIZE;
export const KIB = 1024;
export const MIB = 1024 * KIB;
export const RW = flags.PROT_READ | flags.PROT_WRITE;
export const { PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC } = flags;
export const { MAP_ANON, MAP_FIXED, MAP_PRIVATE, MAP_SHARED } = flags;
export const { O_RDONLY, O_RDWR, O_WRONLY } = flags;
/** Somewhere in the middle of nowhere, for mappings at a place of their own: above every heap, 4 TiB up. */
export const SOMEWHERE = 2 ** 42;
/** The first address above user space. */
export const USER_END = 0x7ffffffff000;

/** What a mapping of a file may be asked for. */
export interface FileMapping {
  readonly address?: number;
  readonly protection?: number;
  readonly flags?: number;
  readonly offset?: number;
  /** O_*: how the file is opened. */
  readonly open?: number;
}

/** Bytes that differ from page to page and from seed to seed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (seed * 37 + i * 7 + Math.floor(i / PAGE) * 13) & 0xff || 1;
  return bytes;
}

/** The answer of a call that must succeed. */
export function ok(result: CallResult): number {
  assert.equal(typeof result, 'number', `refused with ${result}`);
  return result as number;
}

/** A child, or another process, that must be there. */
export function born<P>(result: P | Errno): P {
  assert.notEqual(typeof result, 'string', `refused with ${String(result)}`);
  return result as P;
}

export function refused(result: CallResult, errno: Errno): void {
  assert.equal(result, errno);
}

/** The signal that an action raises, or null. */
export function signalIn(action: () => unknown): SignalValue | null {
  try {
    action();
  } catch (error) {
    return asSignal(error);
  }
  return null;
}

export async function signalInLate(action: () => Promise<unknown>): Promise<SignalValue | null> {
  try {
    await action();
  } catch (error) {
    return asSignal(error);
  }
  return null;
}

function asSignal(error: unknown): SignalValue {
  if (error instanceof Error && 'signal' in error) return error as Error & SignalValue;
  throw error;
}

/** How an access ends, in the words of the table: `ok`, or the signal's name and code. */
export function ends(action: () => unknown): string {
  const signal = signalIn(action);
  return signal === null ? 'ok' : `${signal.signal} ${signal.code}`;
}

/** How a call ends, in the words of the table: `ok` or the errno. */
export function answers(result: CallResult): string {
  return typeof result === 'number' ? 'ok' : result;
}

/** Process memory as bytes; the call must succeed. */
export function peek(p: Process, address: number, length: number): Uint8Array {
  const into = new Uint8Array(length);
  assert.equal(p.copyin(address, into), length, `copyin at ${address.toString(16)}`);
  return into;
}

export function poke(p: Process, address: number, bytes: Uint8Array): void {
  assert.equal(p.copyout(bytes, address), bytes.length, `copyout at ${address.toString(16)}`);
}

/** Equal bytes, or the first that differs. */
export function same(actual: Uint8Array, expected: Uint8Array, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  if (at >= 0) assert.fail(`${what}: byte ${at} is ${actual[at]}, should be ${expected[at]}`);
}

/** A byte near the start and one near the end of each page: enough to tell pages apart, by loads and stores. */
export function store(p: Process, address: number, pages: number, seed: number): void {
  for (let page = 0; page < pages; page++) {
    p.store8(address + page * PAGE + 8, (seed + page * 3) & 0xff);
    p.store8(address + page * PAGE + PAGE - 3, (seed * 5 + page) & 0xff);
  }
}

/** Whether the pages hold what `store` put there. */
export function holds(p: Process, address: number, pages: number, seed: number, what = 'stored'): void {
  for (let page = 0; page < pages; page++) {
    assert.equal(p.load8(address + page * PAGE + 8), (seed + page * 3) & 0xff, `${what}: page ${page}, start`);
    assert.equal(p.load8(address + page * PAGE + PAGE - 3), (seed * 5 + page) & 0xff, `${what}: page ${page}, end`);
  }
}

export function zeros(p: Process, address: number, length: number, what = 'zeros'): void {
  same(peek(p, address, length), new Uint8Array(length), what);
}

/** The entries of a range. */
export function entries(p: Process, address: number, length: number): MappingInfo[] {
  return p.maps().filter(({ start, end }) => start < address + length && end > address);
}

/** Resident pages of a range whose entries lie wholly in it. */
export function resident(p: Process, address: number, length: number): number {
  return entries(p, address, length).reduce((sum, entry) => sum + entry.resident, 0) / PAGE;
}

export class World {
  readonly stores = new Map<string, MemoryStore>();
  private readonly machines: Machine[] = [];
  private readonly lateMachines: AsyncMachine[] = [];
  private first: Process | null = null;

  constructor(readonly system: SystemName) {}

  // ---- machines ------------------------------------------------------------------------------------------------------

  boot(options: Partial<MachineOptions> = {}): Machine {
    const machine = createMachine({ system: this.system, memory: 2 * MIB, swap: 8 * MIB, ...options });
    this.machines.push(machine);
    return machine;
  }

  bootLate(options: Partial<AsyncMachineOptions> = {}): AsyncMachine {
    const machine = createAsyncMachine({ system: this.system, memory: 2 * MIB, swap: 8 * MIB, ...options });
    this.lateMachines.push(machine);
    return machine;
  }

  /** The machine; the first time it is asked for it is made. */
  get m(): Machine {
    return this.machines[0] ?? this.boot();
  }

  /** The first process. */
  get p(): Process {
    this.first ??= this.m.spawn('first');
    return this.first;
  }

  // ---- files and mappings ----------------------------------------------------------------------------------------------

  /** A file whose store the check can look into. */
  file(path: string, contents: Uint8Array | number): MemoryStore {
    const made = new MemoryStore(contents);
    this.stores.set(path, made);
    this.m.createFile(path, made as unknown as SyncBackingStore);
    return made;
  }

  /** A file on a store of the check's own. */
  fileOn(path: string, backing: BackingStore): void {
    this.m.createFile(path, backing as SyncBackingStore);
  }

  /** What a file's store holds, past every cache. */
  stored(path: string): Uint8Array {
    return contentsOf(this.stores.get(path) as MemoryStore);
  }

  anon(p: Process, pages: number, protection = RW, sharing = MAP_PRIVATE): number {
    return ok(p.mmap(0, pages * PAGE, protection, sharing | MAP_ANON));
  }

  /** Anonymous memory at a place of its own. */
  anonAt(p: Process, address: number, pages: number, protection = RW, sharing = MAP_PRIVATE): number {
    return ok(p.mmap(address, pages * PAGE, protection, sharing | MAP_ANON | MAP_FIXED));
  }

  /** Maps `length` bytes of a file, opened and closed again. Shared and rw unless asked otherwise. */
  map(p: Process, path: string, length: number, mapping: FileMapping = {}): number {
    const fd = ok(p.open(path, mapping.open ?? O_RDWR));
    const { address = 0, protection = RW, flags: how = MAP_SHARED, offset = 0 } = mapping;
    const at = ok(p.mmap(address, length, protection, how, fd, offset));
    ok(p.close(fd));
    return at;
  }

  // ---- memory ----------------------------------------------------------------------------------------------------------

  /**
   * Takes all pages away that can be taken. Pages that are only cached stay where they are on dragonfly until somebody needs their frames: somebody
   * does.
   */
  squeeze(m: Machine = this.m): void {
    for (let round = 0; round < 4; round++) m.pageout(m.bytes.length);
    if (this.system !== 'dragonfly' || this.queue('cache', m) === 0) return;
    const eater = m.spawn('eater');
    const pages = this.queue('free', m) + this.queue('cache', m);
    const at = this.anon(eater, pages);
    for (let page = 0; page < pages && this.queue('cache', m) > 0 && eater.alive; page++) {
      signalIn(() => eater.store8(at + page * PAGE, 1));
    }
    if (eater.alive) eater.exit();
  }

  queue(name: string, m: Machine = this.m): number {
    return m.kernel.queues().find((queue) => queue.name === name)?.pages ?? 0;
  }

  /** Frames that can be had at once. */
  get free(): number {
    return this.queue('free') + this.queue('cache');
  }

  get wired(): number {
    return this.queue('wired');
  }

  /** Page faults that the kernel has taken. */
  get faults(): number {
    const counters = this.m.kernel.statistics();
    return counters.v_vm_faults ?? (counters.faults as number);
  }

  /** Does something while the kernel cannot have one kind of thing (`map entry`, `object`, ...). */
  without<T>(kind: string, action: () => T): T {
    const { vm } = this.m.kernel as unknown as { vm: { allocationFails: ((wanted: string) => boolean) | null } };
    vm.allocationFails = (wanted) => wanted === kind;
    try {
      return action();
    } finally {
      vm.allocationFails = null;
    }
  }

  // ---- words that differ -------------------------------------------------------------------------------------------------

  get MS_SYNC(): number {
    return this.system === 'netbsd' ? flags.MS_SYNC_NETBSD : flags.MS_SYNC;
  }

  get MADV_FREE(): number {
    return this.system === 'netbsd' ? flags.MADV_FREE_NETBSD : flags.MADV_FREE;
  }

  is(...systems: SystemName[]): boolean {
    return systems.includes(this.system);
  }

  /** What the table expects of this system. */
  expected(row: Row): string {
    return EXPECTED[row][this.system];
  }

  /** Holds the outcome of something against the table. */
  expects(row: Row, outcome: string): void {
    assert.equal(outcome, this.expected(row), `${row}`);
  }

  /** Does something in a world of its own. */
  async apart(action: (fresh: World) => void | Promise<void>): Promise<void> {
    const fresh = new World(this.system);
    await action(fresh);
    await fresh.finish();
  }

  // ---- the end -----------------------------------------------------------------------------------------------------------

  async finish(): Promise<void> {
    for (const machine of this.machines) {
      machine.check();
      for (const process of [...machine.processes]) if (process.alive) process.exit();
      machine.check();
      assert.equal(this.queue('wired', machine), 0, 'pages are wired when nobody is left');
    }
    for (const machine of this.lateMachines) await this.finishLate(machine);
  }

  private async finishLate(machine: AsyncMachine): Promise<void> {
    await machine.whenIdle();
    machine.check();
    for (const process of [...machine.processes]) if (process.alive) await process.exit();
    machine.check();
  }
}

export function contentsOf(from: BackingStore): Uint8Array {
  const bytes = new Uint8Array(from.size());
  from.read(0, [bytes]);
  return bytes;
}

/** Anonymous memory of a process of an asynchronous machine. */
export async function anonLate(p: AsyncProcess, pages: number, sharing = MAP_PRIVATE): Promise<number> {
  return ok(await p.mmap(0, pages * PAGE, RW, sharing | MAP_ANON));
}

export async function mapLate(p: AsyncProcess, path: string, length: number, sharing = MAP_SHARED): Promise<number> {
  const fd = ok(await p.open(path, O_RDWR));
  const at = ok(await p.mmap(0, length, RW, sharing, fd, 0));
  ok(await p.close(fd));
  return at;
}

export type { Access, AsyncMachine, AsyncProcess, Machine, Process };
