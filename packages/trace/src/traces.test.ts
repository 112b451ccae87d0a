/** The traces that ship with the repository are whole, small, and free of the recorder's surroundings. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { TraceReader } from './reader.js';

const directory = fileURLToPath(new URL('../../../traces', import.meta.url));
const names = readdirSync(directory).filter((name) => name.endsWith('.vmt'));

test('there are traces', () => {
  expect(names.length).toBeGreaterThanOrEqual(4);
});

test.each(names)('%s', (name) => {
  const path = join(directory, name);
  expect(statSync(path).size).toBeLessThan(2_000_000);
  const reader = TraceReader.open(path);
  expect(reader.verify().damage).toBe(null);
  const { notes, files, processes, exitStatus } = reader.header;
  expect(notes).toEqual([]);
  expect(exitStatus).toBe(0);
  expect(processes.length).toBeGreaterThan(0);
  for (const file of files) expect(file.name).toMatch(/^\/(usr|etc)\//);
  reader.close();
});
