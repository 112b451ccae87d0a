/**
 * Operations in short words, for programs that are written by hand.
 *
 * Pages are counted from the window's first; `who` is the place among the living processes.
 */
import type { Advice, Inheritance, Prot, Sharing } from '@faultline/core';
import { PAGE_SIZE } from '@faultline/core';
import type { Operation } from './program.js';
import { WINDOW_START } from './program.js';

const at = (page: number, pages: number) => ({
  address: (WINDOW_START + page) * PAGE_SIZE,
  length: pages * PAGE_SIZE,
});

export function map(
  who: number,
  page: number,
  pages: number,
  sharing: Sharing,
  prot: Prot,
  file = -1,
  offset = 0,
): Operation {
  const backing = file < 0 ? 'anon' : 'file';
  const place = { ...at(page, pages), which: Math.max(0, file), offset: offset * PAGE_SIZE, fixed: true };
  return { op: 'map', who, ...place, backing, sharing, prot };
}
export const anon = (who: number, page: number, pages: number): Operation => map(who, page, pages, 'private', 3);
export const file = (who: number, page: number, pages: number, sharing: Sharing, offset = 0): Operation =>
  map(who, page, pages, sharing, 3, 0, offset);
export const device = (who: number, page: number): Operation => ({
  ...(map(who, page, 4, 'shared', 3) as Extract<Operation, { op: 'map' }>),
  backing: 'device',
});
export const touch = (who: number, access: 'read' | 'write', page: number, pages: number, value = 1): Operation => {
  return { op: 'access', who, address: (WINDOW_START + page) * PAGE_SIZE + 100, pages, access, value };
};
export const write = (who: number, page: number, pages: number, value: number): Operation =>
  touch(who, 'write', page, pages, value);
export const read = (who: number, page: number, pages: number): Operation => touch(who, 'read', page, pages);
export const fork = (who: number): Operation => ({ op: 'fork', who });
export const exit = (who: number): Operation => ({ op: 'exit', who });
export const pageout = (pages: number): Operation => ({ op: 'pageout', pages });
export const range = (
  op: 'unmap' | 'wire' | 'unwire' | 'sync',
  who: number,
  page: number,
  pages: number,
): Operation => {
  return { op, who, ...at(page, pages) };
};
export const protect = (who: number, page: number, pages: number, prot: Prot): Operation => {
  return { op: 'protect', who, ...at(page, pages), prot };
};
export const advise = (who: number, page: number, pages: number, advice: Advice): Operation => {
  return { op: 'advise', who, ...at(page, pages), advice };
};
export const inherit = (who: number, page: number, pages: number, how: Inheritance): Operation => {
  return { op: 'inherit', who, ...at(page, pages), how };
};
