/** From options to a running kernel: what both faces of a machine have in common. */
import { MAX_FRAMES } from '../machine/memory.js';
import { MemoryStore } from '../machine/memory-store.js';
import type { BackingStore } from '../machine/store.js';
import { PAGE_SIZE } from '../machine/units.js';
import { bootSystem } from '../systems.js';
import { checkStore, checkWhole, MAX_SWAP_PAGES, shown } from '../vm/arguments.js';
import type { SystemOptions } from '../vm/system.js';
import type { AsyncMachineOptions, FileStatus, Limits, UserPager } from './api.js';
import { changedLimits, checkLimits, checkPages, checkPath } from './arguments.js';
import { MachineCore } from './core.js';
import type { MachineFile } from './files.js';
import { PagerStore } from './pager-store.js';

const DEFAULT_MEMORY = 2 ** 24;
const NO_LIMIT = Number.POSITIVE_INFINITY;

/** What a process starts with unless told otherwise. */
export const DEFAULT_LIMITS: Limits = {
  addressSpace: NO_LIMIT,
  data: 32 * 2 ** 30,
  stack: 64 * 2 ** 20,
  lockedMemory: NO_LIMIT,
  mapEntries: NO_LIMIT,
};

function bufferOf(buffer: AsyncMachineOptions['buffer']): ArrayBuffer | SharedArrayBuffer | true {
  if (buffer === undefined) return true;
  if (typeof buffer !== 'object' || buffer === null) {
    throw new TypeError(
      `buffer must be an ArrayBuffer, a SharedArrayBuffer or a WebAssembly.Memory, not ${shown(buffer)}`,
    );
  }
  return 'buffer' in buffer ? buffer.buffer : buffer;
}

/** Where the translation table shall lie: in the user's buffer, behind the frames. */
function tlbOf(options: AsyncMachineOptions, memory: number): Pick<SystemOptions, 'tlb'> {
  const { tableOffset, buffer } = options;
  if (tableOffset === undefined) return {};
  checkWhole('tableOffset', tableOffset);
  if (buffer === undefined) throw new TypeError('tableOffset needs a buffer');
  if (tableOffset < memory)
    throw new RangeError(`tableOffset must lie behind the ${memory} bytes of memory, not at ${tableOffset}`);
  return { tlb: { buffer: bufferOf(buffer) as ArrayBuffer | SharedArrayBuffer, byteOffset: tableOffset } };
}

/** The stores of the files that the options name, by path. */
export function storesOf(options: AsyncMachineOptions): [string, BackingStore][] {
  checkObject('options', options);
  const { files = {} } = options;
  checkObject('files', files);
  return Object.entries(files).map(([path, it]) => [path, storeOf(it, `files['${path}']`)]);
}

function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`${name} must be an object, not ${shown(value)}`);
}

/** Starts the kernel that the options ask for. */
export function bootCore(options: AsyncMachineOptions): MachineCore {
  checkObject('options', options);
  const { memory = DEFAULT_MEMORY, swap = 0, limits = {} } = options;
  checkPages('memory', memory, PAGE_SIZE, MAX_FRAMES * PAGE_SIZE);
  checkPages('swap', swap, 0, MAX_SWAP_PAGES * PAGE_SIZE);
  checkLimits(limits);
  const system: SystemOptions = {
    memoryPages: memory / PAGE_SIZE,
    swapPages: swap / PAGE_SIZE,
    contents: bufferOf(options.buffer),
    ...tlbOf(options, memory),
    defects: options.defects ?? 'mended',
    ...(options.swapStore === undefined ? {} : { swapStore: options.swapStore }),
    ...(options.costs === undefined ? {} : { costs: options.costs }),
  };
  const booted = bootSystem(options.system, system);
  return new MachineCore(booted, booted.machine.memory.bytes as Uint8Array, changedLimits(DEFAULT_LIMITS, limits));
}

/** The store behind what a file is made of. */
export function storeOf(contents: Uint8Array | number | BackingStore, name = 'contents'): BackingStore {
  if (typeof contents === 'number') checkWhole(name, contents, Number.MAX_SAFE_INTEGER);
  if (typeof contents === 'number' || contents instanceof Uint8Array) return new MemoryStore(contents);
  checkStore(contents, name);
  return contents;
}

/** Refuses a store that answers later. */
export function mustBeSynchronous(what: string, store: BackingStore): void {
  if (store.synchronous) return;
  throw new TypeError(`${what}: this store answers later (synchronous is false): use createAsyncMachine`);
}

export function addStore(core: MachineCore, path: string, store: BackingStore): MachineFile {
  checkFree(core, path);
  return core.addFile(path, store, { writable: true, resizable: true });
}

function checkFree(core: MachineCore, path: string): void {
  checkPath(path);
  if (core.files.named.has(path)) throw new RangeError(`path must be new: there is a file '${path}' already`);
}

export function addPager(core: MachineCore, path: string, pager: UserPager, synchronous: boolean): void {
  checkFree(core, path);
  if (typeof pager !== 'object' || pager === null || typeof pager.getPages !== 'function') {
    throw new TypeError(`pager must be an object with getPages(), not ${shown(pager)}`);
  }
  checkPages('pager.size', pager.size, PAGE_SIZE);
  const store = new PagerStore(pager, synchronous);
  core.addFile(path, store, { writable: typeof pager.putPages === 'function', resizable: false });
}

export function statusOf(core: MachineCore, path: string): FileStatus {
  checkPath(path);
  const file = core.files.named.get(path);
  if (file === undefined) throw new RangeError(`path must be that of a file: there is no '${path}'`);
  return { size: file.size, links: file.links, modified: file.modified };
}
