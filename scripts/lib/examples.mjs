/*
 * The examples in the documentation, compiled and run.
 *
 * An example is a fenced block marked `ts` in a Markdown file or in a doc comment of the sources. It imports the packages as
 * a user would. A block marked `ts no-run` is compiled only, and `ts sketch` is left alone. An example that throws has failed, and so has one that does
 * not print what the comment behind a `console.log` says.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { node, ROOT, tool } from './run.mjs';

const HOME = path.join(ROOT, 'temp', 'examples');
const FENCE = /^([ \t]*(?:\*[ \t]?)?)```ts([^\n]*)\n([\s\S]*?)^\1```[ \t]*$/gm;
const IGNORED = new Set(['node_modules', 'dist', 'temp', 'out', 'api', 'etc', '.git', 'conformance', 'traces']);

/** Files under `folder` whose name ends in one of `endings`. */
function filesUnder(folder, endings) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const where = path.join(folder, entry.name);
    if (entry.isDirectory()) return IGNORED.has(entry.name) ? [] : filesUnder(where, endings);
    return endings.some((ending) => entry.name.endsWith(ending)) ? [where] : [];
  });
}

/** Examples in a text: where they begin, whether they run, and their code without the comment's margin. */
export function examplesIn(text) {
  return [...text.matchAll(FENCE)]
    .map(({ index, 1: margin, 2: info, 3: body }) => ({
      line: text.slice(0, index).split('\n').length,
      sketch: /\bsketch\b/.test(info),
      runs: !/\bno-run\b/.test(info),
      code: body
        .split('\n')
        .map((line) => (line.startsWith(margin) ? line.slice(margin.length) : line.trim().replace(/^\*$/, '')))
        .join('\n'),
    }))
    .filter(({ sketch }) => !sketch);
}

function collect() {
  const files = filesUnder(ROOT, ['.md', '.ts']).filter((file) => !file.endsWith('.test.ts'));
  return files.flatMap((file) =>
    examplesIn(fs.readFileSync(file, 'utf8')).map((example) => {
      const from = path.relative(ROOT, file);
      return { ...example, from: `${from}:${example.line}`, name: `${from.replace(/[^\w]+/g, '-')}-${example.line}` };
    }),
  );
}

/** What an example says that it prints: the comment behind a `console.log`. */
const PROMISE = /^\s*console\.log\(.*\);? \/\/ (.+)$/gm;

/** The first line that an example promises, in their order, and does not print; null when it keeps its word. */
export function missingLine(code, stdout) {
  const lines = stdout.split('\n');
  for (const [, promised] of code.matchAll(PROMISE)) {
    const at = lines.indexOf(promised);
    if (at < 0) return promised;
    lines.splice(0, at + 1);
  }
  return null;
}

export async function checkExamples() {
  const examples = collect();
  if (examples.length === 0) return { passed: 0, failed: 0, note: 'none in the documentation yet' };
  fs.mkdirSync(HOME, { recursive: true });
  for (const { name, from, code } of examples) {
    fs.writeFileSync(path.join(HOME, `${name}.ts`), `// ${from}\n${code}\nexport {};\n`);
  }
  const config = {
    extends: '../../tsconfig.base.json',
    compilerOptions: {
      types: ['node'],
      outDir: 'js',
      composite: false,
      noUnusedLocals: false,
      declaration: false,
      declarationMap: false,
    },
    include: ['*.ts'],
  };
  fs.writeFileSync(path.join(HOME, 'tsconfig.json'), JSON.stringify(config, null, 2));
  const compiled = await tool('typescript', ['-p', HOME, '--pretty', 'false'], {}, 'tsc');
  if (compiled.code !== 0) return { passed: 0, failed: examples.length, output: compiled.output };
  const complaints = [];
  for (const { name, from, code: source } of examples.filter(({ runs }) => runs)) {
    const { code, output, stdout } = await node(path.join(HOME, 'js', `${name}.js`), [], { cwd: HOME });
    const missing = code === 0 ? missingLine(source, stdout) : null;
    if (code !== 0) complaints.push(`${from}\n${output}`);
    else if (missing !== null) complaints.push(`${from}: says that it prints '${missing}', and printed\n${stdout}`);
  }
  return { passed: examples.length - complaints.length, failed: complaints.length, output: complaints.join('\n') };
}
