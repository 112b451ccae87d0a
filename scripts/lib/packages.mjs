/*
 * The packages as their users get them: what publint says of them, and whether the packed files work by themselves.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { node, npm, ROOT, run, tool } from './run.mjs';

/** The workspaces that have been compiled, with their manifests. */
export function builtPackages() {
  const { workspaces } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  return workspaces
    .map((folder) => ({
      folder,
      manifest: JSON.parse(fs.readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8')),
    }))
    .filter(({ folder, manifest }) => entryPoints(folder, manifest).length > 0);
}

/** The entry points of a package that exist: `{ name, file }` with the name to import and the compiled file. */
export function entryPoints(folder, manifest) {
  return Object.entries(manifest.exports ?? {})
    .map(([key, target]) => ({
      name: path.posix.join(manifest.name, key),
      file: path.join(ROOT, folder, target.default),
    }))
    .filter(({ file }) => fs.existsSync(file));
}

function sum(results) {
  const failed = results.filter(({ code }) => code !== 0);
  return {
    passed: results.length - failed.length,
    failed: failed.length,
    output: failed.map(({ output }) => output).join('\n'),
    note: results.length === 0 ? 'skipped: nothing is compiled yet' : '',
  };
}

/** publint: would the package work for those who install it? Warnings count. */
export async function checkPackages() {
  const results = [];
  for (const { folder } of builtPackages()) {
    results.push(await tool('publint', ['run', folder, '--strict', '--pack', 'npm']));
  }
  return sum(results);
}

/**
 * Packs each package, unpacks them side by side away from the sources, and imports every entry point. What `files` forgets, or
 * what only the workspace's links make work, shows here.
 */
export async function checkTarballs() {
  const home = path.join(ROOT, 'temp', 'packed');
  const scope = path.join(home, 'node_modules', '@faultline');
  fs.rmSync(home, { recursive: true, force: true });
  fs.mkdirSync(scope, { recursive: true });
  const built = builtPackages();
  const results = [];
  for (const { folder, manifest } of built) results.push(await unpack(folder, manifest, home, scope));
  for (const { folder, manifest } of built) {
    for (const { name } of entryPoints(folder, manifest)) results.push(await importAlone(name, home));
    for (const file of Object.values(manifest.bin ?? {})) {
      results.push(await node(path.join(scope, path.basename(manifest.name), file), ['--help'], { cwd: home }));
    }
  }
  return sum(results);
}

async function unpack(folder, manifest, home, scope) {
  const packed = await npm(['pack', `./${folder}`, '--ignore-scripts', '--json', '--pack-destination', home]);
  if (packed.code !== 0) return packed;
  const [{ filename }] = JSON.parse(packed.stdout);
  const target = path.join(scope, path.basename(manifest.name));
  fs.mkdirSync(target);
  return run('tar', ['-xzf', path.join(home, filename), '-C', target, '--strip-components=1']);
}

function importAlone(name, home) {
  const script = `const all = await import('${name}'); if (Object.keys(all).length === 0) throw new Error('${name} is empty');`;
  return run(process.execPath, ['--input-type=module', '--eval', script], { cwd: home });
}
