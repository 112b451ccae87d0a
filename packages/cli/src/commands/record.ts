/**
 * `faultline record -o FILE -- COMMAND ...`: runs a real program under the recorder.
 *
 * Standard input and output belong to the program; what the recorder has to say goes to standard error: progress, then what
 * the trace holds and what can be done with it. A program that fails is recorded like any other, so its exit code is
 * told, not passed on.
 */
import { type RecordProgress, type RecordResult, record, totalReferences } from '@faultline/trace';
import type { Environment } from '../environment.js';
import { EXIT_DONE, fileError, isInputError } from '../failure.js';

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
  const { header, exitCode, exitSignal, bytes, milliseconds, output } = result;
  const references = totalReferences(header.references);
  const many = header.processes.length === 1 ? '1 process' : `${header.processes.length} processes`;
  const each = (bytes / references).toPrecision(2);
  const lines = [
    `faultline: ${references} references of ${many} recorded in ${(milliseconds / 1000).toFixed(1)} s`,
    `faultline: ${output}: ${bytes} bytes, ${each} bytes a reference`,
  ];
  if (exitSignal !== null) lines.push(`faultline: ${command} was ended by ${exitSignal}`);
  else if (exitCode !== 0) lines.push(`faultline: ${command} ended with exit code ${exitCode}`);
  lines.push(`faultline: next: npx faultline compare ${output}`);
  return `${lines.join('\n')}\n`;
}
