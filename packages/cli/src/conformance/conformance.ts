/**
 * `npm run conformance`: every finished system against what the kernels' own code printed.
 *
 *     freebsd cases 30/30 random 100/100 programs 2/2 pressure 2/2
 *
 * One line a system on standard output, totals counted from the files that are there; below it the cases that
 * differ, each with its first differing line and the command that printed it. Exit code 1 when any case differs.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { KNOWN_DIFFERENCES, SYSTEM_NAMES } from '@faultline/core';
import type { Environment } from '../environment.js';
import { EXIT_DONE, EXIT_FINDING, UsageError } from '../failure.js';
import { LineWriter } from '../output.js';
import { type Chosen, chooseSystem } from '../systems.js';
import { type Case, findCases, KINDS, matches } from './cases.js';
import { checkCase, type Mismatch } from './check.js';

/** Mismatches printed for a system unless all are asked for: the first are usually the reason for the rest. */
const MISMATCHES_SHOWN = 10;

const USAGE = `Usage: npm run conformance -- [system] [part of a case's name ...] [--dir FOLDER] [--all]

  npm run conformance                              everything
  npm run conformance -- freebsd                   one system
  npm run conformance -- freebsd random/r00012     one case
  npm run conformance -- --dir ../other-cases      another folder of the same layout
`;

interface Request {
  readonly systems: readonly Chosen[];
  readonly filters: readonly string[];
  readonly root: string;
  readonly all: boolean;
}

/** Runs the cases that the words ask for. Answers with the exit code; throws `UsageError`. */
export function conformance(environment: Environment, words: readonly string[], defaultRoot: string): number {
  const request = readRequest(environment, words, defaultRoot);
  if (request === null) {
    environment.out(USAGE);
    return EXIT_DONE;
  }
  const writer = new LineWriter((text) => environment.out(text));
  let found = 0;
  let wrong = 0;
  for (const system of request.systems) {
    const result = checkSystem(system, request, environment);
    if (result.found > 0) report(writer.line, system, result, request.all);
    writer.flush();
    found += result.found;
    wrong += result.mismatches.length + result.mended.length;
  }
  if (found === 0) {
    const what = request.filters.length > 0 ? `is called ${request.filters.join(' or ')}` : 'is there';
    throw new UsageError(`no case in ${request.root} ${what}`);
  }
  return wrong === 0 ? EXIT_DONE : EXIT_FINDING;
}

function readRequest(environment: Environment, words: readonly string[], defaultRoot: string): Request | null {
  const { values, positionals } = parse(words);
  if (values.help) return null;
  const root = values.dir ?? defaultRoot;
  if (!existsSync(root)) throw new UsageError(`there is no folder ${root}`);
  const names = new Set<string>();
  const filters: string[] = [];
  for (const word of positionals) {
    const [first, ...rest] = word.split('/');
    const isSystem = (SYSTEM_NAMES as readonly string[]).includes(first as string);
    if (isSystem) names.add(first as string);
    const filter = isSystem ? rest.join('/') : word;
    if (filter !== '') filters.push(filter);
  }
  const chosen = names.size > 0 ? [...names] : Object.keys(environment.systems);
  return {
    systems: chosen.map((name) => chooseSystem(environment, name)),
    filters,
    root,
    all: values.all === true,
  };
}

function parse(words: readonly string[]): {
  values: { dir?: string; all?: boolean; help?: boolean };
  positionals: string[];
} {
  const options = { dir: { type: 'string' }, all: { type: 'boolean' }, help: { type: 'boolean' } } as const;
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

interface SystemResult {
  readonly found: number;
  /** `cases 30/30`, `random 100/100`, ... */
  readonly totals: readonly string[];
  readonly mismatches: readonly Mismatch[];
  /** Cases listed as known to differ that do, and those that no longer do: the list is out of date then. */
  readonly known: readonly string[];
  readonly mended: readonly string[];
}

function checkSystem(system: Chosen, request: Request, environment: Environment): SystemResult {
  const totals: string[] = [];
  const mismatches: Mismatch[] = [];
  const listed = new Set(KNOWN_DIFFERENCES[system.name] ?? []);
  const known: string[] = [];
  const mended: string[] = [];
  let found = 0;
  for (const kind of KINDS) {
    const cases = findCases(request.root, system.name, kind).filter((item) => matches(item, request.filters));
    if (cases.length === 0) continue;
    found += cases.length;
    let good = 0;
    for (const item of cases) {
      showProgress(environment, system, item);
      const mismatch = checkCase(item, system);
      if (mismatch === null) good++;
      if (listed.has(item.id)) (mismatch === null ? mended : known).push(item.id);
      else if (mismatch !== null) mismatches.push(mismatch);
    }
    totals.push(`${kind} ${good}/${cases.length}`);
  }
  if (environment.errIsTerminal) environment.err('\r\x1b[K');
  return { found, totals, mismatches, known, mended };
}

function showProgress(environment: Environment, system: Chosen, item: Case): void {
  if (environment.errIsTerminal) environment.err(`\r\x1b[K${system.name} ${item.id}`);
}

function report(write: (line: string) => void, system: Chosen, result: SystemResult, all: boolean): void {
  write([system.name, ...result.totals].join(' '));
  for (const id of result.known) write(`  known to differ, the system is not finished: ${id}`);
  for (const id of result.mended) write(`  no longer differs, take it off the list in core's systems.ts: ${id}`);
  const shown = all ? result.mismatches : result.mismatches.slice(0, MISMATCHES_SHOWN);
  for (const mismatch of shown) for (const line of mismatch) write(`  ${line}`);
  const rest = result.mismatches.length - shown.length;
  if (rest > 0) write(`  ... and ${rest} more (--all shows them)`);
}
