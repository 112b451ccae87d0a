/** The memory calls: arguments, errors and edge cases, where scripts cannot say them. */
import { describe, expect, test } from 'vitest';
import { ANON, load, map, script, store } from '../../../../tests/csrg-tools.js';
import { MemoryStore } from '../machine/memory-store.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { MapRequest } from '../vm/system.js';
import { type VnodeHandle, vnodeSetSize } from './pager-vnode.js';
import { DATA_LIMIT_BYTES, sysMincore } from './syscalls.js';
import { bootCsrg } from './system.js';

const AT = 0x10000;

function started() {
  const system = bootCsrg({ memoryPages: 64, swapPages: 64, devicePages: 4 });
  const a = system.spawn('A');
  const bytes = new Uint8Array(3 * PAGE_SIZE).map((_, at) => at % 251);
  const file = system.createFile('F', new MemoryStore(bytes));
  const ask = (request: Partial<MapRequest>): number | string =>
    system.map(a, {
      address: AT,
      length: PAGE_SIZE,
      protection: 3,
      sharing: 'private',
      backing: ANON,
      fixed: true,
      ...request,
    });
  return { system, a, file, ask };
}

describe('mmap', () => {
  test('takes a hint, or the first hole behind it, or looks above the largest data segment', () => {
    const { ask } = started();
    expect(ask({ address: AT, fixed: false })).toBe(AT);
    expect(ask({ address: AT, fixed: false })).toBe(AT + PAGE_SIZE);
    expect(ask({ address: AT + 1, fixed: false })).toBe(AT + 2 * PAGE_SIZE);
    expect(ask({ address: 0, fixed: false })).toBe(DATA_LIMIT_BYTES);
  });

  test('refuses what cannot be', () => {
    const { ask } = started();
    expect(ask({ address: AT + 1 })).toBe('EINVAL');
    // What no program could hand to a kernel does not get as far as that.
    expect(() => ask({ length: -1 })).toThrow(RangeError);
    expect(ask({ length: 0 })).toBe(AT);
    expect(ask({ address: 0x7ffffffff000 })).toBe('ENOMEM');
    expect(ask({ address: AT, length: 2 ** 47, fixed: false })).toBe('ENOMEM');
  });

  test('leaves nothing behind when it is refused', () => {
    const { system, file, ask } = started();
    for (const sharing of ['private', 'shared'] as const) {
      const backing = { kind: 'file', file, offset: 0 } as const;
      expect(ask({ address: 0x7ffffffff000, sharing, backing })).toBe('ENOMEM');
      system.check();
    }
    system.vm.allocationFails = (kind) => kind === 'pager';
    expect(ask({})).toBe('ENOMEM');
    system.check();
  });

  test('a file may be shown from any byte on', () => {
    const { system, a, file } = started();
    map(system, a, 16, 2, { kind: 'file', file, offset: 100 }, 'shared');
    expect(load(system, a, 16)).toBe(100);
    expect(load(system, a, 17)).toBe((PAGE_SIZE + 100) % 251);
    system.check();
    expect(system.sync(a, AT, 2 * PAGE_SIZE)).toBe(0);
    system.check();
  });
});

describe('munmap and msync', () => {
  test('munmap wants the whole range mapped', () => {
    const { system, a, ask } = started();
    ask({ length: 2 * PAGE_SIZE });
    expect(system.unmap(a, AT, 3 * PAGE_SIZE)).toBe('EINVAL');
    expect(system.unmap(a, AT + 1, PAGE_SIZE)).toBe('EINVAL');
    expect(system.unmap(a, AT, 0)).toBe(0);
    expect(system.unmap(a, AT, PAGE_SIZE + 1)).toBe(0);
    expect(system.entries(a)).toEqual([]);
  });

  test('msync of length 0 takes the whole entry', () => {
    const { system, a, file } = started();
    map(system, a, 16, 3, { kind: 'file', file, offset: 0 }, 'shared');
    for (let page = 0; page < 3; page++) store(system, a, 16 + page, 200 + page);
    expect(system.sync(a, AT + PAGE_SIZE, 0)).toBe(0);
    expect(system.queues()[0]?.pages).toBe(64);
    const bytes = new Uint8Array(1);
    file.store.read(2 * PAGE_SIZE, [bytes]);
    expect(bytes[0]).toBe(202);
  });
});

describe('brk', () => {
  test('grows one entry, whose object grows with it, and shrinks to zeros', () => {
    const { system, a } = started();
    system.brk(a, AT);
    expect(system.brk(a, AT + PAGE_SIZE)).toBe(0);
    store(system, a, 16, 7);
    expect(system.brk(a, AT + 4 * PAGE_SIZE)).toBe(0);
    store(system, a, 19, 8);
    expect(system.entries(a).length).toBe(1);
    expect(system.brk(a, AT + PAGE_SIZE)).toBe(0);
    expect(system.brk(a, AT + 4 * PAGE_SIZE)).toBe(0);
    expect(load(system, a, 19)).toBe(0);
    expect(load(system, a, 16)).toBe(7);
    system.check();
  });

  test('refuses to grow into a mapping, or beyond the limit', () => {
    const { system, a, ask } = started();
    system.brk(a, AT);
    ask({ address: AT + 2 * PAGE_SIZE });
    expect(system.brk(a, AT + 3 * PAGE_SIZE)).toBe('ENOMEM');
    expect(system.brk(a, AT + DATA_LIMIT_BYTES + 1)).toBe('ENOMEM');
    expect(system.brk(a, AT + 2 * PAGE_SIZE)).toBe(0);
  });
});

test('a file that gets shorter takes its pages from whoever maps them', () => {
  const { system, a, file } = started();
  map(system, a, 16, 3, { kind: 'file', file, offset: 0 }, 'shared');
  for (let page = 0; page < 3; page++) load(system, a, 16 + page);
  system.vm.kernel.call(a.thread, vnodeSetSize(system.vm, a.thread, file as VnodeHandle, PAGE_SIZE + 1));
  expect(system.translations(a).map((run) => run.end)).toEqual([AT + 2 * PAGE_SIZE]);
  expect(system.faultCodeName(system.fault(a, 18, 0))).toBe('KERN_PROTECTION_FAILURE');
  system.check();
});

test('a stack grows by faults up to its limit, and below that there is nothing', () => {
  const { system, a, ask } = started();
  ask({});
  expect(system.exec(a, { top: 1000, maxPages: 16, limitPages: 4 })).toBe(0);
  expect(system.entries(a).map((entry) => [entry.start / PAGE_SIZE, entry.end / PAGE_SIZE, entry.protection])).toEqual([
    [984, 996, 0],
    [996, 1000, 7],
  ]);
  store(system, a, 997, 1);
  expect(a.stackPages).toBe(3);
  expect(system.faultCodeName(system.fault(a, 990, 1))).toBe('KERN_INVALID_ADDRESS');
  expect(sysMincore()).toBe('EOPNOTSUPP');
  system.check();
});

test('madvise refuses, whatever is asked', () => {
  expect(script('proc A\nA advise 0x10000 1 normal')).toEqual(['error A advise EOPNOTSUPP']);
});

test('an instruction is fetched like data', () => {
  const { system, a } = started();
  map(system, a, 16, 1);
  expect(system.translate(a, 16, 2)).toBe(-1);
  expect(system.faultCodeName(system.fault(a, 16, 2))).toBe('KERN_SUCCESS');
  expect(system.translate(a, 16, 2)).toBeGreaterThanOrEqual(0);
});
