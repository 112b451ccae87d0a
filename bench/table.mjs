/*
 * What the rounds say: medians, ratios, and whether they are good enough; as a table and as data.
 */
import { median } from './rounds.mjs';

/**
 * The result of a line on a system.
 * @param figures by side, the figures of all rounds; a yardstick that could not be measured is missing
 * @param judged whether targets apply: a quick run's figures are not worth it
 */
export function judge(line, system, figures, judged) {
  const ours = median(figures.ours);
  const { name, what, unit = 'ns', most, goal } = line;
  const result = { name, what, system, unit, ours, least: Math.min(...figures.ours), rounds: figures.ours.length };
  if (most !== undefined) Object.assign(result, { most, met: judged ? ours <= most : undefined });
  if (goal !== undefined) Object.assign(result, { goal });
  result.beside = line.beside
    .filter((yardstick) => yardstick.name in figures)
    .map((yardstick) => {
      const value = median(figures[yardstick.name]);
      const ratio = ours / value;
      const { name, what, most, goal } = yardstick;
      return { name, what, value, ratio, most, goal, met: most === undefined || !judged ? undefined : ratio <= most };
    });
  return result;
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
  const { name, system, unit, ours } = result;
  const first = [name, system, number(ours), unit];
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
  return rows.map((row, i) => (i === 0 ? row : ['', '', '', '', ...row.slice(4)]));
}

const HEADS = ['line', 'system', 'ours', 'unit', 'beside', 'that', 'ratio', 'target', 'goal', ''];
const RIGHT = new Set([2, 5, 6]);

/** All results as one table of text. */
export function format(results) {
  const rows = [HEADS, ...results.flatMap(rowsOf)];
  const widths = HEADS.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (text, column) => (RIGHT.has(column) ? text.padStart(widths[column]) : text.padEnd(widths[column]));
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}
