/**
 * uvm_fault_wire and uvm_fault_unwire: faults that nobody took, to make pages stay.
 *
 * Wiring faults page by page; when one fails, those before are unwired again. Unwiring goes by the translations: as seeded a page whose
 * translation is gone keeps its wire count (oddity 17). As seeded, undoing a failed wiring leaves the wired mark in the translations, because the entry
 * still counts as wired (oddity 4).
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { Prot } from '../vm/prot.js';
import { amapLookup } from './amap.js';
import type { BranchId } from './branches.js';
import { EFAULT, ENOMEM, LOOP } from './codes.js';
import { beginFault, endFault, faultTask } from './fault-pool.js';
import type { FaultUsage } from './fault-state.js';
import { branch, UVM_FAULT_WIRE, UVM_FAULT_WIREMAX } from './fault-state.js';
import type { MapEntry, VmMap } from './map.js';
import { lockMapRead } from './map.js';
import { pageLookup, pageUnwire } from './page.js';
import type { Vm } from './vm.js';

/** Marks a branch outside a fault. */
function mark(vm: Vm, thread: Thread | null, id: BranchId, vpn: number): void {
  if (vm.listener === null) return;
  const f = beginFault(vm, thread as Thread, null);
  f.vaddr = vpn;
  branch(f, id);
  endFault(f);
}

/** uvm_fault_wire. The map is read-locked by nobody, and busy for us. */
export function* wirePages(
  vm: Vm,
  thread: Thread,
  map: VmMap,
  start: number,
  end: number,
  access: Prot,
  wiremax: boolean,
  usage: FaultUsage | null,
): Task<number> {
  if (start > end) {
    mark(vm, thread, 'F136', start);
    return EFAULT;
  }
  const flag = wiremax ? UVM_FAULT_WIREMAX : UVM_FAULT_WIRE;
  for (let vpn = start; vpn < end; vpn++) {
    const error = yield* faultTask(vm, thread, map, vpn, access, flag, usage);
    if (error === 0) continue;
    const answer = error === LOOP ? ENOMEM : error;
    if (vpn !== start) {
      mark(vm, thread, 'F137', vpn);
      yield* lockMapRead(map, thread);
      unwirePages(vm, map, start, vpn, vm.mended);
      map.lock.releaseRead(thread);
    }
    return answer;
  }
  return 0;
}

/** Mended, the page is found by a look-up where its translation has gone. */
function unwireUntranslated(vm: Vm, entry: MapEntry, vpn: number): void {
  const { amap, object } = entry;
  let page = amap === null ? -1 : (amapLookup(entry, vpn)?.page ?? -1);
  if (page < 0 && object !== null) page = pageLookup(vm, object, entry.offset + vpn - entry.start);
  if (page >= 0) pageUnwire(vm, page);
}

/** uvm_fault_unwire_locked; the map is locked. `always`: the translations are told even though the entry counts as wired. */
export function unwirePages(vm: Vm, map: VmMap, start: number, end: number, always = false): void {
  let entry = map.lookup(start);
  if (entry === null) {
    mark(vm, null, 'F138', start);
    vm.panic('uvm_fault_unwire_locked: address not in map');
    return;
  }
  for (let vpn = start; vpn < end; vpn++) {
    while (vpn >= entry.end) {
      mark(vm, null, 'F140', vpn);
      entry = entry.next;
    }
    const page = vm.pmap.extract(map.pmap, vpn);
    if (page < 0) {
      mark(vm, null, 'F139', vpn);
      if (vm.mended) unwireUntranslated(vm, entry, vpn);
      continue;
    }
    if (entry.wiredCount === 0 || always) {
      mark(vm, null, 'F141', vpn);
      vm.pmap.unwire(map.pmap, vpn);
    }
    if (page < vm.pages.poolFrames) {
      mark(vm, null, 'F142', vpn);
      pageUnwire(vm, page);
    } else {
      mark(vm, null, 'F143', vpn);
    }
  }
}
