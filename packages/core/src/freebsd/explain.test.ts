/** Explanations as they are printed: some small scripts, word by word, and what must never show. */
import { afterEach, describe, expect, it } from 'vitest';
import { BranchCoverage, coverage } from '../kernel/branch.js';
import { parseScenario, runScenario } from '../scenario/index.js';
import { explainFreebsd } from './explain.js';
import { bootFreebsd } from './system.js';

/** What a script prints with explanations. */
function explain(script: string): string[] {
  const parsed = parseScenario(script, 'freebsd');
  if (!parsed.ok) throw new Error(parsed.errors.map(({ message }) => message).join('; '));
  const lines: string[] = [];
  runScenario(parsed.script, { boot: bootFreebsd, observe: explainFreebsd, write: (line) => lines.push(line) });
  return lines;
}

/** The explanation of the last fault. */
function last(script: string): string {
  const lines = explain(script);
  return lines.slice(lines.findLastIndex((line) => line.startsWith('fault'))).join('\n');
}

/** The lines of one label below the last fault. */
function labelled(script: string, label: string): string[] {
  const lines = last(script).split('\n').slice(1);
  const labels = lines.map((line) => line.slice(4, 14).trim());
  for (let i = 1; i < labels.length; i++) if (labels[i] === '') labels[i] = labels[i - 1] as string;
  return lines.filter((_, i) => labels[i] === label).map((line) => line.slice(14));
}

describe('an explanation', () => {
  it('of a zero-fill fault', () => {
    expect(last('proc A\nA map 0x10000 4 anon private rw-\nA write 0x12000')).toBe(
      `
fault A w 0x12000 KERN_SUCCESS minor
    stages    faultStart, lookup, search default object #1, found, finish, account
    F4        0x12000 lies in 0x10000-0x14000 rw-, which shows page 2 of default object #1 (size 4, ref 1); allowed is rw-.
    F24       Page 2 of default object #1 is not resident; with 4096 frames free or cached one is taken for it.
    F41       Page 2 of default object #1 stays busy, so that nobody else fills the place meanwhile.
    F42       The chain ends with default object #1: page 2 of default object #1 begins as zeros.
    F43       The frame has to be zeroed.
    F57       The translation may write (rw-): default object #1 counts as one that may be dirty.
    F59       The entry is not NOSYNC: neither is the page from now on.
    F60       It is a store: the page is dirty, and a copy of it on swap would be out of date.
    F62       Mapped as rw-. Neighbours that are in memory may be mapped along.
    F69       The entry begins so near that the window begins with it.
    F76       Not in memory, which ends the prefault: 0x11000.
    F65       The page goes to the active queue, unless it is wired.
    F1        The map is unlocked.
    F67       No pager was used: a minor fault.
    objects   default object #1 made: size 4
    pages     page 2 of default object #1: zero-filled, active, dirty
    mappings  0x12000-0x13000 rw- added
    counters  v_vm_faults +1, v_zfod +1
    time      893 ns
`.trim(),
    );
  });

  it('of a copy after a fork', () => {
    expect(last('proc A\nA map 0x10000 2 anon private rw-\nA write 0x10000 2\nfork A B\nB write 0x11000')).toBe(
      `
fault B w 0x11000 KERN_SUCCESS minor
    stages    faultStart, lookup, search default object #2, search default object #1, found, finish, account
    F4        0x11000 lies in 0x10000-0x12000 rw- (private copy), which shows page 1 of default object #2 (size 2, ref 1); allowed is rw-.
    F24       Page 1 of default object #2 is not resident; with 4094 frames free or cached one is taken for it.
    F41       Page 1 of default object #2 stays busy, so that nobody else fills the place meanwhile.
    F45       Default object #2 shadows default object #1: on to page 1 of default object #1.
    F22       Page 1 of default object #1 is resident and valid, on the active queue.
    F46       Page 1 of default object #1 lies below the top and is wanted for writing.
    F48       Default object #1 (ref 2, shadows 1) keeps its page; page 1 of default object #2 gets a copy.
    F49       The original is released to the inactive queue.
    F57       The translation may write (rw-): default object #2 counts as one that may be dirty.
    F59       The entry is not NOSYNC: neither is the page from now on.
    F60       It is a store: the page is dirty, and a copy of it on swap would be out of date.
    F62       Mapped as rw-. Neighbours that are in memory may be mapped along.
    F69       The entry begins so near that the window begins with it.
    F73       Mapped already, or without a page table: 0x10000.
    F72       Outside: 0xd000-0x10000, 0x12000-0x16000.
    F65       The page goes to the active queue, unless it is wired.
    F1        The map is unlocked.
    F67       No pager was used: a minor fault.
    objects   default object #2 made: size 2, shadows default object #1 from page 0 on
    pages     page 1 of default object #1: inactive
              page 1 of default object #2: copied from page 1 of default object #1, active, dirty
    mappings  0x11000-0x12000 r-- now rw-, another page
    counters  v_vm_faults +1, v_cow_faults +1
    time      1.04 us
`.trim(),
    );
  });

  it('of a file read in order', () => {
    expect(
      last(
        'file F 200000\nproc A\nA map 0x100000 48 file F 0 shared rw-\nA read 0x100000 9\nA write 0x103000\nA read 0x109000',
      ),
    ).toBe(
      `
fault A r 0x109000 KERN_SUCCESS major
    stages    faultStart, lookup, search vnode:F, pagein page 9 of vnode:F, pageinDone, found, finish, account
    F4        0x109000 lies in 0x100000-0x130000 rw-, which shows page 9 of vnode:F (size 49, ref 1); allowed is rw-.
    F24       Page 9 of vnode:F is not resident; with 4087 frames free or cached one is taken for it.
    F28       Within the entry, 7 pages behind and 8 ahead could be read along.
    F29       The reading is sequential (index 9 is less than 16 above 9, where the last read ended): pages behind in vnode:F are let go, and more is read ahead.
    F32       Behind, nobody maps any more: pages 0-8.
    F34       Clean, so cached (or freed, where no pager could bring it back): pages 0-2, pages 4-8.
    F33       Dirty, so to the inactive queue: page 3.
    F1        The map is unlocked.
    F35       The pager was given pages 9-24 of vnode:F and has filled page 9 of vnode:F.
    F51       The map was unlocked for the read and is locked again.
    F57       The translation may write (rw-): vnode:F counts as one that may be dirty.
    F59       The entry is not NOSYNC: neither is the page from now on.
    F62       Mapped as rw-. Neighbours that are in memory may be mapped along.
    F76       Not in memory, which ends the prefault: 0x108000.
    F65       The page goes to the active queue, unless it is wired.
    F1        The map is unlocked.
    F3        The file F is unlocked.
    F66       A pager was used: a major fault.
    pages     pages 0-2 of vnode:F: cached
              page 3 of vnode:F: inactive
              pages 4-8 of vnode:F: cached
              page 9 of vnode:F: read in, active
              pages 10-24 of vnode:F: read in, inactive
    mappings  0x100000-0x101000 rw- removed
              0x101000-0x103000 r-- removed
              0x103000-0x104000 rw- removed
              0x104000-0x105000 r-- removed
              0x105000-0x106000 rw- removed
              0x106000-0x109000 r-- removed
              0x109000-0x10a000 rw- added
    counters  v_vm_faults +1, v_vnodein +1, v_vnodepgsin +16
    time      478.47 us, of that the disk 474.90 us (pages read 16)
`.trim(),
    );
  });

  it('of a fault where nothing is mapped', () => {
    expect(last('proc A\nA read 0x90000')).toBe(
      `
fault A r 0x90000 KERN_INVALID_ADDRESS
    stages    faultStart, lookup, growing, stackGrown, lookup
    F5        The look-up of 0x90000 for reading fails.
    F6        Nothing is mapped at 0x90000; perhaps a stack has to grow.
    F8        A stack has grown, or 0x90000 has to do with none: it is looked up once more.
    F5        The look-up of 0x90000 for reading fails.
    F9        The fault ends with the answer of the look-up, KERN_INVALID_ADDRESS.
    counters  v_vm_faults +1
    time      575 ns
`.trim(),
    );
  });
});

describe('what has changed', () => {
  it('tells a page that moved up from one that was copied', () => {
    const script = `
      proc A
      A map 0x10000 2 anon private rw-
      A write 0x10000 2
      fork A B
      A write 0x10000
      B write 0x10000 2
      fork B C
      exit C
      A write 0x11000`;
    expect(labelled(script, 'pages')).toEqual([
      'page 1 of default object #2: moved from page 1 of default object #1, active',
    ]);
    expect(labelled(script, 'mappings')).toEqual(['0x11000-0x12000 r-- now rw-']);
    expect(labelled(script, 'counters')).toEqual(['v_vm_faults +1, v_cow_faults +1, v_cow_optim +1']);
  });

  it('tells of waits for memory, of the page daemon, and of the time on the disk', () => {
    const script = `
      memory 64
      swap 256
      proc A
      A map 0x10000 30 anon private rw-
      A write 0x10000 24`;
    const stages = explain(script).filter((line) => line.includes('waitForPage'));
    expect(stages.length).toBeGreaterThan(0);
    const text = explain(script).join('\n');
    expect(text).toMatch(/pages {5}pages 0-\d+ of swap object #1: /);
    expect(text).toMatch(/v_pdwakeups \+1/);
    expect(text).toMatch(/time {6}\d+\.\d\d ms, of that the disk \d+\.\d\d ms \(seeks \d+, pages written \d+\)/);
  });

  it('tells of a swapped page that comes back, and of a cached one', () => {
    const script = `
      memory 128
      swap 64
      proc A
      A map 0x10000 8 anon private rw-
      A write 0x10000 8
      pageout 128
      A read 0x13000`;
    expect(labelled(script, 'pages')).toEqual(['page 3 of swap object #1: taken back from the cache, active']);
    expect(labelled(script, 'F25')).toEqual(['It was cached for this very place and comes back with its contents.']);
  });

  it('counts the translations of other processes', () => {
    const script = `
      file F 200000
      proc A
      proc B
      A map 0x100000 48 file F 0 shared r--
      A read 0x100000 9
      B map 0x100000 48 file F 0 shared r--
      A read 0x109000`;
    expect(labelled(script, 'mappings')).toContainEqual('of other processes: 9 removed');
  });

  it('never shows a frame: what the allocator hands out is nobody’s business', () => {
    const body = 'proc A\nA map 0x10000 8 anon private rw-\nA write 0x10000 3\nfork A B\nB write 0x10000 3';
    const moved = explain(`proc Z\nZ map 0x900000 8 anon private rw-\nZ write 0x900000 5\nexit Z\n${body}`);
    expect(moved.slice(-40)).toEqual(explain(body).slice(-40));
  });
});

describe('a fault that does not come back', () => {
  it('is explained up to there', () => {
    const system = bootFreebsd();
    const explainer = explainFreebsd(system);
    const process = system.spawn('A');
    system.map(process, {
      address: 0x10000,
      length: 4096,
      protection: 3,
      sharing: 'private',
      backing: { kind: 'anon' },
      fixed: true,
    });
    system.vm.allocationFails = (kind) => kind === 'frame';
    explainer.beforeFault(process, 16, 1);
    expect(() => system.fault(process, 16, 1)).toThrow('valid bits');
    const lines = explainer.abandonedFault();
    expect(lines[0]).toMatch(/stages {4}faultStart, lookup, search default object #1/);
    expect(lines.some((line) => line.includes('F24'))).toBe(true);
  });
});

describe('the coverage of a test run', () => {
  const before = coverage.current;
  afterEach(() => {
    coverage.current = before;
  });

  it('hears the branches behind the explanation too', () => {
    const heard = new BranchCoverage();
    coverage.current = heard;
    explain('proc A\nA map 0x10000 1 anon private rw-\nA write 0x10000');
    expect(heard.toJSON().freebsd).toContain('F43');
  });
});
