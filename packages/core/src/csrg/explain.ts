/** The sentence of a branch, with the values of the moment: what explanations and stories of races are made of. */
import { PAGE_SIZE } from '../machine/units.js';
import { protName } from '../vm/prot.js';
import type { BranchId } from './branches.js';
import { BRANCHES } from './branches.js';
import type { Fault } from './fault-state.js';
import { kernName } from './kern.js';

/** What a name in braces stands for. */
const VALUES: Readonly<Record<string, (f: Fault) => string>> = {
  address: (f) => `0x${(f.vaddr * PAGE_SIZE).toString(16)}`,
  type: (f) => protName(f.faultType),
  allowed: (f) => protName(f.prot),
  code: (f) => kernName(f.result),
  page: (f) => String(f.m),
  copyPage: (f) => String(f.copyM),
  offset: (f) => String(f.offset),
  object: (f) => String(f.object.id),
  firstOffset: (f) => String(f.firstOffset),
  firstObject: (f) => String(f.firstObject.id),
};

/** The sentence of a branch that the fault takes just now. */
export function sayBranch(id: BranchId, f: Fault): string {
  return BRANCHES[id].say.replace(/\{(\w+)\}/g, (braces, name: string) => VALUES[name]?.(f) ?? braces);
}
