/*
 * Replay: a recorded program through a whole system, a reference. Beside it, what reading the file costs alone, which is in it.
 */
import { fileURLToPath } from 'node:url';
import { bootSystem } from '@faultline/core';
import { replay, TraceReader, totalReferences } from '@faultline/trace';
import { MACHINE_PAGES } from './lines.mjs';
import { each } from './rounds.mjs';

/** What a quick run replays instead. */
const SMALL = 'ls.vmt';

export function sides(line, system, _pages, quick) {
  const name = quick ? SMALL : line.trace;
  const trace = TraceReader.open(fileURLToPath(new URL(`../traces/${name}`, import.meta.url)));
  const references = totalReferences(trace.header.references);
  return {
    ours: () => {
      const machine = bootSystem(system, { memoryPages: MACHINE_PAGES, contents: false });
      return each(references, () => {
        const { stopped, failures } = replay(trace, machine);
        if (stopped !== null || failures > 0)
          throw new Error(`the replay went wrong: ${stopped ?? `${failures} failures`}`);
      });
    },
    reading: () => {
      trace.rewind();
      return each(references, () => {
        while (trace.next() !== null);
      });
    },
  };
}
