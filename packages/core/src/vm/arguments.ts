/**
 * The arguments of the contract, checked where they come in.
 *
 * What a kernel would refuse by an errno (an unaligned address, a range beyond user space, protection bits that it does not know) is
 * left to the kernel. What no program could hand to a kernel at all is a mistake of the caller and is thrown, naming the argument: a
 * TypeError for a thing of the wrong kind, a RangeError for a number or word that cannot be. Nothing has happened to the
 * machine then.
 */
import type { BackingStore } from '../machine/store.js';
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, type Access } from '../machine/units.js';
import type { MapRequest, SystemOptions } from './system.js';

/** Page numbers have 35 bits: what lies above can be named, but nothing can be mapped there. */
export const PAGE_NUMBERS = 2 ** 35;
/** Swap areas go up to this many pages (256 GiB). */
export const MAX_SWAP_PAGES = 2 ** 26;

/** A value as a message shows it, whatever it is: not everything can be made a string. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

/** A whole number, 0 or more. Addresses beyond 2^53 are whole enough: they exist, and no kernel maps anything there. */
export function checkWhole(name: string, value: unknown, most = Number.MAX_VALUE): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${shown(value)}`);
  if (!Number.isInteger(value) || value < 0 || value > most) {
    const limit = most === Number.MAX_VALUE ? '' : ` and at most ${most}`;
    throw new RangeError(`${name} must be a whole number, 0 or more${limit}, not ${value}`);
  }
}

/** Address and length of a range, in bytes. */
export function checkRange(address: unknown, length: unknown): void {
  checkWhole('address', address);
  checkWhole('length', length);
}

export function checkName(value: unknown): void {
  if (typeof value !== 'string') throw new TypeError(`name must be a string, not ${shown(value)}`);
}

/** One of a few words. */
export function checkWord(name: string, value: unknown, words: readonly string[]): void {
  if (typeof value !== 'string') throw new TypeError(`${name} must be one of ${words.join(' ')}, not ${shown(value)}`);
  if (!words.includes(value)) throw new RangeError(`${name} must be one of ${words.join(' ')}, not '${value}'`);
}

export const SHARING_WORDS: readonly string[] = ['private', 'shared'];
export const ADVICE_WORDS: readonly string[] = ['normal', 'random', 'sequential', 'willneed', 'dontneed', 'free'];
export const INHERITANCE_WORDS: readonly string[] = ['share', 'copy', 'none'];

/** Whether both can be: the quick test before each translation. A whole number that no page has is left to `checkAccess` and the caller. */
export function isAccess(vpn: number, access: Access): boolean {
  const page = typeof vpn === 'number' && vpn < PAGE_NUMBERS && Math.floor(vpn) === vpn && vpn >= 0;
  return page && (access === ACCESS_READ || access === ACCESS_WRITE || access === ACCESS_EXECUTE);
}

/** A page number and a kind of access. */
export function checkAccess(vpn: number, access: Access): void {
  if (typeof vpn !== 'number' || !(vpn >= 0) || Math.floor(vpn) !== vpn) checkWhole('vpn', vpn);
  if (access !== ACCESS_READ && access !== ACCESS_WRITE && access !== ACCESS_EXECUTE) {
    throw new RangeError(`access must be ACCESS_READ, ACCESS_WRITE or ACCESS_EXECUTE, not ${shown(access)}`);
  }
}

/** What mmap is asked for; whose file or device it is, the system must see for itself. */
export function checkMapRequest(request: MapRequest): void {
  if (typeof request !== 'object' || request === null) {
    throw new TypeError(`request must be an object, not ${shown(request)}`);
  }
  checkRange(request.address, request.length);
  checkWhole('protection', request.protection);
  checkWord('sharing', request.sharing, SHARING_WORDS);
  if (typeof request.fixed !== 'boolean')
    throw new TypeError(`fixed must be true or false, not ${shown(request.fixed)}`);
  const { backing } = request;
  if (typeof backing !== 'object' || backing === null) {
    throw new TypeError(`backing must be an object, not ${shown(backing)}`);
  }
  checkWord('backing.kind', backing.kind, ['anon', 'file', 'device']);
  if (backing.kind !== 'anon') checkWhole('backing.offset', backing.offset);
}

const STORE_CALLS = ['size', 'read', 'write', 'truncate', 'sync', 'close'] as const;

export function checkStore(store: BackingStore, name = 'store'): void {
  const lacks =
    typeof store === 'object' && store !== null ? STORE_CALLS.find((call) => typeof store[call] !== 'function') : '';
  if (lacks === undefined && typeof store.synchronous === 'boolean') return;
  throw new TypeError(`${name} must be a BackingStore, not ${shown(store)}${lacks ? ` without ${lacks}()` : ''}`);
}

export function checkDevice(name: unknown, pages: unknown, fill: unknown): void {
  checkName(name);
  checkWhole('pages', pages);
  if (pages === 0) throw new RangeError('a device has at least 1 page');
  if (fill !== undefined && typeof fill !== 'function') {
    throw new TypeError(`fill must be a function, not ${shown(fill)}`);
  }
}

/** Browsers have the class only on pages that may use it. */
function isSharedBuffer(value: unknown): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && value instanceof SharedArrayBuffer;
}

function checkTlbPlace(place: unknown): void {
  const buffer = typeof place === 'object' && place !== null ? (place as { buffer?: unknown }).buffer : undefined;
  if (buffer instanceof ArrayBuffer || isSharedBuffer(buffer)) return;
  throw new TypeError(`tlb must be an object with a buffer and a byteOffset, not ${shown(place)}`);
}

/** The options that are the systems' own; the machine checks the rest. */
export function checkOptions(options: SystemOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options must be an object, not ${shown(options)}`);
  }
  const { contents, costs } = options;
  const buffer = contents instanceof ArrayBuffer || isSharedBuffer(contents);
  if (contents !== undefined && typeof contents !== 'boolean' && !buffer) {
    throw new TypeError(`contents must be true, false or a buffer, not ${shown(contents)}`);
  }
  if (costs !== undefined && (typeof costs !== 'object' || costs === null)) {
    throw new TypeError(`costs must be an object, not ${shown(costs)}`);
  }
  if (options.tlb !== undefined) checkTlbPlace(options.tlb);
  for (const name of ['memoryPages', 'devicePages', 'cpus'] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'number') {
      throw new TypeError(`${name} must be a number, not ${shown(value)}`);
    }
  }
  if (options.swapPages !== undefined) checkWhole('swapPages', options.swapPages, MAX_SWAP_PAGES);
  if (options.swapStore !== undefined) checkStore(options.swapStore, 'swapStore');
  if (options.defects !== undefined) checkWord('defects', options.defects, ['as-seeded', 'mended']);
}
