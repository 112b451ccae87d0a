/**
 * `faultline replay` and `faultline compare`: a recorded program through one system, or through every one that is
 * finished.
 *
 * The machines have no contents: a replay needs none, and gigabytes of simulated memory then cost little. Without
 * --memory there is more than any of the recorded programs that ship asks for, so that what shows is the fault handler and
 * not the page daemon; and no more, because a machine of 1G takes as long to start as a short program to replay.
 */
import { comparisonJson, comparisonText } from '@faultline/report';
import { type ReplayProgress, type ReplayResult, replay, TraceReader } from '@faultline/trace';
import type { Environment } from '../environment.js';
import { EXIT_DONE, EXIT_FINDING, UsageError } from '../failure.js';
import { parseMemory, sizeName } from '../sizes.js';
import { type Chosen, chooseSystem } from '../systems.js';
import { checkOutputs, type OutputOptions, writeOutputs } from './replay-outputs.js';

export interface MachineOptions {
  readonly memory: string;
  readonly swap: string;
}

export interface CompareOptions extends MachineOptions, OutputOptions {
  readonly json?: boolean;
}

export interface ReplayOptions extends CompareOptions {
  readonly system?: string;
}

type Comparison = Parameters<typeof comparisonText>[0];
type Machine = Comparison['machine'];

const PAGE_SIZE = 4096;
const REFERENCES_PER_MREF = 1e6;

export async function replayCommand(environment: Environment, path: string, options: ReplayOptions): Promise<number> {
  const system = chooseSystem(environment, options.system);
  return await run(environment, path, [system], options, ['replay', '--system', system.name]);
}

export async function compareCommand(environment: Environment, path: string, options: CompareOptions): Promise<number> {
  const systems = Object.keys(environment.systems).map((name) => chooseSystem(environment, name));
  return await run(environment, path, systems, options, ['compare']);
}

/** Checks everything that can be wrong first, then replays, prints and writes. */
async function run(
  environment: Environment,
  path: string,
  systems: readonly Chosen[],
  options: CompareOptions,
  command: readonly string[],
): Promise<number> {
  const machine = {
    memoryPages: parseMemory('--memory', options.memory),
    swapPages: options.swap === '0' ? 0 : parseMemory('--swap', options.swap),
  };
  checkOutputs(options);
  const trace = TraceReader.open(path);
  try {
    const results = systems.map((system) => replayOn(environment, trace, system, machine));
    const comparison: Comparison = {
      trace: identity(trace, path),
      machine,
      version: environment.version,
      repeat: repeatCommand(command, path, options),
      results,
    };
    environment.out(options.json ? comparisonJson(comparison) : comparisonText(comparison));
    await writeOutputs(environment, comparison, options);
    return results.some(({ stopped }) => stopped !== null) ? EXIT_FINDING : EXIT_DONE;
  } finally {
    trace.close();
  }
}

function replayOn(environment: Environment, trace: TraceReader, system: Chosen, machine: Machine): ReplayResult {
  const booted = boot(system, machine);
  if (!environment.errIsTerminal) return replay(trace, booted);
  try {
    return replay(trace, booted, { onProgress: progressLine(environment, system.name) });
  } finally {
    environment.err('\r\x1b[K');
  }
}

function boot(system: Chosen, machine: Machine): ReturnType<Chosen['boot']> {
  try {
    return system.boot({ ...machine, contents: false });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const size = sizeName(machine.memoryPages * PAGE_SIZE);
    const swap = machine.swapPages === 0 ? '' : ` with ${sizeName(machine.swapPages * PAGE_SIZE)} of swap`;
    throw new UsageError(`this computer cannot give a machine of ${size}${swap}: ${error.message}`);
  }
}

/** A line that overwrites itself. */
function progressLine(environment: Environment, name: string): (progress: ReplayProgress) => void {
  return ({ references, total, faults, milliseconds }) => {
    const percent = total === 0 ? 100 : Math.floor((100 * references) / total);
    const done = (references / REFERENCES_PER_MREF).toFixed(1);
    const all = (total / REFERENCES_PER_MREF).toFixed(1);
    const seconds = (milliseconds / 1000).toFixed(1);
    environment.err(
      `\r\x1b[K${name} ${percent}%  ${done} of ${all} million references, ${faults} faults, ${seconds} s`,
    );
  };
}

function identity(trace: TraceReader, path: string): Comparison['trace'] {
  const { program, command, recorder, notes } = trace.header;
  return { path, program, command, recorder, notes, digest: trace.digest(), bytes: trace.size };
}

/** What to type to get the same again, with the defaults spelled out: a later version may have others. */
function repeatCommand([name, ...rest]: readonly string[], path: string, options: CompareOptions): string {
  const machine = ['--memory', options.memory, '--swap', options.swap];
  const report = options.report === undefined ? [] : ['--report', options.report];
  return ['npx', 'faultline', name as string, path, ...rest, ...machine, ...report].map(quoted).join(' ');
}

/** A word as a shell wants it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
