/*
 * Running other programs: captured, or with the terminal handed to them. Nothing reads standard input.
 */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs a program in the root folder and waits for its end. A program that cannot be started answers with code 127.
 * @param options `show` gives it the terminal; otherwise what it writes comes back as `output` (both streams, in order)
 * and `stdout`
 * @returns {Promise<{ code: number, output: string, stdout: string }>}
 */
export function run(command, args, options = {}) {
  const { show = false, env = {}, shell = false, cwd = ROOT } = options;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      shell,
      stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    });
    let output = '';
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      output += text;
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('error', (error) => resolve({ code: 127, output: `${output}${error.message}\n`, stdout }));
    child.on('close', (code, signal) => {
      if (signal !== null) output += `ended by ${signal}\n`;
      resolve({ code: code ?? 1, output, stdout });
    });
  });
}

/** Runs a JavaScript file with this Node. */
export function node(file, args = [], options = {}) {
  return run(process.execPath, [path.resolve(ROOT, file), ...args], options);
}

/** Runs the command of an installed package with this Node, as npx would but without asking npm. */
export function tool(packageName, args, options = {}, command = packageName.split('/').pop()) {
  // Not by require.resolve: a package may keep its package.json to itself.
  const folder = path.join(ROOT, 'node_modules', packageName);
  const { bin } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = typeof bin === 'string' ? bin : bin[command];
  return run(process.execPath, [path.join(folder, file), ...args], options);
}

/** Runs npm: the one that runs us if there is one, else the one on the path. */
export function npm(args, options = {}) {
  const own = process.env.npm_execpath;
  if (own?.endsWith('.js')) return run(process.execPath, [own, ...args], options);
  const windows = process.platform === 'win32';
  return run(windows ? 'npm.cmd' : 'npm', args, { ...options, shell: windows });
}
