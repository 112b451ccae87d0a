/**
 * The words of dragonfly alone: virtual page tables, the handler's entrances for debuggers and swapoff, the rate
 * limit on a process that faults under load, and switches that make rare branches reachable from a script.
 */
import type { ExtensionAction, ExtensionCommand } from './extensions.js';
import { type Form, lineForm, processForm } from './forms.js';
import {
  ADDR,
  ADDR_OF_WORD,
  choice,
  flag,
  literal,
  NPAGES,
  number,
  PAGEOFF,
  PROT,
  SHARING,
  thing,
  word64,
} from './slots.js';

const ONLY = ['dragonfly'] as const;
const MANY = 2 ** 40;

function own(word: string, command: ExtensionCommand): ExtensionAction {
  return { kind: 'extension', word, command };
}

const MAPS: readonly Form[] = [
  processForm(
    'map',
    [ADDR, NPAGES, literal('vpagetable'), literal('anon'), SHARING, PROT],
    (process, address, pages, _table, _anon, sharing, protection) =>
      own('map', { name: 'map vpagetable', process, address, pages, backing: { kind: 'anon' }, sharing, protection }),
    ONLY,
  ),
  processForm(
    'map',
    [ADDR, NPAGES, literal('vpagetable'), literal('file'), thing('file'), PAGEOFF, SHARING, PROT],
    (process, address, pages, _table, _file, name, offset, sharing, protection) => {
      const backing = { kind: 'file', name, offset } as const;
      return own('map', { name: 'map vpagetable', process, address, pages, backing, sharing, protection });
    },
    ONLY,
  ),
  processForm(
    'map',
    [ADDR, NPAGES, literal('anon'), SHARING, literal('nosync'), PROT],
    (process, address, pages, _anon, sharing, _nosync, protection) =>
      own('map', { name: 'map nosync', process, address, pages, backing: { kind: 'anon' }, sharing, protection }),
    ONLY,
  ),
  processForm(
    'map',
    [ADDR, NPAGES, literal('file'), thing('file'), PAGEOFF, SHARING, literal('nosync'), PROT],
    (process, address, pages, _file, name, offset, sharing, _nosync, protection) => {
      const backing = { kind: 'file', name, offset } as const;
      return own('map', { name: 'map nosync', process, address, pages, backing, sharing, protection });
    },
    ONLY,
  ),
  processForm(
    'map',
    [ADDR, NPAGES, literal('stack', 'kstack')],
    (process, address, pages, which) => own('map', { name: `map ${which}`, process, address, pages }),
    ONLY,
  ),
];

const CALLS: readonly Form[] = [
  processForm(
    'setmap',
    [ADDR, NPAGES, word64('PDE')],
    (process, address, pages, pde) => own('setmap', { name: 'setmap', process, address, pages, pde }),
    ONLY,
  ),
  ...(['inval', 'kwire', 'kunwire', 'syncinval'] as const).map((name) =>
    processForm(name, [ADDR, NPAGES], (process, address, pages) => own(name, { name, process, address, pages }), ONLY),
  ),
  processForm(
    'advise',
    [ADDR, NPAGES, literal('nosync', 'autosync', 'nocore', 'core')],
    (process, address, pages, advice) => own('advise', { name: 'advise', process, address, pages, advice }),
    ONLY,
  ),
];

const WORDS_AND_PAGES: readonly Form[] = [
  processForm(
    'poke',
    [ADDR_OF_WORD, word64('VALUE64')],
    (process, address, value) => own('poke', { name: 'poke', process, address, value }),
    ONLY,
  ),
  processForm('peek', [ADDR_OF_WORD], (process, address) => own('peek', { name: 'peek', process, address }), ONLY),
  processForm(
    'faultpage',
    [ADDR, choice('r|w|o', ['r', 'w', 'o'])],
    (process, address, want) => own('faultpage', { name: 'faultpage', process, address, want }),
    ONLY,
  ),
  processForm(
    'objpage',
    [ADDR, choice('r|w|n', ['r', 'w', 'n']), flag('dirty'), flag('unswap')],
    (process, address, want, dirty, unswap) =>
      own('objpage', { name: 'objpage', process, address, want, dirty, unswap }),
    ONLY,
  ),
];

const MACHINE: readonly Form[] = [
  lineForm('load', [literal('off')], () => own('load', { name: 'load', load: 'off' }), ONLY),
  lineForm('load', [number('N', 0, 2 ** 31 - 1)], (load) => own('load', { name: 'load', load }), ONLY),
  lineForm('ticks', [], () => own('ticks', { name: 'ticks' }), ONLY),
  lineForm('tick', [number('N', 0, 2 ** 31 - 1)], (ticks) => own('tick', { name: 'tick', ticks }), ONLY),
  ...(['fastfault', 'badswap'] as const).map((name) =>
    lineForm(name, [choice('0|1', ['0', '1'])], (on) => own(name, { name, on: on === '1' }), ONLY),
  ),
  lineForm(
    'collapse',
    [choice('on|off', ['on', 'off'])],
    (on) => own('collapse', { name: 'collapse', on: on === 'on' }),
    ONLY,
  ),
  lineForm('reclaim', [], () => own('reclaim', { name: 'reclaim' }), ONLY),
  lineForm('swapoff', [], () => own('swapoff', { name: 'swapoff' }), ONLY),
  lineForm(
    'truncate',
    [thing('file'), number('BYTES', 0, 2 ** 47)],
    (file, bytes) => own('truncate', { name: 'truncate', file, bytes }),
    ONLY,
  ),
  lineForm(
    'badblock',
    [thing('file'), number('PAGE', 0, MANY)],
    (file, page) => own('badblock', { name: 'badblock', file, page }),
    ONLY,
  ),
];

export const DRAGONFLY_FORMS: readonly Form[] = [...MAPS, ...CALLS, ...WORDS_AND_PAGES, ...MACHINE];
