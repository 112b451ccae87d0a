/*
 * Lets Node run the TypeScript of tests/ as it stands: types are taken out by the compiler, one file at a time, and an import of
 * `./x.js` finds `./x.ts`. Packages of this repository are those that were built (packages/NAME/dist).
 *
 *     node --import ./scripts/lib/typescript-hook.mjs FILE.ts
 */
import { existsSync, readFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

const OURS = new URL('../../tests/', import.meta.url).href;

if (isMainThread) register(import.meta.url);

export function resolve(specifier, context, next) {
  if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.startsWith(OURS)) {
    const source = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
    if (existsSync(source)) return { url: source.href, format: 'module', shortCircuit: true };
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith(OURS) || !url.endsWith('.ts')) return next(url, context);
  const { default: ts } = await import('typescript');
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, inlineSourceMap: true };
  const fileName = fileURLToPath(url);
  const { outputText } = ts.transpileModule(readFileSync(fileName, 'utf8'), { compilerOptions: options, fileName });
  return { format: 'module', source: outputText, shortCircuit: true };
}
