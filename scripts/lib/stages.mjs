/*
 * The stages of `npm test`, in their order, and the table that they make.
 *
 * A stage is a function that answers with how many checks passed and failed, and with the text to show if any failed. What
 * needs the compiled packages stands after `build` and is skipped when the build failed, so that one
 * mistake is reported once. A stage whose script is not there yet is skipped too, and says so.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { countCases, countTests } from './counts.mjs';
import { checkEmptyProject } from './empty-project.mjs';
import { checkExamples } from './examples.mjs';
import { checkPackages, checkTarballs } from './packages.mjs';
import { node, ROOT, tool } from './run.mjs';
import { build, install, SetupError } from './setup.mjs';

const TEMP = path.join(ROOT, 'temp');
/** Where tests and conformance cases may leave the branches that they took. */
const BRANCHES = path.join(TEMP, 'branches');
const ENV = { FAULTLINE_BRANCHES: BRANCHES };

/** @typedef {{ passed: number, failed: number, output?: string, note?: string }} Outcome */

/** A single check, by a program that says nothing or complains. */
function single({ code, output }) {
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, output };
}

function skipped(why) {
  return { passed: 0, failed: 0, note: `skipped: ${why}` };
}

function has(file) {
  return fs.existsSync(path.join(ROOT, file));
}

async function buildStage() {
  const complaints = await build(() => undefined);
  return single({ code: complaints === '' ? 0 : 1, output: complaints });
}

/** The tests must type-check (the build leaves them out), and `core` must not need Node. */
async function typesStage() {
  const projects = ['tsconfig.test.json', 'packages/core/tsconfig.portable.json'];
  const runs = [];
  for (const project of projects) runs.push(await tool('typescript', ['-p', project, '--pretty', 'false'], {}, 'tsc'));
  const failed = runs.filter(({ code }) => code !== 0);
  return {
    passed: runs.length - failed.length,
    failed: failed.length,
    output: failed.map(({ output }) => output).join(''),
  };
}

async function lintStage() {
  return single(await tool('@biomejs/biome', ['check', '--error-on-warnings', '--no-errors-on-unmatched', '.']));
}

async function vitestStage() {
  const report = path.join(TEMP, 'vitest.json');
  const args = ['run', '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`];
  const { code, output } = await tool('vitest', args, { env: { ...ENV, NO_COLOR: '1' } });
  if (!fs.existsSync(report)) return { passed: 0, failed: 1, output };
  const counts = countTests(JSON.parse(fs.readFileSync(report, 'utf8')), code);
  return { ...counts, output, note: `${counts.files} files` };
}

async function conformanceStage() {
  if (!has('scripts/conformance.mjs')) return skipped('no scripts/conformance.mjs');
  const { code, output, stdout } = await node('scripts/conformance.mjs', [], { env: ENV });
  const counts = countCases(stdout, code);
  return { ...counts, output, note: counts.systems.join(', ') };
}

async function branchesStage() {
  if (!has('scripts/branches.mjs')) return skipped('no scripts/branches.mjs');
  return single(await node('scripts/branches.mjs', ['--check'], { env: ENV }));
}

async function apiStage() {
  return single(await node('scripts/api.mjs', ['--check']));
}

/** The reference must build without a warning: a link that leads nowhere is one. */
async function docsStage() {
  return single(await tool('typedoc', ['--emit', 'none', '--treatWarningsAsErrors', '--logLevel', 'Warn']));
}

const STAGES = [
  { name: 'build', run: buildStage },
  { name: 'types', run: typesStage, built: true },
  { name: 'lint', run: lintStage },
  { name: 'vitest', run: vitestStage },
  { name: 'conformance', run: conformanceStage, built: true },
  { name: 'branches', run: branchesStage, built: true, after: ['vitest', 'conformance'] },
  { name: 'api', run: apiStage, built: true },
  { name: 'docs', run: docsStage, built: true },
  { name: 'examples', run: checkExamples, built: true },
  { name: 'publint', run: checkPackages, built: true },
  { name: 'tarballs', run: checkTarballs, built: true },
  { name: 'empty-project', run: checkEmptyProject, built: true },
];

/** The stages that were asked for, with those that they need. */
function choose(names) {
  const known = STAGES.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new SetupError(`no stage '${unknown[0]}'; there are ${known.join(', ')}`);
  if (names.length === 0) return STAGES;
  const wanted = new Set(names);
  for (const { name, built, after } of [...STAGES].reverse()) {
    if (!wanted.has(name)) continue;
    if (built) wanted.add('build');
    for (const other of after ?? []) wanted.add(other);
  }
  return STAGES.filter(({ name }) => wanted.has(name));
}

function row(name, passed, failed, seconds, note) {
  return `${name.padEnd(12)}${String(passed).padStart(8)}${String(failed).padStart(8)}${seconds.padStart(10)}  ${note}`.trimEnd();
}

async function runStages(stages) {
  const total = { passed: 0, failed: 0 };
  let built = true;
  const begin = performance.now();
  console.log(row('stage', 'passed', 'failed', 'seconds', ''));
  for (const stage of stages) {
    const start = performance.now();
    const needless = stage.built === true && !built;
    const outcome = needless ? skipped('the build failed') : await attempt(stage);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(row(stage.name, outcome.passed, outcome.failed, seconds, outcome.note ?? ''));
    if (outcome.failed > 0) console.log(`\n${(outcome.output ?? '').trimEnd()}\n`);
    if (stage.name === 'build') built = outcome.failed === 0;
    total.passed += outcome.passed;
    total.failed += outcome.failed;
  }
  console.log(row('all', total.passed, total.failed, ((performance.now() - begin) / 1000).toFixed(1), ''));
  return total;
}

/** A stage that breaks down counts as one failed check. */
async function attempt(stage) {
  try {
    return await stage.run();
  } catch (error) {
    return { passed: 0, failed: 1, output: error.stack };
  }
}

export async function main(names) {
  try {
    const stages = choose(names);
    await install((text) => console.log(text));
    fs.rmSync(TEMP, { recursive: true, force: true });
    fs.mkdirSync(BRANCHES, { recursive: true });
    const { passed, failed } = await runStages(stages);
    console.log(`\n${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.log(`${error.message}\n\n0 passed, 1 failed`);
    process.exitCode = 1;
  }
}
