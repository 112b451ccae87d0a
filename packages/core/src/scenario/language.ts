/**
 * The language that every system understands, command by command.
 *
 * Reading this table is the quickest way to learn what a script can say; `extensions.ts` has what only some systems
 * add. Limits stand here too: a machine of 2^22 pages (16 GiB) is the largest that is meant to work, and a file of
 * 2^47 bytes fills the address space.
 */
import type { Advice } from '../vm/system.js';
import { type Form, lineForm, processForm } from './forms.js';
import {
  ADDR,
  assigned,
  choice,
  literal,
  NPAGES,
  newProcess,
  newThing,
  number,
  optional,
  PAGEOFF,
  PROT,
  process,
  SHARING,
  TEXT,
  thing,
} from './slots.js';

const MAX_MEMORY_PAGES = 2 ** 22;
const MAX_SWAP_PAGES = 2 ** 26;
const MAX_FILE_BYTES = 2 ** 47;

/** What a store puts down when the script names no value. */
const DEFAULT_VALUE = 0x5a;

const ADVICE_WORDS: readonly Advice[] = ['normal', 'random', 'sequential', 'willneed', 'dontneed', 'free'];

const MACHINE: readonly Form[] = [
  lineForm('memory', [number('N', 1, MAX_MEMORY_PAGES)], (pages) => ({ kind: 'memory', pages })),
  lineForm('swap', [number('N', 0, MAX_SWAP_PAGES)], (pages) => ({ kind: 'swap', pages })),
  lineForm('file', [newThing('file'), number('BYTES', 0, MAX_FILE_BYTES)], (name, bytes) => ({
    kind: 'file',
    name,
    bytes,
  })),
  lineForm('device', [newThing('device'), number('NPAGES', 1, MAX_MEMORY_PAGES)], (name, pages) => ({
    kind: 'device',
    name,
    pages,
  })),
  lineForm('pageout', [number('N', 0, MAX_SWAP_PAGES)], (pages) => ({ kind: 'pageout', pages })),
];

const PROCESSES: readonly Form[] = [
  lineForm('proc', [newProcess('P')], (name) => ({ kind: 'proc', process: name })),
  lineForm('fork', [process('P'), newProcess('Q')], (parent, child) => ({ kind: 'fork', process: parent, child })),
  lineForm('exit', [process('P')], (name) => ({ kind: 'exit', process: name })),
];

const CALLS: readonly Form[] = [
  processForm(
    'map',
    [ADDR, NPAGES, literal('anon'), SHARING, PROT],
    (process, address, pages, _anon, sharing, protection) => ({
      kind: 'map',
      process,
      address,
      pages,
      backing: { kind: 'anon' },
      sharing,
      protection,
    }),
  ),
  processForm(
    'map',
    [ADDR, NPAGES, literal('file'), thing('file'), PAGEOFF, SHARING, PROT],
    (process, address, pages, _file, name, offset, sharing, protection) => ({
      kind: 'map',
      process,
      address,
      pages,
      backing: { kind: 'file', name, offset },
      sharing,
      protection,
    }),
  ),
  processForm(
    'map',
    [ADDR, NPAGES, literal('device'), thing('device'), PAGEOFF, SHARING, PROT],
    (process, address, pages, _device, name, offset, sharing, protection) => ({
      kind: 'map',
      process,
      address,
      pages,
      backing: { kind: 'device', name, offset },
      sharing,
      protection,
    }),
  ),
  processForm('unmap', [ADDR, NPAGES], (process, address, pages) => ({ kind: 'unmap', process, address, pages })),
  processForm('protect', [ADDR, NPAGES, PROT], (process, address, pages, protection) => ({
    kind: 'protect',
    process,
    address,
    pages,
    protection,
  })),
  processForm('advise', [ADDR, NPAGES, choice('ADVICE', ADVICE_WORDS)], (process, address, pages, advice) => ({
    kind: 'advise',
    process,
    address,
    pages,
    advice,
  })),
  processForm('inherit', [ADDR, NPAGES, choice('HOW', ['share', 'copy', 'none'])], (process, address, pages, how) => ({
    kind: 'inherit',
    process,
    address,
    pages,
    how,
  })),
  processForm('wire', [ADDR, NPAGES], (process, address, pages) => ({ kind: 'wire', process, address, pages })),
  processForm('unwire', [ADDR, NPAGES], (process, address, pages) => ({ kind: 'unwire', process, address, pages })),
  processForm('sync', [ADDR, NPAGES], (process, address, pages) => ({ kind: 'sync', process, address, pages })),
];

const ACCESSES: readonly Form[] = [
  processForm('read', [ADDR, optional(NPAGES, 1)], (process, address, pages) => ({
    kind: 'read',
    process,
    address,
    pages,
  })),
  processForm(
    'write',
    [ADDR, optional(NPAGES, 1), assigned(number('VALUE', 0, 255), DEFAULT_VALUE)],
    (process, address, pages, value) => ({ kind: 'write', process, address, pages, value }),
  ),
  processForm('byte', [ADDR], (process, address) => ({ kind: 'byte', process, address })),
];

const DUMPS: readonly Form[] = [
  processForm('pmap', [], (process) => ({ kind: 'pmap', process })),
  processForm('entries', [], (process) => ({ kind: 'entries', process })),
  processForm('backing', [ADDR], (process, address) => ({ kind: 'backing', process, address })),
  lineForm('queues', [], () => ({ kind: 'queues' })),
  lineForm('counters', [], () => ({ kind: 'counters' })),
  lineForm('usage', [process('P')], (name) => ({ kind: 'usage', process: name })),
  lineForm('print', [TEXT], (text) => ({ kind: 'print', text })),
];

/** Every form that all systems have. */
export const COMMON_FORMS: readonly Form[] = [...MACHINE, ...PROCESSES, ...CALLS, ...ACCESSES, ...DUMPS];
