/**
 * Numbers of NetBSD's errno that this room answers with, and two that never leave the kernel: ERESTART ("take the fault again") and LOOP,
 * which stands for a process that would wait for memory for ever.
 */
import type { Errno } from '../vm/errno.js';

export const ENOENT = 2;
export const EIO = 5;
export const E2BIG = 7;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EINVAL = 22;
export const EAGAIN = 35;
export const ENOSPC = 28;
/** Begin again; not an answer. */
export const ERESTART = -3;
/** Waited for memory eight times in vain. Printed as the scenario language prints it. */
export const LOOP = 1000;

const NAMES: Readonly<Record<number, string>> = {
  0: '0',
  [ENOENT]: 'ENOENT',
  [EIO]: 'EIO',
  [E2BIG]: 'E2BIG',
  [ENOMEM]: 'ENOMEM',
  [EACCES]: 'EACCES',
  [EFAULT]: 'EFAULT',
  [EBUSY]: 'EBUSY',
  [EINVAL]: 'EINVAL',
  [ENOSPC]: 'ENOSPC',
  [EAGAIN]: 'EAGAIN',
  [LOOP]: 'LOOP',
};

/** The kernel's spelling of a code. */
export function codeName(code: number): string {
  return NAMES[code] ?? `E${code}`;
}

/** A code as a system call answers it: 0, or the errno's name. Who would have waited for ever has no memory. */
export function callResult(code: number): number | Errno {
  return code === 0 ? 0 : (codeName(code === LOOP ? ENOMEM : code) as Errno);
}
