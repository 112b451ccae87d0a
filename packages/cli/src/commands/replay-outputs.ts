/**
 * The files that a comparison may leave behind: a page of HTML and a Parquet file.
 *
 * Whether they can be written is asked before the replay begins, so that a slip in a path does not cost a minute of work.
 */
import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Comparison, comparisonPage, comparisonParquet } from '@faultline/report';
import type { Environment } from '../environment.js';
import { fileError } from '../failure.js';

export interface OutputOptions {
  readonly report?: string;
  readonly parquet?: string;
}

/** Throws when one of the files could not be written. Makes nothing. */
export function checkOutputs(options: OutputOptions): void {
  for (const path of [options.report, options.parquet]) if (path !== undefined) checkWritable(path);
}

export async function writeOutputs(
  environment: Environment,
  comparison: Comparison,
  options: OutputOptions,
): Promise<void> {
  const { report, parquet } = options;
  if (report !== undefined) write(environment, report, await comparisonPage(comparison));
  if (parquet !== undefined) write(environment, parquet, await comparisonParquet(comparison));
}

function write(environment: Environment, path: string, data: string | Uint8Array): void {
  try {
    writeFileSync(path, data);
  } catch (error) {
    throw fileError('write', path, error);
  }
  environment.err(`faultline: wrote ${path}\n`);
}

function checkWritable(path: string): void {
  try {
    const state = statSync(path, { throwIfNoEntry: false });
    if (state?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    accessSync(state === undefined ? dirname(path) : path, constants.W_OK);
  } catch (error) {
    throw fileError('write', path, error);
  }
}
