/*
 * Removes everything that is made from the sources: compiled packages, reports, scratch files. Not node_modules.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { ROOT } from './lib/run.mjs';

const MADE = ['temp', 'out', 'docs/api', ...['core', 'trace', 'report', 'cli'].map((name) => `packages/${name}/dist`)];
for (const folder of MADE) fs.rmSync(path.join(ROOT, folder), { recursive: true, force: true });
