/**
 * The built command as a process: what can only be seen from outside. Skipped until `npm run build` has made it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const path = (relative: string): string => fileURLToPath(new URL(`../${relative}`, import.meta.url));
const BUILT = existsSync(path('packages/cli/dist/main.js'));
const SCRIPT = path('conformance/programs/ls.scn');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command; with `leave`, stops reading its output after the first piece. */
function faultline(words: readonly string[], leave = false): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path('packages/cli/bin/faultline.js'), ...words]);
    let out = '';
    let err = '';
    child.stdout.on('data', (piece) => {
      out += piece;
      if (leave) child.stdout.destroy();
    });
    child.stderr.on('data', (piece) => {
      err += piece;
    });
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

describe.skipIf(!BUILT)('the built command', () => {
  test('a script from the repository, to the last line', async () => {
    const ended = await faultline(['scenario', SCRIPT, '--system', 'freebsd']);
    expect(ended).toMatchObject({ code: 0, err: '' });
    expect(ended.out.endsWith('\n')).toBe(true);
  });

  test('a reader that goes away is no error', async () => {
    const ended = await faultline(['scenario', SCRIPT, '--system', 'freebsd', '--json'], true);
    expect(ended.err).toBe('');
  });

  test('a missing file exits 2', async () => {
    expect(await faultline(['scenario', 'nowhere.scn', '--system', 'freebsd'])).toEqual({
      code: 2,
      out: '',
      err: 'faultline: cannot read nowhere.scn: there is no such file\n',
    });
  });
});
