/**
 * What exec and the trap handler know of an address space: how it is emptied, and its stack.
 *
 * The whole region that a stack may ever fill is mapped by exec, memory of no object yet; what the limit forbids is protected to nothing. So
 * a stack grows by ordinary faults. The trap handler only keeps the mark of its deepest page, and calls a protection failure in the region
 * what it is for a program: an address that is not there.
 */
import type { Task } from '../kernel/thread.js';
import { PROT_NONE } from '../vm/prot.js';
import { reserves } from '../vm/reserve.js';
import { KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE, KERN_RESOURCE_SHORTAGE, KERN_SUCCESS } from './kern.js';
import { lockMap, unlockMap } from './map-entry.js';
import { insertLocked, protectRange, removeRange } from './map-range.js';
import type { CsrgProcess } from './process.js';
import type { Vm } from './vm.js';

/** A stack region, in pages. */
export interface StackRegion {
  /** First page above the stack. */
  readonly top: number;
  /** Pages that it may ever have (MAXSSIZ), and those that the limit allows now. */
  readonly maxPages: number;
  readonly limitPages: number;
}

/** exec: everything goes, then the stack region comes. Answers a KERN code. */
export function* execProcess(vm: Vm, p: CsrgProcess, stack: StackRegion): Task<number> {
  const { map, thread } = p;
  // The stack region, and its part that the limit forbids.
  if (!reserves(vm, () => ({ entries: 2, objects: 0 }))) return KERN_RESOURCE_SHORTAGE;
  yield* removeRange(vm, thread, map, map.minPage, map.maxPage);
  p.dataStart = -1;
  p.dataEnd = -1;
  const lowest = stack.top - stack.maxPages;
  yield* lockMap(map, thread);
  const result = insertLocked(vm, map, null, 0, lowest, stack.top);
  unlockMap(map, thread);
  if (result !== KERN_SUCCESS) return result;
  p.stackLowest = lowest;
  p.stackTop = stack.top;
  p.stackPages = 0;
  return yield* protectRange(vm, thread, map, lowest, stack.top - stack.limitPages, PROT_NONE);
}

/** The trap handler's last word on a fault. */
export function stackCode(p: CsrgProcess, vpn: number, code: number): number {
  if (p.stackLowest < 0 || vpn < p.stackLowest || vpn >= p.stackTop) return code;
  if (code === KERN_SUCCESS) p.stackPages = Math.max(p.stackPages, p.stackTop - vpn);
  return code === KERN_PROTECTION_FAILURE ? KERN_INVALID_ADDRESS : code;
}
