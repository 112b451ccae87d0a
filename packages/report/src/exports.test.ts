/** What programs get: the JSON document and the Parquet file, read back. */
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { expect, test } from 'vitest';
import { comparison, replayResult } from '../../../tests/report-fixture.js';
import { comparisonJson, comparisonParquet } from './index.js';

const two = comparison([
  replayResult('freebsd'),
  replayResult('netbsd', {
    series: {
      references: [0, 10],
      faults: [0, 2 ** 40],
      major: [0, 0],
      processes: [1, 1],
      running: [1, 1],
      simulatedNs: [],
      queues: { free: [5, 4] },
    },
  }),
]);

test('JSON holds the whole comparison, lists of numbers on one line', () => {
  const text = comparisonJson(two);
  expect(JSON.parse(text)).toEqual({ format: 'faultline-comparison', formatVersion: 1, ...two });
  expect(text).toContain('"faults": [0, 8, 10],\n');
});

test('Parquet holds a row for each sample and the totals as metadata', async () => {
  const { buffer } = await comparisonParquet(two);
  const rows = await parquetReadObjects({ file: buffer as ArrayBuffer });
  expect(rows.map(({ system, references, faults }) => [system, references, faults])).toEqual([
    ['freebsd', 0n, 0n],
    ['freebsd', 600_000n, 8n],
    ['freebsd', 1_234_567n, 10n],
    ['netbsd', 0n, 0n],
    ['netbsd', 10n, 2n ** 40n],
  ]);
  expect(rows.map((row) => row.active_pages)).toEqual([0n, 5n, 6n, null, null]);
  expect(rows.map((row) => row.simulated_ns)).toEqual([0n, 12_000_000n, 12_345_678n, null, null]);
  const { key_value_metadata } = parquetMetadata(buffer as ArrayBuffer);
  const totals = JSON.parse(key_value_metadata?.find(({ key }) => key === 'faultline')?.value ?? '') as typeof two;
  expect(totals.results.map(({ system, faults }) => [system, faults])).toEqual([
    ['freebsd', 10],
    ['netbsd', 10],
  ]);
  expect(totals.trace.digest).toBe(two.trace.digest);
});
