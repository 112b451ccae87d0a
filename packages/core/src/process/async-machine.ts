/** A machine whose stores may answer later: every call that could meet one is a promise. */
import { WouldBlockError } from '../kernel/kernel.js';
import type { Task } from '../kernel/thread.js';
import type { BackingStore } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { checkName } from '../vm/arguments.js';
import type { CallResult } from '../vm/errno.js';
import type { SystemName, VmSystem } from '../vm/system.js';
import type { AsyncMachine, AsyncMachineOptions, AsyncProcess, FileContents, FileStatus, UserPager } from './api.js';
import { checkPages, checkPath } from './arguments.js';
import { LateProcess } from './async-process.js';
import { addPager, addStore, bootCore, statusOf, storeOf, storesOf } from './boot.js';
import type { MachineCore } from './core.js';
import { syncFile } from './file-calls.js';
import type { MachineFile } from './files.js';
import { DATA_START, type ProcessCore } from './process-core.js';
import { Words } from './words.js';

export class LateMachine implements AsyncMachine {
  onKill: ((process: AsyncProcess) => void) | null = null;
  readonly bytes: Uint8Array;
  readonly words: Words;
  private readonly faces = new Map<ProcessCore, LateProcess>();
  /** What the operator does, one thing after the other. */
  private operating: Promise<unknown> = Promise.resolve();

  constructor(private readonly core: MachineCore) {
    this.bytes = core.bytes;
    this.words = new Words(core.bytes);
    core.onKill = (process) => this.onKill?.(this.faceOf(process));
  }

  get system(): SystemName {
    return this.core.name;
  }

  get kernel(): VmSystem {
    return this.core.system;
  }

  get processes(): readonly AsyncProcess[] {
    return this.core.processes.map((process) => this.faceOf(process));
  }

  faceOf(process: ProcessCore): LateProcess {
    let face = this.faces.get(process);
    if (face === undefined) {
      for (const [old, its] of this.faces) if (!old.alive && its.idle) this.faces.delete(old);
      face = new LateProcess(this, process);
      this.faces.set(process, face);
    }
    return face;
  }

  spawn(name = 'process'): AsyncProcess {
    checkName(name);
    const process = this.core.spawn(name);
    process.prepare(DATA_START);
    return this.faceOf(process);
  }

  createFile(path: string, contents: FileContents<BackingStore> = 0): void {
    addStore(this.core, path, storeOf(contents));
  }

  /** For open(O_CREAT). */
  readonly makeFile = (path: string): MachineFile => addStore(this.core, path, storeOf(0));

  createPager(path: string, pager: UserPager): void {
    addPager(this.core, path, pager, false);
  }

  exists(path: string): boolean {
    checkPath(path);
    return this.core.files.named.has(path);
  }

  status(path: string): FileStatus {
    return statusOf(this.core, path);
  }

  paths(): string[] {
    return [...this.core.files.named.keys()];
  }

  /** Does something when what the operator has been told before is done. */
  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const work = this.operating.then(action);
    this.operating = work.catch(() => {});
    return work;
  }

  private operate<T>(task: Task<T>): Promise<T> {
    return this.inTurn(() => this.core.kernel.callAsync(this.core.operator, task));
  }

  async sync(): Promise<CallResult> {
    let first: CallResult = 0;
    for (const file of [...this.core.files.named.values()]) {
      const result = await this.operate(syncFile(this.core, file));
      if (first === 0) first = result;
    }
    return first;
  }

  async pageout(bytes: number): Promise<void> {
    checkPages('bytes', bytes, 0);
    await this.inTurn(async () => {
      try {
        this.core.system.pageout(bytes / PAGE_SIZE);
      } catch (error) {
        // It goes on in the background, on a thread of its own.
        if (!(error instanceof WouldBlockError)) throw error;
        await this.core.kernel.whenQuiet();
      }
    });
  }

  check(): void {
    this.core.system.check();
  }

  async whenIdle(): Promise<void> {
    await this.operating;
    for (const face of this.faces.values()) await face.whenIdle();
    await this.core.kernel.whenQuiet();
  }
}

/**
 * Starts a machine whose files, pagers and swap may answer later.
 * @throws TypeError or RangeError for an option that cannot be, naming it
 */
export function createAsyncMachine(options: AsyncMachineOptions): AsyncMachine {
  const stores = storesOf(options);
  const core = bootCore(options);
  for (const [path, store] of stores) addStore(core, path, store);
  return new LateMachine(core);
}
