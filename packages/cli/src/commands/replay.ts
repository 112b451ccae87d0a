/**
 * `faultline replay` and `faultline compare`: a recorded program through one system, or through every one that is
 * finished.
 *
 * The machines have no contents: a replay needs none, and gigabytes of simulated memory then cost little. Without
 * --memory there is more than any recorded program here asks for, so that what shows is the fault handler and not
 * the page daemon.
 */
import { writeFileSync } from 'node:fs';
import { type ReplayProgress, type ReplayResult, replay, TraceReader } from '@faultline/trace';
import type { Environment } from '../environment.js';
import { EXIT_DONE, fileError, UsageError } from '../failure.js';
import { parseMemory } from '../sizes.js';
import { type Chosen, chooseSystem } from '../systems.js';
import { resultTable } from './table.js';

export interface MachineOptions {
  readonly memory: string;
  readonly swap: string;
}

export interface ReplayOptions extends MachineOptions {
  readonly system?: string;
  readonly json?: boolean;
}

export interface CompareOptions extends MachineOptions {
  readonly json?: boolean;
  readonly report?: string;
}

export function replayCommand(environment: Environment, path: string, options: ReplayOptions): number {
  const [result] = replayOn(environment, path, [chooseSystem(environment, options.system)], options);
  environment.out(options.json ? json(result) : resultTable([result as ReplayResult]));
  return EXIT_DONE;
}

export function compareCommand(environment: Environment, path: string, options: CompareOptions): number {
  const systems = Object.keys(environment.systems).map((name) => chooseSystem(environment, name));
  const report = environment.report;
  if (options.report !== undefined && report === undefined)
    throw new UsageError('--report is not part of this version');
  const results = replayOn(environment, path, systems, options);
  environment.out(options.json ? json(results) : resultTable(results));
  if (options.report !== undefined && report !== undefined) writeReport(options.report, report(results));
  return EXIT_DONE;
}

function replayOn(
  environment: Environment,
  path: string,
  systems: readonly Chosen[],
  options: MachineOptions,
): ReplayResult[] {
  const memoryPages = parseMemory('--memory', options.memory);
  const swapPages = options.swap === '0' ? 0 : parseMemory('--swap', options.swap);
  const trace = TraceReader.open(path);
  try {
    return systems.map((system) => {
      const machine = system.boot({ memoryPages, swapPages, contents: false });
      const progress = environment.errIsTerminal ? { onProgress: progressLine(environment, system.name) } : {};
      return replay(trace, machine, progress);
    });
  } finally {
    trace.close();
    if (environment.errIsTerminal) environment.err('\r\x1b[K');
  }
}

/** A line that overwrites itself. */
function progressLine(environment: Environment, name: string): (progress: ReplayProgress) => void {
  return ({ references, total, faults }) => {
    const percent = total === 0 ? 100 : Math.floor((100 * references) / total);
    environment.err(`\r\x1b[K${name} ${percent}% ${faults} faults`);
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function writeReport(path: string, html: string): void {
  try {
    writeFileSync(path, html);
  } catch (error) {
    throw fileError('write', path, error);
  }
}
