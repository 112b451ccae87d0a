/**
 * Replays a trace through a system: its mappings are made, its pages touched, its processes forked and ended, in the order of the
 * recording, and the faults that this costs are counted and sorted by kind.
 *
 * The loop over page runs is the hot path. A run is one compare of a TLB tag as long as the translation buffer holds the page; slot
 * and tag of each page are computed once a chunk. Only a miss leaves the loop: `translate` walks the page tables, and if
 * that fails too, `fault` runs the kernel's handler. The rest of a run after its first reference cannot miss, because nothing
 * happens in between; so the loop need not look at counts at all. It is a function of its own (`nextMiss`), called once a
 * miss: small, so that it is compiled after a few calls even in the replay of a short program.
 *
 * Where a recording says more than a BSD kernel understands, this is what happens:
 *   - A call that Linux refused is left out. One that this system refuses is counted in `refusals`, and the replay goes on.
 *   - exec ends the address space and begins a new one under the same process. vfork is a fork.
 *   - mremap, which no BSD has, is what realloc would do there: map the new place, copy the pages in use, unmap the old.
 *   - Lengths are rounded up to whole pages, as Linux did.
 *   - MADV_DONTNEED throws pages away on Linux and is mere advice on BSD; it is passed on as the advice.
 */
import {
  type Access,
  failed,
  KernelHang,
  KernelPanic,
  TLB_MASK,
  TLB_SHIFT,
  TLB_TAG_BITS,
  tlbTag,
  type VmFile,
  type VmProcess,
  type VmSystem,
} from '@faultline/core';
import type { TraceChunk } from './chunk.js';
import { TraceFormatError } from './errors.js';
import type { TraceEvent } from './events.js';
import { KIND_LOAD, KIND_STORE, TABLE_MAX } from './format.js';
import { totalReferences } from './header.js';
import type { TraceReader } from './reader.js';
import { applyCall, pageEnd } from './replay-calls.js';
import { SizeStore } from './replay-files.js';
import { Account, type ProcessAccount, type ReplayResult } from './replay-result.js';
import { SeriesRecorder } from './replay-series.js';

export interface ReplayOptions {
  /** Called about ten times a second. */
  readonly onProgress?: (progress: ReplayProgress) => void;
  /** Replays the readable part of a damaged trace instead of throwing; the result's `stopped` tells. Default false. */
  readonly allowDamage?: boolean;
}

export interface ReplayProgress {
  readonly references: number;
  /** References of the whole trace. */
  readonly total: number;
  readonly faults: number;
  readonly milliseconds: number;
}

const PAGE = 4096;
/** Faults for one access before it is given up, as a scenario's access does. */
const FAULTS_MAX = 8;
const PROGRESS_MILLISECONDS = 100;

/**
 * Replays `trace` from its beginning. The system should be fresh, and without contents unless they are wanted for something else.
 * Throws `TraceFormatError` at damage (see `allowDamage`). A panic or hang of the kernel ends the replay and stands in the result.
 */
export function replay(trace: TraceReader, system: VmSystem, options: ReplayOptions = {}): ReplayResult {
  return new Replay(trace, system, options).run();
}

/** A process of the trace and what stands for it in the system. */
class ReplayProcess {
  /** Pages (of the present address space) that the process has touched. */
  readonly touched: Set<number>;
  constructor(
    readonly account: ProcessAccount,
    public vm: VmProcess,
    touched: Iterable<number> = [],
  ) {
    this.touched = new Set(touched);
  }
}

class Replay {
  private readonly processes = new Map<number, ReplayProcess>();
  private readonly files: (VmFile | undefined)[] = [];
  private readonly account: Account;
  private readonly series: SeriesRecorder;
  private current: ReplayProcess | null = null;
  /** Process number as the trace has it; `current` is null when that process was killed. */
  private currentId = 0;
  /** The address-space number of `current` at its place in a tag. */
  private space = 0;
  /** Of each page of the present chunk, its TLB slot and the page's part of the tag. */
  private readonly slots = new Int32Array(TABLE_MAX);
  private readonly tagParts = new Int32Array(TABLE_MAX);

  constructor(
    private readonly trace: TraceReader,
    private readonly system: VmSystem,
    private readonly options: ReplayOptions,
  ) {
    this.account = new Account(trace.header, system);
    this.series = new SeriesRecorder(system, trace.header.records);
  }

  run(): ReplayResult {
    const { system, trace, account } = this;
    const onKill = system.onKill;
    system.onKill = (process) => {
      this.killed(process);
      onKill?.(process);
    };
    const started = performance.now();
    try {
      trace.rewind();
      for (const process of trace.header.processes) if (process.parent === 0) this.spawn(process.id);
      this.switchTo(trace.header.processes[0]?.id ?? 0);
      this.sample();
      this.chunks(started);
    } catch (error) {
      account.stopped = this.stopReason(error);
    } finally {
      system.onKill = onKill;
    }
    this.sample();
    for (const process of this.processes.values()) if (process.vm.alive) account.measure(process.account, process.vm);
    const milliseconds = performance.now() - started;
    return account.result(milliseconds, this.series.series);
  }

  private stopReason(error: unknown): string {
    if (error instanceof KernelPanic || error instanceof KernelHang) return `${error.name}: ${error.message}`;
    if (error instanceof TraceFormatError && this.options.allowDamage === true) return error.message;
    throw error;
  }

  private chunks(started: number): void {
    const { trace, account, options } = this;
    const total = totalReferences(trace.header.references);
    let reported = started;
    for (let chunk = trace.next(); chunk !== null; chunk = trace.next()) {
      this.prepare(chunk);
      this.runChunk(chunk);
      const now = performance.now();
      if (options.onProgress !== undefined && now - reported >= PROGRESS_MILLISECONDS) {
        reported = now;
        const { references, faults } = account;
        options.onProgress({ references, total, faults, milliseconds: now - started });
      }
    }
  }

  /** Computes slot and tag part of every page of a chunk. */
  private prepare(chunk: TraceChunk): void {
    const { slots, tagParts } = this;
    for (let id = 0; id < chunk.tableSize; id++) {
      const page = chunk.pages[id];
      slots[id] = (chunk.kinds[id] << TLB_SHIFT) | (page & TLB_MASK);
      tagParts[id] = tlbTag(0, page);
    }
  }

  private runChunk(chunk: TraceChunk): void {
    let from = 0;
    for (let event = 0; event < chunk.events.length; event++) {
      const at = chunk.eventAt[event];
      if (at > from) this.runs(chunk, from, at);
      from = at;
      this.event(chunk.events[event]);
    }
    if (chunk.records > from) this.runs(chunk, from, chunk.records);
  }

  /** The page runs from `from` to `to`, all of one process, with the samples of the time series that fall among them. */
  private runs(chunk: TraceChunk, from: number, to: number): void {
    while (from < to) {
      const end = Math.min(to, from + this.series.room);
      this.piece(chunk, from, end);
      if (this.series.passed(end - from)) this.sample();
      from = end;
    }
  }

  private piece(chunk: TraceChunk, from: number, to: number): void {
    const references = to - from === chunk.records ? chunk.references : sum(chunk, from, to);
    this.account.references += references;
    if (this.current === null) {
      this.account.skippedReferences += references;
      return;
    }
    this.current.account.references += references;
    const { slots, tagParts } = this;
    const tags = this.system.tlb.tags;
    const ids = chunk.ids;
    let i = nextMiss(tags, slots, tagParts, ids, this.space, from, to);
    while (i < to) {
      const id = ids[i];
      this.touch(chunk.pages[id], chunk.kinds[id] as Access);
      if (this.current === null) {
        this.account.skippedReferences += sum(chunk, i + 1, to);
        return;
      }
      i = nextMiss(tags, slots, tagParts, ids, this.space, i + 1, to);
    }
  }

  private sample(): void {
    const { references, faults, majorFaults } = this.account;
    this.series.sample(references, faults, majorFaults, this.processes.size, this.currentId);
  }

  /** An access that missed the translation buffer. Leaves `current` null when the kernel killed the process. */
  private touch(page: number, access: Access): void {
    const process = this.current as ReplayProcess;
    const { account, system } = this;
    account.tlbMisses++;
    if (system.translate(process.vm, page, access) >= 0) {
      if (!process.touched.has(page)) {
        process.touched.add(page);
        account.prefaultHits++;
      }
    } else if (this.takeFaults(process, page, access)) process.touched.add(page);
    this.refreshSpace();
  }

  /** Faults until the access is allowed; false when it is not, or the process is gone. */
  private takeFaults(process: ReplayProcess, page: number, access: Access): boolean {
    const { account, system } = this;
    for (let n = 0; n < FAULTS_MAX; n++) {
      const code = system.fault(process.vm, page, access);
      account.fault(process.account, code, access);
      if (this.current === null) return false;
      if (code !== system.faultSuccess) {
        account.failure(process.account, page, access, system.faultCodeName(code));
        return false;
      }
      if (system.translate(process.vm, page, access) >= 0) return true;
    }
    account.failure(process.account, page, access, 'LOOP');
    return false;
  }

  private refreshSpace(): void {
    if (this.current !== null) this.space = this.system.addressSpaceNumber(this.current.vm) << TLB_TAG_BITS;
  }

  private event(event: TraceEvent): void {
    if (event.type === 'switch') this.switchTo(event.process);
    else if (this.current !== null) {
      this.processEvent(this.current, event);
      this.account.rebase();
    }
    this.refreshSpace();
  }

  private processEvent(process: ReplayProcess, event: TraceEvent): void {
    switch (event.type) {
      case 'fork':
        this.fork(process, event.child);
        return;
      case 'exec':
        this.endSpace(process);
        process.vm = this.system.spawn(process.account.name);
        return;
      case 'exit':
        this.endSpace(process);
        this.processes.delete(this.currentId);
        this.current = null;
        return;
      case 'copyin':
      case 'copyout':
        this.touchRange(event.address, event.length, event.type === 'copyin' ? KIND_LOAD : KIND_STORE);
        return;
      case 'mremap':
        if (event.error === 0) this.remap(process, event);
        return;
      case 'switch':
        return;
      default:
        this.call(process, event);
    }
  }

  /** Passes a memory call on; counts a refusal. */
  private call(process: ReplayProcess, event: TraceEvent): void {
    if (!('error' in event) || event.error !== 0) return;
    if (event.type === 'munmap' || (event.type === 'mmap' && event.fixed)) {
      forget(process.touched, event.address, event.length);
    }
    const result = applyCall(this.system, process.vm, event, (file) => this.file(file));
    if (failed(result)) this.account.refusal(event.type, result);
  }

  /** What realloc does on a system without mremap. */
  private remap(process: ReplayProcess, event: TraceEvent & { type: 'mremap' }): void {
    const { address, length, newAddress, newLength } = event;
    const oldEnd = pageEnd(address + length);
    const newEnd = pageEnd(newAddress + newLength);
    const fresh = (from: number, to: number): void => this.call(process, anonymous(from, to - from));
    const gone = (from: number, to: number): void =>
      this.call(process, { type: 'munmap', address: from, length: to - from, error: 0 });
    if (newAddress === address) {
      if (newEnd > oldEnd) fresh(oldEnd, newEnd);
      if (newEnd < oldEnd) gone(newEnd, oldEnd);
      return;
    }
    fresh(newAddress, newEnd);
    for (let at = address; at < oldEnd && at - address < newLength && this.current !== null; at += PAGE) {
      if (!process.touched.has(at / PAGE)) continue;
      this.touchRange(at, 1, KIND_LOAD);
      this.touchRange(at - address + newAddress, 1, KIND_STORE);
    }
    if (this.current !== null) gone(address, oldEnd);
  }

  /** Touches every page of a range as the kernel does on behalf of the process; no reference is counted. */
  private touchRange(address: number, length: number, access: Access): void {
    const end = Math.ceil((address + length) / PAGE);
    for (let page = Math.floor(address / PAGE); page < end && this.current !== null; page++) this.touch(page, access);
  }

  private spawn(id: number): void {
    const account = this.account.process(id);
    this.processes.set(id, new ReplayProcess(account, this.system.spawn(account.name)));
  }

  private fork(parent: ReplayProcess, id: number): void {
    const account = this.account.process(id);
    const child = this.system.fork(parent.vm, account.name);
    if (typeof child === 'string') this.account.refusal('fork', child);
    else this.processes.set(id, new ReplayProcess(account, child, parent.touched));
  }

  private switchTo(id: number): void {
    this.currentId = id;
    this.current = this.processes.get(id) ?? null;
    this.refreshSpace();
  }

  /** Measures and ends the address space of a process. */
  private endSpace(process: ReplayProcess): void {
    this.account.measure(process.account, process.vm);
    this.system.exit(process.vm);
    process.touched.clear();
  }

  private killed(vm: VmProcess): void {
    for (const [id, process] of this.processes) {
      if (process.vm.id !== vm.id) continue;
      process.account.killed = true;
      this.account.usage(process.account, vm);
      this.processes.delete(id);
      if (id === this.currentId) this.current = null;
    }
  }

  private file(index: number): VmFile {
    let file = this.files[index];
    if (file === undefined) {
      const { name, length } = this.trace.header.files[index] ?? { name: `file ${index}`, length: 0 };
      file = this.system.createFile(name, new SizeStore(length));
      this.files[index] = file;
    }
    return file;
  }
}

/** The first run from `from` on whose access the translation buffer does not hold; `to` when it holds them all. */
function nextMiss(
  tags: Int32Array,
  slots: Int32Array,
  tagParts: Int32Array,
  ids: Uint16Array,
  space: number,
  from: number,
  to: number,
): number {
  for (let i = from; i < to; i++) {
    const id = ids[i];
    if (tags[slots[id]] !== (space | tagParts[id])) return i;
  }
  return to;
}

function anonymous(address: number, length: number): TraceEvent {
  const where = { address, length, protection: 3, file: -1, offset: 0, error: 0 };
  return { type: 'mmap', sharing: 'private', fixed: true, origin: 'call', ...where };
}

/** Drops the pages of a range from a set, by whichever is smaller. */
function forget(pages: Set<number>, address: number, length: number): void {
  const first = Math.floor(address / PAGE);
  const end = Math.ceil((address + length) / PAGE);
  if (end - first < pages.size) for (let page = first; page < end; page++) pages.delete(page);
  else for (const page of pages) if (page >= first && page < end) pages.delete(page);
}

/** References of the records from `from` to `to`. In 32 bits where they suffice: a third of the time of a sum in doubles. */
function sum(chunk: TraceChunk, from: number, to: number): number {
  const { counts, references } = chunk;
  if (references < 2 ** 31) return smallSum(counts, from, to);
  let total = 0;
  for (let i = from; i < to; i++) total += counts[i];
  return total;
}

function smallSum(counts: Uint32Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total = (total + counts[i]) | 0;
  return total;
}
