/*
 * What the long runs have in common as commands: options that are checked, a build before the run, and an exit code.
 */
import { parseArgs } from 'node:util';
import { build } from './setup.mjs';

/** The options of a command line, all of which take a word. */
export function optionsOf(names) {
  return parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) }).values;
}

/** A whole number of an option, 0 or more. */
export function whole(values, name, fallback) {
  const word = values[name];
  if (word === undefined) return fallback;
  if (!/^\d{1,15}$/.test(word)) throw new RangeError(`--${name} must be a whole number, not '${word}'`);
  return Number(word);
}

/** One of a few words, or all of them. */
export function some(values, name, words) {
  const word = values[name];
  if (word === undefined) return words;
  if (!words.includes(word)) throw new RangeError(`--${name} must be one of ${words.join(' ')}, not '${word}'`);
  return [word];
}

/** Builds what the run needs. */
export async function built() {
  const complaints = await build((text) => console.error(text));
  if (complaints !== '') throw new Error(complaints);
}

/** Runs a command. Its exit code is what `main` answers, or 2 when it cannot run: then with the usage if the options are wrong. */
export function runCommand(main, usage) {
  main().then(
    (code) => {
      process.exitCode = code;
    },
    (error) => {
      const misused = error instanceof RangeError || String(error.code).startsWith('ERR_PARSE_ARGS');
      console.error(misused ? `${error.message}\n${usage}` : error);
      process.exitCode = 2;
    },
  );
}
