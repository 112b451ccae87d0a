/** Results that no kernel gave, for the tests of reports: round numbers, and whatever a test wants to be different. */
import type { Comparison } from '../packages/report/src/comparison.js';
import type { ProcessAccount, ReplayResult } from '../packages/trace/src/index.js';

export function processAccount(id: number, name: string, more: Partial<ProcessAccount> = {}): ProcessAccount {
  const counts = { references: 1000 * id, faults: 5 * id, minor: 4 * id, major: id };
  const shape = { entries: 12, chainMax: 2, chainMean: 1.5 };
  return { id, name, parent: id - 1, ...counts, ...shape, killed: false, ...more };
}

export function replayResult(system: ReplayResult['system'], more: Partial<ReplayResult> = {}): ReplayResult {
  return {
    system,
    program: 'ls',
    references: 1_234_567,
    referencesTotal: 1_234_567,
    skippedReferences: 0,
    tlbMisses: 20,
    faults: 10,
    faultsByAccess: { read: 5, write: 5, execute: 0 },
    faultsByCode: { KERN_SUCCESS: 10 },
    successCode: 'KERN_SUCCESS',
    kinds: { zeroFill: 5, copied: 2, copyAvoided: 0, pagedIn: 1, mappedOnly: 2 },
    minor: 9,
    major: 1,
    prefaultHits: 7,
    failures: 0,
    failedAccesses: [],
    refusals: {},
    pageIns: 8,
    pageOuts: 0,
    processes: [processAccount(1, 'ls')],
    shape: { entries: 12, chainMax: 2, chainMean: 1.5 },
    statistics: { v_vm_faults: 10, v_zfod: 5, v_vnodein: 1, v_vnodepgsin: 8, v_swapin: 0, v_swappgsin: 0, v_forks: 0 },
    queues: [{ name: 'free', pages: 90 }],
    simulated: { ns: 12_345_678, diskNs: 12_000_000, diskReads: 1, diskWrites: 0, diskSeeks: 1 },
    series: {
      references: [0, 600_000, 1_234_567],
      faults: [0, 8, 10],
      major: [0, 1, 1],
      processes: [1, 1, 1],
      running: [1, 1, 1],
      simulatedNs: [0, 12_000_000, 12_345_678],
      queues: { free: [100, 92, 90], inactive: [0, 3, 4], active: [0, 5, 6] },
    },
    stopped: null,
    milliseconds: 10,
    referencesPerSecond: 123_456_700,
    ...more,
  };
}

export function comparison(results: readonly ReplayResult[], more: Partial<Comparison> = {}): Comparison {
  return {
    trace: {
      path: 'traces/ls.vmt',
      program: 'ls',
      command: ['ls', '-l', '/'],
      recorder: 'a test',
      notes: [],
      digest: '0123456789abcdef'.repeat(4),
      bytes: 27_008,
    },
    machine: { memoryPages: 65_536, swapPages: 0 },
    version: '1.2.3',
    repeat: 'npx faultline compare traces/ls.vmt --memory 256M --swap 0',
    results,
    ...more,
  };
}
