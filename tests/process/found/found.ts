/** How a program that a random run has found, and made small, is written down. */
import type { SystemName } from '@faultline/core';
import type { Operation } from '../program.js';

export interface Found {
  readonly name: string;
  readonly systems: readonly SystemName[];
  readonly operations: readonly Operation[];
  readonly memoryPages?: number;
  /** Operations between two comparisons of everything; 1 unless told otherwise. */
  readonly compareEvery?: number;
}

export const ALL: readonly SystemName[] = ['csrg', 'freebsd', 'dragonfly', 'netbsd'];
export const ANON_SHARED = 0x1011;
export const ANON_PRIVATE = 0x1012;
export const FILE_SHARED = 0x11;
export const STACK = 0x1412;

export const open = (path: string): Operation => ({ op: 'open', who: 0, path, flags: 2 });

export const map = (at: number, length: number, prot: number, flags: number, fd = -1, offset = 0): Operation => ({
  op: 'mmap',
  who: 0,
  at,
  length,
  prot,
  flags,
  fd,
  offset,
});

/** The same, by another process. */
export const as = (who: number, operation: Operation): Operation => ({ ...operation, who }) as Operation;
