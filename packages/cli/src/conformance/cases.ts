/**
 * Finding conformance cases: which scripts a folder has for a system, and where their expected output is.
 *
 *     NAME/X.scn, X.out                  cases
 *     NAME/random/X.scn, X.out           random
 *     NAME/special/X.scn, X.out          special
 *     programs/X.scn, X.NAME.out         programs
 *     pressure/X.scn, X.NAME.out         pressure
 *
 * Any of the files may be gzipped (`.gz`). In a folder of the system's own every script must have its output; in the
 * shared folders a script without an output for the system is not one of its cases.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SystemName } from '@faultline/core';
import { fileError } from '../failure.js';

export const KINDS = ['cases', 'random', 'special', 'programs', 'pressure'] as const;
export type Kind = (typeof KINDS)[number];

export interface Case {
  readonly kind: Kind;
  /** `random/r00012`, `cases/zero-fill`: what a filter is compared with. */
  readonly id: string;
  readonly script: string;
  /** Null when the output is missing. */
  readonly expected: string | null;
}

function folderOf(kind: Kind, system: SystemName): string {
  if (kind === 'programs' || kind === 'pressure') return kind;
  return kind === 'cases' ? system : join(system, kind);
}

function filesIn(path: string): ReadonlySet<string> {
  try {
    return new Set(readdirSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set();
    throw fileError('read', path, error);
  }
}

/** The cases of one kind, in the order of their names. */
export function findCases(root: string, system: SystemName, kind: Kind): Case[] {
  const folder = join(root, folderOf(kind, system));
  const files = filesIn(folder);
  const shared = kind === 'programs' || kind === 'pressure';
  const cases: Case[] = [];
  for (const file of [...files].sort()) {
    const name = /^(.+)\.scn(?:\.gz)?$/.exec(file)?.[1];
    if (name === undefined) continue;
    const output = shared ? `${name}.${system}.out` : `${name}.out`;
    const found = [output, `${output}.gz`].find((candidate) => files.has(candidate));
    if (found === undefined && shared) continue;
    const expected = found === undefined ? null : join(folder, found);
    cases.push({ kind, id: `${kind}/${name}`, script: join(folder, file), expected });
  }
  return cases;
}

/** Whether a case is one of those asked for: any part of its id, or everything when nothing was asked. */
export function matches(item: Case, filters: readonly string[]): boolean {
  return filters.length === 0 || filters.some((filter) => item.id.includes(filter));
}
