/** Defects of the kernel, as seeded and mended (CAVEATS.md). Those that need a second thread are looked for at every place where it can come in. */
import { describe, expect, it } from 'vitest';
import type { Task, Thread } from '../kernel/thread.js';
import { MemoryStore } from '../machine/memory-store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { dragonflyExtension } from '../scenario/dragonfly-commands.js';
import { parseScenario } from '../scenario/parse.js';
import { runScenario } from '../scenario/run.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { MapRequest, VmFile } from '../vm/system.js';
import { mapWith, setMap } from './commands.js';
import { faultPage } from './fault-page.js';
import { VM_FAULT_BURST, VM_FAULT_NORMAL } from './fault-state.js';
import { VPTE_R, VPTE_V, VPTE_W } from './fault-vpagetable.js';
import { faultTask } from './fault-wire.js';
import type { DragonflyProcess } from './process.js';
import { bootDragonfly, type DragonflySystem } from './system.js';

type Defects = 'as-seeded' | 'mended';

const ADDRESS = 0x100000;
const VPN = ADDRESS / PAGE_SIZE;
const PAGES = 4;
/** More steps than any of these faults takes. */
const STEPS_MAX = 80;

// ---- one thread: scripts ---------------------------------------------------------------------------------------------

function run(
  script: string,
  defects: Defects,
): { readonly lines: readonly string[]; readonly system: DragonflySystem } {
  const parsed = parseScenario(`${script.trim()}\n`, 'dragonfly');
  if (!parsed.ok) throw new Error(parsed.errors.map((error) => error.message).join('\n'));
  const lines: string[] = [];
  const boot: { system: DragonflySystem | null } = { system: null };
  runScenario(parsed.script, {
    boot: (own) => {
      boot.system = bootDragonfly({ ...own, defects });
      return boot.system;
    },
    write: (line) => lines.push(line),
    extension: dragonflyExtension,
  });
  return { lines, system: boot.system as unknown as DragonflySystem };
}

describe('O8: a wired fork enters', () => {
  const script =
    'proc A\nA map 0x10000 1 anon private rw-\nA write 0x10000\nA wire 0x10000 1\nA protect 0x10000 1 r--\nfork A B\nB pmap';

  it('the maximum protection as seeded', () => {
    expect(run(script, 'as-seeded').lines.at(-1)).toBe('  0x10000-0x11000 rwx');
  });

  it('what the entry allows, mended', () => {
    expect(run(script, 'mended').lines.at(-1)).toBe('  0x10000-0x11000 r--');
  });
});

describe('O15: msync of a part of a file writes', () => {
  const script = 'file F 65536\nproc A\nA map 0x10000 16 file F 0 shared rw-\nA write 0x10000 16\nA sync 0x10000 8';

  it('nothing as seeded', () => {
    expect(run(script, 'as-seeded').system.statistics().v_vnodepgsout).toBe(0);
  });

  it('that part, mended', () => {
    expect(run(script, 'mended').system.statistics().v_vnodepgsout).toBe(8);
  });
});

describe('O16: a page that proves dirty when its block is released under severe shortage', () => {
  // The file page at 0x214000 is written, and memory is then so short that its block is read again in passing.
  const script = `memory 198
swap 4096
file F 245860
proc A
A map 0x1e8000 8 anon private rw-
A map 0x1fc000 36 anon private rwx
A write 0x206000 8
A map 0x214000 2 file F 49 shared rwx
A write 0x20e000 14
A map 0x1f1000 1 file F 0 private rwx
A read 0x1e8000 8
A read 0x1f1000
A read 0x1fc000 36`;

  it('stays busy as seeded, and who wants it waits for ever', () => {
    expect(run(script, 'as-seeded').lines.at(-1)).toBe('hang pgtblk');
  });

  it('is let go, mended', () => {
    const { lines, system } = run(script, 'mended');
    expect(lines.filter((line) => line.startsWith('hang'))).toEqual([]);
    system.check();
  });
});

describe('O32: who shares a private range and has read a page', () => {
  const script = `file F 16384
proc A
A map 0x10000 4 file F 0 private rw-
A inherit 0x10000 4 share
fork A B
A read 0x10000
B write 0x10000 = 0x77
A byte 0x10000`;

  it('goes on seeing it after a store of another, as seeded', () => {
    expect(run(script, 'as-seeded').lines.at(-1)).toBe('byte A 0x10000 = 0x01');
  });

  it('sees the store, mended', () => {
    expect(run(script, 'mended').lines.at(-1)).toBe('byte A 0x10000 = 0x77');
  });
});

describe('O34: an mlock that fails behind a wired page', () => {
  const script = `file F 0
proc A
A map 0x10000 2 anon private rw-
A map 0x12000 1 file F 0 private rw-
A wire 0x10000 1
A wire 0x10000 3
queues`;

  it('takes the earlier wiring back as seeded', () => {
    expect(run(script, 'as-seeded').lines.at(-1)).toMatch(/wired=0$/);
  });

  it('leaves it, mended', () => {
    expect(run(script, 'mended').lines.at(-1)).toMatch(/wired=1$/);
  });
});

// ---- two threads: every place where the second can come in -----------------------------------------------------------

interface Rig {
  readonly system: DragonflySystem;
  readonly process: DragonflyProcess;
  /** The fault, on a thread of its own. */
  body(thread: Thread): Task<unknown>;
}

function rigged(defects: Defects, contents?: Uint8Array): Omit<Rig, 'body'> & { readonly file: VmFile } {
  const system = bootDragonfly({ memoryPages: 512, defects });
  const file = system.createFile('F', new MemoryStore(contents ?? new Uint8Array(PAGES * PAGE_SIZE)));
  return { system, file, process: system.spawn('A') };
}

function mapping(file: VmFile): MapRequest {
  const backing = { kind: 'file', file, offset: 0 } as const;
  const protection = PROT_READ | PROT_WRITE;
  return { address: ADDRESS, length: PAGES * PAGE_SIZE, protection, sharing: 'shared', backing, fixed: true };
}

/** Pages that still have a translation although an munmap came after so many steps of the fault. */
function staleAfter(make: () => Rig, steps: number, unmapped: readonly [number, number]): number[] {
  const { system, process, body } = make();
  const { kernel } = system.vm;
  const thread = kernel.startThread('faulter', body);
  for (let i = 0; i < steps; i++) kernel.step(thread);
  const [first, count] = unmapped;
  expect(system.unmap(process, (VPN + first) * PAGE_SIZE, count * PAGE_SIZE)).toBe(0);
  kernel.runDaemons();
  expect(thread.state).toBe('done');
  const { vm } = system;
  const pages = Array.from({ length: count }, (_, i) => first + i);
  return pages.filter((page) => vm.pmap.extract(process.map.pmap, VPN + page) >= 0);
}

/** The same for an munmap at every place: all pages that were ever left. */
function everStale(make: () => Rig, unmapped: readonly [number, number]): number[] {
  const found = new Set<number>();
  for (let steps = 0; steps < STEPS_MAX; steps++) for (const page of staleAfter(make, steps, unmapped)) found.add(page);
  return [...found].sort((a, b) => a - b);
}

const BOTH: readonly { readonly defects: Defects; readonly leaves: string }[] = [
  { defects: 'as-seeded', leaves: 'leaves translations without an entry' },
  { defects: 'mended', leaves: 'leaves none' },
];

describe('O5: an munmap during a fault that has read its page', () => {
  const make = (defects: Defects) => (): Rig => {
    const { system, process, file } = rigged(defects);
    system.map(process, mapping(file));
    const { vm } = system;
    const body = (thread: Thread): Task<unknown> =>
      faultTask(vm, thread, process, process.map, VPN, PROT_READ, VM_FAULT_BURST);
    return { system, process, body };
  };

  it.each(BOTH)('$defects: of its neighbours, $leaves', ({ defects }) => {
    expect(everStale(make(defects), [1, 3])).toEqual(defects === 'mended' ? [] : [1, 2, 3]);
  });

  it.each(BOTH)('$defects: of the page itself, $leaves', ({ defects }) => {
    expect(everStale(make(defects), [0, 4])).toEqual(defects === 'mended' ? [] : [0, 1, 2, 3]);
  });
});

describe('O6: an munmap during the walk of a virtual page table', () => {
  /** A file whose pages 0 to 3 are the tables of four levels; the last maps page i to frame 4 + i. */
  function tables(): Uint8Array {
    const bytes = new Uint8Array(16 * PAGE_SIZE);
    const view = new DataView(bytes.buffer);
    const all = VPTE_V | VPTE_R | VPTE_W;
    for (let level = 0; level < 3; level++) view.setUint32(level * PAGE_SIZE, (level + 1) * PAGE_SIZE + all, true);
    for (let i = 0; i < PAGES; i++) view.setUint32(3 * PAGE_SIZE + i * 8, (4 + i) * PAGE_SIZE + all, true);
    return bytes;
  }

  const make = (defects: Defects) => (): Rig => {
    const { system, process, file } = rigged(defects, tables());
    mapWith(system, process, mapping(file), { vpagetable: true });
    setMap(system, process, ADDRESS, PAGES * PAGE_SIZE, { high: 0, low: VPTE_V | VPTE_R | VPTE_W });
    const { vm } = system;
    const body = (thread: Thread): Task<unknown> =>
      faultTask(vm, thread, process, process.map, VPN, PROT_READ, VM_FAULT_BURST);
    return { system, process, body };
  };

  it.each(BOTH)('$defects: $leaves', ({ defects }) => {
    expect(everStale(make(defects), [0, 4])).toEqual(defects === 'mended' ? [] : [0]);
  });
});

describe('O7: an munmap while vm_fault_page has the map unlocked', () => {
  const make = (defects: Defects) => (): Rig => {
    const { system, process, file } = rigged(defects);
    system.map(process, mapping(file));
    // In memory already: the map stays locked until the page is found.
    system.fault(process, VPN + 1, 0);
    const { vm } = system;
    const body = (thread: Thread): Task<unknown> =>
      faultPage(vm, thread, process, process.map, VPN, PROT_READ, VM_FAULT_NORMAL);
    return { system, process, body };
  };

  it.each(BOTH)('$defects: $leaves', ({ defects }) => {
    expect(everStale(make(defects), [0, 1])).toEqual(defects === 'mended' ? [] : [0]);
  });
});
