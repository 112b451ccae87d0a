/**
 * fork, vfork, exec, exit.
 *
 * A child of fork has an address space of its own and its parent's open files. A child of vfork has no address space: it runs in
 * its parent's, which may not run meanwhile, until it execs or exits. exec makes the new address space first and lets go of the old one then, as vmspace_exec
 * does when somebody else shares it.
 */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE, USER_MAX_ADDRESS } from '../machine/units.js';
import { checkWhole } from '../vm/arguments.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { PortMapRequest } from '../vm/port.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { MapBacking } from '../vm/system.js';
import type { Image, ImageSegment, SignalValue } from './api.js';
import { checkPages, checkPath } from './arguments.js';
import type { MachineCore } from './core.js';
import { DATA_START, noTranslations, type ProcessCore } from './process-core.js';
import { OUT_OF_MEMORY, signalValue } from './signals.js';

/** What a child has of its parent beside the address space. */
function inherit(parent: ProcessCore, child: ProcessCore): void {
  parent.descriptors.copyTo(child.descriptors);
  child.dataStart = parent.dataStart;
  child.dataEnd = parent.dataEnd;
}

/** fork(2). */
export function* forkTask(parent: ProcessCore, name: string): Task<ProcessCore | Errno> {
  const { core } = parent;
  const vm = yield* core.port.fork(parent.vm, name);
  if (typeof vm === 'string') return vm;
  const child = core.adopt(name, vm, parent.limits);
  core.port.setStackLimit(vm, child.limits.stack);
  inherit(parent, child);
  return child;
}

/** As fork, with the ranges that fork would leave behind: for the moment of the call they are to be copied. */
export function* cloneTask(parent: ProcessCore, name: string): Task<ProcessCore | Errno> {
  const { core } = parent;
  const left = core.system.entries(parent.vm).filter(({ inheritance }) => inheritance === 'none');
  for (const { start, end } of left) yield* core.port.minherit(parent.vm, start, end - start, 'copy');
  const child = yield* forkTask(parent, name);
  for (const { start, end } of left) {
    yield* core.port.minherit(parent.vm, start, end - start, 'none');
    if (typeof child !== 'string') yield* core.port.minherit(child.vm, start, end - start, 'none');
  }
  return child;
}

/** vfork(2). */
export function vfork(parent: ProcessCore, name: string): ProcessCore {
  const child = parent.core.adopt(name, parent.vm, parent.limits);
  inherit(parent, child);
  child.borrowedFrom = parent;
  parent.lentTo = child;
  parent.pmap = noTranslations();
  return child;
}

/** A vfork child goes its own way: the parent has its address space back, with the break where the child left it. */
function giveBack(child: ProcessCore): void {
  const parent = child.borrowedFrom;
  if (parent === null) return;
  child.borrowedFrom = null;
  parent.lentTo = null;
  parent.dataEnd = child.dataEnd;
  parent.pmap = parent.core.port.pmapOf(parent.vm);
}

/** exit(2), or the end of a process that is killed. */
export function* exitTask(process: ProcessCore, killedBy: SignalValue | null): Task<void> {
  const { core, vm } = process;
  const borrowed = process.borrowedFrom !== null;
  giveBack(process);
  process.end(killedBy);
  if (!borrowed && vm.alive) yield* core.port.exit(vm);
  yield* core.reap(core.operator);
}

/** What is wrong with an image before anything is touched. */
export function checkImage(image: Image): void {
  if (typeof image !== 'object' || image === null) throw new TypeError(`image must be an object, not ${String(image)}`);
  if (!Array.isArray(image.segments)) throw new TypeError('image.segments must be an array');
  for (const [i, segment] of (image.segments as readonly ImageSegment[]).entries()) {
    const name = `image.segments[${i}]`;
    if (typeof segment !== 'object' || segment === null) throw new TypeError(`${name} must be an object`);
    checkPages(`${name}.address`, segment.address, PAGE_SIZE);
    checkWhole(`${name}.length`, segment.length, USER_MAX_ADDRESS);
    checkWhole(`${name}.protection`, segment.protection, PROT_ALL);
    if (segment.path !== undefined) checkPath(segment.path);
    if (segment.offset !== undefined) checkPages(`${name}.offset`, segment.offset, 0);
  }
  if (image.dataStart !== undefined) checkPages('image.dataStart', image.dataStart, PAGE_SIZE);
  if (image.stack !== undefined) checkPages('image.stack', image.stack, 0);
}

function request(core: MachineCore, segment: ImageSegment): PortMapRequest | Errno {
  let backing: MapBacking = { kind: 'anon' };
  if (segment.path !== undefined) {
    const file = core.files.named.get(segment.path);
    if (file === undefined) return 'ENOENT';
    backing = { kind: 'file', file: file.vm, offset: segment.offset ?? 0 };
  }
  return {
    address: segment.address,
    length: segment.length,
    protection: segment.protection,
    maximum: PROT_ALL,
    sharing: 'private',
    backing,
    fixed: true,
    nosync: false,
    stack: false,
    wired: false,
    vpagetable: false,
  };
}

/** What an image asks of mmap, or the errno that refuses it while the old image is still there. */
function requests(core: MachineCore, image: Image): PortMapRequest[] | Errno {
  const all: PortMapRequest[] = [];
  for (const segment of image.segments) {
    const one = request(core, segment);
    if (typeof one === 'string') return one;
    all.push(one);
  }
  const stack = image.stack ?? 0;
  if (stack === 0) return all;
  const bottom = { address: USER_MAX_ADDRESS - stack, length: stack, protection: PROT_READ | PROT_WRITE };
  // netbsd knows no stacks: exec maps all of it.
  const grows = core.name !== 'netbsd';
  all.push({ ...(request(core, bottom) as PortMapRequest), stack: grows });
  return all;
}

function firstByteBehind(image: Image): number {
  const ends = image.segments.map(({ address, length }) => address + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE);
  return Math.max(DATA_START, ...ends);
}

/** execve(2), as far as memory goes. */
export function* execTask(process: ProcessCore, image: Image): Task<CallResult> {
  const { core } = process;
  const wanted = requests(core, image);
  if (typeof wanted === 'string') return wanted;
  const old = process.borrowedFrom === null ? process.vm : null;
  giveBack(process);
  process.vm = core.system.spawn(process.name);
  process.pmap = core.port.pmapOf(process.vm);
  process.prepare(image.dataStart ?? firstByteBehind(image));
  if (old !== null) yield* core.port.exit(old);
  for (const one of wanted) {
    const result = yield* core.port.mmap(process.vm, one);
    if (typeof result === 'number') continue;
    yield* exitTask(process, signalValue(OUT_OF_MEMORY, one.address, 0));
    return result;
  }
  yield* core.reap(core.operator);
  return 0;
}
