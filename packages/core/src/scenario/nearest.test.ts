import { describe, expect, test } from 'vitest';
import { editDistance, hint, nearest } from './nearest.js';

describe('the nearest word', () => {
  test.each([
    ['map', 'map', 0],
    ['mpa', 'map', 1],
    ['protcet', 'protect', 1],
    ['', 'map', 3],
    ['kitten', 'sitting', 3],
  ])('%s and %s are %i edits apart', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });

  test('a near word is found whatever its case', () => {
    expect(nearest('Unmpa', ['map', 'unmap', 'protect'])).toBe('unmap');
  });

  test('a word too far from all is left alone', () => {
    expect(nearest('teleport', ['map', 'unmap', 'protect'])).toBeNull();
    expect(hint('teleport', ['map'])).toBe('');
  });
});
