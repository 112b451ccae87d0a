/** Ranges of bytes, page by page. */
import { PAGE_SIZE } from '@faultline/core';

/** The parts of a range of bytes that lie in one page each: `offset` in the page, `at` in the range. */
export function* piecesOf(address: number, length: number) {
  for (let at = 0, size = 0; at < length; at += size) {
    const [vpn, offset] = [Math.floor((address + at) / PAGE_SIZE), (address + at) % PAGE_SIZE];
    size = Math.min(PAGE_SIZE - offset, length - at);
    yield { vpn, offset, at, length: size };
  }
}
