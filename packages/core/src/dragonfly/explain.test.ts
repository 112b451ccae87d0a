import { describe, expect, it } from 'vitest';
import { dragonflyExtension } from '../scenario/dragonfly-commands.js';
import { parseScenario } from '../scenario/parse.js';
import { runScenario } from '../scenario/run.js';
import { BRANCHES } from './branches.js';
import { explainDragonfly } from './explain.js';
import { bootDragonfly } from './system.js';

/** What a script prints with explanations. */
function explained(script: string): string[] {
  const parsed = parseScenario(`${script.trim()}\n`, 'dragonfly');
  if (!parsed.ok) throw new Error(parsed.errors.map((error) => error.message).join('\n'));
  const lines: string[] = [];
  runScenario(parsed.script, {
    boot: bootDragonfly,
    write: (line) => lines.push(line),
    extension: dragonflyExtension,
    observe: explainDragonfly,
  });
  return lines;
}

describe('an explanation', () => {
  const lines = explained(
    'file F 16384\nproc A\nA map 0x10000 4 file F 0 private rw-\nA read 0x10000\nA write 0x10000',
  );
  const text = lines.join('\n');

  it('tells each fault by its branches, with the values of the moment', () => {
    expect(text).toMatch(/F10 +A fault at 0x10000; it is counted once/);
    expect(text).toMatch(/F81 +The pager has brought the page in/);
    expect(text).toMatch(/F94 +Page 0 of object \d+ is copied to the top, to page 0 of object \d+/);
  });

  it('says which translations came', () => {
    expect(text).toMatch(/mappings? .*0x10000/);
  });

  it('leaves no name in braces open', () => {
    expect(text).not.toMatch(/[{}]/);
  });
});

it('every branch has a sentence of its own words', () => {
  for (const [id, { say, when, effect }] of Object.entries(BRANCHES)) {
    expect(say.endsWith('.') || say.endsWith('?') || /[.?] /.test(say), id).toBe(true);
    expect([when, effect], id).not.toContain(say);
  }
});
