/** A guest in WebAssembly that looks up the inline table in its own memory, on all four systems. */
import {
  ACCESS_READ,
  createMachine,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MemorySignal,
  PROT_READ,
  PROT_WRITE,
  SYSTEM_NAMES,
  TLB_BYTES,
} from '@faultline/core';
import { describe, expect, it } from 'vitest';

const MEMORY = 2 ** 20;
const TAGS = MEMORY;
const FRAMES = TAGS + TLB_BYTES / 2;
const WASM_PAGE = 65536;

/** The part of WebAssembly that Node has and the types of this project do not know. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
interface Wasm {
  readonly Memory: new (size: { initial: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
}
const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: Wasm };

function leb(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >>> 7;
  return rest === 0 ? [low] : [low | 0x80, ...leb(rest)];
}

/** Signed: for constants, of which none here is negative. */
function constant(value: number): number[] {
  const bytes = leb(value);
  return ((bytes.at(-1) as number) & 0x40) === 0
    ? [0x41, ...bytes]
    : [0x41, ...bytes.slice(0, -1), (bytes.at(-1) as number) | 0x80, 0];
}

const section = (id: number, body: number[]): number[] => [id, ...leb(body.length), ...body];
const text = (name: string): number[] => [name.length, ...[...name].map((c) => c.charCodeAt(0))];
const I32 = 0x7f;
const get = (local: number): number[] => [0x20, local];
const load = (offset: number): number[] => [0x28, 2, ...leb(offset)];
const [SHR_U, AND, SHL, OR, EQ, ADD] = [0x76, 0x71, 0x74, 0x72, 0x46, 0x6a];

/** load(address, tagBase): one compare and one index; `miss(address)` answers where the page begins. */
function guest(): Uint8Array {
  const body = [
    ...[1, 1, I32],
    ...[...get(0), ...constant(12), SHR_U, ...constant(4095), AND, ...constant(2), SHL, 0x21, 2],
    ...[...get(2), ...load(TAGS), ...get(1), ...get(0), ...constant(24), SHR_U, OR, EQ],
    ...[0x04, I32, ...get(2), ...load(FRAMES), ...constant(12), SHL],
    ...[0x05, ...get(0), 0x10, 0, 0x0b],
    ...[...get(0), ...constant(4095), AND, ADD, ...load(0), 0x0b],
  ];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, 0x60, 1, I32, 1, I32, 0x60, 2, I32, I32, 1, I32]),
    ...section(2, [2, ...text('host'), ...text('miss'), 0, 0, ...text('host'), ...text('memory'), 2, 0, 1]),
    ...section(3, [1, 1]),
    ...section(7, [1, ...text('load'), 0, 1]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}

describe.each(SYSTEM_NAMES)('a guest in WebAssembly on %s', (system) => {
  const memory = new wasm.Memory({ initial: Math.ceil((MEMORY + TLB_BYTES) / WASM_PAGE) });
  const machine = createMachine({ system, memory: MEMORY, swap: 4 * MEMORY, buffer: memory, tableOffset: TAGS });
  const process = machine.spawn('guest');
  let misses = 0;
  const host = {
    memory,
    miss: (address: number) => {
      misses++;
      return process.table.miss(address >>> 0, ACCESS_READ);
    },
  };
  const { exports } = new wasm.Instance(new wasm.Module(guest()), { host });
  const read = exports.load as (address: number, tagBase: number) => number;

  it('finds what the process has stored, and misses only where it must', () => {
    const pages = 500;
    process.mmap(0x100000, pages * 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE | MAP_FIXED);
    for (let page = 0; page < pages; page++) process.store32(0x100000 + page * 4096 + 8, page * 7);
    // More than memory holds: some have gone to swap.
    for (let page = 0; page < pages; page++) {
      expect(read(0x100000 + page * 4096 + 8, process.table.tagBase)).toBe(page * 7);
    }
    const before = misses;
    for (let i = 0; i < 100; i++) read(0x100000 + 499 * 4096 + i * 4, process.table.tagBase);
    expect(misses).toBe(before);
    machine.check();
  });

  it('is told when a page has gone', () => {
    process.munmap(0x100000, 4096);
    expect(() => read(0x100008, process.table.tagBase)).toThrow(MemorySignal);
  });
});

describe('a table in the user’s buffer', () => {
  it('must lie behind the frames, and fit', () => {
    const buffer = new ArrayBuffer(MEMORY + TLB_BYTES);
    const system = 'freebsd';
    expect(() => createMachine({ system, memory: MEMORY, buffer, tableOffset: 0 })).toThrow(/behind the 1048576 bytes/);
    expect(() => createMachine({ system, memory: MEMORY, buffer, tableOffset: MEMORY + 4 })).toThrow(
      /takes 98304 bytes/,
    );
    expect(() => createMachine({ system, memory: MEMORY, tableOffset: MEMORY })).toThrow(TypeError);
  });
});
