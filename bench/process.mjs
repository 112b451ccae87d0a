/*
 * The embedding API: what its users pay, beside what they would use without it.
 *
 * `emulate` runs the example CPU (examples/emulator) over a process and over a bare buffer. `access` loads and stores words at random from 64 pages
 * through `load32` and `store32`, beside a plain array, beside a Map from page number to page (what emulators that have no mmap
 * are built on) and beside lru-cache, which bounds such a Map as memory bounds ours.
 */
import { createMachine, MAP_ANON, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultline/core';
import { LRUCache } from 'lru-cache';
import { assemble } from '../examples/dist/emulator/assembler.js';
import { Cpu } from '../examples/dist/emulator/cpu.js';
import { BareMemory, ProcessMemory } from '../examples/dist/emulator/memory.js';
import { SCATTER, SIEVE } from '../examples/dist/emulator/programs.js';
import { each } from './rounds.mjs';

const PAGE = 4096;
const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_ANON | MAP_PRIVATE;
const TEXT = 0x10000;
const DATA = 0x100000;
const MIB = 2 ** 20;

function machineOf(system, memory) {
  const buffer = new ArrayBuffer(memory);
  // Otherwise the host's own first faults on the buffer would be counted as ours.
  new Uint8Array(buffer).fill(1);
  return createMachine({ system, memory, buffer });
}

function must(result) {
  if (typeof result === 'string') throw new Error(result);
  return result;
}

// ---- the example CPU ------------------------------------------------------------------------------------------------

const PROGRAMS = {
  'emulate-sieve': { source: SIEVE, registers: [0, 200_000, DATA] },
  'emulate-scatter': { source: SCATTER, registers: [0, 100_000, DATA, 4] },
};

function guestMemory(system) {
  const machine = machineOf(system, 4 * MIB);
  const process = machine.spawn('guest');
  for (const at of [TEXT, DATA]) must(process.mmap(at, at === TEXT ? PAGE : MIB, RW | 4, ANON | MAP_FIXED));
  return { memory: new ProcessMemory(process, machine.bytes), load: (bytes) => process.copyout(bytes, TEXT) };
}

function bareMemory() {
  const memory = new BareMemory(4 * MIB);
  return { memory, load: (bytes) => memory.bytes.set(bytes, TEXT) };
}

/** A round of a program on a memory; a figure an instruction. */
function emulator(CpuClass, { source, registers }, { memory, load }) {
  load(new Uint8Array(assemble(source, TEXT).words.buffer));
  return () => {
    const cpu = new CpuClass(memory);
    cpu.pc = TEXT;
    cpu.registers.set(registers);
    const ns = each(1, () => {
      while (cpu.run(100_000) < 0);
    });
    return ns / cpu.executed;
  };
}

/**
 * Both sides in one process, but each with a CPU module of its own: code that has seen two kinds of memory is compiled for both of them, and
 * neither emulator would run as it does alone.
 */
async function emulate(line, system) {
  const program = PROGRAMS[line.name];
  const own = await import('../examples/dist/emulator/cpu.js?bare');
  return { ours: emulator(Cpu, program, guestMemory(system)), 'bare buffer': emulator(own.Cpu, program, bareMemory()) };
}

// ---- loads and stores -----------------------------------------------------------------------------------------------

const HIT_PAGES = 64;
const MISS_PAGES = 16384;
const ACCESSES = 1 << 12;
const PASSES = 64;

function randomAddresses(pages) {
  const addresses = new Int32Array(ACCESSES);
  let seed = 1;
  for (let i = 0; i < ACCESSES; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    addresses[i] = DATA + Math.floor((seed / 2 ** 32) * pages * 1024) * 4;
  }
  return addresses;
}

function loads(process, addresses) {
  let sum = 0;
  for (let i = 0; i < addresses.length; i++) sum = (sum + process.load32(addresses[i])) | 0;
  return sum;
}

function stores(process, addresses) {
  for (let i = 0; i < addresses.length; i++) process.store32(addresses[i], i);
  return addresses.length;
}

function arrayLoads(words, addresses) {
  let sum = 0;
  for (let i = 0; i < addresses.length; i++) sum = (sum + words[(addresses[i] - DATA) >>> 2]) | 0;
  return sum;
}

function arrayStores(words, addresses) {
  for (let i = 0; i < addresses.length; i++) words[(addresses[i] - DATA) >>> 2] = i;
  return addresses.length;
}

function pagedLoads(pages, addresses) {
  let sum = 0;
  for (let i = 0; i < addresses.length; i++) {
    const address = addresses[i];
    sum = (sum + pages.get(address >>> 12)[(address & 4095) >>> 2]) | 0;
  }
  return sum;
}

function pagedStores(pages, addresses) {
  for (let i = 0; i < addresses.length; i++) {
    const address = addresses[i];
    pages.get(address >>> 12)[(address & 4095) >>> 2] = i;
  }
  return addresses.length;
}

function filled(pages) {
  for (let i = 0; i < HIT_PAGES; i++) pages.set(DATA / PAGE + i, new Int32Array(1024));
  return pages;
}

function passes(work) {
  let sum = 0;
  const ns = each(PASSES * ACCESSES, () => {
    for (let i = 0; i < PASSES; i++) sum = (sum + work()) | 0;
  });
  return Number.isInteger(sum) ? ns : Number.NaN;
}

function access(line, system) {
  const machine = machineOf(system, 128 * MIB);
  const process = machine.spawn('bench');
  must(process.mmap(DATA, MISS_PAGES * PAGE, RW, ANON | MAP_FIXED));
  process.touch(DATA, MISS_PAGES * PAGE, 1);
  const miss = line.name === 'process-miss';
  const addresses = miss
    ? Int32Array.from({ length: MISS_PAGES }, (_, i) => DATA + i * PAGE)
    : randomAddresses(HIT_PAGES);
  const words = new Int32Array(MISS_PAGES * 1024);
  const map = filled(new Map());
  const cache = filled(new LRUCache({ max: HIT_PAGES }));
  if (miss) {
    const sides = { ours: () => loads(process, addresses), array: () => arrayLoads(words, addresses) };
    return mapValues(sides, (work) => () => passesOver(MISS_PAGES, work));
  }
  const store = line.name === 'process-store';
  const [ours, array, paged] = store ? [stores, arrayStores, pagedStores] : [loads, arrayLoads, pagedLoads];
  const sides = {
    ours: () => ours(process, addresses),
    array: () => array(words, addresses),
    Map: () => paged(map, addresses),
    'lru-cache': () => paged(cache, addresses),
  };
  return mapValues(sides, (work) => () => passes(work));
}

function passesOver(count, work) {
  let sum = 0;
  const ns = each(16 * count, () => {
    for (let i = 0; i < 16; i++) sum = (sum + work()) | 0;
  });
  return Number.isInteger(sum) ? ns : Number.NaN;
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

// ---- calls ----------------------------------------------------------------------------------------------------------

function mapUnmap(system, times) {
  const process = machineOf(system, 16 * MIB).spawn('bench');
  return () =>
    each(times, () => {
      for (let i = 0; i < times; i++) must(process.munmap(must(process.mmap(0, PAGE, RW, ANON)), PAGE));
    });
}

/** A whole fork of a process of 64 MiB, all of it resident; and a copy of as many bytes. */
function bigFork(system) {
  const machine = machineOf(system, 80 * MIB);
  const parent = machine.spawn('bench');
  must(parent.mmap(DATA, 64 * MIB, RW, ANON | MAP_FIXED));
  const from = new Float64Array(8 * MIB).fill(1);
  const to = new Float64Array(8 * MIB).fill(2);
  return {
    ours: () => {
      // The parent has written since the last child: the translations are as a running program has them.
      parent.touch(DATA, 64 * MIB, 1);
      let child;
      const ns = each(1, () => {
        child = parent.fork();
      });
      child.exit();
      return ns;
    },
    copy: () => each(1, () => to.set(from)),
  };
}

export function sides(line, system, pages) {
  if (line.name in PROGRAMS) return emulate(line, system);
  if (line.name === 'process-fork') return bigFork(system);
  if (line.name === 'process-map') return { ours: mapUnmap(system, pages) };
  return access(line, system);
}
