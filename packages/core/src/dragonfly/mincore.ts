/**
 * mincore: what is in memory, a byte a page.
 *
 * Where there is a translation it answers for it, and for the page's other users; where there is none it asks the top object. Nothing is faulted in, but
 * asking for references elsewhere leaves PG_REFERENCED set.
 */
import type { Task } from '../kernel/thread.js';
import { PTE_MODIFIED, PTE_REFERENCED } from '../machine/pagetable.js';
import { PAGE_SIZE } from '../machine/units.js';
import type { CallResult } from '../vm/errno.js';
import { VM_MAPTYPE_NORMAL } from './map-entry.js';
import { PG_FICTITIOUS, PG_REFERENCED, pageHasFlag, pageLookup, pageSetFlag } from './page.js';
import type { DragonflyProcess } from './process.js';
import type { Vm } from './vm.js';

/** Bits of an answer. */
export const MINCORE_INCORE = 0x1;
export const MINCORE_REFERENCED = 0x2;
export const MINCORE_MODIFIED = 0x4;
export const MINCORE_REFERENCED_OTHER = 0x8;
export const MINCORE_MODIFIED_OTHER = 0x10;

/** mincore. Bytes in; holes answer 0. */
export function* sysMincore(
  vm: Vm,
  p: DragonflyProcess,
  address: number,
  length: number,
  vector: Uint8Array,
): Task<CallResult> {
  const start = Math.floor(address / PAGE_SIZE);
  const end = Math.ceil((address + length) / PAGE_SIZE);
  if (address < 0 || length < 0 || start < p.map.minPage || end > p.map.maxPage) return 'EINVAL';
  if (vector.length < end - start) return 'EFAULT';
  while (!p.map.lock.acquireRead(p.thread)) yield;
  for (let vpn = start; vpn < end; vpn++) vector[vpn - start] = mincorePage(vm, p, vpn);
  p.map.lock.releaseRead(p.thread);
  return 0;
}

function mincorePage(vm: Vm, p: DragonflyProcess, vpn: number): number {
  const entry = p.map.lookup(vpn);
  if (entry === null || entry.submap !== null) return 0;
  const word = vm.pmap.word(p.map.pmap, vpn);
  if (word !== 0) return mapped(vm, word);
  if (entry.maptype !== VM_MAPTYPE_NORMAL || entry.object === null) return 0;
  const page = pageLookup(vm, entry.object, Math.floor(vpn - entry.start + entry.offset));
  if (page < 0 || vm.pages.valid[page] === 0) return 0;
  return MINCORE_INCORE | (dirtyElsewhere(vm, page) ? MINCORE_MODIFIED_OTHER : 0) | usedElsewhere(vm, page);
}

function mapped(vm: Vm, word: number): number {
  const page = vm.machine.tables.frameOf(word);
  if (pageHasFlag(vm, page, PG_FICTITIOUS)) return MINCORE_INCORE;
  let answer = MINCORE_INCORE;
  if ((word & PTE_MODIFIED) !== 0) answer |= MINCORE_MODIFIED | MINCORE_MODIFIED_OTHER;
  else if (dirtyElsewhere(vm, page)) answer |= MINCORE_MODIFIED_OTHER;
  if ((word & PTE_REFERENCED) !== 0) return answer | MINCORE_REFERENCED | MINCORE_REFERENCED_OTHER;
  return answer | usedElsewhere(vm, page);
}

function dirtyElsewhere(vm: Vm, page: number): boolean {
  return vm.pages.dirty[page] !== 0 || vm.pmap.isModified(page);
}

function usedElsewhere(vm: Vm, page: number): number {
  if (!pageHasFlag(vm, page, PG_REFERENCED) && vm.pmap.tsReferenced(page) === 0) return 0;
  pageSetFlag(vm, page, PG_REFERENCED);
  return MINCORE_REFERENCED_OTHER;
}
