/**
 * What differs between the systems as far as the reference model has to know, a row each.
 *
 * A system that can be started (in `SYSTEMS`) and has neither a row here nor a line in `WITHOUT_RULES` fails a test: its author reads its
 * memory calls, writes the row, and the random programs, scenarios and hostile calls run on it from then on.
 */
import type { Access, CallResult, FreebsdSystem, NetbsdSystem, Prot, SystemName, VmSystem } from '@faultline/core';
import { PAGE_SIZE, PROT_READ, PROT_WRITE, SYSTEMS } from '@faultline/core';
import { leakOf } from './leak.js';
import type { ModelProcess, Outcome, Place, Trouble } from './model.js';
import { Model, placesIn } from './model.js';
import { NetbsdModel } from './model-netbsd.js';
import type { Operation } from './program.js';
import { DRAGONFLY_RULES } from './rules-dragonfly.js';

/** Where a system's memory calls answer otherwise than FreeBSD's. */
export interface CallRules {
  /** mmap takes a file offset within a page, and the address has it too. */
  readonly unalignedOffsets?: boolean;
  /** A private mapping of a device is refused before what it would replace is gone. */
  readonly refusesPrivateDeviceFirst?: boolean;
  readonly unmapOfNothing?: CallResult;
  /** mlock of more than may ever be wired: `ENOMEM` unless this says otherwise. */
  readonly wireBeyondLimit?: 'EAGAIN';
  /** mlock and munlock of nothing succeed, and of what is no user space find a hole. */
  readonly wiresNothing?: boolean;
  /** mlock of a range with a hole touches nothing. */
  readonly wireSeesHolesFirst?: boolean;
  /** munlock refuses a range that is not wired. */
  readonly unwiresOnlyWired?: boolean;
  /** As seeded, msync of a part of a file writes nothing. */
  readonly partSyncWritesNothing?: boolean;
  /** msync passes over what may not be written through this mapping. */
  readonly syncsOnlyWritable?: boolean;
  /** The data segment starts at the page above the first break. */
  readonly dataStartsOnPage?: boolean;
  /** `open`: a page behind the end of its file may be there all the same, for wiring and for accesses. */
  readonly pastEnd?: 'open';
}

/** What a broken disk can fail to do. */
export type Transfer = 'file read' | 'file write' | 'swap read' | 'swap write';

export interface Rules {
  readonly calls?: CallRules;
  /** Pages that this system keeps back beyond what FreeBSD does: its machines must be so much bigger. */
  readonly reserve?: number;
  /** Whether a page of such a protection can be accessed; without this, by the bit of the access. */
  allows?(prot: Prot, access: Access): boolean | 'perhaps';
  /** The name of an oddity that the operation would meet in either form of the kernel, or null. */
  oddity?(operation: Operation, process: ModelProcess): string | null;
  /** Sleeps of the kernel as seeded that nobody can end: the program may stop there. */
  readonly seededHangs?: readonly string[];
  /** What an access can come to, by the handler's code. `shortage`: dropped for want of memory. */
  readonly codes: Readonly<Record<string, Outcome | Trouble>>;
  /** First page that mmap tries without a wish. */
  readonly mmapBase: number;
  /** Whether a store to a wired private page can be refused when it would have to be copied. */
  readonly wiredCopyOnWriteRefuses: boolean;
  /** Pages that may be wired on a machine of so many. */
  wireLimit(memoryPages: number): number;
  /** The documented defect that this operation would meet on a kernel as seeded, or null. */
  seededDefect(operation: Operation, process: ModelProcess): string | null;
  /** The model with this system's memory calls, if they are not those of `Model`. */
  readonly model?: new (
    rules: Rules,
    asSeeded: boolean,
  ) => Model;
  /** Bytes of a file of so many that can be mapped; default: the same. */
  mappedBytes?(bytes: number): number;
  /** What a call that as seeded waits for memory for ever sleeps on. */
  readonly waitsForEver: RegExp;
  /** Frames of a machine that the programs of failure-programs.ts are too large for. */
  readonly smallMachine: number;
  /** Things that are made to fail in each program, evenly spread; default: all of them. */
  readonly failuresMost?: number;
  /** Kinds of allocations that its tests can make fail. */
  readonly allocations: readonly string[];
  /** Whether data is lost for good when such a transfer fails, even if the disk is well again later. */
  losesData(asSeeded: boolean, transfer: Transfer): boolean;
  /** Whether pages stay taken that nobody uses any more. */
  losesMemory?(system: VmSystem, asSeeded: boolean): boolean;
  /** What a machine without processes still holds that it should not, or null. */
  leak(system: VmSystem, asSeeded: boolean): string | null;
}

export function anyPlace(
  process: ModelProcess,
  operation: { readonly address: number; readonly length: number },
  wrong: (place: Place) => boolean,
): boolean {
  const start = Math.floor(operation.address / PAGE_SIZE);
  const end = Math.ceil((operation.address + operation.length) / PAGE_SIZE);
  return placesIn(process, { start, end }).some(([, place]) => wrong(place));
}

function wouldBeCopied({ prot, content }: Place): boolean {
  return (prot & PROT_WRITE) !== 0 && content !== null && content.own === null && content.base !== null;
}

/** A copy-on-write page that a fork would share: a later copy is not seen by who has read the page already. */
export function sharedUncopied({ inherit, content, cow }: Place): boolean {
  return inherit === 'share' && cow && content !== null && (content.own === null || content.loose);
}

/** The defects of FreeBSD's CAVEATS.md that show in results: O2, O5, O6, O7, O13, O17 to O23. */
function freebsdDefect(operation: Operation, process: ModelProcess): string | null {
  switch (operation.op) {
    case 'map':
      return operation.address < 4 * PAGE_SIZE ? 'O17' : null;
    case 'wire':
      if (anyPlace(process, operation, ({ prot }) => (prot & PROT_READ) === 0)) return 'O2';
      return anyPlace(process, operation, wouldBeCopied) ? 'O18' : null;
    case 'protect':
      return anyPlace(process, operation, ({ wired }) => wired) ? 'O6 O7 O13' : null;
    case 'fork': {
      const copied = [...process.places.values()].some(({ wired, inherit }) => wired && inherit === 'copy');
      if (copied) return 'O5 O23';
      return [...process.places.values()].some(sharedUncopied) ? 'O19' : null;
    }
    default:
      return null;
  }
}

/** Frames must be free, cached, or a file's; swap must be free. */
function freebsdLeak(system: VmSystem, asSeeded: boolean): string | null {
  // As seeded a partly valid page of a file can be on no queue (O20), and wired pages without an owner stay (O7).
  return leakOf(system as FreebsdSystem, asSeeded);
}

// ---- netbsd ----------------------------------------------------------------------------------------------------------

/** A file ends where its last block does, or its last fragment while it is short. */
function netbsdFileBytes(bytes: number): number {
  const unit = bytes < 12 * 16384 ? 2048 : 16384;
  return Math.ceil(bytes / unit) * unit;
}

/**
 * Of NetBSD's CAVEATS.md: a copy of what others share lets their stores through to it (14); and who has given up a page that was once forked
 * may go on seeing it, as others change it (26).
 */
function netbsdDefect(operation: Operation, process: ModelProcess): string | null {
  if (operation.op === 'advise' && operation.advice === 'free') {
    return anyPlace(process, operation, ({ cow, content }) => cow && content?.kind === 'anon') ? '26' : null;
  }
  if (operation.op !== 'fork') return null;
  const copied = ({ inherit, content }: Place): boolean =>
    inherit === 'copy' && content !== null && content.kind === 'anon' && content.holders > 1;
  return [...process.places.values()].some(copied) ? '14' : null;
}

/** Frames must be free or a file's, and on a queue; no anon, no swap slot (but bad ones), no reference may be left. */
function netbsdLeak(system: VmSystem, asSeeded: boolean): string | null {
  const { vm } = system as NetbsdSystem;
  if (vm.liveAnons !== 0) return `${vm.liveAnons} anons`;
  if (vm.swap.inUse !== vm.swap.bad) return `${vm.swap.inUse - vm.swap.bad} swap slots`;
  for (const object of vm.objects) {
    if (object === null) continue;
    if (object.kind !== 'vnode') return `an object: ${object.lock.name}`;
    if (object.refs !== 1) return `${object.refs - 1} references on ${object.lock.name}`;
  }
  // As seeded pages of files that lost their translations while wired stay so (17).
  if (vm.wiredPages !== 0 && !asSeeded) return `${vm.wiredPages} wired pages`;
  const counted = system.queues().reduce((sum, { pages }) => sum + pages, 0);
  const { poolFrames } = vm.machine.memory;
  return counted === poolFrames ? null : `${poolFrames - counted} frames that are on no queue`;
}

export const RULES: Readonly<Partial<Record<SystemName, Rules>>> = {
  freebsd: {
    codes: {
      KERN_SUCCESS: 'ok',
      KERN_INVALID_ADDRESS: 'missing',
      KERN_PROTECTION_FAILURE: 'protection',
      KERN_RESOURCE_SHORTAGE: 'shortage',
      KERN_FAILURE: 'failure',
    },
    mmapBase: 0x800000000 / PAGE_SIZE,
    wiredCopyOnWriteRefuses: true,
    wireLimit: (memoryPages) => Math.trunc(memoryPages / 3),
    waitsForEver: /^vmwait$/,
    smallMachine: 96,
    allocations: ['frame', 'swap'],
    losesData: () => false,
    seededDefect: freebsdDefect,
    leak: freebsdLeak,
  },
  netbsd: {
    calls: {},
    codes: {
      '0': 'ok',
      EFAULT: 'missing',
      EACCES: 'protection',
      EINVAL: 'beyond',
      ENOMEM: 'shortage',
      LOOP: 'shortage',
      EIO: 'failure',
      ENOSPC: 'failure',
    },
    model: NetbsdModel,
    mmapBase: 0x40000000 / PAGE_SIZE,
    wiredCopyOnWriteRefuses: false,
    wireLimit: (memoryPages) => Math.trunc(memoryPages / 3),
    mappedBytes: netbsdFileBytes,
    // uvm_wait of a fault in a call, of amap_copy and amap_cow_now, of a read.
    waitsForEver: /^(flt_|fltamapcopy|amapcopy|cownow|uvn_fp|uao_|udv_)/,
    smallMachine: 44,
    allocations: ['frame', 'anon', 'amap', 'swap'],
    // What cannot be read from swap is given up for good; as seeded also what cannot be written (25).
    losesData: (asSeeded, transfer) => transfer === 'swap read' || (asSeeded && transfer !== 'file read'),
    // Exit drops the translations first, and unwiring goes by them: what was wired stays (17).
    losesMemory: (system, asSeeded) => asSeeded && (system as NetbsdSystem).vm.wiredPages > 0,
    seededDefect: netbsdDefect,
    leak: netbsdLeak,
  },
  dragonfly: DRAGONFLY_RULES,
};

/** Systems of `SYSTEMS` that have no row yet, with the reason. Whoever writes the row takes the line out. */
export const WITHOUT_RULES: Readonly<Partial<Record<SystemName, string>>> = {
  csrg: 'new: its memory calls are still to be described',
};

/** The systems that random programs run on. */
export const RULED = (Object.keys(SYSTEMS) as SystemName[]).filter((name) => RULES[name] !== undefined);

/** The reference model of a system. */
export function modelOf(rules: Rules, asSeeded: boolean): Model {
  return new (rules.model ?? Model)(rules, asSeeded);
}

/** The operation is left out: the kernel, perhaps only as seeded, would do something that its CAVEATS.md describes. */
export function avoided(model: Model, operation: Operation, process: ModelProcess, asSeeded: boolean): boolean {
  if (model.rules.oddity !== undefined && model.rules.oddity(operation, process) !== null) return true;
  return asSeeded && model.rules.seededDefect(operation, process) !== null;
}
