/** A machine whose stores all answer at once: every call returns when it is done. */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE } from '../machine/units.js';
import { checkName, checkStore } from '../vm/arguments.js';
import type { CallResult } from '../vm/errno.js';
import type { SystemName, VmSystem } from '../vm/system.js';
import type {
  FileContents,
  FileStatus,
  Machine,
  MachineOptions,
  Process,
  Snapshot,
  SyncBackingStore,
  SyncUserPager,
} from './api.js';
import { checkPages, checkPath } from './arguments.js';
import { addPager, addStore, bootCore, mustBeSynchronous, statusOf, storeOf, storesOf } from './boot.js';
import { type CapturedState, captureState, restoreState } from './capture.js';
import type { MachineCore } from './core.js';
import { syncFile } from './file-calls.js';
import type { MachineFile } from './files.js';
import { SyncProcess } from './process.js';
import { DATA_START, type ProcessCore } from './process-core.js';
import { Words } from './words.js';

export class SyncMachine implements Machine {
  onKill: ((process: Process) => void) | null = null;
  readonly bytes: Uint8Array;
  readonly words: Words;
  private readonly faces = new Map<ProcessCore, SyncProcess>();

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

  get processes(): readonly Process[] {
    return this.core.processes.map((process) => this.faceOf(process));
  }

  /** The face of a process; one for its life. */
  faceOf(process: ProcessCore): SyncProcess {
    let face = this.faces.get(process);
    if (face === undefined) {
      for (const old of this.faces.keys()) if (!old.alive) this.faces.delete(old);
      face = new SyncProcess(this, process);
      this.faces.set(process, face);
    }
    return face;
  }

  spawn(name = 'process'): Process {
    checkName(name);
    const process = this.core.spawn(name);
    process.prepare(DATA_START);
    return this.faceOf(process);
  }

  createFile(path: string, contents: FileContents<SyncBackingStore> = 0): void {
    const store = storeOf(contents);
    mustBeSynchronous(path, store);
    addStore(this.core, path, store);
  }

  /** For open(O_CREAT). */
  readonly makeFile = (path: string): MachineFile => addStore(this.core, path, storeOf(0));

  createPager(path: string, pager: SyncUserPager): void {
    addPager(this.core, path, pager, true);
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

  private operate<T>(task: Task<T>): T {
    return this.core.kernel.call(this.core.operator, task);
  }

  sync(): CallResult {
    let first: CallResult = 0;
    for (const file of [...this.core.files.named.values()]) {
      const result = this.operate(syncFile(this.core, file));
      if (first === 0) first = result;
    }
    return first;
  }

  pageout(bytes: number): void {
    checkPages('bytes', bytes, 0);
    this.core.system.pageout(bytes / PAGE_SIZE);
  }

  check(): void {
    this.core.system.check();
  }

  /** Everything that can change: the kernel with its machine, files and swap in memory, processes, descriptors. */
  snapshot(): Snapshot {
    return new TakenSnapshot(this, captureState([this.core]));
  }

  restore(snapshot: Snapshot): void {
    if (!(snapshot instanceof TakenSnapshot)) throw new TypeError('snapshot must be what snapshot() answered');
    if (snapshot.machine !== this) throw new RangeError('snapshot must be one of this machine');
    const before = [...this.core.processes];
    restoreState(snapshot.state);
    for (const process of before) if (!this.core.processes.includes(process)) process.undo();
  }
}

class TakenSnapshot implements Snapshot {
  constructor(
    readonly machine: SyncMachine,
    readonly state: CapturedState,
  ) {}

  get bytes(): number {
    return this.state.bytes;
  }
}

/**
 * Starts a machine.
 * @throws TypeError or RangeError for an option that cannot be, naming it
 */
export function createMachine(options: MachineOptions): Machine {
  const stores = storesOf(options);
  for (const [path, store] of stores) mustBeSynchronous(path, store);
  if (options.swapStore !== undefined) {
    checkStore(options.swapStore, 'swapStore');
    mustBeSynchronous('swapStore', options.swapStore);
  }
  const core = bootCore(options);
  for (const [path, store] of stores) addStore(core, path, store);
  return new SyncMachine(core);
}
