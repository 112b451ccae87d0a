/**
 * The time series of a comparison as a Parquet file: a row for each sample of each system, every number a 64-bit integer.
 *
 * The totals stand in the file's metadata under `faultline`: the JSON document of json.ts without the series, so that
 * the file says by itself what it is about. DuckDB: `select * from 'x.parquet'`, `select value from parquet_kv_metadata('x.parquet')`.
 */
import type { ReplayResult } from '@faultline/trace';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Comparison } from './comparison.js';

/** The bytes of the file. A column that a system does not have is null in its rows. */
export function comparisonParquet(comparison: Comparison): Uint8Array {
  const { results } = comparison;
  const queues = [...new Set(results.flatMap(({ series }) => Object.keys(series.queues)))];
  const column = (name: string, pick: (result: ReplayResult) => readonly number[] | undefined): object => ({
    name,
    type: 'INT64',
    nullable: true,
    data: results.flatMap((result) => whole(pick(result), result.series.references.length)),
  });
  const columns = [
    {
      name: 'system',
      type: 'STRING',
      data: results.flatMap(({ system, series }) => series.references.map(() => system as string)),
    },
    column('references', ({ series }) => series.references),
    column('faults', ({ series }) => series.faults),
    column('major', ({ series }) => series.major),
    column('processes', ({ series }) => series.processes),
    column('running', ({ series }) => series.running),
    column('simulated_ns', ({ series }) => series.simulatedNs),
    ...queues.map((queue) => column(`${queue}_pages`, ({ series }) => series.queues[queue])),
  ] as Parameters<typeof parquetWriteBuffer>[0]['columnData'];
  const kvMetadata = [{ key: 'faultline', value: JSON.stringify(totals(comparison)) }];
  return new Uint8Array(parquetWriteBuffer({ columnData: columns, kvMetadata }));
}

function whole(numbers: readonly number[] | undefined, length: number): (bigint | null)[] {
  return Array.from({ length }, (_, i) => (numbers?.[i] === undefined ? null : BigInt(numbers[i])));
}

function totals(comparison: Comparison): object {
  return { ...comparison, results: comparison.results.map(({ series: _, ...result }) => result) };
}
