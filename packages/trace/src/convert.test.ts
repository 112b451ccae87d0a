/** The merge of several processes' logs, with logs made by hand: nothing runs. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Conversion } from './convert.js';
import { LogDirectory } from './logs.js';
import { TraceReader } from './reader.js';
import { MemorySpool } from './spool.js';
import { TraceWriter } from './writer.js';

const VALGRIND = { version: 'x', programBase: 0x108000, stackStart: 0x1ffe801000, stackEnd: 0x1fff001000 };
/** Beyond any real process id, so each of these is long dead. */
const P = 99_999_001;
const Q = 99_999_002;

function convert(logs: Record<string, string>): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'faultline-test-'));
  try {
    for (const [name, text] of Object.entries(logs)) writeFileSync(join(directory, `t.${name}.log`), text);
    const spool = new MemorySpool();
    const writer = new TraceWriter({ program: 'p', command: [], recorder: 'test' }, spool);
    const root = { machineId: P, program: '/nowhere/p', directory: '/' };
    const conversion = new Conversion(new LogDirectory(directory), writer, VALGRIND, root);
    for (let step = conversion.step(); step !== 'done'; step = conversion.step()) expect(step).not.toBe('waiting');
    expect(readdirSync(directory)).toEqual([]);
    writer.finish();
    return story(TraceReader.fromBytes(spool.bytes()));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** References as their page numbers, events as words. */
function story(reader: TraceReader): string[] {
  const told: string[] = [];
  for (let chunk = reader.next(); chunk !== null; chunk = reader.next()) {
    let event = 0;
    for (let i = 0; i <= chunk.records; i++) {
      while (event < chunk.events.length && chunk.eventAt[event] === i) {
        const { type, ...fields } = chunk.events[event++];
        told.push([type, ...Object.values(fields)].join(' '));
      }
      if (i < chunk.records) told.push(chunk.pages[chunk.ids[i]].toString(16));
    }
  }
  return told;
}

test('a child runs from its fork to its exit, through its exec, before its parent goes on', () => {
  const told = convert({
    [`${P}.1`]:
      `I  00001000,1\nSYSCALL[${P},1](58) sys_fork ( )   fork: process ${P} created child ${Q}\n` +
      `I  00002000,1\nSYSCALL[${P},1](231) exit_group( 7 ) --> [pre-success] Success(0x0) \n`,
    // The forked part has the higher number; an exec leaves its line without an end.
    [`${Q}.2`]: `I  00003000,1\nSYSCALL[${Q},1](59) sys_execve ( 0x1(/nowhere/q), 0x1, 0x1 )`,
    [`${Q}.1`]: `==x==\nI  00004000,1\nSYSCALL[${Q},1](231) exit_group( 3 ) --> [pre-success] Success(0x0) \n`,
  });
  expect(told).toEqual([
    'exec -1',
    '1',
    'fork 2 true',
    'switch 2',
    '3',
    'exec -1',
    '4',
    'exit 3',
    'switch 1',
    '2',
    'exit 7',
  ]);
});

test('a process that was killed, and one that never wrote anything', () => {
  const created = `clone(fork): process ${P} created child ${Q}`;
  const told = convert({
    [`${P}.1`]: `I  00001000,1\nSYSCALL[${P},1](56) sys_clone ( 1200011 )   ${created}\nI  0000`,
  });
  expect(told).toEqual(['exec -1', '1', 'fork 2 false', 'switch 2', 'exit -1', 'switch 1', 'exit -1']);
});
