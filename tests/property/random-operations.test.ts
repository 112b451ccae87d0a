/** Random programs on every finished system, compared with the reference model after each operation. */
import { SYSTEMS } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import type { Defects } from './differential.js';
import { RULED, RULES, WITHOUT_RULES } from './rules.js';
import { soak } from './soak.js';

/** Printed when something differs; `npm run soak -- --seed N` takes another. */
const SEED = 20070925;

it('every system has a row in rules.ts, or a reason why not', () => {
  expect(Object.keys(SYSTEMS).filter((name) => !(name in RULES) && !(name in WITHOUT_RULES))).toEqual([]);
  expect(Object.keys(WITHOUT_RULES).filter((name) => name in RULES)).toEqual([]);
});

describe.each(RULED)('%s', (system) => {
  describe.each<Defects>(['mended', 'as-seeded'])('%s', (defects) => {
    const plan = { system, defects, seed: SEED };

    it('equals the model under memory pressure with swap', () => {
      const result = soak({ ...plan, operations: 45_000, checkEvery: 25 });
      expect(result.failure).toBeNull();
      expect(result.operations).toBeGreaterThanOrEqual(45_000);
    });

    it('holds every invariant after every operation', () => {
      expect(soak({ ...plan, operations: 3_000, checkEvery: 1 }).failure).toBeNull();
    });

    it('equals the model where memory runs out', () => {
      expect(soak({ ...plan, operations: 5_000, checkEvery: 10, swapPages: 0 }).failure).toBeNull();
    });
  });
});
