/*
 * The lines of the benchmark: what each measures, beside what, and how good it has to be.
 *
 * A yardstick is measured in the same process as the line, in turns with it. `most` is the greatest ratio to it that is
 * allowed; without one the yardstick is there to be read. `most` on the line itself is an absolute limit, in the line's unit. A
 * `goal` is what we are after and do not fail for.
 *
 * `host` names an operation of host.c; its lines are left out where that cannot be compiled.
 */

/** Frames of the machine with contents: 256 MiB. */
export const MACHINE_PAGES = 65536;

export const LINES = [
  {
    name: 'zero-fill',
    what: 'store to new anonymous memory: one fault, one page of zeros',
    group: 'faults',
    pages: 49152,
    beside: [
      { name: 'fill', what: 'a cold 4 KiB fill in the same buffer', most: 2.5, goal: 1.75 },
      { name: 'fill apart', what: 'the same fill, with other lines of the cache visited between two pages' },
      { name: 'host', what: "the host's zero-fill fault", host: 'zero-fill', faults: 1, most: 0.4, goal: 0.25 },
    ],
  },
  {
    name: 'cow',
    what: "a child's store to a page shared since the fork: one fault, one copy",
    group: 'faults',
    pages: 24576,
    beside: [
      { name: 'copy', what: 'a cold 4 KiB copy in the same buffer', most: 2.5, goal: 1.6 },
      { name: 'copy apart', what: 'the same copy, with other lines of the cache visited between two pages' },
      { name: 'host', what: "the host's copy-on-write fault", host: 'cow', faults: 1, most: 0.4, goal: 0.25 },
    ],
  },
  {
    name: 'soft',
    what: 'load from a page of a file that is in memory: one fault, no I/O',
    group: 'faults',
    pages: 8192,
    beside: [
      { name: 'host', what: 'the same on the host', host: 'soft-file', faults: 1, most: 0.4, goal: 0.1 },
      { name: 'zero page', what: "the host's cheapest fault", host: 'soft-anon', faults: 1 },
    ],
  },
  {
    name: 'reuse',
    what: "the parent's store after the child has gone: one fault, no copy",
    group: 'faults',
    pages: 24576,
    beside: [{ name: 'host', what: 'the same on the host', host: 'reuse', faults: 1, most: 0.4, goal: 0.1 }],
  },
  {
    name: 'fork',
    what: 'fork, a resident page',
    group: 'calls',
    pages: 24576,
    beside: [{ name: 'host', what: 'the same on the host', host: 'fork', faults: 0, most: 1, goal: 0.1 }],
  },
  {
    name: 'unmap',
    what: 'munmap of resident memory, a page',
    group: 'calls',
    pages: 24576,
    beside: [{ name: 'host', what: 'the same on the host', host: 'unmap', faults: 0, most: 1 }],
  },
  {
    name: 'map-unmap',
    what: 'mmap and munmap of one page that nobody touches',
    group: 'calls',
    pages: 5000,
    beside: [{ name: 'host', what: 'the same on the host', host: 'map-unmap', faults: 0, most: 1 }],
  },
  {
    name: 'hit',
    what: 'a load through the translation buffer, indexed by the guest itself',
    group: 'translate',
    beside: [{ name: 'load', what: 'the same load, untranslated', most: 3 }],
  },
  {
    name: 'hit-call',
    what: 'a load through translate()',
    group: 'translate',
    beside: [{ name: 'load', what: 'the same load, untranslated' }],
  },
  {
    name: 'miss',
    what: 'translate() of a page that the buffer has lost: a walk of four levels',
    group: 'translate',
    goal: 25,
    beside: [{ name: 'load', what: 'an untranslated load from each of these pages' }],
  },
  {
    name: 'process-load',
    what: 'load32 of a process, at random from 64 pages',
    group: 'process',
    beside: [
      { name: 'array', what: 'the same loads from one array' },
      { name: 'Map', what: 'the same through a Map from page number to page', most: 1 },
      { name: 'lru-cache', what: 'the same through lru-cache', most: 1 },
    ],
  },
  {
    name: 'process-store',
    what: 'store32 of a process, at random to 64 pages',
    group: 'process',
    beside: [
      { name: 'array', what: 'the same stores to one array' },
      { name: 'Map', what: 'the same through a Map from page number to page', most: 1 },
      { name: 'lru-cache', what: 'the same through lru-cache', most: 1 },
    ],
  },
  {
    name: 'process-miss',
    what: 'load32 of a page that the buffer has lost: a walk of four levels',
    group: 'process',
    beside: [{ name: 'array', what: 'a load from each of as many pages of one array' }],
  },
  {
    name: 'process-map',
    what: 'mmap and munmap of one page, by a process',
    group: 'process',
    pages: 5000,
    beside: [{ name: 'host', what: 'the same on the host', host: 'map-unmap', faults: 0, most: 2 }],
  },
  {
    name: 'process-fork',
    what: 'fork of a process of 64 MiB, all of it resident and written',
    group: 'process',
    // One millisecond.
    most: 1e6,
    beside: [{ name: 'copy', what: 'a copy of 64 MiB', most: 0.5 }],
  },
  {
    name: 'emulate-sieve',
    what: 'an instruction of the example CPU whose memory is a process: primes below 200,000',
    group: 'process',
    beside: [{ name: 'bare buffer', what: 'the same CPU on a bare buffer', most: 3 }],
  },
  {
    name: 'emulate-scatter',
    what: 'the same: words at random in 400 kB',
    group: 'process',
    beside: [{ name: 'bare buffer', what: 'the same CPU on a bare buffer', most: 3 }],
  },
  {
    name: 'replay-sort',
    what: 'replay of traces/sort.vmt, a reference',
    group: 'replay',
    trace: 'sort.vmt',
    // 50 million references a second.
    most: 20,
    beside: [{ name: 'reading', what: 'reading the file only' }],
  },
  {
    name: 'replay-gcc',
    what: 'replay of traces/gcc.vmt, a reference',
    group: 'replay',
    trace: 'gcc.vmt',
    most: 20,
    beside: [{ name: 'reading', what: 'reading the file only' }],
  },
  {
    name: 'frame',
    what: 'bookkeeping of a machine of 16 GiB without contents, a frame',
    group: 'frame',
    unit: 'bytes',
    most: 64,
    beside: [],
  },
];

/** @throws Error when there is no such line */
export function lineNamed(name) {
  const line = LINES.find((candidate) => candidate.name === name);
  if (line === undefined) {
    throw new Error(`no line '${name}'; there are ${LINES.map((candidate) => candidate.name).join(', ')}`);
  }
  return line;
}
