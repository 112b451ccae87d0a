/**
 * npm run conformance: builds what has changed, then runs the conformance cases (packages/cli/src/conformance).
 *
 *     npm run conformance -- freebsd random/r00012
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));
const program = 'packages/cli/dist/conformance/main.js';

const build = spawnSync(process.execPath, [path('scripts/build.mjs'), 'packages/cli'], { encoding: 'utf8' });
if (build.status !== 0) {
  process.stderr.write(build.stdout + build.stderr);
  if (!existsSync(path(program))) process.exit(2);
  process.stderr.write('conformance: the build has errors; running what could be built\n');
}
await import(new URL(`../${program}`, import.meta.url).href);
