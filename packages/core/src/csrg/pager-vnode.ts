/**
 * vnode_pager: files.
 *
 * A file has one object while its pager lives, its size the file's. A read reaches to the end of the file and is zero behind it; a place at
 * or past the end is BAD, which the fault handler takes for a protection failure. Writes are always synchronous and never go past the end.
 *
 * Writing through the file system takes the file's object out of the cache for good (vnode_pager_uncache): it no longer outlives its references.
 */
import type { Task, Thread } from '../kernel/thread.js';
import type { BackingStore, IoResult } from '../machine/store.js';
import { PAGE_SIZE, pagesFor } from '../machine/units.js';
import { ioResult, whenIoDone } from '../vm/io.js';
import { PROT_NONE } from '../vm/prot.js';
import type { VmFile } from '../vm/system.js';
import { VM_PAGER_BAD, VM_PAGER_ERROR, VM_PAGER_FAIL, VM_PAGER_OK } from './kern.js';
import type { VmObject } from './object.js';
import { OBJ_CANPERSIST, OBJ_INTERNAL, objectAllocate, objectEnter, objectLookup, objectSetPager } from './object.js';
import { deallocate, pageRemoveRange, uncache } from './object-end.js';
import { PG_BUSY, PG_CLEAN, PG_WANTED, pageFree, pageHas, pageIndex, pageSet } from './page.js';
import { PG_VNODE } from './pager.js';
import type { Vm } from './vm.js';

/** A file that can be mapped: the vnode as far as the pager needs it. */
export class VnodeHandle implements VmFile {
  /** v_vmdata: its pager, from the first mapping to the end of the object. */
  pager: VnodePager | null = null;

  constructor(
    readonly name: string,
    readonly store: BackingStore,
    /** Where the file lies on the simulated disk, in pages. */
    readonly diskPage: number,
  ) {}
}

export class VnodePager {
  readonly type = PG_VNODE;
  object: VmObject | null = null;
  /** vnp_size: the length that the pager believes in, in bytes. */
  size: number;

  constructor(readonly vnode: VnodeHandle) {
    this.size = vnode.store.size();
  }

  /** The end of the file. Where the store and the news of its new length are apart, the nearer one. */
  get end(): number {
    return Math.min(this.size, this.vnode.store.size());
  }
}

/** vnode_pager_alloc: the file's object, made at its first mapping, with a reference for the caller. */
export function vnodeObject(vm: Vm, vnode: VnodeHandle): VmObject {
  if (vnode.pager !== null) return objectLookup(vm, vnode.pager) as VmObject;
  const pager = new VnodePager(vnode);
  const object = objectAllocate(vm, pagesFor(pager.size));
  object.flags &= ~OBJ_INTERNAL;
  objectSetPager(object, pager, 0);
  objectEnter(object, pager);
  vnode.pager = pager;
  return object;
}

/** vnode_pager_haspage: everything inside the file. */
export function vnodeHasPage(pager: VnodePager, place: number): boolean {
  return place * PAGE_SIZE < pager.end;
}

/** vnode_pager_getpage. */
export function vnodeGet(
  vm: Vm,
  thread: Thread,
  pager: VnodePager,
  place: number,
  page: number,
  done: (status: number) => void,
): void {
  const inside = Math.min(PAGE_SIZE, pager.end - place * PAGE_SIZE);
  if (inside <= 0) {
    done(VM_PAGER_BAD);
    return;
  }
  vm.machine.disk.read(pager.vnode.diskPage + Math.floor(place), 1);
  const bytes = vm.machine.memory.frameBytes(page);
  const io = bytes === null ? inside : pager.vnode.store.read(place * PAGE_SIZE, [bytes.subarray(0, inside)]);
  whenIoDone(vm, thread, io, 'vnread', (result) => done(finishRead(vm, page, result)));
}

/** As seeded an I/O error is told like "no data". */
function finishRead(vm: Vm, page: number, result: IoResult): number {
  if (result <= 0) {
    vm.printf('vnode_pager_io: I/O error');
    return vm.mended ? VM_PAGER_ERROR : VM_PAGER_FAIL;
  }
  if (result < PAGE_SIZE) vm.machine.memory.zeroPart(page, result, PAGE_SIZE);
  return VM_PAGER_OK;
}

/** vnode_pager_putpage. */
export function* vnodePut(vm: Vm, thread: Thread, pager: VnodePager, place: number, page: number): Task<number> {
  const inside = Math.min(PAGE_SIZE, pager.end - place * PAGE_SIZE);
  if (inside <= 0) return VM_PAGER_BAD;
  yield* uncacheForWrite(vm, thread, pager);
  vm.machine.disk.write(pager.vnode.diskPage + Math.floor(place), 1);
  const bytes = vm.machine.memory.frameBytes(page);
  const io = bytes === null ? inside : pager.vnode.store.write(place * PAGE_SIZE, [bytes.subarray(0, inside)]);
  const result = yield* ioResult(vm, thread, io, 'vnwrite');
  if (result < inside) {
    vm.printf('vnode_pager_io: I/O error');
    return VM_PAGER_FAIL;
  }
  pageSet(vm, page, PG_CLEAN);
  vm.pmap.clearModify(page);
  return VM_PAGER_OK;
}

/**
 * vnode_pager_uncache. As seeded a cached object loses its last hold here, and its end waits for the very write that is being made;
 * mended, it only becomes one that does not outlive its next reference.
 */
function* uncacheForWrite(vm: Vm, thread: Thread, pager: VnodePager): Task<void> {
  const { object } = pager;
  if (object === null) return;
  if (vm.mended && object.refCount === 0) return;
  if (vm.mended) object.flags &= ~OBJ_CANPERSIST;
  else yield* uncache(vm, thread, object);
}

/** vnode_pager_dealloc. */
export function vnodeDeallocate(pager: VnodePager): void {
  pager.vnode.pager = null;
}

/** vnode_pager_setsize: the file has a new length. Pages past a shorter end go, whoever maps them. */
export function* vnodeSetSize(vm: Vm, thread: Thread, vnode: VnodeHandle, bytes: number): Task<void> {
  const { pager } = vnode;
  if (pager === null || bytes === pager.size) return;
  const object = objectLookup(vm, pager);
  if (object === null) return;
  if (bytes < pager.size) pageRemoveRange(vm, object, pagesFor(bytes), pagesFor(pager.size));
  pager.size = bytes;
  yield* deallocate(vm, thread, object);
}

/**
 * The news of a length that the store gets besides, and what the file system does with it. Unlike vnode_pager_setsize it waits for busy pages,
 * and takes wired ones too: their frames would show the old contents again. Behind an end within a page all is zero from now on, also what
 * a mapping has stored there when the file grows.
 */
export function* resizeFile(vm: Vm, thread: Thread, vnode: VnodeHandle, bytes: number): Task<void> {
  const { pager } = vnode;
  const object = pager === null ? null : objectLookup(vm, pager);
  if (pager === null || object === null) return;
  const kept = Math.min(bytes, pager.end);
  pager.size = Math.min(pager.size, bytes);
  for (let page = object.firstPage; page >= 0; ) {
    const next = vm.pages.links.next(page);
    const start = (pageIndex(vm, page) + object.pagingOffset) * PAGE_SIZE;
    if (start + PAGE_SIZE <= kept) {
      page = next;
    } else if (pageHas(vm, page, PG_BUSY)) {
      pageSet(vm, page, PG_WANTED);
      vm.kernel.sleep(thread, page, 'vnsize');
      yield;
      page = object.firstPage;
    } else {
      if (start >= kept) dropPage(vm, page);
      else vm.machine.memory.zeroPart(page, kept - start, PAGE_SIZE);
      page = next;
    }
  }
  pager.size = bytes;
  growWithCopies(vm, object, pagesFor(bytes));
  yield* deallocate(vm, thread, object);
}

/** The copy objects of a file are as long as it, and so are their own: pages of the new part can be pushed into them. */
function growWithCopies(vm: Vm, object: VmObject, pages: number): void {
  const old = object.size;
  if (pages <= old) return;
  object.size = pages;
  for (const other of vm.objects) {
    if (other?.shadow === object && other.shadowOffset === 0 && other.size === old) growWithCopies(vm, other, pages);
  }
}

/** Frees a page, however it is wired. */
function dropPage(vm: Vm, page: number): void {
  vm.pmap.pageProtect(page, PROT_NONE);
  if (vm.pages.wireCount[page] !== 0) {
    vm.wiringAstray = 'a file was cut off before a wired page';
    vm.pages.wireCount[page] = 0;
    vm.wiredPages--;
  }
  pageFree(vm, page);
}

/** The file's object, without a reference, ends; what is in it is not written. */
export function* releaseVnode(vm: Vm, thread: Thread, vnode: VnodeHandle): Task<void> {
  const { pager } = vnode;
  const object = pager === null ? null : objectLookup(vm, pager);
  if (object === null) return;
  while (object.pagingInProgress !== 0) {
    vm.kernel.sleep(thread, object, 'vmoterm');
    yield;
  }
  for (let page = object.firstPage; page >= 0; page = vm.pages.links.next(page)) {
    vm.pmap.pageProtect(page, PROT_NONE);
    pageSet(vm, page, PG_CLEAN);
    vm.pmap.clearModify(page);
  }
  object.flags &= ~OBJ_CANPERSIST;
  yield* deallocate(vm, thread, object);
}
