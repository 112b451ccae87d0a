/*
 * npm run example -- NAME [ARGUMENTS]: compiles what has changed and runs an example of `examples/`.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { node, ROOT } from './lib/run.mjs';
import { build, install, SetupError } from './lib/setup.mjs';

const FOLDER = path.join(ROOT, 'examples');

function runnable() {
  return fs.readdirSync(FOLDER).filter((name) => fs.existsSync(path.join(FOLDER, name, 'main.ts')));
}

async function main([name, ...args]) {
  if (!runnable().includes(name)) {
    process.stderr.write(`usage: npm run example -- NAME; there are: ${runnable().join(', ')}\n`);
    return 2;
  }
  const say = (text) => process.stderr.write(`${text}\n`);
  await install(say);
  const complaints = await build(say);
  if (complaints !== '') throw new SetupError(complaints);
  return (await node(path.join('examples', 'dist', name, 'main.js'), args, { show: true })).code;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exitCode = 2;
}
