/** The invariants hold after every command of every conformance script of this system. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { netbsdCommands } from '../scenario/netbsd-commands.js';
import { parseScenario } from '../scenario/parse.js';
import { runScenario } from '../scenario/run.js';
import type { NetbsdSystem } from './system.js';
import { bootNetbsd } from './system.js';

const CASES = fileURLToPath(new URL('../../../../conformance/netbsd', import.meta.url));

function scripts(folder: string): string[] {
  return fs
    .readdirSync(folder)
    .filter((file) => file.endsWith('.scn'))
    .map((file) => path.join(folder, file));
}

/** Runs a script and answers the first broken rule with the line that broke it, or null. */
function firstBroken(file: string, defects: 'as-seeded' | 'mended'): string | null {
  const parsed = parseScenario(fs.readFileSync(file, 'utf8'), 'netbsd');
  if (!parsed.ok) throw new Error(`${file} cannot be read`);
  let system: NetbsdSystem | null = null;
  let last = 0;
  try {
    runScenario(parsed.script, {
      boot: (options) => {
        system = bootNetbsd({ ...options, defects });
        return system;
      },
      write: () => {},
      extension: netbsdCommands,
      onCommand: (command) => {
        system?.check();
        last = command.line;
      },
    });
    (system as NetbsdSystem | null)?.check();
    return null;
  } catch (error) {
    return `${path.basename(file)}:${last} ${(error as Error).message}`;
  }
}

describe('the invariants hold after every command of', () => {
  for (const folder of ['.', 'random', 'special']) {
    for (const defects of ['as-seeded', 'mended'] as const) {
      it(`${folder}, ${defects}`, () => {
        const broken = scripts(path.join(CASES, folder)).map((file) => firstBroken(file, defects));
        expect(broken.filter((line) => line !== null)).toEqual([]);
      });
    }
  }
});
