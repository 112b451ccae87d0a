/**
 * Records a program on Linux: runs it under valgrind's lackey and turns the text into a trace while it is being produced.
 *
 * Every process and every exec is followed. Nothing about the program changes but its speed: a few thousand times slower, about a
 * million references a second. Its input, output and exit status are its own. Addresses are valgrind's: the same program, the
 * same mappings, in other places than natively, and one small library more (valgrind's preload).
 *
 * What is not in a recording: what the kernel does to memory other than in the calls that syscalls.ts knows, and the
 * references of programs that change identity (set-user-id), which valgrind may not follow.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Conversion } from './convert.js';
import { RecordError } from './errors.js';
import type { TraceHeader } from './header.js';
import { isAlive, LogDirectory } from './logs.js';
import { FileSpool } from './spool.js';
import { findValgrind, VALGRIND_OPTIONS } from './valgrind.js';
import { TraceWriter, type WriterOptions } from './writer.js';

export interface RecordOptions extends WriterOptions {
  /** Program, as a path or to be found in PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Trace file to make. It is not there until the recording is complete. */
  readonly output: string;
  /** Working directory of the program; default the current one. */
  readonly cwd?: string;
  /** Environment of the program; default the current one. */
  readonly env?: NodeJS.ProcessEnv;
  /** What becomes of the program's input and output; default 'inherit'. */
  readonly stdio?: SpawnOptions['stdio'];
  /** Where the text passes through; default the system's directory for temporary files. */
  readonly temporaryDirectory?: string;
  /** The valgrind command; default 'valgrind'. */
  readonly valgrind?: string;
  /** Ends the recording: the program is ended and nothing is left behind. */
  readonly signal?: AbortSignal;
  /** Called a few times a second. */
  readonly onProgress?: (progress: RecordProgress) => void;
}

export interface RecordProgress {
  readonly references: number;
  readonly processes: number;
  readonly milliseconds: number;
}

export interface RecordResult {
  readonly header: TraceHeader;
  /** The trace file and its length. */
  readonly output: string;
  readonly bytes: number;
  /** How the program ended: its exit code, or the signal that killed it. */
  readonly exitCode: number | null;
  readonly exitSignal: NodeJS.Signals | null;
  readonly milliseconds: number;
}

/** Wait for more text: lackey makes a few kilobytes in this time. */
const POLL_MILLISECONDS = 5;
const PROGRESS_MILLISECONDS = 250;

/**
 * Runs the program to its end and writes the trace. A program that fails is recorded like any other; see `exitCode`.
 * Throws `RecordError` when valgrind is missing, the program cannot be started, or the recording is interrupted (SIGINT, SIGTERM or
 * `signal`); in every case temporary files are removed and no output is left.
 */
export async function record(options: RecordOptions): Promise<RecordResult> {
  const started = performance.now();
  const cwd = resolve(options.cwd ?? '.');
  const env = { ...(options.env ?? process.env) };
  const program = findProgram(options.command, cwd, env.PATH ?? '');
  const valgrind = findValgrind(options.valgrind);
  const args = options.args ?? [];
  const description = {
    program: basename(options.command),
    command: [options.command, ...args],
    recorder: `faultline record (${valgrind.version} lackey)`,
  };
  const logs = new LogDirectory(mkdtempSync(join(options.temporaryDirectory ?? tmpdir(), 'faultline-')));
  const interruption = new Interruption(options.signal);
  let writer: TraceWriter | null = null;
  let childId = 0;
  try {
    writer = new TraceWriter(description, new FileSpool(options.output), options);
    const flags = ['--trace-mem=yes', '--trace-syscalls=yes', '--trace-children=yes', `--log-file=${logs.pattern}`];
    const child = spawn(options.valgrind ?? 'valgrind', [...VALGRIND_OPTIONS, ...flags, program, ...args], {
      cwd,
      env,
      stdio: options.stdio ?? 'inherit',
    });
    const ended = ending(child);
    if (child.pid === undefined) throw new RecordError(`valgrind cannot be started: ${(await ended).problem}`);
    childId = child.pid;
    const conversion = new Conversion(logs, writer, valgrind, { machineId: child.pid, program, directory: cwd });
    await convertAll(conversion, writer, interruption, options.onProgress);
    const { code, signal } = await ended;
    if (writer.referencesWritten === 0) throw new RecordError(`${program} did not start under valgrind (exit ${code})`);
    const header = writer.finish();
    const bytes = statSync(options.output).size;
    const milliseconds = performance.now() - started;
    return { header, output: options.output, bytes, exitCode: code, exitSignal: signal, milliseconds };
  } catch (error) {
    writer?.abort();
    logs.scan();
    for (const id of logs.processes.add(childId)) endProcess(id);
    throw error;
  } finally {
    interruption.close();
    logs.remove();
  }
}

async function convertAll(
  conversion: Conversion,
  writer: TraceWriter,
  interruption: Interruption,
  onProgress: RecordOptions['onProgress'],
): Promise<void> {
  const started = performance.now();
  let reported = started;
  for (;;) {
    const step = conversion.step();
    if (step === 'done') return;
    if (step === 'waiting') await setTimeout(POLL_MILLISECONDS);
    else await setImmediate();
    interruption.check();
    const now = performance.now();
    if (onProgress !== undefined && now - reported >= PROGRESS_MILLISECONDS) {
      reported = now;
      const processes = conversion.processCount;
      onProgress({ references: writer.referencesWritten, processes, milliseconds: now - started });
    }
  }
}

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly problem: string;
}

function ending(child: ChildProcess): Promise<Ending> {
  return new Promise((done) => {
    child.once('error', (error) => done({ code: null, signal: null, problem: error.message }));
    child.once('exit', (code, signal) => done({ code, signal, problem: '' }));
  });
}

/** Turns SIGINT, SIGTERM and an abort signal into an error at the next step. */
class Interruption {
  private reason: string | null = null;
  private readonly onSignal = (signal: NodeJS.Signals): void => {
    this.reason = signal;
  };
  private readonly onAbort = (): void => {
    this.reason = 'request';
  };

  constructor(private readonly signal: AbortSignal | undefined) {
    process.on('SIGINT', this.onSignal);
    process.on('SIGTERM', this.onSignal);
    signal?.addEventListener('abort', this.onAbort);
    if (signal?.aborted) this.onAbort();
  }

  check(): void {
    if (this.reason !== null) throw new RecordError(`recording interrupted (${this.reason}); nothing was kept`);
  }

  close(): void {
    process.off('SIGINT', this.onSignal);
    process.off('SIGTERM', this.onSignal);
    this.signal?.removeEventListener('abort', this.onAbort);
  }
}

function endProcess(id: number): void {
  if (id === 0 || !isAlive(id)) return;
  try {
    process.kill(id, 'SIGKILL');
  } catch {
    // It ended by itself in the meantime.
  }
}

/** Finds a program as a shell would. Throws `RecordError` when there is none that can be executed. */
function findProgram(command: string, cwd: string, path: string): string {
  const places = command.includes('/')
    ? [resolve(cwd, command)]
    : path.split(delimiter).map((directory) => join(resolve(cwd, directory), command));
  let problem = command.includes('/') ? 'no such file' : 'not found in PATH';
  for (const place of places) {
    try {
      if (!statSync(place).isFile()) {
        problem = 'not a regular file';
        continue;
      }
      accessSync(place, constants.X_OK);
      return place;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') problem = 'no permission to execute it';
    }
  }
  throw new RecordError(`cannot record '${command}': ${problem}`);
}
