/**
 * A comparison for a terminal: aligned columns and plain words, at most 100 characters wide.
 *
 * With one system there is room for a few words beside each figure. With several the figures stand side by side, and below
 * them each system's own counters in a block of its own, since their names have little in common.
 *
 *     sort: 16,144,876 references, 1 process
 *     faults                      304  calls of the fault handler
 *       zero-fill                 121  a new page of zeros
 */
import type { ReplayResult } from '@faultline/trace';
import { bytesName, type Comparison, grouped, machineName, many } from './comparison.js';
import { type Cell, counters, type Row, sections, stops } from './figures.js';
import { counterWords, SYSTEM_TITLES } from './words.js';

const WIDTH = 100;
/** Least width of a column of numbers, so that tables of different programs look alike. */
const NUMBER_WIDTH = 10;
/** Processes that the table lists; a build may have thousands. */
const PROCESSES_SHOWN = 20;
/** Letters of the digest, enough to tell traces apart by eye. */
const DIGEST_SHOWN = 12;
const GAP = '  ';

/** The whole table, ending in a line feed. */
export function comparisonText(comparison: Comparison): string {
  const { results } = comparison;
  const blocks = [
    heading(comparison),
    ...figureBlocks(results),
    processBlock(results),
    ...counterBlocks(results),
    stops(results),
  ];
  const text = blocks.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'));
  return `${text.join('\n\n')}\n`;
}

function heading(comparison: Comparison): string[] {
  const { trace, results } = comparison;
  const first = results[0] as ReplayResult;
  const processes = many(first.processes.length, 'process', 'processes');
  const command = trace.command.join(' ');
  return [
    `${trace.program}: ${many(first.referencesTotal, 'reference')}, ${processes}`,
    ...(command === '' || command === trace.program ? [] : [cut(`  ${command}`)]),
    `  ${machineName(comparison)}${results.length === 1 ? `; ${SYSTEM_TITLES[first.system]}` : ''}`,
    cut(`  trace ${trace.path} (${bytesName(trace.bytes)}, sha256 ${trace.digest.slice(0, DIGEST_SHOWN)})`),
  ];
}

function figureBlocks(results: readonly ReplayResult[]): string[][] {
  const all = sections(results);
  const names = results.map(({ system }) => system);
  const rows = all.flatMap((section) => section.rows);
  const labels = Math.max(...rows.map(({ label, depth }) => label.length + 2 * depth));
  const widths = names.map((name, i) =>
    Math.max(NUMBER_WIDTH, name.length, ...rows.map(({ cells }) => cellText(cells[i] as Cell).length)),
  );
  const head = [''.padEnd(labels), ...names.map((name, i) => name.padStart(widths[i] as number))].join(GAP);
  return all.map((section, at) => [
    ...(at === 0 ? [head] : []),
    ...section.rows.map((row) => figureLine(row, labels, widths, results.length === 1)),
  ]);
}

function figureLine({ label, depth, cells, note }: Row, labels: number, widths: number[], notes: boolean): string {
  const name = (GAP.repeat(depth) + label).padEnd(labels);
  const columns = cells.map((cell, i) => cellText(cell).padStart(widths[i] as number));
  return [name, ...columns, ...(notes ? [note] : [])].join(GAP).trimEnd();
}

function cellText(cell: Cell): string {
  return cell === null ? '-' : `${cell}`;
}

/** The faults of each process in each system; nothing when there is only one process. */
function processBlock(results: readonly ReplayResult[]): string[] {
  const processes = results[0]?.processes ?? [];
  if (processes.length < 2) return [];
  const head = ['faults', 'of', 'parent', 'references', ...results.map(({ system }) => system)];
  const lines = processes
    .slice(0, PROCESSES_SHOWN)
    .map(({ id, name, parent, references }) => [
      `${id}`,
      name,
      parent === 0 ? '-' : `${parent}`,
      `${references}`,
      ...results.map((result) => cellText(result.processes.find((process) => process.id === id)?.faults ?? null)),
    ]);
  const rest = processes.length - PROCESSES_SHOWN;
  return [...layOut([head, ...lines], 1), ...(rest > 0 ? [`and ${grouped(rest)} more`] : [])];
}

/** Aligned columns: that of number `textColumn` to the left, the others to the right. */
function layOut(table: readonly (readonly string[])[], textColumn: number): string[] {
  const widths = (table[0] as readonly string[]).map((_, i) => Math.max(...table.map((line) => line[i]?.length ?? 0)));
  return table.map((line) =>
    line
      .map((cell, i) => (i === textColumn ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join(GAP)
      .trimEnd(),
  );
}

/** The counters by kernel name: a block for each system, as many side by side as fit. */
function counterBlocks(results: readonly ReplayResult[]): string[][] {
  const blocks = results.map((result) => counterLines(result, results.length === 1));
  const bands: string[][] = [];
  let band: string[] = [];
  for (const block of blocks) {
    const beside = sideBySide(band, block);
    if (band.length > 0 && Math.max(...beside.map((line) => line.length)) > WIDTH) {
      bands.push(band);
      band = block;
    } else band = beside;
  }
  return [...bands, band].map((lines) => lines.map((line) => line.trimEnd()));
}

function counterLines(result: ReplayResult, words: boolean): string[] {
  const { entries, zeros } = counters(result);
  const names = Math.max(0, ...entries.map(([name]) => name.length));
  const values = Math.max(NUMBER_WIDTH, ...entries.map(([, value]) => `${value}`.length));
  const lines = entries.map(([name, value]) => {
    const meaning = words ? GAP + counterWords(result.system, name) : '';
    return `${name.padEnd(names)}${GAP}${`${value}`.padStart(values)}${meaning}`;
  });
  const others = zeros === 0 ? [] : [`${many(zeros, 'other')} ${zeros === 1 ? 'is' : 'are'} 0`];
  return [`counters of ${result.system}`, ...lines.map((line) => line.trimEnd()), ...others];
}

function sideBySide(left: readonly string[], right: readonly string[]): string[] {
  if (left.length === 0) return [...right];
  const width = Math.max(...left.map((line) => line.length)) + 2 * GAP.length;
  return Array.from(
    { length: Math.max(left.length, right.length) },
    (_, i) => `${(left[i] ?? '').padEnd(width)}${right[i] ?? ''}`,
  );
}

function cut(line: string): string {
  return line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 3)}...`;
}
