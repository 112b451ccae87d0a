/**
 * Processes that are killed while they write files through mappings. A short form: `npm run crash` is the long one. Skipped until `npm run build` has
 * made the packages that the children run on.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkFiles } from './check.js';
import { firstContents, MARK } from './plan.js';
import { runCrashes } from './rounds.js';

const BUILT = existsSync(fileURLToPath(new URL('../../packages/core/dist/process/index.js', import.meta.url)));

describe.skipIf(!BUILT)('a process that is killed', () => {
  it('leaves what a returned msync covered, and whole sectors of the rest', async () => {
    const counts = await runCrashes({ random: 12, marked: 20, seed: 5, jobs: 2 });
    expect(counts.failures).toEqual([]);
    expect(counts).toMatchObject({ random: 12, marked: 20 });
    // It was killed in the middle of something: not everything was on disk.
    expect(counts.operations).toBeGreaterThan(100);
    expect(counts.old).toBeGreaterThan(0);
  });
});

describe('the check', () => {
  const whole = (): Uint8Array[] => [firstContents(0), firstContents(1)];

  it('takes the files as they were at first', () => {
    expect(checkFiles(1, 0, whole()).wrong).toEqual([]);
  });

  it('finds a byte of somebody else, a byte too many, and a promise not kept', () => {
    const strange = whole();
    (strange[0] as Uint8Array)[5000] = MARK;
    expect(checkFiles(1, 0, strange).wrong).toHaveLength(1);
    const [first, second] = whole() as [Uint8Array, Uint8Array];
    expect(checkFiles(1, 0, [new Uint8Array([...first, 0]), second]).wrong).toContainEqual(
      expect.stringContaining('bytes, not'),
    );
    // After four hundred operations many a store has been promised.
    expect(checkFiles(1, 400, whole()).wrong.length).toBeGreaterThan(10);
  });
});
