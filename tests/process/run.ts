/**
 * Runs a program on a machine and on the model side by side, and compares after each operation: errno, signal and bytes; every so often and at the
 * end everything: every page of every process, every map entry, every byte of every file, and the kernel's own invariants.
 */
import type { Process, Snapshot } from '@faultline/core';
import * as F from '@faultline/core';
import { Accesses, isAccess } from './accesses.js';
import { isFileCall, isMemoryCall } from './calls.js';
import { cloneGraph } from './clone.js';
import { Mismatch } from './mismatch.js';
import type { ModelFile } from './model/cell.js';
import { type ModelProcess, STACK_STEP } from './model/model.js';
import { DATA_START, type Operation, type Program, show, WINDOW_START } from './program.js';
import type { Of, RunOptions, Twin } from './world.js';

export type { RunOptions } from './world.js';

const { PAGE_SIZE } = F;
export const PROCESSES_MAX = 6;
/** Where comparisons map their buffer: nothing else comes here. */
const SCRATCH = 0x7000_0000_0000;

interface Saved {
  readonly real: Snapshot;
  readonly model: {
    readonly processes: ModelProcess[];
    readonly files: Map<string, ModelFile>;
    readonly twins: readonly { id: number; model: ModelProcess }[];
  };
}

type Life = Of<'fork' | 'clone' | 'vfork' | 'exit' | 'exec' | 'limit'>;

export class Run extends Accesses {
  private saved: Saved | null = null;
  private done = 0;

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
    if (operation.op === 'handle') return this.handle(twin, operation);
    return this.life(twin, operation as Life);
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
    this.twins = twins.map(({ id, model: one }) => this.pair(this.living(id), one));
  }

  private living(id: number): Process {
    const found = this.machine.processes.find((process) => process.id === id);
    if (found === undefined) throw new Mismatch(`process ${id} did not come back`);
    return found;
  }

  // ---- processes

  private spawn(): void {
    const real = this.machine.spawn();
    this.twins.push(this.pair(real, this.model.spawn(real.dataEnd)));
    this.life(this.twins[0] as Twin, { op: 'exec', who: 0, path: '', pages: 4, stack: 4 });
  }

  private life(twin: Twin, operation: Life): string {
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
        twin.model.limits = { ...twin.model.limits, [operation.which]: bytes };
        return '';
      }
    }
  }

  private fork(parent: Twin, whole: boolean): string {
    if (this.twins.length >= PROCESSES_MAX) return '';
    const real = whole ? parent.real.clone() : parent.real.fork();
    if (!this.model.judge(typeof real === 'string' ? real : 0, [])) return String(real);
    this.twins.push(this.pair(real as Process, this.model.fork(parent.model, whole)));
    return 'child';
  }

  /** The child stores a byte in the address space of its parent, and goes its own way. */
  private vfork(parent: Twin, { at, value, exec }: Of<'vfork'>): string {
    if (this.twins.length >= PROCESSES_MAX) return '';
    const real = parent.real.vfork();
    if (!this.model.judge(typeof real === 'string' ? real : 0, [])) return String(real);
    const child = real as Process;
    const answer = this.access(this.pair(child, parent.model), { op: 'store', who: 0, at, width: 1, value });
    this.pair(parent.real, parent.model);
    if (!child.alive) return answer;
    if (!exec) {
      child.exit();
      return answer;
    }
    this.model.judge(child.exec(), []);
    const { fds, limits } = parent.model;
    const model = Object.assign(this.model.spawn(child.dataEnd), { fds: [...fds], limits });
    this.twins.push(this.pair(child, model));
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
    const { stacks, stackProt } = this.model.rules;
    const room = stacks ? Math.max(stack - STACK_STEP, 0) : 0;
    const top = { start: F.USER_MAX_PAGE - stack + room, count: stack - room, prot: stackProt, room };
    const bottom = { start: WINDOW_START, count: pages, prot: 3, file: file ?? undefined };
    this.model.exec(model, DATA_START, F.USER_MAX_PAGE - stack, [bottom, top]);
    return String(answer);
  }

  private exit(twin: Twin): void {
    twin.real.exit();
    this.forget(twin);
  }

  private forget(twin: Twin): void {
    this.model.processes = this.model.processes.filter((other) => other !== twin.model);
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

  private compareMemory(twin: Twin): void {
    const page = new Uint8Array(PAGE_SIZE);
    for (const vpn of [...twin.model.places.keys()]) {
      if (!twin.real.alive) return;
      this.copyin(twin, vpn * PAGE_SIZE, page);
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
      if (typeof fd === 'number') this.compareFile(reader, fd, file, `file ${path}`);
      if (!reader.alive) return;
    }
    reader.exit();
    for (const { real, model } of this.twins) {
      for (const [fd, open] of model.fds.entries()) {
        const known = open === null || open === undefined || [...this.files.values()].includes(open.file);
        if (!known && (open.flags & 3) !== F.O_WRONLY && real.alive)
          this.compareFile(real, fd, open.file, 'a file without a name', model.future);
      }
    }
  }

  /** `locks`: what the process maps is locked, which may be refused. */
  private compareFile(real: Process, fd: number, file: ModelFile, name: string, locks = false): void {
    const { addressSpace } = real.limits;
    real.setLimits({ addressSpace: Number.POSITIVE_INFINITY });
    const mapped = real.mmap(SCRATCH, PAGE_SIZE, 3, F.MAP_ANON | F.MAP_PRIVATE | F.MAP_FIXED);
    real.setLimits({ addressSpace });
    if (mapped !== SCRATCH) {
      if (this.model.scarce || locks) return;
      throw new Mismatch(`no place for a buffer: ${mapped}`);
    }
    const bytes = new Uint8Array(PAGE_SIZE);
    for (let at = 0; at < file.size && real.alive; at += PAGE_SIZE) {
      const count = Math.min(PAGE_SIZE, file.size - at);
      const got = real.pread(fd, SCRATCH, PAGE_SIZE, at);
      if (got !== count) {
        if (this.model.scarce && typeof got === 'string') continue;
        throw new Mismatch(`${name}: read ${got} bytes at ${at}, not ${count}`);
      }
      if (real.copyin(SCRATCH, bytes) === PAGE_SIZE) file.page(at / PAGE_SIZE).see(name, 0, bytes.subarray(0, count));
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
