/** Kills: a process for each, several at a time, and a look at the files that it leaves. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SystemName } from '@faultline/core';
import ts from 'typescript';
import { checkFiles } from './check.js';
import { FILE_BYTES, firstContents, type Moment, momentsOf, randomFrom } from './plan.js';

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const SYSTEMS: readonly SystemName[] = ['csrg', 'freebsd', 'dragonfly', 'netbsd'];
/** A child that does not come to its moment has this long. */
const PATIENCE_MS = 60_000;

export interface CrashOptions {
  readonly random: number;
  readonly marked: number;
  readonly seed: number;
  /** Children at the same time. */
  readonly jobs: number;
  readonly systems?: readonly SystemName[];
}

export interface CrashCounts {
  random: number;
  marked: number;
  /** Operations that had returned, over all rounds. */
  operations: number;
  sectors: number;
  old: number;
  unpromised: number;
  failures: string[];
}

interface Round {
  readonly system: SystemName;
  readonly seed: number;
  readonly moment: Moment | null;
  /** Milliseconds after which a child without a moment is killed. */
  readonly delay: number;
}

interface Ended {
  readonly done: number;
  readonly signal: string | null;
  readonly complaints: string;
}

/** The child's program with its types taken out, once for all: where it lies, it finds the packages. */
function compileChild(): string {
  const folder = path('temp');
  mkdirSync(folder, { recursive: true });
  const place = mkdtempSync(join(folder, 'crash-'));
  for (const name of ['child', 'plan']) {
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    const text = readFileSync(path(`tests/crash/${name}.ts`), 'utf8');
    writeFileSync(join(place, `${name}.js`), ts.transpileModule(text, { compilerOptions: options }).outputText);
  }
  return place;
}

/** Runs a child until it is dead. */
function runChild(program: string, round: Round, paths: readonly string[]): Promise<Ended> {
  const { system, seed, moment } = round;
  const orders = JSON.stringify({ system, seed, paths, moment });
  const child = spawn(process.execPath, [program, orders], { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let out = '';
    let complaints = '';
    const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    child.stdout.on('data', (piece: Buffer) => {
      if (out === '' && moment === null) setTimeout(() => child.kill('SIGKILL'), round.delay);
      out += piece.toString('latin1');
    });
    child.stderr.on('data', (piece: Buffer) => {
      complaints += piece.toString();
    });
    child.on('error', reject);
    child.on('close', (_code, signal) => {
      clearTimeout(patience);
      const lines = out.split('\n');
      // The last line may be cut: what was not told in full has not been told.
      resolve({ done: Number(lines.at(-2) === 'ready' ? 0 : (lines.at(-2) ?? 0)), signal, complaints });
    });
  });
}

/** One kill. Answers what is wrong. */
async function runRound(program: string, round: Round, folder: string, counts: CrashCounts): Promise<void> {
  const paths = FILE_BYTES.map((_, i) => join(folder, `file${i}`));
  for (const [i, file] of paths.entries()) writeFileSync(file, firstContents(i));
  const { done, signal, complaints } = await runChild(program, round, paths);
  const label = `${round.system} seed ${round.seed} ${round.moment === null ? `after ${round.delay} ms` : `${round.moment.at} ${round.moment.nth}`}`;
  counts[round.moment === null ? 'random' : 'marked']++;
  if (signal !== 'SIGKILL') {
    counts.failures.push(`${label}: the child ended by itself: ${complaints.slice(0, 2000)}`);
    return;
  }
  const found = paths.map((file) => new Uint8Array(readFileSync(file)));
  const verdict = checkFiles(round.seed, done, found);
  counts.operations += done;
  counts.sectors += verdict.sectors;
  counts.old += verdict.old;
  counts.unpromised += verdict.unpromised;
  for (const wrong of verdict.wrong.slice(0, 5)) counts.failures.push(`${label}, ${done} operations done: ${wrong}`);
}

function roundsOf({ random, marked, seed, systems = SYSTEMS }: CrashOptions): Round[] {
  const next = randomFrom(seed);
  const system = (i: number): SystemName => systems[i % systems.length] as SystemName;
  const rounds: Round[] = momentsOf(marked).map((moment, i) => ({
    system: system(i),
    seed: next(2 ** 31),
    moment,
    delay: 0,
  }));
  for (let i = 0; i < random; i++)
    rounds.push({ system: system(i), seed: next(2 ** 31), moment: null, delay: next(150) });
  return rounds;
}

/** All rounds. `tell` hears of progress. */
export async function runCrashes(options: CrashOptions, tell: (done: number) => void = () => {}): Promise<CrashCounts> {
  const counts: CrashCounts = { random: 0, marked: 0, operations: 0, sectors: 0, old: 0, unpromised: 0, failures: [] };
  const rounds = roundsOf(options);
  const folder = mkdtempSync(join(tmpdir(), 'faultline-crash-'));
  const compiled = compileChild();
  let next = 0;
  const job = async (): Promise<void> => {
    const own = mkdtempSync(join(folder, 'job-'));
    for (let round = rounds[next++]; round !== undefined; round = rounds[next++]) {
      await runRound(join(compiled, 'child.js'), round, own, counts);
      tell(counts.random + counts.marked);
    }
  };
  try {
    await Promise.all(Array.from({ length: options.jobs }, job));
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(compiled, { recursive: true, force: true });
  }
  return counts;
}
