/*
 * npm run soak: random programs against a reference model, for as long as you like.
 *
 *     npm run soak -- --operations 10000000 --seed 1                    programs of processes, on all four systems
 *     npm run soak -- --operations 10000000 --seed 1 --system netbsd
 *     npm run soak -- --level kernel --operations 1000000 --seed 1      the kernels' own calls, beneath the processes
 *     npm run soak -- --operations 1000000 --seed 1 --level kernel --system freebsd --defects as-seeded --check-every 1 --swap 0
 *
 * Without a system every one is run that there is a model for; the kernels' calls without --defects both ways. Ends with code 1 at the first mismatch, after printing
 * the shrunk program and the seed that makes it again.
 */
import './lib/node-version.mjs';
import { built, optionsOf, runCommand, some, whole } from './lib/command.mjs';
import './lib/typescript-hook.mjs';

const USAGE =
  'usage: npm run soak -- [--level processes|kernel] [--operations N] [--seed S] [--system NAME] [--defects mended|as-seeded] [--check-every N] [--swap PAGES]';

/** Runs one plan, tells how far it is every so many operations, and prints what came of it. Answers whether all went well. */
function runOne(label, plan, soak, tellEvery, explain = String) {
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
  let told = 0;
  const {
    operations,
    programs,
    unfinished = 0,
    failure,
  } = soak(plan, (done) => {
    if (done - told < tellEvery) return;
    told = done;
    console.error(`${label}: ${done} operations, ${seconds()} s`);
  });
  console.log(`${label}: ${operations} operations in ${programs} programs equal the model, ${seconds()} s`);
  if (unfinished > 0)
    console.log(`${unfinished} of them ended early: what the kernels leave open had grown too much to be followed`);
  if (failure === null) return true;
  console.log(`\nMISMATCH\n${explain(failure)}`);
  return false;
}

async function processes(values, common) {
  if (values.defects !== undefined) throw new RangeError('--defects is for --level kernel: processes run mended');
  const { SYSTEM_NAMES } = await import('@faultline/core');
  const { explain, soakProcesses } = await import('../tests/process/soak.ts');
  for (const system of some(values, 'system', SYSTEM_NAMES)) {
    const label = `${system} processes seed ${common.seed}`;
    if (!runOne(label, { ...common, system }, soakProcesses, 100_000, explain)) return 1;
  }
  return 0;
}

async function kernels(values, common) {
  const { soak } = await import('../tests/property/soak.ts');
  const { RULES } = await import('../tests/property/rules.ts');
  for (const system of some(values, 'system', Object.keys(RULES))) {
    for (const defects of some(values, 'defects', ['mended', 'as-seeded'])) {
      const label = `${system} ${defects} seed ${common.seed}`;
      if (!runOne(label, { ...common, system, defects }, soak, 250_000)) return 1;
    }
  }
  return 0;
}

async function main() {
  const values = optionsOf(['level', 'operations', 'seed', 'system', 'defects', 'check-every', 'swap']);
  await built();
  const common = {
    operations: whole(values, 'operations', 100_000),
    seed: whole(values, 'seed', 1),
    checkEvery: Math.max(1, whole(values, 'check-every', 50)),
    ...(values.swap === undefined ? {} : { swapPages: whole(values, 'swap') }),
  };
  const [level] = values.level === undefined ? ['processes'] : some(values, 'level', ['processes', 'kernel']);
  return level === 'kernel' ? await kernels(values, common) : await processes(values, common);
}

runCommand(main, USAGE);
