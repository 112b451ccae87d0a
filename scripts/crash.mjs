/*
 * npm run crash: kills processes that write files through shared mappings, and looks at what is on disk.
 *
 *     npm run crash -- --random 500 --marked 50
 *     npm run crash -- --random 100 --marked 0 --seed 7 --system netbsd --jobs 4
 *
 * `random` processes are killed from outside after a random time, `marked` ones kill themselves before, within or after a write or a sync of a file. Prints
 * counts; ends with code 1 when a file holds what it may not.
 */
import './lib/node-version.mjs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { build } from './lib/setup.mjs';
import './lib/typescript-hook.mjs';

const USAGE = 'usage: npm run crash -- [--random N] [--marked N] [--seed S] [--system NAME] [--jobs N]';

function whole(values, name, fallback) {
  const word = values[name];
  if (word === undefined) return fallback;
  if (!/^\d{1,9}$/.test(word)) throw new RangeError(`--${name} must be a whole number, not '${word}'`);
  return Number(word);
}

async function main() {
  const names = ['random', 'marked', 'seed', 'system', 'jobs'];
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });
  const complaints = await build((text) => console.error(text));
  if (complaints !== '') throw new Error(complaints);
  const { SYSTEM_NAMES } = await import('@faultline/core');
  if (values.system !== undefined && !SYSTEM_NAMES.includes(values.system)) {
    throw new RangeError(`--system must be one of ${SYSTEM_NAMES.join(' ')}, not '${values.system}'`);
  }
  const { runCrashes } = await import('../tests/crash/rounds.ts');
  const options = {
    random: whole(values, 'random', 100),
    marked: whole(values, 'marked', 50),
    seed: whole(values, 'seed', 1),
    jobs: Math.max(1, whole(values, 'jobs', availableParallelism())),
    ...(values.system === undefined ? {} : { systems: [values.system] }),
  };
  const began = performance.now();
  const counts = await runCrashes(options, (done) => {
    if (done % 50 === 0) console.error(`${done} kills`);
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `seed ${options.seed}: killed at ${counts.random} random and ${counts.marked} marked moments, ${seconds} s`,
  );
  console.log(`${counts.operations} operations had returned; ${counts.sectors} sectors looked at:`);
  console.log(`  ${counts.old} held what was promised although something newer was stored`);
  console.log(`  ${counts.unpromised} held something newer than what was promised`);
  console.log(`  ${counts.failures.length} things wrong`);
  for (const failure of counts.failures.slice(0, 30)) console.log(`WRONG ${failure}`);
  return counts.failures.length === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    const usage = error instanceof RangeError || String(error.code).startsWith('ERR_PARSE_ARGS');
    console.error(usage ? `${error.message}\n${USAGE}` : error);
    process.exitCode = 2;
  },
);
