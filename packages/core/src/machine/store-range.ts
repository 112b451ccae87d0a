/**
 * What every store checks before it does anything, and the one calculation that they share.
 *
 * A wrong offset is the caller's mistake, not the disk's: it throws a RangeError that says which number was wrong,
 * whereas trouble of the disk is answered with a negative errno.
 */

/** Throws unless `bytes` is a place in a store: a whole number from 0 to 2^53 - 1. `what` names it in the message. */
export function checkBytes(what: string, bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new RangeError(`${what} must be a whole number of bytes from 0 to 2^53 - 1, not ${bytes}`);
  }
}

/** Length of `buffers` together, in bytes, having checked that the transfer at `offset` stays within a store's reach. */
export function checkTransfer(offset: number, buffers: readonly Uint8Array[]): number {
  checkBytes('offset', offset);
  let total = 0;
  for (const buffer of buffers) total += buffer.byteLength;
  checkBytes('end of the transfer', offset + total);
  return total;
}

/**
 * What is left of `buffers` once `done` bytes are dealt with; views of the same memory.
 * With `done` 0 the answer is `buffers` itself.
 */
export function skipBytes(buffers: readonly Uint8Array[], done: number): readonly Uint8Array[] {
  if (done === 0) return buffers;
  let first = 0;
  while (first < buffers.length && done >= (buffers[first] as Uint8Array).byteLength) {
    done -= (buffers[first] as Uint8Array).byteLength;
    first++;
  }
  const rest = buffers.slice(first);
  if (done > 0 && rest.length > 0) rest[0] = (rest[0] as Uint8Array).subarray(done);
  return rest;
}

/** The first `bytes` bytes of `buffers`; views of the same memory. */
export function firstBytes(buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  const first: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (bytes <= 0) break;
    first.push(bytes < buffer.byteLength ? buffer.subarray(0, bytes) : buffer);
    bytes -= buffer.byteLength;
  }
  return first;
}
