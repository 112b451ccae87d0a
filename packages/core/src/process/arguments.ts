/**
 * Arguments as they come from the user, checked before anything happens.
 *
 * What a program could hand to a kernel goes to the kernel, which has its own opinion. What none could (a string for an address, half a byte, a
 * number beyond 2^53, which a double cannot count with) is the caller's mistake: a TypeError or RangeError that names the argument.
 */
import { PAGE_SIZE } from '../machine/units.js';
import { checkWhole } from '../vm/arguments.js';
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

/** A descriptor: any whole number, since -1 and the like are merely bad descriptors (EBADF). */
export function checkDescriptor(fd: unknown): void {
  if (typeof fd !== 'number') throw new TypeError(`fd must be a number, not ${String(fd)}`);
  if (!Number.isInteger(fd)) throw new RangeError(`fd must be a whole number, not ${fd}`);
}

export function checkPath(path: unknown): void {
  if (typeof path !== 'string') throw new TypeError(`path must be a string, not ${String(path)}`);
  if (path === '') throw new RangeError('path must not be empty');
}

export function checkBytes(name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array, not ${typeof value}`);
}

export function checkAccess(access: unknown): void {
  if (!isAccess(access)) {
    throw new RangeError(`access must be ACCESS_READ, ACCESS_WRITE or ACCESS_EXECUTE, not ${String(access)}`);
  }
}

/** A value to store: a whole number that fits the width with or without a sign. */
export function checkValue(value: unknown, bits: 8 | 16 | 32): void {
  if (typeof value !== 'number') throw new TypeError(`value must be a number, not ${typeof value}`);
  if (!Number.isInteger(value) || value < -(2 ** (bits - 1)) || value >= 2 ** bits) {
    throw new RangeError(`value must be a whole number of ${bits} bits, not ${value}`);
  }
}

export function checkBigValue(name: string, value: unknown): void {
  if (typeof value !== 'bigint') throw new TypeError(`${name} must be a bigint, not ${typeof value}`);
  if (value < -(2n ** 63n) || value >= 2n ** 64n)
    throw new RangeError(`${name} must have at most 64 bits, not ${value}`);
}

/** The place of an atomic operation. */
export function checkAligned(address: number, bytes: number): void {
  checkAddress(address);
  if (address % bytes !== 0) {
    throw new RangeError(`address must be a multiple of ${bytes} for an atomic operation, not ${address}`);
  }
}

/** A size in bytes that is whole pages. */
export function checkPages(name: string, bytes: unknown, least: number): void {
  checkWhole(name, bytes, MOST);
  if ((bytes as number) % PAGE_SIZE !== 0 || (bytes as number) < least) {
    throw new RangeError(`${name} must be a multiple of ${PAGE_SIZE} bytes and at least ${least}, not ${bytes}`);
  }
}

const LIMIT_NAMES: readonly (keyof Limits)[] = ['addressSpace', 'data', 'stack', 'lockedMemory'];

export function checkLimits(limits: unknown): void {
  if (typeof limits !== 'object' || limits === null)
    throw new TypeError(`limits must be an object, not ${String(limits)}`);
  for (const [name, value] of Object.entries(limits)) {
    if (!LIMIT_NAMES.includes(name as keyof Limits)) {
      throw new RangeError(`there is no limit '${name}'; there are: ${LIMIT_NAMES.join(', ')}`);
    }
    if (value === Number.POSITIVE_INFINITY || value === undefined) continue;
    checkWhole(`limits.${name}`, value);
  }
}
