/** Faults that meet other threads: busy pages, maps that change during a read, objects that die; and the protocol of the tokens. */

import { describe, expect, it } from 'vitest';
import { FaultInjectingStore, Gate } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { MapRequest, VmFile } from '../vm/system.js';
import type { BranchId } from './branches.js';
import { VM_FAULT_BURST } from './fault-state.js';
import { faultTask } from './fault-wire.js';
import { OBJ_DEAD, type VmObject } from './object.js';
import { pageLookup, pageRemove } from './page.js';
import type { DragonflyProcess } from './process.js';
import { bootDragonfly, type DragonflySystem } from './system.js';
import { noting } from './testing-branches.js';

const ADDRESS = 0x100000;
const VPN = ADDRESS / PAGE_SIZE;

function fileMap(file: VmFile, sharing: 'shared' | 'private' = 'shared'): MapRequest {
  const backing = { kind: 'file', file, offset: 0 } as const;
  return { address: ADDRESS, length: 4 * PAGE_SIZE, protection: PROT_READ | PROT_WRITE, sharing, backing, fixed: true };
}

function anonMap(): MapRequest {
  const backing = { kind: 'anon' } as const;
  const protection = PROT_READ | PROT_WRITE;
  return { address: ADDRESS, length: 4 * PAGE_SIZE, protection, sharing: 'private', backing, fixed: true };
}

/** A system whose file answers its first read only when the gate opens. */
function slowFile(): { system: DragonflySystem; file: VmFile; gate: Gate; taken: Set<BranchId> } {
  const system = bootDragonfly({ memoryPages: 512 });
  const gate = new Gate();
  const store = new MemoryStore();
  store.truncate(4 * PAGE_SIZE);
  const file = system.createFile('F', new FaultInjectingStore(store, [{ on: 'read', hold: gate }]));
  const taken = new Set<BranchId>();
  system.vm.listener = noting(taken, system.vm.listener);
  return { system, file, gate, taken };
}

/** A thread that takes one fault in a process's map. */
function faulter(system: DragonflySystem, process: DragonflyProcess, result: number[], owner = process): void {
  const { vm } = system;
  vm.kernel.startThread('faulter', function* (thread) {
    result.push(yield* faultTask(vm, thread, owner, process.map, VPN, PROT_READ, VM_FAULT_BURST));
  });
}

async function settle(system: DragonflySystem, gate: Gate): Promise<void> {
  gate.open();
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    system.vm.kernel.runDaemons();
  }
}

describe('two threads on one page', () => {
  it('read it once; the second sleeps until the first has it', async () => {
    const { system, file, gate, taken } = slowFile();
    const a = system.spawn('A');
    const b = system.spawn('B');
    system.map(a, fileMap(file));
    system.map(b, fileMap(file));
    const results: number[] = [];
    faulter(system, a, results);
    faulter(system, b, results);
    system.vm.kernel.runDaemons();
    expect(results).toEqual([]);
    expect(system.statistics().v_vnodein).toBe(1);
    await settle(system, gate);
    expect(results).toEqual([0, 0]);
    expect(taken.has('F62')).toBe(true);
    expect(system.counters().v_intrans).toBeGreaterThan(0);
    system.check();
  });
});

describe('a map that changes while a page is read', () => {
  it('makes the fault begin again', async () => {
    const { system, file, gate, taken } = slowFile();
    const a = system.spawn('A');
    system.map(a, fileMap(file));
    const results: number[] = [];
    faulter(system, a, results);
    system.vm.kernel.runDaemons();
    expect(system.unmap(a, ADDRESS, 4 * PAGE_SIZE)).toBe(0);
    await settle(system, gate);
    expect(taken.has('F97')).toBe(true);
    expect(results).toEqual([1]);
    system.check();
  });
});

describe('a page that vanishes while it is read', () => {
  it('is looked for again', async () => {
    const { system, file, gate, taken } = slowFile();
    const a = system.spawn('A');
    system.map(a, fileMap(file));
    const results: number[] = [];
    faulter(system, a, results);
    system.vm.kernel.runDaemons();
    const object = a.map.lookup(VPN)?.object as VmObject;
    // Nothing in this machine does this; a file server that takes a page back would.
    pageRemove(system.vm, pageLookup(system.vm, object, 0));
    await settle(system, gate);
    expect(taken.has('F80')).toBe(true);
    expect(results).toEqual([0]);
  });
});

describe('the token', () => {
  it('is lost while its holder sleeps for a page, and free for others', async () => {
    const { system, file, gate } = slowFile();
    const a = system.spawn('A');
    system.map(a, fileMap(file));
    const results: number[] = [];
    faulter(system, a, results);
    system.vm.kernel.runDaemons();
    expect(system.vm.vmToken.owner).toBeNull();
    const b = system.spawn('B');
    system.map(b, anonMap());
    expect(system.fault(b, VPN, 1)).toBe(0);
    await settle(system, gate);
    expect(results).toEqual([0]);
    expect(system.vm.vmToken.owner).toBeNull();
    system.check();
  });
});

describe('an object that dies under a fault', () => {
  it('is refused', () => {
    const system = bootDragonfly({ memoryPages: 512 });
    const taken = new Set<BranchId>();
    system.vm.listener = noting(taken, system.vm.listener);
    const a = system.spawn('A');
    system.map(a, anonMap());
    system.fault(a, VPN, 1);
    const object = a.map.lookup(VPN)?.object as VmObject;
    object.flags |= OBJ_DEAD;
    expect(system.faultCodeName(system.fault(a, VPN + 3, 1))).toBe('KERN_PROTECTION_FAILURE');
    expect(taken.has('F61')).toBe(true);
    object.flags &= ~OBJ_DEAD;
    system.check();
  });
});

describe("a fault in somebody else's space", () => {
  it('prefaults nothing', () => {
    const system = bootDragonfly({ memoryPages: 512 });
    const taken = new Set<BranchId>();
    system.vm.listener = noting(taken, system.vm.listener);
    const a = system.spawn('A');
    const b = system.spawn('B');
    system.map(a, anonMap());
    const results: number[] = [];
    faulter(system, a, results, b);
    system.vm.kernel.runDaemons();
    expect(results).toEqual([0]);
    expect(taken.has('F115')).toBe(true);
    system.check();
  });
});
