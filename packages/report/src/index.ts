/**
 * @faultline/report: what a replay found, for people and for programs.
 *
 * A `Comparison` (the results of one trace on one or more systems, and how to get them again) becomes a table for a
 * terminal, a page of HTML, a JSON document or a Parquet file. The page and Parquet bring libraries along, which are
 * loaded when they are asked for.
 */
import type { Comparison } from './comparison.js';

export type { Comparison, TraceIdentity } from './comparison.js';
export { comparisonJson } from './json.js';
export { comparisonText } from './text.js';
export { SYSTEM_TITLES } from './words.js';

/** One self-contained page of HTML with plots. */
export async function comparisonPage(comparison: Comparison): Promise<string> {
  const page = await import('./page.js');
  return page.comparisonPage(comparison);
}

/** The bytes of a Parquet file: the time series as rows, the totals as metadata. */
export async function comparisonParquet(comparison: Comparison): Promise<Uint8Array> {
  const parquet = await import('./parquet.js');
  return parquet.comparisonParquet(comparison);
}
