import { expect, it } from 'vitest';
import { ONE_ENTRY, reserves } from './reserve.js';

it('counts nothing where nothing can be refused', () => {
  const never = (): never => {
    throw new Error('counted');
  };
  expect(reserves({ allocationFails: null }, never)).toBe(true);
});

it('asks for every entry and then every object, and stops at the first that is refused', () => {
  const asked: string[] = [];
  const upTo = (most: number) => (kind: string) => asked.push(kind) > most;
  const needs = () => ({ entries: 2, objects: 1 });
  expect(reserves({ allocationFails: upTo(3) }, needs)).toBe(true);
  expect(asked.splice(0)).toEqual(['map entry', 'map entry', 'object']);
  expect(reserves({ allocationFails: upTo(1) }, needs)).toBe(false);
  expect(asked.splice(0)).toEqual(['map entry', 'map entry']);
  expect(reserves({ allocationFails: upTo(0) }, () => ONE_ENTRY)).toBe(false);
});
