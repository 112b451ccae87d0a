/** npm run example -- emulator [SYSTEM]: the programs, on one system or all four. */
import { SYSTEM_NAMES, type SystemName } from '@faultline/core';
import { assemble } from './assembler.js';
import { FORK, SIEVE } from './programs.js';
import { GuestSystem, TEXT } from './system.js';

const chosen = process.argv[2];
if (chosen !== undefined && !SYSTEM_NAMES.includes(chosen as SystemName)) {
  process.stderr.write(`there is no system '${chosen}'; there are: ${SYSTEM_NAMES.join(', ')}\n`);
  process.exit(2);
}

for (const system of chosen === undefined ? SYSTEM_NAMES : [chosen as SystemName]) {
  const guest = new GuestSystem(system);
  guest.load('fork', assemble(FORK, TEXT));
  const sieve = guest.load('sieve', assemble(SIEVE, TEXT));
  guest.machine.processes.at(-1)?.mmap(0x100000, 100_000, 3, 0x1012);
  sieve.registers.set([0, 100_000, 0x100000]);
  const ends = guest.run();
  process.stdout.write(`${system}\n${guest.output}`);
  process.stdout.write(`${ends.join('\n')}\n`);
  process.stdout.write(`${sieve.executed} instructions for the primes below 100000\n\n`);
}
