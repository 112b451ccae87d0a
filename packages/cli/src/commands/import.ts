/** `faultline import TEXT -o FILE`: turns references that another tool recorded into a trace. */
import { FileSpool, type ImportFormat, importTrace, totalReferences } from '@faultline/trace';
import type { Environment } from '../environment.js';
import { EXIT_DONE, UsageError } from '../failure.js';

const FORMATS: readonly ImportFormat[] = ['lackey', 'dinero'];

export interface ImportOptions {
  readonly output: string;
  readonly format: string;
}

export function importCommand(environment: Environment, input: string, options: ImportOptions): number {
  const format = FORMATS.find((name) => name === options.format);
  if (format === undefined) throw new UsageError(`unknown format ${options.format}; there are: ${FORMATS.join(', ')}`);
  const header = importTrace({ format, input, spool: new FileSpool(options.output) });
  environment.err(`faultline: ${totalReferences(header.references)} references in ${options.output}\n`);
  for (const note of header.notes) environment.err(`faultline: ${note}\n`);
  environment.err(`faultline: next: npx faultline compare ${options.output}\n`);
  return EXIT_DONE;
}
