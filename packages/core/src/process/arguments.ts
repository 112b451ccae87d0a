/**
 * Arguments as they come from the user, checked before anything happens.
 *
 * What a program could hand to a kernel goes to the kernel, which has its own opinion. What none could (a string for an address, half a byte, a
 * number beyond 2^53, which a double cannot count with) is the caller's mistake: a TypeError or RangeError that names the argument.
 */
import { PAGE_SIZE } from '../machine/units.js';
import { checkWhole, shown } from '../vm/arguments.js';
import type { Limits } from './api.js';
import { isAccess } from './signals.js';

const MOST = Number.MAX_SAFE_INTEGER;
const FLAG_BITS = 0xffffffff;

/** Where a byte lies. */
export function checkAddress(address: unknown): void {
  checkWhole('address', address, MOST);
}

export function checkLength(length: unknown): void {
  checkWhole('length', length, MOST);
}

export function checkOffset(offset: unknown): void {
  checkWhole('offset', offset, MOST);
}

/** Address and length of a range. */
export function checkRange(address: unknown, length: unknown): void {
  checkAddress(address);
  checkLength(length);
}

/** Bits of a 32-bit word. Which of them mean something is the kernel's business. */
export function checkBits(name: string, value: unknown): void {
  checkWhole(name, value, FLAG_BITS);
}

/** What C would take for an int: any whole number. Which of them mean something is the kernel's business. */
export function checkInt(name: string, value: unknown): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${shown(value)}`);
  if (!Number.isInteger(value)) throw new RangeError(`${name} must be a whole number, not ${value}`);
}

/** A descriptor: -1 and the like are merely bad ones (EBADF). */
export function checkDescriptor(fd: unknown): void {
  checkInt('fd', fd);
}

export function checkPath(path: unknown, name = 'path'): void {
  if (typeof path !== 'string') throw new TypeError(`${name} must be a string, not ${shown(path)}`);
  if (path === '') throw new RangeError(`${name} must not be empty`);
}

export function checkBytes(name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array, not ${shown(value)}`);
}

export function checkAccess(access: unknown): void {
  if (!isAccess(access)) {
    throw new RangeError(`access must be ACCESS_READ, ACCESS_WRITE or ACCESS_EXECUTE, not ${shown(access)}`);
  }
}

/** What a word of 64 bits may be stored from, with or without a sign. */
const LEAST_WORD = -(2n ** 63n);
const MOST_WORD = 2n ** 64n - 1n;

/** A value to store: a whole number that fits the width with or without a sign. */
export function checkValue(name: string, value: unknown, bits: 8 | 16 | 32): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${shown(value)}`);
  if (!Number.isInteger(value) || value < -(2 ** (bits - 1)) || value >= 2 ** bits) {
    throw new RangeError(`${name} must be a whole number of ${bits} bits, not ${value}`);
  }
}

export function checkBigValue(name: string, value: unknown): void {
  if (typeof value !== 'bigint') throw new TypeError(`${name} must be a bigint, not ${shown(value)}`);
  if (value < LEAST_WORD || value > MOST_WORD) throw new RangeError(`${name} must have at most 64 bits, not ${value}`);
}

/** The place of an atomic operation. */
export function checkAligned(address: number, bytes: number): void {
  checkAddress(address);
  if (address % bytes !== 0) {
    throw new RangeError(`address must be a multiple of ${bytes} for an atomic operation, not ${address}`);
  }
}

/** A size in bytes that is whole pages, between `least` and `most` bytes. */
export function checkPages(name: string, bytes: unknown, least: number, most = MOST): void {
  checkWhole(name, bytes, most);
  if ((bytes as number) % PAGE_SIZE !== 0 || (bytes as number) < least) {
    throw new RangeError(`${name} must be a multiple of ${PAGE_SIZE} bytes and at least ${least}, not ${bytes}`);
  }
}

const LIMIT_NAMES: readonly (keyof Limits)[] = ['addressSpace', 'data', 'stack', 'lockedMemory', 'mapEntries'];

export function checkLimits(limits: unknown): void {
  if (typeof limits !== 'object' || limits === null)
    throw new TypeError(`limits must be an object, not ${shown(limits)}`);
  for (const [name, value] of Object.entries(limits)) {
    if (!LIMIT_NAMES.includes(name as keyof Limits)) {
      throw new RangeError(`limits must be some of ${LIMIT_NAMES.join(', ')}, not '${name}'`);
    }
    if (value === Number.POSITIVE_INFINITY || value === undefined) continue;
    checkWhole(`limits.${name}`, value);
  }
}

/** Limits with some of them changed; one that is given as undefined is not given. */
export function changedLimits(from: Limits, changes: Partial<Limits>): Limits {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...from, ...Object.fromEntries(given) };
}
