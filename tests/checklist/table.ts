/** The table of differences, run: each row's script, held against what `expected.ts` says of the system. */
import { EXPECTED, type Row } from './expected.js';
import { check, type NotOn } from './registry.js';
import { MAP_SCRIPTS, type Script } from './table-map.js';
import { PAGE_SCRIPTS } from './table-pages.js';
import type { World } from './world.js';

/** Every row has its script: the type says so. */
export const SCRIPTS: Readonly<Record<Row, Script>> = { ...MAP_SCRIPTS, ...PAGE_SCRIPTS };

export const ROWS = Object.keys(EXPECTED) as Row[];

export function runRow(row: Row, w: World): void {
  w.expects(row, SCRIPTS[row](w));
}

/** Enters a check that is one or more rows of the table. */
export function tableCheck(id: string, title: string, not: NotOn, ...rows: readonly Row[]): void {
  check(id, title, not, async (w) => {
    for (const row of rows) await w.apart((fresh) => runRow(row, fresh));
  });
}
