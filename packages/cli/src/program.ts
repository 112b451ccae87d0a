/**
 * The command line: what can be said, in one page.
 *
 * commander reads the words; each command is a function of the environment and its options that answers with an exit
 * code. Commands are imported when they are called, so that a scenario does not wait for the recorder to load.
 */
import { Command, CommanderError } from 'commander';
import type { Environment } from './environment.js';
import { EXIT_DONE, EXIT_INTERNAL, EXIT_USAGE, fileError, isFileError, isInputError, UsageError } from './failure.js';

const EXAMPLES = `
Examples:
  faultline scenario fork.scn --system freebsd          what one script makes the kernel do
  faultline record -o sort.vmt -- sort /etc/services  a real program, recorded
  faultline replay sort.vmt --system freebsd --memory 64M
  faultline compare sort.vmt --report sort.html       every system side by side

Exit status: 0 done, 1 a finding, 2 bad usage or bad input.`;

const SCENARIO_EXAMPLES = `
Examples:
  faultline scenario fork.scn --system freebsd
  faultline scenario fork.scn --system freebsd --explain   each fault with its stages and branches
  faultline scenario fork.scn --system freebsd --json      output grouped by command`;

const RECORD_EXAMPLES = `
Examples:
  faultline record -o ls.vmt -- ls /
  faultline record -o build.vmt -- sh -c 'cc -c hello.c'   children are recorded too`;

const REPLAY_EXAMPLES = `
Examples:
  faultline replay sort.vmt --system freebsd               one system, with a few words on each figure
  faultline compare sort.vmt --report sort.html            every finished system, and a page with plots
  faultline compare sort.vmt --memory 16M --swap 64M       too little memory: the page daemon at work`;

const MEMORY_HELP = 'memory of the machine: bytes, 64K, 64M, 1G, or pages (200p)';
const SWAP_HELP = 'swap area, in the same way; 0 for none';
const MEMORY_DEFAULT = '256M';
const SWAP_DEFAULT = '512M';
const REPORT_HELP = 'also write a page of HTML, with plots';
const PARQUET_HELP = 'also write the course of the replay as a Parquet file';

type Answer = number | Promise<number>;

/** Runs the command line. Answers with the exit code; throws nothing. */
export async function runCommandLine(environment: Environment, words: readonly string[]): Promise<number> {
  let code = EXIT_DONE;
  const program = buildProgram(environment, async (answer) => {
    code = await answer;
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    return exitCodeOf(environment, error);
  }
}

/** Says what went wrong and turns it into an exit code. */
export function exitCodeOf(environment: Environment, error: unknown): number {
  if (isFileError(error)) error = fileError('open', error.path, error);
  // commander has printed its message already; help and version arrive here with code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
  if (error instanceof UsageError) {
    environment.err(`${error.lines.join('\n')}\n`);
    return EXIT_USAGE;
  }
  if (isInputError(error)) {
    environment.err(`faultline: ${error.message}\n`);
    return EXIT_USAGE;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const message = error instanceof Error && !text.includes(error.message) ? `${error.message}\n${text}` : text;
  environment.err(`faultline: this is a mistake in faultline itself: ${message}\n`);
  return EXIT_INTERNAL;
}

function buildProgram(environment: Environment, done: (answer: Answer) => Promise<void>): Command {
  const program = new Command('faultline')
    .description('The virtual memory of four BSD kernels: run scenarios, record and replay real programs, compare.')
    .version(environment.version, '--version', 'print the version')
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => environment.out(text),
      writeErr: (text) => environment.err(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'faultline: ')),
    })
    .addHelpText('after', EXAMPLES);
  const systems = Object.keys(environment.systems).join(', ');
  addScenario(program, environment, systems, done);
  addRecording(program, environment, done);
  addReplay(program, environment, systems, done);
  return program;
}

function addScenario(
  program: Command,
  environment: Environment,
  systems: string,
  done: (answer: Answer) => Promise<void>,
): void {
  program
    .command('scenario')
    .description('run a scenario script and print what the system did')
    .argument('<file>', 'the script, gzipped or not')
    .option('--system <name>', `the system to run it on: ${systems}`)
    .option('--explain', 'below each fault, why it went as it did')
    .option('--json', 'one JSON document: the output of each command')
    .addHelpText('after', SCENARIO_EXAMPLES)
    .action(async (file: string, options: object) => {
      const { scenarioCommand } = await import('./commands/scenario.js');
      await done(scenarioCommand(environment, file, options));
    });
}

function addRecording(program: Command, environment: Environment, done: (answer: Answer) => Promise<void>): void {
  program
    .command('record')
    .description('run a real program and record its memory behaviour (Linux, needs valgrind)')
    .requiredOption('-o, --output <file>', 'the trace to write')
    .argument('<command...>', 'the program and its arguments, after --')
    .addHelpText('after', RECORD_EXAMPLES)
    .passThroughOptions()
    .action(async (command: string[], options: { output: string }) => {
      const { recordCommand } = await import('./commands/record.js');
      await done(recordCommand(environment, command, options));
    });
  program
    .command('import')
    .description('turn references recorded by another tool into a trace')
    .argument('<text>', 'the text that it wrote')
    .requiredOption('-o, --output <file>', 'the trace to write')
    .option('--format <name>', 'lackey (valgrind --trace-mem=yes) or dinero', 'lackey')
    .action(async (text: string, options: { output: string; format: string }) => {
      const { importCommand } = await import('./commands/import.js');
      await done(importCommand(environment, text, options));
    });
}

interface MachineOptions {
  readonly memory: string;
  readonly swap: string;
}

/** The machine that a trace runs on, and what is made of the result. */
function addReplayOptions(command: Command, json: string): Command {
  return command
    .option('--memory <size>', MEMORY_HELP, MEMORY_DEFAULT)
    .option('--swap <size>', SWAP_HELP, SWAP_DEFAULT)
    .option('--json', json)
    .option('--report <file>', REPORT_HELP)
    .option('--parquet <file>', PARQUET_HELP)
    .addHelpText('after', REPLAY_EXAMPLES);
}

function addReplay(
  program: Command,
  environment: Environment,
  systems: string,
  done: (answer: Answer) => Promise<void>,
): void {
  const replay = program
    .command('replay')
    .description('run a recorded program through one system')
    .argument('<trace>')
    .option('--system <name>', `the system to run it on: ${systems}`);
  addReplayOptions(replay, 'the result as JSON').action(async (trace: string, options: MachineOptions) => {
    const { replayCommand } = await import('./commands/replay.js');
    await done(replayCommand(environment, trace, options));
  });
  const compare = program
    .command('compare')
    .description('run a recorded program through every system, side by side')
    .argument('<trace>');
  addReplayOptions(compare, 'the results as JSON').action(async (trace: string, options: MachineOptions) => {
    const { compareCommand } = await import('./commands/replay.js');
    await done(compareCommand(environment, trace, options));
  });
}
