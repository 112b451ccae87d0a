/**
 * The process that is killed: works through the operations of a seed on real files, and writes to its standard output the number of each that is done.
 *
 *     node child.js '{"system":"freebsd","seed":1,"paths":[...],"moment":null}'
 *
 * `rounds.ts` compiles it. Told a moment, it kills itself there; otherwise it goes on until somebody else does.
 */
import { writeSync } from 'node:fs';
import type {
  BackingStore,
  CallResult,
  IoResult,
  Machine,
  Process,
  SyncBackingStore,
  SystemName,
} from '@faultline/core';
import {
  createMachine,
  MAP_ANON,
  MAP_PRIVATE,
  MAP_SHARED,
  MS_SYNC,
  MS_SYNC_NETBSD,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from '@faultline/core';
import { FileStore } from '@faultline/core/node';
import type { Moment, Operation } from './plan.js';
import { FILE_BYTES, MARK, operationsOf, PAGE, PRIVATE_PAGES } from './plan.js';

export interface Orders {
  readonly system: SystemName;
  readonly seed: number;
  readonly paths: readonly string[];
  readonly moment: Moment | null;
}

const RW = PROT_READ | PROT_WRITE;
const SECTOR = 512;

/** Counts writes and syncs of all files, and ends the process at the moment that was ordered. */
class Fuse {
  private writes = 0;
  private syncs = 0;

  constructor(private readonly moment: Moment | null) {}

  /** Whether this write or sync is the one. */
  next(call: 'write' | 'sync'): Moment['at'] | null {
    const { moment } = this;
    const count = call === 'write' ? ++this.writes : ++this.syncs;
    return moment?.at.endsWith(call) && moment.nth === count ? moment.at : null;
  }
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal is there when kill returns, but let us not depend on it.
  for (;;);
}

/** A real file with a fuse. */
class FusedStore implements SyncBackingStore {
  readonly synchronous = true;

  constructor(
    private readonly inner: BackingStore,
    private readonly fuse: Fuse,
  ) {}

  size(): number {
    return this.inner.size();
  }
  read(offset: number, buffers: readonly Uint8Array[]): IoResult {
    return this.inner.read(offset, buffers) as IoResult;
  }
  write(offset: number, buffers: readonly Uint8Array[]): IoResult {
    const at = this.fuse.next('write');
    if (at === 'before write') die();
    if (at === 'within write') {
      const whole = Buffer.concat(buffers);
      this.inner.write(offset, [whole.subarray(0, Math.ceil(whole.length / 2 / SECTOR) * SECTOR)]);
      die();
    }
    const result = this.inner.write(offset, buffers) as IoResult;
    if (at === 'after write') die();
    return result;
  }
  truncate(bytes: number): IoResult {
    return this.inner.truncate(bytes) as IoResult;
  }
  sync(): IoResult {
    const at = this.fuse.next('sync');
    if (at === 'before sync') die();
    const result = this.inner.sync() as IoResult;
    if (at === 'after sync') die();
    return result;
  }
  close(): void {
    this.inner.close();
  }
}

function must(result: CallResult | object, what: string): number {
  if (typeof result === 'number') return result;
  throw new Error(`${what}: ${String(result)}`);
}

class Worker {
  private readonly machine: Machine;
  private readonly processes: Process[] = [];
  /** Where a process has a file. */
  private readonly shared: number[][] = [];
  private readonly descriptors: number[][] = [];
  private readonly privateFile: number;
  private readonly privateMemory: number;
  private readonly marks = new Uint8Array(PAGE).fill(MARK);

  constructor(private readonly orders: Orders) {
    const fuse = new Fuse(orders.moment);
    this.machine = createMachine({ system: orders.system, memory: 2 ** 20, swap: 2 ** 21 });
    for (const [i, path] of orders.paths.entries()) {
      this.machine.createFile(`file${i}`, new FusedStore(FileStore.open(path, 'write'), fuse));
    }
    for (const name of ['first', 'second']) this.addProcess(this.machine.spawn(name));
    const second = this.processes[1] as Process;
    const [fd] = this.descriptors[1] as number[];
    this.privateFile = must(second.mmap(0, FILE_BYTES[0], RW, MAP_PRIVATE, fd as number, 0), 'mmap');
    this.privateMemory = must(second.mmap(0, PRIVATE_PAGES * PAGE, RW, MAP_PRIVATE | MAP_ANON), 'mmap');
  }

  private addProcess(one: Process): void {
    const descriptors = this.orders.paths.map((_, i) => must(one.open(`file${i}`, O_RDWR), 'open'));
    this.shared.push(
      descriptors.map((fd, i) => must(one.mmap(0, FILE_BYTES[i] as number, RW, MAP_SHARED, fd, 0), 'mmap')),
    );
    this.descriptors.push(descriptors);
    this.processes.push(one);
  }

  run(operation: Operation): void {
    if (operation.op === 'pageout') {
      this.machine.pageout(operation.pages * PAGE);
      return;
    }
    if (operation.op === 'private') {
      const base = operation.ofFile ? this.privateFile : this.privateMemory;
      must((this.processes[1] as Process).copyout(this.marks, base + operation.page * PAGE), 'copyout');
      return;
    }
    const one = this.processes[operation.process] as Process;
    const base = this.shared[operation.process]?.[operation.file] as number;
    switch (operation.op) {
      case 'store':
        must(one.copyout(operation.bytes, base + operation.offset), 'copyout');
        return;
      case 'msync': {
        const { from, to } = operation;
        const flags = this.orders.system === 'netbsd' ? MS_SYNC_NETBSD : MS_SYNC;
        if (one.msync(base + from * PAGE, (to - from) * PAGE, flags) !== 0) throw new Error('msync was refused');
        return;
      }
      case 'fsync':
        if (one.fsync(this.descriptors[operation.process]?.[operation.file] as number) !== 0) {
          throw new Error('fsync was refused');
        }
    }
  }
}

const orders = JSON.parse(process.argv[2] as string) as Orders;
const worker = new Worker(orders);
writeSync(1, 'ready\n');
let done = 0;
for (const operation of operationsOf(orders.seed)) {
  worker.run(operation);
  writeSync(1, `${++done}\n`);
}
