import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../kernel/errors.js';
import { parseScenario } from '../scenario/parse.js';
import { runScenario } from '../scenario/run.js';
import { PG_BUSY, pageSet } from './page.js';
import { bootCsrg, type CsrgSystem } from './system.js';

const CASES = new URL('../../../../conformance/csrg/', import.meta.url);

/** Runs a script and checks everything after each of its commands. */
function checkedRun(file: string, text: string, defects: 'as-seeded' | 'mended'): void {
  const parsed = parseScenario(text, 'csrg');
  if (!parsed.ok) throw new Error(`${file} is no script`);
  let system: CsrgSystem | null = null;
  let last = 'the start';
  const check = (): void => {
    try {
      system?.check();
    } catch (error) {
      throw new Error(`${file}, after ${last}: ${error instanceof Error ? error.message : error}`);
    }
  };
  runScenario(parsed.script, {
    boot: (options) => {
      system = bootCsrg({ ...options, defects });
      return system;
    },
    write: () => {},
    onCommand: (command) => {
      check();
      last = `line ${command.line}, ${command.text}`;
    },
  });
  check();
}

const scripts = ['', 'random/'].flatMap((folder) =>
  readdirSync(new URL(folder, CASES))
    .filter((name) => name.endsWith('.scn'))
    .map((name) => folder + name),
);

describe.each(['as-seeded', 'mended'] as const)('invariants, %s', (defects) => {
  test.each(scripts)('hold after every command of %s', (file) => {
    checkedRun(file, readFileSync(new URL(file, CASES), 'utf8'), defects);
  });
});

describe('the checker', () => {
  test('sees a page that is busy without a reason', () => {
    const system = bootCsrg({ memoryPages: 16 });
    const process = system.spawn('A');
    system.map(process, {
      address: 0x10000,
      length: 4096,
      protection: 7,
      sharing: 'private',
      backing: { kind: 'anon' },
      fixed: true,
    });
    system.fault(process, 0x10, 1);
    system.check();
    pageSet(system.vm, system.translate(process, 0x10, 1), PG_BUSY);
    expect(() => system.check()).toThrow(InvariantError);
  });
});
