/**
 * Replay over a kernel of a hundred lines: mappings in a list, pages in a map, copy-on-write by a set of shared pages. It keeps
 * freebsd's counter names, which is all that replay knows of a kernel.
 */
import {
  type Access,
  type BackingLayer,
  type CallResult,
  type EntryInfo,
  Hardware,
  KernelPanic,
  type MapRequest,
  PROT_OF_ACCESS,
  Tlb,
  type VmDevice,
  type VmFile,
  type VmProcess,
  type VmSystem,
} from '@faultline/core';
import { expect, test } from 'vitest';
import type { TraceEvent } from './events.js';
import type { ReferenceKind } from './format.js';
import { TraceReader } from './reader.js';
import { type ReplayOptions, replay } from './replay.js';
import type { ReplayResult } from './replay-result.js';
import { MemorySpool } from './spool.js';
import { TraceWriter } from './writer.js';

const PAGE = 4096;
const OK = 0;
const INVALID = 1;

class FakeProcess implements VmProcess {
  alive = true;
  readonly usage = { minor: 0, major: 0 };
  mappings: MapRequest[] = [];
  /** Page to frame; a frame in `shared` must be copied before a store. */
  frames = new Map<number, number>();
  shared = new Set<number>();
  brkStart = -1;
  constructor(
    readonly id: number,
    readonly name: string,
  ) {}
}

class FakeSystem implements VmSystem {
  readonly name = 'freebsd';
  readonly tlb = new Tlb();
  readonly machine = new Hardware({ poolFrames: 1, contents: false, loadRule: 'read-bit' });
  readonly port = {} as VmSystem['port'];
  readonly faultSuccess = OK;
  lastFaultMajor = false;
  onKill: ((process: VmProcess) => void) | null = null;
  readonly calls: string[] = [];
  readonly processes: FakeProcess[] = [];
  private readonly counts = { v_zfod: 0, v_cow_faults: 0, v_cow_optim: 0, v_vm_faults: 0, v_vnodepgsin: 0 };
  private nextFrame = 1;
  /** Page whose fault kills, or panics. */
  killAt = -1;
  panicAt = -1;
  /** Maps this many further pages at each fault. */
  prefault = 0;

  createFile(name: string, store: VmFile['store']): VmFile {
    this.calls.push(`file ${name} ${store.size()}`);
    return { name, store };
  }
  forgetFile(): void {}

  createDevice(name: string, pages: number): VmDevice {
    return { name, pages };
  }
  spawn(name: string): FakeProcess {
    const process = new FakeProcess(this.processes.length + 1, name);
    this.processes.push(process);
    return process;
  }
  fork(parent: FakeProcess, name: string): FakeProcess {
    const child = this.spawn(name);
    child.mappings = [...parent.mappings];
    child.frames = new Map(parent.frames);
    for (const page of parent.frames.keys()) parent.shared.add(page);
    child.shared = new Set(parent.shared);
    this.tlb.flush();
    return child;
  }
  exit(process: FakeProcess): void {
    this.calls.push(`exit ${process.name}`);
    process.alive = false;
    this.tlb.flush();
  }
  map(process: FakeProcess, request: MapRequest): CallResult {
    if (request.protection === 0) return 'EINVAL';
    this.unmap(process, request.address, request.length);
    process.mappings.push(request);
    return request.address;
  }
  unmap(process: FakeProcess, address: number, length: number): CallResult {
    this.calls.push(`unmap ${address / PAGE} ${length / PAGE}`);
    const end = address + length;
    process.mappings = process.mappings.flatMap((m) => {
      const before = { ...m, length: Math.min(m.length, address - m.address) };
      const after = { ...m, address: Math.max(m.address, end), length: Math.min(m.length, m.address + m.length - end) };
      return [before, after].filter((piece) => piece.length > 0);
    });
    for (let page = address / PAGE; page < (address + length) / PAGE; page++) process.frames.delete(page);
    this.tlb.flush();
    return 0;
  }
  protect(): CallResult {
    this.calls.push('protect');
    return 0;
  }
  advise(_process: VmProcess, _address: number, _length: number, advice: string): CallResult {
    this.calls.push(`advise ${advice}`);
    return 0;
  }
  inherit(): CallResult {
    return 0;
  }
  wire(): CallResult {
    return 'ENOMEM';
  }
  unwire(): CallResult {
    return 0;
  }
  sync(): CallResult {
    return 0;
  }
  brk(process: FakeProcess, address: number): CallResult {
    if (process.brkStart < 0) process.brkStart = address;
    else {
      const place = { address: process.brkStart, length: address - process.brkStart, protection: 3 };
      process.mappings.push({ ...place, sharing: 'private', backing: { kind: 'anon' }, fixed: true });
    }
    return 0;
  }
  translate(process: FakeProcess, vpn: number, access: Access): number {
    const frame = process.frames.get(vpn) ?? -1;
    if (frame < 0 || (access === 1 && process.shared.has(vpn)) || !allows(process, vpn, access)) return -1;
    this.tlb.fill(process.id, vpn, access, frame);
    return frame;
  }
  addressSpaceNumber(process: FakeProcess): number {
    return process.id;
  }
  fault(process: FakeProcess, vpn: number, access: Access): number {
    this.counts.v_vm_faults++;
    if (vpn === this.panicAt) throw new KernelPanic('vm_fault: fake');
    if (vpn === this.killAt) {
      process.alive = false;
      this.onKill?.(process);
      return OK;
    }
    const mapping = mappingOf(process, vpn);
    if (mapping === undefined || !allows(process, vpn, access)) return INVALID;
    this.lastFaultMajor = mapping.backing.kind === 'file' && !process.frames.has(vpn);
    if (process.shared.delete(vpn)) this.counts.v_cow_faults++;
    else if (this.lastFaultMajor) this.counts.v_vnodepgsin++;
    else this.counts.v_zfod++;
    process.usage[this.lastFaultMajor ? 'major' : 'minor']++;
    for (let page = vpn; page <= vpn + this.prefault; page++) process.frames.set(page, this.nextFrame++);
    return OK;
  }
  faultCodeName(code: number): string {
    return code === OK ? 'KERN_SUCCESS' : 'KERN_INVALID_ADDRESS';
  }
  frameBytes(): null {
    return null;
  }
  pageout(): void {}
  translations(): [] {
    return [];
  }
  entries(process: FakeProcess): EntryInfo[] {
    const rest = { maximum: 7, inheritance: 'copy', cow: true, needsCopy: false, wired: 0, advice: 'normal' } as const;
    return process.mappings.map((m) => ({ start: m.address, end: m.address + m.length, protection: 3, ...rest }));
  }
  backing(_process: VmProcess, address: number): BackingLayer[] {
    const layer: BackingLayer = { kind: 'object', type: 'default', size: 1, ref: 1, resident: [] };
    return address === 0x10000 ? [layer, layer, layer] : [layer];
  }
  queues(): { name: string; pages: number }[] {
    return [{ name: 'free', pages: 100 - this.nextFrame }];
  }
  counters(): Record<string, number> {
    return { ...this.counts };
  }
  statistics(): Record<string, number> {
    return this.counters();
  }
  counter(name: string): number {
    return this.counters()[name] ?? 0;
  }
  chainLength(process: VmProcess, address: number): number {
    return this.backing(process, address).length;
  }
  check(): void {}
}

function mappingOf(process: FakeProcess, vpn: number): MapRequest | undefined {
  return process.mappings.find((m) => vpn * PAGE >= m.address && vpn * PAGE < m.address + m.length);
}

function allows(process: FakeProcess, vpn: number, access: Access): boolean {
  return ((mappingOf(process, vpn)?.protection ?? 0) & PROT_OF_ACCESS[access]) !== 0;
}

type Act = [ReferenceKind, number] | TraceEvent;

const anon = (page: number, pages: number, more: object = {}): TraceEvent =>
  ({
    ...{ type: 'mmap', address: page * PAGE, length: pages * PAGE, protection: 3, sharing: 'private', fixed: false },
    ...{ origin: 'call', file: -1, offset: 0, error: 0 },
    ...more,
  }) as TraceEvent;

function play(acts: Act[], system = new FakeSystem(), options: ReplayOptions = {}, cut = 0): ReplayResult {
  const spool = new MemorySpool();
  const writer = new TraceWriter({ program: 'p', command: [], recorder: 'test' }, spool, { chunkRecords: 4 });
  writer.process('p', 0);
  writer.process('child', 1);
  writer.file('/bin/p', 9000);
  for (const act of acts) {
    if ('type' in act) writer.event(act);
    else writer.reference(...act);
  }
  writer.finish();
  const bytes = spool.bytes();
  return replay(TraceReader.fromBytes(bytes.subarray(0, bytes.length - cut)), system, options);
}

test('faults by kind, access and code; hits cost none', () => {
  const acts: Act[] = [anon(16, 4), anon(32, 2, { file: 0, protection: 5 })];
  for (let i = 0; i < 5; i++) acts.push([0, 16], [1, 17], [2, 32]);
  const result = play(acts);
  expect(result).toMatchObject({
    system: 'freebsd',
    references: 15,
    referencesTotal: 15,
    faults: 3,
    tlbMisses: 3,
    faultsByAccess: { read: 1, write: 1, execute: 1 },
    faultsByCode: { KERN_SUCCESS: 3 },
    kinds: { zeroFill: 2, copied: 0, copyAvoided: 0, pagedIn: 1, mappedOnly: 0 },
    minor: 2,
    major: 1,
    failures: 0,
    pageIns: 1,
    pageOuts: null,
    stopped: null,
  });
  expect(result.processes).toMatchObject([{ id: 1, name: 'p', references: 15, faults: 3, entries: 2, chainMax: 3 }]);
  expect(result.shape).toEqual({ entries: 2, chainMax: 3, chainMean: 2 });
});

test('a fork shares, a store copies, an exit is measured before it', () => {
  const result = play([
    anon(16, 2),
    [1, 16],
    { type: 'fork', child: 2, vfork: false },
    { type: 'switch', process: 2 },
    [0, 16],
    [1, 16],
    { type: 'exec', file: 0 },
    anon(50, 1),
    [0, 50],
    { type: 'exit', status: 0 },
    { type: 'switch', process: 1 },
    [0, 16],
  ]);
  expect(result.kinds).toMatchObject({ zeroFill: 2, copied: 1 });
  expect(result.processes.map(({ name, references, entries, minor }) => [name, references, entries, minor])).toEqual([
    ['p', 2, 1, 1],
    ['child', 3, 1, 2],
  ]);
});

test('pages that another fault mapped are prefault hits, once', () => {
  const system = new FakeSystem();
  system.prefault = 2;
  const result = play([anon(16, 4), [0, 16], [0, 17], [1, 17], [0, 18], [0, 17]], system);
  expect(result).toMatchObject({ faults: 1, prefaultHits: 2 });
});

test('accesses that fail are counted and told, and the replay goes on', () => {
  const result = play([[0, 99], anon(16, 1), [1, 16], [2, 16]]);
  expect(result).toMatchObject({
    failures: 2,
    references: 3,
    faultsByCode: { KERN_SUCCESS: 1, KERN_INVALID_ADDRESS: 2 },
  });
  expect(result.failedAccesses[0]).toEqual({ process: 1, page: 99, access: 0, code: 'KERN_INVALID_ADDRESS' });
});

test('calls that Linux refused are left out, those that the system refuses are counted', () => {
  const system = new FakeSystem();
  const range = { address: 0x10000, length: 5000 };
  const result = play(
    [
      anon(16, 2, { error: 12 }),
      anon(16, 2, { protection: 0 }),
      { type: 'mlock', ...range, error: 0 },
      { type: 'mlock', ...range, error: 12 },
      { type: 'madvise', ...range, advice: 'free', error: 0 },
      { type: 'madvise', ...range, advice: 'other', error: 0 },
      { type: 'munmap', ...range, error: 0 },
      [0, 1],
    ],
    system,
  );
  expect(result.refusals).toEqual({ 'mmap EINVAL': 1, 'mlock ENOMEM': 1 });
  expect(system.calls).toEqual(['advise free', 'unmap 16 2']);
});

test('brk, the memory that system calls touch, and mremap', () => {
  const system = new FakeSystem();
  const result = play(
    [
      { type: 'brk', address: 0x8000, start: true, error: 0 },
      { type: 'brk', address: 0xa000, start: false, error: 0 },
      { type: 'copyout', address: 0x8fff, length: 2 },
      anon(16, 4),
      [1, 17],
      { type: 'mremap', address: 0x10000, length: 0x4000, newAddress: 0x40000, newLength: 0x8000, error: 0 },
      [0, 65],
      { type: 'mremap', address: 0x40000, length: 0x8000, newAddress: 0x40000, newLength: 0x1000, error: 0 },
      [0, 66],
    ],
    system,
  );
  // Pages 8, 9, 17 and, moved, 65; the read of 65 hits, 66 is gone.
  expect(result).toMatchObject({ references: 3, kinds: { zeroFill: 4 }, failures: 1 });
  expect(system.calls).toContain('unmap 65 7');
});

test('a process that the kernel kills is skipped, the others go on', () => {
  const system = new FakeSystem();
  system.killAt = 17;
  const result = play([anon(16, 9), [0, 16], [0, 17], [0, 18], [0, 19], [0, 18], [0, 16]], system);
  expect(result.processes[0]).toMatchObject({ killed: true, faults: 2 });
  expect(result).toMatchObject({ references: 6, skippedReferences: 4 });
});

test('a panic ends the replay and is told', () => {
  const system = new FakeSystem();
  system.panicAt = 18;
  const result = play([anon(16, 9), [0, 16], [0, 18], [0, 20]], system);
  expect(result.stopped).toBe('KernelPanic: vm_fault: fake');
  expect(result.kinds.zeroFill).toBe(1);
});

test('damage is thrown, or told when it is allowed', () => {
  const acts: Act[] = [anon(16, 99)];
  for (let i = 0; i < 40; i++) acts.push([0, 16 + i]);
  expect(() => play(acts, new FakeSystem(), {}, 1)).toThrow(/ends inside chunk/);
  const result = play(acts, new FakeSystem(), { allowDamage: true }, 1);
  expect(result.stopped).toMatch(/ends inside chunk/);
  expect(result.references).toBe(36);
});

test('a trace can be replayed again', () => {
  const acts: Act[] = [anon(16, 2), [1, 16], [0, 17]];
  const { milliseconds: _a, referencesPerSecond: _b, ...first } = play(acts);
  const { milliseconds: _c, referencesPerSecond: _d, ...second } = play(acts);
  expect(second).toEqual(first);
});

test('the series begins before the first reference, ends after the last and never goes back', () => {
  const acts: Act[] = [anon(16, 40)];
  for (let i = 0; i < 30; i++) acts.push([0, 16 + i]);
  acts.push({ type: 'fork', child: 2, vfork: false }, [1, 16]);
  const { series } = play(acts);
  expect(series.references[0]).toBe(0);
  expect([series.references.at(-1), series.faults.at(-1), series.processes.at(-1)]).toEqual([31, 31, 2]);
  expect(series.queues.free).toEqual(series.faults.map((faults) => 99 - faults));
  for (const column of [series.references, series.faults]) {
    expect(column.length).toBe(32);
    expect([...column].sort((a, b) => a - b)).toEqual(column);
  }
});

test('a long trace has some two hundred samples', () => {
  const acts: Act[] = [anon(16, 40)];
  for (let i = 0; i < 5000; i++) acts.push([0, 16 + (i % 40)]);
  expect(play(acts).series.references.length).toBeGreaterThan(190);
  expect(play(acts).series.references.length).toBeLessThanOrEqual(202);
});
