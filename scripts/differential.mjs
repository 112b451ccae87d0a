/*
 * npm run differential: the same random programs on all four systems at once, held against the rows of tests/process/differences.ts.
 *
 *     npm run differential                                      20,000 operations
 *     npm run differential -- --operations 500000 --seed 7
 *
 * Prints how often each row was needed, and the rows that never were. Ends with code 1 at the first difference that no row foresees, or that a row
 * foresees and that does not come, after printing the program made small and the seed that makes it again.
 */
import './lib/node-version.mjs';
import { built, optionsOf, runCommand, whole } from './lib/command.mjs';
import './lib/typescript-hook.mjs';

const USAGE = 'usage: npm run differential -- [--operations N] [--seed S]';
const PROGRESS_EVERY = 20_000;

function report({ compared, programs, differed, ended, needed }, names, seconds) {
  console.log(`${compared} operations in ${programs} programs on each of four systems, ${seconds} s`);
  console.log(
    `${differed} answered differently, each as its row says; ${ended.bytes} programs ended early at bytes that are left open, ${ended.memory} where memory ran short\n`,
  );
  const rows = names.map((name) => [name, needed.get(name) ?? 0]);
  for (const [name, times] of rows.filter(([, times]) => times > 0))
    console.log(`${String(times).padStart(8)}  ${name}`);
  const never = rows.filter(([, times]) => times === 0);
  console.log(never.length === 0 ? '\nevery row was needed' : '\nnever needed:');
  for (const [name] of never) console.log(`          ${name}`);
}

async function main() {
  const values = optionsOf(['operations', 'seed']);
  const plan = { operations: whole(values, 'operations', 20_000), seed: whole(values, 'seed', 1) };
  await built();
  const { compareMany, explain } = await import('../tests/process/differential.ts');
  const { ROW_NAMES } = await import('../tests/process/differences.ts');
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
  let told = 0;
  const result = compareMany(plan, (done) => {
    if (done - told < PROGRESS_EVERY) return;
    told = done;
    console.error(`seed ${plan.seed}: ${done} operations, ${seconds()} s`);
  });
  report(result, ROW_NAMES, seconds());
  if (result.failure === null) return 0;
  console.log(`\nMISMATCH\n${explain(result.failure)}`);
  return 1;
}

runCommand(main, USAGE);
