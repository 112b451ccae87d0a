/** What an access comes to that the kernel refuses. */
import { ACCESS_EXECUTE, ACCESS_WRITE, type Access } from '../machine/units.js';
import type { TrapSignal } from '../vm/port.js';
import type { SignalValue } from './api.js';

const ACCESS_WORDS = ['read', 'write', 'execute'] as const;

/** The signal of a trap, with where and how. */
export function signalValue(trap: TrapSignal, address: number, access: Access): SignalValue {
  return { signal: trap.signal, code: trap.code, address, access: ACCESS_WORDS[access] };
}

/** Raised by an access that the kernel refuses: the signal that the process would have been sent, as an error with its values. */
export class MemorySignal extends Error implements SignalValue {
  override readonly name = 'MemorySignal';
  readonly signal: SignalValue['signal'];
  readonly code: SignalValue['code'];
  readonly address: number;
  readonly access: SignalValue['access'];

  constructor(value: SignalValue) {
    super(`${value.signal} (${value.code}): ${value.access} at 0x${value.address.toString(16)}`);
    this.signal = value.signal;
    this.code = value.code;
    this.address = value.address;
    this.access = value.access;
  }
}

/** How often one access may be tried again by a handler. */
export const MOST_RETRIES = 100;

/** What the kernel sends to a process for which there is no memory. */
export const OUT_OF_MEMORY: TrapSignal = { signal: 'SIGKILL', code: 'NOMEM' };

/** True for the three kinds of access. */
export function isAccess(value: unknown): value is Access {
  return value === 0 || value === ACCESS_WRITE || value === ACCESS_EXECUTE;
}
