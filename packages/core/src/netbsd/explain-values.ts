/**
 * The values that the sentences of the branch table leave open, each read from the fault at the moment of the branch.
 *
 * Things are named as a reader of the scripts knows them: addresses in bytes, pages of objects by object and index. Frame numbers never
 * appear: which frame the allocator hands out is nobody's business. `neighbour` is *gathered*: the same branch is taken for many pages of the
 * window, and the explanation says it once for all of them.
 */

import { addressName, addressRun, rangeName } from '../vm/explain-words.js';
import { PROT_EXECUTE, PROT_READ, PROT_WRITE, protName } from '../vm/prot.js';
import type { Anon } from './anon.js';
import { codeName } from './codes.js';
import { adviceName, objectTypeName } from './describe.js';
import type { Fault } from './fault-state.js';
import type { MapEntry } from './map.js';
import { UVM_ET_COPYONWRITE, UVM_ET_NEEDSCOPY } from './map.js';
import type { UvmObject } from './object.js';
import { pageIndex, pageObject } from './page.js';

function entryName(entry: MapEntry): string {
  const words = [rangeName(entry.start, entry.end), protName(entry.protection)];
  if ((entry.etype & UVM_ET_NEEDSCOPY) !== 0) words.push('(to be copied when written)');
  else if ((entry.etype & UVM_ET_COPYONWRITE) !== 0) words.push('(private copy)');
  return words.join(' ');
}

const WANTED: Readonly<Record<number, string>> = {
  [PROT_READ]: 'reading',
  [PROT_WRITE]: 'writing',
  [PROT_EXECUTE]: 'executing',
};

function slotName({ swslot }: Anon): string {
  return swslot > 0 ? `slot ${swslot} of the swap area` : 'a slot that is known to be bad';
}

function references(count: number): string {
  return count === 1 ? '1 reference' : `${count} references`;
}

/** The object's page that the fault holds. */
function objectPageName(f: Fault): string {
  const owner = pageObject(f.vm, f.uobjpage);
  return owner === null ? 'a page' : `page ${pageIndex(f.vm, f.uobjpage)} of ${objectTypeName(owner)}`;
}

/** Every value by its name in the sentences. */
export const VALUES = {
  address: (f) => addressName(f.vaddr),
  access: (f) => WANTED[f.accessType] ?? protName(f.accessType),
  entry: (f) => entryName(f.entry),
  checked: (f) => protName(f.checkProt),
  allowed: (f) => protName(f.enterProt),
  advice: (f) => adviceName(f.entry),
  window: (f) => addressRun(f.startva, f.startva + f.npages - 1),
  behind: (f) => String(f.nback),
  amapRefs: (f) => references(f.amap?.ref ?? 0),
  anonHeld: (f) => references(f.anon?.ref ?? 0),
  anonRefs: (f) => String(f.anon?.ref ?? 0),
  slot: (f) => slotName(f.anon as Anon),
  object: (f) => objectTypeName(f.uobj as UvmObject),
  page: objectPageName,
  free: (f) => String(f.vm.pages.free),
  error: (f) => codeName(Math.abs(f.error)),
} satisfies Record<string, (f: Fault) => string>;

/** The values that are gathered. */
export const GATHERED = {
  neighbour: { of: (f: Fault) => f.at, say: addressRun },
};
