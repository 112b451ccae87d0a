/** The example CPU over all four systems: the same answers as on a bare buffer, through page-out, faults and forks. */
import { SYSTEM_NAMES } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { AssemblyError, assemble } from './assembler.js';
import { Cpu } from './cpu.js';
import { BareMemory } from './memory.js';
import { FORK, SCATTER, SIEVE } from './programs.js';
import { GuestSystem, TEXT } from './system.js';

/** What a program answers on a bare buffer. */
function bare(source: string, registers: readonly number[]): number {
  const memory = new BareMemory(2 ** 23);
  memory.bytes.set(new Uint8Array(assemble(source, TEXT).words.buffer), TEXT);
  const cpu = new Cpu(memory);
  cpu.pc = TEXT;
  cpu.registers.set(registers);
  while (cpu.run(1_000_000) < 0);
  return cpu.registers[1] as number;
}

describe.each(SYSTEM_NAMES)('the emulator over %s', (system) => {
  it('computes what it computes on a bare buffer', () => {
    const guest = new GuestSystem(system);
    const sieve = guest.load('sieve', assemble(SIEVE, TEXT));
    sieve.registers.set([0, 10_000, 0x100000]);
    expect(bare(SIEVE, [0, 10_000, 0x100000])).toBe(1229);
    // Nothing is mapped at 0x100000 yet.
    expect(guest.run()).toEqual(['SIGSEGV at 0x100002']);
    const again = guest.load('sieve', assemble(SIEVE, TEXT));
    const process = guest.machine.processes.at(-1);
    process?.mmap(0x100000, 10_000, 3, 0x1012);
    again.registers.set([0, 10_000, 0x100000]);
    expect(guest.run().at(-1)).toBe('exit 1229');
    guest.machine.check();
  });

  it('pages to swap when memory is small', () => {
    const guest = new GuestSystem(system, 256 * 4096);
    const words = 400_000;
    const cpu = guest.load('scatter', assemble(SCATTER, TEXT));
    guest.machine.processes.at(-1)?.mmap(0x100000, words * 4, 3, 0x1012);
    cpu.registers.set([0, words, 0x100000, 1]);
    expect(guest.run()).toEqual([`exit ${bare(SCATTER, [0, words, 0x100000, 1])}`]);
  });

  it('forks', () => {
    const guest = new GuestSystem(system);
    guest.load('fork', assemble(FORK, TEXT));
    const [parent, child] = guest.run();
    expect(guest.output).toBe('child  reads 1001\nparent reads 1000\n');
    expect(child).toBe('exit 0');
    expect(parent).toMatch(/^SIGSEGV at 0x2/);
    guest.machine.check();
  });
});

describe('the assembler', () => {
  it('names the line of an error', () => {
    expect(() => assemble('add r1, r2, r99', 0)).toThrow(new AssemblyError(1, "'r99' is not a register (r0 to r15)"));
    expect(() => assemble('\nfly r1', 0)).toThrow(/line 2: there is no instruction 'fly'/);
    expect(() => assemble('jal r0, nowhere', 0)).toThrow(/neither a number nor a label/);
  });
});
