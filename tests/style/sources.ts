/**
 * The repository as the style tests see it: its text files, what each of them imports, and what stands in its code.
 *
 * Sources are read with the compiler's own parser, so that words in strings and comments are not taken for code.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Made, installed, or given from outside: not ours to hold to our style. */
const IGNORED = new Set(['node_modules', 'dist', 'temp', 'out', 'coverage', 'api', '.git', 'conformance', 'traces']);

/** Paths below `folder`, from the root, with `/` between their parts. */
export function filesUnder(folder: string): string[] {
  const absolute = path.join(ROOT, folder);
  if (!fs.existsSync(absolute)) return [];
  return fs.readdirSync(absolute, { withFileTypes: true }).flatMap((entry) => {
    const below = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return IGNORED.has(entry.name) ? [] : filesUnder(below);
    return entry.isFile() ? [below] : [];
  });
}

export function read(file: string): string {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

export interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
}

/** The package.json of a package of ours. */
export function manifestOf(name: string): Manifest {
  return JSON.parse(read(`packages/${name}/package.json`)) as Manifest;
}

export const isTest = (file: string): boolean => file.endsWith('.test.ts');

/** Every file of the repository that a person wrote. */
export const written = filesUnder('.').filter((file) => /\.(ts|mjs|js|c|h|sh)$/.test(file) || file.startsWith('.ci/'));
/** The TypeScript sources of the packages, tests included. */
export const sources = filesUnder('packages').filter((file) => file.endsWith('.ts'));

export interface Import {
  readonly file: string;
  readonly line: number;
  /** As written. */
  readonly name: string;
  /** The source file that a relative import leads to, else null. */
  readonly target: string | null;
}

const parsed = new Map<string, ts.SourceFile>();

export function parse(file: string): ts.SourceFile {
  let source = parsed.get(file);
  if (source === undefined) {
    source = ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2022, true);
    parsed.set(file, source);
  }
  return source;
}

/** Every node of a file; comments are none. */
export function nodesOf(file: string): ts.Node[] {
  const nodes: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    nodes.push(node);
    ts.forEachChild(node, visit);
  };
  visit(parse(file));
  return nodes;
}

export function lineOf(file: string, node: ts.Node): number {
  return parse(file).getLineAndCharacterOfPosition(node.getStart()).line + 1;
}

/** What a file imports, exports from elsewhere, or imports when it runs; types as well as values. */
export function importsOf(file: string): Import[] {
  const text = read(file);
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName, pos }) => ({
    file,
    line: text.slice(0, pos).split('\n').length,
    name: fileName,
    target: fileName.startsWith('.')
      ? path.posix.join(path.posix.dirname(file), fileName).replace(/\.js$/, '.ts')
      : null,
  }));
}

/** `packages/core/src/vm/map.ts` is in package `core`. */
export const packageOf = (file: string): string => file.split('/')[1] as string;

/** `packages/core/src/vm/map.ts` is in room `vm`; a file right under src is in none. */
export function roomOf(file: string): string | null {
  const parts = file.split('/');
  return parts.length > 4 ? (parts[3] as string) : null;
}
