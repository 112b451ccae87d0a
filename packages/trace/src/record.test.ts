/** Recording for real, where valgrind is installed; the messages for when it is not, everywhere. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TraceReader } from './reader.js';
import { record } from './record.js';

const haveValgrind = spawnSync('valgrind', ['--version']).status === 0;
const withValgrind = test.runIf(haveValgrind);

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'faultline-test-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const place = (): { output: string; temporaryDirectory: string; stdio: 'ignore' } => ({
  output: join(directory, 'out.vmt'),
  temporaryDirectory: directory,
  stdio: 'ignore',
});

test('without valgrind the message says how to install it', async () => {
  const recording = record({ ...place(), command: '/bin/true', valgrind: 'no-such-valgrind' });
  await expect(recording).rejects.toThrow(/apt-get install valgrind/);
  expect(readdirSync(directory)).toEqual([]);
});

test('a program that is not there, or cannot be executed', async () => {
  await expect(record({ ...place(), command: 'no-such-program' })).rejects.toThrow(
    "cannot record 'no-such-program': not found in PATH",
  );
  await expect(record({ ...place(), command: directory })).rejects.toThrow(/not a regular file/);
  const file = join(directory, 'text');
  writeFileSync(file, 'x');
  chmodSync(file, 0o600);
  await expect(record({ ...place(), command: file })).rejects.toThrow(/no permission to execute it/);
});

withValgrind('a shell that forks, executes and fails', { timeout: 60_000 }, async () => {
  const result = await record({ ...place(), command: '/bin/sh', args: ['-c', '/bin/true; exit 3'] });
  expect(result.exitCode).toBe(3);
  expect(readdirSync(directory)).toEqual(['out.vmt']);
  const { header } = result;
  expect(header.exitStatus).toBe(3);
  expect(header.notes).toEqual([]);
  expect(header.processes.map(({ id, name, parent }) => `${id} ${name} ${parent}`)).toEqual(['1 sh 0', '2 true 1']);
  const reader = TraceReader.open(result.output);
  const types: Record<string, number> = {};
  for (let chunk = reader.next(); chunk !== null; chunk = reader.next()) {
    for (const { type } of chunk.events) types[type] = (types[type] ?? 0) + 1;
  }
  reader.close();
  expect(types).toMatchObject({ exec: 2, fork: 1, exit: 2, switch: 2 });
  expect(types.mmap).toBeGreaterThan(20);
});

withValgrind('an interrupted recording leaves nothing behind', { timeout: 60_000 }, async () => {
  const stop = new AbortController();
  const recording = record({
    ...place(),
    command: '/bin/sh',
    args: ['-c', 'while :; do :; done'],
    signal: stop.signal,
    onProgress: () => stop.abort(),
  });
  await expect(recording).rejects.toThrow(/interrupted/);
  expect(readdirSync(directory)).toEqual([]);
});
