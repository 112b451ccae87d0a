import { describe, expect, it } from 'vitest';
import { dragonflyExtension } from '../scenario/dragonfly-commands.js';
import { parseScenario } from '../scenario/parse.js';
import { runScenario } from '../scenario/run.js';
import type { BranchId } from './branches.js';
import { bootDragonfly, type DragonflyOptions, type DragonflySystem } from './system.js';
import { noting } from './testing-branches.js';

interface Outcome {
  readonly lines: string[];
  readonly taken: Set<BranchId>;
  readonly system: DragonflySystem;
}

/** Runs a script, with the branches that it takes, and the invariants checked after every command. */
function run(script: string, options: DragonflyOptions = {}): Outcome {
  const parsed = parseScenario(`${script.trim()}\n`, 'dragonfly');
  if (!parsed.ok) throw new Error(parsed.errors.map((error) => error.message).join('\n'));
  const lines: string[] = [];
  const taken = new Set<BranchId>();
  const boot: { system: DragonflySystem | null } = { system: null };
  const end = runScenario(parsed.script, {
    boot: (own) => {
      boot.system = bootDragonfly({ ...own, ...options });
      boot.system.vm.listener = noting(taken, boot.system.vm.listener);
      return boot.system;
    },
    write: (line) => lines.push(line),
    extension: dragonflyExtension,
    onCommand: () => boot.system?.check(),
  });
  const system = boot.system as unknown as DragonflySystem;
  if (end === 'end') system.check();
  return { lines, taken, system };
}

function expectTaken(outcome: Outcome, ...ids: BranchId[]): void {
  expect(ids.filter((id) => !outcome.taken.has(id))).toEqual([]);
}

describe('a sequential reader', () => {
  const file = 'file F 524288\nproc A\nA map 0x100000 128 file F 0 shared rw-\nA advise 0x100000 128 sequential\n';

  it('near the beginning leaves nothing behind', () => {
    expectTaken(run(`${file}A read 0x100000`), 'F73', 'F74');
  });

  it('caches clean pages behind it and deactivates dirty ones, passing wired ones over', () => {
    const body = 'A read 0x100000 60\nA write 0x11e000\nA wire 0x11f000 1\nreclaim\ntick 1\n';
    const drop = 'pageout 0\nA advise 0x100000 128 sequential\ntruncate F 196608\ntruncate F 524288\n';
    expectTaken(run(`${file}${body}${drop}A read 0x130000 4`), 'F73', 'F75', 'F77', 'F79');
    const dirty = 'A read 0x100000\nA write 0x120000\ntruncate F 196608\ntruncate F 524288\nA read 0x130000';
    expectTaken(run(`${file}${dirty}`), 'F75', 'F78');
  });

  it('stops at a page that is missing', () => {
    const gap = 'A advise 0x100000 128 random\nA read 0x124000\nA advise 0x100000 128 sequential\nA read 0x134000';
    expectTaken(run(`${file}${gap}`), 'F76');
  });
});

describe('copy on write', () => {
  it('moves the page up where the objects could not be joined before', () => {
    const script = `collapse off
proc A
A map 0x10000 4 anon private rw-
A write 0x10000 = 7
fork A B
B write 0x11000 = 8
exit A
B write 0x10000 = 9
B byte 0x10000
counters`;
    const outcome = run(script);
    expectTaken(outcome, 'F93');
    expect(outcome.lines).toContain('byte B 0x10000 = 0x09');
    expect(outcome.lines).toContain('  v_cow_optim 1');
  });
});

describe('stacks and wiring', () => {
  it('panics in the guard page of a kernel stack, and wiring leaves it out', () => {
    const outcome = run(
      'proc A\nA map 0x100000 4 kstack\nA kwire 0x100000 4\nqueues\nA kunwire 0x100000 4\nA read 0x100000',
    );
    expectTaken(outcome, 'F17', 'F100', 'F102');
    expect(outcome.lines[0]).toContain('wired=3');
    expect(outcome.lines.at(-1)).toBe('panic vm_fault: fault on stack guard, addr: 0x100000');
  });

  it('grows a stack', () => {
    const outcome = run('proc A\nA map 0x100000 256 stack\nA write 0x1d0000\nA entries');
    expect(outcome.lines[0]).toBe('fault A w 0x1d0000 KERN_SUCCESS minor');
    expect(outcome.lines.slice(2)).toHaveLength(2);
  });

  const wiredBelow = `proc A
A map 0x10000 2 anon private rw-
A write 0x10000 2
fork A B
A write 0x11000
A protect 0x10000 2 r--
A wire 0x10000 1
fork A C
C byte 0x10000`;

  it('panics where a wired page is not at the top, as seeded', () => {
    const outcome = run(wiredBelow);
    expectTaken(outcome, 'F109');
    expect(outcome.lines.at(-1)).toBe('panic vm_fault_copy_wired: page missing');
  });

  it('finds it, mended', () => {
    expect(run(wiredBelow, { defects: 'mended' }).lines.at(-1)).toBe('byte C 0x10000 = 0x5a');
  });
});

describe('a forced write', () => {
  const script = `proc A
A map 0x10000 1 anon private rw-
A kwire 0x10000 1
A protect 0x10000 1 r--
A faultpage 0x10000 o
A inval 0x10000 1
A read 0x10000`;

  it('refused on a wired entry leaves the page busy as seeded', () => {
    const outcome = run(script);
    expectTaken(outcome, 'F35', 'F38', 'F62');
    expect(outcome.lines.slice(-2)).toEqual(['faultpage A o 0x10000 KERN_PROTECTION_FAILURE', 'hang vmpfw']);
  });

  it('lets it go, mended', () => {
    const { lines } = run(script, { defects: 'mended' });
    expect(lines.at(-1)).toBe('fault A r 0x10000 KERN_SUCCESS minor');
  });
});

describe('the rate limit', () => {
  it('makes a process that allocates sleep under load, once in a fault', () => {
    const outcome = run('load 500\nproc A\nA map 0x10000 4 anon private rw-\nA write 0x10000\nticks');
    expectTaken(outcome, 'F69', 'F22');
    expect(outcome.lines.at(-1)).toBe('ticks 5');
  });

  it('can be switched off', () => {
    expectTaken(run('load off\nproc A\nA map 0x10000 4 anon private rw-\nA write 0x10000'), 'F105');
  });

  it('strikes in the walk of a virtual page table and in a fault on an object', () => {
    const table =
      'proc A\nA map 0x400000 16 vpagetable anon private rw-\nA setmap 0x400000 16 0xd\nload 500\nA read 0x400000';
    expectTaken(run(table), 'F20', 'F50');
    const object = 'proc A\nA map 0x10000 8 anon private rw-\nA read 0x10000\nload off\nload 500\nfork A B';
    expectTaken(run(`${object}\nB objpage 0x16000 r`), 'F69', 'F42');
  });
});

describe('virtual page tables', () => {
  it('relock the map after a pager, unchecked', () => {
    const script = `file M 262144
proc A
A map 0x400000 16 vpagetable file M 0 shared rw-
A setmap 0x400000 16 0xd
A read 0x400000`;
    expectTaken(run(script), 'F3');
  });

  it('fail where the table itself lies beyond the object', () => {
    const script = `file M 65536
proc A
A map 0x400000 16 vpagetable file M 0 shared rw-
A setmap 0x400000 16 0x7000000d
A read 0x400000`;
    const outcome = run(script);
    expectTaken(outcome, 'F54');
    expect(outcome.lines).toEqual(['fault A r 0x400000 KERN_PROTECTION_FAILURE']);
  });

  const below =
    'proc A\nA map 0x400000 16 vpagetable anon private rw-\nA setmap 0x400000 16 0x20000f\nA write 0x3ff000';

  it('are taken for a stack that may grow, as seeded', () => {
    expect(run(below).lines).toEqual(['fault A w 0x3ff000 KERN_SUCCESS minor']);
  });

  it('are not, mended', () => {
    expect(run(below, { defects: 'mended' }).lines).toEqual(['fault A w 0x3ff000 KERN_INVALID_ADDRESS']);
  });
});

describe('trouble', () => {
  it('of a file fails the fault', () => {
    const outcome = run('file F 65536\nbadblock F 0\nproc A\nA map 0x10000 4 file F 0 shared rw-\nA read 0x10000');
    expectTaken(outcome, 'F82', 'F83');
    expect(outcome.lines).toEqual(['fault A r 0x10000 KERN_FAILURE']);
  });

  it('of memory makes fork wait for the copies of a wired range', () => {
    const script = `memory 300
proc A
A map 0x10000 60 anon private rw-
A write 0x10000 60
A wire 0x10000 60
proc B
B map 0x400000 400 anon private rw-
B read 0x400000 130
fork A C
queues`;
    expectTaken(run(script), 'F108', 'F110');
  });

  it('of nobody: a NOSYNC mapping marks its clean pages', () => {
    expectTaken(run('proc A\nA map 0x10000 4 anon private nosync rw-\nA read 0x10000'), 'F112');
  });
});

describe('the disabled read-ahead of the handler', () => {
  const swapped = `memory 300
swap 64
proc A
A map 0x10000 32 anon private rw-
A write 0x10000 32 = 9
pageout 300
pageout 300
reclaim
A byte 0x1c000
A byte 0x15000
A backing 0x10000`;

  it('reads swap in one transfer', () => {
    const dead = run(swapped, { clusterRead: 'additional-pages' });
    expectTaken(dead, 'F111');
    // Page 12 comes with the neighbours whose blocks lie beside its own; page 5 has none left.
    expect(dead.lines.at(-1)).toContain('resident=5,11-14');
    expect(dead.lines).toContain('byte A 0x1c000 = 0x09');
    expect(dead.system.statistics()).toMatchObject({ v_swapin: 2, v_swappgsin: 5 });
  });

  it('leaves nothing behind of a transfer that fails', () => {
    const script =
      'file F 262144\nproc A\nA map 0x10000 64 file F 0 shared rw-\nbadblock F 30\nA read 0x30000\nA backing 0x10000';
    const { lines, system } = run(script, { clusterRead: 'additional-pages' });
    // The asked page is then read by the live path, its block and what lies ahead.
    expect(lines.at(-1)).toContain('resident=32-63');
    expect(lines[0]).toBe('fault A r 0x30000 KERN_SUCCESS major');
    system.check();
  });

  it('reads the neighbours too when asked for', () => {
    const script = 'file F 262144\nproc A\nA map 0x10000 64 file F 0 shared rw-\nA read 0x30000\nA backing 0x10000';
    const dead = run(script, { clusterRead: 'additional-pages' });
    expectTaken(dead, 'F111');
    expect(run(script).lines.at(-1)).toContain('resident=32-63');
    expect(dead.lines.at(-1)).toContain('resident=25-40');
    expect(dead.system.statistics()).toMatchObject({ v_vnodein: 1, v_vnodepgsin: 16 });
  });
});
