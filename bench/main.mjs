/*
 * npm run bench: builds, measures every line on every finished system, prints one table.
 *
 *     npm run bench                          all lines, about a minute and a half a system
 *     npm run bench -- --only cow,fork       some of them
 *     npm run bench -- --system freebsd      on one system
 *     npm run bench -- --quick               a few seconds; the figures mean little and are not judged
 *     npm run bench -- --json                the results as data instead of the table
 *     npm run bench -- --rounds 25           more rounds than 11
 *
 * Ends with code 1 when a target is missed. docs/benchmarks.md tells how things are measured and what to beware of.
 */
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { node, run } from '../scripts/lib/run.mjs';
import { compileHost } from './host.mjs';
import { LINES, lineNamed } from './lines.mjs';
import { failures, format, judge } from './table.mjs';

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));
const ROUNDS = 11;
const QUICK_ROUNDS = 1;
const QUICK_SCALE = 64;

/** Raised with a message for the user. */
class BenchError extends Error {}

function options(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', multiple: true },
      system: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? QUICK_ROUNDS : ROUNDS));
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new BenchError(`--rounds takes a whole number, not ${values.rounds}`);
  const names = values.only?.flatMap((text) => text.split(','));
  const lines = names === undefined ? LINES : names.map(lineNamed);
  return { ...values, rounds, lines };
}

async function build() {
  const { code, output } = await node('scripts/build.mjs', ['packages/trace']);
  if (code !== 0) throw new BenchError(`${output.trimEnd()}\n\nThe sources do not compile; tsc says why above.`);
}

/** The systems to measure: those that are finished, or those of them that were named. */
async function systems(wanted) {
  const { SYSTEMS } = await import('@faultline/core');
  const finished = Object.keys(SYSTEMS);
  const unknown = wanted?.find((name) => !finished.includes(name));
  if (unknown !== undefined) throw new BenchError(`no system '${unknown}'; there are ${finished.join(', ')}`);
  return wanted ?? finished;
}

/** Keeps a measurement on one CPU, where that can be asked for: one that wanders meets cold caches. */
function pinned(command) {
  const cpu = String(cpus().length - 1);
  const works = spawnSync('taskset', ['-c', cpu, 'true']).status === 0;
  return works ? ['taskset', '-c', cpu, ...command] : command;
}

async function measure(line, system, { rounds, quick }, program) {
  const scale = quick ? QUICK_SCALE : 1;
  const child = [process.execPath, '--expose-gc', CHILD, line.name, system, String(rounds), String(scale)];
  const whole = [...child, ...(program === null ? [] : [program])];
  const [command, ...args] = quick ? whole : pinned(whole);
  const { code, output, stdout } = await run(command, args);
  if (code !== 0) throw new BenchError(`${line.name} on ${system} could not be measured:\n${output.trimEnd()}`);
  return judge(line, system, JSON.parse(stdout), !quick);
}

/** Does `work` on every item, `atOnce` of them at a time; answers the results in the order of the items. */
async function inTurns(items, atOnce, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}

function loadText() {
  return loadavg()
    .map((load) => load.toFixed(2))
    .join(' ');
}

export async function main(args) {
  try {
    const chosen = options(args);
    const { lines, rounds, quick, json, system } = chosen;
    const say = (text) => process.stderr.write(text);
    await build();
    const { program, why } = compileHost();
    if (program === null) say(`the host's own kernel is left out: ${why}\n`);
    const before = loadText();
    const todo = (await systems(system)).flatMap((name) => lines.map((line) => ({ line, name })));
    // A quick run's figures mean nothing anyway, so it may measure several at once.
    const results = await inTurns(todo, quick ? cpus().length : 1, ({ line, name }) => {
      say(`${line.name} ${name} ...\n`);
      return measure(line, name, chosen, program);
    });
    const where = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cpus: cpus().length, rounds, quick };
    const load = { before, after: loadText() };
    const missed = failures(results);
    if (json) {
      console.log(JSON.stringify({ ...where, load, missed, results }, null, 2));
    } else {
      console.log(format(results));
      console.log(`\nNode ${where.node}, ${where.cpus} x ${where.cpu}, CPU time, medians of ${rounds} rounds`);
      console.log(`load before ${load.before}, after ${load.after}`);
      if (quick) console.log('a quick run: these figures mean little');
      else console.log(missed.length === 0 ? 'every target is met' : `missed: ${missed.join('; ')}`);
    }
    process.exitCode = missed.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof BenchError) && !/^no line|^Unknown option|^Option/.test(error.message)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}
