/** The finished systems as the command line has them: what is named beside them is really there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { capture } from '../../../tests/tiny-system.js';
import { runCommandLine } from './program.js';
import { FINISHED } from './systems.js';

test.each(Object.keys(FINISHED).filter((name) => FINISHED[name]?.explain !== undefined))(
  'faults of %s can be explained, and the lines of the script stay what they are',
  async (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'faultline-systems-'));
    try {
      const path = join(folder, 'a.scn');
      writeFileSync(path, 'proc A\nA map 0x10000 2 anon private rw-\nA write 0x10000 2\nqueues\n');
      const run = async (...more: string[]): Promise<string[]> => {
        const environment = capture(FINISHED);
        expect(await runCommandLine(environment, ['scenario', path, '--system', name, ...more])).toBe(0);
        return environment.stdout().split('\n');
      };
      const plain = await run();
      const explained = await run('--explain');
      expect(explained.filter((line) => !line.startsWith(' '))).toEqual(plain);
      expect(explained.length).toBeGreaterThan(plain.length + 10);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
