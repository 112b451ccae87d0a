/** Invariants of the whole system. */
import type { CsrgProcess } from './process.js';
import type { Vm } from './vm.js';

export function checkInvariants(_vm: Vm, _processes: readonly CsrgProcess[]): void {}
