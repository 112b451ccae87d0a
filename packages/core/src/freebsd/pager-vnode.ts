/**
 * vnode_pager: files.
 *
 * A file has one object as long as the machine runs, its size the file's. Reads take whole runs with one transfer. The page that
 * holds the end of the file is valid only in its 512-byte pieces up to the end; what a fault needs of the rest is zero.
 * Writes never go past the end.
 */

import { RwLock } from '../kernel/locks.js';
import type { Task, Thread } from '../kernel/thread.js';
import type { BackingStore, IoResult } from '../machine/store.js';
import { PAGE_SIZE, pagesFor } from '../machine/units.js';
import { buffersOf, ioResult, whenIoDone, whole } from '../vm/io.js';
import type { VmFile } from '../vm/system.js';
import { VM_PAGER_ERROR, VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJT_VNODE, objectAllocate } from './object.js';
import { objectPageRemove } from './object-pages.js';
import {
  PIECE_BYTES,
  pageActivate,
  pageBits,
  pageDeactivate,
  pageIndex,
  pageLookup,
  pageWakeup,
  pageZeroInvalid,
  VM_PAGE_BITS_ALL,
  VPO_WANTED,
} from './page.js';
import { cacheFree, pageFree } from './page-alloc.js';
import type { PageRun } from './pager.js';
import type { Vm } from './vm.js';

/** A file that can be mapped: the vnode as far as the pager needs it. */
export class VnodeHandle implements VmFile {
  object: VmObject | null = null;
  /** Bytes, as far as the object has been told (vnp_size). What the store has beyond is not looked at. */
  size = Number.POSITIVE_INFINITY;
  /** The vnode lock: shared by faults, exclusive for who changes the size. */
  readonly lock: RwLock;
  /** Where the file lies on the simulated disk, in pages. */
  readonly diskPage: number;

  constructor(
    vm: Vm,
    readonly name: string,
    readonly store: BackingStore,
    diskPage: number,
  ) {
    this.lock = new RwLock(vm.kernel, `vnode ${name}`);
    this.diskPage = diskPage;
  }
}

/** vnode_pager_alloc: the file's object, made at its first mapping. It has no reference of its own. */
export function vnodeObject(vm: Vm, vnode: VnodeHandle): VmObject {
  if (vnode.object === null) {
    vnode.size = vnode.store.size();
    vnode.object = objectAllocate(vm, OBJT_VNODE, pagesFor(vnode.size), vnode);
    vnode.object.refCount = 0;
  }
  return vnode.object;
}

/** The end of the file: where a store and the news of its new length are apart, the nearer one. */
function fileEnd(vnode: VnodeHandle): number {
  return Math.min(vnode.size, vnode.store.size());
}

function vnodeOf(object: VmObject): VnodeHandle {
  return object.handle as VnodeHandle;
}

/** vnode_pager_haspage: everything below the end of the file, in one contiguous run. */
export function vnodeHasPage(_vm: Vm, object: VmObject, pindex: number, run: PageRun): boolean {
  const pages = pagesFor(vnodeOf(object).store.size());
  if (pindex >= pages) return false;
  run.before = pindex;
  run.after = pages - pindex - 1;
  return true;
}

/**
 * vnode_pager_generic_getpages. A page that is partly valid already is only completed with zeros, without I/O; everything else is one
 * read of the whole run.
 */
export function vnodeGetPages(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  pages: Int32Array,
  count: number,
  requested: number,
  done: (status: number) => void,
): void {
  const asked = pages[requested] as number;
  if (vm.pages.valid[asked] !== 0) {
    for (let i = 0; i < count; i++) if (i !== requested) pageFree(vm, pages[i] as number);
    pageZeroInvalid(vm, asked, true);
    done(VM_PAGER_OK);
    return;
  }
  const vnode = vnodeOf(object);
  const first = pageIndex(vm, pages[0] as number);
  vm.counters.v_vnodein++;
  vm.counters.v_vnodepgsin += count;
  vm.machine.disk.read(vnode.diskPage + first, count);
  const run = pages.slice(0, count);
  const buffers = buffersOf(vm, run, 0, count);
  const wanted = Math.min(count * PAGE_SIZE, fileEnd(vnode) - first * PAGE_SIZE);
  const io = buffers === null ? wanted : vnode.store.read(first * PAGE_SIZE, buffers);
  whenIoDone(vm, thread, io, 'vnread', (result) => done(finishRead(vm, vnode, run, requested, whole(result, wanted))));
}

function finishRead(vm: Vm, vnode: VnodeHandle, run: Int32Array, requested: number, result: IoResult): number {
  const end = fileEnd(vnode);
  for (let i = 0; i < run.length; i++) {
    const page = run[i] as number;
    if (result >= 0) setValidUpTo(vm, page, end - pageIndex(vm, page) * PAGE_SIZE);
    if (i === requested) continue;
    if (result < 0) {
      pageFree(vm, page);
      continue;
    }
    if (((vm.pages.oflags[page] as number) & VPO_WANTED) !== 0) pageActivate(vm, page);
    else pageDeactivate(vm, page);
    pageWakeup(vm, page);
  }
  if (result >= 0) return VM_PAGER_OK;
  vm.printf('vnode_pager_getpages: I/O read error');
  return VM_PAGER_ERROR;
}

/** A page just read: valid as far as the file reaches, zero in the rest of the piece that holds its end. */
function setValidUpTo(vm: Vm, page: number, bytes: number): void {
  vm.pages.dirty[page] = 0;
  if (bytes >= PAGE_SIZE) {
    vm.pages.valid[page] = VM_PAGE_BITS_ALL;
    return;
  }
  const inside = Math.max(bytes, 0);
  vm.machine.memory.zeroPart(page, inside, Math.min(PAGE_SIZE, Math.ceil(inside / PIECE_BYTES) * PIECE_BYTES));
  vm.pages.valid[page] = pageBits(0, inside);
}

/** vnode_pager_putpages: writes each run of consecutive pages up to the end of the file; what arrived is clean. */
export function* vnodePutPages(
  vm: Vm,
  thread: Thread,
  object: VmObject,
  pages: readonly number[],
  status: number[],
): Task<void> {
  let at = 0;
  while (at < pages.length) {
    let to = at + 1;
    while (to < pages.length && pageIndex(vm, pages[to] as number) === pageIndex(vm, pages[to - 1] as number) + 1) to++;
    const outcome = yield* writeRun(vm, thread, vnodeOf(object), pages.slice(at, to));
    for (let i = at; i < to; i++) status[i] = outcome;
    at = to;
  }
}

function* writeRun(vm: Vm, thread: Thread, vnode: VnodeHandle, run: readonly number[]): Task<number> {
  const first = pageIndex(vm, run[0] as number);
  const bytes = Math.min(run.length * PAGE_SIZE, fileEnd(vnode) - first * PAGE_SIZE);
  vm.counters.v_vnodeout++;
  vm.counters.v_vnodepgsout += run.length;
  vm.machine.disk.write(vnode.diskPage + first, run.length);
  const buffers = buffersOf(vm, run, 0, run.length);
  if (buffers !== null && bytes > 0) {
    const inside = cutTo(buffers, bytes);
    const result = yield* ioResult(vm, thread, vnode.store.write(first * PAGE_SIZE, inside), 'vnwrite');
    if (whole(result, bytes) < 0) {
      vm.printf(`vnode_pager_putpages: I/O error ${-whole(result, bytes)}`);
      return VM_PAGER_ERROR;
    }
  }
  for (const page of run) vm.pages.dirty[page] = 0;
  return VM_PAGER_OK;
}

/** The first `bytes` bytes of a list of page buffers. */
function cutTo(buffers: Uint8Array[], bytes: number): Uint8Array[] {
  const whole = Math.floor(bytes / PAGE_SIZE);
  const cut = buffers.slice(0, whole);
  const rest = bytes - whole * PAGE_SIZE;
  if (rest > 0) cut.push((buffers[whole] as Uint8Array).subarray(0, rest));
  return cut;
}

/**
 * vnode_pager_setsize: the file has a new length. Pages past the end go, whoever maps them; of the page that holds it, the rest is
 * zeroed and no longer valid, so that it cannot reappear when the file grows. What was stored behind the old end of a file that now
 * grows is nobody's data either.
 */
export function* vnodeSetSize(vm: Vm, thread: Thread, vnode: VnodeHandle, bytes: number): Task<void> {
  const object = vnode.object;
  if (object === null) return;
  const pages = pagesFor(bytes);
  const old = object.size;
  const oldBytes = Math.min(vnode.size, old * PAGE_SIZE);
  vnode.size = bytes;
  if (pages < old) {
    object.size = pages;
    yield* objectPageRemove(vm, thread, object, pages, old, false);
  } else if (pages > old) {
    // A wired page may have outlived an earlier, greater length.
    yield* objectPageRemove(vm, thread, object, old, pages, false);
    object.size = pages;
  }
  zeroBehind(vm, object, Math.min(bytes, oldBytes), bytes > oldBytes);
}

/** Zeroes what the page that holds byte `end` has behind it. A page in the cache is dropped instead; it is clean. */
function zeroBehind(vm: Vm, object: VmObject, end: number, grows: boolean): void {
  const tail = end % PAGE_SIZE;
  if (tail === 0) return;
  const pindex = Math.floor(end / PAGE_SIZE);
  if (object.cachedCount > 0) cacheFree(vm, object, pindex, pindex + 1);
  const page = pageLookup(vm, object, pindex);
  if (page < 0 || vm.pages.valid[page] === 0) return;
  vm.pmap.removeAll(page);
  vm.machine.memory.zeroPart(page, tail, PAGE_SIZE);
  if (grows) return;
  const kept = pageBits(0, tail);
  vm.pages.valid[page] = (vm.pages.valid[page] as number) & kept;
  vm.pages.dirty[page] = (vm.pages.dirty[page] as number) & kept;
}
