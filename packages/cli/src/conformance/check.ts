/**
 * Running one case and finding the first line that differs from what the kernel itself printed.
 *
 * Every line of output remembers the command that printed it, since a wrong line is only half of what one needs to
 * know.
 */
import { parseScenario, runScenario, type ScenarioCommand } from '@faultline/core';
import { readText } from '../files.js';
import type { Chosen } from '../systems.js';
import type { Case } from './cases.js';

/** What is wrong with a case, as lines for a person; the first names the place. */
export type Mismatch = readonly string[];

interface Output {
  readonly lines: readonly string[];
  /** The command behind each line. */
  readonly commands: readonly ScenarioCommand[];
  /** The last command that ran. */
  readonly last: ScenarioCommand | null;
  /** What stopped the run, when it was not the end of the script or the kernel. */
  readonly error: Error | null;
}

const SAYS_NOTHING = '(nothing: the output ends here)';

/** Runs a case; null when it prints exactly what it should. */
export function checkCase(item: Case, system: Chosen): Mismatch | null {
  if (item.expected === null) return [`${item.script}: there is no expected output beside it`];
  const result = parseScenario(readText(item.script), system.name);
  if (!result.ok) return result.errors.map((error) => `${item.script}:${error.line}: ${error.message}`);
  const lines: string[] = [];
  const commands: ScenarioCommand[] = [];
  let last: ScenarioCommand | null = null;
  let error: Error | null = null;
  try {
    runScenario(result.script, {
      boot: system.boot,
      extension: system.extension,
      onCommand: (command) => {
        last = command;
      },
      write: (line) => {
        lines.push(line);
        commands.push(last as unknown as ScenarioCommand);
      },
    });
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  return firstDifference(item, { lines, commands, last, error }, readText(item.expected));
}

function firstDifference(item: Case, output: Output, expectedText: string): Mismatch | null {
  const expected = expectedText.split('\n');
  if (expected.at(-1) === '') expected.pop();
  const { lines, commands, last, error } = output;
  const count = Math.max(expected.length, lines.length);
  let at = 0;
  while (at < count && expected[at] === lines[at]) at++;
  if (at === count && error === null) return null;
  const command = commands[at] ?? last;
  const by =
    command === null ? 'before the first command' : `in \`${command.text}\` (line ${command.line} of the script)`;
  const mismatch = [
    `${item.script}: output line ${at + 1} differs, ${by}`,
    `    expected: ${expected[at] ?? SAYS_NOTHING}`,
    `    got:      ${lines[at] ?? (error === null ? SAYS_NOTHING : '(nothing: the run broke off)')}`,
  ];
  if (error !== null) mismatch.push(...brokeOff(error, last));
  return mismatch;
}

/** Where a run broke off by a mistake of ours. */
function brokeOff(error: Error, last: ScenarioCommand | null): string[] {
  const at = last === null ? 'at the start' : `in \`${last.text}\` (line ${last.line} of the script)`;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [`    broke off ${at}: ${error.name}: ${error.message}`, ...frames.slice(0, 4).map((frame) => `    ${frame}`)];
}
