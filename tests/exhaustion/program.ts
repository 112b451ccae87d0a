/**
 * Short programs of process calls, made from a seed: what is run again and again while something in the machine fails.
 *
 * A program knows processes and mappings by number; a step about one that is not there (any more) is passed over, so that a program goes on after a
 * step that was refused.
 */

export const FILES = 2;
/** Pages of each file; the last one is not whole. */
export const FILE_PAGES = 14;
export const FILE_BYTES = FILE_PAGES * 4096 - 1000;
export const PROCESSES_MAX = 3;

export type Kind = 'private' | 'shared' | 'private file' | 'shared file';

/** What is done to a part of a mapping. `over`: new memory is mapped in its place. */
const CUTS = ['unmap', 'over', 'protect', 'allow', 'lock', 'unlock', 'leave'] as const;
export type Cut = (typeof CUTS)[number];

export type Step =
  | { readonly op: 'map'; readonly process: number; readonly kind: Kind; readonly file: number; readonly pages: number }
  | { readonly op: 'unmap'; readonly process: number; readonly mapping: number }
  | {
      readonly op: 'write' | 'read';
      readonly process: number;
      readonly mapping: number;
      readonly from: number;
      readonly pages: number;
    }
  | { readonly op: 'protect'; readonly process: number; readonly mapping: number; readonly writable: boolean }
  | {
      /** A call on a part of a mapping: the kernel cuts its entries. */
      readonly op: 'cut';
      readonly how: Cut;
      readonly process: number;
      readonly mapping: number;
      readonly from: number;
      readonly pages: number;
    }
  | { readonly op: 'lock' | 'unlock' | 'sync' | 'dontneed'; readonly process: number; readonly mapping: number }
  | { readonly op: 'fork' | 'exit'; readonly process: number }
  | { readonly op: 'brk'; readonly process: number; readonly pages: number }
  | { readonly op: 'fsync'; readonly process: number; readonly file: number }
  | { readonly op: 'pageout'; readonly pages: number };

/** Whole numbers below a bound, the same for the same seed. */
export function randomFrom(seed: number): (below: number) => number {
  let state = (Math.imul(seed + 1, 2654435761) ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const KINDS: readonly Kind[] = ['private', 'shared', 'private file', 'shared file'];

function stepOf(random: (below: number) => number): Step {
  const process = random(PROCESSES_MAX);
  const mapping = random(3);
  const kind = random(100);
  if (kind < 12)
    return {
      op: 'map',
      process,
      kind: KINDS[random(4)] as Kind,
      file: random(FILES),
      pages: 3 + random(FILE_PAGES - 3),
    };
  if (kind < 40) return { op: 'write', process, mapping, from: random(10), pages: 1 + random(10) };
  if (kind < 60) return { op: 'read', process, mapping, from: random(10), pages: 1 + random(10) };
  if (kind < 64) return { op: 'protect', process, mapping, writable: random(3) > 0 };
  if (kind < 69) return { op: random(3) > 0 ? 'lock' : 'unlock', process, mapping };
  if (kind < 74) return { op: 'sync', process, mapping };
  if (kind < 76) return { op: 'dontneed', process, mapping };
  if (kind < 83) return { op: 'fork', process };
  if (kind < 86) return { op: 'exit', process };
  if (kind < 88) return { op: 'unmap', process, mapping };
  if (kind < 90) return { op: 'brk', process, pages: random(6) };
  if (kind < 92) return { op: 'fsync', process, file: random(FILES) };
  return { op: 'pageout', pages: 10 + random(90) };
}

/** Calls on parts of mappings, from random numbers of their own, so that the rest of a program is the same with and without them. */
function addCuts(steps: Step[], random: (below: number) => number): void {
  for (let i = 0; i < 5; i++) {
    const step: Step = {
      op: 'cut',
      how: CUTS[random(CUTS.length)] as Cut,
      process: random(PROCESSES_MAX) === 0 ? 1 : 0,
      mapping: random(2),
      from: random(9),
      pages: 1 + random(6),
    };
    steps.splice(3 + random(steps.length - 3), 0, step);
  }
}

/** A program of a seed: it begins with memory to work on. */
export function programOf(seed: number, length = 24): Step[] {
  const random = randomFrom(seed);
  const first: Step[] = [
    { op: 'map', process: 0, kind: KINDS[seed % 4] as Kind, file: 0, pages: FILE_PAGES },
    { op: 'write', process: 0, mapping: 0, from: 0, pages: 8 },
    { op: 'map', process: 0, kind: KINDS[random(4)] as Kind, file: 1, pages: FILE_PAGES },
  ];
  const steps = [...first, ...Array.from({ length: length - 3 }, () => stepOf(random))];
  // Under way everything is sent to its store once, or half of the programs would never do any I/O.
  steps.splice(10 + random(6), 0, { op: 'pageout', pages: 150 });
  addCuts(steps, randomFrom(seed + 1_000_000));
  return steps;
}
