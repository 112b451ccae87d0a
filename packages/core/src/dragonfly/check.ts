/** Invariants of the whole system. */
import type { VmMap } from './map-entry.js';
import type { Vm } from './vm.js';

export interface NamedMap {
  readonly name: string;
  readonly map: VmMap;
}

export function checkInvariants(_vm: Vm, _maps: readonly NamedMap[]): void {}
