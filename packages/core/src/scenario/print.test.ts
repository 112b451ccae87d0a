import { describe, expect, test } from 'vitest';
import type { EntryInfo } from '../vm/system.js';
import { backingLines, counterLines, entryLine, hex, queuesLine, ranges, translationLine } from './print.js';

const entry: EntryInfo = {
  start: 0x10000,
  end: 0x20000,
  protection: 3,
  maximum: 7,
  inheritance: 'copy',
  cow: false,
  needsCopy: false,
  wired: 0,
  advice: 'normal',
};

describe('the printed forms', () => {
  test('numbers', () => {
    expect(hex(0x7ffffffff000)).toBe('0x7ffffffff000');
    expect(ranges([])).toBe('');
    expect(ranges([0, 3, 4, 5, 9])).toBe('0,3-5,9');
  });

  test('translations', () => {
    expect(translationLine({ start: 0x10000, end: 0x14000, protection: 3, wired: false })).toBe(
      '  0x10000-0x14000 rw-',
    );
    expect(translationLine({ start: 0x40000, end: 0x41000, protection: 1, wired: true })).toBe(
      '  0x40000-0x41000 r-- wired',
    );
  });

  test('entries leave out what does not apply', () => {
    expect(entryLine(entry)).toBe('  0x10000-0x20000 rw-/rwx inherit=copy');
    expect(entryLine({ ...entry, cow: true, needsCopy: true, wired: 1, advice: 'random' })).toBe(
      '  0x10000-0x20000 rw-/rwx inherit=copy cow needs_copy wired=1 advice=random',
    );
    expect(entryLine(entry, ['nosync'])).toBe('  0x10000-0x20000 rw-/rwx inherit=copy nosync');
  });

  test('a chain of objects', () => {
    expect(
      backingLines([
        { kind: 'object', type: 'default', size: 16, ref: 1, shadows: 0, offset: 0, resident: [0, 3, 4, 5] },
        { kind: 'object', type: 'vnode:F', size: 32, ref: 2, shadows: 1, resident: [] },
      ]),
    ).toEqual([
      '  default size=16 ref=1 shadows=0 offset=0 resident=0,3-5',
      '  vnode:F size=32 ref=2 shadows=1 resident=',
    ]);
  });

  test('a copy object stands below its object', () => {
    const copy = { kind: 'object', type: 'internal', size: 4, ref: 1, offset: 0, resident: [] } as const;
    expect(backingLines([{ kind: 'object', type: 'vnode:F', size: 4, ref: 2, resident: [0, 1], copy }])).toEqual([
      '  vnode:F size=4 ref=2 resident=0-1',
      '    copy: internal size=4 ref=1 offset=0 resident=',
    ]);
  });

  test('an amap over a file, and empty layers', () => {
    const anons = [
      { slot: 0, ref: 1 },
      { slot: 3, ref: 2 },
    ];
    expect(
      backingLines([
        { kind: 'amap', slots: 16, used: 2, ref: 1, shared: true, anons },
        { kind: 'uobj', type: 'vnode:F', ref: 2, resident: [0, 1] },
      ]),
    ).toEqual(['  amap slots=16 used=2 ref=1 shared anons=0:1,3:2', '  uobj vnode:F ref=2 resident=0-1']);
    expect(backingLines([{ kind: 'uobj', type: 'device:D', ref: 1, resident: [] }])).toEqual(['  uobj device:D ref=1']);
    expect(backingLines([])).toEqual(['  none']);
  });

  test('queues and counters', () => {
    expect(
      queuesLine([
        { name: 'free', pages: 4090 },
        { name: 'wired', pages: 0 },
      ]),
    ).toBe('queues free=4090 wired=0');
    expect(counterLines({ v_zfod: 2, v_cow_faults: 1, v_ozfod: 0 })).toEqual(['  v_cow_faults 1', '  v_zfod 2']);
  });
});
