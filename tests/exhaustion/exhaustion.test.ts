/**
 * Programs of process calls in which everything fails once that can: allocations, reads and writes of files and of swap, stores that answer later. A short
 * form, with a few programs and every so manieth failure; `npm run exhaustion` is the long one.
 */
import { SYSTEM_NAMES } from '@faultline/core';
import { describe, expect, it } from 'vitest';
import { exhaust } from './exhaustion.js';
import { programOf } from './program.js';
import { Run } from './runner.js';
import { BrokenStores, Refusals } from './troubles.js';

describe.each(SYSTEM_NAMES)('%s', (system) => {
  it('refuses only as is documented, loses nothing, leaks nothing and hangs nowhere', async () => {
    const counts = await exhaust({ system, seed: 1, programs: 4, stride: 11 });
    expect(counts.failures).toEqual([]);
    expect(counts.refusals).toBeGreaterThan(0);
    for (const what of ['frame', 'translation', 'map entry', 'file read', 'file write', 'swap write', 'late']) {
      expect(counts.runs[what], what).toBeGreaterThan(0);
    }
  });
});

describe('the runner', () => {
  const EIO_FOR_GOOD = { on: 'read', error: 5, times: Number.POSITIVE_INFINITY } as const;

  it('notices a refusal that nothing explains', async () => {
    const broken = new BrokenStores(/^file/, [EIO_FOR_GOOD]);
    const innocent = { wrap: broken.wrap.bind(broken), end: broken.end.bind(broken), struck: false };
    const run = new Run({ system: 'freebsd', late: false, trouble: innocent }, programOf(2));
    await expect(run.run()).rejects.toThrow(/though nothing has failed/);
  });

  it('notices a wrong byte', async () => {
    const lies = {
      struck: true,
      wrap: (name: string, store: import('@faultline/core').BackingStore) => ({
        synchronous: store.synchronous,
        size: () => store.size(),
        read: (offset: number, buffers: readonly Uint8Array[]) => {
          const result = store.read(offset, buffers);
          if (name === 'file0') for (const buffer of buffers) buffer[8] = 255;
          return result;
        },
        write: (offset: number, buffers: readonly Uint8Array[]) => store.write(offset, buffers),
        truncate: (bytes: number) => store.truncate(bytes),
        sync: () => store.sync(),
        close: () => store.close(),
      }),
    };
    const run = new Run({ system: 'freebsd', late: false, trouble: lies }, programOf(2));
    await expect(run.run()).rejects.toThrow();
  });

  it('counts what it refuses', async () => {
    const all = new Refusals('frame');
    await new Run({ system: 'netbsd', late: false, trouble: all }, programOf(3)).run();
    expect(all.count).toBeGreaterThan(10);
    expect(all.struck).toBe(false);
  });
});
