/**
 * `faultline scenario FILE --system NAME`: runs a script and prints what the system did.
 *
 * Standard output gets exactly the lines of the scenario language, because people compare them as text. A script
 * with errors runs not at all: every error is listed with its file and line.
 */
import { parseScenario, type RunEnd, runScenario, type ScenarioCommand, type Script } from '@faultline/core';
import type { Environment } from '../environment.js';
import { EXIT_DONE, UsageError } from '../failure.js';
import { readText } from '../files.js';
import { LineWriter } from '../output.js';
import { sizeName } from '../sizes.js';
import { type Chosen, chooseSystem } from '../systems.js';

export interface ScenarioOptions {
  readonly system?: string;
  readonly explain?: boolean;
  readonly json?: boolean;
}

export function scenarioCommand(environment: Environment, path: string, options: ScenarioOptions): number {
  const system = chooseSystem(environment, options.system);
  if (options.explain && system.explain === undefined) {
    throw new UsageError(`there are no explanations for ${system.name} yet; run it without --explain`);
  }
  const script = readScript(path, system);
  const runner = new ScenarioRunner(path, script, system, options.explain === true);
  if (options.json) {
    environment.out(`${JSON.stringify(runner.asJson(), null, 2)}\n`);
  } else {
    const writer = new LineWriter((text) => environment.out(text));
    try {
      runner.run(writer.line);
    } finally {
      writer.flush();
    }
  }
  return EXIT_DONE;
}

/** Reads a script for a system; throws with a line for every error in it. */
function readScript(path: string, system: Chosen): Script {
  const result = parseScenario(readText(path), system.name);
  if (result.ok) return result.script;
  const lines = result.errors.map((error) => `${path}:${error.line}: ${error.message}`);
  throw new UsageError(`${path} has errors`, lines);
}

class ScenarioRunner {
  #at: ScenarioCommand | null = null;

  constructor(
    readonly path: string,
    readonly script: Script,
    readonly system: Chosen,
    readonly explain: boolean,
  ) {}

  run(write: (line: string) => void, onCommand?: (command: ScenarioCommand) => void): RunEnd {
    try {
      return runScenario(this.script, {
        boot: (options) => {
          try {
            return this.system.boot(options);
          } catch (error) {
            throw this.#bootError(error);
          }
        },
        write,
        extension: this.system.extension,
        observe: this.explain ? this.system.explain : undefined,
        onCommand: (command) => {
          this.#at = command;
          onCommand?.(command);
        },
      });
    } catch (error) {
      throw this.#located(error);
    }
  }

  /** The same output, each line under the command that printed it. */
  asJson(): unknown {
    const commands: { line: number; text: string; output: string[] }[] = [];
    const end = this.run(
      (line) => commands.at(-1)?.output.push(line),
      (command) => commands.push({ line: command.line, text: command.text, output: [] }),
    );
    return { file: this.path, system: this.system.name, end, commands };
  }

  /** A machine that this computer cannot give is bad input, not a mistake of ours. */
  #bootError(error: unknown): unknown {
    if (!(error instanceof RangeError)) return error;
    const memory = this.script.commands.find((command) => command.action.kind === 'memory');
    const size = sizeName((this.script.memoryPages ?? 4096) * 4096);
    const message = `this computer cannot give a machine of ${size}: ${error.message}`;
    return new UsageError(message, [`${this.path}:${memory?.line ?? 1}: ${message}`]);
  }

  /** Says where in the script something of ours went wrong. */
  #located(error: unknown): unknown {
    if (error instanceof Error && !(error instanceof UsageError) && this.#at !== null) {
      error.message = `${error.message} (${this.path}:${this.#at.line}: ${this.#at.text})`;
    }
    return error;
  }
}
