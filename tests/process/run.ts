/**
 * Runs a program on a machine and on the model side by side, and compares after each operation: errno, signal and bytes; every so often and at the
 * end everything: every page of every process, every map entry, every byte of every file, and the kernel's own invariants.
 */
import type { CallResult, Errno, Machine, Process, Snapshot, SystemName } from '@faultline/core';
import * as F from '@faultline/core';
import { cloneGraph } from './clone.js';
import { AccessModel, type Trap } from './model/access.js';
import { Mismatch } from './model/cell.js';
import { ModelFile, type Open } from './model/file.js';
import type { ModelProcess } from './model/model.js';
import {
  DATA_START,
  FILES,
  FROM_TOP,
  type Operation,
  PLACE_BYTES,
  PLACED,
  type Program,
  show,
  WINDOW_START,
} from './program.js';
import { RULES } from './rules.js';

const { PAGE_SIZE } = F;
export const PROCESSES_MAX = 6;
/** Where comparisons map their buffer: nothing else comes here. */
const SCRATCH = 0x7000_0000_0000;

export interface RunOptions {
  readonly system: SystemName;
  /** Operations between two checks of the kernel's invariants. */
  readonly checkEvery: number;
  /** Operations between two comparisons of everything. */
  readonly compareEvery: number;
  /** Puts something between the machine and the comparison: a fault on purpose. */
  readonly plant?: (machine: Machine) => Machine;
}

/** A process on both sides. */
interface Twin {
  readonly real: Process;
  readonly model: ModelProcess;
}

interface Saved {
  readonly real: Snapshot;
  readonly model: {
    readonly processes: ModelProcess[];
    readonly files: Map<string, ModelFile>;
    readonly twins: readonly { id: number; model: ModelProcess }[];
  };
}

type Of<N extends Operation['op']> = Extract<Operation, { op: N }>;

/** The bytes that a file of the program begins with. */
function initial(name: string, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + (i >>> 12) * 57 + name.charCodeAt(0)) & 255);
}

export class Run {
  readonly machine: Machine;
  readonly model: AccessModel;
  files = new Map<string, ModelFile>();
  private twins: Twin[] = [];
  private saved: Saved | null = null;
  private done = 0;

  constructor(
    readonly options: RunOptions,
    { memoryPages, swapPages }: Program,
  ) {
    const rules = RULES[options.system];
    const contents = Object.entries(FILES).map(([name, bytes]) => [name, initial(name, bytes)] as const);
    const machine = F.createMachine({
      system: options.system,
      memory: (memoryPages + rules.moreMemory) * PAGE_SIZE,
      swap: swapPages * PAGE_SIZE,
      files: Object.fromEntries(contents),
    });
    this.machine = options.plant?.(machine) ?? machine;
    this.model = new AccessModel(rules, swapPages < memoryPages * 2, memoryPages + rules.moreMemory);
    for (const [name, bytes] of contents) this.files.set(name, new ModelFile(name, bytes));
  }

  /** One operation on both sides. Answers what came of it, in words. */
  step(operation: Operation): string {
    const answer = this.perform(operation);
    this.dropKilled();
    this.done++;
    if (this.done % this.options.checkEvery === 0) this.machine.check();
    if (this.done % this.options.compareEvery === 0) this.compareAll();
    return answer;
  }

  private perform(operation: Operation): string {
    if (!('who' in operation)) return this.whole(operation);
    if (this.twins.length === 0) this.spawn();
    const twin = this.twins[operation.who % this.twins.length] as Twin;
    if (isMemoryCall(operation)) return String(this.memoryCall(twin, operation));
    if (isFileCall(operation)) return String(this.fileCall(twin, operation));
    if (isAccess(operation)) return this.access(twin, operation);
    return this.life(twin, operation);
  }

  /** What the whole machine does. */
  private whole(operation: Of<'pageout' | 'sync' | 'snapshot' | 'restore'>): string {
    switch (operation.op) {
      case 'pageout':
        this.machine.pageout(operation.pages * PAGE_SIZE);
        return '';
      case 'sync':
        return String(this.model.judge(this.machine.sync(), []));
      case 'snapshot':
        this.saved = { real: this.machine.snapshot(), model: this.frozen() };
        return '';
      case 'restore':
        if (this.saved !== null) this.restore(this.saved);
        return '';
    }
  }

  private frozen(): Saved['model'] {
    const twins = this.twins.map(({ real, model }) => ({ id: real.id, model }));
    return cloneGraph({ processes: this.model.processes, files: this.files, twins });
  }

  private restore({ real, model }: Saved): void {
    this.machine.restore(real);
    const { processes, files, twins } = cloneGraph(model);
    this.model.processes = processes;
    this.files = files;
    this.twins = twins.map(({ id, model: one }) => ({ real: this.living(id), model: one }));
  }

  private living(id: number): Process {
    const found = this.machine.processes.find((process) => process.id === id);
    if (found === undefined) throw new Mismatch(`process ${id} did not come back`);
    return found;
  }

  // ---- processes

  private spawn(): void {
    const real = this.machine.spawn();
    this.twins.push({ real, model: this.model.spawn(real.dataEnd) });
    this.life(this.twins[0] as Twin, { op: 'exec', who: 0, path: '', pages: 4, stack: 4 });
  }

  private life(twin: Twin, operation: Of<'fork' | 'clone' | 'vfork' | 'exit' | 'exec' | 'limit'>): string {
    switch (operation.op) {
      case 'fork':
      case 'clone':
        return this.fork(twin, operation.op === 'clone');
      case 'vfork':
        return this.vfork(twin, operation);
      case 'exit':
        // The last process stays most of the time: what follows would find nothing mapped.
        if (this.twins.length > 1 || operation.who === 0) this.exit(twin);
        return '';
      case 'exec':
        return this.exec(twin, operation);
      case 'limit': {
        const none = operation.which === 'data' ? 32 * 2 ** 30 : Number.POSITIVE_INFINITY;
        const bytes = operation.pages < 0 ? none : operation.pages * PAGE_SIZE;
        twin.real.setLimits({ [operation.which]: bytes });
        if (operation.which === 'data') twin.model.dataLimit = bytes;
        else if (operation.which === 'addressSpace') twin.model.addressLimit = bytes;
        else twin.model.lockLimit = bytes;
        return '';
      }
    }
  }

  private fork(parent: Twin, whole: boolean): string {
    if (this.twins.length >= PROCESSES_MAX) return '';
    const real = whole ? parent.real.clone() : parent.real.fork();
    if (!this.model.judge(typeof real === 'string' ? real : 0, [])) return String(real);
    this.twins.push({ real: real as Process, model: this.model.fork(parent.model, whole) });
    return 'child';
  }

  /** The child stores a byte in the address space of its parent, and goes its own way. */
  private vfork(parent: Twin, { at, value, exec }: Of<'vfork'>): string {
    if (this.twins.length >= PROCESSES_MAX) return '';
    const real = parent.real.vfork();
    if (!this.model.judge(typeof real === 'string' ? real : 0, [])) return String(real);
    const child = real as Process;
    const answer = this.access({ real: child, model: parent.model }, { op: 'store', who: 0, at, width: 1, value });
    if (!child.alive) return answer;
    if (!exec) {
      child.exit();
      return answer;
    }
    this.model.judge(child.exec(), []);
    const model = { ...this.model.spawn(child.dataEnd), fds: [...parent.model.fds] };
    this.model.processes.splice(-1, 1, model);
    for (const name of ['dataLimit', 'addressLimit', 'lockLimit'] as const) model[name] = parent.model[name];
    this.twins.push({ real: child, model });
    return answer;
  }

  private exec({ real, model }: Twin, { path, pages, stack }: Of<'exec'>): string {
    const file = path === '' ? null : this.named(path);
    const missing = file === undefined;
    const segment = { address: WINDOW_START * PAGE_SIZE, length: pages * PAGE_SIZE, protection: 3 };
    const image = {
      segments: [path === '' ? segment : { ...segment, path }],
      dataStart: DATA_START,
      stack: stack * PAGE_SIZE,
    };
    const answer = real.exec(image);
    if (!this.model.judge(answer, [missing && 'ENOENT'])) return String(answer);
    const top = { start: F.USER_MAX_PAGE - stack, pages: stack, prot: this.model.rules.stackProt, file: null };
    this.model.exec(model, [{ start: WINDOW_START, pages, prot: 3, file: file ?? null }, top], DATA_START, top.start);
    return String(answer);
  }

  private exit(twin: Twin): void {
    twin.real.exit();
    this.forget(twin);
  }

  private forget(twin: Twin): void {
    this.model.exit(twin.model);
    this.twins = this.twins.filter((other) => other !== twin);
  }

  /** The kernel may kill where memory runs out, and nowhere else. */
  private dropKilled(): void {
    for (const twin of this.twins) {
      if (twin.real.alive) continue;
      if (!this.model.scarce)
        throw new Mismatch(`process ${twin.real.id} was killed: ${JSON.stringify(twin.real.killedBy)}`);
      this.forget(twin);
    }
  }

  private named(path: string): ModelFile | undefined {
    return this.files.get(path);
  }

  /** The address that an operation means, in this process of this system. */
  private resolve({ model }: Twin, at: number): number {
    if (at >= PLACED) {
      const index = Math.floor((at - PLACED) / PLACE_BYTES);
      const base =
        model.placed.length === 0 ? WINDOW_START * PAGE_SIZE : (model.placed[index % model.placed.length] as number);
      return base - (base % PAGE_SIZE) + ((at - PLACED) % PLACE_BYTES);
    }
    return at >= FROM_TOP ? F.USER_MAX_ADDRESS - (at - FROM_TOP) : at;
  }

  // ---- memory calls

  private memoryCall(twin: Twin, operation: MemoryCall): CallResult {
    const { model: twinModel, real } = twin;
    const { model } = this;
    const address = 'at' in operation ? this.resolve(twin, operation.at) : 0;
    const length = 'length' in operation ? operation.length : 0;
    const told = <T>(answer: T, tell: (answer: T) => void): T => {
      tell(answer);
      return answer;
    };
    switch (operation.op) {
      case 'mmap': {
        const { prot, flags, fd } = operation;
        const offset = model.rules.wholeOffsets ? operation.offset - (operation.offset % PAGE_SIZE) : operation.offset;
        const call = { address, length, prot, flags, fd, offset };
        return told(real.mmap(address, length, prot, flags, fd, offset), (answer) => {
          model.mmap(twinModel, call, answer);
          if (!real.alive || (flags & F.MAP_FIXED) === 0 || (answer !== 'ENOMEM' && answer !== 'EAGAIN')) return;
          const maps = real.maps();
          model.lose(twinModel, call, (one) => maps.some(({ start, end }) => one >= start && one < end));
        });
      }
      case 'munmap':
        return told(real.munmap(address, length), (answer) => model.munmap(twinModel, address, length, answer));
      case 'mprotect':
        return told(real.mprotect(address, length, operation.prot), (answer) =>
          model.mprotect(twinModel, address, length, operation.prot, answer),
        );
      case 'madvise':
        return told(real.madvise(address, length, operation.advice), (answer) =>
          model.madvise(twinModel, address, length, operation.advice, answer),
        );
      case 'minherit':
        return told(real.minherit(address, length, operation.how), (answer) =>
          model.minherit(twinModel, address, length, operation.how, answer),
        );
      case 'mlock':
        return told(real.mlock(address, length), (answer) => model.mlock(twinModel, address, length, answer));
      case 'munlock':
        return told(real.munlock(address, length), (answer) => model.munlock(twinModel, address, length, answer));
      case 'mlockall':
        return told(real.mlockall(operation.flags), (answer) => model.mlockall(twinModel, operation.flags, answer));
      case 'munlockall':
        return told(real.munlockall(), (answer) => model.munlockall(twinModel, answer));
      case 'msync':
        return told(real.msync(address, length, operation.flags), (answer) =>
          model.msync(twinModel, address, length, operation.flags, answer),
        );
      case 'mincore':
        return this.mincore(twin, address, length, operation.short);
      case 'brk':
        return told(real.brk(address), (answer) => model.brk(twinModel, address, answer));
      case 'sbrk': {
        const before = twinModel.dataEnd;
        return told(real.sbrk(operation.increment), (answer) => {
          if (operation.increment === 0 && answer === before) return;
          model.brk(twinModel, before + operation.increment, answer, before);
        });
      }
    }
  }

  private mincore({ real, model }: Twin, address: number, length: number, short: boolean): CallResult {
    const pages = Math.min(Math.ceil((address + length) / PAGE_SIZE) - Math.floor(address / PAGE_SIZE), 1000);
    const vector = new Uint8Array(short ? Math.max(pages - 1, 0) : pages);
    const answer = real.mincore(address, length, vector);
    this.model.mincore(model, address, length, vector, answer);
    return answer;
  }

  // ---- files

  private fileCall(twin: Twin, operation: FileCall): CallResult {
    const { real, model } = twin;
    if (operation.op === 'open') return this.open(twin, operation);
    if (operation.op === 'unlink') {
      const answer = real.unlink(operation.path);
      if (this.model.judge(answer, [this.files.has(operation.path) ? 0 : 'ENOENT'])) this.files.delete(operation.path);
      return answer;
    }
    const { fd } = operation;
    const open = model.fds[fd] ?? null;
    if ('length' in operation) return this.transfer(twin, operation, open);
    const bad = open === null && ('EBADF' as const);
    switch (operation.op) {
      case 'close': {
        const answer = real.close(fd);
        if (this.model.judge(answer, [bad])) model.fds[fd] = null;
        return answer;
      }
      case 'dup': {
        const answer = real.dup(fd);
        if (this.model.judge(answer, [bad])) this.newDescriptor(twin, open as Open, answer);
        return answer;
      }
      case 'fsync': {
        const answer = real.fsync(fd);
        this.model.judge(answer, [bad]);
        return answer;
      }
      case 'lseek': {
        const answer = real.lseek(fd, operation.offset);
        if (this.model.judge(answer, [bad])) (open as Open).position = operation.offset;
        return answer;
      }
      case 'ftruncate': {
        const answer = real.ftruncate(fd, operation.offset);
        const closed = open !== null && (open.flags & 3) === F.O_RDONLY && ('EINVAL' as const);
        if (this.model.judge(answer, [bad, closed])) open?.file.resize(operation.offset);
        return answer;
      }
    }
  }

  private open(twin: Twin, { path, flags }: Of<'open'>): CallResult {
    const answer = twin.real.open(path, flags);
    let file = this.files.get(path);
    const creates = (flags & F.O_CREAT) !== 0;
    const refusals: (Errno | false)[] = [
      (flags & 3) === 3 && 'EINVAL',
      file === undefined && !creates && 'ENOENT',
      file !== undefined && creates && (flags & F.O_EXCL) !== 0 && 'EEXIST',
    ];
    if (!this.model.judge(answer, refusals)) return answer;
    if (file === undefined) {
      file = new ModelFile(path, new Uint8Array(0));
      this.files.set(path, file);
    }
    if ((flags & F.O_TRUNC) !== 0) file.resize(0);
    this.newDescriptor(twin, { file, flags, position: 0 }, answer);
    return answer;
  }

  /** Descriptors are the lowest that are free. */
  private newDescriptor({ model }: Twin, open: Open, answer: CallResult): void {
    let fd = 0;
    while (model.fds[fd]) fd++;
    if (answer !== fd) throw new Mismatch(`descriptor ${answer}, not ${fd}`);
    model.fds[fd] = open;
  }

  private transfer(twin: Twin, operation: Of<'read' | 'write' | 'pread' | 'pwrite'>, open: Open | null): CallResult {
    const { real, model } = twin;
    const { fd, length } = operation;
    const address = this.resolve(twin, operation.at);
    const appends = open !== null && operation.op === 'write' && (open.flags & F.O_APPEND) !== 0;
    const from = 'offset' in operation ? operation.offset : appends ? open.file.size : (open?.position ?? 0);
    const answer = this.transferred(real, operation, fd, address, length);
    const write = operation.op === 'write' || operation.op === 'pwrite';
    const done = this.model[write ? 'write' : 'read'](model, open, from, address, length, answer);
    if (done && open !== null && !('offset' in operation))
      open.position = answer === 0 && write ? open.position : from + (answer as number);
    return answer;
  }

  private transferred(
    real: Process,
    operation: Of<'read' | 'write' | 'pread' | 'pwrite'>,
    fd: number,
    address: number,
    length: number,
  ): CallResult {
    switch (operation.op) {
      case 'read':
        return real.read(fd, address, length);
      case 'write':
        return real.write(fd, address, length);
      case 'pread':
        return real.pread(fd, address, length, operation.offset);
      case 'pwrite':
        return real.pwrite(fd, address, length, operation.offset);
    }
  }

  // ---- accesses

  private access(twin: Twin, operation: Access): string {
    const { real, model } = twin;
    const address = this.resolve(twin, operation.at);
    switch (operation.op) {
      case 'load':
        return this.load(twin, address, operation.width, F.PROT_READ, () => loadBytes(real, address, operation.width));
      case 'fetch':
        return this.load(twin, address, 4, this.model.rules.fetchNeeds, () =>
          littleEndian(BigInt(real.fetch32(address)), 4),
        );
      case 'store': {
        const { width } = operation;
        const bytes = Uint8Array.from({ length: width }, (_, i) => (operation.value + i * 3) & 255);
        const trap = trapOf(() => storeBytes(real, address, bytes));
        if (this.model.trapped(model, address, width, F.PROT_WRITE, trap)) this.model.store(model, address, bytes);
        else this.model.touched(model, address, width);
        return trapName(trap, address);
      }
      case 'cas':
        return this.compareAndSwap(twin, address, operation);
      case 'copyin': {
        const into = new Uint8Array(operation.length);
        const answer = real.copyin(address, into);
        this.model.copyin(model, address, into, answer);
        return `${answer} ${answer === into.length ? String(into) : ''}`;
      }
      case 'copyout': {
        const bytes = Uint8Array.from({ length: operation.length }, (_, i) => (operation.value + i * 5) & 255);
        const answer = real.copyout(bytes, address);
        this.model.copyout(model, address, bytes, answer);
        return String(answer);
      }
      case 'touch':
        return this.touch(twin, address, operation.length, operation.access);
    }
  }

  private load(twin: Twin, address: number, width: number, need: number, load: () => Uint8Array): string {
    let seen = new Uint8Array(0);
    const trap = trapOf(() => {
      seen = load() as Uint8Array<ArrayBuffer>;
    });
    if (!this.model.trapped(twin.model, address, width, need, trap)) return trapName(trap, address);
    this.model.see(twin.model, address, seen);
    return String(seen);
  }

  private compareAndSwap(twin: Twin, address: number, { width, value, same }: Of<'cas'>): string {
    const { real, model } = twin;
    let now = 0n;
    const loaded = this.load(twin, address, width, F.PROT_READ, () => {
      now = width === 4 ? BigInt(real.load32(address)) : real.load64(address);
      return littleEndian(now, width);
    });
    if (loaded.startsWith('SIG')) return loaded;
    const expected = same ? now : now ^ 1n;
    let was = now;
    const trap = trapOf(() => {
      was =
        width === 4
          ? BigInt(real.compareAndSwap32(address, Number(expected), value))
          : real.compareAndSwap64(address, expected, BigInt(value));
    });
    const through = this.model.trapped(model, address, width, F.PROT_WRITE, trap);
    this.model.touched(model, address, width);
    if (!through) return trapName(trap, address);
    this.model.see(model, address, littleEndian(was, width));
    if (same) this.model.store(model, address, littleEndian(BigInt(value), width));
    return String(was);
  }

  private touch({ real, model }: Twin, address: number, length: number, access: F.Access): string {
    const signal = real.touch(address, length, access);
    const trap = signal === null ? null : { why: `${signal.signal} ${signal.code}`, address: signal.address };
    const need =
      access === F.ACCESS_WRITE ? F.PROT_WRITE : access === F.ACCESS_READ ? F.PROT_READ : this.model.rules.fetchNeeds;
    this.model.trapped(model, address, length, need, trap);
    this.model.touched(model, address, length);
    return trapName(trap, address);
  }

  // ---- comparing everything

  compareAll(): void {
    this.machine.check();
    for (const twin of this.twins) {
      this.compareMaps(twin);
      this.compareMemory(twin);
    }
    this.compareFiles();
    this.dropKilled();
  }

  /** The entries of the address space, page by page. */
  private compareMaps({ real, model }: Twin): void {
    let pages = 0;
    for (const { start, end, protection, maximum, inheritance } of real.maps()) {
      for (let vpn = start / PAGE_SIZE; vpn < end / PAGE_SIZE; vpn++) {
        const place = model.places.get(vpn);
        const inherit = ['share', 'copy', 'none'][place?.inherit ?? 3];
        if (
          place?.prot !== protection ||
          inherit !== inheritance ||
          (place.max & ~place.lost) !== (maximum & ~place.lost)
        ) {
          const told = place === undefined ? 'nothing' : `${place.prot} of ${place.max}, ${inherit}`;
          throw new Mismatch(
            `process ${real.id} page ${vpn}: protection ${protection} of ${maximum}, ${inheritance}; not ${told}`,
          );
        }
        pages++;
      }
    }
    if (pages !== model.places.size)
      throw new Mismatch(`process ${real.id} maps ${pages} pages, not ${model.places.size}`);
  }

  private compareMemory({ real, model }: Twin): void {
    const page = new Uint8Array(PAGE_SIZE);
    for (const vpn of [...model.places.keys()]) {
      if (!real.alive) return;
      this.model.copyin(model, vpn * PAGE_SIZE, page, real.copyin(vpn * PAGE_SIZE, page));
    }
  }

  /** Every file, by its name or by whatever descriptor is left of it. */
  private compareFiles(): void {
    const paths = [...this.machine.paths()].sort().join();
    const expected = [...this.files.keys()].sort().join();
    if (paths !== expected) throw new Mismatch(`there are files ${paths}, not ${expected}`);
    const reader = this.machine.spawn('reader');
    for (const [path, file] of this.files) {
      const { size } = this.machine.status(path);
      if (size !== file.size) throw new Mismatch(`file ${path} has ${size} bytes, not ${file.size}`);
      const fd = reader.open(path, F.O_RDONLY);
      if (typeof fd === 'number') this.compareFile(reader, fd, file);
      if (!reader.alive) return;
    }
    reader.exit();
    for (const { real, model } of this.twins) {
      for (const [fd, open] of model.fds.entries()) {
        const known = open === null || open === undefined || [...this.files.values()].includes(open.file);
        if (!known && (open.flags & 3) !== F.O_WRONLY && real.alive) this.compareFile(real, fd, open.file);
      }
    }
  }

  private compareFile(real: Process, fd: number, file: ModelFile): void {
    const { addressSpace } = real.limits;
    real.setLimits({ addressSpace: Number.POSITIVE_INFINITY });
    const mapped = real.mmap(SCRATCH, PAGE_SIZE, 3, F.MAP_ANON | F.MAP_PRIVATE | F.MAP_FIXED);
    real.setLimits({ addressSpace });
    if (mapped !== SCRATCH) {
      if (this.model.scarce) return;
      throw new Mismatch(`no place for a buffer: ${mapped}`);
    }
    const bytes = new Uint8Array(PAGE_SIZE);
    for (let at = 0; at < file.size && real.alive; at += PAGE_SIZE) {
      const count = Math.min(PAGE_SIZE, file.size - at);
      const got = real.pread(fd, SCRATCH, PAGE_SIZE, at);
      if (got !== count) {
        if (this.model.scarce && typeof got === 'string') continue;
        throw new Mismatch(`file ${file.path}: read ${got} bytes at ${at}, not ${count}`);
      }
      if (real.copyin(SCRATCH, bytes) === PAGE_SIZE) file.page(at / PAGE_SIZE).see(0, bytes.subarray(0, count));
    }
    if (real.alive) real.munmap(SCRATCH, PAGE_SIZE);
  }

  /** Everything once more, then all processes end. */
  finish(): void {
    this.compareAll();
    while (this.twins.length > 0) this.exit(this.twins[0] as Twin);
    this.machine.check();
  }
}

type MemoryCall = Of<
  | 'mmap'
  | 'munmap'
  | 'mprotect'
  | 'madvise'
  | 'minherit'
  | 'mlock'
  | 'munlock'
  | 'mlockall'
  | 'munlockall'
  | 'msync'
  | 'mincore'
  | 'brk'
  | 'sbrk'
>;
type FileCall = Of<
  'open' | 'close' | 'read' | 'write' | 'pread' | 'pwrite' | 'ftruncate' | 'fsync' | 'unlink' | 'dup' | 'lseek'
>;
type Access = Of<'load' | 'store' | 'fetch' | 'cas' | 'copyin' | 'copyout' | 'touch'>;

const MEMORY_CALLS = new Set([
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
]);
const FILE_CALLS = new Set([
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
]);
const ACCESSES = new Set(['load', 'store', 'fetch', 'cas', 'copyin', 'copyout', 'touch']);
const isMemoryCall = (operation: Operation): operation is MemoryCall => MEMORY_CALLS.has(operation.op);
const isFileCall = (operation: Operation): operation is FileCall => FILE_CALLS.has(operation.op);
const isAccess = (operation: Operation): operation is Access => ACCESSES.has(operation.op);

/** The signal that was raised, or null. */
function trapOf(access: () => void): Trap {
  try {
    access();
    return null;
  } catch (error) {
    if (!(error instanceof F.MemorySignal)) throw error;
    return { why: `${error.signal} ${error.code}`, address: error.address };
  }
}

function trapName(trap: Trap, address: number): string {
  return trap === null ? 'ok' : `${trap.why} at +${trap.address - address}`;
}

function littleEndian(value: bigint, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

function loadBytes(real: Process, address: number, width: number): Uint8Array {
  if (width === 8) return littleEndian(real.load64(address), 8);
  const value = width === 1 ? real.load8(address) : width === 2 ? real.load16(address) : real.load32(address);
  return littleEndian(BigInt(value), width);
}

function storeBytes(real: Process, address: number, bytes: Uint8Array): void {
  const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  if (bytes.length === 8) real.store64(address, value);
  else if (bytes.length === 4) real.store32(address, Number(value));
  else if (bytes.length === 2) real.store16(address, Number(value));
  else real.store8(address, Number(value));
}

/** Runs a program; throws where machine and model differ, naming the operation. Answers what each operation came to. */
export function runProgram(options: RunOptions, program: Program): string[] {
  const run = new Run(options, program);
  const answers: string[] = [];
  for (const [i, operation] of program.operations.entries()) {
    try {
      answers.push(run.step(operation));
    } catch (error) {
      throw located(error, `${options.system}, operation ${i} ${show(operation)}`);
    }
  }
  try {
    run.finish();
  } catch (error) {
    throw located(error, `${options.system}, the end`);
  }
  return answers;
}

function located(error: unknown, place: string): Error {
  const { name, message, stack } = error as Error;
  const told = new Error(`${place}: ${name}: ${message}`, { cause: error });
  told.name = name;
  if (name !== 'Mismatch' && stack !== undefined) told.stack = `${told.message}\n${stack}`;
  return told;
}
