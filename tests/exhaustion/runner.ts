/**
 * Runs a program on a machine in which something may fail, and holds everything that it sees against the model.
 *
 * While the trouble lasts a call may be refused and an access may end in a signal, each only as is documented; what was refused has not happened.
 * When the trouble is over every page must be what the model says, what was dirty must reach its file, the invariants must hold, and when all
 * processes are gone the machine must be as empty as it was.
 */
import assert from 'node:assert/strict';
import type {
  AsyncMachine,
  AsyncProcess,
  BackingStore,
  CallResult,
  Machine,
  Process,
  SyncBackingStore,
  SystemName,
  VmSystem,
} from '@faultline/core';
import {
  createAsyncMachine,
  createMachine,
  INHERIT_COPY,
  INHERIT_SHARE,
  MADV_DONTNEED,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MemorySignal,
  MemoryStore,
  MS_SYNC,
  MS_SYNC_NETBSD,
  O_RDWR,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '@faultline/core';
import { fileStamp, forked, type Mapping, Model } from './model.js';
import { FILE_BYTES, FILE_PAGES, FILES, PROCESSES_MAX, type Step } from './program.js';

/** What is in the way of a program. */
export interface Trouble {
  /** Puts itself between the machine and a store (`file0`, `swap`, ...). */
  wrap?(name: string, store: BackingStore): BackingStore;
  begin?(system: VmSystem): void;
  /** The trouble is over. */
  end?(system: VmSystem): void;
  /** Whether anything can have failed so far. */
  readonly struck: boolean;
}

export interface RunOptions {
  readonly system: SystemName;
  readonly late: boolean;
  readonly trouble: Trouble;
}

/** What a call may be refused with when there is no memory, no space, or a broken disk. */
const ERRNOS = ['ENOMEM', 'EAGAIN', 'EIO', 'ENOSPC', 'EFAULT'];
const SIGNALS = ['SIGKILL NOMEM', 'SIGBUS BUS_OBJERR'];
const RW = PROT_READ | PROT_WRITE;
const STAMP_AT = 8;
const MEMORY_PAGES = 160;
const SWAP_PAGES = 1024;

interface Living {
  readonly p: Process | AsyncProcess;
  mappings: Mapping[];
  /** First byte of the heap, and its pages. */
  readonly heap: number;
  readonly heapPages: number[];
}

/** A file's bytes before anything happens. */
function firstBytes(file: number): Uint8Array {
  const bytes = new Uint8Array(FILE_BYTES);
  for (let page = 0; page < FILE_PAGES; page++) bytes[page * PAGE_SIZE + STAMP_AT] = fileStamp(file, page);
  return bytes;
}

export class Run {
  private readonly model = new Model();
  private readonly stores: MemoryStore[] = [];
  private readonly machine: Machine | AsyncMachine;
  private readonly living: (Living | null)[] = [];
  private readonly empty: string;
  private nextStamp = 1;
  private over = false;
  /** Calls and accesses that were refused. */
  refusals = 0;

  constructor(
    private readonly options: RunOptions,
    private readonly program: readonly Step[],
  ) {
    const { system, late, trouble } = options;
    const wrap = (name: string, store: BackingStore): BackingStore => trouble.wrap?.(name, store) ?? store;
    const common = { system, memory: MEMORY_PAGES * PAGE_SIZE, swap: SWAP_PAGES * PAGE_SIZE };
    const swapStore = wrap('swap', new MemoryStore(SWAP_PAGES * PAGE_SIZE));
    this.machine = late
      ? createAsyncMachine({ ...common, swapStore })
      : createMachine({ ...common, swapStore: swapStore as SyncBackingStore });
    this.empty = this.account();
    for (let file = 0; file < FILES; file++) {
      const inner = new MemoryStore(firstBytes(file));
      this.stores.push(inner);
      this.machine.createFile(`file${file}`, wrap(`file${file}`, inner) as SyncBackingStore);
    }
    this.add(this.machine.spawn('first'), [], []);
  }

  /** What of the machine is in use. */
  private account(): string {
    const { kernel, processes } = this.machine;
    const pages = (name: string): number => kernel.queues().find((queue) => queue.name === name)?.pages ?? 0;
    const free = pages('free') + pages('cache');
    return JSON.stringify({ processes: processes.length, free, wired: pages('wired'), swap: swapInUse(kernel) });
  }

  private add(p: Process | AsyncProcess, mappings: Mapping[], heapPages: number[]): void {
    this.living.push({ p, mappings, heap: p.dataEnd - heapPages.length * PAGE_SIZE, heapPages });
  }

  /** The whole program, and what comes after it. */
  async run(): Promise<void> {
    this.options.trouble.begin?.(this.machine.kernel);
    for (const [i, step] of this.program.entries()) {
      try {
        await this.step(step);
        this.machine.check();
      } catch (error) {
        throw new Error(`step ${i} ${JSON.stringify(step)}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
    }
    this.options.trouble.end?.(this.machine.kernel);
    this.over = true;
    await this.finish();
  }

  // ---- refusals --------------------------------------------------------------------------------------------------------

  /** True when the call did what it was to do; a refusal must be one of the documented ones, and there must be a reason for it. */
  private allowed(result: CallResult | object, what: string): boolean {
    if (typeof result !== 'string') return true;
    assert.ok(this.options.trouble.struck && !this.over, `${what}: ${result}, though nothing has failed`);
    assert.ok(ERRNOS.includes(result), `${what}: ${result} is not documented`);
    this.refusals++;
    return false;
  }

  /** The same for a signal. Null when the access could not be. */
  private async access<T>(one: Living, what: string, action: () => T | Promise<T>): Promise<T | null> {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof MemorySignal)) throw error;
      const name = `${error.signal} ${error.code}`;
      assert.ok(this.options.trouble.struck && !this.over, `${what}: ${name}, though nothing has failed`);
      assert.ok(SIGNALS.includes(name), `${what}: ${name} is not documented`);
      assert.equal(one.p.alive, error.signal !== 'SIGKILL', `${what}: ${name}`);
      this.refusals++;
      return null;
    } finally {
      this.bury();
    }
  }

  /** Forgets who was killed. */
  private bury(): void {
    for (const [i, one] of this.living.entries()) if (one !== null && !one.p.alive) this.living[i] = null;
  }

  // ---- steps -----------------------------------------------------------------------------------------------------------

  private async step(step: Step): Promise<void> {
    if (step.op === 'pageout') {
      await this.machine.pageout(step.pages * PAGE_SIZE);
      this.bury();
      return;
    }
    const one = this.living[step.process];
    if (one === undefined || one === null) return;
    if ('mapping' in step) await this.mappingStep(one, step);
    else await this.processStep(one, step);
    this.bury();
  }

  private async processStep(
    one: Living,
    step: Exclude<Step, { readonly mapping: number } | { op: 'pageout' }>,
  ): Promise<void> {
    switch (step.op) {
      case 'map':
        return this.map(one, step);
      case 'fork':
        return this.fork(one);
      case 'exit':
        if (this.living.filter((each) => each !== null).length > 1) await one.p.exit();
        return;
      case 'brk':
        return this.brk(one, step.pages);
      case 'fsync': {
        const fd = await one.p.open(`file${step.file}`, O_RDWR);
        if (typeof fd === 'string') return assert.fail(fd);
        this.allowed(await one.p.fsync(fd), 'fsync');
        await one.p.close(fd);
      }
    }
  }

  private async map(one: Living, step: Extract<Step, { op: 'map' }>): Promise<void> {
    if (one.mappings.length >= 3) return;
    const { kind, file, pages } = step;
    const isFile = kind.endsWith('file');
    const flags = (kind.startsWith('private') ? MAP_PRIVATE : MAP_SHARED) | (isFile ? 0 : MAP_ANON);
    const fd = isFile ? await one.p.open(`file${file}`, O_RDWR) : -1;
    if (typeof fd === 'string') return assert.fail(fd);
    const address = await one.p.mmap(0, pages * PAGE_SIZE, RW, flags, fd, 0);
    if (isFile) await one.p.close(fd);
    if (!this.allowed(address, 'mmap')) return;
    one.mappings.push(this.model.mapped(kind, file, address as number, pages));
  }

  private async fork(one: Living): Promise<void> {
    if (this.living.length >= PROCESSES_MAX) return;
    const child = await one.p.fork();
    if (!this.allowed(child, 'fork')) return;
    assert.ok(typeof child === 'object');
    this.add(child, forked(one.mappings), [...one.heapPages]);
  }

  private async brk(one: Living, pages: number): Promise<void> {
    const end = one.heap + pages * PAGE_SIZE;
    if (!this.allowed(await one.p.brk(end), 'brk')) return;
    one.heapPages.length = Math.min(one.heapPages.length, pages);
    while (one.heapPages.length < pages) {
      const page = one.heapPages.length;
      const stamp = this.stamp();
      const stored = await this.access(one, 'heap', async () => {
        await one.p.store8(one.heap + page * PAGE_SIZE, stamp);
        return true;
      });
      if (!one.p.alive) return;
      one.heapPages.push(stored === true ? stamp : 0);
    }
  }

  private async mappingStep(one: Living, step: Extract<Step, { readonly mapping: number }>): Promise<void> {
    const mapping = one.mappings[step.mapping];
    if (mapping === undefined) return;
    const { address } = mapping;
    const length = mapping.pages * PAGE_SIZE;
    if (mapping.holes && ['protect', 'lock', 'dontneed'].includes(step.op)) return;
    switch (step.op) {
      case 'write':
        if (mapping.writable) await this.each(mapping, step, (page) => this.write(one, mapping, page));
        return;
      case 'read':
        return this.each(mapping, step, (page) => this.read(one, mapping, page));
      case 'protect': {
        const done = this.allowed(await one.p.mprotect(address, length, step.writable ? RW : PROT_READ), 'mprotect');
        if (!done) return;
        mapping.writable = step.writable;
        mapping.readOnly.clear();
        return;
      }
      case 'lock':
        this.allowed(await one.p.mlock(address, length), 'mlock');
        return;
      case 'unlock':
        await one.p.munlock(address, length);
        return;
      case 'dontneed':
        if (this.options.system !== 'csrg')
          this.allowed(await one.p.madvise(address, length, MADV_DONTNEED), 'madvise');
        return;
      case 'sync':
        if (mapping.kind === 'shared file') this.allowed(await this.msync(one, mapping), 'msync');
        return;
      case 'cut':
        return this.cut(one, mapping, step);
      case 'unmap':
        return this.unmap(one, mapping);
    }
  }

  /** The mapping goes, run by run of what is left of it. */
  private async unmap(one: Living, mapping: Mapping): Promise<void> {
    const { pages, address, gone } = mapping;
    for (let from = 0, to = 0; from < pages; from = to + 1) {
      for (to = from; to < pages && !gone.has(to); ) to++;
      if (to === from) continue;
      const done = await one.p.munmap(address + from * PAGE_SIZE, (to - from) * PAGE_SIZE);
      if (!this.allowed(done, 'munmap')) return;
      mapping.holes = true;
      for (let page = from; page < to; page++) gone.add(page);
    }
    one.mappings.splice(one.mappings.indexOf(mapping), 1);
  }

  /** One call on a part of a mapping. */
  private async cut(one: Living, mapping: Mapping, step: Extract<Step, { op: 'cut' }>): Promise<void> {
    const { p } = one;
    const end = Math.min(step.from + step.pages, mapping.pages);
    const parts = Array.from({ length: Math.max(0, end - step.from) }, (_, i) => step.from + i);
    if (parts.length === 0 || parts.some((page) => mapping.gone.has(page))) return;
    const address = mapping.address + step.from * PAGE_SIZE;
    const length = parts.length * PAGE_SIZE;
    mapping.cut = true;
    switch (step.how) {
      case 'unmap':
        if (!this.allowed(await p.munmap(address, length), 'munmap')) return;
        mapping.holes = true;
        for (const page of parts) mapping.gone.add(page);
        return;
      case 'over': {
        const done = await p.mmap(address, length, RW, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
        if (this.allowed(done, 'mmap')) for (const page of parts) mapping.gone.add(page);
        return;
      }
      case 'protect':
        if (!this.allowed(await p.mprotect(address, length, PROT_READ), 'mprotect')) return;
        for (const page of parts) mapping.readOnly.add(page);
        return;
      case 'allow':
        if (!mapping.writable || !this.allowed(await p.mprotect(address, length, RW), 'mprotect')) return;
        for (const page of parts) mapping.readOnly.delete(page);
        return;
      case 'lock':
        this.allowed(await p.mlock(address, length), 'mlock');
        return;
      case 'unlock':
        await p.munlock(address, length);
        return;
      case 'leave': {
        const usual = mapping.kind.startsWith('shared') ? INHERIT_SHARE : INHERIT_COPY;
        this.allowed(await p.minherit(address, length, usual), 'minherit');
      }
    }
  }

  /** A mapping that has been cut is written page by page: msync minds holes, and csrg's several entries. */
  private async msync(one: Living, { address, pages, cut, gone }: Mapping): Promise<CallResult> {
    const flags = this.options.system === 'netbsd' ? MS_SYNC_NETBSD : MS_SYNC;
    if (!cut) return one.p.msync(address, pages * PAGE_SIZE, flags);
    let answer: CallResult = 0;
    for (let page = 0; page < pages; page++) {
      if (gone.has(page)) continue;
      const result = await one.p.msync(address + page * PAGE_SIZE, PAGE_SIZE, flags);
      if (result !== 0) answer = result;
    }
    return answer;
  }

  private async each(
    mapping: Mapping,
    { from, pages }: { readonly from: number; readonly pages: number },
    action: (page: number) => Promise<boolean>,
  ): Promise<void> {
    for (let page = from; page < Math.min(from + pages, mapping.pages); page++) {
      if (!mapping.gone.has(page) && !(await action(page))) return;
    }
  }

  private stamp(): number {
    this.nextStamp = (this.nextStamp % 120) + 1;
    return this.nextStamp + 120;
  }

  /** False when the process is no more. */
  private async write(one: Living, mapping: Mapping, page: number): Promise<boolean> {
    if (mapping.readOnly.has(page)) return true;
    const stamp = this.stamp();
    const stored = await this.access(one, `write of page ${page}`, async () => {
      await one.p.store8(mapping.address + page * PAGE_SIZE + STAMP_AT, stamp);
      return true;
    });
    if (stored === true) this.model.write(mapping, page, stamp);
    return one.p.alive;
  }

  private async read(one: Living, mapping: Mapping, page: number): Promise<boolean> {
    const at = mapping.address + page * PAGE_SIZE;
    const found = await this.access(one, `read of page ${page}`, () => one.p.load8(at + STAMP_AT));
    if (found !== null)
      assert.equal(found, this.model.read(mapping, page), `page ${page} of a ${mapping.kind} mapping`);
    return one.p.alive;
  }

  // ---- the end ---------------------------------------------------------------------------------------------------------

  private async finish(): Promise<void> {
    this.machine.check();
    for (const one of this.living) if (one !== null) await this.verify(one);
    for (const one of this.living) {
      for (const mapping of one?.mappings ?? []) {
        if (mapping.kind === 'shared file')
          assert.equal(await this.msync(one as Living, mapping), 0, 'msync at the end');
      }
    }
    assert.equal(await this.machine.sync(), 0, 'sync at the end');
    for (const [file, store] of this.stores.entries()) this.verifyStore(file, store);
    const last = this.machine.spawn('last');
    for (let file = 0; file < FILES; file++) assert.equal(await last.unlink(`file${file}`), 0);
    for (const process of [...this.machine.processes]) await process.exit();
    if ('whenIdle' in this.machine) await this.machine.whenIdle();
    this.machine.check();
    assert.equal(this.account(), this.empty, 'something is left');
  }

  /** netbsd gives up what it could not read from swap: the slot is bad from then on, and the page known to be lost (uvm_swap_markbad). */
  private mayBeLost(): boolean {
    const { vm } = this.machine.kernel as unknown as { readonly vm: { readonly swap?: { readonly bad: number } } };
    return (vm.swap?.bad ?? 0) > 0;
  }

  /** Every page that a process has, whole. */
  private async verify(one: Living): Promise<void> {
    const bytes = new Uint8Array(PAGE_SIZE);
    for (const mapping of one.mappings) {
      for (let page = 0; page < mapping.pages; page++) {
        if (mapping.gone.has(page)) continue;
        const at = mapping.address + page * PAGE_SIZE;
        const answer = await one.p.copyin(at, bytes);
        if (answer === 'EFAULT' && this.mayBeLost()) continue;
        assert.equal(answer, PAGE_SIZE, `page ${page} of a ${mapping.kind} mapping is lost`);
        const wrong = bytes.findIndex((byte, i) => byte !== (i === STAMP_AT ? this.model.read(mapping, page) : 0));
        assert.equal(wrong, -1, `byte ${wrong} of page ${page} of a ${mapping.kind} mapping is ${bytes[wrong]}`);
      }
    }
    if (this.mayBeLost()) return;
    for (const [page, stamp] of one.heapPages.entries()) {
      assert.equal(await one.p.load8(one.heap + page * PAGE_SIZE), stamp, `page ${page} of the heap`);
    }
  }

  private verifyStore(file: number, store: MemoryStore): void {
    const expected = firstBytes(file);
    for (let page = 0; page < FILE_PAGES; page++) {
      expected[page * PAGE_SIZE + STAMP_AT] = (this.model.files[file] as number[])[page] as number;
    }
    const found = new Uint8Array(store.size());
    store.read(0, [found]);
    assert.deepEqual(Buffer.compare(found, expected), 0, `file ${file} is not what was stored`);
  }
}

/** Pages of swap that somebody has; slots that could not be read count as nobody's. */
function swapInUse(kernel: VmSystem): number {
  const { vm } = kernel as unknown as {
    readonly vm: {
      readonly swapArea?: { readonly freeBlocks?: number; readonly freePages?: number };
      readonly swap?: { readonly inUse: number; readonly bad: number };
    };
  };
  if (vm.swap !== undefined) return vm.swap.inUse - vm.swap.bad;
  return SWAP_PAGES - (vm.swapArea?.freeBlocks ?? vm.swapArea?.freePages ?? 0);
}
