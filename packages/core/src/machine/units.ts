/**
 * The units of the machine: pages of 4096 bytes over 47-bit user addresses.
 *
 * Inside the kernels an address is a page number (a `Vpn`, up to 2^35, so a double that is always a whole number)
 * and an offset. `&`, `|` and `>>>` see its low 32 bits, which is what page-table indexing wants; a page number is
 * compared and added as a double.
 */

/** log2 of the page size. */
export const PAGE_SHIFT = 12;
/** Bytes in a page. */
export const PAGE_SIZE = 4096;
/** Bits of a page that say where in it a byte lies. */
export const PAGE_MASK = PAGE_SIZE - 1;

/** First user address, in bytes: page 0 is never mapped. */
export const USER_MIN_ADDRESS = 0x1000;
/** First address above user space, in bytes. */
export const USER_MAX_ADDRESS = 0x7ffffffff000;
/** The same two limits as page numbers. */
export const USER_MIN_PAGE = USER_MIN_ADDRESS / PAGE_SIZE;
export const USER_MAX_PAGE = USER_MAX_ADDRESS / PAGE_SIZE;

/** What an access wants. The values index the three parts of a translation buffer. */
export const ACCESS_READ = 0;
export const ACCESS_WRITE = 1;
export const ACCESS_EXECUTE = 2;
export type Access = typeof ACCESS_READ | typeof ACCESS_WRITE | typeof ACCESS_EXECUTE;

/** "No frame" wherever a frame number is expected. */
export const NO_FRAME = -1;

/** Page number of a byte address (truncates). */
export function pageOf(address: number): number {
  return Math.floor(address / PAGE_SIZE);
}

/** Pages needed to hold `bytes` bytes (rounds up). */
export function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE);
}
