/**
 * `faultline record -o FILE -- COMMAND ...`: runs a real program under the recorder.
 *
 * Standard input and output belong to the program; what the recorder has to say goes to standard error. A program
 * that fails is recorded like any other, so its exit code is told, not passed on.
 */
import { type RecordProgress, type RecordResult, record, totalReferences } from '@faultline/trace';
import type { Environment } from '../environment.js';
import { EXIT_DONE, fileError, isInputError } from '../failure.js';
import { sizeName } from '../sizes.js';

export async function recordCommand(
  environment: Environment,
  words: readonly string[],
  options: { readonly output: string },
): Promise<number> {
  const [command, ...args] = words as [string, ...string[]];
  const progress = environment.errIsTerminal ? { onProgress: progressLine(environment) } : {};
  try {
    const result = await record({ command, args, output: options.output, ...progress });
    if (environment.errIsTerminal) environment.err('\r\x1b[K');
    environment.err(summary(command, result));
  } catch (error) {
    if (environment.errIsTerminal) environment.err('\r\x1b[K');
    throw isInputError(error) ? error : fileError('write', options.output, error);
  }
  return EXIT_DONE;
}

function progressLine(environment: Environment): (progress: RecordProgress) => void {
  return ({ references, processes, milliseconds }) => {
    const seconds = (milliseconds / 1000).toFixed(0);
    environment.err(`\r\x1b[K${references} references, ${processes} processes, ${seconds} s`);
  };
}

function summary(command: string, result: RecordResult): string {
  const { header, exitCode, exitSignal, bytes, milliseconds } = result;
  const references = totalReferences(header.references);
  const many = header.processes.length === 1 ? '1 process' : `${header.processes.length} processes`;
  const lines = [
    `faultline: ${references} references of ${many} in ${result.output} (${sizeName(bytes)}, ` +
      `${(milliseconds / 1000).toFixed(1)} s)`,
  ];
  if (exitSignal !== null) lines.push(`faultline: ${command} was ended by ${exitSignal}`);
  else if (exitCode !== 0) lines.push(`faultline: ${command} ended with exit code ${exitCode}`);
  return `${lines.join('\n')}\n`;
}
