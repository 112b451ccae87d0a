/** The benchmark still runs, and measures something on every line: its quick form, whose figures nobody judges. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LINES, lineNamed } from '../bench/lines.mjs';
import { alternate, median } from '../bench/rounds.mjs';
import { failures, format, judge } from '../bench/table.mjs';
import { SYSTEMS } from '../packages/core/src/systems.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Side {
  readonly name: string;
  readonly value: number;
  readonly ratio: number;
}
interface Result extends Side {
  readonly system: string;
  readonly ours: number;
  readonly beside: readonly Side[];
}

const isDifference = ({ name }: Side): boolean => name.endsWith(' apart');

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['scripts/bench.mjs', ...args], { cwd: ROOT, encoding: 'utf8' });
}

test('a quick run has a number on every line of every system', () => {
  const { status, stdout, stderr } = bench('--quick', '--json');
  expect(stderr.includes('could not be measured') ? stderr : '').toBe('');
  expect(status).toBe(0);
  const { results } = JSON.parse(stdout) as { results: Result[] };
  const wanted = Object.keys(SYSTEMS).flatMap((system) => LINES.map(({ name }) => `${system} ${name}`));
  expect(results.map(({ system, name }) => `${system} ${name}`)).toEqual(wanted);
  for (const { ours, beside } of results) {
    // A yardstick that is a difference of two timings may come out below zero where each takes a few microseconds.
    const [differences, timings] = [beside.filter(isDifference), beside.filter((side) => !isDifference(side))];
    for (const { value, ratio } of differences) expect([value, ratio].every(Number.isFinite)).toBe(true);
    for (const value of [ours, ...timings.flatMap((side) => [side.value, side.ratio])])
      expect(value).toBeGreaterThan(0);
  }
});

test('names what does not exist', () => {
  expect(bench('--only', 'nonsense').stderr).toContain("no line 'nonsense'; there are zero-fill, cow,");
  expect(bench('--system', 'nonsense').stderr).toContain("no system 'nonsense'; there are csrg, freebsd");
  expect(bench('--rounds', '0').stderr).toContain('--rounds takes a whole number, not 0');
  expect(bench('--only', 'nonsense').status).toBe(2);
});

test('the median of an even number of rounds lies between the two in the middle', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('rounds take turns, and the first is dropped', async () => {
  const order: string[] = [];
  const side = (name: string) => () => order.push(name);
  expect(await alternate(2, { a: side('a'), b: side('b') })).toEqual({ a: [3, 5], b: [4, 6] });
  expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
  await expect(alternate(1, { a: () => Number.NaN })).rejects.toThrow('a gave NaN in round 0');
});

test('a line is judged by its limits, and a yardstick that is missing is left out', () => {
  const figures = { ours: [500, 400, 600], fill: [100, 200, 300] };
  const result = judge(lineNamed('zero-fill'), 'freebsd', { figures, faults: 1 }, true);
  expect(result.beside).toMatchObject([{ name: 'fill', value: 200, ratio: 2.5, met: true }]);
  expect(failures([result])).toEqual([]);
  const slower = judge(
    lineNamed('zero-fill'),
    'freebsd',
    { figures: { ...figures, ours: [501] }, faults: undefined },
    true,
  );
  expect(failures([slower])).toEqual(['zero-fill beside fill on freebsd']);
  expect(format([slower])).toContain('MISSED');
  expect(
    failures([judge(lineNamed('frame'), 'freebsd', { figures: { ours: [65] }, faults: undefined }, true)]),
  ).toEqual(['frame on freebsd']);
  expect(
    failures([judge(lineNamed('frame'), 'freebsd', { figures: { ours: [65] }, faults: undefined }, false)]),
  ).toEqual([]);
});
