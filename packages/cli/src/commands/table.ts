/**
 * Replay results as a table for a terminal: a row for each figure, a column for each system.
 *
 * Rows of zeros only are left out of the counters and of what failed; a figure that a system does not keep prints
 * `-`.
 */
import type { ReplayResult } from '@faultline/trace';

type Cell = number | string | null;
type Row = readonly [label: string, cells: readonly Cell[]];

/** Lines of text, each with its line feed. `results` are of one trace. */
export function resultTable(results: readonly ReplayResult[]): string {
  const first = results[0];
  if (first === undefined) return '';
  const title = `${first.program}, ${first.referencesTotal} references`;
  const rows: Row[] = [['', results.map((result) => result.system)], ...figures(results)];
  const stops = results.flatMap((result) =>
    result.stopped === null ? [] : [`${result.system} stopped early: ${result.stopped}`],
  );
  return `${[title, '', ...layOut(rows), ...stops].join('\n')}\n`;
}

function figures(results: readonly ReplayResult[]): Row[] {
  const row = (label: string, pick: (result: ReplayResult) => Cell): Row => [label, results.map(pick)];
  return [
    row('faults', (r) => r.faults),
    row('  zero-fill', (r) => r.kinds.zeroFill),
    row('  copied', (r) => r.kinds.copied),
    row('  copy avoided', (r) => r.kinds.copyAvoided),
    row('  page-in', (r) => r.kinds.pagedIn),
    row('  mapped only', (r) => r.kinds.mappedOnly),
    row('minor', (r) => r.minor),
    row('major', (r) => r.major),
    row('prefault hits', (r) => r.prefaultHits),
    row('pages in', (r) => r.pageIns),
    row('pages out', (r) => r.pageOuts),
    row('map entries at the end', (r) => r.shape.entries),
    row('longest chain', (r) => r.shape.chainMax),
    row('mean chain', (r) => r.shape.chainMean.toFixed(2)),
    ...named('accesses given up', results, (r) => (r.failures === 0 ? {} : { '': r.failures })),
    ...named('refused: ', results, (r) => r.refusals),
    ...named('', results, (r) => r.counters),
  ];
}

/** A row for every name that has a figure other than zero in some result, in the order of the names. */
function named(
  prefix: string,
  results: readonly ReplayResult[],
  pick: (result: ReplayResult) => Readonly<Record<string, number>>,
): Row[] {
  const records = results.map(pick);
  const names = new Set(records.flatMap((record) => Object.keys(record).filter((name) => record[name] !== 0)));
  return [...names].sort().map((name): Row => [prefix + name, records.map((record) => record[name] ?? null)]);
}

function layOut(rows: readonly Row[]): string[] {
  const texts = rows.map(([label, cells]) => [label, ...cells.map((cell) => (cell === null ? '-' : `${cell}`))]);
  const widths = (texts[0] as string[]).map((_, i) => Math.max(...texts.map((text) => (text[i] as string).length)));
  return texts.map(([label, ...cells]) => {
    const columns = cells.map((cell, i) => cell.padStart(widths[i + 1] as number));
    return [(label as string).padEnd(widths[0] as number), ...columns].join('  ').trimEnd();
  });
}
