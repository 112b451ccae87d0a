/** A machine, a process and its port, with short words for what the tests of the ports do. */
import type {
  Access,
  BackingStore,
  IoResult,
  PortMapRequest,
  SystemName,
  SystemOptions,
  Task,
  VmFile,
  VmProcess,
  VmSystem,
} from '@faultline/core';
import {
  ACCESS_READ,
  ACCESS_WRITE,
  bootSystem,
  EIO,
  MemoryStore,
  PAGE_SIZE,
  PROT_ALL,
  PROT_READ,
  PROT_WRITE,
} from '@faultline/core';

export const RW = PROT_READ | PROT_WRITE;
/** A page that every system can map, far from where anything else goes. */
export const BASE = 0x50000;
export const AT = BASE * PAGE_SIZE;

/** A store in memory that fails when told to. */
export class FailingStore implements BackingStore {
  readonly synchronous = true;
  fails = false;
  writes = 0;
  constructor(readonly inner: MemoryStore) {}
  size(): number {
    return this.inner.size();
  }
  read(offset: number, buffers: readonly Uint8Array[]): IoResult {
    return this.fails ? -EIO : this.inner.read(offset, buffers);
  }
  write(offset: number, buffers: readonly Uint8Array[]): IoResult {
    this.writes++;
    return this.fails ? -EIO : this.inner.write(offset, buffers);
  }
  truncate(bytes: number): IoResult {
    return this.inner.truncate(bytes);
  }
  sync(): IoResult {
    return 0;
  }
  close(): void {}
  byte(offset: number): number {
    const one = new Uint8Array(1);
    this.inner.read(offset, [one]);
    return one[0] as number;
  }
}

/** `pages` pages, each full of its number and one. */
export function numbered(pages: number): MemoryStore {
  const bytes = new Uint8Array(pages * PAGE_SIZE);
  for (let page = 0; page < pages; page++) bytes.fill(page + 1, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  return new MemoryStore(bytes);
}

export class PortBench {
  readonly system: VmSystem;
  readonly a: VmProcess;

  constructor(name: SystemName, options: SystemOptions = {}) {
    this.system = bootSystem(name, { memoryPages: 256, swapPages: 128, defects: 'mended', ...options });
    this.a = this.system.spawn('A');
  }

  get port() {
    return this.system.port;
  }

  run<T>(task: Task<T>, process = this.a): T {
    return this.port.kernel.call(this.port.threadOf(process), task);
  }

  mmap(request: Partial<PortMapRequest> = {}, process = this.a) {
    const plain: PortMapRequest = {
      address: AT,
      length: PAGE_SIZE,
      protection: RW,
      maximum: PROT_ALL,
      sharing: 'private',
      backing: { kind: 'anon' },
      fixed: true,
      nosync: false,
      stack: false,
      wired: false,
      vpagetable: false,
    };
    return this.run(this.port.mmap(process, { ...plain, ...request }), process);
  }

  /** A file of so many numbered pages, mapped shared at BASE. */
  file(pages: number): { file: VmFile; store: FailingStore } {
    const store = new FailingStore(numbered(pages));
    const file = this.system.createFile('F', store);
    this.mmap({ length: pages * PAGE_SIZE, sharing: 'shared', backing: { kind: 'file', file, offset: 0 } });
    return { file, store };
  }

  /** The new length of a file: the kernel hears of it before a store is cut, and after it has grown. */
  resize(file: VmFile, bytes: number): void {
    const shrinks = bytes < file.store.size();
    if (shrinks) this.run(this.port.fileResized(this.port.threadOf(this.a), file, bytes));
    file.store.truncate(bytes);
    if (!shrinks) this.run(this.port.fileResized(this.port.threadOf(this.a), file, bytes));
  }

  flush(file: VmFile) {
    return this.run(this.port.flushFile(this.port.threadOf(this.a), file));
  }

  fault(vpn: number, access: Access, process = this.a): number {
    return this.run(this.port.fault(process, vpn, access), process);
  }

  /** The page's bytes for an access, or the signal. */
  touch(vpn: number, access: Access = ACCESS_READ, process = this.a): Uint8Array | string {
    for (let tries = 0; tries < 20; tries++) {
      const frame = this.system.translate(process, vpn, access);
      if (frame >= 0) return this.system.frameBytes(frame) as Uint8Array;
      const code = this.fault(vpn, access, process);
      if (code === this.system.faultSuccess) continue;
      const { signal, code: why } = this.port.signalOf(code, access);
      return `${signal} ${why}`;
    }
    throw new Error('the access faults for ever');
  }

  read(vpn: number, offset = 0, process = this.a): number | string {
    const bytes = this.touch(vpn, ACCESS_READ, process);
    return typeof bytes === 'string' ? bytes : (bytes[offset] as number);
  }

  write(vpn: number, value: number, offset = 0, process = this.a): void {
    const bytes = this.touch(vpn, ACCESS_WRITE, process);
    if (typeof bytes === 'string') throw new Error(bytes);
    bytes[offset] = value;
  }

  wired(): number {
    return this.system.queues().find(({ name }) => name === 'wired')?.pages ?? 0;
  }

  fork(name = 'B'): VmProcess {
    const child = this.run(this.port.fork(this.a, name));
    if (typeof child === 'string') throw new Error(child);
    return child;
  }
}
