/** A machine and the model of it, with what both sides call the same: processes, files, addresses. */
import type { Machine, Process, SystemName } from '@faultline/core';
import * as F from '@faultline/core';
import { AccessModel, type Trap } from './model/access.js';
import { ModelFile } from './model/cell.js';
import type { ModelProcess } from './model/model.js';
import { FILES, FROM_TOP, type Operation, PLACE_BYTES, PLACED, type Program, WINDOW_START } from './program.js';
import { RULES } from './rules.js';

const { PAGE_SIZE } = F;

export interface RunOptions {
  readonly system: SystemName;
  /** Operations between two checks of the kernel's invariants. */
  readonly checkEvery: number;
  /** Operations between two comparisons of everything. */
  readonly compareEvery: number;
  /** Puts something between the machine and the comparison: a fault on purpose. */
  readonly plant?: (machine: Machine) => Machine;
}

/** A process on both sides. */
export interface Twin {
  readonly real: Process;
  readonly model: ModelProcess;
}

/** The operations of these names. */
export type Of<N extends Operation['op']> = Operation extends infer O
  ? O extends { readonly op: infer P }
    ? [P & N] extends [never]
      ? never
      : Omit<O, 'op'> & { readonly op: P & N }
    : never
  : never;

/** The bytes that a file of the program begins with. */
function initial(name: string, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + (i >>> 12) * 57 + name.charCodeAt(0)) & 255);
}

/** Made once: machines and models copy them. */
const CONTENTS = Object.entries(FILES).map(([name, bytes]) => [name, initial(name, bytes)] as const);

export class World {
  readonly machine: Machine;
  readonly model: AccessModel;
  files = new Map<string, ModelFile>();
  protected twins: Twin[] = [];

  constructor(
    readonly options: RunOptions,
    { memoryPages, swapPages }: Program,
  ) {
    const rules = RULES[options.system];
    const machine = F.createMachine({
      system: options.system,
      memory: (memoryPages + rules.moreMemory) * PAGE_SIZE,
      swap: swapPages * PAGE_SIZE,
      files: Object.fromEntries(CONTENTS),
    });
    this.machine = options.plant?.(machine) ?? machine;
    this.model = new AccessModel(rules, swapPages < memoryPages * 2, memoryPages + rules.moreMemory);
    for (const [name, bytes] of CONTENTS) {
      const file = new ModelFile();
      file.resize(bytes.length);
      for (let at = 0; at < bytes.length; at += PAGE_SIZE) {
        file.page(at / PAGE_SIZE).store(0, [bytes.subarray(at, at + PAGE_SIZE)]);
      }
      this.files.set(name, file);
    }
  }

  /** A process with its model, which may look at it where the systems leave something open. */
  protected pair(real: Process, model: ModelProcess): Twin {
    const maps = () => (real.alive ? real.maps() : []);
    model.shows = (vpn) =>
      maps().find(({ start, end }) => vpn * PAGE_SIZE >= start && vpn * PAGE_SIZE < end)?.protection;
    return { real, model };
  }

  /** The address that an operation means, in this process of this system. */
  protected resolve({ model }: Twin, at: number): number {
    if (at >= PLACED) {
      const index = Math.floor((at - PLACED) / PLACE_BYTES);
      const base =
        model.placed.length === 0 ? WINDOW_START * PAGE_SIZE : (model.placed[index % model.placed.length] as number);
      return base - (base % PAGE_SIZE) + ((at - PLACED) % PLACE_BYTES);
    }
    return at >= FROM_TOP ? F.USER_MAX_ADDRESS - (at - FROM_TOP) : at;
  }
}

/** The signal that was raised, or null. */
export function trapOf(access: () => void): Trap {
  try {
    access();
    return null;
  } catch (error) {
    if (!(error instanceof F.MemorySignal)) throw error;
    return { why: `${error.signal} ${error.code}`, address: error.address };
  }
}

export function trapName(trap: Trap, address: number): string {
  return trap === null ? 'ok' : `${trap.why} at +${trap.address - address}`;
}

export function littleEndian(value: bigint, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

export function loadBytes(real: Process, address: number, width: number): Uint8Array {
  if (width === 8) return littleEndian(real.load64(address), 8);
  const value = width === 1 ? real.load8(address) : width === 2 ? real.load16(address) : real.load32(address);
  return littleEndian(BigInt(value), width);
}

export function storeBytes(real: Process, address: number, bytes: Uint8Array): void {
  const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  if (bytes.length === 8) real.store64(address, value);
  else if (bytes.length === 4) real.store32(address, Number(value));
  else if (bytes.length === 2) real.store16(address, Number(value));
  else real.store8(address, Number(value));
}
