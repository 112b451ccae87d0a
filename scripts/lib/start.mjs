/*
 * The work of `npm start`, in a file of its own so that an old Node is told of its age before it has to read this.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { node, ROOT } from './run.mjs';
import { build, install, SetupError } from './setup.mjs';

/** The first of these that is there, else the first trace by name. */
const FAVOURITES = ['sort.vmt', 'ls.vmt'];
/** Where the user typed the command, which npm leaves for the root: the files that are named are seen from there. */
const HERE = process.env.INIT_CWD ?? process.cwd();
const fromHere = (...parts) => path.relative(HERE, path.join(ROOT, ...parts));

function shippedTrace() {
  const folder = path.join(ROOT, 'traces');
  const traces = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.endsWith('.vmt')) : [];
  const chosen = FAVOURITES.find((name) => traces.includes(name)) ?? traces.sort()[0];
  if (chosen === undefined) {
    throw new SetupError('no trace in traces/. Name one: npm start -- FILE. `npx faultline record` makes them.');
  }
  return fromHere('traces', chosen);
}

/** What `faultline compare` is to be told, given what the user said. */
function compareArguments(given) {
  const named = given.length > 0 && !given[0].startsWith('-');
  const args = named ? given : [shippedTrace(), ...given];
  const reported = args.some((arg) => arg === '--report' || arg.startsWith('--report='));
  return reported || args.includes('--help') ? args : [...args, '--report', fromHere('out', 'report.html')];
}

export async function main(given) {
  const say = (text) => console.error(text);
  try {
    await install(say);
    const complaints = await build(say);
    if (complaints !== '') throw new SetupError(`${complaints}\n\nThe sources do not compile; tsc says why above.`);
    const args = compareArguments(given);
    fs.mkdirSync(path.join(ROOT, 'out'), { recursive: true });
    say(`faultline compare ${args.join(' ')}\n`);
    const { code } = await node('packages/cli/bin/faultline.js', ['compare', ...args], { show: true, cwd: HERE });
    process.exitCode = code;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
