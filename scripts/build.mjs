/*
 * npm run build: what `tsc --build` does, with the named constants written out (see lib/inline-constants.mjs).
 *
 *     npm run build                       every package that has changed
 *     npm run build -- packages/core      one, with those that it needs
 */
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { inlineConstants } from './lib/inline-constants.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const names = process.argv.slice(2);
const projects = (names.length === 0 ? ['.'] : names).map((name) => path.resolve(ROOT, name));

const plain = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => ROOT, getNewLine: () => '\n' };
const report = (diagnostic) => process.stdout.write(ts.formatDiagnostic(diagnostic, plain));
const host = ts.createSolutionBuilderHost(ts.sys, undefined, report);
const builder = ts.createSolutionBuilder(host, projects, {});

let worst = ts.ExitStatus.Success;
for (let next = builder.getNextInvalidatedProject(); next !== undefined; next = builder.getNextInvalidatedProject()) {
  const checker = next.kind === ts.InvalidatedProjectKind.Build ? next.getProgram().getTypeChecker() : undefined;
  const status = next.done(undefined, undefined, checker && { before: [inlineConstants(checker)] });
  worst = Math.max(worst, status);
}
process.exitCode = worst;
