/**
 * uvm_mmap: what a mapping becomes.
 *
 *     anonymous, private   copy-on-write, no amap until it is needed
 *     anonymous, shared    an amap now, to be shared by forks; no object
 *     file, private        the vnode, copy-on-write
 *     file, shared         the vnode; writable ones are remembered at it (WRMAP)
 *     device               the device's object; private is taken for shared, and the advice is random
 *
 * A fixed place is emptied first, and stays empty when something later fails (oddity 16); for want of a map entry nothing does.
 */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE, pageOf, pagesFor, USER_MAX_ADDRESS } from '../machine/units.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { Prot } from '../vm/prot.js';
import { PROT_ALL, PROT_EXECUTE, PROT_NONE, PROT_WRITE } from '../vm/prot.js';
import type { Needs } from '../vm/reserve.js';
import { reserves } from '../vm/reserve.js';
import type { MapRequest } from '../vm/system.js';
import { callResult } from './codes.js';
import type { DeviceHandle } from './device.js';
import { deviceAttach } from './device.js';
import type { VmMap } from './map.js';
import { ADVICE_NORMAL, ADVICE_RANDOM, INHERIT_COPY, INHERIT_SHARE, lockMap, unlockMap } from './map.js';
import type { Mapping } from './map-merge.js';
import { mapEnter, rangeIsFree } from './map-merge.js';
import { removeRange } from './map-range.js';
import { wireRange } from './map-wire.js';
import type { UvmObject } from './object.js';
import type { NetbsdProcess } from './process.js';
import { clipNeeds } from './reserve.js';
import type { Vm } from './vm.js';
import type { VnodeObject } from './vnode.js';

/** Where mappings without a wish begin: above the largest heap. */
const MMAP_BASE_PAGE = 0x40000000 / PAGE_SIZE;
/** The last byte of a file that can be spoken of. */
const OFFSET_MAX = Number.MAX_SAFE_INTEGER;

/** What lies behind a mapping. */
interface Backing {
  readonly object: UvmObject | null;
  /** Pages. */
  readonly offset: number;
  readonly maximum: Prot;
  readonly sharing: 'private' | 'shared';
  readonly advice: number;
}

/** More that mmap can be told on NetBSD. */
export interface MapExtras {
  /** What the descriptor allows. Default: all. */
  readonly maximum?: Prot;
  /** MAP_WIRED. */
  readonly wired?: boolean;
}

/** mmap. Answers the address; of an unaligned file offset, with the offset's remainder. */
export function* sysMmap(vm: Vm, p: NetbsdProcess, request: MapRequest, extras: MapExtras = {}): Task<CallResult> {
  const offset = request.backing.kind === 'anon' ? 0 : request.backing.offset;
  const remainder = offset % PAGE_SIZE;
  const address = request.address - (request.fixed ? remainder : 0);
  const size = request.length === 0 ? 0 : pagesFor(request.length + remainder);
  if (!Number.isInteger(address) || address < 0 || offset < 0) return 'EINVAL';
  if (size === 0) return request.address;
  if (address + size * PAGE_SIZE > OFFSET_MAX || offset + size * PAGE_SIZE > OFFSET_MAX) return 'EOVERFLOW';
  if (request.fixed && address + size * PAGE_SIZE > USER_MAX_ADDRESS) return 'EFBIG';
  if (request.fixed && address % PAGE_SIZE !== 0) return 'EINVAL';
  const { map, thread } = p;
  yield* lockMap(vm, map, thread);
  const start = request.fixed ? pageOf(address) : findSpace(map, pagesFor(address), size);
  if (!reserves(vm, () => mapNeeds(map, request, start, start + size))) {
    unlockMap(map, thread);
    return 'ENOMEM';
  }
  if (request.fixed) yield* removeRange(vm, thread, map, start, start + size);
  const result = start < 0 ? 'ENOMEM' : yield* enter(vm, p, request, start, size, extras.maximum ?? PROT_ALL);
  unlockMap(map, thread);
  if (typeof result === 'string') return result;
  const wire = (map.wireFuture || extras.wired === true) && request.protection !== PROT_NONE;
  const wired = wire ? yield* wireNew(vm, p, start, size) : null;
  return wired ?? start * PAGE_SIZE + remainder;
}

/** What a new mapping can need; one that replaces others also clips them. */
function mapNeeds(map: VmMap, { fixed, backing }: MapRequest, start: number, end: number): Needs {
  const clips = fixed ? clipNeeds(map, start, end).entries : 0;
  const fresh = backing.kind === 'device' && (backing.device as DeviceHandle).object === null;
  return { entries: clips + 1, objects: fresh ? 1 : 0 };
}

/** The first free place at or above the wish, else at or above the usual one; -1 when there is none. */
function findSpace(map: VmMap, wish: number, size: number): number {
  for (const from of [wish === 0 ? MMAP_BASE_PAGE : Math.max(wish, map.minPage), MMAP_BASE_PAGE, map.minPage]) {
    let at = from;
    while (at + size <= map.maxPage) {
      if (rangeIsFree(map, at, at + size)) return at;
      const before = map.before(at);
      at = !map.isHead(before) && before.end > at ? before.end : before.next.end;
    }
  }
  return -1;
}

function* enter(
  vm: Vm,
  p: NetbsdProcess,
  request: MapRequest,
  start: number,
  size: number,
  maximum: Prot,
): Task<0 | Errno> {
  const backing = attach(vm, request, size, maximum);
  if (typeof backing === 'string') return backing;
  const anonymous = backing.object === null;
  const shared = backing.sharing === 'shared';
  const error = mapEnter(vm, p.map, {
    start,
    end: start + size,
    object: backing.object,
    offset: backing.offset,
    protection: request.protection,
    maxProtection: backing.maximum,
    inheritance: shared ? INHERIT_SHARE : INHERIT_COPY,
    advice: backing.advice,
    copyOnWrite: !shared,
    overlay: anonymous && shared,
  });
  if (error !== 0 && backing.object !== null) yield* backing.object.detach(p.thread);
  return callResult(error) as 0 | Errno;
}

/** The object behind a mapping, with a reference for it. */
function attach(vm: Vm, request: MapRequest, size: number, maximum: Prot): Backing | Errno {
  const { backing, sharing, protection } = request;
  if (backing.kind === 'anon') return { object: null, offset: 0, maximum, sharing, advice: ADVICE_NORMAL };
  const offset = Math.floor(backing.offset / PAGE_SIZE);
  if (backing.kind === 'device') {
    const attached = attachDevice(vm, backing.device as DeviceHandle, offset, size, protection);
    return typeof attached === 'string' ? attached : { ...attached, maximum: attached.maximum & maximum };
  }
  const vnode = backing.file as VnodeObject;
  vnode.reference();
  if ((protection & PROT_EXECUTE) !== 0) vnode.markText();
  if (sharing === 'shared' && (maximum & PROT_WRITE) !== 0) vnode.wrmap = true;
  return { object: vnode, offset, maximum, sharing, advice: ADVICE_NORMAL };
}

/** A device that refuses everything is asked again for less; one that refuses a page refuses all of it. */
function attachDevice(vm: Vm, device: DeviceHandle, offset: number, size: number, protection: Prot): Backing | Errno {
  let maximum = PROT_ALL;
  let object = deviceAttach(vm, device, offset, size);
  for (const bit of [PROT_EXECUTE, PROT_WRITE]) {
    if (object !== null || (protection & bit) !== 0) continue;
    maximum &= ~bit;
    object = deviceAttach(vm, device, offset, size);
  }
  if (object === null) return 'EINVAL';
  return { object, offset, maximum, sharing: 'shared', advice: ADVICE_RANDOM };
}

/** Under mlockall(MCL_FUTURE), and with MAP_WIRED, the new range is wired, or goes again. Answers the errno, or null. */
function* wireNew(vm: Vm, p: NetbsdProcess, start: number, size: number): Task<Errno | null> {
  const { map, thread } = p;
  const tooMuch = size + vm.wiredPages > vm.wiredmax;
  const error = tooMuch ? 0 : yield* wireRange(vm, thread, map, start, start + size, p.usage);
  if (!tooMuch && error === 0) return null;
  yield* lockMap(vm, map, thread);
  yield* removeRange(vm, thread, map, start, start + size);
  unlockMap(map, thread);
  return 'ENOMEM';
}

/** What `P map ... shm` asks for: unmap, then as shmat does, or privately. */
export function* mapSegment(
  vm: Vm,
  p: NetbsdProcess,
  mapping: Omit<Mapping, 'advice' | 'inheritance' | 'overlay' | 'maxProtection'>,
): Task<CallResult> {
  const { map, thread } = p;
  const shared = !mapping.copyOnWrite;
  yield* lockMap(vm, map, thread);
  yield* removeRange(vm, thread, map, mapping.start, mapping.end);
  mapping.object?.reference();
  const error = mapEnter(vm, map, {
    ...mapping,
    maxProtection: shared ? mapping.protection : PROT_ALL,
    inheritance: shared ? INHERIT_SHARE : INHERIT_COPY,
    advice: ADVICE_RANDOM,
    overlay: vm.kernelMap === map && !shared,
  });
  if (error !== 0 && mapping.object !== null) yield* mapping.object.detach(thread);
  unlockMap(map, thread);
  return callResult(error);
}
