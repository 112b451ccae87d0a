/**
 * fork, vfork, exec, exit.
 *
 * A child of fork has an address space of its own and its parent's open files. A child of vfork has no address space: it runs in
 * its parent's, which may not run meanwhile, until it has exec'ed or exited. exec makes the new address space first and lets go of the old one then, as
 * vmspace_exec does when somebody else shares it.
 *
 * A task runs on one thread and sleeps only as that one. An address space has a thread of its own, so exec is two tasks: one leaves the old address space, one
 * fills the new.
 */
import type { Task } from '../kernel/thread.js';
import { PAGE_SIZE, USER_MAX_ADDRESS } from '../machine/units.js';
import { checkWhole, shown } from '../vm/arguments.js';
import type { CallResult, Errno } from '../vm/errno.js';
import type { PortMapRequest } from '../vm/port.js';
import { PROT_ALL, PROT_READ, PROT_WRITE } from '../vm/prot.js';
import type { MapBacking, VmProcess } from '../vm/system.js';
import type { Image, ImageSegment, SignalValue } from './api.js';
import { checkPages, checkPath } from './arguments.js';
import type { Lwp, MachineCore } from './core.js';
import type { MachineFile } from './files.js';
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
  const thread = core.port.threadOf(parent.vm);
  const left = core.system.entries(parent.vm).filter(({ inheritance }) => inheritance === 'none');
  for (const { start, end } of left) yield* core.port.minherit(parent.vm, start, end - start, 'copy');
  const child = yield* forkTask(parent, name);
  for (const { start, end } of left) {
    yield* core.port.minherit(parent.vm, start, end - start, 'none');
    if (typeof child === 'string') continue;
    yield* core.port.minherit(core.port.withThread(child.vm, thread), start, end - start, 'none');
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

/** Whether a process runs in an address space that is not its own. */
function borrows({ borrowedFrom, vm }: ProcessCore): boolean {
  return borrowedFrom?.vm === vm;
}

/** A vfork child leaves its parent's address space: the break stays where the child has put it. */
function leaveBreak({ borrowedFrom, dataEnd }: ProcessCore): void {
  if (borrowedFrom !== null) borrowedFrom.dataEnd = dataEnd;
}

/** A vfork child has gone its own way: the parent has its address space back. */
function giveBack(child: ProcessCore): void {
  const parent = child.borrowedFrom;
  if (parent === null) return;
  child.borrowedFrom = null;
  parent.lentTo = null;
  if (!parent.alive) return;
  parent.pmap = parent.core.port.pmapOf(parent.vm);
  // The limit of the stack is the address space's, and the child may have set its own.
  parent.core.port.setStackLimit(parent.vm, parent.limits.stack);
}

/** exit(2), or the end of a process that is killed. */
export function* exitTask({ process, vm }: Lwp, killedBy: SignalValue | null): Task<void> {
  const { core } = process;
  const thread = core.port.threadOf(vm);
  process.end(killedBy);
  if (borrows(process)) leaveBreak(process);
  else yield* core.port.exit(vm);
  yield* core.reap(thread);
  giveBack(process);
}

/** What is wrong with an image before anything is touched. */
export function checkImage(image: Image): void {
  if (typeof image !== 'object' || image === null) throw new TypeError(`image must be an object, not ${shown(image)}`);
  if (!Array.isArray(image.segments)) throw new TypeError('image.segments must be an array');
  for (const [i, segment] of (image.segments as readonly ImageSegment[]).entries()) {
    const name = `image.segments[${i}]`;
    if (typeof segment !== 'object' || segment === null) throw new TypeError(`${name} must be an object`);
    checkPages(`${name}.address`, segment.address, PAGE_SIZE);
    checkWhole(`${name}.length`, segment.length, USER_MAX_ADDRESS);
    checkWhole(`${name}.protection`, segment.protection, PROT_ALL);
    if (segment.path !== undefined) checkPath(segment.path, `${name}.path`);
    if (segment.offset !== undefined) checkPages(`${name}.offset`, segment.offset, 0);
  }
  if (image.dataStart !== undefined) checkPages('image.dataStart', image.dataStart, PAGE_SIZE);
  if (image.stack !== undefined) checkPages('image.stack', image.stack, 0);
}

/** What exec is about to map. Its files are held until it has. */
export interface NewImage {
  readonly requests: readonly PortMapRequest[];
  readonly files: readonly MachineFile[];
}

function request(segment: ImageSegment, file: MachineFile | null): PortMapRequest {
  const backing: MapBacking =
    file === null ? { kind: 'anon' } : { kind: 'file', file: file.vm, offset: segment.offset ?? 0 };
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
function newImage(core: MachineCore, image: Image): NewImage | Errno {
  const requests: PortMapRequest[] = [];
  const files: MachineFile[] = [];
  for (const segment of image.segments) {
    const file = segment.path === undefined ? null : core.files.named.get(segment.path);
    if (file === undefined) return 'ENOENT';
    if (file !== null) files.push(file);
    requests.push(request(segment, file));
  }
  const { stack = 0 } = image;
  if (stack > 0) {
    const bottom = { address: USER_MAX_ADDRESS - stack, length: stack, protection: PROT_READ | PROT_WRITE };
    // netbsd knows no stacks: exec maps all of it.
    requests.push({ ...request(bottom, null), stack: core.name !== 'netbsd' });
  }
  return { requests, files };
}

function firstByteBehind(image: Image): number {
  const ends = image.segments.map(({ address, length }) => address + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE);
  return Math.max(DATA_START, ...ends);
}

/** execve(2), as far as memory goes: the first part, on the thread of the old address space. It is gone when this is done. */
export function* leaveTask({ process, vm }: Lwp, image: Image): Task<NewImage | Errno> {
  const { core } = process;
  const wanted = newImage(core, image);
  if (typeof wanted === 'string') return wanted;
  for (const file of wanted.files) file.holds++;
  const borrowed = borrows(process);
  leaveBreak(process);
  process.vm = core.system.spawn(process.name);
  process.pmap = core.port.pmapOf(process.vm);
  process.prepare(image.dataStart ?? firstByteBehind(image));
  if (!borrowed) yield* core.port.exit(vm);
  return wanted;
}

/** The second part, on the thread of the new address space. */
export function* enterTask(lwp: Lwp, wanted: NewImage): Task<CallResult> {
  const { process, vm } = lwp;
  const { core } = process;
  const thread = core.port.threadOf(vm);
  const refused = yield* mapAll(core, vm, wanted.requests);
  for (const file of wanted.files) yield* core.letGo(thread, file);
  if (refused !== null) {
    yield* exitTask(lwp, signalValue(OUT_OF_MEMORY, refused.address, 0));
    return refused.errno;
  }
  yield* core.reap(thread);
  giveBack(process);
  return 0;
}

interface Refused {
  readonly address: number;
  readonly errno: Errno;
}

/** Maps one after the other; answers what was refused first, or null. */
function* mapAll(core: MachineCore, vm: VmProcess, requests: readonly PortMapRequest[]): Task<Refused | null> {
  for (const request of requests) {
    const result = yield* core.port.mmap(vm, request);
    if (typeof result === 'string') return { address: request.address, errno: result };
  }
  return null;
}
