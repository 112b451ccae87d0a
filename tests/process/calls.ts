/** Memory calls and file calls, made on a machine and told to the model. */
import type { CallResult, Errno, Process } from '@faultline/core';
import * as F from '@faultline/core';
import { Mismatch } from './mismatch.js';
import { ModelFile, type Open } from './model/cell.js';
import type { Operation } from './program.js';
import { type Of, type Twin, World } from './world.js';

const { PAGE_SIZE } = F;

export type MemoryCall = Of<
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
export type FileCall = Of<
  'open' | 'close' | 'read' | 'write' | 'pread' | 'pwrite' | 'ftruncate' | 'fsync' | 'unlink' | 'dup' | 'lseek'
>;

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
export const isMemoryCall = (operation: Operation): operation is MemoryCall => MEMORY_CALLS.has(operation.op);
export const isFileCall = (operation: Operation): operation is FileCall => FILE_CALLS.has(operation.op);

export class Calls extends World {
  // ---- memory calls

  protected memoryCall(twin: Twin, operation: MemoryCall): CallResult {
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
          const chosen = typeof answer === 'number' && (flags & F.MAP_FIXED) === 0 && length > 0;
          if (chosen) twinModel.placed = [...twinModel.placed, answer];
        });
      }
      case 'munmap':
        return told(real.munmap(address, length), (answer) => model.munmap(twinModel, address, length, answer));
      case 'mprotect':
        return told(real.mprotect(address, length, operation.prot), (answer) => {
          model.mprotect(twinModel, address, length, operation.prot, answer);
          // Under MCL_FUTURE the entries before the one that could not be locked have changed.
          if (twinModel.future && typeof answer === 'string') this.noteProtections(twin, address, length);
        });
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

  private noteProtections({ model }: Twin, address: number, length: number): void {
    for (const place of this.model.range(model, address, length).places) {
      place.prot = model.shows(place.vpn) ?? place.prot;
      place.cell.maybeCopied();
    }
  }

  protected mincore({ real, model }: Twin, address: number, length: number, short: boolean): CallResult {
    const pages = Math.min(Math.ceil((address + length) / PAGE_SIZE) - Math.floor(address / PAGE_SIZE), 1000);
    const vector = new Uint8Array(short ? Math.max(pages - 1, 0) : pages);
    const answer = real.mincore(address, length, vector);
    this.model.mincore(model, address, length, vector, answer);
    return answer;
  }

  // ---- files

  protected fileCall(twin: Twin, operation: FileCall): CallResult {
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

  protected open(twin: Twin, { path, flags }: Of<'open'>): CallResult {
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
      file = new ModelFile();
      this.files.set(path, file);
    }
    if ((flags & F.O_TRUNC) !== 0) file.resize(0);
    this.newDescriptor(twin, { file, flags, position: 0 }, answer);
    return answer;
  }

  /** Descriptors are the lowest that are free. */
  protected newDescriptor({ model }: Twin, open: Open, answer: CallResult): void {
    let fd = 0;
    while (model.fds[fd]) fd++;
    if (answer !== fd) throw new Mismatch(`descriptor ${answer}, not ${fd}`);
    model.fds[fd] = open;
  }

  protected transfer(twin: Twin, operation: Of<'read' | 'write' | 'pread' | 'pwrite'>, open: Open | null): CallResult {
    const { real, model } = twin;
    const { fd, length } = operation;
    const address = this.resolve(twin, operation.at);
    const appends = open !== null && operation.op === 'write' && (open.flags & F.O_APPEND) !== 0;
    const at = 'offset' in operation ? operation.offset : appends ? open.file.size : (open?.position ?? 0);
    const answer = this.transferred(real, operation, fd, address, length);
    const write = operation.op === 'write' || operation.op === 'pwrite';
    const done = this.model.transfer(model, { open, write, at, address, length }, answer);
    if (done && open !== null && !('offset' in operation))
      open.position = answer === 0 && write ? open.position : at + (answer as number);
    return answer;
  }

  protected transferred(
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
}
