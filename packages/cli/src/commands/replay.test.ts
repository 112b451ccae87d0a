/** The commands as a user types them, on a trace that ships and on a real system; and everything that can be wrong with them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KernelPanic } from '@faultline/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capture, TINY } from '../../../../tests/tiny-system.js';
import type { SystemEntry } from '../environment.js';
import { runCommandLine } from '../program.js';
import { FINISHED } from '../systems.js';

const LS = fileURLToPath(new URL('../../../../traces/ls.vmt', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'faultline-replay-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function faultline(words: readonly string[], systems = FINISHED, terminal = false): Promise<Ran> {
  const environment = capture(systems, terminal);
  const code = await runCommandLine(environment, words);
  return { code, out: environment.stdout(), err: environment.stderr() };
}

const replay = (...words: string[]): Promise<Ran> => faultline(['replay', ...words, '--system', 'freebsd']);

/** What can be said in one line, and is. */
const complaint = (message: string): Ran => ({ code: 2, out: '', err: `faultline: ${message}\n` });

describe('a trace that ships', () => {
  test('replay prints the table of one system', async () => {
    const ran = await replay(LS);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toContain('ls: 866,194 references, 1 process\n  ls -l /\n');
    expect(ran.out).toMatch(/^faults +1\d\d {2}calls of the fault handler$/m);
    expect(ran.out).toMatch(/^v_vnodepgsin +\d+ {2}vnode pager: pages read$/m);
  });

  test('compare leaves a page, a Parquet file, and says so', async () => {
    const [report, parquet] = [join(folder, 'r.html'), join(folder, 'r.parquet')];
    const ran = await faultline(['compare', LS, '--swap', '0', '--report', report, '--parquet', parquet]);
    expect(ran).toMatchObject({ code: 0, err: `faultline: wrote ${report}\nfaultline: wrote ${parquet}\n` });
    const page = readFileSync(report, 'utf8');
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain('<span>npx</span>\n<span>faultline</span>\n<span>compare</span>');
    expect(readFileSync(parquet).subarray(0, 4).toString()).toBe('PAR1');
  });

  test('--json says what it was, and the same each time but for the speed of this computer', async () => {
    const read = async (): Promise<Record<string, unknown>> => {
      const { out } = await replay(LS, '--memory', '16M', '--json');
      const { results, ...rest } = JSON.parse(out) as { results: object[] };
      const stable = results.map((result) => ({ ...result, milliseconds: 0, referencesPerSecond: 0 }));
      return { ...rest, results: stable };
    };
    const first = await read();
    expect(first).toMatchObject({
      format: 'faultline-comparison',
      machine: { memoryPages: 4096, swapPages: 131072 },
      repeat: `npx faultline replay ${LS} --system freebsd --memory 16M --swap 512M`,
      version: '1.2.3',
      results: [{ system: 'freebsd', references: 866194, stopped: null }],
    });
    expect(await read()).toEqual(first);
  });

  test('a terminal sees how far it is, and then no trace of it', async () => {
    const ran = await faultline(['replay', LS, '--system', 'freebsd'], FINISHED, true);
    expect(ran.err.endsWith('\r\x1b[K')).toBe(true);
  });
});

describe('a machine that cannot be', () => {
  test('sizes', async () => {
    const sizes = 'write bytes (67108864), 64K, 64M, 1G, or pages (200p)';
    expect(await replay(LS, '--memory', 'lots')).toEqual(complaint(`--memory: lots is not a size; ${sizes}`));
    expect(await replay(LS, '--memory', '0')).toEqual(complaint('--memory: 0 is less than one page of 4096 bytes'));
    expect(await replay(LS, '--memory', '1T')).toEqual(complaint(`--memory: 1T is not a size; ${sizes}`));
    expect(await replay(LS, '--memory', '64G')).toEqual(
      complaint('--memory: 64G is more than 16G, the most there can be'),
    );
    expect(await replay(LS, '--swap', '5000')).toEqual(
      complaint('--swap: 5000 is not a whole number of pages of 4096 bytes'),
    );
  });

  test('this computer has too little', async () => {
    const boot = (): never => {
      throw new RangeError('Array buffer allocation failed');
    };
    const ran = await faultline(['compare', LS, '--memory', '16G', '--swap', '1G'], { freebsd: { boot } });
    expect(ran).toEqual(
      complaint('this computer cannot give a machine of 16G with 1G of swap: Array buffer allocation failed'),
    );
  });

  test('systems', async () => {
    const ask = (name: string): Promise<Ran> => faultline(['replay', LS, '--system', name], TINY);
    expect(await ask('fresbsd')).toEqual(
      complaint('unknown system fresbsd (did you mean freebsd?); the systems here are: freebsd'),
    );
    expect(await faultline(['replay', LS], TINY)).toEqual(
      complaint('which system? say --system NAME; the systems here are: freebsd'),
    );
  });
});

describe('a trace that cannot be read', () => {
  const damaged = (name: string, change: (bytes: Buffer) => Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, change(readFileSync(LS)));
    return path;
  };

  test('missing, or a directory', async () => {
    const missing = join(folder, 'missing.vmt');
    expect(await replay(missing)).toEqual(complaint(`cannot open ${missing}: there is no such file`));
    expect(await replay(folder)).toEqual(complaint(`cannot open ${folder}: it is a directory`));
    const below = join(LS, 'x.vmt');
    expect(await replay(below)).toEqual(complaint(`cannot open ${below}: a part of the path is not a directory`));
  });

  test('empty, or something else', async () => {
    const nothing = 'readable before it: 0 chunks, 0 references';
    const empty = damaged('empty.vmt', () => Buffer.alloc(0));
    expect(await replay(empty)).toEqual(
      complaint(`empty.vmt: the file ends inside its first bytes at byte 0; ${nothing}`),
    );
    const text = damaged('text.vmt', () => Buffer.from('I  04000, 3\n L 1ffeff,8\n'));
    expect(await replay(text)).toEqual(
      complaint(`text.vmt: this is not a trace: it does not begin as one at byte 0; ${nothing}`),
    );
  });

  test('cut off, or changed', async () => {
    for (const [name, length] of [
      ['header.vmt', 100],
      ['head.vmt', -1],
    ] as const) {
      const ran = await replay(
        damaged(name, (bytes) => bytes.subarray(0, length < 0 ? bytes.length + length : length)),
      );
      expect(ran).toMatchObject({ code: 2, out: '' });
      expect(ran.err).toMatch(/^faultline: \w+\.vmt: the file ends inside .* at byte \d+; readable before it: .*\n$/);
    }
    const changed = damaged('changed.vmt', (bytes) => {
      bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 1;
      return bytes;
    });
    const ran = await replay(changed);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toMatch(/^faultline: changed\.vmt: .*checksum.* at byte \d+; readable before it: .*\n$/);
  });
});

describe('a report that cannot be written', () => {
  test('is refused before the replay begins', async () => {
    const boot = (): never => {
      throw new Error('booted');
    };
    const compare = (...words: string[]): Promise<Ran> => faultline(['compare', LS, ...words], { freebsd: { boot } });
    const nowhere = join(folder, 'nowhere', 'r.html');
    expect(await compare('--report', nowhere)).toEqual(complaint(`cannot write ${nowhere}: its folder does not exist`));
    expect(await compare('--parquet', folder)).toEqual(complaint(`cannot write ${folder}: it is a directory`));
    const below = join(LS, 'r.html');
    expect(await compare('--report', below)).toEqual(
      complaint(`cannot write ${below}: a part of the path is not a directory`),
    );
  });

  test('or after it, when the folder has gone by then', async () => {
    const gone = join(folder, 'gone');
    mkdirSync(gone);
    const boot: SystemEntry['boot'] = (options) => {
      rmSync(gone, { recursive: true });
      return (FINISHED.freebsd as SystemEntry).boot(options);
    };
    const ran = await faultline(['compare', LS, '--report', join(gone, 'r.html')], { freebsd: { boot } });
    expect(ran).toMatchObject({ code: 2, err: `faultline: cannot write ${gone}/r.html: its folder does not exist\n` });
    expect(ran.out).toContain('ls: 866,194 references');
  });
});

test('a kernel that panics is a finding: told in the table, and exit code 1', async () => {
  const boot: SystemEntry['boot'] = (options) =>
    Object.assign((FINISHED.freebsd as SystemEntry).boot(options), {
      fault: () => {
        throw new KernelPanic('vm_fault: on purpose');
      },
    });
  const ran = await faultline(['replay', LS, '--system', 'freebsd'], { freebsd: { boot } });
  expect(ran).toMatchObject({ code: 1, err: '' });
  expect(ran.out.endsWith('freebsd stopped early: KernelPanic: vm_fault: on purpose\n')).toBe(true);
});
