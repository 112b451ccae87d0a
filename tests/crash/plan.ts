/**
 * What a process that is going to be killed does: an endless list of operations that follows from a seed, so that whoever looks at the files
 * afterwards knows what should be in them.
 *
 * Two processes of one machine share two files. The second one also has the first file privately and memory of its own, and fills both with a byte that is
 * never stored to a file: should it turn up in one, memory of somebody else has been written.
 */

export const PAGE = 4096;
/** Lengths in bytes: the last page of each file has a part behind the end. */
export const FILE_BYTES = [70 * PAGE + 1234, 33 * PAGE + 512 * 3] as const;
/** Pages of memory that belongs to no file. */
export const PRIVATE_PAGES = 150;
/** The byte that no file may ever have. */
export const MARK = 0xee;

export type Operation =
  /** Bytes stored through a shared mapping, by one of the two processes. They may lie behind the end of the file. */
  | {
      readonly op: 'store';
      readonly process: number;
      readonly file: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  /** Pages `from` to `to` of a file. */
  | {
      readonly op: 'msync';
      readonly process: number;
      readonly file: number;
      readonly from: number;
      readonly to: number;
    }
  | { readonly op: 'fsync'; readonly process: number; readonly file: number }
  /** MARKs stored to private memory: a page of the private file mapping, or of no file. */
  | { readonly op: 'private'; readonly ofFile: boolean; readonly page: number }
  | { readonly op: 'pageout'; readonly pages: number };

/** A generator of whole numbers below a bound: the same list for the same seed, everywhere. */
export function randomFrom(seed: number): (below: number) => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

const pagesOf = (file: number): number => Math.ceil((FILE_BYTES[file] as number) / PAGE);

function storeOperation(random: (below: number) => number): Operation {
  const file = random(2);
  const offset = random(pagesOf(file) * PAGE);
  const length = 1 + random(random(4) === 0 ? 9000 : 700);
  const bytes = new Uint8Array(Math.min(length, pagesOf(file) * PAGE - offset));
  const from = random(200);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (from + i) % 200;
  return { op: 'store', process: random(2), file, offset, bytes };
}

function syncOperation(random: (below: number) => number): Operation {
  const file = random(2);
  const process = random(2);
  if (random(5) === 0) return { op: 'fsync', process, file };
  const from = random(pagesOf(file));
  const to = random(3) === 0 ? pagesOf(file) : Math.min(pagesOf(file), from + 1 + random(12));
  return { op: 'msync', process, file, from, to };
}

/** The operations of a seed, without end. */
export function* operationsOf(seed: number): Generator<Operation, never> {
  const random = randomFrom(seed);
  for (;;) {
    const kind = random(100);
    if (kind < 68) yield storeOperation(random);
    else if (kind < 88) yield syncOperation(random);
    else if (kind < 97) {
      const ofFile = random(3) === 0;
      yield { op: 'private', ofFile, page: random(ofFile ? pagesOf(0) - 1 : PRIVATE_PAGES) };
    } else yield { op: 'pageout', pages: 1 + random(60) };
  }
}

/** What the files hold before anything happens. */
export function firstContents(file: number): Uint8Array {
  const bytes = new Uint8Array(FILE_BYTES[file] as number);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + file * 31 + (i >> 12)) % 200;
  return bytes;
}

/** Where a process kills itself: at the `nth` write or sync of a file, before, in the middle, or after. */
export interface Moment {
  readonly at: 'before write' | 'within write' | 'after write' | 'before sync' | 'after sync';
  readonly nth: number;
}

const PLACES = ['before write', 'within write', 'after write', 'before sync', 'after sync'] as const;

/** So many different moments: each place in turn, later and later. */
export function momentsOf(count: number): Moment[] {
  return Array.from({ length: count }, (_, i) => ({
    at: PLACES[i % PLACES.length] as Moment['at'],
    nth: 1 + Math.floor(i / PLACES.length) * 3,
  }));
}
