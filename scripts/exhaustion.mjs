/*
 * npm run exhaustion: random programs of process calls in which everything fails once that can.
 *
 *     npm run exhaustion -- --programs 100 --seed 1
 *     npm run exhaustion -- --programs 5 --seed 40 --system netbsd --stride 10
 *
 * Each program is run once for each allocation that it makes (refused once, and from then on) and once for each read and write of a file and of swap
 * (EIO once and for good, short, torn, no space), and with stores that answer later. With a stride only every so manieth. Ends with code 1 when
 * something went wrong.
 */
import './lib/node-version.mjs';
import { built, optionsOf, runCommand, some, whole } from './lib/command.mjs';
import './lib/typescript-hook.mjs';

const USAGE = 'usage: npm run exhaustion -- [--programs N] [--seed S] [--system NAME] [--stride N]';

async function main() {
  const values = optionsOf(['programs', 'seed', 'system', 'stride']);
  await built();
  const { SYSTEM_NAMES } = await import('@faultline/core');
  const systems = some(values, 'system', SYSTEM_NAMES);
  const { exhaust } = await import('../tests/exhaustion/exhaustion.ts');
  const plan = {
    programs: whole(values, 'programs', 100),
    seed: whole(values, 'seed', 1),
    stride: Math.max(1, whole(values, 'stride', 1)),
  };
  let wrong = 0;
  for (const system of systems) {
    const began = performance.now();
    const counts = await exhaust({ ...plan, system }, (done) => {
      if (done % 10 === 0) console.error(`${system}: ${done} programs`);
    });
    const runs = Object.values(counts.runs).reduce((sum, count) => sum + count, 0);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `${system} seed ${plan.seed}: ${counts.programs} programs, ${runs} failures ordered, ${counts.refusals} calls and accesses refused, ${counts.failures.length} wrong, ${seconds} s`,
    );
    console.log(
      `  ${Object.entries(counts.runs)
        .map(([what, count]) => `${what} ${count}`)
        .join(', ')}`,
    );
    for (const failure of counts.failures.slice(0, 40)) console.log(`WRONG ${failure}`);
    wrong += counts.failures.length;
  }
  return wrong === 0 ? 0 : 1;
}

runCommand(main, USAGE);
