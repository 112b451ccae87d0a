/*
 * What the rounds say: medians, ratios, and whether they are good enough; as a table and as data.
 */
import { median } from './rounds.mjs';

/**
 * The result of a line on a system.
 * @param {{ figures: Record<string, number[]>, faults?: number }} measured what child.mjs prints: by side, the figures of all
 *   rounds, without the yardsticks that could not be measured; and faults a page, where the line is about faults
 * @param judged whether targets apply: a quick run's figures are not worth it
 */
export function judge(line, system, { figures, faults }, judged) {
  const ours = median(figures.ours);
  const { name, what, unit = 'ns', most, goal } = line;
  const beside = line.beside
    .filter((yardstick) => yardstick.name in figures)
    .map((yardstick) => {
      const value = median(figures[yardstick.name]);
      const ratio = ours / value;
      const met = yardstick.most === undefined || !judged ? undefined : ratio <= yardstick.most;
      const { name, what, most, goal } = yardstick;
      return { name, what, value, ratio, most, goal, met };
    });
  const met = most === undefined || !judged ? undefined : ours <= most;
  const [least, rounds] = [Math.min(...figures.ours), figures.ours.length];
  return { name, what, system, unit, ours, least, rounds, faults, most, goal, met, beside };
}

/** Whether any limit is broken. */
export function failures(results) {
  return results.flatMap((result) => [
    ...(result.met === false ? [`${result.name} on ${result.system}`] : []),
    ...result.beside
      .filter(({ met }) => met === false)
      .map(({ name }) => `${result.name} beside ${name} on ${result.system}`),
  ]);
}

const number = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2));
const limit = (value) => (value === undefined ? '' : `<= ${value}`);
const verdict = (met) => (met === undefined ? '' : met ? 'pass' : 'MISSED');

function rowsOf(result) {
  const { name, system, unit, ours, faults } = result;
  const first = [name, system, number(ours), unit, faults === undefined ? '' : faults.toFixed(2)];
  const rows = [];
  if (result.most !== undefined || result.beside.length === 0) {
    rows.push([...first, '', '', '', limit(result.most), limit(result.goal), verdict(result.met)]);
  }
  for (const { name: beside, value, ratio, most, goal, met } of result.beside) {
    rows.push([
      ...first,
      beside,
      number(value),
      ratio.toFixed(2),
      limit(most),
      limit(goal ?? result.goal),
      verdict(met),
    ]);
  }
  // The line itself is told once.
  return rows.map((row, i) => (i === 0 ? row : ['', '', '', '', '', ...row.slice(5)]));
}

const HEADS = ['line', 'system', 'ours', 'unit', 'faults', 'beside', 'that', 'ratio', 'target', 'goal', ''];
const RIGHT = new Set([2, 4, 6, 7]);

/** All results as one table of text. */
export function format(results) {
  const rows = [HEADS, ...results.flatMap(rowsOf)];
  const widths = HEADS.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (text, column) => (RIGHT.has(column) ? text.padStart(widths[column]) : text.padEnd(widths[column]));
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}
