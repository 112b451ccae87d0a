/**
 * DragonFly's row of `rules.ts`: where its memory calls, its refusals and what it leaves behind differ from FreeBSD's.
 */
import type { Access, DragonflySystem, Prot, VmSystem } from '@faultline/core';
import { ACCESS_WRITE, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@faultline/core';
import { leakOf } from './leak.js';
import type { ModelProcess } from './model.js';
import type { Operation } from './program.js';
import { anyPlace, type Rules, sharedUncopied } from './rules.js';

/** The hardware knows no permission to read: what a store has mapped can be read and executed. */
function allows(prot: Prot, access: Access): boolean | 'perhaps' {
  if (access === ACCESS_WRITE) return (prot & PROT_WRITE) !== 0;
  if ((prot & PROT_READ) !== 0) return true;
  return (prot & PROT_WRITE) !== 0 ? 'perhaps' : false;
}

/** O3: wiring what cannot be read fails from the second page on and takes WRITE from the maximum for good. */
function oddity(operation: Operation, process: ModelProcess): string | null {
  if (operation.op !== 'wire') return null;
  return anyPlace(process, operation, ({ prot }) => (prot & PROT_READ) === 0) ? 'O3' : null;
}

/**
 * O4, O8 and O33: a fork of wired pages panics, or gives the child more than the entry allows. O32: who shares a range copied on write can
 * go on seeing the old page. O34: an mlock that fails takes earlier wirings back.
 */
function seededDefect(operation: Operation, process: ModelProcess): string | null {
  if (operation.op === 'wire') return anyPlace(process, operation, ({ wired }) => wired) ? 'O34' : null;
  if (operation.op !== 'fork') return null;
  const places = [...process.places.values()];
  if (places.some(({ wired, inherit }) => wired && inherit === 'copy')) return 'O4 O8 O33';
  return places.some(sharedUncopied) ? 'O32' : null;
}

/** Frames must be free, cached, or a file's; swap must be free. */
function leak(system: VmSystem, asSeeded: boolean): string | null {
  // As seeded a wired page that has lost its translation stays wired (O9), and a page that try_to_cache leaves busy (O16) is on a queue all the
  // same.
  return leakOf(system as DragonflySystem, asSeeded);
}

/** A fault does not even try to allocate below 108 pages of a small machine, and of the others a third may be wired. */
const RESERVE = 100;
const SMALL_MACHINE = 150;

export const DRAGONFLY_RULES: Rules = {
  reserve: RESERVE,
  calls: {
    unalignedOffsets: true,
    refusesPrivateDeviceFirst: true,
    unmapOfNothing: 0,
    wireBeyondLimit: 'EAGAIN',
    wiresNothing: true,
    wireSeesHolesFirst: true,
    unwiresOnlyWired: true,
    partSyncWritesNothing: true,
    syncsOnlyWritable: true,
    dataStartsOnPage: true,
    pastEnd: 'open',
  },
  codes: {
    KERN_SUCCESS: 'ok',
    KERN_INVALID_ADDRESS: 'missing',
    KERN_PROTECTION_FAILURE: 'protection',
    KERN_FAILURE: 'failure',
    LOOP: 'shortage',
  },
  allows,
  mmapBase: 0x800000000 / PAGE_SIZE,
  wiredCopyOnWriteRefuses: true,
  wireLimit: (memoryPages) => Math.trunc(memoryPages / 3),
  smallMachine: SMALL_MACHINE,
  waitsForEver: /^vmwait$/,
  // Whenever somebody waits for memory in vain the page daemon scans forty times.
  failuresMost: 1,
  allocations: ['frame', 'swap'],
  // What cannot be written stays dirty, and what cannot be read stays where it is; as seeded with its whole block (O37).
  losesData: (asSeeded, transfer) => asSeeded && transfer === 'file read',
  oddity,
  // O16: a page that try_to_cache has left busy.
  seededHangs: ['pgtblk', 'vmpfw', 'vmopar'],
  seededDefect,
  leak,
};
