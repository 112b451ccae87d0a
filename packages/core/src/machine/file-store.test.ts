/** Real files, interrupted and half-done system calls, and the errors that a system gives. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AsyncFile, AsyncFileStore, type FileCalls, FileStore, StoreOpenError } from './file-store.js';
import { EIO, ENOSPC } from './store.js';

let folder = '';
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'faultline-store-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

const text = (buffer: Uint8Array): string => Buffer.from(buffer).toString();
const bytes = (string: string): Uint8Array => Uint8Array.from(Buffer.from(string));

/** A file that holds `contents`, and its path. */
function file(name: string, contents: string): string {
  const where = path.join(folder, name);
  fs.writeFileSync(where, contents);
  return where;
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('FileStore', () => {
  it('reads across buffers and gives a short count at the end of the file', () => {
    const store = FileStore.open(file('read', 'hello world'));
    const [a, b] = [new Uint8Array(3), new Uint8Array(20).fill(0x2e)];
    expect(store.read(2, [a, b])).toBe(9);
    expect(text(a) + text(b)).toBe('llo world..............');
    expect(store.read(11, [a])).toBe(0);
    expect(store.size()).toBe(11);
    store.close();
  });

  it('writes, lengthens, cuts and syncs', () => {
    const where = path.join(folder, 'written');
    const store = FileStore.open(where, 'create');
    expect(store.write(4, [bytes('ab'), bytes('cd')])).toBe(4);
    expect(store.size()).toBe(8);
    expect(store.truncate(6)).toBe(0);
    expect(store.sync()).toBe(0);
    store.close();
    expect(fs.readFileSync(where, 'latin1')).toBe('\0\0\0\0ab');
  });

  it('moves more buffers than the system takes at a time', () => {
    const store = FileStore.open(path.join(folder, 'many'), 'replace');
    const pieces = Array.from({ length: 3000 }, (_, i) => Uint8Array.of(i & 255));
    expect(store.write(0, pieces)).toBe(3000);
    const back = pieces.map(() => new Uint8Array(1));
    expect(store.read(0, back)).toBe(3000);
    expect(back).toEqual(pieces);
    store.close();
  });

  it('fills shared memory, where guests live', () => {
    const store = FileStore.open(file('shared', 'shared'));
    const buffer = new Uint8Array(new SharedArrayBuffer(6));
    expect(store.read(0, [buffer])).toBe(6);
    expect(text(buffer.slice())).toBe('shared');
    store.close();
  });

  it('keeps or empties an existing file as asked', () => {
    const where = file('modes', 'old');
    FileStore.open(where, 'create').close();
    expect(fs.readFileSync(where, 'utf8')).toBe('old');
    FileStore.open(where, 'replace').close();
    expect(fs.readFileSync(where, 'utf8')).toBe('');
  });

  it('says why a file cannot be opened', () => {
    const missing = path.join(folder, 'missing');
    expect(() => FileStore.open(missing)).toThrow(StoreOpenError);
    expect(() => FileStore.open(missing)).toThrow(
      `cannot open '${missing}' for reading: no such file or directory (ENOENT)`,
    );
    expect(() => FileStore.open(folder, 'write')).toThrow('for writing: it is a directory (EISDIR)');
  });

  it('answers with EBADF when a file open for reading is written', () => {
    const store = FileStore.open(file('readonly', 'x'));
    expect(store.write(0, [bytes('y')])).toBe(-9);
    store.close();
  });

  it.runIf(fs.existsSync('/dev/full'))('answers with ENOSPC on a full disk', () => {
    const store = FileStore.open('/dev/full', 'write');
    expect(store.write(0, [bytes('x')])).toBe(-ENOSPC);
    store.close();
  });

  it('answers with EIO once closed', () => {
    const store = FileStore.open(file('closed', 'x'));
    store.close();
    store.close();
    expect([store.read(0, [bytes('x')]), store.write(0, []), store.truncate(0), store.sync()]).toEqual(
      Array(4).fill(-EIO),
    );
    expect(store.size()).toBe(0);
  });

  it('throws for an offset that is none', () => {
    const store = FileStore.open(file('range', 'x'));
    expect(() => store.read(-1, [])).toThrow('offset must be a whole number of bytes');
    expect(() => store.truncate(0.5)).toThrow('new length must be a whole number of bytes');
    store.close();
  });
});

describe('FileStore on a system that does things by halves', () => {
  /** Node's calls, with `changes` made to them. */
  const calls = (changes: Partial<FileCalls>): FileCalls => ({ ...fs, ...changes });

  it('goes on after an interrupted call and after a short one', () => {
    let call = 0;
    const stutter = ((fd: number, buffers: Uint8Array[], at: number) => {
      if (call++ % 2 === 0) throw systemError('EINTR');
      return fs.readvSync(fd, [(buffers[0] as Uint8Array).subarray(0, 2)], at);
    }) as FileCalls['readvSync'];
    const store = FileStore.open(file('stutter', 'abcdefg'), 'read', calls({ readvSync: stutter }));
    const [a, b] = [new Uint8Array(3), new Uint8Array(4)];
    expect(store.read(0, [a, b])).toBe(7);
    expect(text(a) + text(b)).toBe('abcdefg');
    store.close();
  });

  it('answers with the error when a later part fails', () => {
    let call = 0;
    const half = ((fd: number, buffers: Uint8Array[], at: number) => {
      if (call++ > 0) throw systemError('ENOSPC');
      return fs.writevSync(fd, [(buffers[0] as Uint8Array).subarray(0, 1)], at);
    }) as FileCalls['writevSync'];
    const store = FileStore.open(path.join(folder, 'half'), 'create', calls({ writevSync: half }));
    expect(store.write(0, [bytes('xyz')])).toBe(-ENOSPC);
    store.close();
  });

  it.each([
    ['EFBIG', 27],
    ['EDQUOT', 69],
    ['ESOMETHINGELSE', EIO],
  ])('turns %s into errno %i', (code, errno) => {
    const fail = (): never => {
      throw systemError(code);
    };
    const store = FileStore.open(
      path.join(folder, 'fail'),
      'create',
      calls({ ftruncateSync: fail, fsyncSync: fail, fstatSync: fail as never, closeSync: fail }),
    );
    expect(store.truncate(1)).toBe(-errno);
    expect(store.sync()).toBe(-errno);
    expect(store.size()).toBe(0);
    expect(() => store.close()).not.toThrow();
  });
});

describe('AsyncFileStore', () => {
  it('reads, writes, cuts and syncs', async () => {
    const store = await AsyncFileStore.open(path.join(folder, 'async'), 'create');
    expect(store.synchronous).toBe(false);
    expect(await store.write(1, [bytes('ab'), bytes('c')])).toBe(3);
    expect(await store.truncate(3)).toBe(0);
    expect(await store.sync()).toBe(0);
    expect(store.size()).toBe(3);
    const buffer = new Uint8Array(5).fill(0x2e);
    expect(await store.read(0, [buffer])).toBe(3);
    expect(text(buffer)).toBe('\0ab..');
    store.close();
    expect(await store.read(0, [buffer])).toBe(-EIO);
    expect(store.size()).toBe(0);
  });

  it('rejects with the reason when a file cannot be opened', async () => {
    await expect(AsyncFileStore.open(path.join(folder, 'none'))).rejects.toThrow('no such file or directory (ENOENT)');
  });

  it('throws at once for an offset that is none', async () => {
    const store = await AsyncFileStore.open(file('async-range', ''), 'read');
    expect(() => store.read(-1, [])).toThrow(RangeError);
    expect(() => store.write(0.5, [])).toThrow(RangeError);
    expect(() => store.truncate(-1)).toThrow(RangeError);
    store.close();
  });

  it('finishes a transfer that was under way when it was closed', async () => {
    const store = await AsyncFileStore.open(file('closing', 'abc'), 'read');
    const buffer = new Uint8Array(3);
    const reading = store.read(0, [buffer]);
    store.close();
    expect(await reading).toBe(3);
    expect(text(buffer)).toBe('abc');
  });

  it('turns errors into errnos and goes on after an interruption', async () => {
    let call = 0;
    const refuse = async (): Promise<never> => {
      throw systemError('EROFS');
    };
    const broken = {
      fd: -1,
      readv: async (buffers: Uint8Array[]) => {
        if (call++ === 0) throw systemError('EINTR');
        return { bytesRead: call === 2 ? 1 : 0, buffers };
      },
      writev: refuse,
      truncate: refuse,
      sync: refuse,
      close: refuse,
    } as unknown as AsyncFile;
    const store = new AsyncFileStore(broken);
    expect(await store.read(0, [new Uint8Array(4)])).toBe(1);
    expect(await store.write(0, [new Uint8Array(4)])).toBe(-30);
    expect(await store.truncate(0)).toBe(-30);
    expect(await store.sync()).toBe(-30);
    expect(store.size()).toBe(0);
    store.close();
  });
});
