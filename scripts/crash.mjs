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
import { built, optionsOf, runCommand, some, whole } from './lib/command.mjs';
import './lib/typescript-hook.mjs';

const USAGE = 'usage: npm run crash -- [--random N] [--marked N] [--seed S] [--system NAME] [--jobs N]';

async function main() {
  const values = optionsOf(['random', 'marked', 'seed', 'system', 'jobs']);
  await built();
  const { SYSTEM_NAMES } = await import('@faultline/core');
  const { runCrashes } = await import('../tests/crash/rounds.ts');
  const options = {
    random: whole(values, 'random', 100),
    marked: whole(values, 'marked', 50),
    seed: whole(values, 'seed', 1),
    jobs: Math.max(1, whole(values, 'jobs', availableParallelism())),
    systems: some(values, 'system', SYSTEM_NAMES),
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

runCommand(main, USAGE);
