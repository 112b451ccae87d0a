/** What a kernel does not survive. */

/** The kernel called panic(): the text is the kernel's own. */
export class KernelPanic extends Error {
  override readonly name = 'KernelPanic';
}

/** A thread sleeps on `wmesg` and nobody is left who could wake it. */
export class KernelHang extends Error {
  override readonly name = 'KernelHang';
  constructor(
    /** The wait message of the sleeping thread, as ps(1) would show it. */
    readonly wmesg: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** Threads wait for each other's locks in a ring; the message says who holds what and who waits. */
export class DeadlockError extends Error {
  override readonly name = 'DeadlockError';
}

/** An invariant of the machine or of a kernel does not hold. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}
