/**
 * The words of netbsd alone: page loans, System V shared memory, submaps and the kernel's map, and failures ordered
 * in advance (of swap reads, of file reads, of pmap entries).
 */
import type { ExtensionAction, ExtensionCommand } from './extensions.js';
import { type Form, lineForm, processForm } from './forms.js';
import { ADDR, flag, literal, NPAGES, newThing, number, PAGEOFF, PROT, process, SHARING, thing } from './slots.js';

const ONLY = ['netbsd'] as const;
const MANY = 2 ** 40;
const COUNT = number('COUNT', 0, 2 ** 31 - 1);
const HOW_MANY = number('N', 0, 2 ** 31 - 1);

function own(word: string, command: ExtensionCommand): ExtensionAction {
  return { kind: 'extension', word, command };
}

const LOANS: readonly Form[] = [
  lineForm(
    'loan',
    [process('P'), ADDR, NPAGES, literal('kernel')],
    (lender, address, pages) => own('loan', { name: 'loan', process: lender, address, pages, to: 'kernel' }),
    ONLY,
  ),
  lineForm(
    'loan',
    [process('P'), ADDR, NPAGES, literal('anon'), process('Q'), ADDR],
    (lender, address, pages, _anon, borrower, place) =>
      own('loan', { name: 'loan', process: lender, address, pages, to: { process: borrower, address: place } }),
    ONLY,
  ),
  lineForm(
    'unloan',
    [process('P'), ADDR, NPAGES],
    (lender, address, pages) => own('unloan', { name: 'unloan', process: lender, address, pages }),
    ONLY,
  ),
];

const FAILURES: readonly Form[] = [
  lineForm(
    'swaperror',
    [HOW_MANY, flag('EAGAIN')],
    (count, again) => own('swaperror', { name: 'swaperror', count, again }),
    ONLY,
  ),
  lineForm(
    'ioerror',
    [thing('file'), number('PAGE', 0, MANY), COUNT, flag('EAGAIN')],
    (file, page, count, again) => own('ioerror', { name: 'ioerror', file, page, count, again }),
    ONLY,
  ),
  lineForm('pmapfail', [HOW_MANY], (count) => own('pmapfail', { name: 'pmapfail', count }), ONLY),
];

const SEGMENTS_AND_MAPS: readonly Form[] = [
  lineForm(
    'shm',
    [newThing('shm'), number('NPAGES', 1, 2 ** 26)],
    (segment, pages) => own('shm', { name: 'shm', segment, pages }),
    ONLY,
  ),
  processForm(
    'map',
    [ADDR, NPAGES, literal('shm'), thing('shm'), PAGEOFF, SHARING, PROT],
    (user, address, pages, _shm, segment, offset, sharing, protection) =>
      own('map', { name: 'map shm', process: user, address, pages, segment, offset, sharing, protection }),
    ONLY,
  ),
  processForm(
    'reserve',
    [ADDR, NPAGES],
    (user, address, pages) => own('reserve', { name: 'reserve', process: user, address, pages }),
    ONLY,
  ),
  lineForm(
    'submap',
    [process('P'), ADDR, NPAGES, process('S')],
    (outer, address, pages, inner) => own('submap', { name: 'submap', process: outer, address, pages, inner }),
    ONLY,
  ),
  lineForm('kernelmap', [process('P')], (user) => own('kernelmap', { name: 'kernelmap', process: user }), ONLY),
];

export const NETBSD_FORMS: readonly Form[] = [...LOANS, ...FAILURES, ...SEGMENTS_AND_MAPS];
