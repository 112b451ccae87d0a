/**
 * What the memory of a program should hold, told by one number a page.
 *
 * A page is written by storing a number into one of its bytes, so a page is either as its file (or as zeros) or carries the number of its last store. Shared
 * memory is one array that several mappings refer to; private memory is an array of each process's own, in which -1 stands for "as it is behind".
 */
import type { Kind } from './program.js';
import { FILE_PAGES, FILES } from './program.js';

/** The number that a page of a file has before it is written. */
export const fileStamp = (file: number, page: number): number => 1 + file * 50 + page;

export interface Mapping {
  readonly address: number;
  readonly pages: number;
  readonly kind: Kind;
  /** What is behind: a file's pages, or shared memory. Null for private memory of no file. */
  readonly behind: number[] | null;
  /** Private pages, or null where everything is shared. */
  readonly own: number[] | null;
  readonly file: number;
  writable: boolean;
  /** Pages that have been taken out of the mapping, and pages that may not be written for now. */
  readonly gone: Set<number>;
  readonly readOnly: Set<number>;
  /** The mapping may be several entries by now. */
  cut: boolean;
  /** Nothing, or a later mapping, may lie where pages were taken out: no call on the whole any more. */
  holes: boolean;
}

export class Model {
  readonly files: number[][] = Array.from({ length: FILES }, (_, file) =>
    Array.from({ length: FILE_PAGES }, (_, page) => fileStamp(file, page)),
  );

  mapped(kind: Kind, file: number, address: number, pages: number): Mapping {
    const isFile = kind.endsWith('file');
    const isPrivate = kind.startsWith('private');
    const memory = kind === 'shared' ? new Array<number>(pages).fill(0) : null;
    return {
      address,
      pages,
      kind,
      file: isFile ? file : -1,
      behind: isFile ? (this.files[file] as number[]) : memory,
      own: isPrivate ? new Array<number>(pages).fill(-1) : null,
      writable: true,
      gone: new Set(),
      readOnly: new Set(),
      cut: false,
      holes: false,
    };
  }

  read({ own, behind }: Mapping, page: number): number {
    const mine = own === null ? -1 : (own[page] as number);
    return mine >= 0 ? mine : behind === null ? 0 : (behind[page] as number);
  }

  write({ own, behind }: Mapping, page: number, stamp: number): void {
    ((own ?? behind) as number[])[page] = stamp;
  }
}

/** The mappings of a child. */
export function forked(mappings: readonly Mapping[]): Mapping[] {
  return mappings.map((mapping) => ({
    ...mapping,
    own: mapping.own === null ? null : [...mapping.own],
    gone: new Set(mapping.gone),
    readOnly: new Set(mapping.readOnly),
  }));
}
