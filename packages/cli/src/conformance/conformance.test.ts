import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { capture, TINY } from '../../../../tests/tiny-system.js';
import type { SystemEntry } from '../environment.js';
import { conformance } from './conformance.js';

const SCRIPT = 'memory 64\nproc A\nA map 0x10000 2 anon private rw-\nA write 0x10000 2\nqueues\n';
const OUTPUT = 'fault A w 0x10000 KERN_SUCCESS minor\nfault A w 0x11000 KERN_SUCCESS minor\nqueues free=64\n';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'faultline-conformance-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, contents: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), path.endsWith('.gz') ? gzipSync(contents) : contents);
}

function run(words: readonly string[] = [], systems: Readonly<Record<string, SystemEntry>> = TINY): [number, string] {
  const environment = capture(systems);
  const code = conformance(environment, words, root);
  expect(environment.stderr()).toBe('');
  return [code, environment.stdout()];
}

describe('conformance', () => {
  test('counts each kind from the files that are there', () => {
    for (const name of ['a', 'b']) {
      put(`freebsd/${name}.scn`, SCRIPT);
      put(`freebsd/${name}.out`, OUTPUT);
    }
    put('freebsd/random/r1.scn', SCRIPT);
    put('freebsd/random/r1.out', OUTPUT);
    put('programs/ls.scn', SCRIPT);
    put('programs/ls.freebsd.out', OUTPUT);
    put('programs/sort.scn', SCRIPT);
    put('programs/sort.netbsd.out', 'not ours');
    put('pressure/sh-400.scn.gz', SCRIPT);
    put('pressure/sh-400.freebsd.out.gz', OUTPUT);
    expect(run()).toEqual([0, 'freebsd cases 2/2 random 1/1 programs 1/1 pressure 1/1\n']);
  });

  test('a mismatch shows its first differing line and the command behind it', () => {
    put('freebsd/a.scn', SCRIPT);
    put('freebsd/a.out', OUTPUT.replace('0x11000 KERN_SUCCESS', '0x11000 KERN_FAILURE'));
    put('freebsd/short.scn', SCRIPT);
    put('freebsd/short.out', `${OUTPUT}counters\n`);
    expect(run()).toEqual([
      1,
      [
        'freebsd cases 0/2',
        `  ${root}/freebsd/a.scn: output line 2 differs, in \`A write 0x10000 2\` (line 4 of the script)`,
        '      expected: fault A w 0x11000 KERN_FAILURE minor',
        '      got:      fault A w 0x11000 KERN_SUCCESS minor',
        `  ${root}/freebsd/short.scn: output line 4 differs, in \`queues\` (line 5 of the script)`,
        '      expected: counters',
        '      got:      (nothing: the output ends here)',
        '',
      ].join('\n'),
    ]);
  });

  test('a run that breaks off is a mismatch of its own, and the others still run', () => {
    put('freebsd/a.scn', SCRIPT);
    put('freebsd/a.out', OUTPUT);
    put('freebsd/b.scn', 'print x\n');
    put('freebsd/b.out', 'x\n');
    const boot: SystemEntry['boot'] = (options) =>
      Object.assign((TINY.freebsd as SystemEntry).boot(options), {
        queues: () => {
          throw new TypeError('x is undefined');
        },
      });
    const [code, text] = run([], { freebsd: { boot } });
    expect(code).toBe(1);
    expect(text).toContain('freebsd cases 1/2\n');
    expect(text).toContain('got:      (nothing: the run broke off)');
    expect(text).toContain('broke off in `queues` (line 5 of the script): TypeError: x is undefined');
  });

  test('a script with errors, or without an expected output, does not pass', () => {
    put('freebsd/a.scn', 'porc A\n');
    put('freebsd/a.out', '');
    put('freebsd/b.scn', SCRIPT);
    expect(run()[1]).toBe(
      `freebsd cases 0/2\n  ${root}/freebsd/a.scn:1: unknown command porc (did you mean proc?)\n` +
        `  ${root}/freebsd/b.scn: there is no expected output beside it\n`,
    );
  });

  test('filters choose systems and cases; --dir another folder', () => {
    for (const name of ['r00011', 'r00012']) {
      put(`freebsd/random/${name}.scn`, SCRIPT);
      put(`freebsd/random/${name}.out`, OUTPUT);
    }
    put('freebsd/r.scn', SCRIPT);
    put('freebsd/r.out', OUTPUT);
    expect(run(['freebsd', 'random/r00012'])).toEqual([0, 'freebsd random 1/1\n']);
    expect(run(['freebsd/random/r00012'])).toEqual([0, 'freebsd random 1/1\n']);
    expect(run(['freebsd', 'random'])).toEqual([0, 'freebsd random 2/2\n']);
    const environment = capture(TINY);
    expect(conformance(environment, ['--dir', root, 'cases/'], '/nowhere')).toBe(0);
    expect(environment.stdout()).toBe('freebsd cases 1/1\n');
  });

  test('bad requests', () => {
    expect(() => run(['--dir', '/nowhere/at/all'])).toThrow('there is no folder /nowhere/at/all');
    expect(() => run(['netbsd'])).toThrow('system netbsd is not finished in this version');
    expect(() => run(['freebsd', 'r9'])).toThrow(`no case in ${root} is called r9`);
    expect(() => run(['--frob'])).toThrow('--frob');
  });

  test('only the first mismatches are shown unless all are asked for', () => {
    for (let i = 0; i < 13; i++) {
      put(`freebsd/c${i}.scn`, SCRIPT);
      put(`freebsd/c${i}.out`, '');
    }
    expect(run()[1]).toContain('... and 3 more (--all shows them)');
    expect(run(['--all'])[1]).not.toContain('more');
  });
});
