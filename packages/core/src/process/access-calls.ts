/**
 * Accesses as tasks: for ranges, and for machines whose stores answer later.
 *
 * An access of several bytes is either done whole or not at all: both pages of one that crosses a boundary are in memory before the first byte moves.
 */
import type { Task } from '../kernel/thread.js';
import type { Access } from '../machine/units.js';
import { ACCESS_READ, ACCESS_WRITE, PAGE_SIZE } from '../machine/units.js';
import type { CallResult } from '../vm/errno.js';
import type { SignalValue } from './api.js';
import { checkAccess, checkAddress, checkBytes, checkRange } from './arguments.js';
import type { Lwp } from './core.js';
import { leftInPage, resolve, resolvePair } from './resolve.js';
import { signalValue } from './signals.js';

/** Copies process memory out to `into`. */
export function sysCopyin(lwp: Lwp, address: number, into: Uint8Array): Task<CallResult> {
  checkAddress(address);
  checkBytes('into', into);
  return copyTask(lwp, address, into, false);
}

/** Copies `from` into process memory. */
export function sysCopyout(lwp: Lwp, from: Uint8Array, address: number): Task<CallResult> {
  checkBytes('from', from);
  checkAddress(address);
  return copyTask(lwp, address, from, true);
}

function* copyTask(
  { process: { core }, vm }: Lwp,
  address: number,
  other: Uint8Array,
  store: boolean,
): Task<CallResult> {
  for (let done = 0; done < other.length; ) {
    const at = address + done;
    const frame = yield* resolve(core, vm, Math.floor(at / PAGE_SIZE), store ? ACCESS_WRITE : ACCESS_READ);
    if (typeof frame !== 'number') return 'EFAULT';
    const count = Math.min(other.length - done, leftInPage(at));
    const place = frame * PAGE_SIZE + (at % PAGE_SIZE);
    if (store) core.bytes.set(other.subarray(done, done + count), place);
    else other.set(core.bytes.subarray(place, place + count), done);
    done += count;
  }
  return other.length;
}

/** Faults a range in. */
export function sysTouch(lwp: Lwp, address: number, length: number, access: Access): Task<SignalValue | null> {
  checkRange(address, length);
  checkAccess(access);
  return touchTask(lwp, address, length, access);
}

function* touchTask(
  { process: { core }, vm }: Lwp,
  address: number,
  length: number,
  access: Access,
): Task<SignalValue | null> {
  const end = address + length;
  for (let at = address; at < end; at = (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE) {
    const frame = yield* resolve(core, vm, Math.floor(at / PAGE_SIZE), access);
    if (typeof frame !== 'number') return signalValue(frame, at, access);
  }
  return null;
}

/** Where the bytes of an access lie in the buffer: one place, or two when it crosses a page. */
export interface Places {
  readonly first: number;
  /** Bytes at `first`. */
  readonly count: number;
  /** Where the others are; -1 where there are none. */
  readonly second: number;
}

/** Brings `bytes` bytes (8 at most) into memory together. */
export function* placesTask(
  { process: { core }, vm }: Lwp,
  address: number,
  bytes: number,
  access: Access,
): Task<Places | SignalValue> {
  const count = Math.min(bytes, leftInPage(address));
  if (count === bytes) {
    const frame = yield* resolve(core, vm, Math.floor(address / PAGE_SIZE), access);
    if (typeof frame !== 'number') return signalValue(frame, address, access);
    return { first: frame * PAGE_SIZE + (address % PAGE_SIZE), count, second: -1 };
  }
  const next = address + count;
  const pair = yield* resolvePair(core, { vm, address, access }, { vm, address: next, access });
  if ('trap' in pair) return signalValue(pair.trap, pair.which === 'first' ? address : next, access);
  return { first: pair.first, count, second: pair.second };
}
