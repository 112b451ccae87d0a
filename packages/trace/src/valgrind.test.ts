import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseLayout, programImage } from './valgrind.js';

const directory = mkdtempSync(join(tmpdir(), 'faultline-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

const LAYOUT = `--11:1: aspacem <<< SHOW_SEGMENTS: Memory layout at client startup (35 segments)
--11:1: aspacem (0,4,9) /usr/libexec/valgrind/lackey-amd64-linux
--11:1: aspacem (1,49,7) /usr/bin/true
--11:1: aspacem   0: RSVN 0000000000-0000107fff 1081344 ----- SmFixed
--11:1: aspacem   1: file 0000108000-000010bfff   16384 r---- d=0xfe00 i=260180  o=0       (1,49)
--11:1: aspacem   5: anon 0000128000-0000129fff    8192 rw---
--11:1: aspacem  12: RSVN 0004036000-0004834fff 8384512 ----- SmLower
--11:1: aspacem  13:      0004835000-0057ffffff   1335m
--11:1: aspacem  16: file 005807d000-005807dfff    4096 r-x-- d=0xfe00 i=341618  o=512000  (0,4)
--11:1: aspacem  20: ANON 0058232000-0058c24fff      9m rw---
--11:1: aspacem  25: RSVN 1ffe801000-1ffeffefff 8380416 ----- SmUpper
--11:1: aspacem  26: anon 1ffefff000-1fff000fff    8192 rw---
--11:1: aspacem  27:      1fff001000-1fffffffff     15m
--11:1: aspacem >>>
`;

const VALGRIND = { version: 'x', programBase: 0x108000, stackStart: 0x1ffe801000, stackEnd: 0x1fff001000 };

test("valgrind's places are read from its layout", () => {
  const { version: _, ...places } = VALGRIND;
  expect(parseLayout(LAYOUT)).toEqual(places);
  expect(parseLayout('valgrind: failed to start tool')).toBe(null);
  expect(parseLayout(LAYOUT.slice(0, 700))).toBe(null);
});

/** A static, not relocatable program of two segments, the second with memory beyond the file. */
function tinyElf(): Buffer {
  const elf = Buffer.alloc(0x3000);
  elf.writeUInt32BE(0x7f454c46, 0);
  elf[4] = 2;
  elf[5] = 1;
  elf.writeUInt16LE(2, 16);
  elf.writeBigUInt64LE(0x401000n, 24);
  elf.writeBigUInt64LE(64n, 32);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(2, 56);
  const segment = (at: number, flags: number, offset: number, address: number, file: number, memory: number): void => {
    elf.writeUInt32LE(1, at);
    elf.writeUInt32LE(flags, at + 4);
    [offset, address, address, file, memory].forEach((value, i) => {
      elf.writeBigUInt64LE(BigInt(value), at + 8 + i * 8);
    });
  };
  segment(64, 5, 0x1000, 0x401000, 0x200, 0x200);
  segment(120, 6, 0x2100, 0x402100, 0x100, 0x3000);
  return elf;
}

test('an image is placed from its headers; a script runs its interpreter', () => {
  const program = join(directory, 'program');
  const script = join(directory, 'script');
  writeFileSync(program, tinyElf());
  writeFileSync(script, `#!${program} -x\n`);
  const image = programImage(script, 0x401000, VALGRIND);
  const path = realpathSync(program);
  expect(image.program).toBe(path);
  expect(image.mappings).toEqual([
    { address: 0x401000, length: 0x1000, protection: 5, anonymous: false, offset: 0x1000, path },
    { address: 0x402000, length: 0x1000, protection: 3, anonymous: false, offset: 0x2000, path },
    { address: 0x403000, length: 0x3000, protection: 3, anonymous: true, offset: 0, path },
  ]);
  writeFileSync(script, 'plain text');
  expect(() => programImage(script, 0, VALGRIND)).toThrow(/neither an ELF file nor a script/);
});
