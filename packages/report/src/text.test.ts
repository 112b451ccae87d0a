import { expect, test } from 'vitest';
import { comparison, processAccount, replayResult } from '../../../tests/report-fixture.js';
import { comparisonText } from './text.js';

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

test('one system: figures with a few words beside them', () => {
  expect(comparisonText(comparison([replayResult('freebsd')]))).toBe(`\
ls: 1,234,567 references, 1 process
  ls -l /
  256M of memory, no swap; FreeBSD (2007)
  trace traces/ls.vmt (26.4K, sha256 0123456789ab)

                       freebsd
faults                      10  calls of the fault handler
  zero-fill                  5  a new page of zeros
  copied                     2  a private copy of a page that is shared
  copy avoided               0  nobody else could reach the page, so it was moved
  page-in                    1  a page read from a file or from swap
  mapped only                2  the page was in memory and only had to be mapped
minor                        9  done without waiting for a pager
major                        1  waited for a pager
prefault hits                7  first touches that needed no fault: the page was mapped

page-ins                     1  requests to pagers to read
  pages from files           8
  pages from swap            0

map entries                 12  of all processes together
longest chain                2  objects behind one entry
mean chain                1.50  over the entries that have any

in the kernel, ms        12.35  on the simulated clock; references cost nothing
  disk, ms               12.00  of it, transfers and seeks
  disk seeks                 1
replayed, Mref/s         123.5  on this computer: millions of references a second

counters of freebsd
v_vm_faults           10  address memory faults
v_vnodein              1  vnode pager: reads
v_vnodepgsin           8  vnode pager: pages read
v_zfod                 5  pages zero-filled on demand
3 others are 0
`);
});

test('several systems: a column each, dashes for what one does not keep, counters in blocks', () => {
  const processes = [processAccount(1, 'sh'), processAccount(2, 'ls')];
  const statistics = { faults: 20, flt_przero: 12, pageins: 3 };
  const text = comparisonText(
    comparison([
      replayResult('freebsd', { processes }),
      replayResult('netbsd', { processes: [processAccount(1, 'sh')], statistics, faults: 12 }),
    ]),
  );
  const lines = text.split('\n');
  expect(lines).toContain('                       freebsd      netbsd');
  expect(lines).toContain('faults                      10          12');
  expect(lines).toContain('page-ins                     1           3');
  expect(lines).toContain('  pages from files           8           -');
  expect(lines).toContain('in the kernel, ms        12.35       12.35');
  expect(lines.slice(lines.indexOf('faults  of  parent  references  freebsd  netbsd'))).toEqual([
    'faults  of  parent  references  freebsd  netbsd',
    '     1  sh       -        1000        5       5',
    '     2  ls       1        2000       10       -',
    '',
    'counters of freebsd         counters of netbsd',
    'v_vm_faults           10    faults              20',
    'v_vnodein              1    flt_przero          12',
    'v_vnodepgsin           8    pageins              3',
    'v_zfod                 5',
    '3 others are 0',
    '',
  ]);
});

test('trouble has its rows, and only then', () => {
  const calm = comparisonText(comparison([replayResult('freebsd')]));
  for (const word of ['failed', 'given up', 'refused', 'killed', 'stopped']) expect(calm).not.toContain(word);
  const text = comparisonText(
    comparison([
      replayResult('freebsd', {
        minor: 7,
        faultsByCode: { KERN_SUCCESS: 8, KERN_RESOURCE_SHORTAGE: 2 },
        failures: 2,
        refusals: { 'mlock ENOMEM': 3 },
        processes: [processAccount(1, 'ls', { killed: true })],
        skippedReferences: 99,
        stopped: 'KernelPanic: vm_fault: fault on nofault entry',
      }),
    ]),
  );
  expect(text).toMatch(/^ {2}failed +2 /m);
  expect(text).toMatch(/^accesses given up +2 /m);
  expect(text).toMatch(/^ {2}KERN_RESOURCE_SHORTAGE +2$/m);
  expect(text).toMatch(/^processes killed +1 /m);
  expect(text).toMatch(/^references skipped +99 /m);
  expect(text).toMatch(/^refused: mlock ENOMEM +3$/m);
  expect(text.endsWith('freebsd stopped early: KernelPanic: vm_fault: fault on nofault entry\n')).toBe(true);
});

test('four systems, long names and a long command fit into 100 columns', () => {
  const names = (prefix: string): Record<string, number> =>
    Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${prefix}_counter_${i}`, 10 ** (i % 12)]));
  const systems = ['csrg', 'freebsd', 'dragonfly', 'netbsd'] as const;
  const processes = Array.from({ length: 50 }, (_, i) => processAccount(i + 1, `program-${i}`));
  const results = systems.map((system) => replayResult(system, { processes, statistics: names(system) }));
  const base = comparison(results);
  const text = comparisonText({ ...base, trace: { ...base.trace, command: ['x'.repeat(200)] } });
  expect(widest(text)).toBeLessThanOrEqual(100);
  for (const system of systems) expect(text).toContain(`counters of ${system}`);
  expect(text).toContain('and 30 more\n');
});
