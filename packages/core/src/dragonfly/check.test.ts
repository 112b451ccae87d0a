/** The invariants hold after every command of every conformance script, and a broken one is named. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { dragonflyExtension } from '../scenario/dragonfly-commands.js';
import { parseScenario } from '../scenario/parse.js';
import { runScenario } from '../scenario/run.js';
import { bootDragonfly, type DragonflySystem } from './system.js';

const cases = fileURLToPath(new URL('../../../../conformance/dragonfly/', import.meta.url));

function scripts(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.scn'));
}

/** Runs a script, checking before each command what the one before it left. */
function runChecked(name: string, defects: 'as-seeded' | 'mended'): void {
  const script = parseScenario(readFileSync(`${cases}${name}`, 'utf8'), 'dragonfly');
  if (!('script' in script)) throw new Error(`${name} cannot be read`);
  let system: DragonflySystem | null = null;
  const end = runScenario(script.script, {
    boot: (options) => {
      system = bootDragonfly({ ...options, defects });
      return system;
    },
    write: () => {},
    extension: dragonflyExtension,
    onCommand: () => system?.check(),
  });
  // A panic or a hang leaves the machine as it stood, half-way.
  if (end === 'end') (system as DragonflySystem | null)?.check();
}

describe('the invariants', () => {
  it.each(scripts(cases))('hold after every command of %s', (name) => {
    runChecked(name, 'as-seeded');
    runChecked(name, 'mended');
  });

  it('name what does not hold', () => {
    const system = bootDragonfly({ memoryPages: 256 });
    system.vm.wiredPages++;
    expect(() => system.check()).toThrow('1 pages are counted wired, 0 are');
  });
});
