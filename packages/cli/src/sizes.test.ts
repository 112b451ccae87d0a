import { describe, expect, test } from 'vitest';
import { parseMemory, sizeName } from './sizes.js';

describe('sizes of memory', () => {
  test.each([
    ['1048576', 256],
    ['512K', 128],
    ['512k', 128],
    ['64M', 16384],
    ['64MiB', 16384],
    ['1.5G', 393216],
    ['200p', 200],
    [' 16G ', 2 ** 22],
  ])('%s is %i pages', (text, pages) => {
    expect(parseMemory('--memory', text)).toBe(pages);
  });

  test.each([
    ['', '--memory:  is not a size; write bytes (67108864), 64K, 64M, 1G, or pages (200p)'],
    ['lots', '--memory: lots is not a size'],
    ['-1M', '--memory: -1M is not a size'],
    ['1.5p', '--memory: 1.5p is not a size'],
    ['0', '--memory: 0 is less than one page of 4096 bytes'],
    ['5000', '--memory: 5000 is not a whole number of pages of 4096 bytes'],
    ['64K', '--memory: 64K is less than 256K; a kernel keeps more than that for itself'],
    ['17G', '--memory: 17G is more than 16G, the most there can be'],
    ['99999999999999999999G', '--memory: 99999999999999999999G is more than 16G'],
  ])('%s is refused', (text, message) => {
    expect(() => parseMemory('--memory', text)).toThrow(message);
  });

  test('sizes are named by their largest unit', () => {
    expect([512, 4096, 65536 * 1024, 1.5 * 2 ** 30].map(sizeName)).toEqual(['512', '4K', '64M', '1.5G']);
  });
});
