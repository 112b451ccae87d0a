import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { MapEvent } from './events.js';
import type { TraceHeader } from './header.js';
import { type ImportFormat, importTrace } from './import.js';
import { TraceReader } from './reader.js';
import { MemorySpool } from './spool.js';

const directory = mkdtempSync(join(tmpdir(), 'faultline-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

function importText(format: ImportFormat, text: string): { header: TraceHeader; reader: TraceReader } {
  const input = join(directory, 'text');
  writeFileSync(input, text);
  const spool = new MemorySpool();
  const header = importTrace({ format, input, spool });
  return { header, reader: TraceReader.fromBytes(spool.bytes()) };
}

test('a din text, with mappings made up around what it touches', () => {
  const { header, reader } = importText('dinero', '2 400\n0 1000 extra\n1 0x2004\n\nr 1FFF000000\n4 0\nw 1fff000008');
  expect(header.references).toEqual({ load: 2, store: 2, execute: 1 });
  expect(header.notes.join()).toContain('made up');
  const chunk = reader.next();
  const maps = chunk?.events.map((event) => event as MapEvent);
  expect(maps?.map(({ address, length }) => [address, length])).toEqual([
    [0, 3 * 4096],
    [0x1fff000000, 4096],
  ]);
  expect(maps?.every(({ file, protection, fixed }) => file === -1 && protection === 7 && fixed)).toBe(true);
});

test('a lackey text; its system calls are left out', () => {
  const text =
    '==1== x\nI  04001090,3\n M 04002000,8\nSYSCALL[1,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x1)\n';
  const { header } = importText('lackey', text);
  expect(header.references).toEqual({ load: 1, store: 1, execute: 1 });
  expect(header.modifies).toBe(1);
  expect(header.events).toBe(1);
});

test('a line that makes no sense is named', () => {
  expect(() => importText('dinero', '0 10\n0 20\nhello\n')).toThrow(
    /text, line 3: expected a label and an address, found 'hello'/,
  );
  expect(() => importText('dinero', '7 10\n')).toThrow(/line 1: unknown label '7'/);
  expect(() => importText('dinero', '0 ffffffffffffffff\n')).toThrow(
    /line 1: address 0xffffffffffffffff is beyond 47 bits/,
  );
  expect(() => importText('lackey', 'nothing here\n')).toThrow(/no memory reference in it/);
  expect(() => importTrace({ format: 'dinero', input: join(directory, 'none'), spool: new MemorySpool() })).toThrow(
    /ENOENT/,
  );
});
