import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capture, TINY } from '../../../tests/tiny-system.js';
import type { SystemEntry } from './environment.js';
import { runCommandLine } from './program.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'faultline-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, contents: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function faultline(
  words: readonly string[],
  systems: Readonly<Record<string, SystemEntry>> = TINY,
): Promise<Ran> {
  const environment = capture(systems);
  const code = await runCommandLine(environment, words);
  return { code, out: environment.stdout(), err: environment.stderr() };
}

const scenario = (path: string, ...more: string[]): Promise<Ran> =>
  faultline(['scenario', path, '--system', 'freebsd', ...more]);

const SCRIPT = '# a script\nproc A\nA map 0x10000 2 anon private rw-\nA write 0x10000 2\nA unmap 0x10000 1\n';
const OUTPUT = 'fault A w 0x10000 KERN_SUCCESS minor\nfault A w 0x11000 KERN_SUCCESS minor\nerror A unmap EINVAL\n';

describe('faultline scenario', () => {
  test('prints exactly the output', async () => {
    expect(await scenario(file('good.scn', SCRIPT))).toEqual({ code: 0, out: OUTPUT, err: '' });
  });

  test('reads a gzipped script', async () => {
    expect((await scenario(file('good.scn.gz', gzipSync(SCRIPT)))).out).toBe(OUTPUT);
  });

  test('--json groups the output by command', async () => {
    const path = file('json.scn', SCRIPT);
    const { code, out } = await scenario(path, '--json');
    expect(code).toBe(0);
    const [first, second, third] = OUTPUT.split('\n');
    expect(JSON.parse(out)).toEqual({
      file: path,
      system: 'freebsd',
      end: 'end',
      commands: [
        { line: 2, text: 'proc A', output: [] },
        { line: 3, text: 'A map 0x10000 2 anon private rw-', output: [] },
        { line: 4, text: 'A write 0x10000 2', output: [first, second] },
        { line: 5, text: 'A unmap 0x10000 1', output: [third] },
      ],
    });
  });

  test('--explain prints below each fault, where the system can explain', async () => {
    const path = file('explain.scn', SCRIPT);
    const explain = (): ReturnType<NonNullable<SystemEntry['explain']>> => ({
      beforeFault: () => {},
      afterFault: () => ['    why'],
    });
    const freebsd = { ...(TINY.freebsd as SystemEntry), explain };
    const words = ['scenario', path, '--system', 'freebsd', '--explain'];
    expect((await faultline(words, { freebsd })).out).toBe(OUTPUT.replace(/(fault.*\n)/g, '$1    why\n'));
    expect(await faultline(words)).toMatchObject({ code: 2, out: '' });
  });

  test('every error of a script stands on its own line with file and line number', async () => {
    const path = file('bad.scn', 'proc A\nA raed 1\nA map 1 1 anon private rwz\nticks\n');
    expect(await scenario(path)).toEqual({
      code: 2,
      out: '',
      err: [
        `${path}:2: unknown command raed for process A (did you mean read?)`,
        `${path}:3: PROT must be three characters, r w x or - in their places (rw-, r-x), not rwz`,
        `${path}:4: the command ticks exists only on dragonfly, not on freebsd`,
        '',
      ].join('\n'),
    });
  });

  test('files that cannot be read', async () => {
    const missing = join(folder, 'missing.scn');
    expect(await scenario(missing)).toEqual({
      code: 2,
      out: '',
      err: `faultline: cannot read ${missing}: there is no such file\n`,
    });
    expect((await scenario(folder)).err).toBe(`faultline: cannot read ${folder}: it is a directory\n`);
    const binary = file('binary.scn', Uint8Array.of(0x7f, 0x45, 0, 1));
    expect((await scenario(binary)).err).toBe(`faultline: cannot read ${binary}: it is not a text file\n`);
    const damaged = file('damaged.gz', gzipSync(SCRIPT).subarray(0, 30));
    expect((await scenario(damaged)).err).toBe(`faultline: cannot read ${damaged}: it is gzipped, but damaged\n`);
  });

  test('systems that are not there', async () => {
    const path = file('system.scn', SCRIPT);
    const ask = (name: string): Promise<Ran> => faultline(['scenario', path, '--system', name]);
    expect(await ask('frebsd')).toEqual({
      code: 2,
      out: '',
      err: 'faultline: unknown system frebsd (did you mean freebsd?); the systems here are: freebsd\n',
    });
    expect((await ask('linux')).err).toBe('faultline: unknown system linux; the systems here are: freebsd\n');
    expect((await ask('toString')).err).toBe('faultline: unknown system toString; the systems here are: freebsd\n');
    expect((await ask('netbsd')).err).toBe(
      'faultline: system netbsd is not finished in this version; the systems here are: freebsd\n',
    );
    expect((await faultline(['scenario', path])).err).toBe(
      'faultline: which system? say --system NAME; the systems here are: freebsd\n',
    );
  });

  test('a machine that this computer cannot give', async () => {
    const path = file('large.scn', 'swap 1\nmemory 4194304\n');
    const boot = (): never => {
      throw new RangeError('Array buffer allocation failed');
    };
    const ran = await faultline(['scenario', path, '--system', 'freebsd'], { freebsd: { boot } });
    expect(ran).toEqual({
      code: 2,
      out: '',
      err: `${path}:2: this computer cannot give a machine of 16G: Array buffer allocation failed\n`,
    });
  });

  test('a mistake of ours says where it happened and exits 70, after what was printed', async () => {
    const path = file('ours.scn', 'print first\nqueues\n');
    const boot: SystemEntry['boot'] = (options) =>
      Object.assign((TINY.freebsd as SystemEntry).boot(options), {
        queues: () => {
          throw new TypeError('x is undefined');
        },
      });
    const ran = await faultline(['scenario', path, '--system', 'freebsd'], { freebsd: { boot } });
    expect(ran.code).toBe(70);
    expect(ran.out).toBe('first\n');
    expect(ran.err).toContain('faultline: this is a mistake in faultline itself: ');
    expect(ran.err).toContain(`x is undefined (${path}:2: queues)`);
  });
});

describe('the command line', () => {
  test('--version and --help', async () => {
    expect(await faultline(['--version'])).toEqual({ code: 0, out: '1.2.3\n', err: '' });
    const help = await faultline(['--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('faultline scenario fork.scn --system freebsd');
    for (const command of ['scenario', 'record', 'import', 'replay', 'compare']) expect(help.out).toContain(command);
    expect((await faultline(['scenario', '--help'])).out).toContain('the system to run it on: freebsd');
  });

  test.each<[string[], string]>([
    [['scenari'], "faultline: unknown command 'scenari'"],
    [['scenario'], "faultline: missing required argument 'file'"],
    [['scenario', 'x', '--sytem', 'freebsd'], "faultline: unknown option '--sytem'"],
    [['scenario', 'x', 'y', '--system', 'freebsd'], 'faultline: too many arguments'],
    [['record', '--', 'ls'], "faultline: required option '-o, --output <file>' not specified"],
    [['replay', 'x', '--system', 'nosuch'], 'faultline: unknown system nosuch'],
    [['replay', 'x', '--system', 'freebsd', '--memory', 'big'], 'faultline: --memory: big is not a size'],
    [['compare', 'x', '--memory', '3'], 'faultline: --memory: 3 is less than one page'],
  ])('%j is bad usage', async (words, message) => {
    const ran = await faultline(words);
    expect(ran.err.slice(0, message.length)).toBe(message);
    expect(ran).toMatchObject({ code: 2, out: '' });
  });

  test('a program that cannot be recorded', async () => {
    const output = join(folder, 'x.trace');
    const ran = await faultline(['record', '-o', output, '--', './no-such-program', '--color']);
    expect(ran).toEqual({ code: 2, out: '', err: "faultline: cannot record './no-such-program': no such file\n" });
  });

  test('traces that are missing, damaged or none', async () => {
    const text = file('refs.din', '0 1000\n1 2000\n2 1004\n');
    const trace = join(folder, 'refs.trace');
    const imported = await faultline(['import', text, '-o', trace, '--format', 'dinero']);
    expect(imported).toMatchObject({ code: 0, out: '' });
    expect(imported.err).toContain(`faultline: 3 references in ${trace}\n`);

    const replay = (path: string): Promise<Ran> => faultline(['replay', path, '--system', 'freebsd']);
    const whole = readFileSync(trace);
    const cut = file('cut.trace', whole.subarray(0, whole.length - 5));
    const ran = await replay(cut);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toMatch(/^faultline: .*cut\.trace: .* at byte \d+; readable before it: /);
    expect((await replay(file('none.trace', 'hello'))).code).toBe(2);
    const missing = join(folder, 'no.trace');
    expect((await replay(missing)).err).toBe(`faultline: cannot open ${missing}: there is no such file\n`);
    expect((await faultline(['import', text, '-o', trace, '--format', 'elf'])).err).toBe(
      'faultline: unknown format elf; there are: lackey, dinero\n',
    );
  });

  test('no command at all shows the help and is bad usage', async () => {
    const ran = await faultline([]);
    expect(ran.code).toBe(2);
    expect(ran.err).toContain('Usage: faultline');
  });
});
