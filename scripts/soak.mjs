/*
 * npm run soak: random programs against the reference model, for as long as you like.
 *
 *     npm run soak -- --operations 10000000 --seed 1
 *     npm run soak -- --operations 1000000 --seed 1 --system freebsd --defects as-seeded --check-every 1 --swap 0
 *
 * Without a system every finished one is run, without defects both ways. Ends with code 1 at the first mismatch, after printing
 * the shrunk program and the seed that makes it again.
 */
import './lib/node-version.mjs';
import { parseArgs } from 'node:util';
import { build } from './lib/setup.mjs';
import './lib/typescript-hook.mjs';

const USAGE =
  'usage: npm run soak -- [--operations N] [--seed S] [--system NAME] [--defects mended|as-seeded] [--check-every N] [--swap PAGES]';

const options = Object.fromEntries(
  ['operations', 'seed', 'system', 'defects', 'check-every', 'swap'].map((name) => [name, { type: 'string' }]),
);

/** A whole number of an option, 0 or more. */
function whole(values, name, fallback) {
  const word = values[name];
  if (word === undefined) return fallback;
  if (!/^\d{1,15}$/.test(word)) throw new RangeError(`--${name} must be a whole number, not '${word}'`);
  return Number(word);
}

/** One of a few words, or all of them. */
function some(values, name, words) {
  const word = values[name];
  if (word === undefined) return words;
  if (!words.includes(word)) throw new RangeError(`--${name} must be one of ${words.join(' ')}, not '${word}'`);
  return [word];
}

function runOne(soak, plan) {
  const label = `${plan.system} ${plan.defects} seed ${plan.seed}`;
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
  let told = 0;
  const { operations, programs, failure } = soak(plan, (done) => {
    if (done - told < 250_000) return;
    told = done;
    console.error(`${label}: ${done} operations, ${seconds()} s`);
  });
  console.log(`${label}: ${operations} operations in ${programs} programs equal the model, ${seconds()} s`);
  if (failure === null) return true;
  console.log(`\nMISMATCH\n${failure}`);
  return false;
}

async function main() {
  const { values } = parseArgs({ options });
  const complaints = await build((text) => console.error(text));
  if (complaints !== '') throw new Error(complaints);
  const { soak } = await import('../tests/property/soak.ts');
  const { RULES } = await import('../tests/property/rules.ts');
  const common = {
    operations: whole(values, 'operations', 100_000),
    seed: whole(values, 'seed', 1),
    checkEvery: Math.max(1, whole(values, 'check-every', 50)),
    ...(values.swap === undefined ? {} : { swapPages: whole(values, 'swap') }),
  };
  for (const system of some(values, 'system', Object.keys(RULES))) {
    for (const defects of some(values, 'defects', ['mended', 'as-seeded'])) {
      if (!runOne(soak, { ...common, system, defects })) return 1;
    }
  }
  return 0;
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
