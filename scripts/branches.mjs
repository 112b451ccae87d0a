/*
 * npm run branches: which branches of the handlers the tests and the conformance cases take, and which they never do.
 *
 *     npm run branches               runs both, then lists
 *     npm run branches -- --check    lists what the last `npm test` has noted
 *
 * The branches are the tables of the systems (packages/core/src/NAME/branches.ts). One that is never taken must be listed there as
 * unreachable, with its reason, and one that is listed so must not be taken; otherwise the exit code is 1.
 */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import { node, ROOT, tool } from './lib/run.mjs';

const CORE = path.join(ROOT, 'packages', 'core', 'dist');

/** Runs the tests and the cases, which leave what they took in `folder`. Answers with the output of what failed. */
async function fill(folder) {
  const env = { FAULTLINE_BRANCHES: folder, NO_COLOR: '1' };
  const tests = await tool('vitest', ['run', '--reporter=dot'], { env });
  const cases = await node('scripts/conformance.mjs', [], { env });
  return [tests, cases].flatMap(({ code, output }) => (code === 0 ? [] : [output])).join('\n');
}

/** Ids taken, by system. */
function merge(folder) {
  const taken = new Map();
  const files = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  for (const file of files) {
    const ids = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
    for (const [system, list] of Object.entries(ids)) {
      taken.set(system, new Set([...(taken.get(system) ?? []), ...list]));
    }
  }
  return { taken, files: files.length };
}

/** The tables of the systems that have one. */
async function tables() {
  const found = [];
  for (const system of fs.readdirSync(CORE).sort()) {
    const file = path.join(CORE, system, 'branches.js');
    if (!fs.existsSync(file)) continue;
    const { BRANCHES, UNREACHABLE } = await import(pathToFileURL(file).href);
    found.push({ system, rows: BRANCHES, unreachable: UNREACHABLE });
  }
  return found;
}

function list(title, ids, rows, reason) {
  if (ids.length === 0) return;
  console.log(`  ${title}`);
  for (const id of ids) {
    const { when, effect, lines, say } = rows[id];
    console.log(`    ${id.padEnd(6)}${when} -> ${effect} (seed ${lines})`);
    console.log(`          ${reason?.(id) ?? say}`);
  }
}

/** Prints a system's account; answers whether it is in order. */
function account({ system, rows, unreachable }, taken) {
  const ids = Object.keys(rows);
  if (unreachable === undefined) {
    console.log(
      `${system}: taken ${ids.filter((id) => taken.has(id)).length} of ${ids.length}; its table is not finished, so nothing is asked of it`,
    );
    return true;
  }
  const excused = new Set(Object.keys(unreachable));
  const never = ids.filter((id) => !taken.has(id) && !excused.has(id));
  const surprises = ids.filter((id) => taken.has(id) && excused.has(id));
  const unknown = [...taken].filter((id) => !(id in rows));
  const count = ids.filter((id) => taken.has(id)).length;
  console.log(`${system}: taken ${count} of ${ids.length}, unreachable ${excused.size}, never reached ${never.length}`);
  const reasonOf = (id) => unreachable[id];
  list(
    'unreachable',
    [...excused].filter((id) => !taken.has(id)),
    rows,
    reasonOf,
  );
  list('NEVER REACHED', never, rows);
  list('LISTED AS UNREACHABLE, BUT TAKEN', surprises, rows, reasonOf);
  if (unknown.length > 0) console.log(`  NOT IN THE TABLE: ${unknown.join(' ')}`);
  return never.length + surprises.length + unknown.length === 0;
}

async function main(check) {
  let folder = process.env.FAULTLINE_BRANCHES ?? path.join(ROOT, 'temp', 'branches');
  if (!check) folder = fs.mkdtempSync(path.join(os.tmpdir(), 'faultline-branches-'));
  try {
    const complaints = check ? '' : await fill(folder);
    if (complaints !== '')
      console.log(`${complaints.trimEnd()}\n\nSomething failed; the account is what was taken until then.\n`);
    const { taken, files } = merge(folder);
    if (files === 0) {
      console.log('nothing has been noted yet: run npm test, or npm run branches without --check');
      return 1;
    }
    const good = (await tables()).map((table) => account(table, taken.get(table.system) ?? new Set()));
    return complaints === '' && good.every(Boolean) ? 0 : 1;
  } finally {
    if (!check) fs.rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.includes('--check'));
