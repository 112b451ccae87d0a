/*
 * Makes a fresh clone ready: installs what package-lock.json lists, and compiles. Quiet when there is nothing to do.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { node, npm, ROOT } from './run.mjs';

const LOCK = path.join(ROOT, 'package-lock.json');
/** npm writes down here what it has put into node_modules. */
const INSTALLED = path.join(ROOT, 'node_modules', '.package-lock.json');

/** Raised with a message for the user; its stack is of no interest to anyone. */
export class SetupError extends Error {}

/** Whether node_modules is missing, or holds something else than package-lock.json wants. */
export function installNeeded() {
  if (!fs.existsSync(INSTALLED)) return true;
  if (fs.statSync(INSTALLED).mtimeMs >= fs.statSync(LOCK).mtimeMs) return false;
  // A checkout or a copy makes a file newer without changing it, and that is no reason to go to the network.
  return !sameVersions(JSON.parse(fs.readFileSync(LOCK, 'utf8')), JSON.parse(fs.readFileSync(INSTALLED, 'utf8')));
}

/** Whether what is installed is what the lock file wants; both as npm writes them. */
export function sameVersions(wanted, installed) {
  return Object.entries(wanted.packages).every(([place, entry]) => {
    if (!place.startsWith('node_modules/')) return true;
    const found = installed.packages[place];
    // Packages for other systems are listed but not installed.
    return found === undefined ? entry.optional === true : found.version === entry.version && found.link === entry.link;
  });
}

/** Installs if needed. `say` is told what takes time. */
export async function install(say) {
  if (!installNeeded()) return false;
  say('installing the packages that package-lock.json lists (npm ci) ...');
  const { code, output } = await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  if (code !== 0) throw new SetupError(`${output.trimEnd()}\n\n${whyInstallFailed(code, output)}`);
  return true;
}

function whyInstallFailed(code, output) {
  if (code === 127) return 'npm could not be started: it comes with Node, and must be on the path.';
  if (/\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/.test(output)) {
    return 'npm ci could not reach the package registry. Is this machine on the network (or behind a proxy)?';
  }
  if (/\bENOSPC\b/.test(output)) return 'npm ci found no space left on the disk.';
  if (/\b(EACCES|EPERM|EROFS)\b/.test(output)) return 'npm ci may not write here. Is the folder yours?';
  return `npm ci failed with code ${code}; its output is above.`;
}

/** Compiles what has changed. Answers with the compiler's complaints, empty when there are none. */
export async function build(say) {
  if (!fs.existsSync(path.join(ROOT, 'packages', 'cli', 'dist'))) say('compiling ...');
  const { code, output } = await node('scripts/build.mjs');
  return code === 0 ? '' : output.trimEnd() || `the compiler ended with code ${code}`;
}
