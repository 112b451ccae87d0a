/**
 * From an address to a frame: translate, fault, and again.
 *
 * A frame is good until the task yields: whoever needs two at once translates both again after the second came.
 */
import { KernelPanic } from '../kernel/errors.js';
import type { Task } from '../kernel/thread.js';
import type { Access } from '../machine/units.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { TrapSignal } from '../vm/port.js';
import type { VmProcess } from '../vm/system.js';
import type { MachineCore } from './core.js';
import { OUT_OF_MEMORY } from './signals.js';

/** Faults that one access may need. A page can be taken away again before it is used, but not for ever. */
export const MOST_FAULTS = 1000;

export function tooManyFaults(vpn: number): KernelPanic {
  return new KernelPanic(`page ${vpn.toString(16)} was faulted in ${MOST_FAULTS} times and never stayed`);
}

/** The frame behind a page for an access, or why there is none. */
export function* resolve(core: MachineCore, vm: VmProcess, vpn: number, access: Access): Task<number | TrapSignal> {
  const { system, port } = core;
  for (let tries = 0; tries < MOST_FAULTS; tries++) {
    const frame = system.translate(vm, vpn, access);
    if (frame >= 0) return frame;
    const code = yield* port.fault(vm, vpn, access);
    if (!vm.alive) return OUT_OF_MEMORY;
    if (code !== system.faultSuccess) return port.signalOf(code, access, vm, vpn);
  }
  throw tooManyFaults(vpn);
}

/** A byte of a process, of which so many follow in the same page. */
export interface Piece {
  readonly vm: VmProcess;
  readonly address: number;
  readonly access: Access;
}

/** Bytes from an address to the end of its page. */
export function leftInPage(address: number): number {
  return PAGE_SIZE - (address % PAGE_SIZE);
}

/** Where two pieces lie in the buffer, both in memory at the same time. */
export interface Pair {
  readonly first: number;
  readonly second: number;
}

/** What could not be had of a pair. */
export interface PairTrouble {
  readonly which: 'first' | 'second';
  readonly trap: TrapSignal;
}

/** Brings two pieces into memory together. */
export function* resolvePair(core: MachineCore, a: Piece, b: Piece): Task<Pair | PairTrouble> {
  const { system } = core;
  const pageA = Math.floor(a.address / PAGE_SIZE);
  const pageB = Math.floor(b.address / PAGE_SIZE);
  for (let tries = 0; tries < MOST_FAULTS; tries++) {
    const first = yield* resolve(core, a.vm, pageA, a.access);
    if (typeof first !== 'number') return { which: 'first', trap: first };
    const second = yield* resolve(core, b.vm, pageB, b.access);
    if (typeof second !== 'number') return { which: 'second', trap: second };
    // The second fault may have cost the first page.
    const again = system.translate(a.vm, pageA, a.access);
    if (again < 0) continue;
    return {
      first: again * PAGE_SIZE + (a.address % PAGE_SIZE),
      second: second * PAGE_SIZE + (b.address % PAGE_SIZE),
    };
  }
  throw tooManyFaults(pageA);
}
