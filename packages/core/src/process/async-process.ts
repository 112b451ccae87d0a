/**
 * A process of a machine whose stores may answer later.
 *
 * A call runs on a kernel thread of the process that is free just now, so calls in progress at the same time meet as the threads of a program do. What concerns
 * the process as a whole (fork, exec, exit, the break) waits for its first thread; exec and exit wait for all others too, as a kernel does when it makes a process
 * single-threaded.
 */
import type { Task } from '../kernel/thread.js';
import { ACCESS_READ, ACCESS_WRITE, type Access, PAGE_SIZE } from '../machine/units.js';
import { checkName } from '../vm/arguments.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { Prot } from '../vm/prot.js';
import type { VmProcess } from '../vm/system.js';
import { type Places, placesTask, sysCopyin, sysCopyout, sysTouch } from './access-calls.js';
import type { AsyncProcess, Image, InlineTable, SignalAnswer, SignalValue } from './api.js';
import { checkAddress, checkAligned, checkBigValue, checkValue } from './arguments.js';
import type { LateMachine } from './async-machine.js';
import type { Lwp } from './core.js';
import {
  sysClose,
  sysDup,
  sysFsync,
  sysFtruncate,
  sysLseek,
  sysOpen,
  sysRead,
  sysUnlink,
  sysWrite,
} from './file-calls.js';
import { checkImage, cloneTask, enterTask, exitTask, forkTask, leaveTask, vfork } from './life.js';
import {
  sysBrk,
  sysMadvise,
  sysMincore,
  sysMinherit,
  sysMlock,
  sysMlockall,
  sysMmap,
  sysMprotect,
  sysMunlock,
  sysMunlockall,
  sysMunmap,
  sysSbrk,
} from './memory-calls.js';
import type { ProcessCore } from './process-core.js';
import { leftInPage } from './resolve.js';
import { MemorySignal, MOST_RETRIES } from './signals.js';
import { sysMsync } from './sync-calls.js';
import { ProcessTable } from './table.js';
import { ProcessFace } from './view.js';

/** The page is not there, and bringing it would wait: what `table.miss` says of it. */
const NOT_AT_ONCE = 'the page is not in memory: await touch() or load8() for it, then ask the table again';

export class LateProcess extends ProcessFace implements AsyncProcess {
  onSignal: ((signal: SignalValue) => SignalAnswer | Promise<SignalAnswer>) | null = null;
  readonly table: InlineTable;
  /** Views of the address space by further threads, free to be used. They die with it. */
  private spare: VmProcess[] = [];
  /** The address space that they are of. */
  private spareOf: VmProcess | null = null;
  private mainBusy = false;
  /** Calls in progress. */
  private readonly inProgress = new Set<Promise<unknown>>();

  constructor(
    private readonly machine: LateMachine,
    process: ProcessCore,
  ) {
    super(process);
    this.table = new ProcessTable(process, process.core.system.tlb, (address, access) =>
      this.missAtOnce(address, access),
    );
  }

  // ---- threads ------------------------------------------------------------------------------------------------------

  /** A thread of the process that has nothing to do. */
  private take(): VmProcess {
    const { process } = this;
    if (this.spareOf !== process.vm) {
      this.spare = [];
      this.spareOf = process.vm;
    }
    if (!this.mainBusy) {
      this.mainBusy = true;
      return process.vm;
    }
    const { port } = process.core;
    return this.spare.pop() ?? port.withThread(process.vm, port.createThread(`${process.name} thread`));
  }

  private give(vm: VmProcess, space: VmProcess): void {
    if (vm === space) this.mainBusy = false;
    else if (space === this.spareOf) this.spare.push(vm);
  }

  /** Runs a call on a free thread. */
  private call<T>(make: (lwp: Lwp) => Task<T>): Promise<T> {
    return this.onThread((lwp) => this.run(lwp, make(lwp)));
  }

  private run<T>({ process: { core }, vm }: Lwp, task: Task<T>): Promise<T> {
    return core.kernel.callAsync(core.port.threadOf(vm), task);
  }

  /** A call from beginning to end: `work` has a thread to itself meanwhile. */
  private onThread<T>(work: (lwp: Lwp) => Promise<T>): Promise<T> {
    return this.tracked(async () => {
      const { process } = this;
      process.ready();
      const space = process.vm;
      const vm = this.take();
      try {
        return await work({ process, vm });
      } finally {
        this.give(vm, space);
        if (process.alive) process.sampleResident();
      }
    });
  }

  private tracked<T>(work: () => Promise<T>): Promise<T> {
    const promise = work();
    const quiet = promise.then(
      () => {},
      () => {},
    );
    const entry: Promise<unknown> = quiet.then(() => this.inProgress.delete(entry));
    this.inProgress.add(entry);
    return promise;
  }

  /**
   * Does something once the first thread is free or, with `alone`, once every call is over. Between that and the beginning of what is to be done no promise is
   * waited for, so nobody else can have begun anything.
   */
  private async first<T>(alone: boolean, work: () => T | Promise<T>): Promise<T> {
    while (this.mainBusy || (alone && this.inProgress.size > 0)) await Promise.race([...this.inProgress]);
    return await work();
  }

  private callFirst<T>(make: (lwp: Lwp) => Task<T>): Promise<T> {
    return this.first(false, () => this.call(make));
  }

  get idle(): boolean {
    return this.inProgress.size === 0;
  }

  /** Settles when no call is in progress. */
  async whenIdle(): Promise<void> {
    while (this.inProgress.size > 0) await Promise.all([...this.inProgress]);
  }

  // ---- calls --------------------------------------------------------------------------------------------------------

  mmap(address: number, length: number, protection: Prot, flags: number, fd = -1, offset = 0): Promise<CallResult> {
    return this.call((lwp) => sysMmap(lwp, address, length, protection, flags, fd, offset));
  }

  munmap(address: number, length: number): Promise<CallResult> {
    return this.call((lwp) => sysMunmap(lwp, address, length));
  }

  mprotect(address: number, length: number, protection: Prot): Promise<CallResult> {
    return this.call((lwp) => sysMprotect(lwp, address, length, protection));
  }

  madvise(address: number, length: number, advice: number): Promise<CallResult> {
    return this.call((lwp) => sysMadvise(lwp, address, length, advice));
  }

  minherit(address: number, length: number, how: number): Promise<CallResult> {
    return this.call((lwp) => sysMinherit(lwp, address, length, how));
  }

  mlock(address: number, length: number): Promise<CallResult> {
    return this.call((lwp) => sysMlock(lwp, address, length));
  }

  munlock(address: number, length: number): Promise<CallResult> {
    return this.call((lwp) => sysMunlock(lwp, address, length));
  }

  mlockall(flags: number): Promise<CallResult> {
    return this.call((lwp) => sysMlockall(lwp, flags));
  }

  munlockall(): Promise<CallResult> {
    return this.call((lwp) => sysMunlockall(lwp));
  }

  msync(address: number, length: number, flags = 0): Promise<CallResult> {
    return this.call((lwp) => sysMsync(lwp, address, length, flags));
  }

  mincore(address: number, length: number, vector: Uint8Array): Promise<CallResult> {
    return this.call((lwp) => sysMincore(lwp, address, length, vector));
  }

  brk(address: number): Promise<CallResult> {
    return this.callFirst((lwp) => sysBrk(lwp, address));
  }

  sbrk(increment: number): Promise<CallResult> {
    return this.callFirst((lwp) => sysSbrk(lwp, increment));
  }

  open(path: string, flags: number): Promise<CallResult> {
    return this.call((lwp) => sysOpen(lwp, path, flags, this.machine.makeFile));
  }

  close(fd: number): Promise<CallResult> {
    return this.call((lwp) => sysClose(lwp, fd));
  }

  read(fd: number, address: number, length: number): Promise<CallResult> {
    return this.call((lwp) => sysRead(lwp, fd, address, length, null));
  }

  write(fd: number, address: number, length: number): Promise<CallResult> {
    return this.call((lwp) => sysWrite(lwp, fd, address, length, null));
  }

  pread(fd: number, address: number, length: number, offset: number): Promise<CallResult> {
    return this.call((lwp) => sysRead(lwp, fd, address, length, offset));
  }

  pwrite(fd: number, address: number, length: number, offset: number): Promise<CallResult> {
    return this.call((lwp) => sysWrite(lwp, fd, address, length, offset));
  }

  ftruncate(fd: number, length: number): Promise<CallResult> {
    return this.call((lwp) => sysFtruncate(lwp, fd, length));
  }

  fsync(fd: number): Promise<CallResult> {
    return this.call((lwp) => sysFsync(lwp, fd));
  }

  unlink(path: string): Promise<CallResult> {
    return this.call((lwp) => sysUnlink(lwp, path));
  }

  async dup(fd: number): Promise<CallResult> {
    const { process } = this;
    process.ready();
    return sysDup({ process, vm: process.vm }, fd);
  }

  async lseek(fd: number, offset: number): Promise<CallResult> {
    const { process } = this;
    process.ready();
    return sysLseek({ process, vm: process.vm }, fd, offset);
  }

  copyin(address: number, into: Uint8Array): Promise<CallResult> {
    return this.call((lwp) => sysCopyin(lwp, address, into));
  }

  copyout(from: Uint8Array, address: number): Promise<CallResult> {
    return this.call((lwp) => sysCopyout(lwp, from, address));
  }

  touch(address: number, length: number, access: Access = ACCESS_READ): Promise<SignalValue | null> {
    return this.call((lwp) => sysTouch(lwp, address, length, access));
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  async fork(name = this.name): Promise<LateProcess | Errno> {
    checkName(name);
    return this.born(await this.callFirst(({ process }) => forkTask(process, name)));
  }

  async clone(name = this.name): Promise<LateProcess | Errno> {
    checkName(name);
    return this.born(await this.callFirst(({ process }) => cloneTask(process, name)));
  }

  async vfork(name = this.name): Promise<LateProcess | Errno> {
    checkName(name);
    return this.born(await this.first(true, () => this.lend(name)));
  }

  private lend(name: string): ProcessCore {
    this.process.ready();
    return vfork(this.process, name);
  }

  private born(child: ProcessCore | Errno): LateProcess | Errno {
    if (typeof child === 'string') return child;
    const face = this.machine.faceOf(child);
    face.onSignal = this.onSignal;
    return face;
  }

  async exec(image: Image = { segments: [] }): Promise<CallResult> {
    checkImage(image);
    return await this.first(true, () => this.onThread((lwp) => this.renew(lwp, image)));
  }

  /** exec. New calls may have begun in the new address space before it is filled; its first thread is kept from them. */
  private async renew(lwp: Lwp, image: Image): Promise<CallResult> {
    const { process } = this;
    const wanted = await this.run(lwp, leaveTask(lwp, image));
    if (typeof wanted === 'string') return wanted;
    const inside = { process, vm: process.vm };
    return await this.run(inside, enterTask(inside, wanted));
  }

  exit(): Promise<void> {
    return this.end(null);
  }

  /** Whoever comes second finds it done. */
  private async end(killedBy: SignalValue | null): Promise<void> {
    if (!this.process.alive) return;
    await this.first(true, async () => {
      if (this.process.alive) await this.call((lwp) => exitTask(lwp, killedBy));
    });
  }

  // ---- accesses -----------------------------------------------------------------------------------------------------

  /** Brings the bytes of an access into memory and uses them in the same step; raises what the kernel refuses it with. */
  private async access<T>(address: number, bytes: number, access: Access, use: (places: Places) => T): Promise<T> {
    checkAddress(address);
    for (let retries = 0; ; retries++) {
      let done: { readonly value: T } | null = null;
      const signal = await this.call(function* (lwp) {
        const places = yield* placesTask(lwp, address, bytes, access);
        if ('signal' in places) return places;
        done = { value: use(places) };
        return null;
      });
      if (done !== null) return (done as { readonly value: T }).value;
      await this.deliver(signal as SignalValue, retries);
    }
  }

  private async deliver(signal: SignalValue, retries: number): Promise<void> {
    if (signal.signal === 'SIGKILL') {
      await this.end(signal);
    } else if (retries < MOST_RETRIES && this.onSignal !== null && (await this.onSignal(signal)) === 'retry') {
      return;
    }
    throw new MemorySignal(signal);
  }

  load8(address: number): Promise<number> {
    return this.access(address, 1, ACCESS_READ, (places) => this.machine.words.load(places, 1));
  }

  load16(address: number): Promise<number> {
    return this.access(address, 2, ACCESS_READ, (places) => this.machine.words.load(places, 2));
  }

  load32(address: number): Promise<number> {
    return this.access(address, 4, ACCESS_READ, (places) => this.machine.words.load(places, 4));
  }

  load64(address: number): Promise<bigint> {
    return this.access(address, 8, ACCESS_READ, (places) => this.machine.words.load64(places));
  }

  async store8(address: number, value: number): Promise<void> {
    checkValue('value', value, 8);
    await this.access(address, 1, ACCESS_WRITE, (places) => this.machine.words.store(places, 1, value));
  }

  async store16(address: number, value: number): Promise<void> {
    checkValue('value', value, 16);
    await this.access(address, 2, ACCESS_WRITE, (places) => this.machine.words.store(places, 2, value));
  }

  async store32(address: number, value: number): Promise<void> {
    checkValue('value', value, 32);
    await this.access(address, 4, ACCESS_WRITE, (places) => this.machine.words.store(places, 4, value));
  }

  async store64(address: number, value: bigint): Promise<void> {
    checkBigValue('value', value);
    await this.access(address, 8, ACCESS_WRITE, (places) => this.machine.words.store64(places, value));
  }

  fetch32(address: number): Promise<number> {
    return this.access(address, 4, this.table.fetchAccess, (places) => this.machine.words.load(places, 4));
  }

  async compareAndSwap32(address: number, expected: number, replacement: number): Promise<number> {
    checkAligned(address, 4);
    checkValue('expected', expected, 32);
    checkValue('replacement', replacement, 32);
    const { words } = this.machine;
    return await this.access(address, 4, ACCESS_WRITE, ({ first }) => words.swap32(first, expected, replacement));
  }

  async compareAndSwap64(address: number, expected: bigint, replacement: bigint): Promise<bigint> {
    checkAligned(address, 8);
    checkBigValue('expected', expected);
    checkBigValue('replacement', replacement);
    const { words } = this.machine;
    return await this.access(address, 8, ACCESS_WRITE, ({ first }) => words.swap64(first, expected, replacement));
  }

  // ---- accesses that need no I/O -----------------------------------------------------------------------------------

  /** Where a byte lies if the process's translations show it now; -1 otherwise. */
  private placeAtOnce(address: number, access: Access): number {
    checkAddress(address);
    const { process } = this;
    process.ready();
    const frame = process.core.system.translate(process.vm, Math.floor(address / PAGE_SIZE), access);
    return frame < 0 ? -1 : frame * PAGE_SIZE + (address % PAGE_SIZE);
  }

  private missAtOnce(address: number, access: Access): number {
    const place = this.placeAtOnce(address, access);
    if (place >= 0) return place - (address % PAGE_SIZE);
    throw new RangeError(NOT_AT_ONCE);
  }

  tryLoad8(address: number): number | undefined {
    const place = this.placeAtOnce(address, ACCESS_READ);
    return place < 0 ? undefined : this.process.core.bytes[place];
  }

  tryLoad32(address: number): number | undefined {
    const place = this.placeAtOnce(address, ACCESS_READ);
    return place < 0 || leftInPage(address) < 4 ? undefined : this.machine.words.get32(place);
  }

  tryStore8(address: number, value: number): boolean {
    checkValue('value', value, 8);
    const place = this.placeAtOnce(address, ACCESS_WRITE);
    if (place >= 0) this.process.core.bytes[place] = value;
    return place >= 0;
  }

  tryStore32(address: number, value: number): boolean {
    checkValue('value', value, 32);
    const place = this.placeAtOnce(address, ACCESS_WRITE);
    if (place < 0 || leftInPage(address) < 4) return false;
    this.machine.words.set32(place, value);
    return true;
  }
}
