import { describe, expect, test } from 'vitest';
import type { SystemName } from '../vm/system.js';
import type { Action } from './actions.js';
import { parseScenario } from './parse.js';

function errorsOf(text: string, system: SystemName = 'freebsd'): string[] {
  const result = parseScenario(text, system);
  return result.ok ? [] : result.errors.map((error) => `${error.line}: ${error.message}`);
}

function actionsOf(text: string, system: SystemName = 'freebsd'): Action[] {
  const result = parseScenario(text, system);
  if (!result.ok) throw new Error(result.errors.map((error) => error.message).join('\n'));
  return result.script.commands.map((command) => command.action);
}

describe('reading a script', () => {
  test('comments, blank lines, tabs and carriage returns', () => {
    const text = '\uFEFF# a comment\r\n\r\n\tproc   A # another\r\nqueues\r\n';
    expect(actionsOf(text)).toEqual([{ kind: 'proc', process: 'A' }, { kind: 'queues' }]);
  });

  test('the three kinds of mapping', () => {
    const actions = actionsOf(
      `file F 8192
      device D 4
      proc A
      A map 0x10000 16 anon private rw-
      A map 65536 2 file F 1 shared r-x
      A map 0x30000 4 device D 0 shared ---`,
    );
    expect(actions.slice(3)).toMatchObject([
      { kind: 'map', address: 0x10000, pages: 16, backing: { kind: 'anon' }, sharing: 'private', protection: 3 },
      { kind: 'map', address: 65536, pages: 2, backing: { kind: 'file', name: 'F', offset: 1 }, protection: 5 },
      { kind: 'map', address: 0x30000, backing: { kind: 'device', name: 'D', offset: 0 }, protection: 0 },
    ]);
  });

  test('accesses with and without a count and a value', () => {
    const actions = actionsOf('proc A\nA read 0x1000\nA read 0x1000 3\nA write 1 = 7\nA write 1 2\nA write 1 2 = 0xff');
    expect(actions.slice(1)).toMatchObject([
      { kind: 'read', pages: 1 },
      { kind: 'read', pages: 3 },
      { kind: 'write', pages: 1, value: 7 },
      { kind: 'write', pages: 2, value: 0x5a },
      { kind: 'write', pages: 2, value: 255 },
    ]);
  });

  test('what the machine needs is gathered', () => {
    const result = parseScenario('file F 1\nmemory 64\ndevice D 3\nswap 128\ndevice E 4\nproc A\n', 'freebsd');
    expect(result).toMatchObject({ ok: true, script: { memoryPages: 64, swapPages: 128, devicePages: 7 } });
  });

  test('printed text is kept as it stands', () => {
    expect(actionsOf('print  two  words ')).toEqual([{ kind: 'print', text: 'two  words' }]);
    expect(actionsOf('print')).toEqual([{ kind: 'print', text: '' }]);
  });

  test('unaligned addresses and lengths of zero are for the kernel to refuse', () => {
    expect(errorsOf('proc A\nA map 0x10001 0 anon private rw-\nA unmap 0xffffffffffffffff 1')).toEqual([]);
  });

  test('an address above 2^53 keeps its page and its being unaligned', () => {
    const [, aligned, not] = actionsOf('proc A\nA byte 0xfffffffffffff000\nA byte 0xfffffffffffff001');
    expect(aligned).toMatchObject({ address: Number(0xfffffffffffff000n) });
    expect(not).toMatchObject({ address: Number(0xfffffffffffff800n) });
  });

  test('a process may be called like a command', () => {
    expect(actionsOf('proc exit\nexit read 0x1000\nexit exit')).toMatchObject([
      { kind: 'proc' },
      { kind: 'read', process: 'exit' },
      { kind: 'exit', process: 'exit' },
    ]);
  });

  test('a name is free again after its process has exited', () => {
    expect(errorsOf('proc A\nexit A\nproc A\nA pmap')).toEqual([]);
  });
});

describe('errors of a script', () => {
  test('all of them are reported, each with its line', () => {
    const text = 'proc A\nA raed 0x1000\n\nA map 0xzz 1 anon privat rwq\nB pmap\n';
    expect(errorsOf(text)).toEqual([
      '2: unknown command raed for process A (did you mean read?)',
      '4: ADDR must be a number, decimal or 0x hexadecimal, not 0xzz',
      '4: SHARING must be one of private shared, not privat (did you mean private?)',
      '4: PROT must be three characters, r w x or - in their places (rw-, r-x), not rwq',
      '5: no process is called B (did you mean A?)',
    ]);
  });

  test.each<[string, string]>([
    ['cuonters', '2: unknown command cuonters (did you mean counters?)'],
    ['frobnicate', '2: unknown command frobnicate'],
    ['frobnicate it now', '2: unknown command: neither frobnicate nor it is a command'],
    ['read A 0x1000', '2: read comes after the name of its process: P read ADDR [NPAGES]'],
    ['A', '2: a command for process A is missing, such as: A read ADDR'],
    ['A map 0x1000', '2: map does not take these words; the forms are: P map ADDR NPAGES anon SHARING PROT; '],
    ['A map 0x1000 1 annon private rw-', '2: map does not take these words, annon among them (did you mean anon?); '],
    ['A unmap 0x1000', '2: NPAGES is missing; the form is: P unmap ADDR NPAGES'],
    ['A unmap 0x1000 1 2', '2: 2: more words than expected; the form is: P unmap ADDR NPAGES'],
    ['A unmap -4096 1', '2: ADDR must be a number, decimal or 0x hexadecimal, not -4096'],
    ['A unmap 0x10000000000000000 1', '2: ADDR must fit in 64 bits, not 0x10000000000000000'],
    ['A unmap 0x1000 1e3', '2: NPAGES must be a number, decimal or 0x hexadecimal, not 1e3'],
    ['A write 0x1000 = 256', '2: VALUE must be at most 255, not 256'],
    ['A write 0x1000 =', '2: VALUE is missing; the form is: P write ADDR [NPAGES] [= VALUE]'],
    ['A advise 0x1000 1 wilneed', '2: ADVICE must be one of normal random sequential willneed dontneed free, not'],
    ['A inherit 0x1000 1 zero', '2: HOW must be one of share copy none, not zero'],
    ['A map 0x1000 1 file F 0 shared rw-', '2: no file is called F'],
    ['A map 0x1000 1 device D 0 shared rw-', '2: no device is called D'],
    ['proc A', '2: there is a process called A already, since line 1'],
    ['fork A A', '2: there is a process called A already, since line 1'],
    ['fork Z B', '2: no process is called Z (did you mean A?)'],
    ['memory 10', '2: memory must come before any command that uses it (proc A, line 1)'],
    ['swap 10', '2: swap must come before the first process (proc A, line 1)'],
    ['device D 0', '2: NPAGES must be at least 1, not 0'],
    ['usage B', '2: no process is called B (did you mean A?)'],
  ])('%s', (line, message) => {
    expect(errorsOf(`proc A\n${line}`)[0]?.slice(0, message.length)).toBe(message);
  });

  test('memory and swap twice, memory of no pages', () => {
    expect(errorsOf('memory 0')).toEqual(['1: N must be at least 1, not 0']);
    expect(errorsOf('memory 8\nmemory 8\nswap 1\nswap 1')).toEqual([
      '2: memory was given already on line 1',
      '4: swap was given already on line 3',
    ]);
  });

  test('a process that has exited', () => {
    expect(errorsOf('proc A\nexit A\nA read 0x1000')).toEqual(['3: process A has exited on line 2']);
  });

  test('a mistake on the line that makes a name does not spoil the lines that use it', () => {
    expect(errorsOf('file F 12x\nproc A\nA map 0x1000 1 file F 0 shared r--')).toHaveLength(1);
    expect(errorsOf('proc A\nfork Z B\nB pmap')).toHaveLength(1);
  });
});

describe('commands of single systems', () => {
  test.each<[SystemName, string, string]>([
    ['freebsd', 'ticks', '2: the command ticks exists only on dragonfly, not on freebsd'],
    ['freebsd', 'shm S 8', '2: the command shm exists only on netbsd, not on freebsd'],
    ['csrg', 'A setmap 0x1000 1 0xd', '2: the command setmap exists only on dragonfly, not on csrg'],
    ['netbsd', 'A faultpage 0x1000 r', '2: the command faultpage exists only on dragonfly, not on netbsd'],
    ['dragonfly', 'loan A 0x1000 1 kernel', '2: the command loan exists only on netbsd, not on dragonfly'],
    [
      'freebsd',
      'A map 0x1000 1 stack',
      '2: this form of map (P map ADDR NPAGES stack|kstack) exists only on dragonfly, not on freebsd',
    ],
    [
      'freebsd',
      'A advise 0x1000 1 nocore',
      '2: this form of advise (P advise ADDR NPAGES nosync|autosync|nocore|core) exists only on dragonfly, not on freebsd',
    ],
  ])('%s: %s', (system, line, message) => {
    expect(errorsOf(`proc A\n${line}`, system)).toEqual([message]);
  });

  test('words of other systems are not suggested', () => {
    expect(errorsOf('tikcs', 'freebsd')).toEqual(['1: unknown command tikcs']);
    expect(errorsOf('tikcs', 'dragonfly')).toEqual(['1: unknown command tikcs (did you mean ticks?)']);
  });

  test('dragonfly reads its own', () => {
    const own = (line: string): unknown =>
      (actionsOf(`file F 8192\nproc A\n${line}`, 'dragonfly')[2] as { command?: unknown }).command;
    expect(own('A map 0x1000 4 vpagetable file F 0 shared rw-')).toMatchObject({
      name: 'map vpagetable',
      protection: 3,
    });
    expect(own('A map 0x1000 4 anon private nosync rw-')).toMatchObject({ name: 'map nosync', sharing: 'private' });
    expect(own('A map 0x1000 4 kstack')).toMatchObject({ name: 'map kstack', pages: 4 });
    expect(own('A poke 0x1008 0xffffffffffffffff')).toMatchObject({ name: 'poke', value: 0xffffffffffffffffn });
    expect(own('A objpage 0x1000 n dirty unswap')).toMatchObject({ want: 'n', dirty: true, unswap: true });
    expect(own('A objpage 0x1000 r unswap')).toMatchObject({ want: 'r', dirty: false, unswap: true });
    expect(own('load off')).toEqual({ name: 'load', load: 'off' });
    expect(own('load 500')).toEqual({ name: 'load', load: 500 });
    expect(own('A advise 0x1000 1 nosync')).toMatchObject({ name: 'advise', advice: 'nosync' });
    expect(errorsOf('proc A\nA peek 0x1004', 'dragonfly')).toEqual(['2: ADDR must be a multiple of 8, not 0x1004']);
  });

  test('netbsd reads its own', () => {
    const own = (line: string): unknown =>
      (actionsOf(`file F 8192\nshm S 8\nproc A\nproc B\n${line}`, 'netbsd')[4] as { command?: unknown }).command;
    expect(own('loan A 0x1000 2 kernel')).toMatchObject({ name: 'loan', to: 'kernel' });
    expect(own('loan A 0x1000 2 anon B 0x9000')).toMatchObject({ to: { process: 'B', address: 0x9000 } });
    expect(own('ioerror F 6 1 EAGAIN')).toMatchObject({ file: 'F', page: 6, count: 1, again: true });
    expect(own('A map 0x1000 2 shm S 1 shared rw-')).toMatchObject({ name: 'map shm', segment: 'S', offset: 1 });
    expect(own('submap A 0x1000 2 B')).toMatchObject({ name: 'submap', process: 'A', inner: 'B' });
  });
});
