/**
 * For the tests of the fault handler: a bench that hears the branches, can act at one of them, and runs faults on any thread, also
 * such as have to wait for a store that answers later. Nothing in the product imports it.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { FaultInjectingStore, type FaultRule } from '../machine/fault-store.js';
import { MemoryStore } from '../machine/memory-store.js';
import { ACCESS_WRITE, type Access, PAGE_SIZE } from '../machine/units.js';
import { PROT_OF_ACCESS, type Prot, protName } from '../vm/prot.js';
import type { MapBacking, SystemOptions } from '../vm/system.js';
import type { BranchId } from './branches.js';
import { faultStart } from './fault.js';
import { beginFault, endFault } from './fault-pool.js';
import type { Fault } from './fault-state.js';
import { VM_FAULT_DIRTY, VM_FAULT_NORMAL } from './fault-state.js';
import { faultTask } from './fault-wire.js';
import { kernName } from './kern.js';
import type { MapEntry } from './map-entry.js';
import type { VmObject } from './object.js';
import { pageLookup } from './page.js';
import type { VnodeHandle } from './pager-vnode.js';
import type { FreebsdProcess } from './process.js';
import { Bench } from './testing.js';

export const FIRST = 16;

/** A store of `pages` pages, each filled with its number plus 1, that fails as planned. */
export function plannedStore(pages: number, plan: readonly FaultRule[] = []): FaultInjectingStore {
  const inner = new MemoryStore();
  for (let page = 0; page < pages; page++) inner.write(page * PAGE_SIZE, [new Uint8Array(PAGE_SIZE).fill(page + 1)]);
  return new FaultInjectingStore(inner, plan);
}

export class FaultBench extends Bench {
  /** Every branch taken since the last `listen`. */
  taken: BranchId[] = [];
  private readonly actions = new Map<BranchId, (f: Fault) => void>();

  constructor(options: SystemOptions = {}) {
    super(options);
    const { vm } = this;
    const outer = vm.listener;
    vm.listener = {
      branch: (id, f) => {
        outer?.branch(id, f);
        this.taken.push(id);
        const action = this.actions.get(id);
        this.actions.delete(id);
        action?.(f);
      },
    };
  }

  /** Does something the next time that a branch is taken. */
  at(id: BranchId, action: (f: Fault) => void): void {
    this.actions.set(id, action);
  }

  /** Forgets what was taken so far. */
  listen(): void {
    this.taken = [];
  }

  /** How often a branch was taken. */
  count(id: BranchId): number {
    return this.taken.filter((other) => other === id).length;
  }

  // ---- mappings

  /** A file of `pages` pages, mapped as one says. */
  mapFile(
    pages: number,
    how: { plan?: readonly FaultRule[]; sharing?: 'private' | 'shared'; protection?: Prot; at?: number } = {},
  ): { store: FaultInjectingStore; vnode: VnodeHandle; backing: MapBacking } {
    const store = plannedStore(pages, how.plan);
    const vnode = this.file(store) as VnodeHandle;
    const backing: MapBacking = { kind: 'file', file: vnode, offset: 0 };
    this.map(how.at ?? FIRST, pages, backing, how.sharing, how.protection);
    return { store, vnode, backing };
  }

  entry(vpn: number, process = this.a): MapEntry {
    return process.map.lookup(vpn) as MapEntry;
  }

  object(vpn: number, process = this.a): VmObject {
    return this.entry(vpn, process).object as VmObject;
  }

  /** The resident page at a place of an object, or -1. */
  page(object: VmObject, pindex: number): number {
    return pageLookup(this.vm, object, pindex);
  }

  /** What the process's translation of a page allows, `none` without one. */
  mapped(vpn: number, process = this.a): string {
    const word = this.vm.pmap.word(process.map.pmap, vpn);
    return word === 0 ? 'none' : protName(word);
  }

  // ---- threads and faults

  thread(name = 'other'): Thread {
    return this.vm.kernel.createThread(name);
  }

  /** Runs a task on a thread of its own, to its end. */
  run<T>(body: (thread: Thread) => Task<T>): T {
    const thread = this.thread();
    return this.vm.kernel.call(thread, body(thread));
  }

  /** One fault, told by the name of its code. */
  fault(vpn: number, access: Access = 0, process = this.a): string {
    return kernName(this.system.fault(process, vpn, access));
  }

  /** One fault with flags of one's own. */
  faultWith(vpn: number, type: Prot, flags: number, process = this.a): string {
    return kernName(this.run((thread) => faultTask(this.vm, thread, process.map, vpn, type, flags, process.usage)));
  }

  /** A fault that may have to wait for its store; runs until then, and on when awaited. */
  async faultLater(vpn: number, access: Access = 0, process = this.a): Promise<string> {
    const f = beginFault(this.vm);
    f.thread = this.thread(`fault on ${vpn}`);
    f.originalMap = process.map;
    f.vaddr = vpn;
    f.askedType = PROT_OF_ACCESS[access] as Prot;
    f.flags = access === ACCESS_WRITE ? VM_FAULT_DIRTY : VM_FAULT_NORMAL;
    await this.vm.kernel.runRecordAsync(f, faultStart);
    const text = `${kernName(f.result)}${f.result !== 0 ? '' : f.major ? ' major' : ' minor'}`;
    endFault(f);
    return text;
  }

  child(name = 'B', parent = this.a): FreebsdProcess {
    const child = this.system.fork(parent, name);
    if (typeof child === 'string') throw new Error(child);
    return child;
  }
}
