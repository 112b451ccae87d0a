/**
 * Real files as backing stores, on Node. The one file of this package that imports `node:` modules; it is not part of
 * `@faultline/core` but of `@faultline/core/node`, so that browsers never see it.
 *
 * `FileStore` waits for the disk inside each call (`synchronous` is true), which is what replay and scripts want: a page-in
 * costs one system call a cluster. `AsyncFileStore` answers with promises, for a program that has other things to do while
 * its guest sleeps on a page.
 *
 * A system call may move less than it was asked to, or be interrupted; both are gone on with here, so that a short count
 * means what the interface says: the end of the file. Whatever the system refuses comes back as a negative errno. The
 * numbers are the BSDs' own on every host (Linux and macOS disagree on some, Windows on most). A transfer that fails
 * half-way answers with the error, as write(2) does to the next call.
 *
 * Only opening throws, since then there is no store yet: a `StoreOpenError` with the reason in words.
 */
import * as fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as fsPromises from 'node:fs/promises';
import { type BackingStore, EIO, ENOSPC, type IoResult } from './store.js';
import { checkBytes, checkTransfer, skipBytes } from './store-range.js';

/**
 * `read`: the file must exist, and writing fails. `write`: it must exist. `create`: made if missing, kept if there.
 * `replace`: made if missing, emptied if there.
 */
export type OpenMode = 'read' | 'write' | 'create' | 'replace';

const FLAGS: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
  replace: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_TRUNC,
};

/** errno numbers as the BSDs have them, for the names that Node reports. */
const ERRNO: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EIO,
  ENXIO: 6,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC,
  ESPIPE: 29,
  EROFS: 30,
  EAGAIN: 35,
  ETIMEDOUT: 60,
  EDQUOT: 69,
  ESTALE: 70,
};

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  EMFILE: 'too many open files in this program',
  ENFILE: 'too many open files in the system',
  ENOSPC: 'no space left on the disk',
  EROFS: 'the file system is read-only',
  ETXTBSY: 'it is a program that is being run',
};

/** A file could not be opened as a store. */
export class StoreOpenError extends Error {
  override readonly name = 'StoreOpenError';
  constructor(
    /** The file, as the caller named it. */
    readonly path: string,
    /** The system's name for the trouble, such as `ENOENT`. */
    readonly code: string,
    mode: OpenMode,
  ) {
    const purpose = mode === 'read' ? 'for reading' : 'for writing';
    super(`cannot open '${path}' ${purpose}: ${REASONS[code] ?? 'the system refused'} (${code})`);
  }
}

/** The calls that a `FileStore` makes. Node's own, unless a test passes others. */
export type FileCalls = Pick<
  typeof fs,
  'openSync' | 'readvSync' | 'writevSync' | 'fstatSync' | 'ftruncateSync' | 'fsyncSync' | 'closeSync'
>;

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'EIO';
}

/** Negative errno of something thrown by a system call; what has no number here is EIO. */
function errnoOf(error: unknown): IoResult {
  return -(ERRNO[codeOf(error)] ?? EIO);
}

/** Whether the call should simply be made again. */
function interrupted(error: unknown): boolean {
  return codeOf(error) === 'EINTR';
}

export class FileStore implements BackingStore {
  readonly synchronous = true;
  readonly #calls: FileCalls;
  #fd: number;

  private constructor(fd: number, calls: FileCalls) {
    this.#fd = fd;
    this.#calls = calls;
  }

  /** Opens the file at `path`. Throws `StoreOpenError`. */
  static open(path: string, mode: OpenMode = 'read', calls: FileCalls = fs): FileStore {
    try {
      return new FileStore(calls.openSync(path, FLAGS[mode], 0o666), calls);
    } catch (error) {
      throw new StoreOpenError(path, codeOf(error), mode);
    }
  }

  /** Asks the system each time, since others may lengthen the file. 0 when it cannot tell. */
  size(): number {
    if (this.#fd < 0) return 0;
    try {
      return this.#calls.fstatSync(this.#fd).size;
    } catch {
      return 0;
    }
  }

  read(offset: number, buffers: readonly Uint8Array[]): IoResult {
    const wanted = checkTransfer(offset, buffers);
    return this.#transfer(wanted, (done) =>
      this.#calls.readvSync(this.#fd, skipBytes(buffers, done) as Uint8Array[], offset + done),
    );
  }

  write(offset: number, buffers: readonly Uint8Array[]): IoResult {
    const wanted = checkTransfer(offset, buffers);
    return this.#transfer(wanted, (done) =>
      this.#calls.writevSync(this.#fd, skipBytes(buffers, done) as Uint8Array[], offset + done),
    );
  }

  truncate(bytes: number): IoResult {
    checkBytes('new length', bytes);
    return this.#transfer(1, () => {
      this.#calls.ftruncateSync(this.#fd, bytes);
      return 0;
    });
  }

  sync(): IoResult {
    return this.#transfer(1, () => {
      this.#calls.fsyncSync(this.#fd);
      return 0;
    });
  }

  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    try {
      this.#calls.closeSync(fd);
    } catch {
      // The descriptor is gone either way, and close has no one to tell.
    }
  }

  /** Repeats `step` until `wanted` bytes have moved, nothing moves any more, or the system refuses. */
  #transfer(wanted: number, step: (done: number) => number): IoResult {
    if (this.#fd < 0) return -EIO;
    let done = 0;
    while (done < wanted) {
      try {
        const moved = step(done);
        if (moved === 0) break;
        done += moved;
      } catch (error) {
        if (!interrupted(error)) return errnoOf(error);
      }
    }
    return done;
  }
}

/** What an `AsyncFileStore` asks of an open file. Node's `FileHandle`, unless a test passes another. */
export type AsyncFile = Pick<FileHandle, 'fd' | 'readv' | 'writev' | 'truncate' | 'sync' | 'close'>;

export class AsyncFileStore implements BackingStore {
  readonly synchronous = false;
  #file: AsyncFile | null;

  /** `open` is the usual way to one; this takes a file that is open already, and closes it in the end. */
  constructor(file: AsyncFile) {
    this.#file = file;
  }

  /** Opens the file at `path`. Rejects with `StoreOpenError`. */
  static async open(path: string, mode: OpenMode = 'read'): Promise<AsyncFileStore> {
    try {
      return new AsyncFileStore(await fsPromises.open(path, FLAGS[mode], 0o666));
    } catch (error) {
      throw new StoreOpenError(path, codeOf(error), mode);
    }
  }

  /** The length that the system reports at this moment, which includes no write that is still under way. */
  size(): number {
    if (this.#file === null) return 0;
    try {
      return fs.fstatSync(this.#file.fd).size;
    } catch {
      return 0;
    }
  }

  read(offset: number, buffers: readonly Uint8Array[]): Promise<IoResult> {
    const wanted = checkTransfer(offset, buffers);
    return this.#transfer(wanted, async (file, done) => {
      const { bytesRead } = await file.readv(skipBytes(buffers, done) as Uint8Array[], offset + done);
      return bytesRead;
    });
  }

  write(offset: number, buffers: readonly Uint8Array[]): Promise<IoResult> {
    const wanted = checkTransfer(offset, buffers);
    return this.#transfer(wanted, async (file, done) => {
      const { bytesWritten } = await file.writev(skipBytes(buffers, done) as Uint8Array[], offset + done);
      return bytesWritten;
    });
  }

  truncate(bytes: number): Promise<IoResult> {
    checkBytes('new length', bytes);
    return this.#transfer(1, async (file) => {
      await file.truncate(bytes);
      return 0;
    });
  }

  sync(): Promise<IoResult> {
    return this.#transfer(1, async (file) => {
      await file.sync();
      return 0;
    });
  }

  /** Transfers under way are finished first; calls after it answer with EIO. */
  close(): void {
    const file = this.#file;
    this.#file = null;
    file?.close().catch(() => {
      // As with the synchronous store: the descriptor is gone either way.
    });
  }

  async #transfer(wanted: number, step: (file: AsyncFile, done: number) => Promise<number>): Promise<IoResult> {
    const file = this.#file;
    if (file === null) return -EIO;
    let done = 0;
    while (done < wanted) {
      try {
        const moved = await step(file, done);
        if (moved === 0) break;
        done += moved;
      } catch (error) {
        if (!interrupted(error)) return errnoOf(error);
      }
    }
    return done;
  }
}
