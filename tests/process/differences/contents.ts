/**
 * Where bytes may differ, which the table leaves to the kernels.
 *
 * The model of each system knows every content that a page may have there, and refuses any other. A row names the reason why there can be more than
 * one, and on which systems it can come to that. Systems on which a page can have one content only must show the same.
 */
import type { SystemName } from '@faultline/core';
import { SYSTEM_NAMES } from '@faultline/core';
import { Mismatch } from '../mismatch.js';
import type { Place } from '../model/model.js';
import type { Before } from './before.js';
import { type BySystem, bySystem, isRefusal } from './row.js';

export interface ContentsRow {
  readonly cell: string;
  readonly why: string;
  readonly when: (place: Place) => boolean;
  /** Systems on which there can be more than one content for this reason. The others show what was stored last. */
  readonly on: readonly SystemName[];
}

export const CONTENTS: readonly ContentsRow[] = [
  {
    cell: 'madvise MADV_FREE',
    why: 'what was stored last, what was there before it was copied, or zeros, and that until the next store; csrg has no such call',
    when: ({ cell }) => cell.volatile,
    on: ['freebsd', 'dragonfly', 'netbsd'],
  },
  {
    cell: 'kT9 writes to the part past EOF in the last page',
    why: 'what was stored there, or zeros again: the kernel decides when it cuts the page off',
    when: ({ cell }) => cell.within !== null,
    on: ['csrg', 'freebsd', 'dragonfly', 'netbsd'],
  },
  {
    cell: 'kA22 MAP_PRIVATE page not yet written: sees file writes or not',
    why: 'a copy is made when the kernel must: by mlock, by a store that fails half way, at a fork of what is locked',
    when: () => true,
    on: ['csrg', 'freebsd', 'dragonfly', 'netbsd'],
  },
];

/** The places that an operation shows the bytes of, and which of them can have more than one content. */
interface Shown {
  readonly places: readonly Place[];
  readonly open: readonly Place[];
}

const contents = ({ cell }: Place): readonly Uint8Array[] => cell.values();

export function shownBy(before: Before): Shown {
  if (before.twin === null) return { places: [], open: [] };
  const places = before.placesIn(before.shownBytes);
  return { places, open: places.filter((place) => contents(place).length > 1) };
}

export interface OpenContents {
  /** The answers, with bytes that may differ made equal. */
  readonly answers: BySystem<string>;
  /** Why they may differ; null where they do not. */
  readonly row: ContentsRow | null;
  /** Whether the systems are known to show different bytes from now on. */
  readonly parted: boolean;
}

/** What the answers are worth where bytes were open before the operation. */
export function openContents(shown: BySystem<Shown>, answers: BySystem<string>): OpenContents {
  const open = SYSTEM_NAMES.filter((system) => shown[system].open.length > 0 && !isRefusal(answers[system]));
  if (open.length === 0) return { answers, row: null, parted: false };
  const settled = SYSTEM_NAMES.filter((system) => !open.includes(system) && !isRefusal(answers[system]));
  const through = [...open, ...settled].map((system) => answers[system]);
  if (new Set(through).size === 1) return { answers, row: null, parted: settledApart(shown) };
  const same = answers[settled[0] ?? (open[0] as SystemName)];
  const equal = bySystem((system) => (open.includes(system) ? same : answers[system]));
  return { answers: equal, row: reasonFor(open, shown), parted: true };
}

function reasonFor(open: readonly SystemName[], shown: BySystem<Shown>): ContentsRow {
  for (const row of CONTENTS) {
    const where = open.filter((system) => shown[system].open.some((place) => row.when(place)));
    const astray = where.find((system) => !row.on.includes(system));
    if (astray !== undefined) throw new Mismatch(`${astray} has open contents: ${row.cell}`);
    if (where.length > 0) return row;
  }
  throw new Mismatch('open contents of no kind');
}

/** Whether a page that was open on some system has now one content on two that differ. */
function settledApart(shown: BySystem<Shown>): boolean {
  const count = Math.max(...SYSTEM_NAMES.map((system) => shown[system].places.length));
  return Array.from({ length: count }, (_, i) => i).some((i) => {
    const settled = SYSTEM_NAMES.flatMap((system) => {
      const place = shown[system].places[i];
      const values = place === undefined ? [] : contents(place);
      return values.length === 1 ? values : [];
    });
    return settled.some((value) => Buffer.compare(value, settled[0] as Uint8Array) !== 0);
  });
}
