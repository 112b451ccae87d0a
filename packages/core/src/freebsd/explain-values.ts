/**
 * The values that the sentences of the branch table leave open, each read from the fault at the moment of the branch.
 *
 * Things are named as a reader of the scripts knows them: addresses in bytes, pages by object and index (`page 3 of default object #4`,
 * `page 17 of vnode:F`). Frame numbers never appear: which frame the allocator hands out is nobody's business.
 *
 * Two values are *gathered*: `scanned` (a page behind a sequential read) and `candidate` (an address tried by the prefault). The same branch
 * is taken for many of them in a row, and the explanation says it once for all.
 */

import { addressName, addressRun, rangeName } from '../vm/explain-words.js';
import { PROT_EXECUTE, PROT_READ, PROT_WRITE, protName } from '../vm/prot.js';
import { objectTypeName } from './describe.js';
import { candidatePage } from './fault-prefault.js';
import type { Fault } from './fault-state.js';
import { VM_FAULT_READ } from './fault-state.js';
import { kernName } from './kern.js';
import {
  entryBehavior,
  MAP_ENTRY_BEHAV_SEQUENTIAL,
  MAP_ENTRY_COW,
  MAP_ENTRY_NEEDS_COPY,
  type MapEntry,
} from './map-entry.js';
import type { VmObject } from './object.js';
import { OBJT_DEVICE, OBJT_VNODE } from './object.js';
import { PQ_ACTIVE, PQ_INACTIVE } from './page.js';
import { availablePages } from './page-alloc.js';

/** An object: files and devices by their name, anonymous memory by type and number. */
export function objectName(object: VmObject): string {
  const type = objectTypeName(object);
  return object.type === OBJT_VNODE || object.type === OBJT_DEVICE ? type : `${type} object #${object.id >> 1}`;
}

/** `page 3`, or `pages 3-7`. */
export function indexName(first: number, last: number): string {
  return first === last ? `page ${first}` : `pages ${first}-${last}`;
}

function pageName(object: VmObject, pindex: number): string {
  return `page ${pindex} of ${objectName(object)}`;
}

function entryName(entry: MapEntry): string {
  const words = [rangeName(entry.start, entry.end), protName(entry.protection)];
  if ((entry.eflags & MAP_ENTRY_NEEDS_COPY) !== 0) words.push('(to be copied when written)');
  else if ((entry.eflags & MAP_ENTRY_COW) !== 0) words.push('(private copy)');
  return words.join(' ');
}

const WANTED: Readonly<Record<number, string>> = {
  [PROT_READ]: 'reading',
  [PROT_WRITE]: 'writing',
  [PROT_EXECUTE]: 'executing',
};

function queueName(f: Fault): string {
  const queue = f.vm.pages.queues.queue[f.m];
  if (queue === PQ_ACTIVE) return 'on the active queue';
  return queue === PQ_INACTIVE ? 'on the inactive queue' : 'on no queue';
}

function validPieces(f: Fault): string {
  let pieces = 0;
  for (let bits = f.vm.pages.valid[f.m] as number; bits !== 0; bits >>= 1) pieces += bits & 1;
  return String(pieces);
}

function whySequential(f: Fault): string {
  if (entryBehavior(f.entry) === MAP_ENTRY_BEHAV_SEQUENTIAL) return 'as advised';
  return `index ${f.pindex} is less than ${VM_FAULT_READ} above ${f.entry.lastr}, where the last read ended`;
}

/** Every value by its name in the sentences. */
export const VALUES = {
  vaddr: (f) => addressName(f.vaddr),
  type: (f) => WANTED[f.faultType] ?? protName(f.faultType),
  entry: (f) => entryName(f.entry),
  prot: (f) => protName(f.prot),
  max: (f) => protName(f.entry.maxProtection),
  result: (f) => kernName(f.result),
  vnode: (f) => f.vp?.name ?? 'none',
  available: (f) => String(availablePages(f.vm)),

  object: (f) => objectName(f.object),
  pindex: (f) => String(f.pindex),
  page: (f) => pageName(f.object, f.pindex),
  size: (f) => String(f.object.size),
  ref: (f) => String(f.object.refCount),
  shadows: (f) => String(f.object.shadowCount),
  queue: queueName,
  valid: validPieces,

  firstObject: (f) => objectName(f.firstObject),
  firstPage: (f) => pageName(f.firstObject, f.firstPindex),
  firstSize: (f) => String(f.firstObject.size),
  firstRef: (f) => String(f.firstObject.refCount),
  backing: (f) => (f.object.backing === null ? 'nothing' : objectName(f.object.backing)),
  pageBelow: (f) =>
    f.object.backing === null ? 'nothing' : pageName(f.object.backing, f.pindex + f.object.backingOffset),

  behind: (f) => String(f.behind),
  ahead: (f) => String(f.ahead),
  sequential: whySequential,
  run: (f) => indexName(f.pindex - f.reqpage, f.pindex - f.reqpage + f.faultcount - 1),
} satisfies Record<string, (f: Fault) => string>;

/** The values that are gathered: numbers, and how a run of neighbours is said. */
export const GATHERED = {
  scanned: { of: (f) => f.scanned, say: indexName },
  candidate: {
    of: candidatePage,
    say: addressRun,
  },
} satisfies Record<string, { of: (f: Fault) => number; say: (first: number, last: number) => string }>;
