/** Words that explanations of all the systems share: addresses, spans of time, and runs of numbers. */
import { PAGE_SIZE } from '../machine/units.js';

/** A page number as the address of its first byte. */
export function addressName(vpn: number): string {
  return `0x${(vpn * PAGE_SIZE).toString(16)}`;
}

/** Pages `start` to `end` (exclusive) as addresses. */
export function rangeName(start: number, end: number): string {
  return `${addressName(start)}-${addressName(end)}`;
}

/** Pages of an address space, the last one included. */
export function addressRun(first: number, last: number): string {
  return first === last ? addressName(first) : rangeName(first, last + 1);
}

/** Numbers in any order as a list of runs: `pages 4-9, page 12`. */
export function sayRuns(numbers: readonly number[], say: (first: number, last: number) => string): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const runs: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (sorted[j + 1] === (sorted[j] as number) + 1) j++;
    runs.push(say(sorted[i] as number, sorted[j] as number));
    i = j + 1;
  }
  return runs.join(', ');
}

/** A span of simulated time in the unit that suits it. */
export function duration(ns: number): string {
  if (ns < 1e3) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(2)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(2)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}
