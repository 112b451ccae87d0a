/**
 * uvm_swap: the swap area, its slots, and the transfers to and from it.
 *
 * Slots are numbered from 1; 0 is "none". `inUse` counts slots that somebody has, `only` pages that are nowhere but on swap. A slot
 * that could not be read is bad: it stays in use for ever, and its owner remembers SWSLOT_BAD instead, so that the data is known to be lost.
 *
 * Swap is *full* when pages that are only there fill 99 of 100 usable slots; slots behind resident pages do not count, since they can be
 * had back. Without swap it is always full.
 */
import type { Task, Thread } from '../kernel/thread.js';
import { PAGE_SIZE } from '../machine/units.js';
import { EIO } from './codes.js';
import { ioResult } from './io.js';
import type { Vm } from './vm.js';

export const SWSLOT_BAD = -1;

export class SwapArea {
  /** 1 by slot when it is taken. */
  readonly taken: Uint8Array;
  inUse = 0;
  /** swpgonly. */
  only = 0;
  /** npgbad; and those of them that still count as "only on swap", because their page could not be read. */
  bad = 0;
  badOnly = 0;
  /** swapoff has begun: no slot is given out any more. */
  closing = false;
  /** No slot below is free. */
  private lowest = 1;

  /** @param slots usable slots */
  constructor(readonly slots: number) {
    this.taken = new Uint8Array(slots + 1);
  }

  /** uvm_swap_alloc without fallback: the first of `count` neighbouring slots, or 0. */
  alloc(count: number): number {
    if (this.closing || this.inUse + count > this.slots) return 0;
    while (this.taken[this.lowest] !== 0) this.lowest++;
    let run = 0;
    for (let slot = this.lowest; slot <= this.slots; slot++) {
      run = this.taken[slot] === 0 ? run + 1 : 0;
      if (run < count) continue;
      const first = slot - count + 1;
      this.taken.fill(1, first, slot + 1);
      this.inUse += count;
      return first;
    }
    return 0;
  }

  /** uvm_swap_free. */
  free(slot: number, count: number): void {
    if (slot <= 0) return;
    for (let at = slot; at < slot + count; at++) {
      if (this.taken[at] === 0) throw new Error(`swap slot ${at} is freed twice`);
      this.taken[at] = 0;
    }
    this.inUse -= count;
    this.lowest = Math.min(this.lowest, slot);
  }

  /** uvm_swap_markbad: slots whose data could not be read, or not be written. */
  markBad(count: number, readFailed: boolean): void {
    this.bad += count;
    if (readFailed) this.badOnly += count;
  }

  /** uvm_swapisfull. */
  isFull(): boolean {
    return this.closing || Math.floor((this.only * 100) / 99) >= this.slots;
  }
}

/** Reads that shall fail, on order. */
export interface OrderedErrors {
  count: number;
  error: number;
}

function framesOf(vm: Vm, pages: readonly number[]): Uint8Array[] | null {
  const { memory } = vm.machine;
  return memory.bytes === null ? null : pages.map((page) => memory.frameBytes(page) as Uint8Array);
}

/** uvm_swap_get: reads one page. Answers 0 or an errno. */
export function* swapGet(vm: Vm, thread: Thread, page: number, slot: number): Task<number> {
  vm.counters.nswget++;
  if (slot === SWSLOT_BAD) return EIO;
  vm.machine.disk.read(slot - 1, 1);
  if (vm.swapErrors.count > 0) {
    vm.swapErrors.count--;
    return vm.swapErrors.error;
  }
  const buffers = framesOf(vm, [page]);
  if (buffers !== null && vm.swapStore !== null) {
    const result = yield* ioResult(vm, thread, vm.swapStore.read((slot - 1) * PAGE_SIZE, buffers), PAGE_SIZE, 'swread');
    if (result < 0) return -result;
  }
  vm.swap.only--;
  return 0;
}

/** uvm_swap_put: writes a cluster of busy pages. Answers 0 or an errno. */
export function* swapPut(vm: Vm, thread: Thread, slot: number, pages: readonly number[]): Task<number> {
  vm.machine.disk.write(slot - 1, pages.length);
  const buffers = framesOf(vm, pages);
  if (buffers === null || vm.swapStore === null) return 0;
  const io = vm.swapStore.write((slot - 1) * PAGE_SIZE, buffers);
  const result = yield* ioResult(vm, thread, io, pages.length * PAGE_SIZE, 'swwrt');
  return result < 0 ? -result : 0;
}
