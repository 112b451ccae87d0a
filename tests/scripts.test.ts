/**
 * Every script under conformance/ must be read without an error on each system that has an expected output for it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { parseScenario } from '../packages/core/src/scenario/parse.js';
import { SYSTEM_NAMES } from '../packages/core/src/vm/system.js';

const root = fileURLToPath(new URL('../conformance/', import.meta.url));

function scriptsIn(folder: string): string[] {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.scn') || name.endsWith('.scn.gz'))
    .map((name) => join(path, name));
}

function textOf(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

describe.each(SYSTEM_NAMES)('the scripts of %s', (system) => {
  test.each([[system], [`${system}/random`], [`${system}/special`], ['programs'], ['pressure']])('%s', (folder) => {
    const rejected = scriptsIn(folder).flatMap((path) => {
      const result = parseScenario(textOf(path), system);
      return result.ok ? [] : result.errors.map((error) => `${path}:${error.line}: ${error.message}`);
    });
    expect(rejected).toEqual([]);
  });
});
