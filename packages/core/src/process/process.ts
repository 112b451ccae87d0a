/**
 * A process of a machine whose stores all answer at once.
 *
 * An access that hits is one tag compare and one index (`place`). A miss translates, then faults, and delivers what the kernel says:
 * to the handler of signals, or as a MemorySignal.
 */
import type { Task } from '../kernel/thread.js';
import type { PageTables } from '../machine/pagetable.js';
import { TLB_MASK, TLB_SHIFT, tlbTag } from '../machine/tlb.js';
import { ACCESS_READ, ACCESS_WRITE, type Access, PAGE_MASK, PAGE_SIZE } from '../machine/units.js';
import { checkName } from '../vm/arguments.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { Prot } from '../vm/prot.js';
import { type Places, sysCopyin, sysCopyout, sysTouch } from './access-calls.js';
import type { Image, InlineTable, Process, SignalHandler, SignalValue } from './api.js';
import { checkAddress, checkAligned, checkBigValue, checkValue } from './arguments.js';
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
import type { SyncMachine } from './machine.js';
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
import { leftInPage, MOST_FAULTS, tooManyFaults } from './resolve.js';
import { MemorySignal, MOST_RETRIES, OUT_OF_MEMORY, signalValue } from './signals.js';
import { sysMsync } from './sync-calls.js';
import { ProcessTable } from './table.js';
import { ProcessFace } from './view.js';
import type { Words } from './words.js';

export class SyncProcess extends ProcessFace implements Process {
  onSignal: SignalHandler | null = null;
  readonly table: InlineTable;
  private readonly tables: PageTables;
  private readonly tags: Int32Array;
  private readonly frames: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly words: Words;

  constructor(
    private readonly machine: SyncMachine,
    process: ProcessCore,
  ) {
    super(process);
    const { system, bytes } = process.core;
    this.tables = system.machine.tables;
    this.tags = system.tlb.tags;
    this.frames = system.tlb.frames;
    this.bytes = bytes;
    this.words = machine.words;
    this.table = new ProcessTable(process, system.tlb, (address, access) => this.frameOf(address, access) * PAGE_SIZE);
  }

  // ---- calls --------------------------------------------------------------------------------------------------------

  /** Runs a call to its end. */
  private call<T>(make: (lwp: Lwp) => Task<T>): T {
    const { process } = this;
    process.ready();
    const { core, vm } = process;
    const task = make({ process, vm });
    const result = core.kernel.call(core.port.threadOf(vm), task);
    process.sampleResident();
    return result;
  }

  mmap(address: number, length: number, protection: Prot, flags: number, fd = -1, offset = 0): CallResult {
    return this.call((lwp) => sysMmap(lwp, address, length, protection, flags, fd, offset));
  }

  munmap(address: number, length: number): CallResult {
    return this.call((lwp) => sysMunmap(lwp, address, length));
  }

  mprotect(address: number, length: number, protection: Prot): CallResult {
    return this.call((lwp) => sysMprotect(lwp, address, length, protection));
  }

  madvise(address: number, length: number, advice: number): CallResult {
    return this.call((lwp) => sysMadvise(lwp, address, length, advice));
  }

  minherit(address: number, length: number, how: number): CallResult {
    return this.call((lwp) => sysMinherit(lwp, address, length, how));
  }

  mlock(address: number, length: number): CallResult {
    return this.call((lwp) => sysMlock(lwp, address, length));
  }

  munlock(address: number, length: number): CallResult {
    return this.call((lwp) => sysMunlock(lwp, address, length));
  }

  mlockall(flags: number): CallResult {
    return this.call((lwp) => sysMlockall(lwp, flags));
  }

  munlockall(): CallResult {
    return this.call((lwp) => sysMunlockall(lwp));
  }

  msync(address: number, length: number, flags = 0): CallResult {
    return this.call((lwp) => sysMsync(lwp, address, length, flags));
  }

  mincore(address: number, length: number, vector: Uint8Array): CallResult {
    return this.call((lwp) => sysMincore(lwp, address, length, vector));
  }

  brk(address: number): CallResult {
    return this.call((lwp) => sysBrk(lwp, address));
  }

  sbrk(increment: number): CallResult {
    return this.call((lwp) => sysSbrk(lwp, increment));
  }

  open(path: string, flags: number): CallResult {
    return this.call((lwp) => sysOpen(lwp, path, flags, this.machine.makeFile));
  }

  close(fd: number): CallResult {
    return this.call((lwp) => sysClose(lwp, fd));
  }

  read(fd: number, address: number, length: number): CallResult {
    return this.call((lwp) => sysRead(lwp, fd, address, length, null));
  }

  write(fd: number, address: number, length: number): CallResult {
    return this.call((lwp) => sysWrite(lwp, fd, address, length, null));
  }

  pread(fd: number, address: number, length: number, offset: number): CallResult {
    return this.call((lwp) => sysRead(lwp, fd, address, length, offset));
  }

  pwrite(fd: number, address: number, length: number, offset: number): CallResult {
    return this.call((lwp) => sysWrite(lwp, fd, address, length, offset));
  }

  ftruncate(fd: number, length: number): CallResult {
    return this.call((lwp) => sysFtruncate(lwp, fd, length));
  }

  fsync(fd: number): CallResult {
    return this.call((lwp) => sysFsync(lwp, fd));
  }

  unlink(path: string): CallResult {
    return this.call((lwp) => sysUnlink(lwp, path));
  }

  dup(fd: number): CallResult {
    const { process } = this;
    process.ready();
    return sysDup({ process, vm: process.vm }, fd);
  }

  lseek(fd: number, offset: number): CallResult {
    const { process } = this;
    process.ready();
    return sysLseek({ process, vm: process.vm }, fd, offset);
  }

  copyin(address: number, into: Uint8Array): CallResult {
    return this.call((lwp) => sysCopyin(lwp, address, into));
  }

  copyout(from: Uint8Array, address: number): CallResult {
    return this.call((lwp) => sysCopyout(lwp, from, address));
  }

  touch(address: number, length: number, access: Access = ACCESS_READ): SignalValue | null {
    return this.call((lwp) => sysTouch(lwp, address, length, access));
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  fork(name = this.name): SyncProcess | Errno {
    checkName(name);
    return this.born(this.call(({ process }) => forkTask(process, name)));
  }

  clone(name = this.name): SyncProcess | Errno {
    checkName(name);
    return this.born(this.call(({ process }) => cloneTask(process, name)));
  }

  vfork(name = this.name): SyncProcess | Errno {
    checkName(name);
    this.process.ready();
    return this.born(vfork(this.process, name));
  }

  private born(child: ProcessCore | Errno): SyncProcess | Errno {
    if (typeof child === 'string') return child;
    const face = this.machine.faceOf(child);
    face.onSignal = this.onSignal;
    return face;
  }

  exec(image: Image = { segments: [] }): CallResult {
    checkImage(image);
    const wanted = this.call((lwp) => leaveTask(lwp, image));
    return typeof wanted === 'string' ? wanted : this.call((lwp) => enterTask(lwp, wanted));
  }

  exit(): void {
    if (this.process.alive) this.call((lwp) => exitTask(lwp, null));
  }

  // ---- accesses -----------------------------------------------------------------------------------------------------

  /** Where the byte at an address lies in the buffer, if the translation buffer knows it; else -1. */
  private place(address: number, access: Access): number {
    if (typeof address !== 'number') return -1;
    const page = Math.floor(address / PAGE_SIZE);
    const offset = address & PAGE_MASK;
    const slot = (access << TLB_SHIFT) | (page & TLB_MASK);
    if (this.tags[slot] !== tlbTag(this.tables.asnOf(this.process.pmap), page)) return -1;
    // What is no address (a half, a negative number) can look like one up to here.
    if (page * PAGE_SIZE + offset !== address || address < 0) return -1;
    return (this.frames[slot] as number) * PAGE_SIZE + offset;
  }

  /** The frame behind an address, faulted in if need be. Raises what the kernel refuses it with. */
  private frameOf(address: number, access: Access): number {
    checkAddress(address);
    const { process } = this;
    process.ready();
    const { system } = process.core;
    const vpn = Math.floor(address / PAGE_SIZE);
    let retries = 0;
    for (let tries = 0; tries < MOST_FAULTS; tries++) {
      const { vm } = process;
      const frame = system.translate(vm, vpn, access);
      if (frame >= 0) return frame;
      const code = system.fault(vm, vpn, access);
      if (process.alive) process.sampleResident();
      if (vm.alive && code === system.faultSuccess) continue;
      const { port } = process.core;
      const trap = vm.alive ? port.signalOf(port.faultCode?.(vm, vpn, code) ?? code, access) : OUT_OF_MEMORY;
      this.deliver(signalValue(trap, address, access), retries++);
    }
    throw tooManyFaults(vpn);
  }

  /** Comes back if the access is to be tried again, and raises the signal if not. */
  private deliver(signal: SignalValue, retries: number): void {
    if (signal.signal === 'SIGKILL') {
      if (this.process.alive) this.call((lwp) => exitTask(lwp, signal));
    } else if (retries < MOST_RETRIES && this.onSignal?.(signal) === 'retry') {
      this.process.ready();
      return;
    }
    throw new MemorySignal(signal);
  }

  /** Where the byte lies, wherever it is now. */
  private bring(address: number, access: Access): number {
    return this.frameOf(address, access) * PAGE_SIZE + (address % PAGE_SIZE);
  }

  /** The same for an access that may cross a page: both pages are there when it answers. */
  private places(address: number, bytes: number, access: Access): Places {
    const first = this.bring(address, access);
    const count = Math.min(bytes, leftInPage(address));
    if (count === bytes) return { first, count, second: -1 };
    for (let tries = 0; tries < MOST_FAULTS; tries++) {
      const second = this.bring(address + count, access);
      const again = this.bring(address, access);
      if (this.place(address + count, access) === second) return { first: again, count, second };
    }
    throw tooManyFaults(Math.floor(address / PAGE_SIZE));
  }

  load8(address: number): number {
    const place = this.place(address, ACCESS_READ);
    return this.bytes[place >= 0 ? place : this.bring(address, ACCESS_READ)] as number;
  }

  load16(address: number): number {
    const place = this.place(address, ACCESS_READ);
    if (place >= 0 && (address & PAGE_MASK) <= PAGE_SIZE - 2) return this.words.get16(place);
    return this.words.load(this.places(address, 2, ACCESS_READ), 2);
  }

  load32(address: number): number {
    const place = this.place(address, ACCESS_READ);
    if (place >= 0 && (address & PAGE_MASK) <= PAGE_SIZE - 4) return this.words.get32(place);
    return this.words.load(this.places(address, 4, ACCESS_READ), 4);
  }

  load64(address: number): bigint {
    const place = this.place(address, ACCESS_READ);
    if (place >= 0 && (address & PAGE_MASK) <= PAGE_SIZE - 8) return this.words.get64(place);
    return this.words.load64(this.places(address, 8, ACCESS_READ));
  }

  store8(address: number, value: number): void {
    if (typeof value !== 'number' || (value & 0xff) !== value) checkValue('value', value, 8);
    const place = this.place(address, ACCESS_WRITE);
    this.bytes[place >= 0 ? place : this.bring(address, ACCESS_WRITE)] = value;
  }

  store16(address: number, value: number): void {
    if (typeof value !== 'number' || (value & 0xffff) !== value) checkValue('value', value, 16);
    const place = this.place(address, ACCESS_WRITE);
    if (place >= 0 && (address & PAGE_MASK) <= PAGE_SIZE - 2) this.words.set16(place, value);
    else this.words.store(this.places(address, 2, ACCESS_WRITE), 2, value);
  }

  store32(address: number, value: number): void {
    if (typeof value !== 'number' || (value | 0) !== value) checkValue('value', value, 32);
    const place = this.place(address, ACCESS_WRITE);
    if (place >= 0 && (address & PAGE_MASK) <= PAGE_SIZE - 4) this.words.set32(place, value);
    else this.words.store(this.places(address, 4, ACCESS_WRITE), 4, value);
  }

  store64(address: number, value: bigint): void {
    checkBigValue('value', value);
    const place = this.place(address, ACCESS_WRITE);
    if (place >= 0 && (address & PAGE_MASK) <= PAGE_SIZE - 8) this.words.set64(place, value);
    else this.words.store64(this.places(address, 8, ACCESS_WRITE), value);
  }

  fetch32(address: number): number {
    const { fetchAccess } = this.table;
    const place = this.place(address, fetchAccess);
    if (place >= 0 && (address & PAGE_MASK) <= PAGE_SIZE - 4) return this.words.get32(place);
    return this.words.load(this.places(address, 4, fetchAccess), 4);
  }

  compareAndSwap32(address: number, expected: number, replacement: number): number {
    checkAligned(address, 4);
    checkValue('expected', expected, 32);
    checkValue('replacement', replacement, 32);
    return this.words.swap32(this.bring(address, ACCESS_WRITE), expected, replacement);
  }

  compareAndSwap64(address: number, expected: bigint, replacement: bigint): bigint {
    checkAligned(address, 8);
    checkBigValue('expected', expected);
    checkBigValue('replacement', replacement);
    return this.words.swap64(this.bring(address, ACCESS_WRITE), expected, replacement);
  }
}
