import { expect, test } from 'vitest';
import { firstFetch, parseLackey } from './lackey.js';

/** Parses a text in pieces of `size` bytes, as a growing file would be. */
function parse(text: string, size = text.length): { references: string[]; lines: string[]; sink: object } {
  const references: string[] = [];
  const lines: string[] = [];
  const sink = {
    straddles: 0,
    modifies: 0,
    reference: (kind: number, page: number): void => {
      references.push(`${'LSI'[kind]}${page.toString(16)}`);
    },
  };
  const bytes = Buffer.from(text);
  let start = 0;
  for (let end = size; ; end += size) {
    const limit = Math.min(end, bytes.length);
    start = parseLackey(bytes, start, limit, sink, (line) => {
      lines.push(line);
      return false;
    });
    if (limit === bytes.length)
      return { references, lines, sink: { straddles: sink.straddles, modifies: sink.modifies } };
  }
}

const TEXT = `==12== Lackey
I  04001090,3
 L 1ffefffff8,8
 S 1ffeffffff,1
 M 04034000,4
SYSCALL[12,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4035000)
I  00108fff,2
 hello from the program
`;

test('references, modifies and straddling accesses', () => {
  const { references, lines, sink } = parse(TEXT);
  expect(references).toEqual(['I4001', 'L1ffefff', 'S1ffefff', 'L4034', 'S4034', 'I108', 'I109']);
  expect(sink).toEqual({ straddles: 1, modifies: 1 });
  expect(lines.map((line) => line.slice(0, 7))).toEqual(['==12== ', 'SYSCALL', ' hello ']);
});

test('pieces of any size give the same', () => {
  for (let size = 1; size < 40; size++) expect(parse(TEXT, size)).toEqual(parse(TEXT));
});

test('reading stops behind the line at which the handler says so', () => {
  const bytes = Buffer.from(TEXT);
  const sink = { straddles: 0, modifies: 0, reference: (): void => {} };
  const at = parseLackey(bytes, 0, bytes.length, sink, (line) => line.startsWith('SYSCALL'));
  expect(bytes.toString('utf8', at)).toMatch(/^I {2}00108fff,2\n/);
});

test('lines that only look like references are lines', () => {
  const { references, lines } = parse(' L \n L ,8\nI  xyz,1\n L 12,\nI am text\n S ffffffffffffffff,8\n\n');
  expect(references).toEqual([]);
  expect(lines.length).toBe(7);
});

test('the first fetch of a text', () => {
  expect(firstFetch(TEXT)).toBe(0x4001090);
  expect(firstFetch('==1== nothing\nI  0400')).toBe(-1);
});
