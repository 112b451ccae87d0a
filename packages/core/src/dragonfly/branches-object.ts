/**
 * Branches of vm_fault_object: looking for the page, reading it, copying it.
 *
 * Data: when a branch is taken, what it does, its lines in the seed, and a sentence for a reader.
 */
import type { BranchRow } from '../kernel/branch.js';

export const OBJECT_WALK = {
  F60: {
    when: 'vpagetable, no WRITE asked',
    effect: 'WRITE leaves prot',
    lines: '1002-1005',
    say: 'The table must see the first store, so a load maps the page read-only.',
  },
  F61: {
    when: 'dead object',
    effect: 'PROTECTION_FAILURE',
    lines: '1013-1017',
    say: 'The object is being torn down.',
  },
  F62: {
    when: 'page busy',
    effect: 'sleep vmpfw, v_intrans, again',
    lines: '1041-1049',
    say: 'Somebody else works on the page; the fault sleeps until that is over.',
  },
  F63: {
    when: 'from PQ_CACHE, severe',
    effect: 'activate, wait, again',
    lines: '1058-1065',
    say: 'The page is in the cache but memory is severely short; it is put back into use and the fault waits.',
  },
  F64: {
    when: 'partly valid',
    effect: 'readrest',
    lines: '1080-1083',
    say: 'Page {pindex} of object {object} is there but not all of it is valid; the rest must be read.',
  },
  F65: {
    when: 'mark',
    effect: 'cleared, readrest',
    lines: '1084-1089',
    say: 'The page carries a read-ahead mark: the file system is asked to read on.',
  },
  F66: {
    when: 'valid',
    effect: 'found',
    lines: '1091',
    say: 'Page {pindex} of object {object} is in memory.',
  },
  F67: {
    when: 'absent, pager or top / neither',
    effect: 'allocate / go down',
    lines: '1098',
    say: 'Page {pindex} of object {object} is not here; a pager may have it, or this is the top, so it needs a page.',
  },
  F68: {
    when: 'beyond the size',
    effect: 'PROTECTION_FAILURE',
    lines: '1102-1106',
    say: 'Page {pindex} lies beyond the end of object {object}.',
  },
  F69: {
    when: 'rate limit',
    effect: 'sleep, didlimit, again',
    lines: '1111-1122',
    say: 'The system is loaded and the process has used up its supply of pages; it sleeps.',
  },
  F70: {
    when: 'allocation class',
    effect: 'ZERO only without vnode and backing',
    lines: '1128-1131',
    say: 'A new page is allocated.',
  },
  F71: {
    when: 'severe or no page',
    effect: 'wait, again',
    lines: '1132-1137',
    say: 'There is no page to be had; the fault waits for the page daemon.',
  },
  F72: {
    when: 'random advice',
    effect: 'seqaccess 0',
    lines: '1159-1162',
    say: 'The range is read at random: one block at a time.',
  },
  F73: {
    when: 'sequential (or mark), no device',
    effect: 'behind the scan, seqaccess 1',
    lines: '1177-1228',
    say: 'The reader is sequential: what lies behind it is let go.',
  },
  F74: {
    when: 'first index < 16',
    effect: 'no scan',
    lines: '1185-1187',
    say: 'The reader is too near the beginning to have left anything behind.',
  },
  F75: {
    when: 'start < 16 / not',
    effect: 'that many / 16 pages',
    lines: '1189-1193',
    say: 'Up to sixteen pages behind the reader are looked at.',
  },
  F76: {
    when: 'absent or partly valid',
    effect: 'scan ends',
    lines: '1201-1204',
    say: 'A page behind the reader is missing: the scan ends.',
  },
  F77: {
    when: 'busy, held, wired ...',
    effect: 'passed over',
    lines: '1205-1210',
    say: 'A page behind the reader is in use and is passed over.',
  },
  F78: {
    when: 'dirty',
    effect: 'unmapped, deactivated',
    lines: '1214-1218',
    say: 'A dirty page behind the reader is unmapped and deactivated.',
  },
  F79: {
    when: 'clean',
    effect: 'PQ_CACHE',
    lines: '1219-1221',
    say: 'A clean page behind the reader goes to the cache.',
  },
  F80: {
    when: 'page gone after OK',
    effect: 'again',
    lines: '1267-1271',
    say: 'The pager answered, but the page has gone meanwhile.',
  },
  F81: {
    when: 'OK',
    effect: 'hardfault, found',
    lines: '1256-1275',
    say: 'The pager has brought the page in.',
  },
  F82: {
    when: 'ERROR',
    effect: 'message',
    lines: '1290-1295',
    say: 'The pager met an error; the console says so.',
  },
  F83: {
    when: 'ERROR, not kernel map',
    effect: 'KERN_FAILURE',
    lines: '1309-1316',
    say: 'The page cannot be read.',
  },
  F84: {
    when: 'BAD',
    effect: 'PROTECTION_FAILURE',
    lines: '1317-1318',
    say: 'The pager says that there is no such page.',
  },
  F85: {
    when: 'FAIL below the top',
    effect: 'page freed',
    lines: '1321-1328',
    say: 'The pager does not have the page; the one allocated for it is freed.',
  },
  F86: {
    when: 'FAIL at the top',
    effect: 'place-holder kept',
    lines: '1321',
    say: 'The pager does not have the page; the one allocated at the top is kept.',
  },
  F87: {
    when: 'at the top',
    effect: 'first_m = m',
    lines: '1335-1336',
    say: 'The page at the top is kept busy, so that nobody else puts one there.',
  },
  F88: {
    when: 'bottom, came from below',
    effect: 'back to the top page',
    lines: '1349-1355',
    say: 'Nobody down the chain has the page; back to the top.',
  },
  F89: {
    when: 'PG_ZERO page',
    effect: 'v_ozfod',
    lines: '1361-1369',
    say: 'The page is zero already.',
  },
  F90: {
    when: 'bottom',
    effect: 'zero-fill, v_zfod',
    lines: '1344-1373',
    say: 'Nobody has the page, so it is filled with zeros.',
  },
  F91: {
    when: 'next object',
    effect: 'pips moved',
    lines: '1374-1380',
    say: 'Object {object} does not have it; on to the next of the chain.',
  },
  F92: {
    when: 'each condition of copy-avoidance',
    effect: 'taken or not',
    lines: '1411-1445',
    say: 'May the page simply be moved up? Only if nobody else can ever see it below.',
  },
  F93: {
    when: 'copy-avoidance',
    effect: 'page renamed, v_cow_optim',
    lines: '1446-1464',
    say: 'Nobody else can see the page, so it is moved instead of copied.',
  },
  F94: {
    when: 'copy',
    effect: 'first_m filled',
    lines: '1465-1471',
    say: 'Page {pindex} of object {object} is copied to the top, to page {firstPindex} of object {firstObject}.',
  },
  F95: {
    when: 'after either',
    effect: 'source released, v_cow_faults',
    lines: '1473-1493',
    say: 'The copy, or the moved page, takes the place of the page below.',
  },
  F96: {
    when: 'not a write',
    effect: 'WRITE leaves prot',
    lines: '1494-1500',
    say: 'The page below is mapped read-only; it will be copied at the first store.',
  },
  F97: {
    when: 'lock lost, map changed',
    effect: 'again',
    lines: '1510-1517',
    say: 'The map changed while it was unlocked; everything begins again.',
  },
  F98: {
    when: 'prot has WRITE (and DIRTY)',
    effect: 'object dirty, nosync (page dirty, swap freed)',
    lines: '1534-1541',
    say: 'The page may be written from now on, and its object may become dirty.',
  },
  F99: {
    when: 'not fully valid',
    effect: 'zeroed, warning',
    lines: '1557-1560',
    say: 'Part of the page is not valid and is filled with zeros.',
  },
} as const satisfies Record<string, BranchRow>;
