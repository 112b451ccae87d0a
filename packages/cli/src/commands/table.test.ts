import type { ReplayResult } from '@faultline/trace';
import { expect, test } from 'vitest';
import { resultTable } from './table.js';

function result(system: ReplayResult['system'], more: Partial<ReplayResult> = {}): ReplayResult {
  const kinds = { zeroFill: 5, copied: 2, copyAvoided: 0, pagedIn: 1, mappedOnly: 2 };
  const counts = { references: 1234, referencesTotal: 1234, skippedReferences: 0, tlbMisses: 20, faults: 10 };
  return {
    system,
    program: 'ls',
    ...counts,
    faultsByAccess: { read: 5, write: 5, execute: 0 },
    faultsByCode: {},
    kinds,
    minor: 9,
    major: 1,
    prefaultHits: 7,
    failures: 0,
    failedAccesses: [],
    refusals: {},
    pageIns: null,
    pageOuts: 0,
    processes: [],
    shape: { entries: 12, chainMax: 2, chainMean: 1.5 },
    counters: {},
    stopped: null,
    milliseconds: 1,
    referencesPerSecond: 1,
    ...more,
  };
}

test('a row for each figure, a column for each system, dashes for what a system does not keep', () => {
  const text = resultTable([
    result('freebsd', { counters: { v_zfod: 5, v_ozfod: 0 } }),
    result('netbsd', { faults: 12345, pageIns: 3, refusals: { 'mlock ENOMEM': 2 }, stopped: 'KernelPanic: no anon' }),
  ]);
  expect(text.split('\n').slice(0, 5)).toEqual([
    'ls, 1234 references',
    '',
    '                        freebsd  netbsd',
    'faults                       10   12345',
    '  zero-fill                   5       5',
  ]);
  expect(text).toContain('pages in                      -       3\n');
  expect(text).toContain('refused: mlock ENOMEM         -       2\n');
  expect(text).toContain('v_zfod                        5       -\n');
  expect(text).not.toContain('v_ozfod');
  expect(text.endsWith('netbsd stopped early: KernelPanic: no anon\n')).toBe(true);
});
