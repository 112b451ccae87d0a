/** The limit of the object cache, shown by examples/object-cache.scn. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { script } from '../../../../tests/csrg-tools.js';
import { VM_CACHE_MAX } from './vm.js';

const SCENARIO = readFileSync(new URL('../../../../examples/object-cache.scn', import.meta.url), 'utf8');
const LAST = /^file F101 .*\n(?:A .*\n){3}/m;

/** What is printed from the first repeated file on. */
function again(text: string): string[] {
  const lines = script(text);
  return lines.slice(lines.indexOf('the 51st file again'));
}

test('once more files were read than the cache holds, the first is read from disk again', () => {
  expect(SCENARIO.match(/^file /gm)?.length).toBe(VM_CACHE_MAX + 1);
  expect(again(SCENARIO)).toEqual([
    'the 51st file again',
    'fault A r 0x10000 KERN_SUCCESS minor',
    'the first file again',
    'fault A r 0x10000 KERN_SUCCESS major',
    'counters',
    '  v_pageins 102',
    '  v_reactivated 1',
    '  v_vm_faults 103',
  ]);
});

test('with as many files as it holds, the first is still in memory', () => {
  const fewer = SCENARIO.replace(LAST, '');
  expect(fewer.match(/^file /gm)?.length).toBe(VM_CACHE_MAX);
  expect(again(fewer)).toEqual([
    'the 51st file again',
    'fault A r 0x10000 KERN_SUCCESS minor',
    'the first file again',
    'fault A r 0x10000 KERN_SUCCESS minor',
    'counters',
    '  v_pageins 100',
    '  v_reactivated 2',
    '  v_vm_faults 102',
  ]);
});
