/**
 * Runs a program on a system and on the reference model side by side, and compares.
 *
 * After each operation: the errno or address, and for an access whether it was allowed and the whole page that was seen. Every so often
 * every map entry and every invariant of the system. At the end every byte of every process, every file against its store,
 * and, when all processes are gone, what is left of memory and swap.
 */
import type {
  Access,
  BackingStore,
  MapBacking,
  SystemName,
  VmDevice,
  VmFile,
  VmProcess,
  VmSystem,
} from '@faultline/core';
import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  bootSystem,
  FAULTS_PER_ACCESS_MAX,
  KernelHang,
  MemoryStore,
  PAGE_SIZE,
  PatternStore,
  patternPage,
} from '@faultline/core';
import type { Content } from './content.js';
import type { Model, ModelProcess, Outcome, Trouble, WireLimits } from './model.js';
import { Mismatch, modelDevice, modelFile } from './model.js';
import type { Operation, Program } from './program.js';
import { DEVICE_PAGES, FILE_BYTES, PROCESSES_MAX, show } from './program.js';
import type { Rules, Transfer } from './rules.js';
import { avoided, modelOf, RULES } from './rules.js';

/** A file is flushed in multiples of so many bytes. */
const FLUSH_BYTES = 16 * PAGE_SIZE;

export type Defects = 'mended' | 'as-seeded';

export interface Options {
  readonly system: SystemName;
  readonly defects: Defects;
  /** Operations between two checks of the invariants and the map entries. */
  readonly checkEvery: number;
  readonly trouble?: TroubleMaker;
}

/** What goes wrong on purpose. Refusals for want of memory and for broken disks are then allowed; wrong bytes never are. */
export interface TroubleMaker {
  /** What it makes fail, if it is a disk. */
  readonly breaks?: readonly Transfer[];
  /** Puts something between the kernel and a store: that of a file, or `swap`. */
  wrap?(name: string, store: BackingStore): BackingStore;
  /** Called before the first operation. */
  begin?(system: VmSystem): void;
  /** Called before the last comparison: from here on all is well. */
  end(system: VmSystem): void;
}

export type AccessOperation = Extract<Operation, { op: 'access' }>;
export const ACCESSES: Readonly<Record<string, Access>> = {
  read: ACCESS_READ,
  write: ACCESS_WRITE,
  execute: ACCESS_EXECUTE,
};

/** What an access can come to that did not reach its page. */
type Answer = Outcome | Trouble;

/** A process on both sides. */
export interface Twin {
  readonly real: VmProcess;
  readonly model: ModelProcess;
}

export class Differential {
  readonly system: VmSystem;
  readonly model: Model;
  protected readonly rules: Rules;
  protected twins: readonly Twin[] = [];
  private readonly files: VmFile[];
  private readonly device: VmDevice;
  private readonly fileNumber = new Map<Content, { readonly file: VmFile; readonly page: number }>();
  /** Memory may run out, by the sizes of machine and swap. */
  private small: boolean;
  /** Anything may be refused. */
  private troubled: boolean;
  /** Data may be lost for good. */
  private readonly lossy: boolean;
  /** The stores beneath whatever the trouble maker has put in between. */
  private readonly stores = new Map<VmFile, BackingStore>();
  private born = 0;

  constructor(
    readonly options: Options,
    protected readonly program: Program,
  ) {
    const { memoryPages, swapPages } = program;
    const { system, defects } = options;
    const swapStore = this.wrapped('swap', new MemoryStore());
    this.system = bootSystem(system, { memoryPages, swapPages, swapStore, devicePages: DEVICE_PAGES, defects });
    this.rules = RULES[system] as Rules;
    this.model = modelOf(this.rules, defects === 'as-seeded');
    this.troubled = options.trouble !== undefined;
    this.model.troubled = this.troubled;
    const asSeeded = defects === 'as-seeded';
    this.lossy = options.trouble?.breaks?.some((transfer) => this.rules.losesData(asSeeded, transfer)) ?? false;
    this.small = this.troubled || swapPages < memoryPages;
    this.files = FILE_BYTES.map((bytes, i) => this.createFile(`file${i}`, bytes));
    this.device = this.system.createDevice('device', DEVICE_PAGES, (page, bytes) => bytes.set(patternPage(page + 7)));
    this.system.onKill = (process) => this.killed(process);
    options.trouble?.begin?.(this.system);
    this.model.files.set(
      this.device,
      modelDevice(DEVICE_PAGES, (page) => patternPage(page + 7)),
    );
  }

  /** Memory may run out. */
  private get scarce(): boolean {
    return this.small || (this.rules.losesMemory?.(this.system, this.options.defects === 'as-seeded') ?? false);
  }

  private wrapped(name: string, store: BackingStore): BackingStore {
    return this.options.trouble?.wrap?.(name, store) ?? store;
  }

  private createFile(name: string, bytes: number): VmFile {
    const store = new PatternStore(bytes);
    const file = this.system.createFile(name, this.wrapped(name, store));
    this.stores.set(file, store);
    const twin = modelFile(bytes, patternPage, this.rules.mappedBytes?.(bytes));
    this.model.files.set(file, twin);
    twin.pages.forEach((content, page) => {
      this.fileNumber.set(content, { file, page });
    });
    return file;
  }

  /** Runs the whole program. Throws a Mismatch, an InvariantError, or whatever else went wrong, naming the operation. */
  run(): void {
    const { operations } = this.program;
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i] as Operation;
      try {
        if (!this.step(operation)) return;
        if ((i + 1) % this.options.checkEvery === 0) this.checkState();
      } catch (error) {
        if (this.isSeededHang(error)) return;
        throw this.at(`operation ${i} (${show(operation)})`, error);
      }
    }
    try {
      this.finish();
    } catch (error) {
      if (!this.isSeededHang(error)) throw this.at('the end', error);
    }
  }

  /** A wait that CAVEATS.md tells of, which nobody can end. */
  private isSeededHang(error: unknown): boolean {
    const hangs = this.options.defects === 'as-seeded' ? (this.rules.seededHangs ?? []) : [];
    return error instanceof KernelHang && hangs.includes(error.wmesg);
  }

  protected at(place: string, error: unknown): Error {
    const { name, message, stack } = error as Error;
    const { system, defects } = this.options;
    const told = new Error(`${system} ${defects}, at ${place}: ${name}: ${message}`);
    if (name !== 'Mismatch' && stack !== undefined) told.stack = `${told.message}\n${stack}`;
    return told;
  }

  // ---- operations

  /** False when the kernel has stopped for good in a way that the program had to expect. */
  protected step(operation: Operation): boolean {
    if (operation.op === 'pageout') {
      this.system.pageout(operation.pages);
      return true;
    }
    const twin = this.twins.length === 0 ? this.spawn() : (this.twins[operation.who % this.twins.length] as Twin);
    if (avoided(this.model, operation, twin.model, this.options.defects === 'as-seeded')) return true;
    switch (operation.op) {
      case 'fork':
        return this.fork(twin);
      case 'exit':
        // The last process stays most of the time: what follows would find nothing mapped.
        if (this.twins.length > 1 || operation.who === 0) this.exit(twin);
        return true;
      case 'access':
        this.accesses(twin, operation);
        return true;
      case 'brk':
        this.model.brk(twin.model, operation.address, this.system.brk(twin.real, operation.address));
        return true;
      default:
        try {
          this.call(twin, operation);
          return true;
        } catch (error) {
          if (operation.op === 'wire' && this.options.defects === 'as-seeded' && this.waitsForEver(error)) return false;
          throw error;
        }
    }
  }

  private spawn(): Twin {
    const name = `p${this.born++}`;
    const twin = { real: this.system.spawn(name), model: this.model.spawn(name) };
    this.twins = [...this.twins, twin];
    return twin;
  }

  /** A call can want memory that nobody can give: as seeded the kernel then waits for ever, and the program ends there. */
  private waitsForEver(error: unknown): boolean {
    return this.scarce && error instanceof KernelHang && this.rules.waitsForEver.test(error.wmesg);
  }

  private fork(parent: Twin): boolean {
    if (this.twins.length >= PROCESSES_MAX) return true;
    const name = `p${this.born++}`;
    try {
      const real = this.system.fork(parent.real, name);
      if (real === 'ENOMEM' && this.scarce) return true;
      if (typeof real === 'string') throw new Mismatch(`fork answered ${real}`);
      this.twins = [...this.twins, { real, model: this.model.fork(parent.model, name) }];
      return true;
    } catch (error) {
      if (this.waitsForEver(error)) return false;
      throw error;
    }
  }

  private exit(twin: Twin): void {
    this.system.exit(twin.real);
    this.model.exit(twin.model);
    this.twins = this.twins.filter((other) => other !== twin);
  }

  /** The page daemon ends a process for want of memory. */
  private killed(process: VmProcess): void {
    if (!this.scarce) throw new Mismatch(`${process.name} was killed, and there was memory`);
    const twin = this.twins.find(({ real }) => real === process) as Twin;
    this.model.exit(twin.model);
    this.twins = this.twins.filter((other) => other !== twin);
  }

  private call({ real, model }: Twin, operation: Extract<Operation, { length: number }>): void {
    const { address, length } = operation;
    const { system } = this;
    switch (operation.op) {
      case 'map': {
        const { prot, sharing, fixed } = operation;
        const request = { address, length, protection: prot, sharing, fixed, backing: this.backing(operation) };
        this.model.map(model, request, system.map(real, request));
        return;
      }
      case 'unmap':
        this.model.unmap(model, operation, system.unmap(real, address, length));
        return;
      case 'protect':
        this.model.protect(model, operation, operation.prot, system.protect(real, address, length, operation.prot));
        return;
      case 'advise':
        this.model.advise(model, operation, operation.advice, system.advise(real, address, length, operation.advice));
        return;
      case 'inherit':
        this.model.inherit(model, operation, operation.how, system.inherit(real, address, length, operation.how));
        return;
      case 'wire': {
        const limits = this.wireLimits();
        this.model.wire(model, operation, system.wire(real, address, length), limits);
        return;
      }
      case 'unwire':
        this.model.unwire(model, operation, system.unwire(real, address, length));
        return;
      case 'sync': {
        const result = system.sync(real, address, length);
        this.compareStores(this.model.sync(model, operation, result, this.troubled));
      }
    }
  }

  private wireLimits(): WireLimits {
    const wired = this.system.queues().find(({ name }) => name === 'wired')?.pages ?? 0;
    return { most: this.rules.wireLimit(this.program.memoryPages), wired, scarce: this.scarce };
  }

  private backing({ backing, which, offset }: Extract<Operation, { op: 'map' }>): MapBacking {
    if (backing === 'anon') return { kind: 'anon' };
    if (backing === 'device') return { kind: 'device', device: this.device, offset };
    return { kind: 'file', file: this.files[which] as VmFile, offset };
  }

  // ---- accesses

  private accesses(twin: Twin, operation: AccessOperation): void {
    for (const { vpn, value } of pagesOfAccess(operation)) {
      this.access(twin, vpn, ACCESSES[operation.access] as Access, operation.address % PAGE_SIZE, value);
    }
  }

  private access(twin: Twin, vpn: number, access: Access, offset: number, value: number): void {
    this.judge(twin, vpn, access, this.touch(twin.real, vpn, access), offset, value);
  }

  /** Compares what an access came to with the model, and lets it store its byte. */
  protected judge(twin: Twin, vpn: number, access: Access, got: number | Answer, offset: number, value: number): void {
    const expected = this.model.outcomes(twin.model, vpn, access);
    if (typeof got === 'string') {
      const excused = got === 'shortage' ? this.scarce : got === 'failure' && (this.troubled || this.lossy);
      if (!excused && !expected.includes(got as Outcome)) {
        throw new Mismatch(`${twin.real.name}: page ${vpn}: ${got}, not ${expected.join(' or ')}`);
      }
      return;
    }
    if (!expected.includes('ok'))
      throw new Mismatch(`${twin.real.name}: page ${vpn}: allowed, not ${expected.join(' or ')}`);
    const bytes = this.system.frameBytes(got) as Uint8Array;
    const seen = Buffer.from(bytes.buffer, bytes.byteOffset, PAGE_SIZE);
    try {
      this.model.see(twin.model, vpn, seen);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      const content = twin.model.places.get(vpn)?.content ?? null;
      if (content === null || !this.hasReverted(content, seen)) {
        throw new Mismatch(`${twin.real.name}: page ${vpn}: ${error.message}`);
      }
    }
    if (access !== ACCESS_WRITE) return;
    this.model.store(twin.model, vpn, seen, offset, value);
    bytes[offset] = value;
  }

  /** Whether a page of a file is what its store has, because what was stored to it could not be written and is lost. */
  private hasReverted(content: Content, seen: Buffer): boolean {
    let shown: Content | null = content;
    while (shown !== null && shown.own === null) shown = shown.base;
    const where = shown === null ? undefined : this.fileNumber.get(shown);
    if (!this.lossy || shown === null || where === undefined) return false;
    if (!this.storedPage(where).equals(seen)) return false;
    shown.own = Buffer.from(seen);
    return true;
  }

  private storedPage({ file, page }: { readonly file: VmFile; readonly page: number }): Buffer {
    const stored = Buffer.alloc(PAGE_SIZE);
    this.stores.get(file)?.read(page * PAGE_SIZE, [stored]);
    return stored;
  }

  /** The frame that the access reached, or why it did not. */
  private touch(process: VmProcess, vpn: number, access: Access): number | Answer {
    const { system } = this;
    for (let faults = 0; faults <= FAULTS_PER_ACCESS_MAX; faults++) {
      const frame = system.translate(process, vpn, access);
      if (frame >= 0) return frame;
      const code = system.fault(process, vpn, access);
      if (code === system.faultSuccess) continue;
      const outcome = this.rules.codes[system.faultCodeName(code)];
      if (outcome === undefined) throw new Mismatch(`the fault answered ${system.faultCodeName(code)}`);
      return outcome;
    }
    throw new Mismatch(`page ${vpn} faults for ever`);
  }

  // ---- comparing the rest

  /** Every map entry, and every invariant; nothing is disturbed. */
  private checkState(): void {
    this.system.check();
    for (const twin of this.twins) this.compareEntries(twin);
  }

  private compareEntries({ real, model }: Twin): void {
    let pages = 0;
    for (const entry of this.system.entries(real)) {
      for (let vpn = entry.start / PAGE_SIZE; vpn < entry.end / PAGE_SIZE; vpn++) {
        const place = model.places.get(vpn);
        const wrong =
          place === undefined ||
          place.prot !== entry.protection ||
          (place.max & ~place.maxUnsure) !== (entry.maximum & ~place.maxUnsure) ||
          place.inherit !== entry.inheritance ||
          place.wired !== entry.wired > 0;
        if (wrong)
          throw new Mismatch(
            `${real.name}: the entry of page ${vpn} is ${JSON.stringify(entry)}, not ${placeName(place)}`,
          );
        pages++;
      }
    }
    if (pages !== model.places.size) throw new Mismatch(`${real.name} maps ${pages} pages, not ${model.places.size}`);
  }

  /** What msync has written must be in the stores. */
  private compareStores(contents: readonly Content[]): void {
    if (this.lossy) return;
    for (const content of contents) {
      const where = this.fileNumber.get(content);
      if (where === undefined) continue;
      const { file, page } = where;
      const stored = this.storedPage(where);
      const own = content.own as Buffer;
      if (stored.compare(own, 0, content.end, 0, content.end) !== 0) {
        throw new Mismatch(`after msync, page ${page} of ${file.name} is not in its store`);
      }
    }
  }

  /** Every byte of every process, every file, and then what is left. */
  protected finish(): void {
    this.checkState();
    this.options.trouble?.end(this.system);
    this.troubled = false;
    this.model.troubled = false;
    this.small = this.program.swapPages < this.program.memoryPages;
    for (const twin of this.twins) {
      for (const vpn of [...twin.model.places.keys()].sort((a, b) => a - b)) {
        // Reading one process can cost another its life.
        if (twin.real.alive) this.access(twin, vpn, ACCESS_READ, 0, 0);
      }
    }
    this.system.check();
    this.flushFiles();
    while (this.twins.length > 0) this.exit(this.twins[0] as Twin);
    this.system.check();
    const leak = this.rules.leak(this.system, this.options.defects === 'as-seeded');
    if (leak !== null) throw new Mismatch(`after the last exit, the machine still holds ${leak}`);
  }

  private flushFiles(): void {
    const real = this.system.spawn('flusher');
    const model = this.model.spawn('flusher');
    let address = 0x10000000;
    this.files.forEach((file, i) => {
      // Some systems have pages behind the end of a file, and one writes only whole objects: the mapping reaches beyond.
      const length = Math.ceil((FILE_BYTES[i] as number) / FLUSH_BYTES) * FLUSH_BYTES;
      if (length === 0) return;
      const backing = { kind: 'file' as const, file, offset: 0 };
      const request = { address, length, protection: 3, sharing: 'shared' as const, fixed: true, backing };
      this.model.map(model, request, this.system.map(real, request));
      const range = { address, length };
      this.model.sync(model, range, this.system.sync(real, address, length), false);
      this.compareStores([...model.places.values()].flatMap(({ content }) => (content === null ? [] : [content])));
      this.model.unmap(model, range, this.system.unmap(real, address, length));
      address += length;
    });
    this.exit({ real, model });
  }
}

/** The pages that an operation touches, one after the other, and what it would store in each. */
export function pagesOfAccess({ address, pages, value }: AccessOperation): { vpn: number; value: number }[] {
  const first = Math.floor(address / PAGE_SIZE);
  return Array.from({ length: pages }, (_, i) => ({ vpn: first + i, value: (value + i) & 255 }));
}

function placeName(place: object | undefined): string {
  return place === undefined ? 'mapped' : JSON.stringify({ ...place, content: undefined });
}

/** Runs a program; throws where system and model differ. */
export function runProgram(options: Options, program: Program): void {
  new Differential(options, program).run();
}
